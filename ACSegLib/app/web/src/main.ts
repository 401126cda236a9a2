/** Starts the page. */

import { App } from './app'
import { keymap } from './keymap'
import { listen } from './keys'
import { applyTheme, onTheme, readTheme } from './theme'
import './style.css'

applyTheme(readTheme())
const app = new App()
listen(keymap(app))
onTheme(() => app.model.changed())
void app.begin()

// The space bar moves the slice while it is down, unless it presses a button.
window.addEventListener('keydown', (event) => {
  if (event.code === 'Space' && event.target instanceof HTMLCanvasElement) {
    event.preventDefault()
    app.stage.gestures.panning = true
  }
})
window.addEventListener('keyup', (event) => {
  if (event.code === 'Space') app.stage.gestures.panning = false
})
window.addEventListener('blur', () => (app.stage.gestures.panning = false))
window.addEventListener('beforeunload', (event) => {
  if (app.outbox.pending > 0 && !app.outbox.stuck) event.preventDefault()
})
