/** Makes elements. Nothing is made from text that holds markup. */

type Child = Node | string | null
type Value = string | number | boolean | null | ((event: never) => void)

/** Make an element; `on...` are listeners, `class` its classes, everything else attributes (false and null: none). */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  values: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2).toLowerCase(), value as EventListener)
    else setAttribute(element, name, value)
  }
  element.append(...children.filter((child) => child !== null))
  return element
}

/** Set or remove an attribute, if it is another one now. */
export function setAttribute(element: Element, name: string, value: string | number | boolean | null): void {
  if (value === false || value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name)
    return
  }
  const text = value === true ? '' : String(value)
  if (element.getAttribute(name) !== text) element.setAttribute(name, text)
}

/** Set the text of an element, if it is another one now. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

export function show(element: HTMLElement, shown: boolean): void {
  if (element.hidden === shown) element.hidden = !shown
}

export interface ButtonOptions {
  icon?: string
  text?: string
  /** What it does; shown when the pointer rests on it, with the key. */
  title: string
  key?: string
  kind?: 'plain' | 'primary' | 'danger' | 'tool'
  press: () => void
}

/** A button with an icon, a text, or both. */
export function button({ icon, text, title, key, kind = 'plain', press }: ButtonOptions): HTMLButtonElement {
  const element = h('button', { type: 'button', class: `button ${kind}`, title: key ? `${title} (${key})` : title, onclick: press })
  if (icon !== undefined) element.append(iconOf(icon))
  if (text !== undefined) element.append(h('span', {}, text))
  else element.setAttribute('aria-label', title)
  if (key !== undefined) element.setAttribute('aria-keyshortcuts', key.replace('Ctrl', 'Control'))
  return element
}

const SVG = 'http://www.w3.org/2000/svg'

/** An icon of 16 x 16 from the path data of its lines. */
export function iconOf(path: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', '0 0 16 16')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  const line = document.createElementNS(SVG, 'path')
  line.setAttribute('d', path)
  svg.append(line)
  return svg
}

export interface Toggle {
  readonly element: HTMLLabelElement
  readonly box: HTMLInputElement
}

/** A check box with its text. */
export function toggle(text: string, title: string, change: (on: boolean) => void): Toggle {
  const box = h('input', { type: 'checkbox' })
  box.addEventListener('change', () => change(box.checked))
  return { element: h('label', { class: 'toggle', title }, box, h('span', {}, text)), box }
}

export interface Slider {
  readonly element: HTMLElement
  set: (value: number, text: string) => void
}

/** A slider with its name and its value. */
export function slider(
  text: string,
  range: { min: number; max: number; step: number },
  change: (value: number) => void
): Slider {
  const name = h('span', { class: 'name' }, text)
  const input = h('input', { type: 'range', ...range, 'aria-label': text })
  const output = h('output', {})
  input.addEventListener('input', () => change(input.valueAsNumber))
  return {
    element: h('div', { class: 'slider' }, name, input, output),
    set: (value, shown) => {
      if (input.valueAsNumber !== value) input.value = String(value)
      setText(output, shown)
      setAttribute(input, 'aria-valuetext', shown)
    }
  }
}

/** A field with its name: a row of a form. */
export function field(text: string, control: HTMLElement, title = ''): HTMLLabelElement {
  return h('label', { class: 'field', title: title === '' ? null : title }, h('span', { class: 'name' }, text), control)
}

/** A choice among texts. */
export function select(options: readonly (readonly [string, string])[], change: (value: string) => void): HTMLSelectElement {
  const element = h('select', {}, ...options.map(([value, text]) => h('option', { value }, text)))
  element.addEventListener('change', () => change(element.value))
  return element
}
