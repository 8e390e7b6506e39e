/** A history that is complete: what is known of the run as a whole, and its tables. What the checker judges. */
import type { Tables } from './columns.ts'
import type { PartitionName } from './tables.ts'

export interface HistoryInfo {
  /** Names the run; values of other runs in the same topics are told apart by it. */
  readonly run: string
  readonly seed: number
  readonly workload: string
  /** HOST:PORT, or 'simulation'. */
  readonly target: string
  readonly expectations: Expectations
}

/** What must hold for this workload, beyond what holds for every one. */
export interface Expectations {
  /** Every record of `inputs` that `group` has passed is cited by exactly one committed record of `outputs` (A21, A22). */
  readonly effects?: { readonly group: string; readonly inputs: readonly string[]; readonly outputs: readonly string[] }
  /** Amounts of committed effects add up to this (A26). */
  readonly sum?: number
  /** Records may have left the log by themselves (retention, compaction, DeleteRecords): what is gone from these topics is not lost. */
  readonly shrinks?: readonly string[]
  /** No transaction may be open for longer than this after `healed`: its timeout and the coordinator's scan (A9, A17). */
  readonly settleMs: number
  /** Codes that this workload may show, as Kafka does too ('A14', 'A15' …), with the reason; reported, not failed. */
  readonly allowed?: Readonly<Record<string, string>>
}

export interface History {
  readonly info: HistoryInfo
  readonly strings: readonly string[]
  readonly partitions: readonly PartitionName[]
  readonly tables: Tables
}
