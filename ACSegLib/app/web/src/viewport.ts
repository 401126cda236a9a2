/** Where a slice lies on the screen: zoom, position, and the way from the pointer to the voxel and back. */

import type { Point } from './raster'

export interface Extent {
  /** Voxels along the screen's axes. */
  readonly width: number
  readonly height: number
  /** Size of a voxel along them; only their ratio matters. */
  readonly dx: number
  readonly dy: number
  /** Whether row 0 is at the bottom. */
  readonly flipped: boolean
}

export interface Size {
  readonly width: number
  readonly height: number
}

const MARGIN = 16
const LARGEST = 64

/** Maps the voxels of a slice to pixels of the canvas. Immutable: a change gives another one. */
export class Viewport {
  constructor(
    readonly extent: Extent,
    readonly screen: Size,
    /** Pixels for each voxel along the row. */
    readonly zoom: number,
    /** Pixel of the corner of the slice that is drawn at the top left. */
    readonly left: number,
    readonly top: number
  ) {}

  /** The whole slice in the middle of the canvas. */
  static fitted(extent: Extent, screen: Size): Viewport {
    const tall = (extent.height * extent.dy) / extent.dx
    const across = Math.max(16, screen.width - 2 * MARGIN) / extent.width
    const down = Math.max(16, screen.height - 2 * MARGIN) / tall
    const zoom = Math.min(across, down, LARGEST)
    return new Viewport(
      extent,
      screen,
      zoom,
      (screen.width - zoom * extent.width) / 2,
      (screen.height - zoom * tall) / 2
    )
  }

  /** Pixels for each voxel down the column. */
  get zoomDown(): number {
    return (this.zoom * this.extent.dy) / this.extent.dx
  }

  toVoxel(pixel: Point): Point {
    const y = (pixel.y - this.top) / this.zoomDown
    return { x: (pixel.x - this.left) / this.zoom, y: this.extent.flipped ? this.extent.height - y : y }
  }

  toScreen(voxel: Point): Point {
    const y = this.extent.flipped ? this.extent.height - voxel.y : voxel.y
    return { x: this.left + voxel.x * this.zoom, y: this.top + y * this.zoomDown }
  }

  /** The matrix (a, b, c, d, e, f of a canvas) from voxels to pixels, times the pixels of the device. */
  matrix(ratio: number): [number, number, number, number, number, number] {
    const down = this.zoomDown * ratio
    return this.extent.flipped
      ? [this.zoom * ratio, 0, 0, -down, this.left * ratio, this.top * ratio + down * this.extent.height]
      : [this.zoom * ratio, 0, 0, down, this.left * ratio, this.top * ratio]
  }

  /** Enlarged by a factor; the voxel below a pixel stays there. */
  zoomed(factor: number, at: Point): Viewport {
    const least = Math.min(Viewport.fitted(this.extent, this.screen).zoom, 1) / 2
    const zoom = Math.min(LARGEST, Math.max(least, this.zoom * factor))
    const real = zoom / this.zoom
    return this.with(zoom, at.x - (at.x - this.left) * real, at.y - (at.y - this.top) * real)
  }

  panned(dx: number, dy: number): Viewport {
    return this.with(this.zoom, this.left + dx, this.top + dy)
  }

  /** The same part of the slice on a canvas of another size. */
  resized(screen: Size): Viewport {
    const dx = (screen.width - this.screen.width) / 2
    const dy = (screen.height - this.screen.height) / 2
    return new Viewport(this.extent, screen, this.zoom, this.left + dx, this.top + dy).kept()
  }

  private with(zoom: number, left: number, top: number): Viewport {
    return new Viewport(this.extent, this.screen, zoom, left, top).kept()
  }

  /** A part of the slice stays on the canvas. */
  private kept(): Viewport {
    const seen = 48
    const wide = this.zoom * this.extent.width
    const tall = this.zoomDown * this.extent.height
    const left = Math.min(this.screen.width - seen, Math.max(seen - wide, this.left))
    const top = Math.min(this.screen.height - seen, Math.max(seen - tall, this.top))
    return new Viewport(this.extent, this.screen, this.zoom, left, top)
  }
}
