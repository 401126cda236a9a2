/** Pointer, wheel and touch on the slice: draw, move, zoom, change contrast, scroll through slices. */

import { dragged, type Contrast } from './contrast'
import type { Model, ToolName } from './model'
import type { Point } from './raster'
import type { SliceView } from './slice-view'
import type { Tool } from './tools'

export interface GestureHandlers {
  tool: (name: ToolName) => Tool | null
  /** The pointer is at a voxel, or has left the canvas. */
  hover: (at: Point | null) => void
  scroll: (slices: number) => void
}

type Mode = 'draw' | 'pan' | 'contrast'

interface Drag {
  readonly pointer: number
  readonly mode: Mode
  readonly tool: Tool | null
  readonly start: Point
  readonly contrast: Contrast
  last: Point
}

interface Pinch {
  distance: number
  centre: Point
}

/** Pixels of a wheel or touch pad for one slice. */
const NOTCH = 40
const ERASER_BUTTON = 32

export class Gestures {
  /** Where the pointer is, in voxels. */
  at: Point | null = null
  /** While this key is down, a drag moves the slice. */
  panning = false
  private drag: Drag | null = null
  private pinch: Pinch | null = null
  private readonly touches = new Map<number, Point>()
  private wheel = 0

  constructor(
    private readonly view: SliceView,
    private readonly model: Model,
    private readonly handlers: GestureHandlers
  ) {
    const { canvas } = view
    canvas.addEventListener('pointerdown', (event) => this.down(event))
    canvas.addEventListener('pointermove', (event) => this.move(event))
    canvas.addEventListener('pointerup', (event) => this.up(event))
    canvas.addEventListener('pointercancel', (event) => this.cancelled(event))
    canvas.addEventListener('pointerleave', () => this.hover(null))
    canvas.addEventListener('dblclick', () => this.tool?.finish())
    canvas.addEventListener('contextmenu', (event) => event.preventDefault())
    canvas.addEventListener('wheel', (event) => this.turned(event), { passive: false })
  }

  /** The tool that draws, or null. */
  get tool(): Tool | null {
    return this.handlers.tool(this.model.view.tool)
  }

  /** Stop what is being drawn. */
  cancel(): void {
    this.drag?.tool?.cancel()
    this.tool?.cancel()
    this.drag = null
  }

  private down(event: PointerEvent): void {
    const { canvas } = this.view
    canvas.focus({ preventScroll: true })
    const pixel = this.view.toPixel(event)
    if (event.pointerType === 'touch') {
      this.touches.set(event.pointerId, pixel)
      if (this.touches.size === 2) { this.beginPinch(); return; }
    }
    if (this.drag !== null || this.touches.size > 1) return
    canvas.setPointerCapture(event.pointerId)
    const mode = this.modeOf(event)
    const eraser = event.pointerType === 'pen' && (event.buttons & ERASER_BUTTON) !== 0
    const name = eraser ? 'eraser' : this.model.view.tool
    const tool = mode === 'draw' ? this.handlers.tool(name) : null
    const contrast = this.model.view.contrast
    this.hover(this.view.toVoxel(event))
    if (tool !== null && !tool.down(this.view.toVoxel(event), event.shiftKey)) return
    this.drag = { pointer: event.pointerId, mode, tool, start: pixel, contrast, last: pixel }
  }

  private modeOf(event: PointerEvent): Mode {
    const { tool } = this.model.view
    if (event.button === 1 || this.panning || tool === 'move') return 'pan'
    if (event.button === 2 || tool === 'contrast') return 'contrast'
    return 'draw'
  }

  private move(event: PointerEvent): void {
    const pixel = this.view.toPixel(event)
    if (this.touches.has(event.pointerId)) this.touches.set(event.pointerId, pixel)
    if (this.pinch !== null) { this.movePinch(); return; }
    this.hover(this.view.toVoxel(event))
    const { drag } = this
    if (drag?.pointer !== event.pointerId) return
    if (drag.mode === 'pan') {
      this.view.look(this.view.viewport.panned(pixel.x - drag.last.x, pixel.y - drag.last.y))
    } else if (drag.mode === 'contrast') {
      const { width, height } = this.view.viewport.screen
      const [dx, dy] = [(pixel.x - drag.start.x) / width, (pixel.y - drag.start.y) / height]
      this.model.change({ contrast: dragged(drag.contrast, dx, dy) })
    } else {
      for (const one of movesOf(event)) drag.tool?.move(this.view.toVoxel(one))
    }
    drag.last = pixel
  }

  private up(event: PointerEvent): void {
    this.touches.delete(event.pointerId)
    if (this.touches.size < 2) this.pinch = null
    if (this.drag?.pointer !== event.pointerId) return
    this.drag.tool?.up()
    this.drag = null
    if (event.pointerType === 'touch') this.hover(null)
  }

  private cancelled(event: PointerEvent): void {
    this.touches.delete(event.pointerId)
    this.pinch = null
    if (this.drag?.pointer === event.pointerId) this.cancel()
  }

  private hover(at: Point | null): void {
    this.at = at
    this.handlers.hover(at)
  }

  /** A second finger: what the first has drawn is taken back, both move the slice. */
  private beginPinch(): void {
    this.cancel()
    this.pinch = this.measured()
    this.hover(null)
  }

  private measured(): Pinch {
    const [a, b] = [...this.touches.values()]
    return { distance: Math.hypot(a.x - b.x, a.y - b.y), centre: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 } }
  }

  private movePinch(): void {
    if (this.pinch === null || this.touches.size !== 2) return
    const now = this.measured()
    const { centre, distance } = this.pinch
    const moved = this.view.viewport.panned(now.centre.x - centre.x, now.centre.y - centre.y)
    this.view.look(moved.zoomed(now.distance / Math.max(1, distance), now.centre))
    this.pinch = now
  }

  private turned(event: WheelEvent): void {
    event.preventDefault()
    const amount = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * NOTCH : event.deltaY
    if (event.ctrlKey || event.metaKey) {
      this.view.look(this.view.viewport.zoomed(Math.exp(-amount / 400), this.view.toPixel(event)))
      return
    }
    this.wheel += amount
    const notches = Math.trunc(this.wheel / NOTCH)
    this.wheel -= notches * NOTCH
    // a wheel turns by 100 or more: one slice each; a touch pad sends small amounts that add up
    const slices = Math.abs(amount) >= 2 * NOTCH ? Math.sign(amount) : notches
    if (Math.abs(amount) >= 2 * NOTCH) this.wheel = 0
    if (slices !== 0) this.handlers.scroll(slices)
  }
}

/** The moves since the last event. Over http from another computer, browsers do not tell them one by one. */
function movesOf(event: PointerEvent): PointerEvent[] {
  const moves = window.isSecureContext ? event.getCoalescedEvents() : []
  return moves.length > 0 ? moves : [event]
}
