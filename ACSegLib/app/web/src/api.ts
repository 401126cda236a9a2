/** Requests to the server, typed. Addresses are relative: the page works behind a prefix too. */

import type * as c from './contract'
import type { LabelArray } from './labels'

/** The server answered that it cannot do this; the message is a sentence for the user. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string
  ) {
    super(message)
  }
}

/** No answer: the server has ended, or the connection is lost. */
export class NoAnswer extends Error {
  constructor() {
    super('The server does not answer.')
  }
}

/** What an error says to the user. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export type Overlay = 'uncertainty' | 'before' | 'reference'

export class Api {
  constructor(readonly client: string) {}

  state(): Promise<c.State> {
    return this.json('GET', 'state')
  }

  claim(): Promise<c.State> {
    return this.json('POST', 'claim', {})
  }

  files(): Promise<c.FileEntry[]> {
    return this.json('GET', 'files')
  }

  open(request: c.OpenRequest): Promise<c.State> {
    return this.json('POST', 'open', request)
  }

  simulate(): Promise<c.State> {
    return this.json('POST', 'simulate', {})
  }

  async upload(file: File): Promise<c.FileEntry> {
    const answer = await this.send('POST', `upload?name=${encodeURIComponent(file.name)}`, file)
    return (await answer.json()) as c.FileEntry
  }

  spacing(request: c.SpacingRequest): Promise<c.State> {
    return this.json('POST', 'spacing', request)
  }

  box(request: c.BoxRequest): Promise<c.State> {
    return this.json('POST', 'box', request)
  }

  /** A slice of the image: 16 bits between two intensities. */
  async image(axis: c.Axis, index: number, volume: c.VolumeInfo, signal?: AbortSignal): Promise<Uint16Array> {
    const [low, high] = volume.range
    const bytes = await this.bytes(`slice/${axis}/${index}?low=${low}&high=${high}&bits=16&of=${volume.id}`, signal)
    return new Uint16Array(bytes)
  }

  async labels(axis: c.Axis, index: number, bytesPerVoxel: number, signal?: AbortSignal): Promise<LabelArray> {
    const bytes = await this.bytes(`labels/${axis}/${index}`, signal)
    return bytesPerVoxel === 2 ? new Uint16Array(bytes) : new Uint8Array(bytes)
  }

  async putLabels(axis: c.Axis, index: number, labels: LabelArray, labelled: boolean): Promise<c.PutAnswer> {
    const path = `labels/${axis}/${index}?labelled=${Number(labelled)}`
    const body = await deflated(labels as Uint8Array<ArrayBuffer>)
    const answer = await this.send('PUT', path, body, undefined, { 'Content-Encoding': 'deflate' })
    return (await answer.json()) as c.PutAnswer
  }

  async overlay(
    name: Overlay,
    axis: c.Axis,
    index: number,
    bytesPerVoxel: number,
    signal?: AbortSignal
  ): Promise<LabelArray> {
    const bytes = await this.bytes(`${name}/${axis}/${index}`, signal)
    return bytesPerVoxel === 2 && name !== 'uncertainty' ? new Uint16Array(bytes) : new Uint8Array(bytes)
  }

  reference(path: string): Promise<c.State> {
    return this.json('POST', 'reference', { path })
  }

  /** The image for 3D, at most `size` voxels an edge. */
  preview(size: number): Promise<ArrayBuffer> {
    return this.bytes(`preview.nii?size=${size}`)
  }

  labelPreview(of: 'labels' | Overlay, size: number): Promise<ArrayBuffer> {
    return this.bytes(`labels.nii?of=${of}&size=${size}`)
  }

  strip(axis: c.Axis): Promise<c.Strip> {
    return this.json('GET', `strip/${axis}`)
  }

  addSegment(request: c.SegmentRequest): Promise<c.State> {
    return this.json('POST', 'segments', request)
  }

  changeSegment(value: number, request: c.SegmentRequest): Promise<c.State> {
    return this.json('PATCH', `segments/${value}`, request)
  }

  removeSegment(value: number): Promise<c.State> {
    return this.json('DELETE', `segments/${value}`)
  }

  start(kind: string, options: object): Promise<c.JobInfo> {
    return this.json('POST', `jobs/${kind}`, options)
  }

  cancel(): Promise<c.State> {
    return this.json('POST', 'cancel', {})
  }

  undo(): Promise<c.State> {
    return this.json('POST', 'undo', {})
  }

  redo(): Promise<c.State> {
    return this.json('POST', 'redo', {})
  }

  table(): Promise<c.Table> {
    return this.json('GET', 'table')
  }

  save(request: c.SaveRequest): Promise<c.SaveAnswer> {
    return this.json('POST', 'save', request)
  }

  private async json<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.send(method, path, body === undefined ? undefined : JSON.stringify(body))
    return (await answer.json()) as T
  }

  private async bytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
    const answer = await this.send('GET', path, undefined, signal)
    return answer.arrayBuffer()
  }

  private async send(
    method: string,
    path: string,
    body?: BodyInit,
    signal?: AbortSignal,
    more: Record<string, string> = {}
  ): Promise<Response> {
    const headers: Record<string, string> = { 'X-ACSeg-Client': this.client, ...more }
    if (typeof body === 'string') headers['Content-Type'] = 'application/json'
    let answer: Response
    try {
      answer = await fetch(`./api/${path}`, { method, headers, body: body ?? null, signal: signal ?? null })
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') throw error
      throw new NoAnswer()
    }
    if (!answer.ok) throw new Refused(answer.status, await reason(answer))
    return answer
  }
}

async function reason(answer: Response): Promise<string> {
  const text = await answer.text()
  try {
    const { error } = JSON.parse(text) as { error?: unknown }
    if (typeof error === 'string') return error
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return `The server answered ${answer.status} (${answer.statusText || 'error'}).`
}

/**
 * Labels are runs of equal values: packed, they are some hundredth of their bytes. The browser hands a body over while
 * the page waits, and a slow network carries it.
 */
async function deflated(labels: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const packer = new CompressionStream('deflate')
  const writer = packer.writable.getWriter()
  const written = writer.write(labels).then(() => writer.close())
  const packed = await new Response(packer.readable).arrayBuffer()
  await written
  return packed
}

/** A name of this tab, new with each load: a copied tab is another tab. */
export function newClientId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
