/** Outlines of a slice in tiles, so that a stroke of the brush makes anew only those of the tiles that it is on. */

import type { LabelArray } from './labels'
import { outlines } from './overlays'
import type { Box, Grid } from './raster'

/** Voxels along a tile: a stroke is seldom on more than four, and a slice has some hundred at most. */
const TILE = 128

type Paths = ReadonlyMap<number, Path2D>

export class OutlineTiles {
  private readonly tiles = new Map<string, Paths>()
  private grid: Grid = { width: 0, height: 0 }

  /** Labels within a box have changed. */
  update(labels: LabelArray, grid: Grid, changed: Box): void {
    if (grid.width !== this.grid.width || grid.height !== this.grid.height) {
      this.grid = grid
      this.tiles.clear()
    }
    for (const tile of tilesOf(grid, changed)) {
      this.tiles.set(`${tile.left} ${tile.top}`, pathsOf(labels, grid, tile))
    }
  }

  /** The outline of each segment, moved by a matrix. */
  paths(matrix: DOMMatrix): Map<number, Path2D> {
    const joined = new Map<number, Path2D>()
    for (const tile of this.tiles.values()) {
      for (const [value, path] of tile) {
        let whole = joined.get(value)
        if (whole === undefined) joined.set(value, (whole = new Path2D()))
        whole.addPath(path, matrix)
      }
    }
    return joined
  }
}

/** The tiles whose outlines may be others where labels within a box have changed. */
export function tilesOf({ width, height }: Grid, changed: Box): Box[] {
  const tiles: Box[] = []
  const first = (voxel: number): number => voxel - (voxel % TILE)
  // the lower and right edges of a voxel belong to the voxels after it
  for (let top = first(changed.top); top < Math.min(height, changed.bottom + 1); top += TILE) {
    for (let left = first(changed.left); left < Math.min(width, changed.right + 1); left += TILE) {
      tiles.push({ left, top, right: Math.min(width, left + TILE), bottom: Math.min(height, top + TILE) })
    }
  }
  return tiles
}

function pathsOf(labels: LabelArray, grid: Grid, box: Box): Paths {
  const paths = new Map<number, Path2D>()
  outlines(
    labels,
    grid,
    (value, x0, y0, x1, y1) => {
      let path = paths.get(value)
      if (path === undefined) paths.set(value, (path = new Path2D()))
      path.moveTo(x0, y0)
      path.lineTo(x1, y1)
    },
    box
  )
  return paths
}
