/** What the parts of the page share. */

import type { Api } from './api'
import type { Editor } from './editor'
import type { Model } from './model'

export type Level = 'info' | 'warning' | 'error'

export interface Context {
  readonly model: Model
  readonly api: Api
  readonly editor: Editor
  /** Show a sentence for some seconds. */
  readonly tell: (message: string, level?: Level) => void
  /** Do something with the server; an error is shown. */
  readonly act: (work: () => Promise<unknown>) => void
  /** Start a job once the server has every slice. */
  readonly start: (kind: string, options: object) => void
  /** Wait until the server has every slice that was drawn. */
  readonly flushed: () => Promise<void>
}

/** A part of the page. */
export interface Part {
  readonly element: HTMLElement
  /** Show the model as it is now. */
  readonly update: () => void
}
