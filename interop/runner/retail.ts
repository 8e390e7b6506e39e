/**
 * The main job's input: `online-retail.csv.gz` as one JSON line per invoice, holding all the records of its transaction,
 * and the totals that must come back, computed from the CSV and for the whole file compared with `expected.json`.
 *
 * Amounts are integers in thousandths of a pound. A record's identity is its row number: the file holds equal rows.
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { csvRows, thousandths } from './csv.ts'
import { cacheDirectory, dataDirectory } from './paths.ts'
import { digestBy, linesTotals, type Row, sum, type Totals } from './retail-totals.ts'

export const topics = [
  { name: 'lines', partitions: 6 },
  { name: 'ledger', partitions: 3 },
  // One partition: the trail is in order, and its last committed record says how far the load has come.
  { name: 'audit', partitions: 1 },
] as const

/** Every tenth invoice is first written and aborted. */
const ABORT_EVERY = 10

export interface RetailInput {
  path: string
  invoices: number
  /** Invoice number to its place in the input. */
  order: ReadonlyMap<string, number>
  /** Per topic: totals the committed records must have, number of committed and of deliberately aborted records. */
  expected: Record<string, { totals: Totals; committed: number; aborted: number }>
}

interface Invoice {
  index: number
  rows: Row[]
}

/** Writes the input of the first `limit` invoices and computes what must come back. */
export function prepareRetail(limit: number | 'all'): RetailInput {
  const source = join(dataDirectory, 'online-retail.csv.gz')
  if (!existsSync(source)) throw new Error(`the load needs ${source} (set SEMEL_DATA to the folder that holds it)`)
  const invoices = readInvoices(gunzipSync(readFileSync(source)).toString('utf8'), limit)
  const path = join(cacheDirectory, `retail-${limit}.ndjson`)
  const file = openSync(path, 'w')
  const aborted: Record<string, number> = { lines: 0, ledger: 0, audit: 0 }
  const committed: Record<string, number> = { lines: 0, ledger: 0, audit: 0 }
  for (const invoice of invoices) {
    const records = recordsOf(invoice)
    const abortFirst = invoice.index % ABORT_EVERY === ABORT_EVERY - 1
    for (const [topic] of records) {
      committed[topic] = (committed[topic] ?? 0) + 1
      if (abortFirst) aborted[topic] = (aborted[topic] ?? 0) + 1
    }
    writeSync(
      file,
      `${JSON.stringify({ index: invoice.index, invoice: invoice.rows[0]?.invoice, abortFirst, records })}\n`,
    )
  }
  closeSync(file)
  const rows = invoices.flatMap((invoice) => invoice.rows)
  const totals: Record<string, Totals> = {
    lines: linesTotals(rows),
    ledger: ledgerTotalsOf(invoices),
    audit: auditTotalsOf(invoices),
  }
  if (limit === 'all') compareWithPublished(totals)
  return {
    path,
    invoices: invoices.length,
    order: new Map(invoices.map((invoice) => [invoice.rows[0]?.invoice ?? '', invoice.index])),
    expected: Object.fromEntries(
      topics.map(({ name }) => [
        name,
        { totals: totals[name] ?? {}, committed: committed[name] ?? 0, aborted: aborted[name] ?? 0 },
      ]),
    ),
  }
}

type InputRecord = [topic: string, key: string, value: string]

function recordsOf(invoice: Invoice): InputRecord[] {
  const first = invoice.rows[0]
  if (first === undefined) throw new Error('an invoice without rows')
  const amount = sum(invoice.rows, (row) => row.amount)
  const about = { invoice: first.invoice, country: first.country, day: first.date.slice(0, 10) }
  const records: InputRecord[] = invoice.rows.map((row) => ['lines', row.customer, JSON.stringify(row)])
  records.push(['ledger', first.customer, JSON.stringify({ ...about, account: `customer:${first.customer}`, amount })])
  records.push(['ledger', 'shop', JSON.stringify({ ...about, account: 'shop', amount: 0 - amount })])
  const audit = {
    index: invoice.index,
    ...about,
    rows: invoice.rows.length,
    quantity: sum(invoice.rows, (row) => row.quantity),
    amount,
  }
  records.push(['audit', first.invoice, JSON.stringify(audit)])
  return records
}

/** Totals of the expected data, straight from the rows. */
function ledgerTotalsOf(invoices: readonly Invoice[]): Totals {
  const rows = invoices.flatMap((invoice) => invoice.rows)
  return {
    entries: invoices.length * 2,
    balance: 0,
    sum_amount_milli_gbp: sum(rows, (row) => row.amount),
    shop_credit: sum(rows, (row) => row.amount),
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
    digest_amount_by_country: digestBy(
      rows,
      (row) => row.country,
      (row) => row.amount,
    ),
    digest_amount_by_day: digestBy(
      rows,
      (row) => row.date.slice(0, 10),
      (row) => row.amount,
    ),
  }
}

function auditTotalsOf(invoices: readonly Invoice[]): Totals {
  const rows = invoices.flatMap((invoice) => invoice.rows)
  return {
    distinct_invoices: invoices.length,
    rows: rows.length,
    sum_quantity: sum(rows, (row) => row.quantity),
    sum_amount_milli_gbp: sum(rows, (row) => row.amount),
    digest_amount_by_invoice: digestBy(
      rows,
      (row) => row.invoice,
      (row) => row.amount,
    ),
    digest_amount_by_country: digestBy(
      rows,
      (row) => row.country,
      (row) => row.amount,
    ),
    digest_amount_by_day: digestBy(
      rows,
      (row) => row.date.slice(0, 10),
      (row) => row.amount,
    ),
  }
}

function compareWithPublished(totals: Record<string, Totals>): void {
  const published =
    (JSON.parse(readFileSync(join(dataDirectory, 'expected.json'), 'utf8')) as Record<string, Totals>)[
      'online-retail.csv.gz'
    ] ?? {}
  for (const [topic, values] of Object.entries(totals)) {
    for (const [name, value] of Object.entries(values)) {
      if (name in published && published[name] !== value)
        throw new Error(`expected.json and the CSV disagree on ${topic} ${name}: ${published[name]} and ${value}`)
    }
  }
}

function readInvoices(text: string, limit: number | 'all'): Invoice[] {
  const invoices = new Map<string, Invoice>()
  let row = -1
  for (const fields of csvRows(text)) {
    if (row++ === -1) continue // the header
    const [
      invoice = '',
      stockCode = '',
      description = '',
      quantity = '',
      date = '',
      price = '',
      customer = '',
      country = '',
    ] = fields
    let of = invoices.get(invoice)
    if (of === undefined) {
      if (limit !== 'all' && invoices.size >= limit) continue
      of = { index: invoices.size, rows: [] }
      invoices.set(invoice, of)
    }
    const pieces = Number(quantity)
    // `-0` would be written as `0` and is equal to it, but not by Object.is: avoid it.
    const amount = pieces * thousandths(price) || 0
    of.rows.push({
      row: row - 1,
      invoice,
      stockCode,
      description,
      quantity: pieces,
      date,
      amount,
      customer: customer.replace(/\.0$/, '') || 'unknown',
      country,
    })
  }
  return [...invoices.values()]
}
