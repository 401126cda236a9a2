/** Dark and light: as the system has it, or as the user chose. */

const NAME = 'acseg-theme'

export type Theme = 'system' | 'dark' | 'light'

export function readTheme(): Theme {
  const kept = localStorage.getItem(NAME)
  return kept === 'dark' || kept === 'light' ? kept : 'system'
}

export function applyTheme(theme: Theme): void {
  localStorage.setItem(NAME, theme)
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

/** The other one of what is seen now. */
export function switchTheme(): void {
  const { theme } = document.documentElement.dataset
  const dark = theme === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark'
  applyTheme(dark ? 'light' : 'dark')
}

/** Call a function when the page has become dark or light. */
export function onTheme(changed: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed)
  new MutationObserver(changed).observe(document.documentElement, { attributeFilter: ['data-theme'] })
}
