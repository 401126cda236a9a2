import { describe, expect, it } from 'vitest'
import { Viewport, type Extent } from '../src/viewport'

const screen = { width: 800, height: 600 }
const flat: Extent = { width: 128, height: 64, dx: 60, dy: 60, flipped: false }
const tall: Extent = { width: 100, height: 50, dx: 20, dy: 80, flipped: true }

describe('the viewport', () => {
  it.each([flat, tall])('shows the whole slice in the middle', (extent) => {
    const view = Viewport.fitted(extent, screen)
    const corners = [view.toScreen({ x: 0, y: 0 }), view.toScreen({ x: extent.width, y: extent.height })]
    for (const { x, y } of corners) {
      expect(x).toBeGreaterThanOrEqual(0)
      expect(x).toBeLessThanOrEqual(800)
      expect(y).toBeGreaterThanOrEqual(0)
      expect(y).toBeLessThanOrEqual(600)
    }
    expect(corners[0].x + corners[1].x).toBeCloseTo(800)
    expect(corners[0].y + corners[1].y).toBeCloseTo(600)
  })

  it.each([flat, tall])('finds the voxel of a pixel, and the pixel of a voxel', (extent) => {
    const view = Viewport.fitted(extent, screen).zoomed(3.7, { x: 300, y: 200 }).panned(-30, 12)
    const voxel = { x: 31.25, y: 17.5 }
    const back = view.toVoxel(view.toScreen(voxel))
    expect(back.x).toBeCloseTo(voxel.x)
    expect(back.y).toBeCloseTo(voxel.y)
  })

  it('draws by the matrix what it computes for points', () => {
    const view = Viewport.fitted(tall, screen).panned(5, -9)
    const [a, b, c, d, e, f] = view.matrix(2)
    const [x, y] = [12, 40]
    const point = view.toScreen({ x, y })
    expect(a * x + c * y + e).toBeCloseTo(2 * point.x)
    expect(b * x + d * y + f).toBeCloseTo(2 * point.y)
  })

  it('keeps the voxel below the pointer while it zooms', () => {
    const at = { x: 410, y: 222 }
    const view = Viewport.fitted(flat, screen)
    const before = view.toVoxel(at)
    const after = view.zoomed(2.5, at).toVoxel(at)
    expect(after.x).toBeCloseTo(before.x)
    expect(after.y).toBeCloseTo(before.y)
  })

  it('shows voxels that are four times as high as wide in their true shape', () => {
    const view = Viewport.fitted(tall, screen)
    expect(view.zoomDown / view.zoom).toBeCloseTo(4)
    expect(view.toScreen({ x: 0, y: 0 }).y).toBeGreaterThan(view.toScreen({ x: 0, y: 1 }).y)
  })

  it('never loses the slice', () => {
    const view = Viewport.fitted(flat, screen).panned(1e5, -1e5)
    const { x, y } = view.toVoxel({ x: 790, y: 10 })
    expect(x).toBeGreaterThan(0)
    expect(y).toBeLessThan(64)
  })
})
