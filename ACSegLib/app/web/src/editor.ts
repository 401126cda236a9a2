/** Edits of labels: one stroke after the other, each undone as one step, and sent to the server. */

import { depth, extent } from './axes'
import type { Axis } from './contract'
import { difference, History } from './history'
import { paintRun, type LabelArray, type Painting } from './labels'
import type { Model } from './model'
import type { Outbox } from './outbox'
import { union, whole, type Box, type Grid } from './raster'
import type { Slices } from './slices'

interface Place {
  readonly axis: Axis
  readonly index: number
}

/** One edit while it is made. */
export class Stroke {
  readonly before: LabelArray
  /** Around the voxels that have changed; null as long as there is none. */
  box: Box | null = null

  constructor(
    readonly place: Place,
    readonly labels: LabelArray,
    readonly grid: Grid,
    private readonly how: Painting,
    private readonly dirty: (box: Box) => void
  ) {
    this.before = labels.slice()
  }

  /** Write voxels [start, end) of row j. */
  readonly paint = (j: number, start: number, end: number): void => {
    if (paintRun(this.labels, this.grid.width, j, start, end, this.how) === 0) return
    const box = { left: start, top: j, right: end, bottom: j + 1 }
    this.box = union(this.box, box)
    this.dirty(box)
  }

  /** As if it had not been. */
  revert(): void {
    this.labels.set(this.before)
    if (this.box !== null) this.dirty(this.box)
  }
}

export interface EditorHandlers {
  /** Labels of the shown slice have changed within a box; null: all of it. */
  painted: (box: Box | null) => void
  /** A sentence for the user. */
  tell: (message: string) => void
  /** An edit is on its way to the server. */
  edited: () => void
}

export class Editor {
  readonly history = new History()
  private stroke: Stroke | null = null
  /** Slices that were not labelled before their first edit: undoing all of it makes them so again. */
  private readonly unlabelledBefore = new Set<string>()

  constructor(
    private readonly model: Model,
    private readonly slices: Slices,
    private readonly outbox: Outbox,
    private readonly handlers: EditorHandlers
  ) {}

  /** Whether an edit is being made, or waits to be sent. */
  busyWith(axis: Axis, index: number): boolean {
    const place = this.stroke?.place
    return (place?.axis === axis && place.index === index) || this.outbox.holds(axis, index)
  }

  /** The grid of the shown slice. */
  get grid(): Grid {
    return this.gridOf(this.model.view.axis)
  }

  /** Begin an edit of the shown slice; null (and a sentence) if that is not possible now. */
  begin(erase: boolean): Stroke | null {
    const { view, segment } = this.model
    if (!this.may()) return null
    if (segment === null) {
      this.handlers.tell('Add a segment first.')
      return null
    }
    const place = { axis: view.axis, index: this.model.index }
    const labels = this.current(place)
    if (labels === null) return null
    const how = { value: erase ? 0 : segment.value, keepOthers: view.keepOthers, segment: segment.value }
    this.stroke = new Stroke(place, labels, this.grid, how, (box) => this.handlers.painted(box))
    return this.stroke
  }

  /** End the edit: it becomes a step of the history, and goes to the server. */
  commit(stroke: Stroke): boolean {
    this.stroke = null
    const { place, before, labels, box } = stroke
    return box !== null && this.record(place, before, labels, box)
  }

  cancel(stroke: Stroke): void {
    stroke.revert()
    this.stroke = null
  }

  undo(): void {
    this.step(false)
  }

  redo(): void {
    this.step(true)
  }

  get canUndo(): boolean {
    return this.history.canUndo(this.key)
  }

  get canRedo(): boolean {
    return this.history.canRedo(this.key)
  }

  /** Copy the labels of the nearest labelled slice to the shown one. */
  async copyNeighbour(): Promise<void> {
    if (!this.may()) return
    const { view, index, labelled } = this.model
    const others = labelled.filter((other) => other !== index)
    if (others.length === 0) {
      this.handlers.tell(`No other slice along ${view.axis} is labelled yet.`)
      return
    }
    const nearest = others.reduce((a, b) => (Math.abs(b - index) < Math.abs(a - index) ? b : a))
    const source = await this.slices.wait(view.axis, nearest)
    const labels = await this.slices.wait(view.axis, index)
    if (this.model.index !== index || this.model.view.axis !== view.axis || this.stroke !== null) return
    const before = labels.slice()
    labels.set(source)
    if (this.record({ axis: view.axis, index }, before, labels, whole(this.grid))) {
      this.handlers.painted(null)
      this.handlers.tell(`Copied the labels of slice ${nearest}.`)
    }
  }

  /** Whether the shown slice counts as labelled; an empty one can be, too. */
  markLabelled(labelled: boolean): void {
    if (!this.may()) return
    const { axis } = this.model.view
    const labels = this.current({ axis, index: this.model.index })
    if (labels !== null) this.send({ axis, index: this.model.index }, labels, labelled)
  }

  /** Forget all steps: another volume is open. */
  reset(): void {
    this.history.clear()
    this.unlabelledBefore.clear()
    this.stroke = null
  }

  private gridOf(axis: Axis): Grid {
    const { volume } = this.model
    if (volume === null) return { width: 0, height: 0 }
    const { width, height } = extent(volume, axis)
    return { width, height }
  }

  private get key(): string {
    return `${this.model.view.axis} ${this.model.index}`
  }

  private may(): boolean {
    if (this.model.volume === null) return false
    if (this.model.writer || !this.model.connected) return true
    this.handlers.tell('Another tab works on this volume. Press "Work here" to draw in this one.')
    return false
  }

  private current({ axis, index }: Place): LabelArray | null {
    const labels = this.slices.current(axis, index)
    if (labels === null) this.handlers.tell('The labels of this slice are still on their way from the server.')
    return labels
  }

  private record(place: Place, before: LabelArray, after: LabelArray, { top, bottom }: Box): boolean {
    const { width } = this.gridOf(place.axis)
    const edit = difference(before, after, top * width, bottom * width)
    if (edit === null) return false
    const key = `${place.axis} ${place.index}`
    if (!this.isLabelled(place) && !this.history.canUndo(key)) this.unlabelledBefore.add(key)
    this.history.push(key, edit)
    this.send(place, after, true)
    return true
  }

  private step(forwards: boolean): void {
    if (!this.may() || this.stroke !== null) return
    const { axis } = this.model.view
    const { index, key } = { index: this.model.index, key: this.key }
    const labels = this.current({ axis, index })
    if (labels === null || !(forwards ? this.canRedo : this.canUndo)) return
    if (!(forwards ? this.history.redo(key, labels) : this.history.undo(key, labels))) {
      this.handlers.tell('These voxels have changed since. Undo the last job first.')
      return
    }
    this.handlers.painted(null)
    const taken = !forwards && !this.history.canUndo(key) && this.unlabelledBefore.has(key)
    this.send({ axis, index }, labels, !taken)
  }

  private isLabelled({ axis, index }: Place): boolean {
    return this.model.server?.labels?.labelled[axis].includes(index) ?? false
  }

  private send(place: Place, labels: LabelArray, labelled: boolean): void {
    this.noteLabelled(place, labelled)
    this.slices.edited(place.axis)
    this.outbox.add({ ...place, labels, labelled })
    this.handlers.edited()
  }

  /** Show the slice as labelled (or not) at once. */
  private noteLabelled({ axis, index }: Place, labelled: boolean): void {
    const labels = this.model.server?.labels
    if (labels == null || this.model.volume === null || index >= depth(this.model.volume, axis)) return
    const others = labels.labelled[axis].filter((other) => other !== index)
    labels.labelled[axis] = labelled ? [...others, index].sort((a, b) => a - b) : others
    this.model.changed()
  }
}
