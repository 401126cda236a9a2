/** Step 4: segment the volume with a model; train a model on labelled volumes of the folder. */

import type { Context, Part } from '../context'
import type { FileEntry, PredictOptions, TrainOptions } from '../contract'
import { button, field, h, select, setText, show, toggle } from '../dom'
import { number } from '../format'
import { undoButton } from './fill'

const options: PredictOptions = {}

export function predictPanel(context: Context): Part {
  const { model, api } = context
  const choice = select([['', 'Pretrained model']], (value) => (options.model = value))
  const mirrored = toggle('Average mirrored images', 'Test-time augmentation: slower, often a little better', (on) => (options.tta = on))
  const run = button({ text: 'Predict', title: 'Segment the volume with the model', kind: 'primary', press: () => context.start('predict', options) })
  const undo = undoButton(context)
  const hint = h('p', { class: 'hint' }, 'A network segments the whole volume. Labelled slices are not needed; correct the result as you would a fill.')
  const train = trainPanel(context)
  const element = h('div', { class: 'panel' }, hint, field('Model', choice), mirrored.element, h('div', { class: 'row' }, run, undo.element), train.element)
  let filled = false
  return {
    element,
    update: () => {
      run.disabled = !model.writer || model.running !== null
      undo.update()
      train.update()
      if (model.view.step !== 'predict') filled = false
      else if (!filled) {
        filled = true
        context.act(async () => fillModels(choice, await api.files()))
      }
    }
  }
}

function fillModels(choice: HTMLSelectElement, files: readonly FileEntry[]): void {
  const models = files.filter((file) => file.kind === 'model').map((file) => file.path)
  const chosen = options.model ?? ''
  choice.replaceChildren(
    h('option', { value: '' }, 'Pretrained model'),
    ...models.map((path) => h('option', { value: path }, path))
  )
  choice.value = models.includes(chosen) ? chosen : ''
}

/** Files or folders, separated by commas. */
function paths(text: string): string[] {
  return text.split(',').map((path) => path.trim()).filter((path) => path !== '')
}

function trainPanel(context: Context): Part {
  const { model } = context
  const images = h('input', { type: 'text', placeholder: 'images' })
  const labels = h('input', { type: 'text', placeholder: 'labels' })
  const name = h('input', { type: 'text', value: 'model.acseg' })
  const minutes = h('input', { type: 'number', min: 1, max: 10000, value: 30 })
  const run = button({
    text: 'Train',
    title: 'Train a model on the labelled volumes of two folders',
    press: () => {
      const request: TrainOptions = {
        images: paths(images.value || 'images'),
        labels: paths(labels.value || 'labels'),
        model: name.value,
        minutes: minutes.valueAsNumber || 30
      }
      context.start('train', request)
    }
  })
  const numbers = h('p', { class: 'hint numbers' })
  const form = h(
    'div',
    { class: 'form' },
    field('Images', images, 'Folder of images, or files separated by commas'),
    field('Labels', labels, 'Folder of their labels, or files; the names pair them'),
    field('Model file', name),
    field('Minutes', minutes),
    run,
    numbers
  )
  const missing = h('p', { class: 'hint' }, "Training needs more packages: pip install 'acseg[network]'.")
  const element = h('details', {}, h('summary', {}, 'Train a model'), form, missing)
  return {
    element,
    update: () => {
      const { server, running, writer } = model
      show(form, server?.can_train ?? false)
      show(missing, !(server?.can_train ?? false))
      run.disabled = !writer || running !== null
      const metrics = Object.entries(running?.kind === 'train' ? running.metrics : {})
      setText(numbers, metrics.map(([key, value]) => `${key} ${number(value)}`).join(' · '))
    }
  }
}
