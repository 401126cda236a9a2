/**
 * Slices on their way to the server.
 *
 * They are sent one after the other, the latest state of each slice. Without an answer they wait, are kept in the
 * browser's storage, and are sent again: a stroke that is drawn while the server is gone is not lost.
 */

import { NoAnswer, Refused, sentence } from './api'
import type { Axis, PutAnswer } from './contract'
import type { LabelArray } from './labels'

export interface Parcel {
  readonly axis: Axis
  readonly index: number
  readonly labels: LabelArray
  readonly labelled: boolean
}

export interface Deposit {
  getItem(name: string): string | null
  setItem(name: string, text: string): void
  removeItem(name: string): void
}

export interface OutboxHandlers {
  /** A slice has arrived. */
  sent: (parcel: Parcel, answer: PutAnswer) => void
  /** The server refused a slice, with its sentence. It is not sent again. */
  refused: (parcel: Parcel, message: string) => void
  /** The number of waiting slices, or the connection, has changed. */
  changed: () => void
}

type Put = (parcel: Parcel) => Promise<PutAnswer>

const NAME = 'acseg-unsent'
const FIRST_PAUSE = 400
const MAX_PAUSE = 4000

export class Outbox {
  /** Whether the last attempt got no answer. */
  stuck = false
  private readonly waiting = new Map<string, Parcel>()
  private sending: Parcel | null = null
  private pause = FIRST_PAUSE
  private timer: ReturnType<typeof setTimeout> | null = null
  private idle: (() => void)[] = []
  private volume = ''

  constructor(
    private readonly put: Put,
    private readonly handlers: OutboxHandlers,
    private readonly deposit: Deposit
  ) {}

  /** Number of slices that the server does not have yet. */
  get pending(): number {
    const again = this.sending !== null && !this.waiting.has(key(this.sending))
    return this.waiting.size + Number(again)
  }

  /** Whether this slice is still on its way. */
  holds(axis: Axis, index: number): boolean {
    const name = key({ axis, index })
    return this.waiting.has(name) || (this.sending !== null && key(this.sending) === name)
  }

  add(parcel: Parcel): void {
    this.waiting.set(key(parcel), { ...parcel, labels: parcel.labels.slice() })
    if (this.stuck) this.store()
    this.handlers.changed()
    void this.next()
  }

  /** Wait until the server has everything, or does not answer. */
  flushed(): Promise<void> {
    if (this.pending === 0 || this.stuck) return Promise.resolve()
    return new Promise((resolve) => this.idle.push(resolve))
  }

  /** Try at once: the server is back. */
  retry(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.pause = FIRST_PAUSE
    void this.next()
  }

  /**
   * The slices that were kept for a volume, of this page or one before it; they are sent.
   *
   * @param volume what identifies it: its folder, path and shape.
   */
  restore(volume: string): Parcel[] {
    this.volume = volume
    const parcels = this.stored(volume)
    for (const parcel of parcels) if (!this.waiting.has(key(parcel))) this.add(parcel)
    return parcels
  }

  /** Another volume is open: what waits is kept for the one before, and never sent to another. */
  clear(): void {
    if (this.pending > 0) this.store()
    this.waiting.clear()
    this.volume = ''
    this.stuck = false
    this.release()
  }

  private async next(): Promise<void> {
    if (this.sending !== null || this.timer !== null) return
    const entry = this.waiting.entries().next()
    if (entry.done === true) {
      if (this.volume !== '') this.deposit.removeItem(depositName(this.volume))
      this.release()
      return
    }
    const [name, parcel] = entry.value
    const { volume } = this
    this.waiting.delete(name)
    this.sending = parcel
    try {
      const answer = await this.put(parcel)
      this.sending = null
      if (volume !== this.volume) {
        this.arrived(volume, name)
        return
      }
      this.stuck = false
      this.pause = FIRST_PAUSE
      this.handlers.sent(parcel, answer)
    } catch (error) {
      this.sending = null
      if (volume === this.volume) this.failed(name, parcel, error)
    } finally {
      this.handlers.changed()
      void this.next()
    }
  }

  private failed(name: string, parcel: Parcel, error: unknown): void {
    if (error instanceof NoAnswer || (error instanceof Refused && waits(error.status))) {
      if (!this.waiting.has(name)) this.waiting.set(name, parcel)
      this.stuck = true
      this.store()
      this.release()
      this.timer = setTimeout(() => {
        this.timer = null
        void this.next()
      }, this.pause)
      this.pause = Math.min(2 * this.pause, MAX_PAUSE)
    } else {
      this.handlers.refused(parcel, sentence(error))
    }
  }

  private release(): void {
    const idle = this.idle
    this.idle = []
    for (const resolve of idle) resolve()
  }

  private stored(volume: string): Parcel[] {
    const text = this.deposit.getItem(depositName(volume))
    return text === null ? [] : unpack(text)
  }

  /** A slice has reached the volume before this one after all. */
  private arrived(volume: string, name: string): void {
    const rest = this.stored(volume).filter((parcel) => key(parcel) !== name)
    if (rest.length === 0) this.deposit.removeItem(depositName(volume))
    else this.write(volume, rest)
  }

  private store(): void {
    const { sending } = this
    const first = sending === null || this.waiting.has(key(sending)) ? [] : [sending]
    this.write(this.volume, [...first, ...this.waiting.values()])
  }

  private write(volume: string, parcels: Parcel[]): void {
    if (volume === '') return
    try {
      this.deposit.setItem(depositName(volume), JSON.stringify(parcels.map(packed)))
    } catch (error) {
      // The storage is full: the page keeps the slices as long as it is open.
      if (!(error instanceof DOMException)) throw error
    }
  }
}

/** Whether a slice is kept: the server is in trouble, or was started anew and does not know this page. */
function waits(status: number): boolean {
  return status >= 500 || status === 403
}

/** Each volume has a place of its own: what waits for one is not lost when another is drawn on. */
function depositName(volume: string): string {
  return `${NAME} ${volume}`
}

function key({ axis, index }: { axis: Axis; index: number }): string {
  return `${axis} ${index}`
}

interface Packed {
  axis: Axis
  index: number
  labelled: boolean
  bytes: number
  /** Value and number of voxels, in turn. */
  runs: number[]
}

function packed({ axis, index, labels, labelled }: Parcel): Packed {
  const runs: number[] = []
  for (let place = 0; place < labels.length; ) {
    const start = place
    while (place < labels.length && labels[place] === labels[start]) place++
    runs.push(labels[start], place - start)
  }
  return { axis, index, labelled, bytes: labels.BYTES_PER_ELEMENT, runs }
}

function unpack(text: string): Parcel[] {
  return (JSON.parse(text) as Packed[]).map(({ axis, index, labelled, bytes, runs }) => {
    const size = runs.reduce((sum, number, k) => sum + (k % 2 === 1 ? number : 0), 0)
    const labels = bytes === 2 ? new Uint16Array(size) : new Uint8Array(size)
    let place = 0
    for (let k = 0; k < runs.length; k += 2) labels.fill(runs[k], place, (place += runs[k + 1]))
    return { axis, index, labels, labelled }
  })
}
