/** Steps 2 and 3: fill the slices between labelled ones; look at uncertain slices, correct them, and refill. */

import { described, openAxes, type VoxelBox } from '../box'
import type { Context, Part } from '../context'
import type { FillInfo, FillOptions, VolumeInfo } from '../contract'
import { button, field, h, select, setText, show, toggle } from '../dom'
import { count, duration } from '../format'
import { ICONS } from '../icons'
import type { Model } from '../model'
import { splitBlock } from './split'

/** Options that are the same in both steps. */
const options: FillOptions = { suggest: 5, mode: 'auto', background: null }

/** Whether labels may be strokes, lines around something, or inside of a box. */
function mayBeStrokes(): boolean {
  return options.mode !== 'slices'
}

/** Whether only labelled voxels count, and not whole slices. */
function fromStrokes(): boolean {
  return options.mode === 'scribbles'
}

/** Slices with labels that a fill needs. */
function enough(): number {
  return mayBeStrokes() ? 1 : 2
}

export function startFill(context: Context): void {
  const { model } = context
  if (model.labelledCount < enough()) context.tell(mayBeStrokes() ? 'Draw something first.' : 'Label at least two slices first.')
  else context.start('fill', mayBeStrokes() ? { ...options, box: model.box } : { ...options, background: null })
}

/** How the labels are read, and what marks background in strokes. */
function modeFields(context: Context): Part {
  const { model } = context
  const mode = select(
    [
      ['auto', 'automatic'],
      ['slices', 'whole slices'],
      ['scribbles', 'strokes']
    ],
    (value) => {
      options.mode = value
      model.changed()
    }
  )
  const background = select([], (value) => (options.background = value === '' ? null : value))
  const backgroundField = field('Background', background, 'Segment whose strokes mark what belongs to no other segment')
  let filled = ''
  let known = ''
  return {
    element: h('div', { class: 'fields' }, field('Labels are', mode, 'Whole slices: what has no label is background. Strokes: what has no label is unknown. Automatic: closed thin lines are outlines of what they enclose, labels in a box are strokes, and others are what they look like.'), backgroundField),
    update: () => {
      const { fill } = model.server ?? {}
      const now = JSON.stringify(fill ?? null)
      if (now !== filled && fill != null) {
        options.mode = fill.mode
        options.background = fill.background
      }
      filled = now
      mode.value = options.mode ?? 'auto'
      const names = model.segments.map(({ name }) => name)
      show(backgroundField, fromStrokes() || (mayBeStrokes() && names.length > 1))
      if (JSON.stringify(names) !== known) {
        known = JSON.stringify(names)
        background.replaceChildren(h('option', { value: '' }, 'estimated'), ...names.map((name) => h('option', { value: name }, name)))
        const given = options.background ?? names.find((name) => name.toLowerCase() === 'background') ?? ''
        options.background = names.includes(given) ? given : null
      }
      background.value = options.background ?? ''
    }
  }
}

export function fillPanel(context: Context): Part {
  const { model } = context
  const run = button({ text: 'Fill', title: 'Fill the slices between labelled ones', key: 'Ctrl+Enter', kind: 'primary', press: () => startFill(context) })
  const hint = h('p', { class: 'hint' })
  const boxHint = h('p', { class: 'hint box' })
  const quality = h('div', { class: 'quality' })
  const more = h(
    'details',
    {},
    h('summary', {}, 'Options'),
    numberField('Smooth', 'voxels', 'Smooth boundaries over this length', (value) => (options.smooth = value)),
    numberField('Islands', 'voxels', 'Remove components smaller than this', (value) => (options.islands = value)),
    numberField('Holes', 'voxels', 'Fill enclosed holes up to this size', (value) => (options.holes = value))
  )
  const again = toggle('Refill after each edit', 'After an edit, fill again around it', (on) => model.change({ refill: on }))
  const mode = modeFields(context)
  const element = h('div', { class: 'panel' }, hint, boxHint, mode.element, run, again.element, more, quality)
  return {
    element,
    update: () => {
      const { labelledCount, writer, running, server, view } = model
      mode.update()
      const { box, volume } = model
      setText(hint, hintFor(labelledCount, box))
      show(boxHint, box.length > 0)
      if (box.length > 0 && volume !== null) setText(boxHint, boxSentence(box, volume))
      setText(run.lastElementChild ?? run, server?.fill == null ? 'Fill' : 'Refill')
      run.disabled = labelledCount < enough() || !writer || running !== null
      again.box.checked = view.refill
      qualityTable(quality, model)
    }
  }
}

function hintFor(labelled: number, box: VoxelBox): string {
  if (box.length > 0 && mayBeStrokes()) return labelled === 0 ? 'Draw a dab on the object in the box.' : 'Fills from what you drew in the box.'
  if (fromStrokes()) return strokesHint(labelled)
  return options.mode === 'auto' && labelled === 1 ? 'One slice: enough for a closed line around an object, or for a dab in a box. Otherwise label another one.' : fillHint(labelled)
}

function boxSentence(box: VoxelBox, volume: VolumeInfo): string {
  const what = `Box: ${described(box)}.`
  if (!mayBeStrokes()) return `${what} Whole slices need none.`
  const open = openAxes(box, volume)
  if (open.length === 0) return `${what} Outside it is background.`
  return `${what} It is as long as the volume along ${open.join(' and ')}: draw it in another direction of view too.`
}

function fillHint(labelled: number): string {
  if (labelled < 2) return 'Label at least two slices. Then the slices between are filled by a random walk over the whole image.'
  return `Fills between ${count(labelled, 'labelled slice')}. Your labels stay as they are.`
}

function strokesHint(labelled: number): string {
  if (labelled === 0) return 'Draw a stroke inside of each object, in any direction of view. Strokes of another segment can mark background.'
  const start = `Fills from the strokes on ${count(labelled, 'slice')}. A stroke on the result corrects it`
  return options.background == null ? `${start}; to erase from it, choose a segment as Background before you fill.` : `${start}; what you erase becomes background.`
}

/** Dice to expect of each segment, or that of the cross-validation where it is not known. */
function qualityTable(box: HTMLElement, model: Model): void {
  const fill = model.server?.fill ?? null
  show(box, fill !== null)
  if (fill === null) return
  const text = JSON.stringify([fill, model.segments])
  if (box.dataset.shown === text) return
  box.dataset.shown = text
  const rows = model.segments.flatMap(({ value, name, colour }) => {
    const dice = fill.segment_dice[String(value)]
    return dice === undefined ? [] : [diceRow(name, colour, dice)]
  })
  const expected = rows.length > 0
  const meaning = expected ? 'Dice to expect where you did not label, judged on hidden parts of the labelled slices.' : 'Cross-validation: hidden blocks of the labelled slices, filled from the rest.'
  const whole = fill.dice === null ? [] : [h('p', { class: 'hint' }, meaning)]
  if (!expected && fill.dice !== null) rows.push(diceRow('all segments', '', fill.dice))
  box.replaceChildren(h('p', { class: 'hint' }, `Filled in ${duration(fill.seconds)}.`), ...whole, ...rows)
}

function diceRow(name: string, colour: string, dice: number): HTMLElement {
  const swatch = h('span', { class: 'swatch' })
  swatch.style.background = colour
  const bar = h('meter', { min: 0, max: 1, low: 0.8, high: 0.9, optimum: 1, value: dice, 'aria-label': `Dice of ${name}` })
  return h('div', { class: 'dice' }, swatch, h('span', { class: 'name' }, name), bar, h('output', {}, `Dice ${dice.toFixed(3)}`))
}

export function numberField(
  name: string,
  unit: string,
  title: string,
  change: (value: number | null) => void
): HTMLLabelElement {
  const input = h('input', { type: 'number', min: 0, step: 'any', placeholder: unit })
  input.addEventListener('change', () => change(Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber))
  return field(name, input, title)
}

export function correctPanel(context: Context): Part {
  const { model } = context
  const hint = h('p', { class: 'hint' })
  const chips = h('div', { class: 'chips', role: 'group', 'aria-label': 'Suggested slices' })
  const uncertainty = toggle('Show uncertainty', 'Show where the result is uncertain (U)', (on) => model.change({ uncertainty: on }))
  const before = toggle('Show outlines before the last job', 'Outlines of the labels before the last job (K)', (on) => model.change({ before: on }))
  const again = toggle('Refill after each edit', 'After an edit, fill again around it', (on) => model.change({ refill: on }))
  const refill = button({ text: 'Refill', title: 'Fill again around the slices that were edited', key: 'Ctrl+Enter', kind: 'primary', press: () => startFill(context) })
  const correct = button({
    text: 'Correct around edits',
    title: 'Carry your edits of filled, predicted or opened labels to the slices around them',
    press: () => context.start('correct', {})
  })
  const undo = undoButton(context)
  const split = splitBlock(context)
  const buttons = h('div', { class: 'row' }, refill, undo.element)
  const element = h('div', { class: 'panel' }, hint, chips, uncertainty.element, before.element, again.element, buttons, correct, split.element)
  return {
    element,
    update: () => {
      const { server, view, writer, running, labelledCount } = model
      const fill = server?.fill ?? null
      const edited = server?.labels?.edited ?? 0
      setText(hint, correctHint(fill, edited))
      suggestions(chips, fill, model)
      uncertainty.box.checked = view.uncertainty
      uncertainty.box.disabled = !server?.overlays.uncertainty
      before.box.checked = view.before
      before.box.disabled = !server?.overlays.before
      again.box.checked = view.refill
      again.box.disabled = fill === null
      refill.disabled = !writer || running !== null || labelledCount < enough() || fill === null
      correct.disabled = !writer || running !== null || edited === 0
      refill.classList.toggle('primary', fill !== null)
      correct.classList.toggle('primary', fill === null)
      undo.update()
      split.update()
    }
  }
}

function correctHint(fill: FillInfo | null, edited: number): string {
  if (fill === null && edited > 0) return `${count(edited, 'slice')} edited. Carry the edits to the slices around them.`
  if (fill === null) return 'Go to a wrong slice and correct it with the tools. Then carry the edit to the slices around it.'
  if (fill.suggestions.length === 0) return 'Scroll through the slices. Correct one that is wrong, and refill.'
  return 'Worth labelling next, the best first:'
}

function suggestions(box: HTMLElement, fill: FillInfo | null, model: Model): void {
  const labelled = fill === null ? [] : (model.server?.labels?.labelled[fill.axis] ?? [])
  const text = JSON.stringify([fill?.suggestions, fill?.axis, labelled])
  if (box.dataset.shown === text) return
  box.dataset.shown = text
  box.replaceChildren(
    ...(fill?.suggestions ?? []).map((index) =>
      h(
        'button',
        {
          type: 'button',
          class: labelled.includes(index) ? 'chip done' : 'chip',
          title: `Go to slice ${fill?.axis} = ${index}`,
          onclick: () => model.goTo(index, fill?.axis)
        },
        `${fill?.axis} ${index}`
      )
    )
  )
}

/** Takes the last job back. */
export function undoButton({ model, api, act, flushed }: Context): Part {
  const undo = button({
    icon: ICONS.undo,
    text: 'Undo job',
    title: 'Take the last job back',
    press: () =>
      act(async () => {
        await flushed()
        model.receive(await api.undo())
      })
  })
  return {
    element: undo,
    update: () => {
      const kind = model.server?.undo ?? ''
      setText(undo.lastElementChild ?? undo, kind === '' ? 'Undo job' : `Undo ${kind}`)
      undo.disabled = kind === '' || !model.writer || model.running !== null
    }
  }
}
