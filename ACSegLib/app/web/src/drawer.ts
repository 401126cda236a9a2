/** The drawer below the slice with the table of measurements; a click on a row shows the cell. */

import type { Context, Part } from './context'
import type { Cell, Table } from './contract'
import { button, h, show } from './dom'
import { number, OUTDATED, unitName } from './format'
import { ICONS } from './icons'

export class Drawer implements Part {
  readonly element: HTMLElement
  private readonly body = h('div', { class: 'table-box', tabindex: 0, 'aria-label': 'Measurements', role: 'region' })
  private readonly outdated = h('p', { class: 'hint outdated', role: 'status' }, OUTDATED)
  private table: Table | null = null
  private version = 0
  private open = false
  private sorted: { column: number; down: boolean } | null = null
  private chosen = -1

  constructor(private readonly context: Context) {
    const close = button({ icon: ICONS.cross, title: 'Close the table', press: () => this.show(false) })
    const title = h('div', { class: 'title' }, h('h2', {}, 'Measurements'), this.outdated, close)
    this.element = h('section', { class: 'drawer', 'aria-label': 'Table' }, title, this.body)
    show(this.element, false)
  }

  show(open: boolean): void {
    this.open = open
    this.update()
  }

  update(): void {
    const { model, api, act } = this.context
    const version = model.server?.table ?? 0
    if (version !== this.version) {
      this.version = version
      this.open = version > 0
      this.sorted = null
      this.chosen = -1
      if (version > 0) {
        act(async () => {
          this.table = await api.table()
          this.fill()
        })
      }
    }
    show(this.outdated, model.server?.table_outdated === true)
    show(this.element, this.open && version > 0)
  }

  private fill(): void {
    const { table } = this
    if (table === null) return
    const order = table.rows.map((_, k) => k)
    const { sorted } = this
    if (sorted !== null) {
      order.sort((a, b) => (sorted.down ? -1 : 1) * compare(table.rows[a][sorted.column], table.rows[b][sorted.column]))
    }
    const head = h('tr', {}, ...table.columns.map((name, k) => this.headCell(name, k, isNumber(table, k))))
    const rows = order.map((place) => this.row(table, place))
    this.body.replaceChildren(h('table', {}, h('thead', {}, head), h('tbody', {}, ...rows)))
  }

  private headCell(name: string, column: number, numeric: boolean): HTMLTableCellElement {
    const { sorted } = this
    const mine = sorted?.column === column
    const arrow = mine ? (sorted.down ? ' ↓' : ' ↑') : ''
    const press = (): void => {
      this.sorted = { column, down: mine && !sorted.down }
      this.fill()
    }
    const text = h('button', { type: 'button', onclick: press, title: `Sort by ${name}` }, name.replaceAll('_', ' ') + arrow)
    return h('th', { scope: 'col', class: numeric ? 'number' : '', 'aria-sort': mine ? (sorted.down ? 'descending' : 'ascending') : 'none' }, text)
  }

  private row(table: Table, place: number): HTMLTableRowElement {
    const centre = table.centres[place]
    const go = (): void => {
      if (centre === null) return
      this.chosen = place
      this.context.model.goToVoxel(centre)
      this.body.querySelectorAll('tbody tr').forEach((row) => row.classList.remove('chosen'))
      row.classList.add('chosen')
    }
    const cells = table.rows[place].map((value, k) =>
      h('td', { class: isNumber(table, k) ? 'number' : '' }, table.columns[k] === 'unit' ? unitName(String(value)) : text(value))
    )
    const row = h('tr', { class: place === this.chosen ? 'chosen' : '', tabindex: centre === null ? null : 0, onclick: go }, ...cells)
    row.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault()
        go()
      }
    })
    if (centre !== null) row.title = 'Go to this cell'
    return row
  }
}

/** Whether a column holds numbers. */
function isNumber(table: Table, column: number): boolean {
  return table.rows.some((row) => typeof row[column] === 'number')
}

function text(value: Cell): string {
  if (value === null) return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'number' ? number(value) : value
}

/** Numbers by size, text by the alphabet, nothing last. */
function compare(a: Cell, b: Cell): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a).localeCompare(String(b))
}
