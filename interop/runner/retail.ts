/**
 * The main job's input and its verdict. The input: `online-retail.csv.gz` as one JSON line per invoice, holding all the
 * records of its transaction. The verdict: totals of what was read back, compared with totals computed here from the CSV
 * and, for the whole file, with the published `expected.json`.
 *
 * Amounts are integers in thousandths of a pound. A record's identity is its row number: the file holds equal rows.
 */
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { gunzipSync } from 'node:zlib'
import { cacheDirectory, dataDirectory } from './paths.ts'

export const topics = [
  { name: 'lines', partitions: 6 },
  { name: 'ledger', partitions: 3 },
  // One partition: the trail is in order, and its last committed record says how far the load has come.
  { name: 'audit', partitions: 1 },
] as const

/** Every tenth invoice is first written and aborted. */
const ABORT_EVERY = 10

type Counter = Map<string, number>

/** What the totals of one topic are compared by: a name and a number or a digest. */
type Totals = Record<string, number | string>

export interface RetailInput {
  path: string
  invoices: number
  /** Invoice number to its place in the input. */
  order: ReadonlyMap<string, number>
  /** Per topic: totals the committed records must have, number of committed and of deliberately aborted records. */
  expected: Record<string, { totals: Totals; committed: number; aborted: number }>
}

interface Row {
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
function linesTotals(rows: readonly Row[]): Totals {
  const content = createHash('sha256')
  for (const row of [...rows].sort((a, b) => a.row - b.row)) content.update(`${JSON.stringify(row)}\n`)
  return {
    rows: rows.length,
    sum_quantity: sum(rows, (row) => row.quantity),
    sum_amount_milli_gbp: sum(rows, (row) => row.amount),
    sum_positive_amount_milli_gbp: sum(rows, (row) => Math.max(row.amount, 0)),
    sum_negative_amount_milli_gbp: sum(rows, (row) => Math.min(row.amount, 0)),
    digest_amount_by_country: digest(
      count(
        rows,
        (row) => row.country,
        (row) => row.amount,
      ),
    ),
    digest_amount_by_customer: digest(
      count(
        rows,
        (row) => row.customer,
        (row) => row.amount,
      ),
    ),
    digest_amount_by_invoice: digest(
      count(
        rows,
        (row) => row.invoice,
        (row) => row.amount,
      ),
    ),
    digest_units_by_stock_code: digest(
      count(
        rows,
        (row) => row.stockCode,
        (row) => row.quantity,
      ),
    ),
    digest_amount_by_day: digest(
      count(
        rows,
        (row) => row.date.slice(0, 10),
        (row) => row.amount,
      ),
    ),
    digest_rows_by_hour: digest(
      count(
        rows,
        (row) => row.date.slice(0, 13),
        () => 1,
      ),
    ),
    digest_content: content.digest('hex'),
  }
}

function ledgerTotalsOf(invoices: readonly Invoice[]): Totals {
  const rows = invoices.flatMap((invoice) => invoice.rows)
  return {
    entries: invoices.length * 2,
    balance: 0,
    sum_amount_milli_gbp: sum(rows, (row) => row.amount),
    shop_credit: sum(rows, (row) => row.amount),
    digest_amount_by_customer: digest(
      count(
        rows,
        (row) => row.customer,
        (row) => row.amount,
      ),
    ),
    digest_amount_by_invoice: digest(
      count(
        rows,
        (row) => row.invoice,
        (row) => row.amount,
      ),
    ),
    digest_amount_by_country: digest(
      count(
        rows,
        (row) => row.country,
        (row) => row.amount,
      ),
    ),
    digest_amount_by_day: digest(
      count(
        rows,
        (row) => row.date.slice(0, 10),
        (row) => row.amount,
      ),
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
    digest_amount_by_invoice: digest(
      count(
        rows,
        (row) => row.invoice,
        (row) => row.amount,
      ),
    ),
    digest_amount_by_country: digest(
      count(
        rows,
        (row) => row.country,
        (row) => row.amount,
      ),
    ),
    digest_amount_by_day: digest(
      count(
        rows,
        (row) => row.date.slice(0, 10),
        (row) => row.amount,
      ),
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

interface Entry {
  invoice: string
  account: string
  amount: number
  country: string
  day: string
}

interface Audit {
  index: number
  invoice: string
  country: string
  day: string
  rows: number
  quantity: number
  amount: number
}

interface ReadBack {
  t: string
  p: number
  o: number
  k: string
  v: string
  f: string | null
}

export interface Verdict {
  problems: string[]
  records: number
}

/** Compares what a read_committed reader wrote to `path` with what must be there. */
export async function verifyCommitted(path: string, prefix: string, input: RetailInput): Promise<Verdict> {
  const lines: Row[] = []
  const ledger: Entry[] = []
  const audit: Audit[] = []
  const problems: string[] = []
  const lastOffset = new Map<string, number>()
  const lastPlace = new Map<number, { invoice: number; row: number }>()
  let records = 0
  for await (const record of readBack(path)) {
    records++
    const topic = record.t.slice(prefix.length)
    const partition = `${record.t}-${record.p}`
    if (record.o <= (lastOffset.get(partition) ?? -1))
      note(problems, `${partition}: offset ${record.o} after ${lastOffset.get(partition)}`)
    lastOffset.set(partition, record.o)
    if (record.f !== 'commit')
      note(problems, `${partition} offset ${record.o}: a record of an aborted transaction is shown as committed`)
    if (topic === 'lines') {
      const row = JSON.parse(record.v) as Row
      if (row.customer !== record.k)
        note(problems, `${partition} offset ${record.o}: key ${record.k} of customer ${row.customer}`)
      lines.push(row)
      // Invoices are written one after the other and their rows in order, and a partition must show them so.
      const place = { invoice: input.order.get(row.invoice) ?? -1, row: row.row }
      const before = lastPlace.get(record.p) ?? { invoice: -1, row: -1 }
      const inOrder = place.invoice > before.invoice || (place.invoice === before.invoice && place.row > before.row)
      if (!inOrder)
        note(problems, `${partition} offset ${record.o}: row ${row.row} of invoice ${row.invoice} is out of order`)
      lastPlace.set(record.p, place)
    } else if (topic === 'ledger') ledger.push(JSON.parse(record.v) as Entry)
    else if (topic === 'audit') {
      const entry = JSON.parse(record.v) as Audit
      if (entry.index !== audit.length)
        note(problems, `audit trail: invoice ${entry.index} where ${audit.length} is due`)
      audit.push(entry)
    }
  }
  const debits = ledger.filter((entry) => entry.account !== 'shop')
  const found: Record<string, Totals> = {
    lines: linesTotals(lines),
    ledger: {
      entries: ledger.length,
      balance: sum(ledger, (entry) => entry.amount),
      sum_amount_milli_gbp: sum(debits, (entry) => entry.amount),
      shop_credit:
        0 -
        sum(
          ledger.filter((entry) => entry.account === 'shop'),
          (entry) => entry.amount,
        ),
      digest_amount_by_customer: digest(
        count(
          debits,
          (entry) => entry.account.slice('customer:'.length),
          (entry) => entry.amount,
        ),
      ),
      digest_amount_by_invoice: digest(
        count(
          debits,
          (entry) => entry.invoice,
          (entry) => entry.amount,
        ),
      ),
      digest_amount_by_country: digest(
        count(
          debits,
          (entry) => entry.country,
          (entry) => entry.amount,
        ),
      ),
      digest_amount_by_day: digest(
        count(
          debits,
          (entry) => entry.day,
          (entry) => entry.amount,
        ),
      ),
    },
    audit: {
      distinct_invoices: new Set(audit.map((entry) => entry.invoice)).size,
      rows: sum(audit, (entry) => entry.rows),
      sum_quantity: sum(audit, (entry) => entry.quantity),
      sum_amount_milli_gbp: sum(audit, (entry) => entry.amount),
      digest_amount_by_invoice: digest(
        count(
          audit,
          (entry) => entry.invoice,
          (entry) => entry.amount,
        ),
      ),
      digest_amount_by_country: digest(
        count(
          audit,
          (entry) => entry.country,
          (entry) => entry.amount,
        ),
      ),
      digest_amount_by_day: digest(
        count(
          audit,
          (entry) => entry.day,
          (entry) => entry.amount,
        ),
      ),
    },
  }
  for (const [topic, { totals }] of Object.entries(input.expected)) {
    for (const [name, value] of Object.entries(totals)) {
      const actual = found[topic]?.[name]
      if (actual !== value) note(problems, `${topic} ${name}: expected ${value}, got ${actual}`)
    }
  }
  const identities = new Set(lines.map((row) => row.row))
  if (identities.size !== lines.length) note(problems, `lines: ${lines.length - identities.size} rows are there twice`)
  return { problems, records }
}

/**
 * Compares what a read_uncommitted reader wrote to `path`: all committed records and all deliberately aborted ones.
 * Without kills the counts are exact; with kills an interrupted attempt may have left more.
 */
export async function verifyUncommitted(
  path: string,
  prefix: string,
  input: RetailInput,
  exact: boolean,
): Promise<Verdict> {
  const counts = new Map<string, { commit: number; abort: number }>()
  let records = 0
  for await (const record of readBack(path)) {
    records++
    const topic = record.t.slice(prefix.length)
    const of = counts.get(topic) ?? { commit: 0, abort: 0 }
    if (record.f === 'abort') of.abort++
    else of.commit++
    counts.set(topic, of)
  }
  const problems: string[] = []
  for (const [topic, expected] of Object.entries(input.expected)) {
    const found = counts.get(topic) ?? { commit: 0, abort: 0 }
    const fits = (actual: number, due: number): boolean => (exact ? actual === due : actual >= due)
    if (!fits(found.commit, expected.committed))
      problems.push(
        `${topic}: ${found.commit} committed records seen by read_uncommitted, ${expected.committed} are due`,
      )
    if (!fits(found.abort, expected.aborted))
      problems.push(`${topic}: ${found.abort} aborted records seen by read_uncommitted, ${expected.aborted} are due`)
  }
  return { problems, records }
}

async function* readBack(path: string): AsyncGenerator<ReadBack> {
  for await (const line of createInterface({ input: createReadStream(path, { highWaterMark: 1 << 20 }) }))
    yield JSON.parse(line) as ReadBack
}

const PROBLEMS_MAX = 12

function note(problems: string[], problem: string): void {
  if (problems.length < PROBLEMS_MAX) problems.push(problem)
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
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

function thousandths(price: string): number {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,3}))?$/.exec(price) ?? []
  if (whole === '') throw new Error(`not a price: ${price}`)
  const value = Number(whole) * 1_000 + Number(fraction.padEnd(3, '0'))
  return sign === '-' ? -value : value
}

/** RFC 4180: fields in double quotes may hold commas, line ends and doubled quotes. */
function* csvRows(text: string): Generator<string[]> {
  let fields: string[] = []
  let at = 0
  while (at < text.length) {
    let field = ''
    if (text[at] === '"') {
      at++
      while (true) {
        const end = text.indexOf('"', at)
        if (end < 0) throw new Error('a quote is not closed')
        field += text.slice(at, end)
        at = end + 1
        if (text[at] !== '"') break
        field += '"'
        at++
      }
    } else {
      const start = at
      while (at < text.length && text[at] !== ',' && text[at] !== '\n' && text[at] !== '\r') at++
      field = text.slice(start, at)
    }
    fields.push(field)
    if (text[at] === ',') {
      at++
      continue
    }
    if (text[at] === '\r') at++
    if (text[at] === '\n') at++
    yield fields
    fields = []
  }
}
