/**
 * Values and transactions as dense numbers, with a column for each thing that passes find out about them.
 *
 * Each writer counts its values from 0 and its transactions from 1 without a gap, so both are a base of the writer plus that number.
 * Owns the numbering and the columns; what goes into the columns is up to the passes.
 */
import { NO_TRANSACTION, NO_WRITER, NONE } from '../history/tables.ts'
import { type HistoryHead, read, type Steps } from './steps.ts'

export const NO_VALUE = -1
export const OUTSIDE = -1
export const NO_PARTITION = 0xffff

/** Bits of `ValueIndex.flags`. */
export const ACKNOWLEDGED = 1
export const REFUSED = 2
/** Its send was answered with 'unknown'. */
export const UNTOLD = 4
export const READ_BY_COMMITTED = 8
export const READ_BY_UNCOMMITTED = 16
/** It is in the log at rest. */
export const IN_LOG = 32
/** It lies at a second place too. */
export const TWICE = 64

export class ValueIndex {
  readonly length: number
  /** Where it was sent to; `NO_PARTITION`: nobody sent it. */
  readonly partition: Uint16Array
  /** `OUTSIDE`, or a number of the `TransactionIndex`. */
  readonly transaction: Int32Array
  /** Where it lies, as far as anybody has seen; `NONE`. */
  readonly offset: Float64Array
  readonly flags: Uint8Array
  readonly #bases: Bases

  constructor(bases: Bases) {
    this.#bases = bases
    this.length = bases.total
    this.partition = new Uint16Array(this.length).fill(NO_PARTITION)
    this.transaction = new Int32Array(this.length).fill(OUTSIDE)
    this.offset = new Float64Array(this.length).fill(NONE)
    this.flags = new Uint8Array(this.length)
  }

  /** `NO_VALUE`: nobody sent it. */
  find(writer: number, number: number): number {
    const value = this.#bases.find(writer, number)
    return value !== NO_VALUE && this.partition[value] !== NO_PARTITION ? value : NO_VALUE
  }

  /** The number that a value of this writer has, sent or not; `NO_VALUE` when it is beyond what the writer counted to. */
  slot(writer: number, number: number): number {
    return this.#bases.find(writer, number)
  }

  nameOf(value: number): { writer: number; number: number } {
    return this.#bases.nameOf(value)
  }

  /** Values of one writer follow each other; from where to where, for each. */
  runs(): readonly { readonly writer: number; readonly from: number; readonly to: number }[] {
    return this.#bases.runs()
  }
}

/** What became of a transaction, by all evidence. */
export const UNRESOLVED = 0
export const COMMITTED = 1
export const ABORTED = 2

/** What was asked for. */
export const NOTHING_ASKED = 0
export const COMMIT_ASKED = 1
const ABORT_ASKED = 2

/** What the client was told about what it asked for: 0 nothing, else the outcome. */
export const TOLD_OK = 1
export const TOLD_FAIL = 2

/** Bits of `TransactionIndex.markers`. */
export const COMMIT_MARKER = 1
export const ABORT_MARKER = 2
/** Has data in the log at rest that no marker follows. */
export const OPEN_AT_REST = 4

export class TransactionIndex {
  readonly length: number
  readonly beganAt: Float64Array
  /** When its end was asked for; Infinity: never. */
  readonly endingAt: Float64Array
  readonly endedAt: Float64Array
  readonly asked: Uint8Array
  readonly told: Uint8Array
  readonly markers: Uint8Array
  readonly status: Uint8Array
  /** Values sent in it, how many of them a read_committed reader was given, and how many are in the log at rest. */
  readonly sent: Uint32Array
  readonly read: Uint32Array
  readonly inLog: Uint32Array
  readonly #bases: Bases

  constructor(bases: Bases) {
    this.#bases = bases
    this.length = bases.total
    this.beganAt = new Float64Array(this.length).fill(NONE)
    this.endingAt = new Float64Array(this.length).fill(Infinity)
    this.endedAt = new Float64Array(this.length).fill(Infinity)
    this.asked = new Uint8Array(this.length)
    this.told = new Uint8Array(this.length)
    this.markers = new Uint8Array(this.length)
    this.status = new Uint8Array(this.length)
    this.sent = new Uint32Array(this.length)
    this.read = new Uint32Array(this.length)
    this.inLog = new Uint32Array(this.length)
  }

  /** `OUTSIDE` for `NO_TRANSACTION` and `NO_WRITER`. */
  find(writer: number, transaction: number): number {
    return transaction === NO_TRANSACTION || writer === NO_WRITER ? OUTSIDE : this.#bases.find(writer, transaction - 1)
  }

  nameOf(transaction: number): { writer: number; transaction: number } {
    const { writer, number } = this.#bases.nameOf(transaction)
    return { writer, transaction: number + 1 }
  }
}

/** Where the numbers of each writer begin. */
class Bases {
  readonly total: number
  readonly #writers: readonly number[]
  readonly #starts: Float64Array
  readonly #places = new Map<number, number>()
  // Rows of one writer come in runs.
  #lastWriter = -1
  #lastPlace: number | undefined

  constructor(counts: ReadonlyMap<number, number>) {
    this.#writers = [...counts.keys()].sort((a, b) => a - b)
    this.#starts = new Float64Array(this.#writers.length + 1)
    let total = 0
    this.#writers.forEach((writer, place) => {
      this.#places.set(writer, place)
      this.#starts[place] = total
      total += counts.get(writer) as number
    })
    if (total > 0x7fff_ffff) throw new RangeError(`a history has at most 2147483647 values, this one has ${total}`)
    this.#starts[this.#writers.length] = total
    this.total = total
  }

  find(writer: number, number: number): number {
    if (writer !== this.#lastWriter) {
      this.#lastWriter = writer
      this.#lastPlace = this.#places.get(writer)
    }
    const place = this.#lastPlace
    if (place === undefined) return NO_VALUE
    const found = (this.#starts[place] as number) + number
    return found < (this.#starts[place + 1] as number) ? found : NO_VALUE
  }

  nameOf(id: number): { writer: number; number: number } {
    let low = 0
    let high = this.#writers.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#starts[middle] as number) <= id) low = middle
      else high = middle - 1
    }
    return { writer: this.#writers[low] as number, number: id - (this.#starts[low] as number) }
  }

  runs(): { writer: number; from: number; to: number }[] {
    return this.#writers.map((writer, place) => ({
      writer,
      from: this.#starts[place] as number,
      to: this.#starts[place + 1] as number,
    }))
  }
}

/** Counts first, then fills in what was sent and what the clients know of their transactions. */
export function* indexValues(head: HistoryHead): Steps<{ values: ValueIndex; transactions: TransactionIndex }> {
  const valueCounts = new Map<number, number>()
  const transactionCounts = new Map<number, number>()
  const raise = (counts: Map<number, number>, writer: number, count: number): void => {
    if (count > (counts.get(writer) ?? 0)) counts.set(writer, count)
  }
  yield read('sendInvoked', ({ length, writer, number, transaction }) => {
    for (let row = 0; row < length; row += 1) {
      raise(valueCounts, writer[row] as number, (number[row] as number) + 1)
      raise(transactionCounts, writer[row] as number, transaction[row] as number)
    }
  })
  const { transactionBegun, transactionEnding, transactionEnded, offsetCommitInvoked } = head.tables
  for (const { length, writer, transaction } of [transactionBegun, transactionEnding, offsetCommitInvoked]) {
    for (let row = 0; row < length; row += 1) {
      if (writer[row] !== NO_WRITER) raise(transactionCounts, writer[row] as number, transaction[row] as number)
    }
  }
  const values = new ValueIndex(new Bases(valueCounts))
  const transactions = new TransactionIndex(new Bases(transactionCounts))
  yield read('sendInvoked', ({ length, writer, number, transaction, partition }) => {
    for (let row = 0; row < length; row += 1) {
      const value = values.slot(writer[row] as number, number[row] as number)
      values.partition[value] = partition[row] as number
      const id = transactions.find(writer[row] as number, transaction[row] as number)
      values.transaction[value] = id
      if (id !== OUTSIDE) transactions.sent[id] = (transactions.sent[id] as number) + 1
    }
  })
  for (let row = 0; row < transactionBegun.length; row += 1) {
    const id = transactions.find(transactionBegun.writer[row] as number, transactionBegun.transaction[row] as number)
    if (id !== OUTSIDE) transactions.beganAt[id] = transactionBegun.at[row] as number
  }
  for (let row = 0; row < transactionEnding.length; row += 1) {
    const id = transactions.find(transactionEnding.writer[row] as number, transactionEnding.transaction[row] as number)
    if (id === OUTSIDE) continue
    transactions.endingAt[id] = transactionEnding.at[row] as number
    transactions.asked[id] = transactionEnding.isCommit[row] === 1 ? COMMIT_ASKED : ABORT_ASKED
  }
  for (let row = 0; row < transactionEnded.length; row += 1) {
    const id = transactions.find(transactionEnded.writer[row] as number, transactionEnded.transaction[row] as number)
    if (id === OUTSIDE) continue
    transactions.endedAt[id] = transactionEnded.at[row] as number
    transactions.told[id] = (transactionEnded.outcome[row] as number) + TOLD_OK
  }
  return { values, transactions }
}
