/**
 * What readers were given, in two readings of the history: first as evidence (A12, A13, and what promotes transactions of unknown
 * outcome), then, once all outcomes are known, judged (A5, A6, A14, A15). The second also collects who read from whom, for cycles.
 */
import { NO_WRITER } from '../history/tables.ts'
import type { Table } from '../history/columns.ts'
import { EdgeList } from './edge-list.ts'
import type { Evidence } from './evidence.ts'
import { checkPartition, observe, reportPhantom } from './log-records.ts'
import type { Reader, Readers } from './readers.ts'
import { read, type Steps } from './steps.ts'
import {
  ABORT_MARKER,
  ABORTED,
  COMMITTED,
  NO_VALUE,
  NOTHING_ASKED,
  OUTSIDE,
  READ_BY_COMMITTED,
  READ_BY_UNCOMMITTED,
} from './value-index.ts'

export function* readEvidencePass(evidence: Evidence, readers: Readers): Steps {
  const { values, transactions } = evidence
  for (const { isCommitted, moves } of readers.all()) {
    if (isCommitted) for (const partition of moves.keys()) evidence.log(partition).hasReader = true
  }
  yield read('read', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      const partition = rows.partition[row] as number
      const offset = rows.offset[row] as number
      const reader = readers.get(rows.reader[row] as number)
      const log = evidence.log(partition)
      if (reader.isCommitted) {
        log.lowestRead = Math.min(log.lowestRead, offset)
        log.highestRead = Math.max(log.highestRead, offset)
        log.hasReader = true
      }
      const value = values.find(rows.writer[row] as number, rows.number[row] as number)
      if (value === NO_VALUE) {
        reportPhantom(evidence, partition, offset, 'was read', { reader: reader.reader, at: rows.at[row] as number })
        continue
      }
      if (values.partition[value] !== partition) checkPartition(evidence, partition, offset, value)
      if (log.values.get(offset) !== value) {
        const seenBy = { reader: reader.reader, at: rows.at[row] as number }
        observe(evidence, partition, offset, value, () => `reader ${reader.reader}`, seenBy)
      }
      const flag = reader.isCommitted ? READ_BY_COMMITTED : READ_BY_UNCOMMITTED
      const flags = values.flags[value] as number
      if ((flags & flag) !== 0) continue
      values.flags[value] = flags | flag
      const transaction = values.transaction[value] as number
      if (reader.isCommitted && transaction !== OUTSIDE) {
        transactions.read[transaction] = (transactions.read[transaction] as number) + 1
      }
    }
  })
}

/** @returns edges from the transaction that wrote to the one that read, both committed */
export function* readJudgementPass(evidence: Evidence, readers: Readers): Steps<EdgeList> {
  const uses = new PollUses()
  yield read('poll', (rows) => uses.take(evidence, rows))
  const judge = new ReadJudge(evidence, readers, uses)
  yield read('read', (rows) => {
    for (let row = 0; row < rows.length; row += 1) judge.row(rows, row)
  })
  return judge.edges
}

/** In which transaction what a poll gave was used. */
class PollUses {
  readonly #byReader = new Map<number, Map<number, number>>()

  take(evidence: Evidence, rows: Table<'poll'>): void {
    for (let row = 0; row < rows.length; row += 1) {
      if (rows.writer[row] === NO_WRITER) continue
      const transaction = evidence.transactions.find(rows.writer[row] as number, rows.transaction[row] as number)
      if (transaction === OUTSIDE) continue
      const reader = rows.reader[row] as number
      let polls = this.#byReader.get(reader)
      if (polls === undefined) {
        polls = new Map<number, number>()
        this.#byReader.set(reader, polls)
      }
      polls.set(rows.poll[row] as number, transaction)
    }
  }

  of(reader: number, poll: number): number {
    return this.#byReader.get(reader)?.get(poll) ?? OUTSIDE
  }
}

/** Where a reader is in a partition. */
interface Position {
  offset: number
  poll: number
  at: number
}

class ReadJudge {
  readonly edges = new EdgeList()
  readonly #evidence: Evidence
  readonly #readers: Readers
  readonly #uses: PollUses
  readonly #positions = new Map<Reader, Map<number, Position>>()
  #poll = -1
  #pollReader = -1
  #use = OUTSIDE

  constructor(evidence: Evidence, readers: Readers, uses: PollUses) {
    this.#evidence = evidence
    this.#readers = readers
    this.#uses = uses
  }

  row(rows: Table<'read'>, row: number): void {
    const reader = this.#readers.get(rows.reader[row] as number)
    const partition = rows.partition[row] as number
    const offset = rows.offset[row] as number
    const poll = rows.poll[row] as number
    const at = rows.at[row] as number
    if (poll !== this.#poll || reader.reader !== this.#pollReader) {
      this.#poll = poll
      this.#pollReader = reader.reader
      this.#use = this.#uses.of(reader.reader, poll)
    }
    const value = this.#evidence.values.find(rows.writer[row] as number, rows.number[row] as number)
    if (value !== NO_VALUE && reader.isCommitted) this.#isolation(reader, partition, offset, value, at)
    this.#order(reader, partition, offset, poll, at)
  }

  #isolation(reader: Reader, partition: number, offset: number, value: number, at: number): void {
    const { transactions, findings, values } = this.#evidence
    const transaction = values.transaction[value] as number
    if (transaction === OUTSIDE) return
    const status = transactions.status[transaction] as number
    const anchor = {
      places: [{ partition, offset }],
      values: [value],
      transactions: [transaction],
      reader: reader.reader,
      at,
    }
    const given = (): string => `reader ${reader.reader} was given ${this.#evidence.valueName(value)}`
    const name = (): string => this.#evidence.transactionName(transaction)
    if (transaction === this.#use) {
      findings.report('A6', anchor, () => `${name()} was given its own ${this.#evidence.valueName(value)}`)
    } else if (status === ABORTED && this.#wasOpen(transaction)) {
      findings.report('A6', anchor, () => `${given()} of ${name()}, which nobody ever asked to commit`)
    } else if (status === ABORTED) {
      findings.report('A5', anchor, () => `${given()} of ${name()}, which was aborted`)
    } else if (at < (transactions.endingAt[transaction] as number)) {
      findings.report('A6', anchor, () => {
        return `${given()} at ${at} of ${name()}, which was asked to commit at ${transactions.endingAt[transaction]}`
      })
    }
    if (this.#use === OUTSIDE || transaction === this.#use) return
    if (status === COMMITTED && transactions.status[this.#use] === COMMITTED) this.edges.push(transaction, this.#use)
  }

  /** Nobody asked for its end and no marker says that it was aborted. */
  #wasOpen(transaction: number): boolean {
    const { asked, markers } = this.#evidence.transactions
    return asked[transaction] === NOTHING_ASKED && ((markers[transaction] as number) & ABORT_MARKER) === 0
  }

  #order(reader: Reader, partition: number, offset: number, poll: number, at: number): void {
    let positions = this.#positions.get(reader)
    if (positions === undefined) {
      positions = new Map<number, Position>()
      this.#positions.set(reader, positions)
    }
    const before = positions.get(partition)
    if (before === undefined) {
      positions.set(partition, { offset, poll, at })
      return
    }
    const isInternal = before.poll === poll
    if (isInternal || !wasMoved(reader, partition, before.at, at))
      this.#step(reader, partition, before, offset, at, isInternal)
    before.offset = offset
    before.poll = poll
    before.at = at
  }

  #step(reader: Reader, partition: number, before: Position, offset: number, at: number, isInternal: boolean): void {
    // Most often the next record is at the next offset.
    if (offset === before.offset + 1) return
    const { findings } = this.#evidence
    const where = (): string => {
      const place = this.#evidence.placeName(partition)
      return `${place}${isInternal ? ' within one poll' : ` between polls ${before.poll} and the next`}`
    }
    const isFailure = isInternal || !reader.isSubscribed
    const allowed = isFailure ? undefined : 'the reader shares the partitions out with others'
    if (offset <= before.offset) {
      const anchor = { places: [{ partition, offset }], reader: reader.reader, at }
      const what = (): string =>
        `reader ${reader.reader} was given offset ${offset} after ${before.offset} of ${where()}`
      findings.report('A14', anchor, what, allowed)
      return
    }
    const skipped = this.#firstVisible(reader, partition, before.offset + 1, offset)
    if (skipped === undefined) return
    const anchor = { places: [{ partition, offset: skipped }], reader: reader.reader, at }
    const what = (): string => {
      return `reader ${reader.reader} was given offset ${offset} after ${before.offset} of ${where()}, without ${skipped}`
    }
    findings.report('A15', anchor, what, allowed)
  }

  #firstVisible(reader: Reader, partition: number, from: number, to: number): number | undefined {
    const log = this.#evidence.log(partition)
    // Records leave such a log while others read on.
    if (log.shrinks) return undefined
    return log.values.find(from, to, (value) => value >= 0 && (!reader.isCommitted || this.#evidence.isVisible(value)))
  }
}

/** Whether it was assigned, lost or sought in [from, to]; at equal times it may have been either way round. */
function wasMoved({ moves }: Reader, partition: number, from: number, to: number): boolean {
  const times = moves.get(partition)
  if (times === undefined) return false
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] as number) < from) low = middle + 1
    else high = middle
  }
  return low < times.length && (times[low] as number) <= to
}
