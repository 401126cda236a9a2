import { describe, expect, it } from 'vitest'
import { labelTable, outlines, paintLabels, uncertaintyTable } from '../src/overlays'
import { greyTable, dragged } from '../src/contrast'
import { tilesOf } from '../src/outline-tiles'
import { whole, type Box, type Grid } from '../src/raster'

/** Length of the outline of each segment. */
function lengths(labels: Uint8Array, width: number): Record<number, number> {
  const found: Record<number, number> = {}
  outlines(labels, { width, height: labels.length / width }, (value, x0, y0, x1, y1) => {
    expect(x0 === x1 || y0 === y1).toBe(true)
    found[value] = (found[value] ?? 0) + Math.abs(x1 - x0) + Math.abs(y1 - y0)
  })
  return found
}

/** The same, counted voxel by voxel. */
function perimeters(labels: Uint8Array, width: number): Record<number, number> {
  const found: Record<number, number> = {}
  labels.forEach((value, place) => {
    if (value === 0) return
    const i = place % width
    const neighbours = [
      i > 0 ? labels[place - 1] : 0,
      i < width - 1 ? labels[place + 1] : 0,
      labels[place - width] ?? 0,
      labels[place + width] ?? 0
    ]
    const sides = neighbours.filter((other) => other !== value).length
    if (sides > 0) found[value] = (found[value] ?? 0) + sides
  })
  return found
}

const WIDE: Grid = { width: 300, height: 270 }

/** Some blobs, so that boundaries cross the tiles. */
function blobs(): Uint8Array {
  return Uint8Array.from({ length: WIDE.width * WIDE.height }, (_, place) => {
    const [x, y] = [place % WIDE.width, Math.floor(place / WIDE.width)]
    return Math.max(0, Math.round(2 * Math.sin(x / 9) * Math.cos(y / 7)))
  })
}

/** Every edge of voxels on an outline within a box, as a text. */
function edgesOf(labels: Uint8Array, box: Box): string[] {
  const found: string[] = []
  outlines(
    labels,
    WIDE,
    (value, x0, y0, x1, y1) => {
      for (let x = x0; x < x1; x++) found.push(`${value} ${x} ${y0} across`)
      for (let y = y0; y < y1; y++) found.push(`${value} ${x0} ${y} down`)
    },
    box
  )
  return found.sort()
}

describe('outlines in tiles', () => {
  it('are those of the whole slice, each edge once', () => {
    const labels = blobs()
    const tiles = tilesOf(WIDE, whole(WIDE))
    expect(tiles).toHaveLength(9)
    expect(tiles.flatMap((tile) => edgesOf(labels, tile)).sort()).toEqual(edgesOf(labels, whole(WIDE)))
  })

  it.each([
    { left: 100, top: 100, right: 128, bottom: 128 },
    { left: 128, top: 0, right: 140, bottom: 3 },
    { left: 250, top: 240, right: 300, bottom: 270 }
  ])('stay as they are beside the tiles of a change', (box) => {
    const [before, after] = [blobs(), blobs()]
    for (let j = box.top; j < box.bottom; j++) after.fill(7, j * WIDE.width + box.left, j * WIDE.width + box.right)
    const touched = tilesOf(WIDE, box).map((tile) => JSON.stringify(tile))
    expect(touched.length).toBeLessThan(9)
    for (const tile of tilesOf(WIDE, whole(WIDE))) {
      if (!touched.includes(JSON.stringify(tile))) expect(edgesOf(after, tile)).toEqual(edgesOf(before, tile))
    }
  })
})

describe('outlines', () => {
  it('have the length of the boundary', () => {
    // an L of three voxels: perimeter 8
    expect(lengths(Uint8Array.of(0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0), 4)).toEqual({ 2: 8 })
  })

  it('close at the edge of the slice', () => {
    expect(lengths(Uint8Array.of(1, 1, 1, 1), 2)).toEqual({ 1: 8 })
  })

  it('are right for any labels', () => {
    let state = 5
    const labels = Uint8Array.from({ length: 600 }, () => ((state = (state * 16807) % 2147483647) >> 9) % 4)
    expect(lengths(labels, 24)).toEqual(perimeters(labels, 24))
  })
})

describe('colours', () => {
  it('are those of the segments, background is clear', () => {
    const table = labelTable(new Map([[3, '#e0a020']]), 0.5)
    const pixels = new Uint32Array(4)
    paintLabels(Uint8Array.of(0, 3, 0, 3), 2, table, { left: 0, top: 0, right: 2, bottom: 2 }, pixels)
    expect([...new Uint8Array(pixels.buffer).slice(4, 8)]).toEqual([0xe0, 0xa0, 0x20, 128])
    expect(pixels[0]).toBe(0)
  })

  it('show certain voxels as they are', () => {
    expect(uncertaintyTable()[0] >>> 24).toBe(0)
    expect(uncertaintyTable()[255] >>> 24).toBeGreaterThan(200)
  })
})

describe('contrast', () => {
  it('makes the lowest intensity black and the highest white', () => {
    const table = greyTable({ low: 0.1, high: 0.4 }, { low: 0, high: 0.5 })
    const code = (intensity: number): number => Math.round((intensity / 0.5) * 65535)
    expect(table[code(0.05)]).toBe(0)
    expect(table[code(0.25)]).toBeGreaterThanOrEqual(127)
    expect(table[code(0.25)]).toBeLessThanOrEqual(128)
    expect(table[code(0.45)]).toBe(255)
  })

  it('widens by a drag to the right, and gets brighter by a drag upwards', () => {
    const start = { low: 0, high: 1 }
    const wider = dragged(start, 0.5, 0)
    expect(wider.high - wider.low).toBeCloseTo(Math.E)
    expect(dragged(start, 0, -0.1).low).toBeLessThan(0)
  })
})
