/** Labels of a slice: the value of one segment for each voxel, 0 for background. */

export type LabelArray = Uint8Array | Uint16Array

/** How new labels meet those that are there. */
export interface Painting {
  /** The value to write; 0 erases. */
  readonly value: number
  /** Whether voxels of other segments stay as they are. */
  readonly keepOthers: boolean
  /** The segment that is edited: an eraser that keeps others removes it alone. */
  readonly segment: number
}

/** Write a run of voxels; gives how many of them changed. */
export function paintRun(labels: LabelArray, width: number, j: number, start: number, end: number, how: Painting): number {
  const { value, keepOthers, segment } = how
  let changed = 0
  for (let place = j * width + start; place < j * width + end; place++) {
    const old = labels[place]
    if (old === value) continue
    if (keepOthers && old !== 0 && old !== segment) continue
    labels[place] = value
    changed++
  }
  return changed
}
