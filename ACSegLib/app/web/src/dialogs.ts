/** Dialogs: open a file, state the voxel size, keys and help. */

import type { Context } from './context'
import type { FileEntry, Triple, VolumeInfo } from './contract'
import { button, field, h, select, setText, show, toggle } from './dom'
import { ICONS } from './icons'
import { TOOLS } from './toolbar'

/** A dialog with a title and a button to close it. */
export function dialog(title: string, ...content: (Node | string)[]): HTMLDialogElement {
  const box = h('dialog', { 'aria-label': title })
  const close = button({ icon: ICONS.cross, title: 'Close', press: () => box.close() })
  box.append(h('div', { class: 'title' }, h('h2', {}, title), close), ...content)
  box.addEventListener('close', () => box.remove())
  document.body.append(box)
  box.showModal()
  return box
}

/** Choose a file of the folder, or upload one. */
export function openDialog(context: Context): void {
  const { api, act } = context
  const list = h('ul', { class: 'files', 'aria-label': 'Images' })
  const labels = select([['', 'no labels']], () => undefined)
  const search = h('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search for a file' })
  const upload = h('input', { type: 'file', multiple: true, 'aria-label': 'Files to upload', hidden: true })
  const fresh = toggle('Start afresh', 'Set the automatically saved work on this image aside', () => undefined)
  const status = h('p', { class: 'hint', role: 'status' }, 'Reading the folder ...')
  const box = dialog(
    'Open a tomogram',
    h('div', { class: 'row' }, search, button({ icon: ICONS.upload, text: 'Upload', title: 'Copy files from this computer to the folder', press: () => upload.click() }), upload),
    list,
    status,
    field('Labels', labels, 'Labels to go on with'),
    fresh.element,
    h('div', { class: 'row' }, button({ icon: ICONS.cube, text: 'Simulated tomogram', title: 'Practise on a simulated cell', press: () => choose(() => api.simulate()) }))
  )
  const choose = (work: () => Promise<unknown>): void => {
    box.close()
    act(async () => {
      await context.flushed()
      await work()
    })
  }
  const refresh = async (): Promise<void> => {
    const files = await api.files()
    const open = (file: FileEntry): void => choose(() => api.open({ path: file.path, labels: labels.value, fresh: fresh.box.checked }))
    fillFiles(list, labels, files, search.value, open)
    const images = files.filter((file) => file.kind === 'image').length
    setText(status, images === 0 ? `There is no image in the folder ${context.model.server?.root ?? ''}.` : '')
    show(status, images === 0)
  }
  search.addEventListener('input', () => act(refresh))
  upload.addEventListener('change', () => act(() => uploadAll(context, [...(upload.files ?? [])], status, refresh)))
  act(refresh)
}

async function uploadAll({ api }: Context, files: readonly File[], status: HTMLElement, done: () => Promise<void>): Promise<void> {
  show(status, true)
  for (const file of files) {
    setText(status, `Uploading ${file.name} ...`)
    try {
      await api.upload(file)
    } catch (error) {
      setText(status, error instanceof Error ? error.message : String(error))
      throw error
    }
  }
  await done()
}

function fillFiles(
  list: HTMLElement,
  labels: HTMLSelectElement,
  files: readonly FileEntry[],
  search: string,
  open: (file: FileEntry) => void
): void {
  const wanted = search.trim().toLowerCase()
  const images = files.filter((file) => file.kind === 'image' && file.path.toLowerCase().includes(wanted))
  list.replaceChildren(
    ...images.map((file) =>
      h(
        'li',
        {},
        h(
          'button',
          { type: 'button', class: 'pick', onclick: () => open(file) },
          h('span', { class: 'text' }, file.path),
          h('span', { class: 'size' }, file.megabytes < 1 ? '< 1 MB' : `${Math.round(file.megabytes)} MB`)
        )
      )
    )
  )
  const chosen = labels.value
  const others = files.filter((file) => file.kind === 'labels').map((file) => file.path)
  labels.replaceChildren(h('option', { value: '' }, 'no labels'), ...others.map((path) => h('option', { value: path }, path)))
  labels.value = others.includes(chosen) ? chosen : ''
}

/** Ask for the voxel size of a file that states none. */
export function spacingDialog({ model, api, act }: Context, volume: VolumeInfo): void {
  const fields = ['x', 'y', 'z'].map(() => h('input', { type: 'number', min: 0, step: 'any', required: true }))
  const unit = select(
    [
      ['nm', 'nm'],
      ['um', 'µm'],
      ['mm', 'mm'],
      ['angstrom', 'Å'],
      ['px', 'not known']
    ],
    () => undefined
  )
  const [x, y, z] = fields
  x.addEventListener('input', () => [y, z].forEach((other) => (other.value = x.value)))
  const form = h(
    'form',
    { class: 'form' },
    h('p', { class: 'hint' }, `${volume.name} does not state its voxel size. Lengths and volumes in the results depend on it.`),
    ...['x', 'y', 'z'].map((axis, k) => field(`Voxel size along ${axis}`, fields[k])),
    field('Unit', unit),
    h('button', { type: 'submit', class: 'button primary' }, 'Use this voxel size')
  )
  const box = dialog('Voxel size', form)
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const spacing = fields.map((input) => input.valueAsNumber) as Triple
    box.close()
    act(async () => model.receive(await api.spacing({ spacing, unit: unit.value })))
  })
}

const KEYS: readonly (readonly [string, string])[] = [
  ['1 to 9', 'choose a segment'],
  ['[ ]', 'smaller or larger brush'],
  ['Shift', 'erase with any tool'],
  ['C', 'copy the nearest labels'],
  ['N', 'next slice to label'],
  ['↑ ↓, wheel', 'next or previous slice; Page keys: ten'],
  ['X Y Z', 'slices along x, y or z'],
  ['+ −, Ctrl + wheel', 'zoom'],
  ['F', 'fit the slice'],
  ['Space + drag', 'move the slice'],
  ['A', 'contrast of the beginning'],
  ['V', 'labels on and off'],
  ['O', 'areas or outlines'],
  ['U', 'uncertainty'],
  ['K', 'outlines before the last job'],
  ['R', 'outlines of the reference'],
  ['T', '3D'],
  ['Ctrl + Z, Ctrl + Y', 'undo, redo on this slice'],
  ['Ctrl + Enter', 'fill, or refill'],
  ['Ctrl + S', 'save'],
  ['Escape', 'stop the stroke'],
  ['Alt + arrows', 'move a cursor on the slice; with Ctrl ten voxels'],
  ['Alt + Enter', 'press the tool at the cursor']
]

export function helpDialog(): void {
  const rows = [...TOOLS.map(({ key, title }) => [key, title] as const), ...KEYS]
  const list = h('dl', { class: 'keys' }, ...rows.flatMap(([key, what]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, what)]))
  const touch = h('p', { class: 'hint' }, 'On a touch screen, one finger draws and two fingers move and zoom. The eraser of a pen erases.')
  dialog('Keys', list, touch)
}
