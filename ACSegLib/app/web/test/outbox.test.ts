import { beforeEach, describe, expect, it, vi } from 'vitest'
import { NoAnswer, Refused } from '../src/api'
import type { PutAnswer } from '../src/contract'
import { Outbox, type Deposit, type Parcel } from '../src/outbox'

class Box implements Deposit {
  readonly items = new Map<string, string>()
  getItem = (name: string): string | null => this.items.get(name) ?? null
  setItem = (name: string, text: string): void => void this.items.set(name, text)
  removeItem = (name: string): void => void this.items.delete(name)
}

const answer: PutAnswer = { version: 2, labelled: { x: [], y: [], z: [4] } }

function parcel(index: number, value: number): Parcel {
  return { axis: 'z', index, labels: Uint8Array.of(0, value, value, 0), labelled: true }
}

/** A server that can be gone, and that remembers the slices it got. */
class Server {
  gone = false
  readonly slices = new Map<number, number[]>()
  requests = 0

  put = async (sent: Parcel): Promise<PutAnswer> => {
    this.requests++
    await Promise.resolve()
    if (this.gone) throw new NoAnswer()
    this.slices.set(sent.index, [...sent.labels])
    return answer
  }
}

function outboxOf(server: Server, box: Deposit): { outbox: Outbox; refused: string[] } {
  const refused: string[] = []
  const handlers = {
    sent: () => undefined,
    refused: (_: Parcel, message: string) => void refused.push(message),
    changed: () => undefined
  }
  const outbox = new Outbox(server.put, handlers, box)
  outbox.restore('cell.nrrd 4,1,1')
  return { outbox, refused }
}

describe('the outbox', () => {
  let server: Server
  let box: Box

  beforeEach(() => {
    vi.useFakeTimers()
    server = new Server()
    box = new Box()
  })

  it('sends every slice, and the latest state of each', async () => {
    const { outbox } = outboxOf(server, box)
    for (const value of [1, 2, 3]) outbox.add(parcel(4, value))
    outbox.add(parcel(5, 1))
    expect(outbox.holds('z', 4)).toBe(true)
    await outbox.flushed()
    expect(server.slices.get(4)).toEqual([0, 3, 3, 0])
    expect(server.slices.get(5)).toEqual([0, 1, 1, 0])
    expect(outbox.pending).toBe(0)
    expect(server.requests).toBe(3) // the state between first and last was never needed
  })

  it('keeps what is drawn while the server is gone, and sends it when it is back', async () => {
    server.gone = true
    const { outbox } = outboxOf(server, box)
    outbox.add(parcel(4, 1))
    await vi.advanceTimersByTimeAsync(10)
    outbox.add(parcel(6, 2))
    outbox.add(parcel(4, 3))
    await vi.advanceTimersByTimeAsync(5000)
    expect(outbox.stuck).toBe(true)
    expect(outbox.pending).toBe(2)
    server.gone = false
    outbox.retry()
    await vi.advanceTimersByTimeAsync(10)
    expect(server.slices).toEqual(
      new Map([
        [4, [0, 3, 3, 0]],
        [6, [0, 2, 2, 0]]
      ])
    )
    expect(box.items.size).toBe(0)
  })

  it('sends what a page before it could not', async () => {
    server.gone = true
    const before = outboxOf(server, box).outbox
    before.add(parcel(4, 7))
    await vi.advanceTimersByTimeAsync(10)
    const back = new Server()
    const { outbox } = outboxOf(back, box)
    await outbox.flushed()
    expect(back.slices.get(4)).toEqual([0, 7, 7, 0])
  })

  it('sends nothing to another volume', async () => {
    server.gone = true
    outboxOf(server, box).outbox.add(parcel(4, 7))
    await vi.advanceTimersByTimeAsync(10)
    const back = new Server()
    const outbox = new Outbox(back.put, { sent: () => {}, refused: () => {}, changed: () => {} }, box)
    expect(outbox.restore('other.nrrd 4,1,1')).toEqual([])
    expect(back.requests).toBe(0)
  })

  it('keeps what waits for one volume while another is drawn on', async () => {
    server.gone = true
    const { outbox } = outboxOf(server, box)
    outbox.add(parcel(4, 7))
    await vi.advanceTimersByTimeAsync(10)
    server.gone = false
    outbox.clear()
    outbox.restore('other.nrrd 4,1,1')
    outbox.add(parcel(1, 2))
    await vi.advanceTimersByTimeAsync(5000)
    expect([...server.slices]).toEqual([[1, [0, 2, 2, 0]]])
    outbox.clear()
    outbox.restore('cell.nrrd 4,1,1')
    await outbox.flushed()
    expect(server.slices.get(4)).toEqual([0, 7, 7, 0])
    expect(box.items.size).toBe(0)
  })

  it('sends a slice that got no answer to no other volume', async () => {
    server.gone = true
    const { outbox } = outboxOf(server, box)
    outbox.add(parcel(4, 7))
    outbox.clear()
    outbox.restore('other.nrrd 4,1,1')
    await vi.advanceTimersByTimeAsync(10)
    server.gone = false
    await vi.advanceTimersByTimeAsync(5000)
    expect(server.slices.size).toBe(0)
    outbox.clear()
    outbox.restore('cell.nrrd 4,1,1')
    await outbox.flushed()
    expect(server.slices.get(4)).toEqual([0, 7, 7, 0])
  })

  it('does not send a slice again that arrived after another volume was opened', async () => {
    const { outbox } = outboxOf(server, box)
    outbox.add(parcel(4, 7))
    outbox.clear()
    outbox.restore('other.nrrd 4,1,1')
    await vi.advanceTimersByTimeAsync(10)
    expect(server.slices.get(4)).toEqual([0, 7, 7, 0])
    outbox.clear()
    expect(outbox.restore('cell.nrrd 4,1,1')).toEqual([])
  })

  it('says why a slice was refused, and goes on with the next', async () => {
    const { outbox, refused } = outboxOf(server, box)
    const put = vi.spyOn(server, 'put')
    put.mockRejectedValueOnce(new Refused(409, 'Another tab has the right to change.'))
    const second = new Outbox(
      (sent) => server.put(sent),
      { sent: () => {}, refused: (_, message) => void refused.push(message), changed: () => {} },
      box
    )
    second.add(parcel(1, 1))
    second.add(parcel(2, 1))
    await second.flushed()
    expect(refused).toEqual(['Another tab has the right to change.'])
    expect([...server.slices.keys()]).toEqual([2])
    expect(outbox.pending).toBe(0)
  })
})
