/** Above the slice: tools, undo, direction of view, zoom. */

import { AXES } from './axes'
import { setBox } from './box'
import type { Context, Part } from './context'
import { button, h, setAttribute, setText, show } from './dom'
import { ICONS } from './icons'
import type { Layout, ToolName } from './model'

interface ToolEntry {
  name: ToolName
  title: string
  key: string
}

export const TOOLS: readonly ToolEntry[] = [
  { name: 'outline', title: 'Outline: draw around an area', key: 'D' },
  { name: 'polygon', title: 'Polygon: set corners; Enter or a double click ends', key: 'P' },
  { name: 'brush', title: 'Brush', key: 'B' },
  { name: 'eraser', title: 'Eraser; Shift erases with any tool', key: 'E' },
  { name: 'hole', title: 'Fill a closed hole', key: 'H' },
  { name: 'box', title: 'Box: drag from corner to corner around an object, in each direction of view; outside is background', key: 'G' },
  { name: 'contrast', title: 'Contrast: drag; the right mouse button does so with any tool', key: 'W' },
  { name: 'move', title: 'Move the slice; the middle button or the space bar does so with any tool', key: 'M' }
]

const LAYOUTS: readonly { name: Layout; title: string; icon: string }[] = [
  { name: 'slice', title: 'Slice only', icon: ICONS.square },
  { name: 'both', title: 'Slice and 3D', icon: ICONS.split },
  { name: 'volume', title: '3D only', icon: ICONS.cube }
]

export function toolbar(context: Context, fit: () => void): Part {
  const { model, editor } = context
  const tools = TOOLS.map(({ name, title, key }) => ({
    name,
    button: button({ icon: ICONS[name], title, key, kind: 'tool', press: () => model.change({ tool: name }) })
  }))
  const undo = button({ icon: ICONS.undo, title: 'Undo on this slice', key: 'Ctrl+Z', kind: 'tool', press: () => editor.undo() })
  const redo = button({ icon: ICONS.redo, title: 'Redo on this slice', key: 'Ctrl+Y', kind: 'tool', press: () => editor.redo() })
  const axes = AXES.map((axis) => ({
    axis,
    button: button({ text: axis, title: `Slices along ${axis}`, key: axis.toUpperCase(), kind: 'tool', press: () => model.change({ axis }) })
  }))
  const layouts = LAYOUTS.map(({ name, title, icon }) => ({
    name,
    button: button({ icon, title, kind: 'tool', press: () => model.change({ layout: name }) })
  }))
  const unbox = button({ icon: ICONS.unbox, title: 'Clear the box', kind: 'tool', press: () => setBox(context, []) })
  const place = h('span', { class: 'place', role: 'status' })
  const element = h(
    'div',
    { class: 'toolbar', role: 'toolbar', 'aria-label': 'Tools' },
    group('Tools that draw', tools),
    h('div', { class: 'group' }, undo, redo, unbox),
    place,
    group('Direction of view', axes),
    h('div', { class: 'group' }, button({ icon: ICONS.fit, title: 'Fit the slice', key: 'F', kind: 'tool', press: fit })),
    group('Layout', layouts)
  )
  return {
    element,
    update: () => {
      const { view, volume, server } = model
      element.hidden = volume === null
      for (const { name, button: one } of tools) setAttribute(one, 'aria-pressed', String(name === view.tool))
      for (const { axis, button: one } of axes) setAttribute(one, 'aria-pressed', String(axis === view.axis))
      for (const { name, button: one } of layouts) setAttribute(one, 'aria-pressed', String(name === view.layout))
      undo.disabled = !editor.canUndo
      redo.disabled = !editor.canRedo
      show(unbox, model.box.length > 0)
      unbox.disabled = !model.writer
      if (volume === null) return
      const state = model.labelled.includes(model.index) ? 'labelled' : server?.labels?.complete ? 'filled' : 'not labelled'
      setText(place, `${view.axis} = ${model.index} · ${state}`)
    }
  }
}

function group(name: string, entries: readonly { button: HTMLButtonElement }[]): HTMLElement {
  return h('div', { class: 'group', role: 'group', 'aria-label': name }, ...entries.map((entry) => entry.button))
}
