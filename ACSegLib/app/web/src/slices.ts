/** Slices of the open volume: fetched when they are asked for, kept, and fetched again when labels have changed. */

import { NoAnswer, sentence, type Api, type Overlay } from './api'
import { AXES, depth } from './axes'
import { Cache } from './cache'
import type { Axis, VolumeInfo } from './contract'
import type { LabelArray } from './labels'

const IMAGE_BYTES = 160e6
const LABEL_BYTES = 64e6
/** Slices that are fetched ahead, in the direction of scrolling. */
const AHEAD = 4

/** A slice of labels, and which state of the labels it is of. */
interface Entry {
  labels: LabelArray
  epoch: number
  byteLength: number
}

export interface SliceHandlers {
  /** A slice has come. */
  loaded: () => void
  failed: (message: string) => void
  /** Resolves when the server has every slice that was drawn. */
  flushed: () => Promise<void>
  /** Whether the page's own state of a slice is newer than the server's. */
  newer: (axis: Axis, index: number) => boolean
}

export class Slices {
  private volume: VolumeInfo | null = null
  private bytesPerVoxel = 1
  private readonly images = new Cache<Uint16Array>(IMAGE_BYTES)
  private readonly labelSlices = new Cache<Entry>(LABEL_BYTES)
  private readonly overlays = new Cache<LabelArray>(LABEL_BYTES)
  private readonly epochs: Record<Axis, number> = { x: 0, y: 0, z: 0 }
  private readonly loading = new Map<string, AbortController>()
  private last = { axis: 'z' as Axis, index: 0, step: 1 }

  constructor(
    private readonly api: Api,
    private readonly handlers: SliceHandlers
  ) {}

  /** Whether nothing is on its way. */
  get idle(): boolean {
    return this.loading.size === 0
  }

  /** Another volume is open. */
  open(volume: VolumeInfo | null, bytesPerVoxel: number): void {
    for (const controller of this.loading.values()) controller.abort()
    this.loading.clear()
    this.images.clear()
    this.labelSlices.clear()
    this.overlays.clear()
    this.volume = volume
    this.bytesPerVoxel = bytesPerVoxel
  }

  /** Labels have `bytes` a voxel from now on. */
  widen(bytes: number): void {
    if (bytes === this.bytesPerVoxel) return
    this.bytesPerVoxel = bytes
    this.labelSlices.clear()
    this.overlays.clear()
  }

  /** The server's labels have changed: what is kept is shown until the new slices come. */
  outdate(axes: readonly Axis[] = AXES): void {
    for (const axis of axes) this.epochs[axis]++
  }

  /** An overlay was computed anew. */
  dropOverlays(): void {
    this.overlays.clear()
  }

  /** The intensities of a slice, as 16-bit numbers; null until they have come. */
  image(axis: Axis, index: number): Uint16Array | null {
    const found = this.images.get(`${axis} ${index}`)
    this.follow(axis, index)
    if (found === undefined) this.fetchImage(axis, index)
    this.ahead(axis, index)
    return found ?? null
  }

  /** The labels of a slice; null until they have come. The array is the page's own: edit it in place. */
  labels(axis: Axis, index: number): LabelArray | null {
    const entry = this.labelSlices.get(`${axis} ${index}`)
    if (entry === undefined || entry.epoch < this.epochs[axis]) this.fetchLabels(axis, index)
    return entry?.labels ?? null
  }

  /** The labels of a slice to edit: null where what is shown is older than what the server has. */
  current(axis: Axis, index: number): LabelArray | null {
    const entry = this.labelSlices.get(`${axis} ${index}`)
    return entry !== undefined && entry.epoch >= this.epochs[axis] ? entry.labels : null
  }

  /** The labels of a slice, once they have come. */
  async wait(axis: Axis, index: number): Promise<LabelArray> {
    const current = this.current(axis, index)
    if (current !== null) return current
    await this.handlers.flushed()
    const labels = await this.api.labels(axis, index, this.bytesPerVoxel)
    this.replace(axis, index, labels)
    return labels
  }

  overlay(name: Overlay, axis: Axis, index: number): LabelArray | null {
    const key = `${name} ${axis} ${index}`
    const found = this.overlays.get(key)
    if (found === undefined) {
      this.load(key, async (signal) => {
        this.overlays.set(key, await this.api.overlay(name, axis, index, this.bytesPerVoxel, signal))
      })
    }
    return found ?? null
  }

  /** A slice was edited here: slices along the other axes show it once they are fetched again. */
  edited(axis: Axis): void {
    this.outdate(AXES.filter((other) => other !== axis))
  }

  /** Put labels in place of those of a slice. */
  replace(axis: Axis, index: number, labels: LabelArray): void {
    const entry = { labels, epoch: this.epochs[axis], byteLength: labels.byteLength }
    this.labelSlices.set(`${axis} ${index}`, entry)
  }

  private fetchImage(axis: Axis, index: number): void {
    const { volume } = this
    if (volume === null) return
    this.load(`image ${axis} ${index}`, async (signal) => {
      const codes = await this.api.image(axis, index, volume, signal)
      if (this.volume?.id === volume.id) this.images.set(`${axis} ${index}`, codes)
    })
  }

  private fetchLabels(axis: Axis, index: number): void {
    if (this.handlers.newer(axis, index)) return
    this.load(`labels ${axis} ${index}`, async (signal) => {
      await this.handlers.flushed()
      const epoch = this.epochs[axis]
      const labels = await this.api.labels(axis, index, this.bytesPerVoxel, signal)
      if (this.handlers.newer(axis, index)) return
      this.labelSlices.set(`${axis} ${index}`, { labels, epoch, byteLength: labels.byteLength })
    })
  }

  private load(key: string, work: (signal: AbortSignal) => Promise<void>): void {
    if (this.volume === null || this.loading.has(key)) return
    const controller = new AbortController()
    this.loading.set(key, controller)
    const end = (): void => {
      if (this.loading.get(key) === controller) this.loading.delete(key)
    }
    work(controller.signal).then(
      () => {
        end()
        this.handlers.loaded()
      },
      (error: unknown) => {
        end() // without an answer it is asked for again when the connection stands
        if (!(error instanceof NoAnswer) && !controller.signal.aborted) this.handlers.failed(sentence(error))
      }
    )
  }

  /** Remember the direction of scrolling, and stop what is loading for slices that were passed. */
  private follow(axis: Axis, index: number): void {
    if (axis === this.last.axis && index === this.last.index) return
    const step = axis === this.last.axis && index < this.last.index ? -1 : 1
    this.last = { axis, index, step }
    for (const [key, controller] of this.loading) {
      const [, other, number] = key.split(' ')
      const distance = other === axis ? Math.abs(Number(number) - index) : Infinity
      if (distance > AHEAD) {
        controller.abort()
        this.loading.delete(key)
      }
    }
  }

  private ahead(axis: Axis, index: number): void {
    if (this.volume === null) return
    for (let k = 1; k <= AHEAD; k++) {
      const next = index + k * this.last.step
      if (next < 0 || next >= depth(this.volume, axis)) break
      if (!this.images.has(`${axis} ${next}`)) this.fetchImage(axis, next)
      const entry = this.labelSlices.has(`${axis} ${next}`)
      if (!entry) this.fetchLabels(axis, next)
    }
  }
}
