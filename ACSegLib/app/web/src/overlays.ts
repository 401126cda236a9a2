/** Paint labels, uncertainty and outlines of a slice. */

import type { LabelArray } from './labels'
import { whole, type Box, type Grid } from './raster'

export interface Colour {
  readonly red: number
  readonly green: number
  readonly blue: number
}

/** Read a colour such as "#e0a020". */
export function parseColour(text: string): Colour {
  const number = Number.parseInt(text.slice(1), 16)
  return { red: (number >> 16) & 255, green: (number >> 8) & 255, blue: number & 255 }
}

/** Pixels (little-endian RGBA) of each value, with one opacity (0 to 1) for all that are shown. */
export function labelTable(colours: ReadonlyMap<number, string>, opacity: number): Uint32Array {
  const table = new Uint32Array(65536)
  const alpha = Math.round(255 * opacity) * 0x1000000
  for (const [value, text] of colours) {
    const { red, green, blue } = parseColour(text)
    table[value] = alpha + (blue << 16) + (green << 8) + red
  }
  return table
}

/** Paint labels within a box. */
export function paintLabels(labels: LabelArray, width: number, table: Uint32Array, box: Box, pixels: Uint32Array): void {
  for (let j = box.top; j < box.bottom; j++) {
    for (let place = j * width + box.left; place < j * width + box.right; place++) {
      pixels[place] = table[labels[place]]
    }
  }
}

/** Pixels of each uncertainty (0 to 255): from nothing over orange to light yellow. */
export function uncertaintyTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, value) => {
    const part = value / 255
    const alpha = Math.round(225 * Math.min(1, Math.max(0, part * 1.6 - 0.1)))
    const green = Math.round(96 + 144 * part)
    const blue = Math.round(20 + 140 * part * part)
    return alpha * 0x1000000 + (blue << 16) + (green << 8) + 255
  })
}

/** Receives a line along edges of voxels, and the segment that it bounds. */
export type DrawEdge = (value: number, x0: number, y0: number, x1: number, y1: number) => void

/**
 * The boundaries of all segments: lines between voxels of different values, joined along rows and columns.
 *
 * @param draw gets each line for the segments on both of its sides; background has no outline of its own.
 * @param box the upper and left edges of its voxels alone, and those at the end of the slice.
 */
export function outlines(labels: LabelArray, grid: Grid, draw: DrawEdge, box: Box = whole(grid)): void {
  horizontalEdges(labels, grid, draw, box)
  verticalEdges(labels, grid, draw, box)
}

function horizontalEdges(labels: LabelArray, { width, height }: Grid, draw: DrawEdge, box: Box): void {
  const last = box.bottom < height ? box.bottom - 1 : height
  for (let j = box.top; j <= last; j++) {
    const [row, rowAbove] = [j * width, (j - 1) * width]
    let [start, above, below] = [box.left, 0, 0]
    for (let i = box.left; i <= box.right; i++) {
      const now = i < box.right && j < height ? labels[row + i] : 0
      const before = i < box.right && j > 0 ? labels[rowAbove + i] : 0
      if (now === below && before === above) continue
      if (above !== below) {
        if (above !== 0) draw(above, start, j, i, j)
        if (below !== 0) draw(below, start, j, i, j)
      }
      start = i
      above = before
      below = now
    }
  }
}

function verticalEdges(labels: LabelArray, { width }: Grid, draw: DrawEdge, box: Box): void {
  const last = box.right < width ? box.right - 1 : width
  const starts = new Int32Array(last + 1 - box.left)
  const lefts = new Uint16Array(starts.length)
  const rights = new Uint16Array(starts.length)
  for (let j = box.top; j <= box.bottom; j++) {
    const inside = j < box.bottom
    let left = inside && box.left > 0 ? labels[j * width + box.left - 1] : 0
    for (let i = box.left; i <= last; i++) {
      const k = i - box.left
      const right = inside && i < width ? labels[j * width + i] : 0
      if (left !== lefts[k] || right !== rights[k]) {
        if (lefts[k] !== rights[k]) {
          if (lefts[k] !== 0) draw(lefts[k], i, starts[k], i, j)
          if (rights[k] !== 0) draw(rights[k], i, starts[k], i, j)
        }
        starts[k] = j
        lefts[k] = left
        rights[k] = right
      }
      left = right
    }
  }
}
