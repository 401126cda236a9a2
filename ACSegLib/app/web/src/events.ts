/** The stream of events of the server: its state after each change, and the progress of a job. */

import type { JobInfo, State } from './contract'

export interface EventHandlers {
  state: (state: State) => void
  job: (job: JobInfo) => void
  /** The connection stands, or is lost. The browser connects again by itself. */
  connection: (connected: boolean) => void
}

/** Milliseconds until another attempt where the browser has given up. */
const AGAIN = 2000

export class Events {
  private source: EventSource | null = null
  private timer = 0

  constructor(
    private readonly client: string,
    private readonly handlers: EventHandlers
  ) {}

  connect(): void {
    this.close()
    const source = new EventSource(`./api/events?client=${this.client}`)
    this.source = source
    source.addEventListener('open', () => this.handlers.connection(true))
    source.addEventListener('state', (event) => this.handlers.state(JSON.parse(text(event)) as State))
    source.addEventListener('job', (event) => this.handlers.job(JSON.parse(text(event)) as JobInfo))
    source.addEventListener('error', () => {
      this.handlers.connection(false)
      // closed: there was an answer, but not the right one
      if (source.readyState === EventSource.CLOSED) this.timer = window.setTimeout(() => this.connect(), AGAIN)
    })
  }

  close(): void {
    window.clearTimeout(this.timer)
    this.source?.close()
  }
}

function text(event: Event): string {
  return (event as MessageEvent<string>).data
}
