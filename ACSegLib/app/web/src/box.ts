/** The box around the object that strokes mark: drawn by two corners in each direction of view, shown in all three. */

import { AXES, depth, extent } from './axes'
import type { Context } from './context'
import type { Axis, Triple, VolumeInfo } from './contract'
import type { Point } from './raster'
import type { Sketch } from './slice-view'
import type { Tool, ToolContext } from './tools'

/** x0 x1 y0 y1 z0 z1 in voxels, ends excluded; empty for none. */
export type VoxelBox = readonly number[]

/** A part of a slice, in voxels. */
export interface Rectangle {
  readonly left: number
  readonly right: number
  readonly bottom: number
  readonly top: number
}

const COLOUR = '#4fd1ff'

/** Axes of the volume along the rows and the columns of a slice. */
function across(axis: Axis): [Axis, Axis] {
  if (axis === 'z') return ['x', 'y']
  return axis === 'y' ? ['x', 'z'] : ['y', 'z']
}

/** Where the two ends along an axis are. */
function start(axis: Axis): number {
  return 2 * (2 - AXES.indexOf(axis))
}

/** The rectangle of a box on the slices across an axis. */
export function rectangleOf(box: VoxelBox, axis: Axis): Rectangle {
  const [column, row] = across(axis).map(start)
  return { left: box[column], right: box[column + 1], bottom: box[row], top: box[row + 1] }
}

/** Whether a slice goes through a box. */
export function crosses(box: VoxelBox, axis: Axis, index: number): boolean {
  return index >= box[start(axis)] && index < box[start(axis) + 1]
}

/** A box with another rectangle on the slices across an axis; without a box, along the whole of this axis. */
export function withRectangle(box: VoxelBox, { shape }: { shape: Triple }, axis: Axis, rectangle: Rectangle): VoxelBox {
  const [z, y, x] = shape
  const changed = box.length > 0 ? [...box] : [0, x, 0, y, 0, z]
  const [column, row] = across(axis).map(start)
  ;[changed[column], changed[column + 1]] = [rectangle.left, rectangle.right]
  ;[changed[row], changed[row + 1]] = [rectangle.bottom, rectangle.top]
  return changed
}

/** The voxels from one corner to the other, both of them included, within a slice; null beside it. */
export function between(one: Point, other: Point, size: { width: number; height: number }): Rectangle | null {
  const [left, right] = ends(one.x, other.x, size.width)
  const [bottom, top] = ends(one.y, other.y, size.height)
  return left < right && bottom < top ? { left, right, bottom, top } : null
}

function ends(one: number, other: number, size: number): [number, number] {
  return [Math.max(0, Math.floor(Math.min(one, other))), Math.min(size, Math.floor(Math.max(one, other)) + 1)]
}

/** Sets the box of the session, or takes it away. */
export function setBox({ model, api, act }: Context, box: VoxelBox): void {
  act(async () => model.receive(await api.box({ box: [...box] })))
}

/** What a box is, in words. */
export function described(box: VoxelBox): string {
  return (['x', 'y', 'z'] as const).map((axis) => `${axis} ${box[start(axis)]} to ${box[start(axis) + 1] - 1}`).join(', ')
}

/** Draws a box: press at one corner and release at the other, or press at both. */
export class BoxTool implements Tool {
  private first: Point | null = null
  private last: Point | null = null

  constructor(
    private readonly context: Context,
    private readonly tool: ToolContext
  ) {}

  down(at: Point): boolean {
    if (!this.context.model.writer) return false
    this.first ??= at
    this.last = at
    this.tool.redraw()
    return true
  }

  move(at: Point): void {
    this.last = at
    this.tool.redraw()
  }

  up(): void {
    if (this.moved) this.finish()
  }

  finish(): void {
    const { model } = this.context
    const rectangle = this.moved ? this.rectangle(this.last) : null
    if (rectangle !== null && model.volume !== null) {
      setBox(this.context, withRectangle(model.box, model.volume, model.view.axis, rectangle))
    }
    this.cancel()
  }

  back(): boolean {
    const had = this.first !== null
    this.cancel()
    return had
  }

  cancel(): void {
    this.first = this.last = null
    this.tool.redraw()
  }

  sketch(at: Point | null): Sketch[] {
    const rectangle = this.rectangle(at ?? this.last)
    return rectangle === null ? [] : [sketchOf(rectangle, true)]
  }

  /** The box of the session on the shown slice; dashed where the slice is beside it. */
  shown(): Sketch[] {
    const { box, view, index } = this.context.model
    return box.length === 0 ? [] : [sketchOf(rectangleOf(box, view.axis), crosses(box, view.axis, index))]
  }

  /** Whether the pointer has come to another voxel. */
  private get moved(): boolean {
    const { first, last } = this
    if (first === null || last === null) return false
    return Math.floor(first.x) !== Math.floor(last.x) || Math.floor(first.y) !== Math.floor(last.y)
  }

  private rectangle(to: Point | null): Rectangle | null {
    const { volume, view } = this.context.model
    if (this.first === null || to === null || volume === null) return null
    return between(this.first, to, extent(volume, view.axis))
  }
}

function sketchOf({ left, right, bottom, top }: Rectangle, closed: boolean): Sketch {
  const path = new Path2D()
  path.rect(left, bottom, right - left, top - bottom)
  return { path, colour: COLOUR, closed }
}

/** Directions of view in which a box still has the whole length of the volume. */
export function openAxes(box: VoxelBox, volume: VolumeInfo): Axis[] {
  return AXES.filter((axis) => box[start(axis)] === 0 && box[start(axis) + 1] === depth(volume, axis))
}
