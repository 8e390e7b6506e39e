/** The defect that the environment names, for the modules of this process. */
import { appendFileSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Defect, withDefect } from './defect.ts'
import { DEFECTS } from './defects/index.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** `undefined`: no defect. @throws Error for a name that no defect has */
export function chosenDefect(): Defect | undefined {
  const name = process.env['SEMEL_MUTANT']
  if (name === undefined || name === '') return undefined
  const defect = DEFECTS.find((one) => one.name === name)
  if (defect === undefined) throw new Error(`SEMEL_MUTANT=${name}: there is no such defect`)
  return defect
}

/**
 * The text of a module as this process shall have it; `undefined`: as it is.
 * Each change is noted in the file that SEMEL_MUTANT_LOADED names, so that a net that never loads the place is found out.
 */
export function changedText(defect: Defect, path: string, text: string): string | undefined {
  const file = relative(ROOT, path).split(sep).join('/')
  const changed = withDefect(defect, file, text)
  const noteIn = process.env['SEMEL_MUTANT_LOADED']
  if (changed !== undefined && noteIn !== undefined) appendFileSync(noteIn, `${file}\n`)
  return changed
}
