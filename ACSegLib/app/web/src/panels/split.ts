/** In step 3: split cells that touch, each into a segment of its own. */

import type { Context, Part } from '../context'
import type { SegmentInfo, SplitOptions } from '../contract'
import { button, field, h, select } from '../dom'

const options: SplitOptions = {}

export function splitBlock(context: Context): Part {
  const { model } = context
  const choice = select([], (value) => (options.segment = value))
  const cells = h('input', { type: 'number', min: 1, step: 1, placeholder: 'found' })
  cells.addEventListener('change', () => (options.count = Number.isNaN(cells.valueAsNumber) ? null : cells.valueAsNumber))
  const run = button({
    text: 'Split cells',
    title: 'Give every cell of the segment a segment of its own',
    press: () => context.start('split', options)
  })
  const hint = h('p', { class: 'hint' }, 'Cells are cut apart at seams and necks. Correct and fill first: the labelled slices are split too.')
  const element = h(
    'details',
    {},
    h('summary', {}, 'Split touching cells'),
    hint,
    field('Segment', choice, 'Segment of the touching cells'),
    field('Number of cells', cells, 'Number of cells of the segment, if it is known'),
    h('div', { class: 'row' }, run)
  )
  return {
    element,
    update: () => {
      if (fillChoice(choice, model.segments)) {
        cells.value = ''
        options.count = null
      }
      run.disabled = !model.writer || model.running !== null || !(model.server?.labels?.complete ?? false)
    }
  }
}

/** Show the segments; tells whether the one that was chosen is gone. */
function fillChoice(choice: HTMLSelectElement, segments: readonly SegmentInfo[]): boolean {
  const names = segments.map(({ name }) => name)
  const text = JSON.stringify(names)
  if (choice.dataset.shown === text) return false
  choice.dataset.shown = text
  choice.replaceChildren(h('option', { value: '' }, 'All cells'), ...names.map((name) => h('option', { value: name }, name)))
  const chosen = options.segment ?? ''
  const gone = chosen !== '' && !names.includes(chosen)
  if (gone) options.segment = ''
  choice.value = gone ? '' : chosen
  return gone
}
