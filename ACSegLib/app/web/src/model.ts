/** What the page knows: the server's state, and how the user looks at it. Parts of the page redraw when it changes. */

import { AXES, depth } from './axes'
import type { Contrast } from './contrast'
import type { Axis, JobInfo, SegmentInfo, State, Triple, VolumeInfo } from './contract'

export type ToolName = 'brush' | 'eraser' | 'outline' | 'polygon' | 'hole' | 'box' | 'contrast' | 'move'

export type StepName = 'draw' | 'fill' | 'correct' | 'predict' | 'measure' | 'view' | 'save'

export type Layout = 'slice' | 'both' | 'volume'

/** What the user chose. */
export interface View {
  axis: Axis
  indices: Record<Axis, number>
  tool: ToolName
  /** Voxels across the brush; odd, so that it lies around the voxel below the pointer. */
  brush: number
  /** Value of the segment that is drawn. */
  segment: number
  keepOthers: boolean
  labels: boolean
  /** Whether segments are shown as areas, or by their outlines alone. */
  areas: boolean
  opacity: number
  uncertainty: boolean
  before: boolean
  reference: boolean
  interpolate: boolean
  contrast: Contrast
  layout: Layout
  step: StepName
  /** Slices from one labelled slice to the next. */
  every: number
  refill: boolean
}

export const MAX_BRUSH = 199

export class Model {
  server: State | null = null
  connected = true
  /** The server was started anew and does not know this page. */
  expired = false
  /** Slices that the server does not have yet. */
  pending = 0
  view: View = {
    axis: 'z',
    indices: { x: 0, y: 0, z: 0 },
    tool: 'brush',
    brush: 9,
    segment: 1,
    keepOthers: true,
    labels: true,
    areas: true,
    opacity: 0.35,
    uncertainty: false,
    before: false,
    reference: false,
    interpolate: true,
    contrast: { low: 0, high: 1 },
    layout: 'slice',
    step: 'draw',
    every: 20,
    refill: false
  }
  /** Called at once when something has changed. */
  unsettled: () => void = () => undefined
  private readonly listeners: (() => void)[] = []
  private frame = 0

  constructor(readonly client: string) {}

  /** Call a function on the next frame after each change. */
  on(listener: () => void): void {
    this.listeners.push(listener)
  }

  change(values: Partial<View>): void {
    this.view = { ...this.view, ...values }
    this.changed()
  }

  /** Something else has changed. */
  changed(): void {
    this.unsettled()
    if (this.frame !== 0) return
    this.frame = requestAnimationFrame(() => {
      this.frame = 0
      for (const listener of this.listeners) listener()
    })
  }

  /** Take a state of the server; gives whether it is newer than the one that is known. */
  receive(state: State): boolean {
    if (this.server !== null && state.revision < this.server.revision) return false
    const fresh = state.volume !== null && state.volume.id !== this.server?.volume?.id
    this.server = state
    if (fresh && state.volume !== null) this.look(state.volume)
    const values = this.segments.map((segment) => segment.value)
    if (values.length > 0 && !values.includes(this.view.segment)) this.view.segment = values[0]
    this.changed()
    return true
  }

  /** The server may have been started anew: its next state counts, whatever its number. */
  expectAny(): void {
    if (this.server !== null) this.server = { ...this.server, revision: -1 }
  }

  receiveJob(job: JobInfo): void {
    if (this.server === null) return
    this.server = { ...this.server, job }
    this.changed()
  }

  /** The box around the object that strokes mark; empty for none. */
  get box(): readonly number[] {
    return this.server?.box ?? []
  }

  get volume(): VolumeInfo | null {
    return this.server?.volume ?? null
  }

  get segments(): SegmentInfo[] {
    return this.server?.labels?.segments ?? []
  }

  get segment(): SegmentInfo | null {
    return this.segments.find((segment) => segment.value === this.view.segment) ?? null
  }

  /** Index of the slice that is shown. */
  get index(): number {
    return this.view.indices[this.view.axis]
  }

  /** Whether this tab may change things. */
  get writer(): boolean {
    return this.server !== null && this.server.writer === this.client
  }

  get running(): JobInfo | null {
    const job = this.server?.job ?? null
    return job?.state === 'running' ? job : null
  }

  /** Labelled slices along the axis that is shown. */
  get labelled(): number[] {
    return this.server?.labels?.labelled[this.view.axis] ?? []
  }

  /** Number of labelled slices, whatever the axis. */
  get labelledCount(): number {
    const labelled = this.server?.labels?.labelled
    return labelled === undefined ? 0 : AXES.reduce((sum, axis) => sum + labelled[axis].length, 0)
  }

  goTo(index: number, axis: Axis = this.view.axis): void {
    if (this.volume === null) return
    const last = depth(this.volume, axis) - 1
    const indices = { ...this.view.indices, [axis]: Math.min(last, Math.max(0, Math.round(index))) }
    this.change({ axis, indices })
  }

  /** Show the slice through a voxel (z, y, x) on each axis. */
  goToVoxel([z, y, x]: Triple): void {
    this.change({ indices: { x, y, z } })
  }

  private look(volume: VolumeInfo): void {
    const [z, y, x] = volume.shape.map((size) => Math.floor(size / 2)) as Triple
    const [low, high] = volume.window
    const every = Math.max(2, Math.min(20, Math.round(volume.shape[0] / 12)))
    this.view = { ...this.view, indices: { x, y, z }, contrast: { low, high }, every, uncertainty: false }
  }
}

/** The slice to label next: the best suggestion that is not labelled yet, or the next of an even spacing. */
export function nextSlice(model: Model): { axis: Axis; index: number } | null {
  const { volume, server } = model
  if (volume === null || server?.labels == null) return null
  const fill = server.fill
  if (fill !== null) {
    const open = fill.suggestions.find((index) => !server.labels?.labelled[fill.axis].includes(index))
    if (open !== undefined) return { axis: fill.axis, index: open }
  }
  const axis = model.view.axis
  const labelled = model.labelled
  const last = depth(volume, axis) - 1
  for (let step = 1; step <= last; step++) {
    for (const index of [model.index + step, model.index - step]) {
      if (index < 0 || index > last) continue
      if (labelled.every((other) => Math.abs(other - index) >= model.view.every)) return { axis, index }
    }
  }
  return null
}
