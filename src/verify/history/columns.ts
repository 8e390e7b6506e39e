/**
 * Tables in memory: one growing typed array a column, so that ten million rows fit and are read fast.
 *
 * Texts and partitions are numbered in the order of their first appearance; the columns hold the numbers.
 */
import {
  type ColumnType,
  type HistorySink,
  OUTCOMES,
  type Outcome,
  type PartitionName,
  type Row,
  TABLE_NAMES,
  TABLES,
  type TableName,
} from './tables.ts'

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array

type ColumnOf<T extends ColumnType> = T extends 'u8' | 'outcome'
  ? Uint8Array
  : T extends 'u16' | 'partition'
    ? Uint16Array
    : T extends 'u32' | 'string'
      ? Uint32Array
      : T extends 'i32'
        ? Int32Array
        : Float64Array

/** `length` rows; the arrays may be longer. */
export type Table<T extends TableName> = { readonly length: number } & {
  readonly [C in keyof (typeof TABLES)[T]]: (typeof TABLES)[T][C] extends ColumnType
    ? ColumnOf<(typeof TABLES)[T][C]>
    : never
}

export type Tables = { readonly [T in TableName]: Table<T> }

const FIRST_CAPACITY = 16
const PARTITIONS_MAX = 0xffff

const COLUMN_CLASSES = {
  u8: Uint8Array,
  outcome: Uint8Array,
  u16: Uint16Array,
  partition: Uint16Array,
  u32: Uint32Array,
  string: Uint32Array,
  i32: Int32Array,
  integer: Float64Array,
  time: Float64Array,
} as const satisfies Record<ColumnType, new (length: number) => Column>

/** An array for a column of this type, all zero. */
export function newColumn(type: ColumnType, length: number): Column {
  return new COLUMN_CLASSES[type](length)
}

/** Numbers things in the order of their first appearance. */
export class Dictionary<T> {
  readonly values: T[] = []
  readonly #numbers = new Map<string, number>()
  readonly #keyOf: (value: T) => string
  readonly #sizeMax: number

  constructor(keyOf: (value: T) => string, sizeMax = 0xffff_ffff) {
    this.#keyOf = keyOf
    this.#sizeMax = sizeMax
  }

  numberOf(value: T): number {
    const key = this.#keyOf(value)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.values.length
    if (number >= this.#sizeMax) throw new RangeError(`a history holds at most ${this.#sizeMax} different ones`)
    this.#numbers.set(key, number)
    this.values.push(value)
    return number
  }

  /** `undefined` when it never appeared. */
  find(value: T): number | undefined {
    return this.#numbers.get(this.#keyOf(value))
  }
}

export function partitionKey({ topic, partition }: PartitionName): string {
  return `${topic}-${partition}`
}

/** Puts rows into tables. What it holds can be read at any time; `tables` stays the same object and grows. */
export class HistoryTables implements HistorySink {
  readonly strings = new Dictionary<string>((text) => text)
  readonly partitions = new Dictionary<PartitionName>(partitionKey, PARTITIONS_MAX)
  readonly #tables = new Map<TableName, GrowingTable>()
  readonly tables: Tables

  constructor() {
    for (const name of TABLE_NAMES) this.#tables.set(name, new GrowingTable(name))
    this.tables = Object.fromEntries([...this.#tables].map(([name, table]) => [name, table.view])) as unknown as Tables
  }

  record<T extends TableName>(table: T, row: Row<T>): void {
    ;(this.#tables.get(table) as GrowingTable).push(row, (type, cell) => this.#number(type, cell))
  }

  flush(): void {
    // Memory is all there is.
  }

  /** Room for so many more rows of a table, at the returned row; the caller fills the columns of `tables` by itself. */
  extend(table: TableName, rows: number): number {
    return (this.#tables.get(table) as GrowingTable).extend(rows)
  }

  /** Forgets all rows and keeps the numbers, so that what comes next goes on with them. */
  clear(): void {
    for (const table of this.#tables.values()) table.view.length = 0
  }

  #number(type: ColumnType, cell: unknown): number {
    if (type === 'string') return this.strings.numberOf(cell as string)
    if (type === 'partition') return this.partitions.numberOf(cell as PartitionName)
    if (type === 'outcome') return OUTCOMES.indexOf(cell as Outcome)
    return cell as number
  }
}

class GrowingTable {
  readonly #types: readonly (readonly [string, ColumnType])[]
  readonly view: Record<string, Column | number> & { length: number }
  #capacity = 0

  constructor(name: TableName) {
    this.#types = Object.entries(TABLES[name])
    this.view = { length: 0 }
    for (const [column, type] of this.#types) this.view[column] = newColumn(type, 0)
  }

  push(row: Record<string, unknown>, number: (type: ColumnType, cell: unknown) => number): void {
    const at = this.extend(1)
    for (const [column, type] of this.#types) (this.view[column] as Column)[at] = number(type, row[column])
  }

  extend(rows: number): number {
    const { length } = this.view
    if (length + rows > this.#capacity) this.#grow(length + rows)
    this.view.length = length + rows
    return length
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, FIRST_CAPACITY, Math.ceil(this.#capacity * 1.5))
    for (const [column, type] of this.#types) {
      const grown = newColumn(type, capacity)
      grown.set(this.view[column] as Column)
      this.view[column] = grown
    }
    this.#capacity = capacity
  }
}
