/** The three directions of view: which voxels a slice holds, and how it lies on the screen. */

import type { Axis, Triple, VolumeInfo } from './contract'
import type { Point } from './raster'
import type { Extent } from './viewport'

export const AXES: readonly Axis[] = ['z', 'y', 'x']

/** Number of slices along an axis. */
export function depth(volume: VolumeInfo, axis: Axis): number {
  return volume.shape[AXES.indexOf(axis)]
}

/** Shape of a slice. In views along x and y, z points upwards. */
export function extent(volume: VolumeInfo, axis: Axis): Extent {
  const [z, y, x] = volume.shape
  const [sx, sy, sz] = volume.spacing
  if (axis === 'z') return { width: x, height: y, dx: sx, dy: sy, flipped: false }
  if (axis === 'y') return { width: x, height: z, dx: sx, dy: sz, flipped: true }
  return { width: y, height: z, dx: sy, dy: sz, flipped: true }
}

/** Spacing from slice to slice. */
export function thickness(volume: VolumeInfo, axis: Axis): number {
  return volume.spacing[2 - AXES.indexOf(axis)]
}

/** The voxel (z, y, x) at a place of a slice. */
export function voxelAt(axis: Axis, index: number, place: Point): Triple {
  const [column, row] = [Math.floor(place.x), Math.floor(place.y)]
  if (axis === 'z') return [index, row, column]
  if (axis === 'y') return [row, index, column]
  return [row, column, index]
}
