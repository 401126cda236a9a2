/** What the browser can draw in 3D: whether it has WebGL2, and how large a volume it draws in a few seconds. */

export interface Graphics {
  /** Name of the graphics card, or of the program that draws in its place. */
  readonly renderer: string
  /** Voxels along each axis that a volume may have. */
  readonly limit: number
}

/** Voxels an edge: for a graphics card, and for one with little memory, or none. */
const FULL = 256
const SMALL = 160
/** Cards that take no larger volumes than these are small ones. */
const SMALL_LIMIT = 512
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i

/** The graphics of this browser; null without WebGL2. */
export function findGraphics(): Graphics | null {
  const gl = document.createElement('canvas').getContext('webgl2')
  if (gl === null) return null
  const info = gl.getExtension('WEBGL_debug_renderer_info')
  const renderer = String(gl.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER))
  const limit = Number(gl.getParameter(gl.MAX_3D_TEXTURE_SIZE))
  gl.getExtension('WEBGL_lose_context')?.loseContext()
  return { renderer, limit }
}

/** Voxels along the longest edge of the volume to draw. */
export function previewSize({ renderer, limit }: Graphics): number {
  return SOFTWARE.test(renderer) || limit < SMALL_LIMIT ? Math.min(SMALL, limit) : FULL
}
