/** The slice with its canvas: tools, gestures, a keyboard cursor, and what the pointer is on. */

import { extent, voxelAt } from './axes'
import { BoxTool } from './box'
import type { Context, Part } from './context'
import { h, setText, show } from './dom'
import { number, unitName } from './format'
import { Gestures } from './gestures'
import type { ToolName } from './model'
import type { Point } from './raster'
import { SliceView } from './slice-view'
import type { Slices } from './slices'
import { Brush, Hole, Outline, Polygon, type Tool, type ToolContext } from './tools'

export class Stage implements Part {
  readonly element: HTMLElement
  readonly view: SliceView
  readonly gestures: Gestures
  private readonly canvas = h('canvas', {
    class: 'slice',
    tabindex: 0,
    role: 'application',
    'aria-label': 'Slice. Arrow keys up and down change the slice; Alt and arrow keys move the cursor, Alt and Enter draw.'
  })
  private readonly readout = h('div', { class: 'readout', 'aria-hidden': 'true' })
  private readonly empty = h('p', { class: 'empty' }, 'Open a tomogram to begin.')
  private readonly boxTool: BoxTool
  private readonly tools: ReadonlyMap<ToolName, Tool>
  private shown = ''

  constructor(
    private readonly context: Context,
    private readonly slices: Slices
  ) {
    const { model } = context
    this.view = new SliceView(this.canvas, model, slices, {
      sketch: () => [...this.boxTool.shown(), ...(this.tool?.sketch(this.gestures.at) ?? [])],
      drawn: () => setText(this.readout, this.describe(this.gestures.at))
    })
    const shared: ToolContext = {
      editor: context.editor,
      across: () => model.view.brush,
      aspect: () => this.view.viewport.extent.dy / this.view.viewport.extent.dx,
      colour: () => model.segment?.colour ?? '#ffffff',
      near: () => 9 / this.view.viewport.zoom,
      tell: context.tell,
      redraw: this.view.redraw
    }
    this.boxTool = new BoxTool(context, shared)
    this.tools = new Map<ToolName, Tool>([
      ['brush', new Brush(shared, false)],
      ['eraser', new Brush(shared, true)],
      ['outline', new Outline(shared)],
      ['polygon', new Polygon(shared)],
      ['hole', new Hole(shared)],
      ['box', this.boxTool]
    ])
    this.gestures = new Gestures(this.view, model, {
      tool: (name) => this.tools.get(name) ?? null,
      hover: this.view.redraw,
      scroll: (slices) => model.goTo(model.index + slices)
    })
    this.element = h('div', { class: 'stage' }, this.canvas, this.readout, this.empty)
  }

  get tool(): Tool | null {
    return this.tools.get(this.context.model.view.tool) ?? null
  }

  update(): void {
    const { view, volume, writer } = this.context.model
    show(this.element, view.layout !== 'volume')
    show(this.empty, volume === null)
    const now = `${volume?.id} ${view.axis} ${this.context.model.index} ${view.tool}`
    if (now !== this.shown) {
      this.gestures.cancel()
      this.shown = now
    }
    this.canvas.dataset.tool = writer ? view.tool : 'none'
    this.view.redraw()
  }

  /** Move the cursor by voxels, as the pointer does. */
  movePoint(dx: number, dy: number): void {
    const { volume, view } = this.context.model
    if (volume === null) return
    const { width, height, flipped } = extent(volume, view.axis)
    const at = this.gestures.at ?? { x: Math.floor(width / 2) + 0.5, y: Math.floor(height / 2) + 0.5 }
    this.gestures.at = {
      x: Math.min(width - 0.5, Math.max(0.5, at.x + dx)),
      y: Math.min(height - 0.5, Math.max(0.5, at.y + (flipped ? -dy : dy)))
    }
    this.view.redraw()
  }

  /** Press and release the tool at the cursor. */
  pressPoint(): void {
    const { at } = this.gestures
    if (at !== null && this.tool?.down(at, false)) this.tool.up()
    this.view.redraw()
  }

  /** Enlarge about the middle of the canvas. */
  zoom(factor: number): void {
    const { viewport } = this.view
    const { width, height } = viewport.screen
    this.view.look(viewport.zoomed(factor, { x: width / 2, y: height / 2 }))
  }

  /** Position, intensity and segment of the voxel at a place. */
  private describe(at: Point | null): string {
    const { model } = this.context
    const { volume, view } = model
    if (at === null || volume === null) return ''
    const { width, height } = this.view.viewport.extent
    const [column, row] = [Math.floor(at.x), Math.floor(at.y)]
    if (column < 0 || row < 0 || column >= width || row >= height) return ''
    const [z, y, x] = voxelAt(view.axis, model.index, at)
    const place = row * width + column
    const code = this.slices.image(view.axis, model.index)?.[place]
    const [low, high] = volume.range
    const intensity = code === undefined ? '' : ` · ${number(low + (code / 65535) * (high - low))} ${unitName(volume.intensity_unit)}`
    const value = this.slices.labels(view.axis, model.index)?.[place] ?? 0
    const segment = model.segments.find((one) => one.value === value)
    return `x ${x}  y ${y}  z ${z}${intensity.trimEnd()}${segment === undefined ? '' : ` · ${segment.name}`}`
  }
}
