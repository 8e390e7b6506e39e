/** load.ts for Vitest, which transforms modules by itself. */
import type { Plugin } from 'vitest/config'
import { changedText, chosenDefect } from './chosen.ts'

export function mutantPlugins(): Plugin[] {
  const defect = chosenDefect()
  if (defect === undefined) return []
  return [
    {
      name: 'semel-mutant',
      enforce: 'pre',
      transform(text, id) {
        return changedText(defect, id.split('?')[0] as string, text) ?? null
      },
    },
  ]
}
