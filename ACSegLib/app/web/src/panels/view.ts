/** Step 6: what is shown, and how. */

import type { Context, Part } from '../context'
import { button, field, h, select, slider, toggle } from '../dom'
import { number } from '../format'

export function viewPanel(context: Context): Part {
  const { model, api, act } = context
  const opacity = slider('Opacity', { min: 0, max: 1, step: 0.05 }, (value) => model.change({ opacity: value }))
  const toggles = [
    { key: 'labels', ...toggle('Labels', 'Show labels (V)', (on) => model.change({ labels: on })) },
    { key: 'areas', ...toggle('Areas', 'Show areas, not outlines alone (O)', (on) => model.change({ areas: on })) },
    { key: 'uncertainty', ...toggle('Uncertainty', 'Show where the fill is uncertain (U)', (on) => model.change({ uncertainty: on })) },
    { key: 'before', ...toggle('Before last job', 'Outlines of the labels before the last job (K)', (on) => model.change({ before: on })) },
    { key: 'reference', ...toggle('Reference', 'Outlines of the reference labels (R)', (on) => model.change({ reference: on })) },
    { key: 'interpolate', ...toggle('Interpolate', 'Show the image smoothly between voxels', (on) => model.change({ interpolate: on })) }
  ] as const
  const reference = select([['', 'none']], (path) =>
    act(async () => {
      model.receive(await api.reference(path))
      model.change({ reference: path !== '' })
    })
  )
  const [low, high] = (['low', 'high'] as const).map((end) => contrastField(context, end))
  const reset = button({ text: 'Reset contrast', title: 'Contrast of the beginning', key: 'A', press: () => resetContrast(context) })
  const volume = button({ text: 'Show 3D', title: 'Slice and 3D side by side', key: 'T', press: () => model.change({ layout: 'both' }) })
  const element = h(
    'div',
    { class: 'panel' },
    h('div', { class: 'columns' }, ...toggles.map(({ element: one }) => one)),
    opacity.element,
    field('Reference', reference, 'Labels to compare with'),
    h('div', { class: 'row' }, field('Black', low.input), field('White', high.input)),
    h('div', { class: 'row' }, reset, volume)
  )
  let listed = false
  return {
    element,
    update: () => {
      const { view, server } = model
      for (const { key, box } of toggles) box.checked = view[key]
      toggles[2].box.disabled = !server?.overlays.uncertainty
      toggles[3].box.disabled = !server?.overlays.before
      toggles[4].box.disabled = !server?.overlays.reference
      opacity.set(view.opacity, `${Math.round(100 * view.opacity)} %`)
      low.update()
      high.update()
      reference.disabled = !model.writer
      if (model.view.step !== 'view') listed = false
      else if (!listed) {
        listed = true
        act(() => listReferences(context, reference))
      }
    }
  }
}

export function resetContrast({ model }: Context): void {
  if (model.volume === null) return
  const [low, high] = model.volume.window
  model.change({ contrast: { low, high } })
}

function contrastField({ model }: Context, end: 'low' | 'high'): { input: HTMLInputElement; update: () => void } {
  const input = h('input', { type: 'number', step: 'any' })
  input.addEventListener('change', () => {
    if (!Number.isNaN(input.valueAsNumber)) model.change({ contrast: { ...model.view.contrast, [end]: input.valueAsNumber } })
  })
  return {
    input,
    update: () => {
      if (document.activeElement !== input) input.value = number(model.view.contrast[end])
    }
  }
}

async function listReferences({ api }: Context, choice: HTMLSelectElement): Promise<void> {
  const files = await api.files()
  const chosen = choice.value
  const paths = files.filter((file) => file.kind === 'labels').map((file) => file.path)
  choice.replaceChildren(h('option', { value: '' }, 'none'), ...paths.map((path) => h('option', { value: path }, path)))
  choice.value = paths.includes(chosen) ? chosen : ''
}
