/** Totals of the main job's data: sums, counts, and digests of per-key sums. */
import { createHash } from 'node:crypto'

type Counter = Map<string, number>

/** What the totals of one topic are compared by: a name and a number or a digest. */
export type Totals = Record<string, number | string>

export interface Row {
  row: number
  invoice: string
  stockCode: string
  description: string
  quantity: number
  date: string
  amount: number
  customer: string
  country: string
}

export function linesTotals(rows: readonly Row[]): Totals {
  const content = createHash('sha256')
  for (const row of [...rows].sort((a, b) => a.row - b.row)) content.update(`${JSON.stringify(row)}\n`)
  return {
    rows: rows.length,
    sum_quantity: sum(rows, (row) => row.quantity),
    sum_amount_milli_gbp: sum(rows, (row) => row.amount),
    sum_positive_amount_milli_gbp: sum(rows, (row) => Math.max(row.amount, 0)),
    sum_negative_amount_milli_gbp: sum(rows, (row) => Math.min(row.amount, 0)),
    digest_amount_by_country: digestBy(
      rows,
      (row) => row.country,
      (row) => row.amount,
    ),
    digest_amount_by_customer: digestBy(
      rows,
      (row) => row.customer,
      (row) => row.amount,
    ),
    digest_amount_by_invoice: digestBy(
      rows,
      (row) => row.invoice,
      (row) => row.amount,
    ),
    digest_units_by_stock_code: digestBy(
      rows,
      (row) => row.stockCode,
      (row) => row.quantity,
    ),
    digest_amount_by_day: digestBy(
      rows,
      (row) => row.date.slice(0, 10),
      (row) => row.amount,
    ),
    digest_rows_by_hour: digestBy(
      rows,
      (row) => row.date.slice(0, 13),
      () => 1,
    ),
    digest_content: content.digest('hex'),
  }
}

export function sum<T>(items: readonly T[], of: (item: T) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}

function count<T>(items: readonly T[], key: (item: T) => string, of: (item: T) => number): Counter {
  const counter: Counter = new Map()
  for (const item of items) counter.set(key(item), (counter.get(key(item)) ?? 0) + of(item))
  return counter
}

/** SHA-256 over the lines "key TAB value", keys in the order of their UTF-8 bytes. */
function digest(counter: Counter): string {
  const hash = createHash('sha256')
  const entries = [...counter].map(([key, value]) => [Buffer.from(key), value] as const)
  entries.sort(([a], [b]) => Buffer.compare(a, b))
  for (const [key, value] of entries) hash.update(key).update(`\t${value}\n`)
  return hash.digest('hex')
}

/** The digest of the sums of `of`, by `key`. */
export function digestBy<T>(items: readonly T[], key: (item: T) => string, of: (item: T) => number): string {
  return digest(count(items, key, of))
}
