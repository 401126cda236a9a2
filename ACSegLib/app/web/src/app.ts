/** Puts the page together: server, model, slices, editor and the parts that show them. */

import { Api, newClientId, NoAnswer, Refused, sentence } from './api'
import type { Context, Level, Part } from './context'
import type { JobInfo, State, VolumeInfo } from './contract'
import { helpDialog, openDialog, spacingDialog } from './dialogs'
import { h } from './dom'
import { Drawer } from './drawer'
import { Editor } from './editor'
import { Events } from './events'
import { header } from './header'
import { jobBar } from './job-bar'
import { Model } from './model'
import { banners, fatal, Toasts } from './notices'
import { Outbox } from './outbox'
import { drawPanel } from './panels/draw'
import { correctPanel, fillPanel, startFill } from './panels/fill'
import { measurePanel } from './panels/measure'
import { predictPanel } from './panels/predict'
import { savePanel } from './panels/save'
import { segmentsPanel } from './panels/segments'
import { viewPanel } from './panels/view'
import { Slices } from './slices'
import { Stage } from './stage'
import { stepList } from './steps'
import { SliceStrip } from './strip'
import { toolbar } from './toolbar'
import { VolumePane } from './volume-pane'

/** Milliseconds of rest after an edit until the refill that follows it. */
const REST = 700
/** Milliseconds from one question whether the server is there to the next. */
const ASK_AGAIN = 3000

export class App implements Context {
  readonly model = new Model(newClientId())
  readonly api = new Api(this.model.client)
  readonly editor: Editor
  readonly stage: Stage
  readonly outbox: Outbox
  private readonly slices: Slices
  private readonly toasts = new Toasts()
  private readonly events: Events
  private readonly parts: Part[]
  private readonly drawer: Drawer
  private asked = 0
  private refillTimer = 0

  constructor() {
    const { model, api } = this
    this.outbox = new Outbox(
      (parcel) => api.putLabels(parcel.axis, parcel.index, parcel.labels, parcel.labelled),
      {
        sent: (_, answer) => this.sent(answer.version),
        refused: (_, message) => this.refused(message),
        changed: () => {
          model.pending = this.outbox.pending
          model.changed()
        }
      },
      localStorage
    )
    this.slices = new Slices(api, {
      loaded: () => model.changed(),
      failed: (message) => this.tell(message, 'error'),
      flushed: this.flushed,
      newer: (axis, index) => this.editor.busyWith(axis, index)
    })
    this.editor = new Editor(model, this.slices, this.outbox, {
      painted: (box) => this.stage.view.painted(box),
      tell: (message) => this.tell(message),
      edited: () => this.edited()
    })
    this.stage = new Stage(this, this.slices)
    this.drawer = new Drawer(this)
    this.parts = this.build()
    this.events = new Events(model.client, {
      state: (state) => this.receive(state),
      job: (job) => this.receiveJob(job),
      connection: (connected) => this.connection(connected)
    })
    model.unsettled = () => (document.body.dataset.settled = 'false')
    model.on(() => {
      for (const part of this.parts) part.update()
      this.stage.view.flush()
      document.body.dataset.settled = String(this.settled)
    })
  }

  readonly start = (kind: string, options: object): void => {
    this.act(async () => {
      await this.flushed()
      this.receiveJob(await this.api.start(kind, options))
    })
  }

  readonly tell = (message: string, level: Level = 'info'): void => this.toasts.tell(message, level)

  readonly flushed = (): Promise<void> => this.outbox.flushed()

  readonly act = (work: () => Promise<unknown>): void => {
    work().catch((error: unknown) => {
      if (!(error instanceof NoAnswer) || this.model.connected) this.tell(sentence(error), 'error')
    })
  }

  readonly open = (): void => openDialog(this)

  readonly help = (): void => helpDialog()

  /** Whether page and server agree, and the shown slice is there: for tests and measurements. */
  private get settled(): boolean {
    const { model, slices } = this
    const { axis } = model.view
    return model.pending === 0 && slices.idle && slices.current(axis, model.index) !== null
  }

  /** Get the state, and follow it from now on. */
  async begin(): Promise<void> {
    try {
      this.receive(await this.api.state())
      this.events.connect()
    } catch (error) {
      fatal(sentence(error))
    }
  }

  private build(): Part[] {
    const openTable = (): void => this.drawer.show(true)
    const steps = stepList(this, [
      { name: 'draw', title: 'Draw', part: drawPanel(this) },
      { name: 'fill', title: 'Fill', part: fillPanel(this) },
      { name: 'correct', title: 'Correct', part: correctPanel(this) },
      { name: 'predict', title: 'Predict', part: predictPanel(this) },
      { name: 'measure', title: 'Measure', part: measurePanel(this, openTable) },
      { name: 'view', title: 'View', part: viewPanel(this) },
      { name: 'save', title: 'Save', part: savePanel(this) }
    ])
    const top = header(this, { open: this.open, help: this.help })
    const segments = segmentsPanel(this)
    const job = jobBar(this)
    const bar = toolbar(this, () => this.stage.view.fit())
    const notices = banners(this.model, () => this.act(async () => this.receive(await this.api.claim())))
    const strip = new SliceStrip(this)
    const pane = new VolumePane(this)
    this.stage.element.append(notices.element)
    const panes = h('div', { class: 'panes' }, this.stage.element, pane.element)
    const side = h('aside', { 'aria-label': 'Workflow' }, segments.element, steps.element, job.element)
    const main = h('main', {}, bar.element, panes, strip.element, this.drawer.element)
    document.body.replaceChildren(top.element, side, main, this.toasts.element)
    return [top, segments, steps, job, bar, notices, this.stage, pane, strip, this.drawer]
  }

  private receive(state: State): void {
    const before = this.model.server
    if (!this.model.receive(state)) return
    if (state.writer === '' && before?.writer !== '') this.act(async () => this.receive(await this.api.claim()))
    const { volume, labels } = state
    if (volume?.id !== before?.volume?.id) this.opened(volume, labels?.bytes_per_voxel ?? 1)
    else this.follow(before, state)
    if (state.job !== null && before?.job !== undefined) this.ended(before.job, state.job)
  }

  private opened(volume: VolumeInfo | null, bytesPerVoxel: number): void {
    this.slices.open(volume, bytesPerVoxel)
    this.editor.reset()
    this.outbox.clear()
    if (volume === null) return
    const root = this.model.server?.root ?? ''
    const kept = this.outbox.restore(`${root}/${volume.path || volume.name} ${volume.shape.join(' ')}`)
    for (const { axis, index, labels } of kept) this.slices.replace(axis, index, labels)
    if (kept.length > 0) this.tell('What you drew while the server was gone has been sent to it.')
    const restored = this.model.server?.autosave.restored
    if (restored != null) this.tell('Your work on this volume was found again. It goes on where it ended.')
    if (!volume.spacing_known && this.asked !== volume.id) {
      this.asked = volume.id
      spacingDialog(this, volume)
    }
  }

  /** Fetch again what has changed in the open volume. */
  private follow(before: State | null, state: State): void {
    const { labels, overlays } = state
    this.slices.widen(labels?.bytes_per_voxel ?? 1)
    const old = before?.labels
    if (labels !== null && labels.version !== old?.version && labels.changed_by !== this.model.client) this.slices.outdate()
    if (JSON.stringify(overlays) !== JSON.stringify(before?.overlays)) this.slices.dropOverlays()
  }

  private receiveJob(job: JobInfo): void {
    const before = this.model.server?.job ?? null
    this.model.receiveJob(job)
    this.ended(before, job)
  }

  /** Tell how a job has ended, once. */
  private ended(before: JobInfo | null, job: JobInfo): void {
    if (job.state === 'running' || (before?.id === job.id && before.state === job.state)) return
    if (job.state === 'failed') this.tell(job.message, 'error')
    else if (job.state === 'done' && (job.kind === 'fill' || job.kind === 'predict')) this.model.change({ step: 'correct' })
  }

  private connection(connected: boolean): void {
    if (connected === this.model.connected) return
    this.model.connected = connected
    this.model.changed()
    if (!connected) {
      this.model.expectAny()
      void this.askWhy()
      return
    }
    this.model.expired = false
    this.outbox.retry()
    this.act(async () => this.receive(await this.api.state()))
  }

  /** Without events: does the server not answer, or not know this page? */
  private async askWhy(): Promise<void> {
    try {
      await this.api.state()
    } catch (error) {
      this.model.expired = error instanceof Refused && error.status === 403
      this.model.changed()
      if (!this.model.expired && !this.model.connected) window.setTimeout(() => void this.askWhy(), ASK_AGAIN)
    }
  }

  /** A slice has arrived: if another change came between, everything else is fetched again. */
  private sent(version: number): void {
    const labels = this.model.server?.labels
    if (labels == null) return
    if (version > labels.version + 1) this.slices.outdate()
    labels.version = Math.max(labels.version, version)
    this.model.changed()
  }

  private refused(message: string): void {
    this.tell(message, 'error')
    this.slices.outdate()
    this.editor.reset()
    this.model.changed()
  }

  private edited(): void {
    this.model.changed()
    window.clearTimeout(this.refillTimer)
    if (!this.model.view.refill || this.model.server?.fill == null) return
    this.refillTimer = window.setTimeout(() => {
      if (this.model.running === null) startFill(this)
    }, REST)
  }
}
