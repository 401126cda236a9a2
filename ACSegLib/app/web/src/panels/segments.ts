/** The list of segments: colour, name, key; the one that is drawn. */

import type { Context, Part } from '../context'
import type { SegmentInfo } from '../contract'
import { button, h } from '../dom'
import { ICONS } from '../icons'

/** Colours of new segments: told apart also by people who do not tell red from green (Okabe and Ito 2008). */
const PALETTE = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#cc79a7', '#d55e00', '#0072b2', '#bdbdbd']

export function segmentsPanel(context: Context): Part {
  const list = h('ul', { class: 'segments', 'aria-label': 'Segments' })
  const add = button({ icon: ICONS.plus, title: 'Add a segment', press: () => addSegment(context) })
  const title = h('div', { class: 'title' }, h('h2', {}, 'Segments'), add)
  const element = h('section', { class: 'segment-box' }, title, list)
  let shown = ''
  return {
    element,
    update: () => {
      const { segments, view, volume, writer } = context.model
      element.hidden = volume === null
      add.disabled = !writer
      const now = JSON.stringify([segments, view.segment, writer])
      if (now === shown || list.contains(document.activeElement?.closest('input[type=text]') ?? null)) return
      shown = now
      const focused = list.contains(document.activeElement)
      list.replaceChildren(...segments.map((segment, k) => row(context, segment, k)))
      if (focused) list.querySelector<HTMLElement>('.current .pick')?.focus()
    }
  }
}

function row(context: Context, segment: SegmentInfo, place: number): HTMLLIElement {
  const { model, api } = context
  const current = segment.value === model.view.segment
  const colour = h('input', { type: 'color', value: segment.colour, 'aria-label': `Colour of ${segment.name}`, title: 'Change the colour' })
  colour.addEventListener('change', () => context.act(() => api.changeSegment(segment.value, { colour: colour.value })))
  const pick = h(
    'button',
    {
      type: 'button',
      class: 'pick',
      title: 'Draw this segment; double-click to rename',
      'aria-pressed': String(current),
      onclick: () => model.change({ segment: segment.value })
    },
    h('span', { class: 'text' }, segment.name),
    place < 9 ? h('kbd', {}, String(place + 1)) : null
  )
  const item = h('li', { class: current ? 'current' : '' }, colour, pick)
  pick.addEventListener('dblclick', () => rename(context, segment, item, pick))
  pick.addEventListener('keydown', (event) => {
    if (event.key === 'F2') rename(context, segment, item, pick)
  })
  if (current) {
    item.append(
      button({ icon: ICONS.rename, title: `Rename ${segment.name}`, key: 'F2', press: () => rename(context, segment, item, pick) }),
      button({ icon: ICONS.cross, title: `Remove ${segment.name} and its voxels`, press: () => remove(context, segment) })
    )
  }
  return item
}

function addSegment({ model, api, act }: Context): void {
  act(async () => {
    const used = new Set(model.segments.map((segment) => segment.colour.toLowerCase()))
    const colour = PALETTE.find((one) => !used.has(one)) ?? PALETTE[model.segments.length % PALETTE.length]
    const known = new Set(model.segments.map((segment) => segment.value))
    const state = await api.addSegment({ name: newName(model.segments), colour })
    model.receive(state)
    const added = state.labels?.segments.find((segment) => !known.has(segment.value))
    if (added !== undefined) model.change({ segment: added.value })
  })
}

function newName(segments: readonly SegmentInfo[]): string {
  const names = new Set(segments.map((segment) => segment.name))
  for (let k = segments.length + 1; ; k++) if (!names.has(`segment ${k}`)) return `segment ${k}`
}

function remove({ model, api, act }: Context, segment: SegmentInfo): void {
  if (!window.confirm(`Remove the segment "${segment.name}" and all of its voxels?`)) return
  act(async () => model.receive(await api.removeSegment(segment.value)))
}

function rename(context: Context, segment: SegmentInfo, item: HTMLElement, pick: HTMLElement): void {
  const input = h('input', { type: 'text', value: segment.name, 'aria-label': `Name of ${segment.name}`, maxlength: 80 })
  let ended = false
  const end = (keep: boolean): void => {
    if (ended) return // taking the field away takes the focus from it, which ends it again
    ended = true
    const name = input.value.trim()
    input.replaceWith(pick)
    if (keep && name !== '' && name !== segment.name) {
      context.act(() => context.api.changeSegment(segment.value, { name }))
    }
  }
  input.addEventListener('blur', () => end(true))
  input.addEventListener('keydown', (event) => {
    event.stopPropagation()
    if (event.key === 'Enter' || event.key === 'Escape') end(event.key === 'Enter')
  })
  if (item.contains(pick)) pick.replaceWith(input)
  input.select()
  input.focus()
}
