/**
 * The smallest part of a history that shows what was found: what was done near the offsets, the transactions with what their coordinator
 * said, the faults meanwhile. Collected for all examples at once, in one more reading of the tables that have such rows.
 */
import type { Table } from '../history/columns.ts'
import { type ColumnType, NONE, OUTCOMES, TABLES, type TableName } from '../history/tables.ts'
import type { Evidence } from './evidence.ts'
import type { Anchor } from './findings.ts'
import { type KeptTable, read, type StreamedTable, type Steps } from './steps.ts'
import { NO_PARTITION, NO_VALUE, OUTSIDE } from './value-index.ts'
import type { FindingExample, SliceRow } from './verdict.ts'

/** How far from where it happened offsets belong to it. */
const OFFSETS_AROUND = 3
const ROWS_MAX = 60
/** Of one table, so that many readers do not hide the rest. */
const ROWS_PER_TABLE_MAX = 16
/** How long before it answers about the partition's ends belong to it, milliseconds. */
const LOOK_BACK_MS = 2_000

/** @param anchors  one for each example; the result has the same order */
export function* collectSlices(
  evidence: Evidence,
  examples: readonly { readonly what: string; readonly anchor: Anchor }[],
): Steps<FindingExample[]> {
  const slices = examples.map(({ anchor }) => new Slice(evidence, anchor))
  if (slices.length === 0) return []
  const wanted = wantedValues(evidence, slices)
  const ofValue = (rows: Table<'sendInvoked' | 'sendCompleted' | 'citation' | 'effect'>, row: number): number => {
    const value = evidence.values.find(rows.writer[row] as number, rows.number[row] as number)
    return value !== NO_VALUE && wanted[value] === 1 ? value : NO_VALUE
  }
  for (const table of ['sendInvoked', 'sendCompleted', 'citation', 'effect'] as const) {
    if (evidence.head.rowCounts[table] === 0) continue
    yield read(table, (rows) => {
      for (let row = 0; row < rows.length; row += 1) {
        const value = ofValue(rows, row)
        if (value !== NO_VALUE) for (const slice of slices) slice.value(table, rows, row, value)
      }
    })
  }
  const nearby = new Map<number, Slice[]>()
  for (const slice of slices) {
    for (const partition of slice.partitions()) nearby.set(partition, [...(nearby.get(partition) ?? []), slice])
  }
  yield read('read', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      for (const slice of nearby.get(rows.partition[row] as number) ?? []) slice.read(rows, row)
    }
  })
  yield read('poll', (rows) => {
    for (let row = 0; row < rows.length; row += 1) for (const slice of slices) slice.poll(rows, row)
  })
  yield read('logBatch', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      if (rows.scan[row] !== evidence.lastScan) continue
      for (const slice of nearby.get(rows.partition[row] as number) ?? []) {
        slice.logged('logBatch', rows, row, rows.baseOffset[row] as number, rows.lastOffset[row] as number)
      }
    }
  })
  yield read('logRecord', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      if (rows.scan[row] !== evidence.lastScan) continue
      const offset = rows.offset[row] as number
      for (const slice of nearby.get(rows.partition[row] as number) ?? [])
        slice.logged('logRecord', rows, row, offset, offset)
    }
  })
  return examples.map(({ what }, place) => ({ what, ...(slices[place] as Slice).finish() }))
}

/** Those that a slice may ask for, so that the others are passed over quickly. */
function wantedValues(evidence: Evidence, slices: readonly Slice[]): Uint8Array {
  const { values } = evidence
  const wanted = new Uint8Array(values.length)
  const transactions = new Set<number>()
  for (const slice of slices) {
    for (const value of slice.values) wanted[value] = 1
    for (const transaction of slice.transactions) transactions.add(transaction)
  }
  if (transactions.size > 0) {
    for (let value = 0; value < values.length; value += 1) {
      if (transactions.has(values.transaction[value] as number)) wanted[value] = 1
    }
  }
  return wanted
}

class Slice {
  /** Named, and those that lie near the places. */
  readonly values = new Set<number>()
  readonly transactions: ReadonlySet<number>
  readonly #evidence: Evidence
  readonly #anchor: Anchor
  readonly #rows: SliceRow[] = []
  readonly #counts = new Map<TableName, number>()
  readonly #polls = new Set<string>()
  #omitted = 0

  constructor(evidence: Evidence, anchor: Anchor) {
    this.#evidence = evidence
    this.#anchor = anchor
    for (const value of anchor.values ?? []) this.values.add(value)
    for (const { partition, offset } of anchor.places ?? []) {
      if (offset === NONE) continue
      for (let near = offset - OFFSETS_AROUND; near <= offset + OFFSETS_AROUND; near += 1) {
        const value = near < 0 ? NO_VALUE : evidence.log(partition).values.get(near)
        if (value >= 0) this.values.add(value)
      }
    }
    const transactions = new Set(anchor.transactions)
    for (const value of anchor.values ?? []) {
      const transaction = evidence.values.transaction[value] as number
      if (transaction !== OUTSIDE) transactions.add(transaction)
    }
    this.transactions = transactions
  }

  partitions(): ReadonlySet<number> {
    return new Set((this.#anchor.places ?? []).map(({ partition }) => partition))
  }

  value(table: StreamedTable, rows: Table<StreamedTable>, row: number, value: number): void {
    const isOurs = this.transactions.has(this.#evidence.values.transaction[value] as number)
    if (isOurs || this.values.has(value)) this.#add(table, rows, row)
  }

  read(rows: Table<'read'>, row: number): void {
    const { reader } = this.#anchor
    const offset = rows.offset[row] as number
    if (reader !== undefined && rows.reader[row] !== reader) return
    if (!this.#isNear(rows.partition[row] as number, offset, offset)) return
    if (this.#add('read', rows, row)) this.#polls.add(`${rows.reader[row]} ${rows.poll[row]}`)
  }

  poll(rows: Table<'poll'>, row: number): void {
    const isUse = this.transactions.size > 0 && this.#hasTransaction(rows, row)
    if (isUse || (this.#polls.size > 0 && this.#polls.has(`${rows.reader[row]} ${rows.poll[row]}`)))
      this.#add('poll', rows, row)
  }

  logged(
    table: 'logBatch' | 'logRecord',
    rows: Table<'logBatch' | 'logRecord'>,
    row: number,
    from: number,
    to: number,
  ): void {
    if (this.#isNear(rows.partition[row] as number, from, to)) this.#add(table, rows, row)
  }

  finish(): { slice: readonly SliceRow[]; omitted: number } {
    const { tables } = this.#evidence.head
    const { at: anchorAt, group, reader } = this.#anchor
    for (const table of ['transactionBegun', 'transactionEnding', 'transactionEnded'] as const) {
      this.#pick(table, (row) => this.#hasTransaction(tables[table], row))
    }
    const writers = this.#writers()
    this.#pick('writerStarted', (row) => writers.has(tables.writerStarted.writer[row] as number))
    this.#pick('writerReady', (row) => writers.has(tables.writerReady.writer[row] as number))
    const { offsetCommitInvoked, offsetCommitCompleted, offsetFetched, assignment, watermarks } = tables
    const commits = new Set<string>()
    this.#pick('offsetCommitInvoked', (row) => {
      const isOurs =
        this.#hasTransaction(offsetCommitInvoked, row) ||
        (group !== undefined &&
          this.#evidence.text(offsetCommitInvoked.group[row] as number) === group &&
          this.#isNear(offsetCommitInvoked.partition[row] as number, offsetCommitInvoked.offset[row] as number))
      if (isOurs) commits.add(`${offsetCommitInvoked.process[row]} ${offsetCommitInvoked.commit[row]}`)
      return isOurs
    })
    this.#pick('offsetCommitCompleted', (row) => {
      return commits.has(`${offsetCommitCompleted.process[row]} ${offsetCommitCompleted.commit[row]}`)
    })
    const partitions = this.partitions()
    if (group !== undefined) {
      this.#pick('offsetFetched', (row) => {
        const isGroup = this.#evidence.text(offsetFetched.group[row] as number) === group
        return isGroup && this.#isNear(offsetFetched.partition[row] as number, offsetFetched.offset[row] as number)
      })
    }
    if (reader !== undefined) {
      // Of a group, what its other members were given matters too.
      this.#pick('assignment', (row) => {
        const isOurs = group !== undefined || assignment.reader[row] === reader
        return isOurs && partitions.has(assignment.partition[row] as number)
      })
    }
    if (anchorAt !== undefined) {
      this.#pick('watermarks', (row) => {
        const at = watermarks.at[row] as number
        return partitions.has(watermarks.partition[row] as number) && at <= anchorAt && at > anchorAt - LOOK_BACK_MS
      })
    }
    this.#meanwhile(writers)
    const timeOf = ({ row }: SliceRow): number => (typeof row['at'] === 'number' ? row['at'] : Infinity)
    const sorted = this.#rows.sort((a, b) => timeOf(a) - timeOf(b))
    return { slice: sorted.slice(0, ROWS_MAX), omitted: this.#omitted + Math.max(0, sorted.length - ROWS_MAX) }
  }

  /** What coordinators said and what was done to the system between the first row and the last. */
  #meanwhile(writers: ReadonlySet<number>): void {
    const { tables } = this.#evidence.head
    const times = this.#rows.flatMap(({ row }) => (typeof row['at'] === 'number' ? [row['at']] : []))
    if (this.#anchor.at !== undefined) times.push(this.#anchor.at)
    const [from, to] = [Math.min(...times), Math.max(...times)]
    const { writerStarted, transition, coordinatorState, fault } = tables
    const ids = new Set<string>()
    if (this.#anchor.transactionalId !== undefined) ids.add(this.#anchor.transactionalId)
    for (let row = 0; row < writerStarted.length; row += 1) {
      const id = this.#evidence.text(writerStarted.transactionalId[row] as number)
      if (writers.has(writerStarted.writer[row] as number) && id !== '') ids.add(id)
    }
    this.#pick('transition', (row) => {
      const at = transition.at[row] as number
      return at >= from && at <= to && ids.has(this.#evidence.text(transition.transactionalId[row] as number))
    })
    this.#pick('coordinatorState', (row) =>
      ids.has(this.#evidence.text(coordinatorState.transactionalId[row] as number)),
    )
    this.#pick('fault', (row) => (fault.at[row] as number) <= to && (fault.until[row] as number) >= from)
  }

  #writers(): ReadonlySet<number> {
    const writers = new Set<number>()
    for (const id of this.transactions) writers.add(this.#evidence.transactions.nameOf(id).writer)
    for (const value of this.#anchor.values ?? []) writers.add(this.#evidence.values.nameOf(value).writer)
    return writers
  }

  #hasTransaction(rows: { writer: Uint32Array; transaction: Uint32Array }, row: number): boolean {
    const id = this.#evidence.transactions.find(rows.writer[row] as number, rows.transaction[row] as number)
    return id !== OUTSIDE && this.transactions.has(id)
  }

  #isNear(partition: number, from: number, to = from): boolean {
    return (this.#anchor.places ?? []).some((place) => {
      return (
        place.partition === partition &&
        place.offset !== NONE &&
        from <= place.offset + OFFSETS_AROUND &&
        to >= place.offset - OFFSETS_AROUND
      )
    })
  }

  #pick(table: KeptTable, isWanted: (row: number) => boolean): void {
    const rows = this.#evidence.head.tables[table] as Table<KeptTable>
    for (let row = 0; row < rows.length; row += 1) if (isWanted(row)) this.#add(table, rows, row)
  }

  /** Whether there was room for it. */
  #add(table: TableName, rows: object, row: number): boolean {
    const count = this.#counts.get(table) ?? 0
    if (count === ROWS_PER_TABLE_MAX) {
      this.#omitted += 1
      return false
    }
    this.#counts.set(table, count + 1)
    this.#rows.push({ table, row: namedRow(this.#evidence, table, rows as Record<string, ArrayLike<number>>, row) })
    return true
  }
}

function namedRow(
  evidence: Evidence,
  table: TableName,
  rows: Record<string, ArrayLike<number>>,
  row: number,
): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries<ColumnType>(TABLES[table]).map(([column, type]) => {
      const cell = (rows[column] as ArrayLike<number>)[row] as number
      if (type === 'string') return [column, evidence.text(cell)]
      if (type === 'partition') return [column, cell === NO_PARTITION ? '' : evidence.placeName(cell)]
      return [column, type === 'outcome' ? (OUTCOMES[cell] as string) : cell]
    }),
  )
}
