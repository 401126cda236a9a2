/** The running job, or how the last one ended. */

import type { Context, Part } from './context'
import { button, h, setAttribute, setText, show } from './dom'
import { sentence, timeLeft } from './format'

export function jobBar({ model, api, act }: Context): Part {
  const name = h('strong', {})
  const left = h('span', { class: 'left' })
  const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Progress of the job' })
  const message = h('p', { class: 'message', role: 'status' })
  const cancel = button({ text: 'Cancel', title: 'Stop the job', press: () => act(async () => model.receive(await api.cancel())) })
  const notes = h('ul', { class: 'notes' })
  const top = h('div', { class: 'title' }, name, left, cancel)
  const element = h('section', { class: 'job', 'aria-label': 'Job' }, top, bar, message, notes)
  let shown = ''
  return {
    element,
    update: () => {
      const job = model.server?.job ?? null
      show(element, job !== null)
      if (job === null) return
      const running = job.state === 'running'
      setAttribute(element, 'class', `job ${job.state}`)
      setText(name, title(job.kind))
      show(bar, running)
      bar.value = job.fraction
      show(cancel, running)
      cancel.disabled = !model.writer
      setText(left, running && job.seconds_left !== null ? timeLeft(job.seconds_left) : '')
      setText(message, job.state === 'cancelled' && job.message === '' ? 'Cancelled.' : job.message)
      const all = job.notes.join('\n')
      if (all === shown) return
      shown = all
      notes.replaceChildren(...job.notes.map((note) => h('li', {}, sentence(note))))
    }
  }
}

function title(kind: string): string {
  return kind.charAt(0).toUpperCase() + kind.slice(1)
}
