import { describe, expect, it } from 'vitest'
import { apply, difference, History } from '../src/history'
import type { LabelArray } from '../src/labels'

/** A fixed sequence that looks random. */
function generator(seed: number): () => number {
  let state = seed
  return () => (state = (state * 16807) % 2147483647) / 2147483647
}

function edited(labels: LabelArray, random: () => number): LabelArray {
  const after = labels.slice()
  for (let k = 0; k < 5; k++) {
    const start = Math.floor(random() * after.length)
    after.fill(Math.floor(random() * 4), start, start + Math.floor(random() * 30))
  }
  return after
}

describe('an edit', () => {
  it('leads from one state to the other and back', () => {
    const random = generator(7)
    let before: LabelArray = new Uint8Array(500)
    for (let k = 0; k < 50; k++) {
      const after = edited(before, random)
      const edit = difference(before, after)
      if (edit === null) continue
      const labels = before.slice()
      apply(labels, edit, true)
      expect(labels).toEqual(after)
      apply(labels, edit, false)
      expect(labels).toEqual(before)
      before = after
    }
  })

  it('is none between equal slices', () => {
    expect(difference(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBeNull()
  })
})

describe('the history', () => {
  it('takes back a hundred steps of each slice, and no more', () => {
    const history = new History(100)
    const random = generator(3)
    const states: LabelArray[] = [new Uint8Array(300)]
    while (states.length < 131) {
      const before = states[states.length - 1]
      const after = edited(before, random)
      const edit = difference(before, after)
      if (edit === null) continue
      history.push('k 4', edit)
      states.push(after)
    }
    const labels = states[130].slice()
    for (let step = 129; step >= 30; step--) {
      expect(history.undo('k 4', labels)).toBe(true)
      expect(labels).toEqual(states[step])
    }
    expect(history.undo('k 4', labels)).toBe(false)
    for (let step = 31; step <= 130; step++) {
      expect(history.redo('k 4', labels)).toBe(true)
      expect(labels).toEqual(states[step])
    }
    expect(history.redo('k 4', labels)).toBe(false)
  })

  it('keeps the slices apart', () => {
    const history = new History()
    const labels = Uint8Array.of(1, 0)
    history.push('k 1', Uint32Array.of(0, 1, 0, 1))
    expect(history.canUndo('k 2')).toBe(false)
    expect(history.undo('k 2', labels)).toBe(false)
    expect(history.undo('k 1', labels)).toBe(true)
    expect(labels).toEqual(Uint8Array.of(0, 0))
  })

  it('forgets what could be redone after a new edit', () => {
    const history = new History()
    const labels = Uint8Array.of(1, 0)
    history.push('a', Uint32Array.of(0, 1, 0, 1))
    history.undo('a', labels)
    history.push('a', Uint32Array.of(1, 1, 0, 2))
    expect(history.canRedo('a')).toBe(false)
  })

  it('takes nothing back after a job has changed these voxels', () => {
    const history = new History()
    history.push('a', Uint32Array.of(0, 2, 0, 1))
    const labels = Uint8Array.of(1, 2)
    expect(history.undo('a', labels)).toBe(false)
    expect(labels).toEqual(Uint8Array.of(1, 2))
    expect(history.canUndo('a')).toBe(false)
  })
})
