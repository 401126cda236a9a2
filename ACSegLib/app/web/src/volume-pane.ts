/** The pane with the 3D view: loads NiiVue when it is first shown, and what changed whenever it is shown. */

import { sentence } from './api'
import type { Context, Part } from './context'
import { button, h, select, setText, show, toggle } from './dom'
import { findGraphics, previewSize } from './graphics'
import { ICONS } from './icons'
import type { Content, Look, VolumeView } from './volume-view'

const CONTENTS = [
  ['labels', 'Labels'],
  ['volume', 'Volume'],
  ['both', 'Both']
] as const

export class VolumePane implements Part {
  readonly element: HTMLElement
  private readonly canvas = h('canvas', { tabindex: 0, 'aria-label': '3D view: drag to turn, wheel to zoom' })
  private readonly status = h('p', { class: 'status', role: 'status' })
  private view: VolumeView | null = null
  private content: Content = 'labels'
  private smooth = true
  private size = 0
  private imageOf = 0
  private labelsOf = ''
  private looked = ''
  private busy = false
  private broken = false

  constructor(private readonly context: Context) {
    const content = select(CONTENTS, (value) => {
      this.content = value as Content
      this.update()
    })
    content.setAttribute('aria-label', 'What 3D shows')
    const smooth = toggle('Smooth', 'Smooth surfaces', (on) => {
      this.smooth = on
      this.update()
    })
    smooth.box.checked = true
    const camera = button({ icon: ICONS.camera, title: 'Save a picture of the 3D view', press: () => this.picture() })
    const close = button({ icon: ICONS.cross, title: 'Close 3D', press: () => context.model.change({ layout: 'slice' }) })
    const bar = h('div', { class: 'pane-bar' }, content, smooth.element, h('span', { class: 'space' }), camera, close)
    this.element = h('section', { class: 'volume-pane', 'aria-label': '3D view' }, bar, h('div', { class: 'stage' }, this.canvas, this.status))
  }

  update(): void {
    const { layout } = this.context.model.view
    show(this.element, layout !== 'slice')
    if (layout !== 'slice' && this.context.model.volume !== null) void this.refresh()
  }

  /** Whether the picture shows the labels as they are. */
  private upToDate(): boolean {
    return this.view !== null && !this.busy && this.labelsOf === this.wantedLabels
  }

  private get wantedLabels(): string {
    const { volume, server } = this.context.model
    return `${volume?.id} ${server?.labels?.version}`
  }

  private async refresh(): Promise<void> {
    if (this.busy || this.broken) return
    if (this.upToDate()) {
      this.look()
      return
    }
    this.busy = true
    this.element.dataset.ready = 'false'
    try {
      await this.load()
    } catch (error) {
      this.broken = this.view === null
      setText(this.status, sentence(error))
    }
    this.busy = false
    this.element.dataset.ready = String(this.upToDate())
    if (!this.upToDate() && !this.broken && this.context.model.connected) this.context.model.changed()
  }

  private async load(): Promise<void> {
    const { model, api, flushed } = this.context
    const { volume } = model
    if (volume === null) return
    if (this.view === null) setText(this.status, 'Loading the volume ...')
    if (this.view === null) {
      const graphics = findGraphics()
      if (graphics === null) {
        this.broken = true
        setText(this.status, 'This browser has no WebGL2, so there is no 3D. Everything else works.')
        return
      }
      this.size = previewSize(graphics)
      const { VolumeView } = await import('./volume-view')
      this.view = await VolumeView.create(this.canvas)
    }
    if (this.imageOf !== volume.id) {
      await this.view.setImage(await api.preview(this.size), this.content)
      this.imageOf = volume.id
      this.labelsOf = this.looked = ''
    }
    await flushed()
    const wanted = this.wantedLabels
    if (this.labelsOf !== wanted) {
      const bytes = await api.labelPreview('labels', this.size)
      await this.view.setLabels(bytes, this.wantedLook)
      this.labelsOf = wanted
      this.looked = JSON.stringify([...this.wantedLook.colours, this.content, this.smooth])
    }
    setText(this.status, '')
    this.look()
  }

  private get wantedLook(): Look {
    const colours = new Map(this.context.model.segments.map(({ value, colour }) => [((value - 1) % 255) + 1, colour]))
    return { content: this.content, smooth: this.smooth, colours, background: [0, 0, 0] }
  }

  private look(): void {
    const look = this.wantedLook
    const now = JSON.stringify([...look.colours, this.content, this.smooth])
    if (now === this.looked) return
    this.looked = now
    this.view?.look(look)
  }

  private picture(): void {
    const { view } = this
    if (view === null) return
    this.context.act(async () => {
      const address = URL.createObjectURL(await view.screenshot())
      h('a', { href: address, download: `${this.context.model.volume?.name ?? 'volume'}-3d.png` }).click()
      URL.revokeObjectURL(address)
    })
  }
}
