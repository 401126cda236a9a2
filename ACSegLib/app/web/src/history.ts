/** Undo and redo of edits, slice by slice. A step is stored as the runs of voxels that it changed. */

import type { LabelArray } from './labels'

/** Runs of changed voxels, four numbers each: first voxel, number of voxels, value before, value after. */
export type Edit = Uint32Array

/** The edit that leads from one state of a slice to another, within [first, size); null if they are equal there. */
export function difference(before: LabelArray, after: LabelArray, first = 0, size = before.length): Edit | null {
  const runs: number[] = []
  for (let place = first; place < size; ) {
    if (before[place] === after[place]) {
      place++
      continue
    }
    const start = place
    const [old, now] = [before[place], after[place]]
    while (place < size && before[place] === old && after[place] === now) place++
    runs.push(start, place - start, old, now)
  }
  return runs.length > 0 ? Uint32Array.from(runs) : null
}

/** Whether a slice is in the state that an edit starts from (forwards) or ends in. */
export function fits(labels: LabelArray, edit: Edit, forwards: boolean): boolean {
  for (let k = 0; k < edit.length; k += 4) {
    const value = edit[k + (forwards ? 2 : 3)]
    const end = edit[k] + edit[k + 1]
    if (end > labels.length) return false
    for (let place = edit[k]; place < end; place++) if (labels[place] !== value) return false
  }
  return true
}

/** Carry out an edit, or take it back. */
export function apply(labels: LabelArray, edit: Edit, forwards: boolean): void {
  for (let k = 0; k < edit.length; k += 4) {
    labels.fill(edit[k + (forwards ? 3 : 2)], edit[k], edit[k] + edit[k + 1])
  }
}

interface Steps {
  edits: Edit[]
  /** How many of them are done; those after it can be redone. */
  done: number
}

export class History {
  private readonly slices = new Map<string, Steps>()

  constructor(private readonly limit = 100) {}

  /** Note an edit that was made; what could be redone is gone. */
  push(slice: string, edit: Edit): void {
    const steps = this.slices.get(slice) ?? { edits: [], done: 0 }
    steps.edits.length = steps.done
    steps.edits.push(edit)
    if (steps.edits.length > this.limit) steps.edits.shift()
    steps.done = steps.edits.length
    this.slices.set(slice, steps)
  }

  canUndo(slice: string): boolean {
    return (this.slices.get(slice)?.done ?? 0) > 0
  }

  canRedo(slice: string): boolean {
    const steps = this.slices.get(slice)
    return steps !== undefined && steps.done < steps.edits.length
  }

  /**
   * Take back the last edit of a slice.
   *
   * @returns whether it was; not if there is none, or if a job has changed these voxels since. Then the steps are gone.
   */
  undo(slice: string, labels: LabelArray): boolean {
    return this.move(slice, labels, false)
  }

  redo(slice: string, labels: LabelArray): boolean {
    return this.move(slice, labels, true)
  }

  clear(): void {
    this.slices.clear()
  }

  private move(slice: string, labels: LabelArray, forwards: boolean): boolean {
    const steps = this.slices.get(slice)
    if (steps === undefined || !(forwards ? this.canRedo(slice) : this.canUndo(slice))) return false
    const edit = steps.edits[forwards ? steps.done : steps.done - 1]
    if (!fits(labels, edit, forwards)) {
      this.slices.delete(slice)
      return false
    }
    apply(labels, edit, forwards)
    steps.done += forwards ? 1 : -1
    return true
  }
}
