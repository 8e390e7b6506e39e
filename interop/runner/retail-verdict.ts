/** The main job's verdict: what readers of either isolation level wrote down, compared with what must be there. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { RetailInput } from './retail.ts'
import { digestBy, linesTotals, type Row, sum, type Totals } from './retail-totals.ts'

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
      digest_amount_by_customer: digestBy(
        debits,
        (entry) => entry.account.slice('customer:'.length),
        (entry) => entry.amount,
      ),
      digest_amount_by_invoice: digestBy(
        debits,
        (entry) => entry.invoice,
        (entry) => entry.amount,
      ),
      digest_amount_by_country: digestBy(
        debits,
        (entry) => entry.country,
        (entry) => entry.amount,
      ),
      digest_amount_by_day: digestBy(
        debits,
        (entry) => entry.day,
        (entry) => entry.amount,
      ),
    },
    audit: {
      distinct_invoices: new Set(audit.map((entry) => entry.invoice)).size,
      rows: sum(audit, (entry) => entry.rows),
      sum_quantity: sum(audit, (entry) => entry.quantity),
      sum_amount_milli_gbp: sum(audit, (entry) => entry.amount),
      digest_amount_by_invoice: digestBy(
        audit,
        (entry) => entry.invoice,
        (entry) => entry.amount,
      ),
      digest_amount_by_country: digestBy(
        audit,
        (entry) => entry.country,
        (entry) => entry.amount,
      ),
      digest_amount_by_day: digestBy(
        audit,
        (entry) => entry.day,
        (entry) => entry.amount,
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
