/** A bar of a round length in the corner of the slice. */

import type { Axis, VolumeInfo } from './contract'
import { length } from './format'
import type { Viewport } from './viewport'

const LONGEST = 160

/** The largest 1, 2 or 5 times a power of ten that is at most `limit`. */
export function roundLength(limit: number): number {
  const power = 10 ** Math.floor(Math.log10(limit))
  const digit = [5, 2, 1].find((step) => step * power <= limit * (1 + 1e-9)) ?? 1
  return digit * power
}

export function scaleBar(
  context: CanvasRenderingContext2D,
  volume: VolumeInfo,
  axis: Axis,
  viewport: Viewport,
  ratio: number
): void {
  const spacing = axis === 'x' ? volume.spacing[1] : volume.spacing[0]
  const size = roundLength((LONGEST / viewport.zoom) * spacing)
  const pixels = (size / spacing) * viewport.zoom
  const { width, height } = viewport.screen
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  const [right, bottom] = [width - 16, height - 16]
  context.lineCap = 'butt'
  for (const [colour, thickness] of [
    ['rgba(0, 0, 0, 0.6)', 5],
    ['#ffffff', 3]
  ] as const) {
    context.strokeStyle = colour
    context.lineWidth = thickness
    context.beginPath()
    context.moveTo(right - pixels, bottom)
    context.lineTo(right, bottom)
    context.stroke()
  }
  context.font = '12px system-ui, sans-serif'
  context.textAlign = 'right'
  context.textBaseline = 'bottom'
  context.lineWidth = 3
  context.strokeStyle = 'rgba(0, 0, 0, 0.7)'
  context.lineJoin = 'round'
  const text = length(size, volume.unit)
  context.strokeText(text, right, bottom - 5)
  context.fillStyle = '#ffffff'
  context.fillText(text, right, bottom - 5)
}
