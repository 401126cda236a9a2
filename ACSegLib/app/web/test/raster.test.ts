import { describe, expect, it } from 'vitest'
import { fillPolygon, regionAt, sweepDisc, voxelCentre, type Grid, type PaintRun, type Point } from '../src/raster'

const grid: Grid = { width: 60, height: 50 }

function painted(run: (paint: PaintRun) => void, on: Grid = grid): Uint8Array {
  const hits = new Uint8Array(on.width * on.height)
  run((j, start, end) => {
    for (let i = start; i < end; i++) hits[j * on.width + i]++
  })
  return hits
}

/** The voxels for which a condition holds at their centre. */
function where(condition: (x: number, y: number) => boolean, on: Grid = grid): Uint8Array {
  return Uint8Array.from({ length: on.width * on.height }, (_, place) =>
    Number(condition((place % on.width) + 0.5, Math.floor(place / on.width) + 0.5))
  )
}

function count(hits: Uint8Array): number {
  return hits.reduce((sum, hit) => sum + hit, 0)
}

function distance(x: number, y: number, a: Point, b: Point): number {
  let best = Infinity
  for (let t = 0; t <= 1; t += 1 / 4096) {
    best = Math.min(best, Math.hypot(x - a.x - t * (b.x - a.x), y - a.y - t * (b.y - a.y)))
  }
  return best
}

describe('the disc brush', () => {
  it.each([
    [1, 1],
    [3, 9],
    [5, 21],
    [7, 37],
    [9, 69]
  ])('of %i voxels across covers %i voxels around the one below the pointer', (across, voxels) => {
    const centre = voxelCentre({ x: 30.9, y: 20.1 })
    const hits = painted((paint) => sweepDisc(grid, centre, centre, across / 2, 1, paint))
    expect(count(hits)).toBe(voxels)
    expect(hits).toEqual(where((x, y) => Math.hypot(x - 30.5, y - 20.5) <= across / 2))
  })

  it('covers every voxel of a stroke, the last one too', () => {
    const [from, to] = [voxelCentre({ x: 10, y: 12 }), voxelCentre({ x: 47, y: 33 })]
    const hits = painted((paint) => sweepDisc(grid, from, to, 3.3, 1, paint))
    expect(hits).toEqual(where((x, y) => distance(x, y, from, to) <= 3.3))
    expect(hits[33 * 60 + 47]).toBe(1)
  })

  it('of one voxel leaves no gap, whatever the direction of the stroke', () => {
    const from = voxelCentre({ x: 30, y: 25 })
    for (let angle = 0; angle < 360; angle += 7) {
      const to = voxelCentre({
        x: 30 + 20 * Math.cos((angle * Math.PI) / 180),
        y: 25 + 20 * Math.sin((angle * Math.PI) / 180)
      })
      const hits = painted((paint) => sweepDisc(grid, from, to, 0.5, 1, paint))
      const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y))
      expect(count(hits), `${angle} degrees`).toBeGreaterThanOrEqual(steps + 1)
    }
  })

  it('is round in space where voxels are not square', () => {
    const centre = { x: 30.5, y: 25.5 }
    const hits = painted((paint) => sweepDisc(grid, centre, centre, 12, 3, paint))
    expect(hits).toEqual(where((x, y) => Math.hypot(x - 30.5, 3 * (y - 25.5)) <= 12))
  })

  it('stops at the edge of the slice', () => {
    const corner = voxelCentre({ x: 0, y: 49 })
    const hits = painted((paint) => sweepDisc(grid, corner, corner, 4, 1, paint))
    expect(hits).toEqual(where((x, y) => Math.hypot(x - 0.5, y - 49.5) <= 4))
  })

  it('paints no voxel twice', () => {
    const hits = painted((paint) => sweepDisc(grid, { x: 5.5, y: 5.5 }, { x: 50.5, y: 30.5 }, 6, 1, paint))
    expect(Math.max(...hits)).toBe(1)
  })
})

describe('the outline', () => {
  it('covers a rectangle exactly', () => {
    const corners = [
      { x: 10, y: 8 },
      { x: 25, y: 8 },
      { x: 25, y: 20 },
      { x: 10, y: 20 }
    ]
    const hits = painted((paint) => fillPolygon(grid, corners, paint))
    expect(hits).toEqual(where((x, y) => x > 10 && x < 25 && y > 8 && y < 20))
    expect(painted((paint) => fillPolygon(grid, [...corners].reverse(), paint))).toEqual(hits)
  })

  it('covers the voxels whose centres lie in a circle', () => {
    const circle = Array.from({ length: 720 }, (_, k) => ({
      x: 28.3 + 17.2 * Math.cos((k * Math.PI) / 360),
      y: 24.7 + 17.2 * Math.sin((k * Math.PI) / 360)
    }))
    const hits = painted((paint) => fillPolygon(grid, circle, paint))
    expect(hits).toEqual(where((x, y) => Math.hypot(x - 28.3, y - 24.7) < 17.2))
  })

  it('shares no voxel with its neighbour along a common edge, and leaves none out', () => {
    const [a, b] = [
      { x: 12.5, y: 3.5 },
      { x: 31.5, y: 44.5 }
    ]
    const left = painted((paint) => fillPolygon(grid, [a, b, { x: 2, y: 44 }, { x: 2, y: 3 }], paint))
    const right = painted((paint) => fillPolygon(grid, [a, { x: 58, y: 3 }, { x: 58, y: 44 }, b], paint))
    for (let j = 5; j < 43; j++) {
      for (let i = 3; i < 57; i++) expect(left[j * 60 + i] + right[j * 60 + i], `${i}, ${j}`).toBe(1)
    }
  })

  it('has no hole where it overlaps its own start', () => {
    const twice = Array.from({ length: 80 }, (_, k) => ({
      x: 30 + 10 * Math.cos((k * Math.PI) / 20),
      y: 25 + 10 * Math.sin((k * Math.PI) / 20)
    }))
    const hits = painted((paint) => fillPolygon(grid, twice, paint))
    expect(hits[25 * 60 + 30]).toBe(1)
    expect(Math.max(...hits)).toBe(1)
  })

  it('is cut at the edge of the slice', () => {
    const large = [
      { x: -20, y: -20 },
      { x: 100, y: -20 },
      { x: 100, y: 90 },
      { x: -20, y: 90 }
    ]
    expect(count(painted((paint) => fillPolygon(grid, large, paint)))).toBe(60 * 50)
  })
})

describe('a closed hole', () => {
  const ring = where((x, y) => Math.abs(Math.hypot(x - 30, y - 25) - 12) < 1.5)

  it('is found whole, and nothing else', () => {
    const hole = regionAt(grid, ring, 30, 25)
    const hits = painted((paint) => hole.runs.forEach(([j, start, end]) => paint(j, start, end)))
    expect(hole.open).toBe(false)
    expect(hits).toEqual(where((x, y) => Math.hypot(x - 30, y - 25) <= 10.5))
    expect(hole.voxels).toBe(count(hits))
  })

  it('is told from a region that reaches the edge', () => {
    expect(regionAt(grid, ring, 1, 1).open).toBe(true)
  })

  it('does not leak through a diagonal', () => {
    const diagonal = Uint8Array.from([1, 1, 1, 1, 0, 1, 0, 1, 1])
    // the hole at (1, 1) touches the free corner (0, 2) over a corner alone
    expect(regionAt({ width: 3, height: 3 }, diagonal, 1, 1)).toMatchObject({ open: false, voxels: 1 })
  })
})
