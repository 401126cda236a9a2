/** The pictures that a slice view puts on top of each other: image, labels, uncertainty; and outlines. */

import { greyTable, paintGrey, type Coding, type Contrast } from './contrast'
import type { LabelArray } from './labels'
import { labelTable, paintLabels, uncertaintyTable } from './overlays'
import { OutlineTiles } from './outline-tiles'
import { union, whole, type Box, type Grid } from './raster'

/** A canvas with one pixel for each voxel. */
class Plane {
  readonly canvas = document.createElement('canvas')
  pixels = new Uint32Array(0)
  private data = new ImageData(1, 1)
  private readonly context: CanvasRenderingContext2D

  constructor() {
    const context = this.canvas.getContext('2d')
    if (context === null) throw new Error('This browser has no 2D canvas.')
    this.context = context
  }

  resize({ width, height }: Grid): void {
    if (this.canvas.width === width && this.canvas.height === height && this.pixels.length > 0) return
    this.canvas.width = width
    this.canvas.height = height
    this.data = new ImageData(width, height)
    this.pixels = new Uint32Array(this.data.data.buffer)
  }

  show(box: Box): void {
    this.context.putImageData(this.data, 0, 0, box.left, box.top, box.right - box.left, box.bottom - box.top)
  }
}

export class ImageLayer {
  private readonly plane = new Plane()
  private codes: Uint16Array | null = null
  private shown = ''
  private table: Uint8ClampedArray = new Uint8ClampedArray(65536)
  private tableOf = ''

  /** Paint a slice, if it is not painted yet. Gives its canvas, or null without a slice. */
  update(codes: Uint16Array | null, grid: Grid, contrast: Contrast, coding: Coding): HTMLCanvasElement | null {
    if (codes?.length !== grid.width * grid.height) return null
    const wanted = `${contrast.low} ${contrast.high} ${coding.low} ${coding.high}`
    if (codes === this.codes && wanted === this.shown) return this.plane.canvas
    if (wanted !== this.tableOf) {
      this.table = greyTable(contrast, coding)
      this.tableOf = wanted
    }
    this.plane.resize(grid)
    paintGrey(codes, this.table, this.plane.pixels)
    this.plane.show(whole(grid))
    this.codes = codes
    this.shown = wanted
    return this.plane.canvas
  }
}

/** Labels as coloured areas and as outlines. */
export class LabelLayer {
  readonly outlines = new OutlineTiles()
  private readonly plane = new Plane()
  private labels: LabelArray | null = null
  private table: Uint32Array = new Uint32Array(0)
  private tableOf = ''
  private dirty: Box | null = null

  /** Voxels within a box have another label now. */
  touch(box: Box): void {
    this.dirty = union(this.dirty, box)
  }

  update(labels: LabelArray | null, grid: Grid, colours: ReadonlyMap<number, string>, opacity: number): HTMLCanvasElement | null {
    if (labels?.length !== grid.width * grid.height) return null
    const wanted = `${opacity} ${[...colours].join(' ')}`
    if (wanted !== this.tableOf) {
      this.table = labelTable(colours, opacity)
      this.tableOf = wanted
      this.dirty = whole(grid)
    }
    if (labels !== this.labels) {
      this.labels = labels
      this.dirty = whole(grid)
    }
    if (this.dirty !== null) {
      this.plane.resize(grid)
      paintLabels(labels, grid.width, this.table, this.dirty, this.plane.pixels)
      this.plane.show(this.dirty)
      this.outlines.update(labels, grid, this.dirty)
      this.dirty = null
    }
    return this.plane.canvas
  }
}

export class UncertaintyLayer {
  private readonly plane = new Plane()
  private readonly table = uncertaintyTable()
  private values: LabelArray | null = null

  update(values: LabelArray | null, grid: Grid): HTMLCanvasElement | null {
    if (values?.length !== grid.width * grid.height) return null
    if (values === this.values) return this.plane.canvas
    this.plane.resize(grid)
    paintLabels(values, grid.width, this.table, whole(grid), this.plane.pixels)
    this.plane.show(whole(grid))
    this.values = values
    return this.plane.canvas
  }
}
