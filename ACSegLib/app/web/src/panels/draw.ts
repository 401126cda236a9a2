/** Step 1: label slices. */

import type { Context, Part } from '../context'
import { button, field, h, setText, slider, toggle } from '../dom'
import { count, everyNth } from '../format'
import { ICONS } from '../icons'
import { MAX_BRUSH, nextSlice } from '../model'

export function drawPanel(context: Context): Part {
  const { model, editor } = context
  const hint = h('p', { class: 'hint' })
  const brush = slider('Brush', { min: 1, max: MAX_BRUSH, step: 2 }, (across) => model.change({ brush: across }))
  const keep = toggle('Keep other segments', 'Tools leave the voxels of other segments as they are', (on) =>
    model.change({ keepOthers: on })
  )
  const labelled = toggle(
    'This slice is labelled',
    'A labelled slice is complete: what has no label on it is background. An empty slice can be labelled, too.',
    (on) => editor.markLabelled(on)
  )
  const every = h('input', { type: 'number', min: 2, max: 500, step: 1 })
  every.addEventListener('change', () => model.change({ every: Math.max(2, every.valueAsNumber || 20) }))
  const next = button({ icon: ICONS.next, text: 'Next slice', title: 'Go to the next slice to label', key: 'N', press: () => goNext(context) })
  const copy = button({ icon: ICONS.copy, text: 'Copy nearest', title: 'Copy the labels of the nearest labelled slice', key: 'C', press: () => context.act(() => editor.copyNeighbour()) })
  const element = h(
    'div',
    { class: 'panel' },
    hint,
    brush.element,
    keep.element,
    labelled.element,
    field('Every', every, 'Slices from one labelled slice to the next'),
    h('div', { class: 'row' }, next, copy)
  )
  return {
    element,
    update: () => {
      const { view, labelledCount, writer } = model
      setText(hint, hintFor(labelledCount, view.every))
      brush.set(view.brush, `${view.brush} voxels`)
      keep.box.checked = view.keepOthers
      labelled.box.checked = model.labelled.includes(model.index)
      labelled.box.disabled = copy.disabled = !writer
      if (document.activeElement !== every) every.value = String(view.every)
      next.disabled = nextSlice(model) === null
    }
  }
}

function hintFor(labelled: number, every: number): string {
  if (labelled === 0) return `Outline the structures on about ${everyNth(every)} slice. The fill labels the slices between.`
  if (labelled === 1) return 'One slice is labelled. Label at least one more, on the other side of the structure.'
  return `${count(labelled, 'slice')} labelled. Go on, or fill the slices between.`
}

export function goNext({ model, tell }: Context): void {
  const next = nextSlice(model)
  if (next === null) tell('Every slice at this spacing is labelled.')
  else model.goTo(next.index, next.axis)
}
