/** Step 5: measure the cells. The table itself is in the drawer below the slice. */

import type { Context, Part } from '../context'
import type { MeasureOptions } from '../contract'
import { button, field, h, select, show, toggle } from '../dom'
import { OUTDATED } from '../format'

const options: MeasureOptions = { unit: 'um' }

export function measurePanel(context: Context, openTable: () => void): Part {
  const { model } = context
  const unit = select(
    [
      ['um', 'µm'],
      ['nm', 'nm'],
      ['mm', 'mm']
    ],
    (value) => (options.unit = value)
  )
  const intensity = select(
    [
      ['', 'as in the file'],
      ['1/um', '1/µm (LAC)']
    ],
    (value) => (options.intensity_unit = value)
  )
  const boxes = [
    toggle('Each cell of its own', 'Measure every connected part of a segment', (on) => (options.cells = on)),
    toggle('Filopodia', 'Measure thin structures', (on) => (options.thin_parts = on)),
    toggle('Contacts', 'Measure contact areas between segments', (on) => (options.contacts = on)),
    toggle('Leave out cells at the border', 'Cells that the border cuts are not measured', (on) => (options.exclude_border = on))
  ]
  boxes.forEach(({ box }, k) => (box.checked = k < 3))
  const run = button({ text: 'Measure', title: 'Measure volume, surface and absorption of every cell', kind: 'primary', press: () => context.start('measure', options) })
  const table = button({ text: 'Table', title: 'Show the table', press: openTable })
  const contacts = link('Contacts', './api/contacts.csv', 'The pairs of cells that touch, with their area of contact, as comma-separated values')
  const files = h(
    'div',
    { class: 'links' },
    link('CSV', './api/table.csv', 'The table as comma-separated values'),
    link('XLSX', './api/table.xlsx', 'The table for a spreadsheet'),
    contacts,
    link('Report', './api/report.html', 'A page with table and pictures')
  )
  const outdated = h('p', { class: 'hint outdated' }, OUTDATED)
  const element = h(
    'div',
    { class: 'panel' },
    h('p', { class: 'hint' }, 'Volume, surface, surface-to-volume ratio, filopodia, contacts and absorption of every cell.'),
    field('Unit', unit, 'Unit of lengths in the table'),
    field('Unit of the image', intensity, 'Unit of the values of the image; choose 1/µm where the file does not state that they are absorption (LAC)'),
    ...boxes.map(({ element: box }) => box),
    h('div', { class: 'row' }, run, table),
    outdated,
    files
  )
  return {
    element,
    update: () => {
      const measured = (model.server?.table ?? 0) > 0
      run.disabled = !model.writer || model.running !== null
      table.disabled = !measured
      show(files, measured)
      show(contacts, model.server?.contacts === true)
      show(outdated, model.server?.table_outdated === true)
    }
  }
}

export function link(text: string, address: string, title: string): HTMLAnchorElement {
  return h('a', { href: address, download: true, class: 'link', title }, text)
}
