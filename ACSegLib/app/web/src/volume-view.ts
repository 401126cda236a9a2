/** The 3D view. This is the only module that knows NiiVue; it is loaded when 3D is first shown. */

import { cmapper, Niivue, NVImage, SHOW_RENDER, SLICE_TYPE } from '@niivue/niivue'
import { parseColour } from './overlays'

export type Content = 'labels' | 'volume' | 'both'

export interface Look {
  readonly content: Content
  readonly smooth: boolean
  /** Colour of each label value. */
  readonly colours: ReadonlyMap<number, string>
  /** Background as red, green, blue between 0 and 1. */
  readonly background: readonly [number, number, number]
}

/** Opacity of the image: where labels are shown with it, they must be seen through it. */
const OPACITY: Record<Content, number> = { labels: 0, both: 0.25, volume: 1 }
const OCCLUSION = 0.4

export class VolumeView {
  private readonly niivue: Niivue
  private image: NVImage | null = null
  private smooth: boolean | null = null
  private opacity = 0

  private constructor(niivue: Niivue) {
    this.niivue = niivue
  }

  /** Begin to draw on a canvas. */
  static async create(canvas: HTMLCanvasElement): Promise<VolumeView> {
    const niivue = new Niivue({
      show3Dcrosshair: false,
      isOrientCube: false,
      isColorbar: false,
      isResizeCanvas: true,
      dragAndDropEnabled: false,
      loadingText: '',
      sliceType: SLICE_TYPE.RENDER,
      multiplanarShowRender: SHOW_RENDER.NEVER,
      isOrientationTextVisible: false,
      smoothDrawing: 1,
      logLevel: 'error'
    })
    await niivue.attachToCanvas(canvas)
    niivue.setSliceType(SLICE_TYPE.RENDER)
    niivue.setRenderDrawAmbientOcclusion(OCCLUSION)
    return new VolumeView(niivue)
  }

  /** Show a volume (NIfTI). NiiVue computes it anew with each change of opacity, so it begins with the right one. */
  async setImage(bytes: ArrayBuffer, content: Content): Promise<void> {
    this.opacity = OPACITY[content]
    const image = await NVImage.loadFromUrl({
      url: bytes as unknown as string,
      name: 'image.nii',
      colormap: 'gray',
      opacity: this.opacity,
      cal_min: 0,
      cal_max: 255
    })
    this.niivue.closeDrawing()
    if (this.image !== null) this.niivue.removeVolume(this.image)
    this.image = image
    this.niivue.addVolume(image)
  }

  /** Show labels on the grid of the volume (NIfTI). A picture takes seconds without a graphics card: draw one only. */
  async setLabels(bytes: ArrayBuffer, look: Look): Promise<void> {
    this.prepare(look)
    const labels = await NVImage.loadFromUrl({ url: bytes as unknown as string, name: 'labels.nii' })
    this.niivue.loadDrawing(labels)
  }

  look(look: Look): void {
    const { niivue } = this
    const { content, smooth } = look
    const redo = smooth !== this.smooth
    this.prepare(look)
    if (this.image !== null && OPACITY[content] !== this.opacity) niivue.setOpacity(0, OPACITY[content])
    this.opacity = OPACITY[content]
    if (redo && niivue.drawBitmap !== null) niivue.refreshDrawing(false)
    niivue.drawScene()
  }

  /** What the next picture looks like. */
  private prepare({ content, smooth, colours, background }: Look): void {
    const { niivue } = this
    niivue.opts.backColor = [...background, 1]
    niivue.drawLut = cmapper.makeDrawLut(colormap(colours))
    niivue.refreshColormaps()
    niivue.drawOpacity = content === 'volume' ? 0 : 1
    niivue.opts.smoothDrawing = smooth ? 1 : 0
    this.smooth = smooth
  }

  /** Look from another side. */
  turn(azimuth: number, elevation: number): void {
    this.niivue.setRenderAzimuthElevation(azimuth, elevation)
  }

  /** The picture as PNG, as it is on the screen. */
  screenshot(): Promise<Blob> {
    const canvas = this.niivue.canvas
    if (canvas === null) return Promise.reject(new Error('There is no 3D view.'))
    this.niivue.drawScene()
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => {
        if (blob === null) reject(new Error('The browser gave no picture.'))
        else resolve(blob)
      })
    })
  }
}

/** NiiVue's table of colours: background clear, every other value opaque. */
function colormap(colours: ReadonlyMap<number, string>): Parameters<typeof cmapper.makeDrawLut>[0] & object {
  const [R, G, B, A, labels]: [number[], number[], number[], number[], string[]] = [[], [], [], [], []]
  for (let value = 0; value < 256; value++) {
    const { red, green, blue } = parseColour(colours.get(value) ?? '#888888')
    R.push(red)
    G.push(green)
    B.push(blue)
    A.push(value === 0 ? 0 : 255)
    labels.push(String(value))
  }
  return { R, G, B, A, labels } as never
}
