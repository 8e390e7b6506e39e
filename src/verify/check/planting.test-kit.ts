/** A finished run in which an anomaly is to be planted: what plants look for in it, and what they change. */
import { CONTROL, NO_TRANSACTION, NO_WRITER, NONE, READ_COMMITTED } from '../history/tables.ts'
import { type Draft, type DraftRow, type Draw, isSame } from './draft.test-kit.ts'
import type { Model, ModelPartition, ModelTransaction, ModelValue } from './model.test-kit.ts'

/** A finished run, and what is often needed of it. */
export class Planting {
  readonly model: Model
  readonly draft: Draft
  readonly draw: Draw

  constructor(model: Model, draw: Draw) {
    this.model = model
    this.draft = model.draft
    this.draw = draw
  }

  pick<T>(choices: readonly T[]): T | undefined {
    return choices[this.draw(choices.length)]
  }

  get lastScan(): number {
    return Math.max(...this.draft.rows.logScan.map(({ scan }) => scan))
  }

  get restAt(): number {
    return this.phaseAt('settled')
  }

  phaseAt(phase: string): number {
    return this.draft.rows.phase.find((row) => row.phase === phase)?.at as number
  }

  isCommittedReader(reader: number): boolean {
    return this.draft.rows.readerStarted.find((row) => row.reader === reader)?.isolation === READ_COMMITTED
  }

  /** Of the reader that read everything at the end. */
  get drain(): number {
    return this.draft.rows.readerStarted.at(-1)?.reader as number
  }

  readsOf({ writer, number }: ModelValue): DraftRow<'read'>[] {
    return this.draft.rows.read.filter((row) => row.writer === writer.id && row.number === number)
  }

  /** Values of the plain topics that lie in the log and were sent outside of transactions. */
  plain(): ModelValue[] {
    return this.#queued().filter(({ transaction }) => transaction === undefined)
  }

  inTransactions(state: ModelTransaction['state']): ModelValue[] {
    return this.#queued().filter(({ transaction }) => transaction?.state === state)
  }

  /** Of the plain topics, with values in the log. */
  transactions(state: ModelTransaction['state']): ModelTransaction[] {
    return [...new Set(this.inTransactions(state).map(({ transaction }) => transaction as ModelTransaction))]
  }

  #queued(): ModelValue[] {
    return this.model.values.filter(({ partition, offset }) => offset !== NONE && this.model.queues.includes(partition))
  }

  /** No read_committed reader was given it. */
  dropReads({ writer, number }: ModelValue): void {
    this.draft.drop('read', (row) => {
      return row.writer === writer.id && row.number === number && this.isCommittedReader(row.reader)
    })
  }

  isAcknowledged({ writer, number }: ModelValue): boolean {
    return this.draft.rows.sendCompleted.some((row) => {
      return row.writer === writer.id && row.number === number && row.outcome === 'ok'
    })
  }

  /** Where a reader that begins at this offset finds its first value; Infinity: nowhere. */
  nextVisible(partition: ModelPartition, offset: number): number {
    const visible = this.model.values.filter((value) => {
      const isThere = value.partition === partition && value.offset >= Math.max(0, offset)
      return isThere && (value.transaction === undefined || value.transaction.state === 'committed')
    })
    return Math.min(Infinity, ...visible.map((value) => value.offset))
  }

  /** Commits of the members of which somebody may think that they took place. */
  memberCommits(): DraftRow<'offsetCommitInvoked'>[] {
    const { offsetCommitInvoked, offsetCommitCompleted } = this.draft.rows
    const failed = new Set(
      offsetCommitCompleted.filter(({ outcome }) => outcome === 'fail').map(({ commit }) => commit),
    )
    return offsetCommitInvoked.filter(({ group, commit }) => group === 'members' && !failed.has(commit))
  }

  /** Batches of the scan at rest. */
  batches(isWanted: (row: DraftRow<'logBatch'>) => boolean): DraftRow<'logBatch'>[] {
    const { lastScan } = this
    return this.draft.rows.logBatch.filter((row) => row.scan === lastScan && isWanted(row))
  }

  /** Of each partition with data of it: the marker that ended it there. */
  markersOf({ writer, values }: ModelTransaction): DraftRow<'logBatch'>[] {
    const found: DraftRow<'logBatch'>[] = []
    for (const partition of new Set(values.map((value) => value.partition))) {
      const last = values.findLast((value) => value.partition === partition)?.offset as number
      const [marker] = this.batches(
        (row) =>
          isSame(row.partition, partition.name) &&
          row.producerId === writer.producerId &&
          row.baseOffset > last &&
          row.control !== CONTROL.data,
      )
      if (marker !== undefined) found.push(marker)
    }
    return found
  }

  transactionRow(
    table: 'transactionEnding' | 'transactionEnded',
    { writer, number }: ModelTransaction,
  ): DraftRow<'transactionEnding'> | DraftRow<'transactionEnded'> | undefined {
    const rows: readonly DraftRow<'transactionEnding' | 'transactionEnded'>[] = this.draft.rows[table]
    return rows.find((row) => row.writer === writer.id && row.transaction === number) as
      | DraftRow<'transactionEnding'>
      | DraftRow<'transactionEnded'>
      | undefined
  }

  /** Committed, and its client was told so. */
  acknowledged(): ModelTransaction[] {
    return this.transactions('committed').filter((one) => {
      const ended = this.transactionRow('transactionEnded', one)
      return ended !== undefined && 'outcome' in ended && ended.outcome === 'ok'
    })
  }

  endingAt(transaction: ModelTransaction): number {
    return this.transactionRow('transactionEnding', transaction)?.at as number
  }

  /** A reader of its own that was given one value. @param use  the transaction in which it was used */
  readIn(use: ModelTransaction | undefined, value: ModelValue, at: number): void {
    const reader = 10_000 + this.draft.rows.readerStarted.length
    const started = { reader, process: 901, group: '', isolation: READ_COMMITTED, isSubscribed: 0, at }
    this.draft.add('readerStarted', started)
    const { partition, offset, writer, number } = value
    this.draft.add('read', { reader, poll: 0, partition: partition.name, offset, writer: writer.id, number, at })
    const used = { writer: use?.writer.id ?? NO_WRITER, transaction: use?.number ?? NO_TRANSACTION }
    this.draft.add('poll', { reader, poll: 0, outcome: 'ok', error: '', ...used, invokedAt: at, at })
  }

  /** A batch behind everything else of the scan at rest. */
  appendRecord(partition: ModelPartition, writer: number, number: number): void {
    const { lastScan: scan } = this
    const scanRow = this.draft.rows.logScan.find((row) => row.scan === scan && isSame(row.partition, partition.name))
    const offset = (scanRow as DraftRow<'logScan'>).to
    ;(scanRow as DraftRow<'logScan'>).to += 1
    const at = { scan, partition: partition.name }
    const batch = { baseOffset: offset, lastOffset: offset, producerId: 999_999, producerEpoch: 0, baseSequence: 0 }
    this.draft.add('logBatch', { ...at, ...batch, isTransactional: 0, control: CONTROL.data, coordinatorEpoch: NONE })
    this.draft.add('logRecord', { ...at, offset, writer, number })
  }
}
