/**
 * Makes the defect that SEMEL_MUTANT names part of the program: `SEMEL_MUTANT=NAME node --import ./mutants/load.ts …`.
 *
 * Sources run unbuilt, so what is loaded is TypeScript, and this changes it before Node strips its types. Processes that are
 * started by this one have it too when it stands in NODE_OPTIONS. Vitest transforms modules by itself: vite-plugin.ts.
 */
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { changedText, chosenDefect } from './chosen.ts'

const defect = chosenDefect()
if (defect !== undefined) {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      const { format, source } = loaded
      if (!url.startsWith('file:') || format !== 'module-typescript' || source === undefined || source === null)
        return loaded
      const text = typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString()
      const changed = changedText(defect, fileURLToPath(url), text)
      return changed === undefined ? loaded : { ...loaded, source: changed }
    },
  })
}
