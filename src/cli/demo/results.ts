/**
 * What the demonstration's pipeline makes of orders, and the judge of what is found of it in the end. Pure.
 *
 * Each order becomes, in one transaction: a record for each of its lines, and two entries in a ledger, one for the customer
 * and one for the shop, that add up to zero. So whatever is missing, repeated or torn apart shows.
 */
import { createHash } from 'node:crypto'
import type { Order } from './orders.ts'

export const TOPICS = { orders: 'orders', lines: 'order-lines', ledger: 'ledger' } as const

export interface LineResult {
  readonly order: string
  readonly row: number
  readonly amountMilli: number
}

export interface LedgerResult {
  readonly order: string
  readonly side: 'customer' | 'shop'
  readonly account: string
  readonly amountMilli: number
}

export interface EnrichedOrder {
  readonly lines: readonly LineResult[]
  readonly ledger: readonly LedgerResult[]
}

export function enrich(order: Order): EnrichedOrder {
  const totalMilli = order.lines.reduce((sum, { amountMilli }) => sum + amountMilli, 0)
  const { orderId, customer } = order
  return {
    lines: order.lines.map(({ row, amountMilli }) => ({ order: orderId, row, amountMilli })),
    ledger: [
      { order: orderId, side: 'customer', account: customer === '' ? 'unknown' : customer, amountMilli: -totalMilli },
      { order: orderId, side: 'shop', account: 'shop', amountMilli: totalMilli },
    ],
  }
}

export interface Verdict {
  readonly orders: number
  /** Records that should be there: lines and ledger entries. */
  readonly expected: number
  readonly stored: number
  /** Records of which there is none. */
  readonly lost: number
  /** Records beyond the first of each. */
  readonly duplicated: number
  /** Orders of which some records are there and others not. */
  readonly torn: number
  /** Records that nobody sent. */
  readonly foreign: number
  readonly ledgerSumMilli: number
  /** Of all lines that are there, as often as they are there. */
  readonly salesMilli: number
  readonly expectedSalesMilli: number
  /** SHA-256 over 'ORDER<TAB>AMOUNT' lines, sorted: one number for all sums of orders. */
  readonly salesDigest: string
}

export function isClean({ lost, duplicated, torn, foreign, ledgerSumMilli }: Verdict): boolean {
  return lost === 0 && duplicated === 0 && torn === 0 && foreign === 0 && ledgerSumMilli === 0
}

/** Counts what was found, one record at a time, and says in the end what it comes to. */
export class Judge {
  readonly #expected = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  readonly #orders: readonly Order[]
  readonly #salesByOrder = new Map<string, number>()
  #stored = 0
  #foreign = 0
  #ledgerSumMilli = 0
  #salesMilli = 0

  constructor(orders: readonly Order[]) {
    this.#orders = orders
    for (const order of orders) {
      const { lines, ledger } = enrich(order)
      for (const line of lines) this.#expected.set(`line ${line.row}`, JSON.stringify(line))
      for (const entry of ledger) this.#expected.set(`${entry.side} ${entry.order}`, JSON.stringify(entry))
    }
  }

  get stored(): number {
    return this.#stored
  }

  addLine(line: LineResult): void {
    this.#salesMilli += line.amountMilli
    this.#salesByOrder.set(line.order, (this.#salesByOrder.get(line.order) ?? 0) + line.amountMilli)
    this.#add(`line ${line.row}`, line)
  }

  addLedger(entry: LedgerResult): void {
    this.#ledgerSumMilli += entry.amountMilli
    this.#add(`${entry.side} ${entry.order}`, entry)
  }

  #add(id: string, result: LineResult | LedgerResult): void {
    this.#stored += 1
    // Another content under a known identity is as wrong as an unknown identity.
    if (this.#expected.get(id) === JSON.stringify(result)) this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1)
    else this.#foreign += 1
  }

  verdict(): Verdict {
    let lost = 0
    let duplicated = 0
    for (const id of this.#expected.keys()) {
      const count = this.#counts.get(id) ?? 0
      if (count === 0) lost += 1
      else duplicated += count - 1
    }
    const torn = this.#orders.filter((order) => {
      const { lines, ledger } = enrich(order)
      const ids = [...lines.map(({ row }) => `line ${row}`), ...ledger.map(({ side }) => `${side} ${order.orderId}`)]
      const there = ids.filter((id) => this.#counts.has(id)).length
      return there > 0 && there < ids.length
    }).length
    return {
      orders: this.#orders.length,
      expected: this.#expected.size,
      stored: this.#stored,
      lost,
      duplicated,
      torn,
      foreign: this.#foreign,
      ledgerSumMilli: this.#ledgerSumMilli,
      salesMilli: this.#salesMilli,
      expectedSalesMilli: this.#orders.reduce(
        (sum, { lines }) => sum + lines.reduce((total, { amountMilli }) => total + amountMilli, 0),
        0,
      ),
      salesDigest: digest(this.#salesByOrder),
    }
  }
}

export function digest(sums: ReadonlyMap<string, number>): string {
  const hash = createHash('sha256')
  const keys = [...sums.keys()].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  for (const key of keys) hash.update(`${key}\t${sums.get(key)}\n`)
  return hash.digest('hex')
}
