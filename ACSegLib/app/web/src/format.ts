/** Numbers, times and lengths as the user reads them. */

/** Of a table of measurements. */
export const OUTDATED = 'Labels or voxel size have changed since the measurement. Measure again.'

const LARGER = new Map([
  ['nm', 'um'],
  ['um', 'mm'],
  ['mm', 'm']
])

/** "200 nm", "5 µm": in the next larger unit from 1000 on. */
export function length(size: number, unit: string): string {
  const larger = LARGER.get(unit)
  if (larger !== undefined && size >= 1000) return length(size / 1000, larger)
  return `${number(size)} ${unitName(unit)}`
}

/** The unit as it is written; "1/um" as well. */
export function unitName(unit: string): string {
  return unit === 'angstrom' ? 'Å' : unit.replace(/\bum\b/, 'µm')
}

/** Whole numbers, such as counts, in full; others with four digits, without zeros at the end. */
export function number(value: number): string {
  if (Number.isSafeInteger(value)) return String(value)
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(2)
  return String(Number(value.toPrecision(4)))
}

/** "1 min 20 s left", "12 s left". */
export function timeLeft(seconds: number): string {
  return `${duration(seconds)} left`
}

export function duration(seconds: number): string {
  if (seconds < 1) return 'less than 1 s'
  if (seconds < 60) return `${Math.round(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`
}

/** Hours and minutes of a time in seconds since 1970. */
export function clock(time: number): string {
  return new Date(1000 * time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false })
}

/** "128 × 128 × 96" for a shape (z, y, x). */
export function shapeText([z, y, x]: readonly [number, number, number]): string {
  return `${x} × ${y} × ${z}`
}

/** A note of the library as a sentence: with a capital, unless a name begins it. */
export function sentence(note: string): string {
  return /^[a-z]+ /.test(note) ? note.charAt(0).toUpperCase() + note.slice(1) : note
}

/** "1 slice", "3 slices". */
export function count(size: number, thing: string): string {
  return `${size} ${thing}${size === 1 ? '' : 's'}`
}

/** "every", "every 2nd", "every 11th". */
export function everyNth(number: number): string {
  if (number === 1) return 'every'
  const teen = Math.floor(number / 10) % 10 === 1
  return `every ${number}${(teen ? undefined : ['th', 'st', 'nd', 'rd'][number % 10]) ?? 'th'}`
}
