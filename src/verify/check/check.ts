/**
 * The checker: a function of a history. It sees no broker from inside and changes nothing, so its verdict is worth the same on any cluster,
 * and a history can be judged again.
 */
import type { Table } from '../history/columns.ts'
import type { History } from '../history/history.ts'
import { TABLE_NAMES, type TableName } from '../history/tables.ts'
import { type CheckOptions, judgeHistory } from './judge.ts'
import type { HistoryHead, Step, StreamedTable } from './steps.ts'
import type { Verdict } from './verdict.ts'

export type { Finding, Verdict } from './verdict.ts'

export function check(history: History, options: CheckOptions = {}): Verdict {
  const steps = judgeHistory(headOf(history), options)
  for (;;) {
    const next = steps.next()
    if (next.done) return next.value
    feed(next.value, history.tables[next.value.table])
  }
}

function headOf({ info, strings, partitions, tables }: History): HistoryHead {
  const rowCounts = Object.fromEntries(TABLE_NAMES.map((name) => [name, tables[name].length])) as Record<
    TableName,
    number
  >
  return { info, strings, partitions, tables, rowCounts }
}

function feed({ take }: Step, rows: Table<StreamedTable>): void {
  ;(take as (rows: Table<StreamedTable>) => void)(rows)
}
