/** Step 7: save the labels to the folder, or download them. */

import { Refused } from '../api'
import type { Context, Part } from '../context'
import type { SaveAnswer } from '../contract'
import { button, field, h, select, setText, show } from '../dom'
import { clock, sentence } from '../format'
import type { Model } from '../model'

const NAMES = new Map([
  ['.seg.nrrd', 'Slicer (.seg.nrrd)'],
  ['.nii.gz', 'NIfTI (.nii.gz)'],
  ['.nrrd', 'NRRD (.nrrd)'],
  ['.mha', 'MetaImage (.mha)'],
  ['.mrc', 'MRC (.mrc)'],
  ['.tif', 'TIFF (.tif)'],
  ['.ome.tif', 'OME-TIFF (.ome.tif)'],
  ['.ome.zarr', 'OME-Zarr (.ome.zarr)'],
  ['.h5', 'HDF5 (.h5)']
])

export function savePanel(context: Context): Part {
  const { model } = context
  const ending = select([], () => follow())
  const name = h('input', { type: 'text', spellcheck: 'false' })
  const autosaved = h('p', { class: 'hint' })
  const notes = h('div', { class: 'notes', 'aria-live': 'polite' })
  const save = button({
    text: 'Save to the folder',
    title: 'Write the labels to the folder of the server',
    key: 'Ctrl+S',
    kind: 'primary',
    press: () =>
      context.act(async () => {
        await context.flushed()
        const answer = await saved(context, name.value.trim())
        if (answer === null) return
        context.tell(`Saved ${answer.path}.`)
        notes.replaceChildren(...answer.notes.map((note) => h('p', { class: 'hint' }, sentence(note))))
      })
  })
  const download = h('a', { class: 'button plain', download: true, title: 'Download the labels to this computer' }, 'Download')
  const follow = (): void => {
    name.value = fileName(stem(model), ending.value)
    download.setAttribute('href', `./api/download?ending=${encodeURIComponent(ending.value)}`)
  }
  const meshes = h('div', { class: 'row' }, meshButton('.glb'), meshButton('.obj'))
  const element = h(
    'div',
    { class: 'panel' },
    autosaved,
    field('Format', ending),
    field('File', name, 'Path below the folder of the server'),
    h('div', { class: 'row' }, save, download),
    meshes,
    notes,
    slicerHint(() => name.value)
  )
  let shown = ''
  return {
    element,
    update: () => {
      const formats = model.server?.formats ?? []
      const now = `${model.volume?.id} ${formats.join()}`
      if (now !== shown && model.volume !== null) {
        shown = now
        ending.replaceChildren(...formats.map((one) => h('option', { value: one }, NAMES.get(one) ?? one)))
        follow()
      }
      show(meshes, model.server?.labels?.complete === true || model.labelledCount > 0)
      save.disabled = !model.writer || model.running !== null
      setText(autosaved, autosaveText(model))
    }
  }
}

/** Downloads the surfaces of all segments in one file. */
function meshButton(ending: string): HTMLAnchorElement {
  const title = 'Download the closed surfaces of all segments, with names and colours'
  return h('a', { class: 'button plain', download: true, href: `./api/download?ending=${ending}`, title }, `Meshes (${ending})`)
}

/** Save; where a file of that name exists, ask whether to replace it. Null if not. */
async function saved({ api }: Context, path: string): Promise<SaveAnswer | null> {
  try {
    return await api.save({ path })
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 409) throw error
    return window.confirm(`${error.message}\n\nReplace it?`) ? api.save({ path, overwrite: true }) : null
  }
}

/** What the labels are called: only segmentations of Slicer may have the name of the image, which is in another format. */
function fileName(stem: string, ending: string): string {
  return ending === '.seg.nrrd' ? `${stem}${ending}` : `${stem}-labels${ending}`
}

/** The name of the volume without its ending. */
function stem(model: Model): string {
  const { volume } = model
  if (volume === null) return 'labels'
  const file = (volume.path || volume.name).split('/').pop() ?? 'labels'
  return file.replace(/(\.(ome\.tiff?|ome\.zarr|nii\.gz|[A-Za-z0-9]{1,5}))$/, '') || 'labels'
}

export function autosaveText({ server, pending, connected }: Model): string {
  if (!connected) return 'The server does not answer. What you draw is kept in this page.'
  const autosave = server?.autosave
  if (autosave?.error) return autosave.error
  if (pending > 0 || autosave?.pending) return 'Saving ...'
  return autosave?.saved_at == null ? 'Nothing to save yet. Your work is saved by itself.' : `Saved by itself at ${clock(autosave.saved_at)}.`
}

function slicerHint(file: () => string): HTMLElement {
  const steps = h('ol', { class: 'hint' })
  const how = h('details', {}, h('summary', {}, 'Open in 3D Slicer'), steps)
  how.addEventListener('toggle', () => {
    show(steps, how.open)
    steps.replaceChildren(
      h('li', {}, 'Save as a Slicer segmentation (.seg.nrrd).'),
      h('li', {}, `Drag the tomogram and ${file()} into the window of Slicer.`),
      h('li', {}, 'Names, colours and positions are those of this page.')
    )
  })
  return how
}
