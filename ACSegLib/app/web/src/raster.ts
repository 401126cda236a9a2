/**
 * Which voxels of a slice a stroke or an outline covers.
 *
 * Coordinates are those of the slice: voxel (i, j) covers [i, i + 1) x [j, j + 1), and its centre is (i + 0.5, j + 0.5).
 * Every function reports voxels as runs of a row, so that a caller can paint them, count them, or test them.
 */

export interface Grid {
  readonly width: number
  readonly height: number
}

export interface Point {
  readonly x: number
  readonly y: number
}

/** Half-open box of voxels. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** Takes the voxels [start, end) of row j. */
export type PaintRun = (j: number, start: number, end: number) => void

/** The centre of the voxel below a point; it may lie outside of the grid. */
export function voxelCentre(point: Point): Point {
  return { x: Math.floor(point.x) + 0.5, y: Math.floor(point.y) + 0.5 }
}

/** The box of all voxels. */
export function whole({ width, height }: Grid): Box {
  return { left: 0, top: 0, right: width, bottom: height }
}

/** The smallest box around two boxes. */
export function union(a: Box | null, b: Box): Box {
  if (a === null) return b
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom)
  }
}

/**
 * Voxels whose centres lie within a radius of a line: the trace of a disc that moves from one point to another.
 *
 * @param radius in voxels of the row.
 * @param aspect height of a voxel divided by its width: the disc is round in space, not in voxels.
 */
export function sweepDisc(
  grid: Grid,
  from: Point,
  to: Point,
  radius: number,
  aspect: number,
  paint: PaintRun
): void {
  const reach = radius / aspect
  const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - reach))
  const bottom = Math.min(grid.height, Math.ceil(Math.max(from.y, to.y) + reach))
  const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - radius))
  const right = Math.min(grid.width, Math.ceil(Math.max(from.x, to.x) + radius))
  const limit = radius * radius + 1e-9
  for (let j = top; j < bottom; j++) {
    let start = -1
    let i = left
    for (; i < right; i++) {
      const inside = squaredDistance(i + 0.5, j + 0.5, from, to, aspect) <= limit
      if (inside && start < 0) start = i
      if (!inside && start >= 0) break // a capsule is convex: one run in each row
    }
    if (start >= 0) paint(j, start, i)
  }
}

/** Squared distance of a point to a line, in units of a voxel's width. */
function squaredDistance(x: number, y: number, from: Point, to: Point, aspect: number): number {
  const px = x - from.x
  const py = (y - from.y) * aspect
  const dx = to.x - from.x
  const dy = (to.y - from.y) * aspect
  const length = dx * dx + dy * dy
  const t = length === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / length))
  const ex = px - t * dx
  const ey = py - t * dy
  return ex * ex + ey * ey
}

interface Crossing {
  x: number
  turn: number
}

/**
 * Voxels whose centres lie inside a closed polygon, by the non-zero winding rule.
 *
 * An outline that overlaps its own start has no hole there. A centre on an edge belongs to the right or lower side, so
 * polygons that share an edge share no voxel.
 */
export function fillPolygon(grid: Grid, points: readonly Point[], paint: PaintRun): void {
  if (points.length < 3) return
  const ys = points.map((point) => point.y)
  const top = Math.max(0, Math.ceil(Math.min(...ys) - 0.5))
  const bottom = Math.min(grid.height, Math.ceil(Math.max(...ys) - 0.5))
  for (let j = top; j < bottom; j++) {
    const crossings = crossingsOf(points, j + 0.5)
    let winding = 0
    let start = 0
    for (const crossing of crossings) {
      if (winding === 0) start = crossing.x
      winding += crossing.turn
      if (winding === 0) paintBetween(grid, j, start, crossing.x, paint)
    }
  }
}

function crossingsOf(points: readonly Point[], y: number): Crossing[] {
  const crossings: Crossing[] = []
  let a = points[points.length - 1]
  for (const b of points) {
    if (a.y <= y !== b.y <= y) {
      crossings.push({ x: a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x), turn: a.y < b.y ? 1 : -1 })
    }
    a = b
  }
  return crossings.sort((one, other) => one.x - other.x)
}

function paintBetween(grid: Grid, j: number, from: number, to: number, paint: PaintRun): void {
  const start = Math.max(0, Math.ceil(from - 0.5))
  const end = Math.min(grid.width, Math.ceil(to - 0.5))
  if (start < end) paint(j, start, end)
}

export interface Region {
  /** Runs of the region: row, start, end. */
  readonly runs: readonly (readonly [number, number, number])[]
  /** Whether it reaches the edge of the slice. */
  readonly open: boolean
  readonly voxels: number
}

/** The voxels of one value that are connected to a voxel over edges (4-connected). */
export function regionAt(grid: Grid, labels: ArrayLike<number>, i: number, j: number): Region {
  const { width, height } = grid
  const value = labels[j * width + i]
  const seen = new Uint8Array(width * height)
  const runs: [number, number, number][] = []
  const todo: [number, number][] = [[i, j]]
  let open = false
  let voxels = 0
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [x, row] = next
    const base = row * width
    if (seen[base + x]) continue
    let start = x
    let end = x + 1
    while (start > 0 && labels[base + start - 1] === value) start--
    while (end < width && labels[base + end] === value) end++
    seen.fill(1, base + start, base + end)
    runs.push([row, start, end])
    voxels += end - start
    open ||= start === 0 || end === width || row === 0 || row === height - 1
    for (const neighbour of [row - 1, row + 1]) {
      if (neighbour < 0 || neighbour >= height) continue
      for (let column = start; column < end; column++) {
        const place = neighbour * width + column
        if (labels[place] === value && !seen[place]) todo.push([column, neighbour])
      }
    }
  }
  return { runs, open, voxels }
}
