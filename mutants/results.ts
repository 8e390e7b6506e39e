/**
 * What became of each defect when it was last tried: results.json, from which the document is made.
 *
 * A result belongs to the text of its defect; one whose text has changed since is tried again.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Outcome } from './attempt.ts'
import { type Defect, editsOf } from './defect.ts'
import type { Net } from './nets.ts'

/** One net that the defect was tried in. */
export interface Trial {
  readonly net: string
  readonly kind: Net['kind']
  readonly outcome: Outcome
  readonly seconds: number
  readonly seed?: string
  readonly said?: string
  /** Arguments of the net's program that show just this again. */
  readonly again?: readonly string[]
}

export interface Result {
  /** Of the defect's edits. */
  readonly text: string
  /** In the order of the nets; the last one caught it, if any did. */
  readonly trials: readonly Trial[]
}

export type Results = Readonly<Record<string, Result>>

const FILE = new URL('results.json', import.meta.url)

export function textHash(defect: Defect): string {
  const edits = editsOf(defect).map(({ file, find, replace }) => [file, find, replace])
  return createHash('sha256').update(JSON.stringify(edits)).digest('hex').slice(0, 12)
}

export function readResults(): Results {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Results) : {}
}

/** In the order of the defects; results of defects that are no more are dropped. */
export function writeResults(results: Results, defects: readonly Defect[]): void {
  const kept = defects.flatMap(({ name }) => (results[name] === undefined ? [] : [[name, results[name]]]))
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`)
}

/** The result of the defect as it is now. */
export function resultOf(results: Results, defect: Defect): Result | undefined {
  const result = results[defect.name]
  return result?.text === textHash(defect) ? result : undefined
}

const isCaught = ({ outcome }: Trial): boolean => outcome !== 'survived' && outcome !== 'untouched'

/** The net that caught it, one that looks from outside before all others; `undefined` when none did. */
export function catchOf({ trials }: Result): Trial | undefined {
  return trials.find((trial) => isCaught(trial) && trial.kind !== 'tests') ?? trials.find(isCaught)
}

export interface Share {
  readonly tried: number
  /** By the crash tests or the simulation, which look at the system from outside. */
  readonly fromOutside: number
  /** By any net, the tests of single parts included. */
  readonly caught: number
}

export function shareOf(results: readonly Result[]): Share {
  const catches = results.map(catchOf)
  return {
    tried: results.length,
    fromOutside: catches.filter((one) => one !== undefined && one.kind !== 'tests').length,
    caught: catches.filter((one) => one !== undefined).length,
  }
}
