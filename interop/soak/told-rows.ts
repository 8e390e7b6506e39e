/**
 * Rows of a history on their way from a player to whoever runs the round, as lines of JSON: so that a checker can follow along while the
 * files are still being written. What a player that is killed had flushed has been told.
 */
import type { HistorySink, Row, TableName } from '../../src/verify/index.ts'
import type { Line } from '../runner/programs.ts'

type ToldRow = readonly [TableName, Row<TableName>]

const ROWS_AT_A_TIME = 200

/** Passes every row on to all of the sinks, in their order. */
export function allOf(...sinks: readonly HistorySink[]): HistorySink {
  return {
    record: (table, row) => {
      for (const sink of sinks) sink.record(table, row)
    },
    flush: () => {
      for (const sink of sinks) sink.flush()
    },
  }
}

/** @param write  gets whole lines, and is done with them when it returns */
export function tellRows(write: (line: string) => void): HistorySink {
  let rows: ToldRow[] = []
  const flush = (): void => {
    if (rows.length > 0) write(`${JSON.stringify({ rows })}\n`)
    rows = []
  }
  return {
    record: (table, row) => {
      rows.push([table, row])
      if (rows.length >= ROWS_AT_A_TIME) flush()
    },
    flush,
  }
}

/** The other end of `tellRows`; a line of anything else is passed over. */
export function hearRows(line: Line, sink: HistorySink): void {
  if (!Array.isArray(line['rows'])) return
  for (const [table, row] of line['rows'] as ToldRow[]) sink.record(table, row)
}
