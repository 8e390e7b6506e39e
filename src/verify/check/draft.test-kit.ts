/** A history in the making: rows as plain objects, which a test may change before they become tables. */
import { HistoryTables } from '../history/columns.ts'
import type { Expectations, History } from '../history/history.ts'
import { type PartitionName, type Row, TABLE_NAMES, type TableName } from '../history/tables.ts'

/** Rows that can be changed in place. */
export type DraftRow<T extends TableName> = { -readonly [C in keyof Row<T>]: Row<T>[C] }
type DraftRows = { [T in TableName]: DraftRow<T>[] }

export type Draw = (limit: number) => number

export class Draft {
  readonly rows: DraftRows = Object.fromEntries(TABLE_NAMES.map((name) => [name, []])) as unknown as DraftRows
  expectations: Expectations = { settleMs: 1_000 }
  readonly seed: number

  constructor(seed = 0) {
    this.seed = seed
  }

  add<T extends TableName>(table: T, row: Row<T>): DraftRow<T> {
    const copy: DraftRow<T> = { ...row }
    ;(this.rows[table] as DraftRow<T>[]).push(copy)
    return copy
  }

  drop<T extends TableName>(table: T, isDropped: (row: DraftRow<T>) => boolean): void {
    const kept = (this.rows[table] as DraftRow<T>[]).filter((row) => !isDropped(row))
    ;(this.rows as Record<string, unknown>)[table] = kept
  }

  history(): History {
    const sink = new HistoryTables()
    for (const name of TABLE_NAMES) for (const row of this.rows[name]) sink.record(name, row)
    const info = {
      run: 'r',
      seed: this.seed,
      workload: 'generated',
      target: 'nowhere',
      expectations: this.expectations,
    }
    return { info, strings: sink.strings.values, partitions: sink.partitions.values, tables: sink.tables }
  }
}

export function isSame(one: PartitionName, other: PartitionName): boolean {
  return one.topic === other.topic && one.partition === other.partition
}
