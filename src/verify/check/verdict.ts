/** What the checker says of a history: plain data, as it goes into a report or a file. */
import type { TableName } from '../history/tables.ts'
import { type Code, catalogueEntry } from './catalogue.ts'
import type { Kind } from './findings.ts'

export interface Verdict {
  readonly run: string
  readonly seed: number
  readonly workload: string
  readonly target: string
  /** One for each kind that was found, those that fail the run first. */
  readonly anomalies: readonly Finding[]
  readonly counts: Counts
  /** Which codes could not be judged, or not wholly, and why. */
  readonly notChecked: readonly string[]
}

export interface Finding {
  readonly code: Code
  readonly name: string
  /** Reported, but does not fail the run. */
  readonly isAllowed: boolean
  /** Why it is allowed. */
  readonly reason?: string
  readonly count: number
  /** What it is, in one sentence, as in the catalogue. */
  readonly definition: string
  /** The first of them. */
  readonly summary: string
  /** The first few. */
  readonly examples: readonly FindingExample[]
}

export interface FindingExample {
  readonly what: string
  /** Rows of the history that show it, in the order of time, those without a time last; none of what is allowed. */
  readonly slice: readonly SliceRow[]
  /** Rows that would belong to it too, beyond the limit. */
  readonly omitted: number
}

export interface SliceRow {
  readonly table: TableName
  /** Texts and partitions by name. */
  readonly row: Readonly<Record<string, string | number>>
}

/** How large the history was that this verdict stands on. */
export interface Counts {
  readonly sent: number
  readonly acknowledged: number
  readonly read: number
  readonly inLog: number
  readonly transactions: number
  readonly committed: number
  readonly aborted: number
  readonly unresolved: number
  readonly faults: number
}

export function findingOf(kind: Kind, examples: readonly FindingExample[]): Finding {
  const { code, count, allowedBecause } = kind
  const { name, definition } = catalogueEntry(code)
  const isAllowed = allowedBecause !== undefined
  const summary = examples[0]?.what ?? definition
  return { code, name, isAllowed, ...(isAllowed && { reason: allowedBecause }), count, definition, summary, examples }
}

/** How many kinds fail the run: an exit code. */
export function failureCount({ anomalies }: Pick<Verdict, 'anomalies'>): number {
  return anomalies.filter(({ isAllowed }) => !isAllowed).length
}
