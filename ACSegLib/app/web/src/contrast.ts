/** From intensities to grey: window and level, with a table of 65536 entries. */

export interface Contrast {
  /** Intensities that become black and white. */
  readonly low: number
  readonly high: number
}

/** Intensities are sent as 16-bit numbers: `low` for 0, and `high` for 65535. */
export interface Coding {
  readonly low: number
  readonly high: number
}

/** Grey (0 to 255) of each coded intensity. */
export function greyTable(contrast: Contrast, coding: Coding): Uint8ClampedArray {
  const table = new Uint8ClampedArray(65536)
  const step = (coding.high - coding.low) / 65535
  const scale = 255 / Math.max(contrast.high - contrast.low, Number.MIN_VALUE)
  for (let code = 0; code < 65536; code++) table[code] = (coding.low + code * step - contrast.low) * scale
  return table
}

/** Paint coded intensities as opaque grey pixels. */
export function paintGrey(codes: Uint16Array, table: Uint8ClampedArray, pixels: Uint32Array): void {
  for (let place = 0; place < codes.length; place++) pixels[place] = 0xff000000 | (table[codes[place]] * 0x010101)
}

/**
 * Contrast after a drag: to the right widens the range, upwards makes the picture brighter.
 *
 * @param dx, dy of the drag, as a fraction of the canvas.
 */
export function dragged(start: Contrast, dx: number, dy: number): Contrast {
  const width = start.high - start.low
  const wider = width * Math.exp(2 * dx)
  const centre = (start.low + start.high) / 2 + width * dy
  return { low: centre - wider / 2, high: centre + wider / 2 }
}
