/** What all passes share: the history's small tables, values and transactions, and the log as far as anybody has seen it. */
import { NONE } from '../history/tables.ts'
import type { Anchor, Findings } from './findings.ts'
import { OffsetMap } from './offset-map.ts'
import type { HistoryHead, Steps } from './steps.ts'
import {
  ACKNOWLEDGED,
  COMMITTED,
  indexValues,
  IN_LOG,
  NO_VALUE,
  OUTSIDE,
  READ_BY_COMMITTED,
  REFUSED,
  type TransactionIndex,
  type ValueIndex,
} from './value-index.ts'

/** One partition, as far as it is known. */
export interface PartitionLog {
  /** Which value lies at an offset: by the scan at rest where there is one, else by what readers were given. */
  readonly values: OffsetMap
  /** What the scan at rest covered; `undefined`: there is none. */
  scanned: { readonly from: number; readonly to: number } | undefined
  /** Records leave this log by themselves: what is gone is not lost. */
  readonly shrinks: boolean
  /** Topics of the broker's own hold no values. */
  readonly isInternal: boolean
  /** Of what read_committed readers were given; `lowest` > `highest`: nothing. */
  lowestRead: number
  highestRead: number
  /** A read_committed reader had this partition at some time. */
  hasReader: boolean
}

export class Evidence {
  readonly head: HistoryHead
  readonly findings: Findings
  readonly values: ValueIndex
  readonly transactions: TransactionIndex
  readonly logs: readonly PartitionLog[]
  /** Number of the scan at rest, `undefined` without one. */
  readonly lastScan: number | undefined
  readonly #phases: ReadonlyMap<string, number>

  constructor(head: HistoryHead, findings: Findings, values: ValueIndex, transactions: TransactionIndex) {
    this.head = head
    this.findings = findings
    this.values = values
    this.transactions = transactions
    const shrinks = new Set(head.info.expectations.shrinks)
    this.logs = head.partitions.map(({ topic }) => ({
      values: new OffsetMap(),
      scanned: undefined,
      shrinks: shrinks.has(topic),
      isInternal: topic.startsWith('__'),
      lowestRead: Infinity,
      highestRead: -Infinity,
      hasReader: false,
    }))
    const { logScan, phase } = head.tables
    const phases = new Map<string, number>()
    for (let row = 0; row < phase.length; row += 1) {
      phases.set(this.text(phase.phase[row] as number), phase.at[row] as number)
    }
    this.#phases = phases
    let lastScan: number | undefined
    for (let row = 0; row < logScan.length; row += 1) lastScan = Math.max(lastScan ?? 0, logScan.scan[row] as number)
    this.lastScan = lastScan !== undefined && this.#isAtRest(lastScan) ? lastScan : undefined
    for (let row = 0; row < logScan.length; row += 1) {
      if (logScan.scan[row] !== this.lastScan) continue
      const log = this.log(logScan.partition[row] as number)
      log.scanned = { from: logScan.from[row] as number, to: logScan.to[row] as number }
    }
  }

  /** A run that ended early may have read its logs only while it was under way. Without phases the scan is taken for what it says. */
  #isAtRest(scan: number): boolean {
    if (this.#phases.size === 0) return true
    const { restAt } = this
    if (restAt === undefined) return false
    const { logScan } = this.head.tables
    for (let row = 0; row < logScan.length; row += 1) {
      if (logScan.scan[row] === scan && (logScan.at[row] as number) < restAt) return false
    }
    return true
  }

  log(partition: number): PartitionLog {
    return this.logs[partition] as PartitionLog
  }

  text(number: number): string {
    return this.head.strings[number] as string
  }

  /** `undefined`: the run did not get there. */
  phaseAt(phase: string): number | undefined {
    return this.#phases.get(phase)
  }

  /** From when on nothing of a time when faults were allowed may be left; `undefined`: the run did not get there. */
  get restAt(): number | undefined {
    const settledAt = this.phaseAt('settled')
    if (settledAt !== undefined) return settledAt
    const healedAt = this.phaseAt('healed')
    return healedAt === undefined ? undefined : healedAt + this.head.info.expectations.settleMs
  }

  /** By all evidence it is there for read_committed readers. */
  isVisible(value: number): boolean {
    const transaction = this.values.transaction[value] as number
    const flags = this.values.flags[value] as number
    if (transaction !== OUTSIDE) return (flags & REFUSED) === 0 && this.transactions.status[transaction] === COMMITTED
    return (flags & (ACKNOWLEDGED | IN_LOG | READ_BY_COMMITTED)) !== 0
  }

  /** Where to look for what became of a value. */
  anchorOf(value: number, at?: { readonly partition: number; readonly offset: number }): Anchor {
    const { values } = this
    const partition = values.partition[value] as number
    const offset = values.offset[value] as number
    const transaction = values.transaction[value] as number
    const places = offset === NONE ? [] : [{ partition, offset }]
    if (at !== undefined && (at.partition !== partition || at.offset !== offset)) places.push(at)
    return { places, values: [value], transactions: transaction === OUTSIDE ? [] : [transaction] }
  }

  /** 'orders-0' */
  placeName(partition: number): string {
    const { topic, partition: number } = this.head.partitions[partition] as { topic: string; partition: number }
    return `${topic}-${number}`
  }

  /** 'value 17 of writer 3' */
  valueName(value: number): string {
    if (value === NO_VALUE) return 'something that nobody sent'
    const { writer, number } = this.values.nameOf(value)
    return `value ${number} of writer ${writer}`
  }

  /** 'transaction 4 of writer 3' */
  transactionName(id: number): string {
    if (id === OUTSIDE) return 'no transaction'
    const { writer, transaction } = this.transactions.nameOf(id)
    return `transaction ${transaction} of writer ${writer}`
  }
}

export function* gatherEvidence(head: HistoryHead, findings: Findings): Steps<Evidence> {
  const { values, transactions } = yield* indexValues(head)
  return new Evidence(head, findings, values, transactions)
}
