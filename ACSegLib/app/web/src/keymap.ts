/** What each key does. */

import type { App } from './app'
import { AXES } from './axes'
import type { Keymap } from './keys'
import { MAX_BRUSH } from './model'
import { goNext } from './panels/draw'
import { startFill } from './panels/fill'
import { resetContrast } from './panels/view'
import { TOOLS } from './toolbar'

type Switch = 'labels' | 'areas' | 'uncertainty' | 'before' | 'reference'

const SWITCHES: readonly (readonly [string, Switch])[] = [
  ['v', 'labels'],
  ['o', 'areas'],
  ['u', 'uncertainty'],
  ['k', 'before'],
  ['r', 'reference']
]

export function keymap(app: App): Keymap {
  const { model } = app
  const map = new Map<string, () => void>()
  for (const { key, name } of TOOLS) map.set(key.toLowerCase(), () => model.change({ tool: name }))
  for (const axis of AXES) map.set(axis, () => model.change({ axis }))
  for (const [key, name] of SWITCHES) map.set(key, () => model.change({ [name]: !model.view[name] }))
  for (let k = 1; k <= 9; k++) {
    map.set(String(k), () => {
      if (k <= model.segments.length) model.change({ segment: model.segments[k - 1].value })
    })
  }
  slices(app, map)
  strokes(app, map)
  whole(app, map)
  return map
}

function slices({ model, stage }: App, map: Map<string, () => void>): void {
  const go = (step: number) => (): void => model.goTo(model.index + step)
  const steps: [string, number][] = [
    ['ArrowUp', 1],
    ['ArrowDown', -1],
    ['.', 1],
    [',', -1],
    ['PageUp', 10],
    ['PageDown', -10],
    ['Home', -Infinity],
    ['End', Infinity]
  ]
  for (const [key, step] of steps) map.set(key, go(step))
  map.set('f', () => stage.view.fit())
  map.set('+', () => stage.zoom(1.25))
  map.set('=', () => stage.zoom(1.25))
  map.set('-', () => stage.zoom(0.8))
}

function strokes(app: App, map: Map<string, () => void>): void {
  const { model, stage, editor } = app
  const size = (factor: number) => (): void => {
    const step = Math.max(2, 2 * Math.round((model.view.brush * 0.15) / 2))
    model.change({ brush: Math.min(MAX_BRUSH, Math.max(1, model.view.brush + factor * step)) })
  }
  map.set('[', size(-1))
  map.set(']', size(1))
  map.set('Enter', () => stage.tool?.finish())
  map.set('Backspace', () => stage.tool?.back())
  map.set('Escape', () => stage.gestures.cancel())
  map.set('c', () => app.act(() => editor.copyNeighbour()))
  map.set('n', () => goNext(app))
  map.set('Alt+Enter', () => stage.pressPoint())
  for (const [key, dx, dy] of [
    ['ArrowLeft', -1, 0],
    ['ArrowRight', 1, 0],
    ['ArrowUp', 0, -1],
    ['ArrowDown', 0, 1]
  ] as const) {
    map.set(`Alt+${key}`, () => stage.movePoint(dx, dy))
    map.set(`Ctrl+Alt+${key}`, () => stage.movePoint(10 * dx, 10 * dy))
  }
}

function whole(app: App, map: Map<string, () => void>): void {
  const { model, editor } = app
  map.set('Ctrl+z', () => editor.undo())
  map.set('Ctrl+y', () => editor.redo())
  map.set('Ctrl+Shift+z', () => editor.redo())
  map.set('Ctrl+Enter', () => startFill(app))
  map.set('Ctrl+s', () => model.change({ step: 'save' }))
  map.set('Ctrl+o', app.open)
  map.set('?', app.help)
  map.set('a', () => resetContrast(app))
  map.set('t', () => model.change({ layout: model.view.layout === 'slice' ? 'both' : 'slice' }))
}
