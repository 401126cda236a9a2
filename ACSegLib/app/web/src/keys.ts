/** Keys of the whole page. */

export type Keymap = ReadonlyMap<string, () => void>

/** The name of a key press: "Ctrl+Shift+z", "n", "ArrowUp". */
export function nameOf(event: KeyboardEvent): string {
  const control = event.ctrlKey || event.metaKey ? 'Ctrl+' : ''
  const alt = event.altKey ? 'Alt+' : ''
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  const shift = event.shiftKey && (control !== '' || key.length > 1) ? 'Shift+' : ''
  return `${control}${alt}${shift}${key}`
}

/** Whether keys belong to the element that has the focus: it takes text, or chooses by arrows. */
function takesKeys(target: EventTarget | null, name: string): boolean {
  if (!(target instanceof HTMLElement) || target.closest('dialog') !== null) return target instanceof HTMLElement
  if (target instanceof HTMLSelectElement) return !name.startsWith('Ctrl')
  if (target instanceof HTMLTextAreaElement) return true
  if (!(target instanceof HTMLInputElement)) return false
  if (target.type === 'range') return name.startsWith('Arrow') || name.startsWith('Page') || name === 'Home' || name === 'End'
  return target.type !== 'checkbox' && target.type !== 'color' && !['Ctrl+s', 'Ctrl+o', 'Ctrl+Enter'].includes(name)
}

/** Call what belongs to a key. */
export function listen(keymap: Keymap): void {
  window.addEventListener('keydown', (event) => {
    const name = nameOf(event)
    const action = keymap.get(name)
    if (action === undefined || takesKeys(event.target, name)) return
    event.preventDefault()
    action()
  })
}
