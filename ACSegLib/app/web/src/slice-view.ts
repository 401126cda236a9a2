/** The canvas with a slice: image, labels, overlays, and what the current tool shows. */

import { extent } from './axes'
import { setAttribute } from './dom'
import { ImageLayer, LabelLayer, UncertaintyLayer } from './layers'
import type { LabelArray } from './labels'
import type { Model } from './model'
import type { Box, Grid, Point } from './raster'
import { scaleBar } from './scale-bar'
import type { Slices } from './slices'
import { Viewport, type Extent } from './viewport'

/** Draws something of a tool; coordinates are voxels, the line is 1.5 pixels wide. */
export interface Sketch {
  path: Path2D
  colour: string
  closed: boolean
}

export interface SliceViewHandlers {
  /** What the current tool shows. */
  sketch: () => Sketch[]
  /** A frame is drawn: what is written beside the slice follows. */
  drawn: () => void
}

/** Lines over any image: dark below, light above. */
const HALO = 'rgba(0, 0, 0, 0.55)'
const REFERENCE = '#ffffff'
const BEFORE = '#ff6bd6'

export class SliceView {
  viewport: Viewport
  private readonly context: CanvasRenderingContext2D
  private readonly image = new ImageLayer()
  private readonly labelLayer = new LabelLayer()
  private readonly uncertainty = new UncertaintyLayer()
  private readonly beforeLayer = new LabelLayer()
  private readonly referenceLayer = new LabelLayer()
  private frame = 0
  private shape = ''

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly model: Model,
    private readonly slices: Slices,
    private readonly handlers: SliceViewHandlers
  ) {
    const context = canvas.getContext('2d', { alpha: false })
    if (context === null) throw new Error('This browser has no 2D canvas.')
    this.context = context
    this.viewport = Viewport.fitted({ width: 1, height: 1, dx: 1, dy: 1, flipped: false }, { width: 1, height: 1 })
    new ResizeObserver(() => this.resize()).observe(canvas)
  }

  /** Draw on the next frame. */
  readonly redraw = (): void => {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw())
  }

  /** Draw in this frame, if something is to be drawn. */
  flush(): void {
    if (this.frame !== 0) this.draw()
  }

  /** Labels of the shown slice have changed. */
  painted(box: Box | null): void {
    const { width, height } = this.viewport.extent
    this.labelLayer.touch(box ?? { left: 0, top: 0, right: width, bottom: height })
    this.redraw()
  }

  look(viewport: Viewport): void {
    this.viewport = viewport
    this.redraw()
  }

  fit(): void {
    this.look(Viewport.fitted(this.viewport.extent, this.viewport.screen))
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas
    if (width === 0 || height === 0) return
    const ratio = window.devicePixelRatio
    this.canvas.width = Math.round(width * ratio)
    this.canvas.height = Math.round(height * ratio)
    const fitted = Viewport.fitted(this.viewport.extent, this.viewport.screen)
    const whole = Math.abs(fitted.zoom - this.viewport.zoom) < 1e-6 * fitted.zoom
    const screen = { width, height }
    this.viewport = whole ? Viewport.fitted(this.viewport.extent, screen) : this.viewport.resized(screen)
    this.draw()
  }

  /** Another shape of slices is shown: fit it. */
  private follow(now: Extent): void {
    const shape = `${this.model.volume?.id} ${JSON.stringify(now)}`
    if (shape === this.shape) return
    this.shape = shape
    this.viewport = Viewport.fitted(now, this.viewport.screen)
  }

  private draw(): void {
    cancelAnimationFrame(this.frame)
    this.frame = 0
    const { context, canvas, model } = this
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.fillStyle = '#000'
    context.fillRect(0, 0, canvas.width, canvas.height)
    if (model.volume === null) return
    this.follow(extent(model.volume, model.view.axis))
    this.drawSlice()
    this.drawTool()
    scaleBar(context, model.volume, model.view.axis, this.viewport, window.devicePixelRatio)
    this.handlers.drawn()
  }

  private drawSlice(): void {
    const { context, model } = this
    const { volume, view } = model
    if (volume === null) return
    const grid: Grid = this.viewport.extent
    const [low, high] = volume.range
    const codes = this.slices.image(view.axis, model.index)
    const image = this.image.update(codes, grid, view.contrast, { low, high })
    context.setTransform(...this.viewport.matrix(window.devicePixelRatio))
    if (image !== null) {
      context.imageSmoothingEnabled = view.interpolate
      context.imageSmoothingQuality = this.viewport.zoom < 1 ? 'high' : 'low'
      context.drawImage(image, 0, 0)
      setAttribute(this.canvas, 'data-drawn', `${view.axis} ${model.index}`) // for measurements and tests
    }
    context.imageSmoothingEnabled = false
    this.drawLabels(grid)
  }

  private drawLabels(grid: Grid): void {
    const { context, model, slices } = this
    const { view, index } = model
    const labels = slices.labels(view.axis, index)
    const colours = new Map(model.segments.map(({ value, colour }) => [value, colour]))
    if (view.labels) {
      const areas = this.labelLayer.update(labels, grid, colours, view.opacity)
      if (areas !== null && view.areas) context.drawImage(areas, 0, 0)
    }
    if (view.uncertainty && model.server?.overlays.uncertainty) {
      const picture = this.uncertainty.update(slices.overlay('uncertainty', view.axis, index), grid)
      if (picture !== null) context.drawImage(picture, 0, 0)
    }
    if (view.labels && labels !== null) this.stroke(this.labelLayer, (value) => colours.get(value) ?? '#888888', [])
    const { overlays } = model.server ?? {}
    if (view.before && overlays?.before) this.compare(this.beforeLayer, slices.overlay('before', view.axis, index), BEFORE)
    if (view.reference && overlays?.reference) {
      this.compare(this.referenceLayer, slices.overlay('reference', view.axis, index), REFERENCE)
    }
  }

  /** Outlines of other labels, dashed. */
  private compare(layer: LabelLayer, labels: LabelArray | null, colour: string): void {
    if (layer.update(labels, this.viewport.extent, new Map(), 0) === null) return
    this.stroke(layer, () => colour, [5, 4])
  }

  private stroke({ outlines }: LabelLayer, colour: (value: number) => string, dash: number[]): void {
    const ratio = window.devicePixelRatio
    const { context } = this
    const matrix = new DOMMatrix(this.viewport.matrix(ratio))
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.lineCap = 'square'
    for (const [value, line] of outlines.paths(matrix)) {
      if (dash.length > 0) {
        context.setLineDash([])
        context.strokeStyle = HALO
        context.lineWidth = 2.5 * ratio
        context.stroke(line)
      }
      context.setLineDash(dash.map((length) => length * ratio))
      context.strokeStyle = colour(value)
      context.lineWidth = (dash.length > 0 ? 1.5 : 1.25) * ratio
      context.stroke(line)
    }
    context.setLineDash([])
    context.setTransform(...this.viewport.matrix(ratio))
  }

  private drawTool(): void {
    const ratio = window.devicePixelRatio
    const { context } = this
    const matrix = new DOMMatrix(this.viewport.matrix(ratio))
    context.setTransform(1, 0, 0, 1, 0, 0)
    for (const { path, colour, closed } of this.handlers.sketch()) {
      const line = new Path2D()
      line.addPath(path, matrix)
      context.setLineDash(closed ? [] : [4 * ratio, 3 * ratio])
      for (const [stroke, width] of [
        [HALO, 3],
        [colour, 1.5]
      ] as const) {
        context.strokeStyle = stroke
        context.lineWidth = width * ratio
        context.stroke(line)
      }
    }
    context.setLineDash([])
  }

  /** The place in voxels below the pointer. */
  toVoxel(event: { clientX: number; clientY: number }): Point {
    return this.viewport.toVoxel(this.toPixel(event))
  }

  toPixel(event: { clientX: number; clientY: number }): Point {
    const box = this.canvas.getBoundingClientRect()
    return { x: event.clientX - box.left, y: event.clientY - box.top }
  }
}
