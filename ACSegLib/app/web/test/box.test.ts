import { describe, expect, it } from 'vitest'
import { between, crosses, described, openAxes, rectangleOf, withRectangle } from '../src/box'
import type { VolumeInfo } from '../src/contract'

const volume = { shape: [20, 30, 40] } as VolumeInfo // (z, y, x)
const size = { width: 40, height: 30 }

describe('the box', () => {
  it('holds the voxels of both corners, whichever comes first', () => {
    const expected = { left: 3, right: 8, bottom: 2, top: 10 }
    expect(between({ x: 3.2, y: 9.9 }, { x: 7.4, y: 2.1 }, size)).toEqual(expected)
    expect(between({ x: 7.4, y: 2.1 }, { x: 3.2, y: 9.9 }, size)).toEqual(expected)
  })

  it('ends at the edges of the slice, and is none beside it', () => {
    expect(between({ x: -5, y: 1 }, { x: 99, y: 4 }, size)).toEqual({ left: 0, right: 40, bottom: 1, top: 5 })
    expect(between({ x: -5, y: 1 }, { x: -2, y: 4 }, size)).toBeNull()
  })

  it('gets its ends from two directions of view', () => {
    const first = withRectangle([], volume, 'z', { left: 3, right: 8, bottom: 2, top: 10 })
    expect(first).toEqual([3, 8, 2, 10, 0, 20])
    expect(openAxes(first, volume)).toEqual(['z'])
    const whole = withRectangle(first, volume, 'x', { left: 2, right: 11, bottom: 5, top: 9 })
    expect(whole).toEqual([3, 8, 2, 11, 5, 9])
    expect(openAxes(whole, volume)).toEqual([])
    expect(described(whole)).toBe('x 3 to 7, y 2 to 10, z 5 to 8')
  })

  it.each([
    ['z', { left: 3, right: 8, bottom: 2, top: 11 }, 4, 5],
    ['y', { left: 3, right: 8, bottom: 5, top: 9 }, 11, 10],
    ['x', { left: 2, right: 11, bottom: 5, top: 9 }, 8, 7]
  ] as const)('is shown on slices along %s, solid on those that cross it', (axis, rectangle, beside, within) => {
    const box = [3, 8, 2, 11, 5, 9]
    expect(rectangleOf(box, axis)).toEqual(rectangle)
    expect(crosses(box, axis, beside)).toBe(false)
    expect(crosses(box, axis, within)).toBe(true)
  })
})
