/** load.ts for Vitest, which transforms modules by itself. */
import type { Plugin } from 'vitest/config'
import { changedText, chosenDefect } from './chosen.ts'

export function mutantPlugins(): Plugin[] {
  const defect = chosenDefect()
  if (defect === undefined) return []
  return [
    {
      // Vitest keeps transformed modules on disk, by the names of the plugins among other things: one name would give the next
      // defect the modules of the last one.
      name: `semel-mutant ${defect.name}`,
      enforce: 'pre',
      transform(text, id) {
        return changedText(defect, id.split('?')[0] as string, text) ?? null
      },
    },
  ]
}
