/** The steps of the work, one below the other; one is open. */

import type { Context, Part } from './context'
import { h, setAttribute, setText, show } from './dom'
import { count } from './format'
import type { Model, StepName } from './model'

export interface Step {
  readonly name: StepName
  readonly title: string
  readonly part: Part
}

export function stepList(context: Context, steps: readonly Step[]): Part {
  const { model } = context
  const entries = steps.map((step, k) => {
    const status = h('span', { class: 'step-status' })
    const head = h(
      'button',
      { type: 'button', class: 'step-head', id: `step-${step.name}`, 'aria-controls': `panel-${step.name}`, onclick: () => model.change({ step: step.name }) },
      h('span', { class: 'step-number' }, String(k + 1)),
      h('span', { class: 'step-title' }, step.title),
      status
    )
    const body = h('div', { id: `panel-${step.name}`, role: 'region', 'aria-labelledby': `step-${step.name}` }, step.part.element)
    const element = h('section', { class: 'step' }, h('h2', {}, head), body)
    return { step, head, body, status, element }
  })
  const element = h('nav', { class: 'steps', 'aria-label': 'Steps' }, ...entries.map((entry) => entry.element))
  return {
    element,
    update: () => {
      element.hidden = model.volume === null
      for (const { step, head, body, status, element: box } of entries) {
        const open = step.name === model.view.step
        setAttribute(head, 'aria-expanded', String(open))
        setAttribute(box, 'class', open ? 'step open' : 'step')
        show(body, open)
        setText(status, statusOf(step.name, model))
        if (open) step.part.update()
      }
    }
  }
}

/** What is done in a step, in a few words. */
function statusOf(name: StepName, model: Model): string {
  const { server } = model
  const fill = server?.fill ?? null
  const running = model.running
  if (running !== null && running.kind === name) return `${Math.round(100 * running.fraction)} %`
  if (name === 'draw') return model.labelledCount === 0 ? '' : count(model.labelledCount, 'slice')
  if (name === 'fill') return fill?.dice == null ? (fill === null ? '' : 'filled') : `Dice ${fill.dice.toFixed(3)}`
  if (name === 'correct') return fill === null || fill.suggestions.length === 0 ? '' : `${fill.suggestions.length} suggested`
  if (name === 'measure') return server?.table ? 'measured' : ''
  return ''
}
