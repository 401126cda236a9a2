/** The tools that draw: each turns pointer moves (in voxels) into one stroke. */

import type { Editor, Stroke } from './editor'
import { fillPolygon, regionAt, sweepDisc, voxelCentre, type Point } from './raster'
import type { Sketch } from './slice-view'

export interface ToolContext {
  readonly editor: Editor
  /** Voxels across the brush. */
  readonly across: () => number
  /** Height of a voxel divided by its width. */
  readonly aspect: () => number
  readonly colour: () => string
  /** Distance in voxels that counts as the same place for a click. */
  readonly near: () => number
  readonly tell: (message: string) => void
  readonly redraw: () => void
}

export interface Tool {
  /** Whether the stroke began. */
  down: (at: Point, erase: boolean) => boolean
  move: (at: Point) => void
  up: () => void
  /** Enter or a double click ends what needs more than one press. */
  finish: () => void
  /** Take back the last point of what needs more than one press; gives whether there was one. */
  back: () => boolean
  cancel: () => void
  /** What is shown while the pointer is at a place, or outside (null). */
  sketch: (at: Point | null) => Sketch[]
}

const ERASER = '#ff5c5c'

/** Draws the trace of a disc, or erases it. */
export class Brush implements Tool {
  private stroke: Stroke | null = null
  private last: Point = { x: 0, y: 0 }
  private erasing = false

  constructor(
    private readonly context: ToolContext,
    private readonly eraser: boolean
  ) {}

  down(at: Point, erase: boolean): boolean {
    this.erasing = this.eraser || erase
    this.stroke = this.context.editor.begin(this.erasing)
    this.last = voxelCentre(at)
    this.sweep(this.last)
    return this.stroke !== null
  }

  move(at: Point): void {
    const centre = voxelCentre(at)
    if (centre.x !== this.last.x || centre.y !== this.last.y) this.sweep(centre)
  }

  up(): void {
    if (this.stroke !== null) this.context.editor.commit(this.stroke)
    this.stroke = null
  }

  finish(): void {
    this.up()
  }

  back(): boolean {
    return false
  }

  cancel(): void {
    if (this.stroke !== null) this.context.editor.cancel(this.stroke)
    this.stroke = null
  }

  sketch(at: Point | null): Sketch[] {
    if (at === null) return []
    const centre = voxelCentre(at)
    const radius = this.context.across() / 2
    const path = new Path2D()
    path.ellipse(centre.x, centre.y, radius, radius / this.context.aspect(), 0, 0, 2 * Math.PI)
    const erases = this.stroke === null ? this.eraser : this.erasing
    return [{ path, colour: erases ? ERASER : this.context.colour(), closed: true }]
  }

  private sweep(to: Point): void {
    if (this.stroke === null) return
    const { grid, paint } = this.stroke
    sweepDisc(grid, this.last, to, this.context.across() / 2, this.context.aspect(), paint)
    this.last = to
  }
}

/** Fills the area within a line that is drawn in one go; the end is joined to the start. */
export class Outline implements Tool {
  private points: Point[] = []
  private erasing = false

  constructor(private readonly context: ToolContext) {}

  down(at: Point, erase: boolean): boolean {
    this.points = [at]
    this.erasing = erase
    return true
  }

  move(at: Point): void {
    this.points.push(at)
    this.context.redraw()
  }

  up(): void {
    fillArea(this.context, this.points, this.erasing)
    this.points = []
  }

  finish(): void {
    this.up()
  }

  back(): boolean {
    return false
  }

  cancel(): void {
    this.points = []
    this.context.redraw()
  }

  sketch(at: Point | null): Sketch[] {
    const colour = this.erasing ? ERASER : this.context.colour()
    return this.points.length > 0 ? lines(this.points, colour) : crosshair(this.context, at)
  }
}

/** Fills the area within corners that are set one by one. */
export class Polygon implements Tool {
  private points: Point[] = []
  private erasing = false

  constructor(private readonly context: ToolContext) {}

  down(at: Point, erase: boolean): boolean {
    if (this.points.length > 2 && this.closes(at)) {
      this.finish()
      return false
    }
    if (this.points.length === 0) this.erasing = erase
    this.points.push(at)
    this.context.redraw()
    return true
  }

  move(at: Point): void {
    if (this.points.length > 0) this.points[this.points.length - 1] = at
    this.context.redraw()
  }

  up(): void {
    this.context.redraw()
  }

  finish(): void {
    if (this.points.length > 2) fillArea(this.context, this.points, this.erasing)
    this.cancel()
  }

  back(): boolean {
    const had = this.points.pop() !== undefined
    this.context.redraw()
    return had
  }

  cancel(): void {
    this.points = []
    this.context.redraw()
  }

  sketch(at: Point | null): Sketch[] {
    if (this.points.length === 0) return crosshair(this.context, at)
    const colour = this.erasing ? ERASER : this.context.colour()
    const path = new Path2D()
    const size = this.context.near() / 2
    for (const { x, y } of this.points) path.rect(x - size / 2, y - size / 2, size, size)
    return [...lines(at === null ? this.points : [...this.points, at], colour), { path, colour, closed: true }]
  }

  private closes(at: Point): boolean {
    const [first] = this.points
    return Math.hypot(at.x - first.x, at.y - first.y) <= this.context.near()
  }
}

/** Fills a closed hole: the region of equal voxels at a click, if it does not reach the edge of the slice. */
export class Hole implements Tool {
  constructor(private readonly context: ToolContext) {}

  down(at: Point, erase: boolean): boolean {
    const stroke = this.context.editor.begin(erase)
    if (stroke === null) return false
    const [i, j] = [Math.floor(at.x), Math.floor(at.y)]
    const { width, height } = stroke.grid
    if (i < 0 || j < 0 || i >= width || j >= height) {
      this.context.editor.cancel(stroke)
      return false
    }
    const region = regionAt(stroke.grid, stroke.labels, i, j)
    if (region.open) {
      this.context.editor.cancel(stroke)
      this.context.tell('This region is not closed: it reaches the edge of the slice.')
      return false
    }
    for (const [row, start, end] of region.runs) stroke.paint(row, start, end)
    if (!this.context.editor.commit(stroke)) this.context.tell('This region belongs to the segment already, or to one that is kept.')
    return true
  }

  move(): void {
    this.context.redraw()
  }

  up(): void {
    this.context.redraw()
  }

  finish(): void {
    this.context.redraw()
  }

  back(): boolean {
    return false
  }

  cancel(): void {
    this.context.redraw()
  }

  sketch(at: Point | null): Sketch[] {
    return crosshair(this.context, at)
  }
}

function fillArea(context: ToolContext, points: readonly Point[], erase: boolean): void {
  const stroke = points.length > 2 ? context.editor.begin(erase) : null
  if (stroke !== null) {
    fillPolygon(stroke.grid, points, stroke.paint)
    context.editor.commit(stroke)
  }
  context.redraw()
}

/** An open line, and the dashed one that will close it. */
function lines(points: readonly Point[], colour: string): Sketch[] {
  const path = new Path2D()
  points.forEach(({ x, y }, k) => (k === 0 ? path.moveTo(x, y) : path.lineTo(x, y)))
  const end = new Path2D()
  const [first, last] = [points[0], points[points.length - 1]]
  end.moveTo(last.x, last.y)
  end.lineTo(first.x, first.y)
  return [
    { path, colour, closed: true },
    { path: end, colour, closed: false }
  ]
}

function crosshair(context: ToolContext, at: Point | null): Sketch[] {
  if (at === null) return []
  const size = context.near()
  const tall = size / context.aspect()
  const path = new Path2D()
  path.moveTo(at.x - size, at.y)
  path.lineTo(at.x + size, at.y)
  path.moveTo(at.x, at.y - tall)
  path.lineTo(at.x, at.y + tall)
  return [{ path, colour: context.colour(), closed: true }]
}
