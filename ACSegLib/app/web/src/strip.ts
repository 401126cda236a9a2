/** The strip of slices below the picture: what is labelled, filled, uncertain, suggested; a click jumps there. */

import { depth } from './axes'
import type { Strip } from './contract'
import type { Context, Part } from './context'
import { h } from './dom'

const HEIGHT = 34

export class SliceStrip implements Part {
  readonly element: HTMLElement
  private readonly canvas = h('canvas', {
    tabindex: 0,
    role: 'slider',
    'aria-label': 'Slice',
    'aria-valuemin': 0,
    title: 'Click to go to a slice'
  })
  private strip: Strip | null = null
  private stripOf = ''
  private loading = false
  private dragging = false

  constructor(private readonly context: Context) {
    const { canvas } = this
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId)
      this.dragging = true
      this.jump(event)
    })
    canvas.addEventListener('pointermove', (event) => {
      if (this.dragging) this.jump(event)
    })
    canvas.addEventListener('pointerup', () => (this.dragging = false))
    canvas.addEventListener('keydown', (event) => this.key(event))
    const legend = h(
      'div',
      { class: 'legend', 'aria-hidden': 'true' },
      ...['labelled', 'filled', 'uncertain', 'suggested'].map((name) =>
        h('span', { class: `legend-${name}` }, name)
      )
    )
    this.element = h('div', { class: 'strip' }, canvas, legend)
    new ResizeObserver(() => this.draw()).observe(canvas)
  }

  update(): void {
    const { model } = this.context
    this.element.hidden = model.volume === null
    if (model.volume === null) return
    const last = depth(model.volume, model.view.axis) - 1
    this.canvas.setAttribute('aria-valuemax', String(last))
    this.canvas.setAttribute('aria-valuenow', String(model.index))
    const labelled = model.labelled.includes(model.index) ? ', labelled' : ''
    this.canvas.setAttribute('aria-valuetext', `${model.view.axis} = ${model.index} of ${last}${labelled}`)
    this.fetch()
    this.draw()
  }

  /** Get the strip when labels have changed; while a stroke is on its way, the old one is good enough. */
  private fetch(): void {
    const { model, api } = this.context
    const { server, view } = model
    const wanted = `${server?.volume?.id} ${view.axis} ${server?.labels?.version} ${server?.overlays.uncertainty}`
    if (this.loading || wanted === this.stripOf || !model.connected) return
    this.loading = true
    api
      .strip(view.axis)
      .then(
        (strip) => {
          this.strip = strip
        },
        () => {
          this.strip = null // it is asked for again with the next change
        }
      )
      .finally(() => {
        this.stripOf = wanted
        this.loading = false
        model.changed()
      })
  }

  private jump(event: PointerEvent): void {
    const { model } = this.context
    if (model.volume === null) return
    const box = this.canvas.getBoundingClientRect()
    const count = depth(model.volume, model.view.axis)
    model.goTo(Math.floor(((event.clientX - box.left) / box.width) * count))
  }

  private key(event: KeyboardEvent): void {
    const { model } = this.context
    const steps: Partial<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 }
    const step = steps[event.key]
    if (step === undefined) return
    event.preventDefault()
    event.stopPropagation()
    model.goTo(model.index + step)
  }

  private draw(): void {
    const { model } = this.context
    const ratio = window.devicePixelRatio
    const width = this.canvas.clientWidth
    const context = this.canvas.getContext('2d')
    if (model.volume === null || context === null || width === 0) return
    this.canvas.width = Math.round(width * ratio)
    this.canvas.height = Math.round(HEIGHT * ratio)
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    const style = getComputedStyle(this.canvas)
    const colour = (name: string): string => style.getPropertyValue(`--strip-${name}`)
    const count = depth(model.volume, model.view.axis)
    const x = (index: number): number => (index / count) * width
    const bar = (index: number, top: number, height: number, least: number): void => {
      const wide = Math.max(least, width / count)
      context.fillRect(Math.min(x(index), width - wide), top, wide, height)
    }
    context.fillStyle = colour('track')
    context.fillRect(0, 13, width, 10)
    const strip = this.strip?.axis === model.view.axis ? this.strip : null
    context.fillStyle = colour('filled')
    for (const index of strip?.occupied ?? []) bar(index, 13, 10, 0)
    this.drawUncertainty(context, strip?.uncertainty ?? [], x, width / count, colour('uncertain'))
    context.fillStyle = colour('labelled')
    for (const index of model.labelled) bar(index, 10, 16, 3)
    context.fillStyle = colour('suggested')
    const suggestions = strip?.suggestions.filter((index) => !model.labelled.includes(index)) ?? []
    for (const index of suggestions) diamond(context, x(index + 0.5), 29)
    context.fillStyle = colour('cursor')
    cursor(context, x(model.index + 0.5))
  }

  private drawUncertainty(
    context: CanvasRenderingContext2D,
    values: readonly number[],
    x: (index: number) => number,
    wide: number,
    colour: string
  ): void {
    const most = Math.max(...values, 0)
    if (most === 0) return
    context.fillStyle = colour
    values.forEach((value, index) => {
      const height = (value / most) * 10
      context.fillRect(x(index), 23 - height, Math.max(wide, 1), height)
    })
  }
}

function diamond(context: CanvasRenderingContext2D, x: number, y: number): void {
  context.beginPath()
  context.moveTo(x, y - 4)
  context.lineTo(x + 4, y)
  context.lineTo(x, y + 4)
  context.lineTo(x - 4, y)
  context.fill()
}

/** A triangle above the slice that is shown, and a line through it. */
function cursor(context: CanvasRenderingContext2D, x: number): void {
  context.fillRect(x - 0.75, 6, 1.5, 22)
  context.beginPath()
  context.moveTo(x - 5, 1)
  context.lineTo(x + 5, 1)
  context.lineTo(x, 8)
  context.fill()
}
