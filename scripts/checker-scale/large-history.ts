/** A clean history as large as wanted, written in the order of the log: transactions that overlap, and what reads them. */
import { type AppendFile, HistoryFileWriter } from '../../src/verify/history/history-writer.ts'
import type { HistoryInfo } from '../../src/verify/history/history.ts'
import {
  CONTROL,
  NO_TRANSACTION,
  NO_WRITER,
  NONE,
  type PartitionName,
  READ_COMMITTED,
} from '../../src/verify/history/tables.ts'

const PARTITIONS = 64
const WRITERS = 40
const PARTITIONS_PER_TRANSACTION = 4
const RECORDS_PER_BATCH = 10
/** Of the batches. */
const PLAIN_SHARE = 10
const ABORTED_SHARE = 20
const RECORDS_PER_POLL = 500
const READERS = 4

const INFO: HistoryInfo = {
  run: 'large',
  seed: 1,
  workload: 'generated',
  target: 'nowhere',
  expectations: { settleMs: 1_000 },
}

interface Batch {
  readonly writer: number
  readonly firstNumber: number
  /** Of the values; 0 for a marker. */
  readonly count: number
  readonly transaction: number
  readonly epoch: number
  readonly sequence: number
  readonly control: number
  readonly isVisible: boolean
}

interface Writer {
  readonly id: number
  readonly isTransactional: boolean
  numbers: number
  transactions: number
  epoch: number
  readonly sequences: Map<number, number>
}

export function writeLargeHistory(messages: number, open: (name: string) => AppendFile): void {
  const logs: Batch[][] = Array.from({ length: PARTITIONS }, () => [])
  const ends = new Float64Array(PARTITIONS)
  const control = new HistoryFileWriter(open('control'), INFO)
  control.record('phase', { phase: 'running', at: 0 })
  const endedAt = writeSends(messages, open, logs, ends)
  control.record('phase', { phase: 'healed', at: endedAt })
  control.record('phase', { phase: 'settled', at: endedAt + 2_000 })
  writeReads(open, logs, endedAt + 3_000)
  control.record('phase', { phase: 'drained', at: endedAt + 4_000 })
  writeScan(control, logs, ends, endedAt + 5_000)
  control.record('phase', { phase: 'scanned', at: endedAt + 6_000 })
  control.close()
}

function place(partition: number): PartitionName {
  return { topic: 'large', partition }
}

/** @returns when the last one ended */
function writeSends(
  messages: number,
  open: (name: string) => AppendFile,
  logs: readonly Batch[][],
  ends: Float64Array,
): number {
  const history = new HistoryFileWriter(open('writers'), INFO)
  const writers = Array.from({ length: WRITERS }, (_, index): Writer => {
    const isTransactional = index >= WRITERS / PLAIN_SHARE
    const id = index + 1
    history.record('writerStarted', { writer: id, process: 1, transactionalId: isTransactional ? `t${id}` : '', at: 0 })
    const ready = { producerId: id, producerEpoch: 0, error: '', at: 0.5 }
    history.record('writerReady', { writer: id, outcome: 'ok', ...ready })
    return { id, isTransactional, numbers: 0, transactions: 0, epoch: 0, sequences: new Map<number, number>() }
  })
  let now = 1
  let sent = 0
  const send = (writer: Writer, partition: number, transaction: number, isVisible: boolean): void => {
    const count = Math.min(RECORDS_PER_BATCH, messages - sent)
    const sequence = writer.sequences.get(partition) ?? 0
    const firstNumber = writer.numbers
    for (let index = 0; index < count; index += 1) {
      const number = firstNumber + index
      history.record('sendInvoked', { writer: writer.id, number, transaction, partition: place(partition), at: now })
    }
    for (let index = 0; index < count; index += 1) {
      const offset = (ends[partition] as number) + index
      const answer = { outcome: 'ok' as const, offset, error: '', at: now + 0.5 }
      history.record('sendCompleted', { writer: writer.id, number: firstNumber + index, ...answer })
    }
    const { epoch } = writer
    const batch = {
      writer: writer.id,
      firstNumber,
      count,
      transaction,
      epoch,
      sequence,
      control: CONTROL.data,
      isVisible,
    }
    ;(logs[partition] as Batch[]).push(batch)
    ends[partition] = (ends[partition] as number) + count
    writer.sequences.set(partition, sequence + count)
    writer.numbers += count
    sent += count
    now += 0.01
  }
  for (let round = 0; sent < messages; round += 1) {
    // All transactions of a round overlap.
    const transactional = writers.filter(({ isTransactional }) => isTransactional)
    const isAborted = ({ id, isTransactional }: Writer): boolean =>
      isTransactional && (round + id) % ABORTED_SHARE === 0
    for (const writer of transactional) {
      writer.transactions += 1
      history.record('transactionBegun', { writer: writer.id, transaction: writer.transactions, at: now })
    }
    for (let step = 0; step < PARTITIONS_PER_TRANSACTION && sent < messages; step += 1) {
      for (const writer of writers) {
        const partition = (writer.id * 7 + round * 3 + step * 5) % PARTITIONS
        if (sent < messages)
          send(writer, partition, writer.isTransactional ? writer.transactions : NO_TRANSACTION, !isAborted(writer))
      }
    }
    for (const writer of transactional) end(writer, isAborted(writer))
  }
  history.close()
  return now

  function end(writer: Writer, isAborted: boolean): void {
    const named = { writer: writer.id, transaction: writer.transactions }
    now += 0.01
    history.record('transactionEnding', { ...named, isCommit: isAborted ? 0 : 1, at: now })
    history.record('transactionEnded', { ...named, outcome: 'ok', error: '', at: now + 0.5 })
    // Transaction version 2: the marker raises the epoch, and sequences begin anew.
    writer.epoch += 1
    for (const partition of writer.sequences.keys()) {
      const marker = {
        writer: writer.id,
        firstNumber: 0,
        count: 0,
        transaction: writer.transactions,
        epoch: writer.epoch,
      }
      const decision = isAborted ? CONTROL.abortMarker : CONTROL.commitMarker
      ;(logs[partition] as Batch[]).push({ ...marker, sequence: NONE, control: decision, isVisible: false })
      ends[partition] = (ends[partition] as number) + 1
    }
    writer.sequences.clear()
  }
}

/** Readers that share the partitions out; the first polls of each are used in transactions. */
function writeReads(open: (name: string) => AppendFile, logs: readonly Batch[][], at: number): void {
  const history = new HistoryFileWriter(open('readers'), INFO)
  for (let reader = 0; reader < READERS; reader += 1) {
    const started = { reader, process: 2, group: '', isolation: READ_COMMITTED, isSubscribed: 0, at }
    history.record('readerStarted', started)
    let poll = 0
    let given = 0
    for (let partition = reader; partition < PARTITIONS; partition += READERS) {
      history.record('assignment', {
        reader,
        partition: place(partition),
        change: 0,
        generation: NONE,
        offset: NONE,
        at,
      })
      let offset = 0
      for (const { writer, firstNumber, count, isVisible } of logs[partition] as Batch[]) {
        for (let index = 0; isVisible && index < count; index += 1) {
          const number = firstNumber + index
          history.record('read', {
            reader,
            poll,
            partition: place(partition),
            offset: offset + index,
            writer,
            number,
            at: at + 1,
          })
          given += 1
        }
        offset += Math.max(1, count)
        if (given < RECORDS_PER_POLL) continue
        const use = { writer: NO_WRITER, transaction: NO_TRANSACTION }
        history.record('poll', { reader, poll, outcome: 'ok', error: '', ...use, invokedAt: at, at: at + 1 })
        poll += 1
        given = 0
      }
    }
  }
  history.close()
}

function writeScan(history: HistoryFileWriter, logs: readonly Batch[][], ends: Float64Array, at: number): void {
  for (const [index, batches] of logs.entries()) {
    const partition = place(index)
    history.record('logScan', { scan: 0, partition, from: 0, to: ends[index] as number, at })
    let baseOffset = 0
    for (const { writer, firstNumber, count, transaction, epoch, sequence, control } of batches) {
      const isTransactional = transaction === NO_TRANSACTION ? 0 : 1
      const lastOffset = baseOffset + Math.max(0, count - 1)
      const producer = { producerId: writer, producerEpoch: epoch, baseSequence: sequence, isTransactional, control }
      const coordinatorEpoch = control === CONTROL.data ? NONE : 1
      history.record('logBatch', { scan: 0, partition, baseOffset, lastOffset, ...producer, coordinatorEpoch })
      for (let number = 0; number < count; number += 1) {
        const offset = baseOffset + number
        history.record('logRecord', { scan: 0, partition, offset, writer, number: firstNumber + number })
      }
      baseOffset = lastOffset + 1
    }
  }
}
