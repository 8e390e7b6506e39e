/**
 * What a seeded defect is: a change of source text, made when the module is loaded and nowhere else.
 *
 * Owns the change itself; the list is in defects/, who makes the change is load.ts (Node) and vite-plugin.ts (Vitest).
 * Nothing of it is in src/, so nothing of it can be published.
 */

/** `find` occurs exactly once in the file. */
export interface Edit {
  /** From the root of the repository. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Defect extends Edit {
  /** kebab-case, says what is wrong. */
  readonly name: string
  /** Where the same rule is kept twice, the defect breaks it twice. */
  readonly also?: readonly Edit[]
  /** What somebody loses by it. */
  readonly why: string
  /** A bug that somebody had, or the rule that is broken: KAFKA-…, KIP-…, a client's issue, a decision or invariant of ours. */
  readonly from: string
  /** What has to happen before it can show. */
  readonly shows: string
  /** Of one that gets past the crash tests and the simulation: why. */
  readonly survives?: string
}

export function editsOf(defect: Defect): readonly Edit[] {
  return [defect, ...(defect.also ?? [])]
}

/** @throws Error when the place of the edit is gone, or is not the only one */
export function applyEdit(edit: Edit, text: string): string {
  const at = text.indexOf(edit.find)
  if (at === -1) throw new Error(`${edit.file} no longer holds: ${edit.find}`)
  if (text.includes(edit.find, at + 1)) throw new Error(`${edit.file} holds more than once: ${edit.find}`)
  return text.slice(0, at) + edit.replace + text.slice(at + edit.find.length)
}

/** The text of a file with the defect in it; `undefined` for a file that the defect leaves alone. */
export function withDefect(defect: Defect, file: string, text: string): string | undefined {
  const edits = editsOf(defect).filter((edit) => edit.file === file)
  if (edits.length === 0) return undefined
  return edits.reduce((changed, edit) => applyEdit(edit, changed), text)
}
