/**
 * How the checker reads a history that may be larger than memory: small tables are there, large ones are asked for.
 *
 * A pass is a generator. It yields a step for each reading of a large table that it needs, and whoever drives it feeds all rows of that
 * table, in pieces, before it goes on: `check` from memory in one piece, `checkFiles` block by block. What a pass keeps is up to it.
 */
import type { Table, Tables } from '../history/columns.ts'
import type { HistoryInfo } from '../history/history.ts'
import type { PartitionName, TableName } from '../history/tables.ts'

/** Tables with a row for each value or batch. Rows of one writer, reader, or scanned partition come in the order in which they were written. */
export const STREAMED_TABLES = [
  'sendInvoked',
  'sendCompleted',
  'citation',
  'effect',
  'poll',
  'read',
  'logBatch',
  'logRecord',
] as const satisfies readonly TableName[]

export type StreamedTable = (typeof STREAMED_TABLES)[number]
export type KeptTable = Exclude<TableName, StreamedTable>

/** What of a history is in memory throughout. */
export interface HistoryHead {
  readonly info: HistoryInfo
  readonly strings: readonly string[]
  readonly partitions: readonly PartitionName[]
  readonly tables: Pick<Tables, KeptTable>
  /** Rows of each table, so that a pass need not ask for what is not there. */
  readonly rowCounts: Readonly<Record<TableName, number>>
}

type StepOn<T extends StreamedTable> = { readonly table: T; readonly take: (rows: Table<T>) => void }
export type Step = { [T in StreamedTable]: StepOn<T> }[StreamedTable]
export type Steps<Result = void> = Generator<Step, Result, void>

/** @param take  called with all rows of the table, in pieces whose arrays are only lent */
export function read<T extends StreamedTable>(table: T, take: (rows: Table<T>) => void): Step {
  return { table, take } as unknown as Step
}
