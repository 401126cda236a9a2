/** The top of the page: the open volume, whether the work is saved, theme and help. */

import type { Context, Part } from './context'
import { button, h, setAttribute, setText } from './dom'
import { length, shapeText, unitName, number } from './format'
import { ICONS } from './icons'
import { autosaveText } from './panels/save'
import { switchTheme } from './theme'

export interface HeaderActions {
  open: () => void
  help: () => void
}

export function header(context: Context, actions: HeaderActions): Part {
  const { model } = context
  const open = button({ icon: ICONS.open, text: 'Open', title: 'Open or upload a tomogram', key: 'Ctrl+O', press: actions.open })
  const name = h('strong', { class: 'file' })
  const facts = h('span', { class: 'facts' })
  const saved = h('span', { class: 'saved', role: 'status' })
  const theme = button({ icon: ICONS.theme, title: 'Dark or light', press: switchTheme })
  const help = button({ icon: ICONS.help, title: 'Keys and help', key: '?', press: actions.help })
  const logo = h('img', { src: './acseg.png', alt: '', width: 22, height: 22 })
  const element = h('header', {}, h('h1', {}, logo, 'ACSeg'), open, name, facts, h('span', { class: 'space' }), saved, theme, help)
  return {
    element,
    update: () => {
      const { volume } = model
      setText(name, volume?.name ?? '')
      setText(facts, volume === null ? '' : factsOf(volume))
      setText(saved, volume === null ? '' : autosaveText(model))
      const bad = !model.connected || (model.server?.autosave.error ?? '') !== ''
      setAttribute(saved, 'class', bad ? 'saved bad' : 'saved')
      open.disabled = !model.writer
    }
  }
}

function factsOf({ shape, spacing, unit }: { shape: [number, number, number]; spacing: [number, number, number]; unit: string }): string {
  const [x, y, z] = spacing
  const same = Math.abs(x - y) < 1e-6 * x && Math.abs(x - z) < 1e-6 * x
  const size = unit === 'px' ? 'voxel size not known' : same ? `${length(x, unit)} voxels` : `${spacing.map(number).join(' × ')} ${unitName(unit)} voxels`
  return `${shapeText(shape)} · ${size}`
}
