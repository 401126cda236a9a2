/** Sentences for the user: those that pass, and those that stay until their cause is gone. */

import type { Level, Part } from './context'
import { button, h, setText } from './dom'
import { ICONS } from './icons'
import type { Model } from './model'

const SECONDS = 7
const AT_MOST = 4

export class Toasts {
  readonly element = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' })

  readonly tell = (message: string, level: Level = 'info'): void => {
    const same = [...this.element.children].find((child) => child.firstChild?.textContent === message)
    same?.remove()
    const toast = h('div', { class: `toast ${level}` }, h('span', {}, message))
    toast.append(button({ icon: ICONS.cross, title: 'Close this message', press: () => toast.remove() }))
    this.element.append(toast)
    while (this.element.children.length > AT_MOST) this.element.firstChild?.remove()
    if (level !== 'error') window.setTimeout(() => toast.remove(), 1000 * SECONDS)
  }
}

interface Banner {
  readonly key: string
  readonly level: Level
  readonly message: string
}

/** Banners above the slice. */
export function banners(model: Model, claim: () => void): Part {
  const element = h('div', { class: 'banners', 'aria-live': 'polite' })
  const closed = new Set<string>()
  let shown = ''
  const update = (): void => {
    const wanted = bannersOf(model).filter(({ key, message }) => !closed.has(key + message))
    const now = JSON.stringify(wanted)
    if (now === shown) return
    shown = now
    element.replaceChildren(
      ...wanted.map((banner) => {
        const line = h('div', { class: `banner ${banner.level}` }, h('span', {}, banner.message))
        if (banner.key === 'tab') line.append(button({ text: 'Work here', title: 'Draw in this tab; the other one only shows', press: claim }))
        else if (banner.key !== 'connection') {
          const close = (): void => {
            closed.add(banner.key + banner.message)
            update()
          }
          line.append(button({ icon: ICONS.cross, title: 'Close this message', press: close }))
        }
        return line
      })
    )
  }
  return { element, update }
}

function bannersOf(model: Model): Banner[] {
  const { server, connected, pending, volume } = model
  const found: Banner[] = []
  if (!connected) {
    const waiting = pending === 0 ? '' : ` ${pending === 1 ? 'One slice waits' : `${pending} slices wait`} to be sent.`
    const lost = `The server does not answer. You can go on labelling: nothing is lost, and the page connects again by itself.${waiting}`
    const anew = `ACSeg was started anew. Open the address that it printed: what you labelled meanwhile is sent from there.${waiting}`
    found.push({ key: 'connection', level: 'warning', message: model.expired ? anew : lost })
  } else if (server !== null && !model.writer) {
    found.push({ key: 'tab', level: 'warning', message: 'Another tab works on this volume. This one only shows it.' })
  }
  for (const { key, level, message } of server?.notices ?? []) found.push({ key, level, message })
  volume?.notes.forEach((message, k) => found.push({ key: `volume ${volume.id} ${k}`, level: 'info', message }))
  return found
}

/** The page cannot go on: say why, in place of everything. */
export function fatal(message: string): void {
  const text = h('p', { role: 'alert' })
  setText(text, message)
  document.body.replaceChildren(h('main', { class: 'fatal' }, h('h1', {}, 'ACSeg'), text))
}
