import { describe, expect, it } from 'vitest'
import { voxelAt } from '../src/axes'
import { Cache } from '../src/cache'
import { duration, everyNth, length, number, sentence, unitName } from '../src/format'
import { roundLength } from '../src/scale-bar'

describe('lengths', () => {
  it('are shown in the unit in which they are short', () => {
    expect(length(200, 'nm')).toBe('200 nm')
    expect(length(5000, 'nm')).toBe('5 µm')
    expect(length(2e6, 'nm')).toBe('2 mm')
    expect(length(40, 'px')).toBe('40 px')
  })

  it.each([
    [99.9, 50],
    [100, 100],
    [7, 5],
    [0.0021, 0.002]
  ])('of the scale bar are round: at most %f gives %f', (limit, round) => {
    expect(roundLength(limit)).toBeCloseTo(round, 9)
  })
})

describe('notes', () => {
  it('begin with a capital, but names stay as they are', () => {
    expect(sentence('do not trust 20 of 50 segments.')).toBe('Do not trust 20 of 50 segments.')
    expect(sentence('cell.labels: has no material Exterior.')).toBe('cell.labels: has no material Exterior.')
    expect(sentence('cell: is dense.')).toBe('cell: is dense.')
  })
})

describe('numbers and times', () => {
  it('have four digits', () => {
    expect(number(0.27341)).toBe('0.2734')
    expect(number(372.06)).toBe('372.1')
    expect(number(0.0000123)).toBe('1.23e-5')
    expect(number(0)).toBe('0')
  })

  it('of absorption have their unit', () => {
    expect(unitName('1/um')).toBe('1/µm')
    expect(unitName('nm')).toBe('nm')
  })

  it('are in full if they are whole', () => {
    expect(number(272598)).toBe('272598')
    expect(number(1098548)).toBe('1098548')
  })

  it.each([
    [1, 'every'],
    [2, 'every 2nd'],
    [3, 'every 3rd'],
    [5, 'every 5th'],
    [12, 'every 12th'],
    [20, 'every 20th'],
    [21, 'every 21st']
  ])('that count slices are ordinals: %i is %s', (count, text) => {
    expect(everyNth(count)).toBe(text)
  })

  it('are minutes from one minute on', () => {
    expect(duration(0.2)).toBe('less than 1 s')
    expect(duration(59)).toBe('59 s')
    expect(duration(80)).toBe('1 min 20 s')
    expect(duration(7300)).toBe('2 h 2 min')
  })
})

describe('the direction of view', () => {
  it.each([
    ['z', 5, { x: 31.5, y: 17.9 }],
    ['y', 17, { x: 31.5, y: 5.1 }],
    ['x', 31, { x: 17.9, y: 5.1 }],
  ] as const)('along %s gives the voxel at a place', (axis, index, place) => {
    expect(voxelAt(axis, index, place)).toEqual([5, 17, 31])
  })
})

describe('the cache', () => {
  it('drops what was used longest ago, and stays below its limit', () => {
    const cache = new Cache<Uint8Array>(30)
    for (const key of ['a', 'b', 'c']) cache.set(key, new Uint8Array(10))
    cache.get('a')
    cache.set('d', new Uint8Array(10))
    expect(['a', 'b', 'c', 'd'].filter((key) => cache.has(key))).toEqual(['a', 'c', 'd'])
  })

  it('keeps the last entry, even one that is too large', () => {
    const cache = new Cache<Uint8Array>(5)
    cache.set('a', new Uint8Array(10))
    expect(cache.has('a')).toBe(true)
  })
})
