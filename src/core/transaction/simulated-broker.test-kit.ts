/**
 * Coordinator and partitions wired as the broker's shell wires them, over a journal in memory that becomes durable frame
 * by frame and can lose what is not: append and replay in one call, answers parked until they are durable, all markers of
 * a transaction and its Complete record in one frame, a restart that replays what is left.
 *
 * Checks by itself what must hold at every append and at every moment of durability; see `SPEC.md`.
 */
import { assert } from 'vitest'
import { decodeRecord, encodeRecord } from '../../protocol/codec.ts'
import { transactionLogValue } from '../../protocol/messages/transaction-log-value.ts'
import type { BatchHeader } from '../../protocol/record-batch.ts'
import type { Marker } from '../../protocol/control-record.ts'
import type { StoredProducerState } from '../../protocol/stored-producer-state.ts'
import { header, markerHeader } from '../producer-state/batch.test-kit.ts'
import { PartitionState } from '../partition/partition-state.ts'
import type { AbortedTransaction } from '../partition/partition-state.ts'
import { TransactionCoordinator } from './transaction-coordinator.ts'
import type { MarkerIntent, TransactionResult } from './transaction-coordinator.ts'
import { newTransactionMetadata, toRecord } from './transaction-metadata.ts'
import type { TransactionMetadata } from './transaction-metadata.ts'
import type { TransactionRecord } from './transaction-records.ts'

export const TOPIC = 't'
const TIMEOUT_SCAN_MS = 10_000
const EXPIRATION_MS = 7 * 86_400_000

/** One batch of a partition, and the transaction it belongs to. */
export interface LogEntry {
  readonly header: BatchHeader
  readonly marker: Marker | undefined
  /** Number of the transaction, counted over the journal; `undefined` outside of transactions. */
  readonly transaction: number | undefined
}

interface Append {
  readonly partition: number
  /** A partition that was deleted and made again has a later one. */
  readonly incarnation: number
  readonly entry: LogEntry
}

interface Frame {
  readonly appends: readonly Append[]
  readonly records: readonly { readonly record: TransactionRecord; readonly bytes: Uint8Array | null }[]
  /** Producer ids given out so far: reserved in the journal before anything that carries them. */
  readonly nextProducerId: number
}

class Partition {
  readonly incarnation: number
  state = new PartitionState({ producerIdsMax: 1000 })
  log: LogEntry[] = []
  aborted: AbortedTransaction[] = []
  checkpoint: { states: StoredProducerState[]; offset: number; aborted: number } = { states: [], offset: 0, aborted: 0 }

  constructor(incarnation: number) {
    this.incarnation = incarnation
  }
}

export interface ProduceRequest {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
  readonly partition: number
  /** `undefined`: offsets of a group, which carry no sequence. */
  readonly baseSequence: number | undefined
  readonly recordCount: number
  /** 2 adds the partition by itself, 1 only verifies that it was added. */
  readonly version: 1 | 2
}

export class SimulatedBroker {
  nowMs = 1_000_000
  /** The finalized transaction.version. */
  level: 0 | 1 | 2 = 2
  coordinatorEpoch = 0
  coordinator: TransactionCoordinator
  readonly partitions: Partition[]
  frames: Frame[] = []
  durableLsn = 0
  #lastLsn = 0
  #awaiting: { lsn: number; intent: MarkerIntent }[] = []
  #parked: { lsn: number; deliver: () => void }[] = []
  #nextProducerId = 1
  #nextIncarnation = 0
  /** The present, or the last, transaction of an id; what was decided of each. */
  transactionOf = new Map<string, number>()
  decisions = new Map<number, 'COMMIT' | 'ABORT'>()
  #transactionCount = 0
  /** What the last InitProducerId that was granted gave: nobody below may append. */
  granted = new Map<string, { producerId: number; producerEpoch: number }>()
  readonly #durableGrants = new Map<string, { producerId: number; producerEpoch: number }>()

  constructor(partitionCount: number) {
    this.partitions = Array.from({ length: partitionCount }, () => new Partition(this.#nextIncarnation++))
    this.coordinator = this.#newCoordinator()
    this.coordinator.onLoaded(this.nowMs)
  }

  /** An id that has lived long: its next epochs are the last ones. */
  seed(transactionalId: string, producerEpoch: number): void {
    const txn = newTransactionMetadata(transactionalId, this.#nextProducerId++, 60_000, this.nowMs)
    this.#apply([toRecord({ ...txn, producerEpoch }, this.level)])
  }

  #newCoordinator(): TransactionCoordinator {
    return new TransactionCoordinator({
      coordinatorEpoch: this.coordinatorEpoch,
      maxTimeoutMs: 900_000,
      expirationMs: EXPIRATION_MS,
      timeoutScanIntervalMs: TIMEOUT_SCAN_MS,
      expirationScanIntervalMs: 3_600_000,
      limits: { transactionalIdsMax: 10, partitionsMax: 10 },
      nextProducerId: () => this.#nextProducerId++,
      transactionVersion: () => this.level,
      partitionExists: (topic, partition) => topic === TOPIC && this.partitions[partition] !== undefined,
    })
  }

  // --- requests ---

  /** Runs a decision of the coordinator; `onReply` is called when all it rests on is durable. */
  run<Reply>(
    decide: (coordinator: TransactionCoordinator) => TransactionResult<Reply>,
    onReply: (reply: Reply) => void = () => undefined,
  ): Reply {
    const { records, reply } = decide(this.coordinator)
    this.#apply(records)
    this.#park(this.#lastLsn, () => onReply(reply))
    return reply
  }

  /** As Produce (or TxnOffsetCommit): verification, append check and append in one tick. */
  produce(request: ProduceRequest): string {
    const { transactionalId, producerId, producerEpoch, partition: index, version } = request
    const partition = this.partitions[index] as Partition
    const { state } = partition
    const batch = header({
      producerId,
      producerEpoch,
      recordCount: request.recordCount,
      isTransactional: true,
      timestampMs: this.nowMs,
      ...(request.baseSequence === undefined ? {} : { baseSequence: request.baseSequence }),
    })
    const currentEpoch = state.producerEpoch(producerId)
    if (currentEpoch !== undefined && producerEpoch < currentEpoch) return 'INVALID_PRODUCER_EPOCH'
    if (!state.hasOpenTransaction(producerId, producerEpoch)) {
      if (request.baseSequence !== undefined) state.beginVerification(batch, this.nowMs)
      const { records, reply } = this.coordinator.addOrVerifyPartitions(
        {
          transactionalId,
          producerId,
          producerEpoch,
          partitions: [{ topic: TOPIC, partition: index }],
          mode: version === 2 ? 'add' : 'verify',
        },
        this.nowMs,
      )
      this.#apply(records)
      if (reply[0] !== 'NONE') return reply[0] ?? 'none'
    }
    const decision = state.decide(batch, {
      origin: request.baseSequence === undefined ? 'coordinator' : 'client',
      transactionVersion: version,
      verified: true,
      nowMs: this.nowMs,
    })
    if (decision.kind === 'refuse') return decision.error
    if (decision.kind === 'duplicate') {
      this.#checkDuplicate(partition, batch, decision.baseOffset)
      return 'duplicate'
    }
    this.#checkAppend(request)
    const placed = { ...batch, baseOffset: state.logEndOffset, lastOffset: state.logEndOffset + batch.lastOffsetDelta }
    this.#append([{ partition: index, entry: this.#entry(placed, undefined, transactionalId) }], [])
    return 'NONE'
  }

  // --- time and disk ---

  advance(ms: number): void {
    this.nowMs += ms
    for (;;) {
      const deadlineMs = this.coordinator.nextDeadlineMs() ?? Infinity
      if (deadlineMs > this.nowMs) return
      this.#apply(this.coordinator.onDeadline(this.nowMs).records)
    }
  }

  /** The next frames reach the disk: watermarks, markers and answers follow. */
  flush(count = Infinity): void {
    this.durableLsn = Math.min(this.frames.length, this.durableLsn + count)
    const ends = new Map<number, number>()
    for (const frame of this.frames.slice(0, this.durableLsn)) {
      for (const { partition, incarnation, entry } of frame.appends) {
        if (this.partitions[partition]?.incarnation === incarnation) ends.set(partition, entry.header.lastOffset + 1)
      }
    }
    for (const [index, end] of ends) this.#advanceHighWatermark(this.partitions[index] as Partition, end)
    const ready = this.#awaiting.filter(({ lsn }) => lsn <= this.durableLsn)
    this.#awaiting = this.#awaiting.filter(({ lsn }) => lsn > this.durableLsn)
    this.#writeMarkers(ready.map(({ intent }) => intent))
    const answered = this.#parked.filter(({ lsn }) => lsn <= this.durableLsn)
    this.#parked = this.#parked.filter(({ lsn }) => lsn > this.durableLsn)
    for (const { deliver } of answered) deliver()
  }

  flushAll(): void {
    while (this.durableLsn < this.frames.length || this.#parked.length > 0) this.flush()
  }

  /** Keeps the producer tables as of now; they must not know more than the disk does. */
  checkpoint(): void {
    this.flushAll()
    for (const partition of this.partitions) {
      const { state, aborted } = partition
      partition.checkpoint = { states: state.snapshot(), offset: state.logEndOffset, aborted: aborted.length }
    }
  }

  /** The power goes; of the frames that were not durable the first `keep` are there all the same. */
  crash(keep: number): void {
    const kept = Math.min(this.frames.length, this.durableLsn + keep)
    const isWhole = kept === this.frames.length
    const before = isWhole ? this.#describe() : undefined
    this.frames = this.frames.slice(0, kept)
    this.durableLsn = kept
    this.#lastLsn = kept
    this.#awaiting = []
    this.#parked = []
    this.granted = new Map(this.#durableGrants)
    this.transactionOf = new Map()
    this.decisions = new Map()
    this.#transactionCount = 0
    this.coordinatorEpoch += 1
    this.#nextProducerId = this.frames.at(-1)?.nextProducerId ?? this.#nextProducerId
    this.coordinator = this.#newCoordinator()
    for (const partition of this.partitions) {
      const { checkpoint } = partition
      partition.state = new PartitionState({ producerIdsMax: 1000 })
      partition.state.restore(checkpoint.states, { logStartOffset: 0, snapshotOffset: checkpoint.offset })
      partition.log = []
      partition.aborted = partition.aborted.slice(0, checkpoint.aborted)
    }
    for (const { appends, records } of this.frames) {
      for (const append of appends) this.#replayAppend(append)
      for (const { record, bytes } of records) this.#replayRecord(decoded(record, bytes))
    }
    for (const partition of this.partitions) this.#advanceHighWatermark(partition, partition.state.logEndOffset)
    if (before !== undefined) assert.deepEqual(this.#describe(), before, 'a restart loads what was there')
    this.coordinator.onLoaded(this.nowMs)
    this.#writeMarkers(this.coordinator.takeMarkerIntents())
  }

  /** The topic's partition is deleted and made anew under the same name. */
  recreate(index: number): void {
    this.partitions[index] = new Partition(this.#nextIncarnation++)
  }

  noteGrant(transactionalId: string, grant: { producerId: number; producerEpoch: number }, isDurable: boolean): void {
    const before = this.granted.get(transactionalId)
    if (before === undefined || isAtLeast(grant, before)) this.granted.set(transactionalId, grant)
    if (isDurable) this.#durableGrants.set(transactionalId, grant)
  }

  // --- the shell ---

  #apply(records: readonly TransactionRecord[]): void {
    if (records.length === 0) return
    this.#append([], records)
    this.#lastLsn = this.frames.length
    for (const intent of this.coordinator.takeMarkerIntents()) this.#awaiting.push({ lsn: this.#lastLsn, intent })
  }

  #writeMarkers(intents: readonly MarkerIntent[]): void {
    if (intents.length === 0) return
    const appends: { partition: number; entry: LogEntry }[] = []
    const completions: TransactionRecord[] = []
    const ends = new Map<number, number>()
    for (const intent of intents) {
      const { transactionalId, producerId, producerEpoch, coordinatorEpoch, transactionVersion, committed } = intent
      const outcomes = intent.partitions.map(({ topic, partition }) => {
        const { state } = this.partitions[partition] as Partition
        const errorCode = state.decideMarker({ producerId, producerEpoch, coordinatorEpoch, transactionVersion })
        // Nobody else writes markers here, so nobody can have written a later one.
        assert.equal(errorCode, 'NONE', `the marker of ${transactionalId} for partition ${partition}`)
        const baseOffset = ends.get(partition) ?? state.logEndOffset
        ends.set(partition, baseOffset + 1)
        const placed = markerHeader({ producerId, producerEpoch, baseOffset, timestampMs: this.nowMs })
        const markerType = committed ? ('COMMIT' as const) : ('ABORT' as const)
        appends.push({ partition, entry: this.#entry(placed, { markerType, coordinatorEpoch }, transactionalId) })
        return { topic, partition, errorCode }
      })
      completions.push(...this.coordinator.markersWritten(intent, outcomes, this.nowMs).records)
    }
    this.#append(appends, completions)
    this.#lastLsn = this.frames.length
    assert.deepEqual(this.coordinator.takeMarkerIntents(), [], 'a completed transaction asks for no markers')
  }

  #entry(placed: BatchHeader, marker: Marker | undefined, transactionalId: string): LogEntry {
    return { header: placed, marker, transaction: this.transactionOf.get(transactionalId) }
  }

  #append(
    appends: readonly { readonly partition: number; readonly entry: LogEntry }[],
    records: readonly TransactionRecord[],
  ): void {
    const placed = appends.map((append) => ({
      ...append,
      incarnation: this.partitions[append.partition]?.incarnation ?? -1,
    }))
    const encoded = records.map((record) => ({ record, bytes: encodedValue(record) }))
    this.frames.push({ appends: placed, records: encoded, nextProducerId: this.#nextProducerId })
    for (const append of placed) this.#replayAppend(append)
    for (const record of records) this.#replayRecord(record)
  }

  #replayAppend({ partition: index, incarnation, entry }: Append): void {
    const partition = this.partitions[index] as Partition
    if (partition.incarnation !== incarnation) return
    partition.log.push(entry)
    if (entry.header.baseOffset < partition.state.logEndOffset) return
    const { aborted } = partition.state.replay(entry.header, entry.marker)
    if (aborted !== undefined) partition.aborted.push(aborted)
  }

  #replayRecord(record: TransactionRecord): void {
    const { transactionalId } = record
    const before = this.coordinator.get(transactionalId)
    this.coordinator.replay(record)
    const after = this.coordinator.get(transactionalId)
    if (after === undefined) return
    if (before !== undefined) assert.isTrue(isAtLeast(after, before), `the epoch of ${transactionalId} goes on`)
    const begins = before?.state !== 'Ongoing' && ['Ongoing', 'PrepareCommit', 'PrepareAbort'].includes(after.state)
    if (begins) this.transactionOf.set(transactionalId, this.#transactionCount++)
    const transaction = this.transactionOf.get(transactionalId) ?? -1
    if (after.state === 'PrepareCommit') this.#decide(transaction, 'COMMIT')
    if (after.state === 'PrepareAbort') this.#decide(transaction, 'ABORT')
  }

  #decide(transaction: number, decision: 'COMMIT' | 'ABORT'): void {
    assert.isFalse(this.decisions.has(transaction), `transaction ${transaction} is decided once`)
    this.decisions.set(transaction, decision)
  }

  #park(lsn: number, deliver: () => void): void {
    if (lsn <= this.durableLsn) deliver()
    else this.#parked.push({ lsn, deliver })
  }

  // --- what must hold ---

  #checkAppend({ transactionalId, producerId, producerEpoch }: ProduceRequest): void {
    const txn = this.coordinator.get(transactionalId)
    assert.include(
      ['Ongoing', 'PrepareCommit', 'PrepareAbort'],
      txn?.state,
      'data are appended to a transaction whose markers are not written yet',
    )
    const grant = this.granted.get(transactionalId)
    if (grant === undefined) return
    assert.isTrue(isAtLeast({ producerId, producerEpoch }, grant), 'a fenced producer appends nothing')
  }

  #checkDuplicate(partition: Partition, batch: BatchHeader, baseOffset: number): void {
    const first = partition.log.find((entry) => entry.header.baseOffset === baseOffset)
    const { producerId, producerEpoch, baseSequence, recordCount } = batch
    assert.deepInclude(first?.header, { producerId, producerEpoch, baseSequence, recordCount }, 'it was written before')
  }

  #advanceHighWatermark(partition: Partition, end: number): void {
    const { state } = partition
    const before = state.lastStableOffset
    state.advanceHighWatermark(end)
    const { lastStableOffset } = state
    assert.isAtLeast(lastStableOffset, before, 'the last stable offset does not go back')
    const undecided = partition.log.find(
      (entry) => entry.marker === undefined && !isDecidedBelow(partition.log, entry, end),
    )
    // Below it everything is decided on disk, and it does not wait for more than that.
    assert.equal(lastStableOffset, Math.min(undecided?.header.baseOffset ?? Infinity, state.highWatermark))
  }

  /** Everything that must be the same after a restart. */
  #describe() {
    return {
      transactions: Array.from(this.coordinator.values(), (txn) => this.#stored(txn)).toSorted((a, b) =>
        a.transactionalId < b.transactionalId ? -1 : 1,
      ),
      partitions: this.partitions.map(({ state, log, aborted }) => ({
        producers: state.snapshot().toSorted((a, b) => a.producerId - b.producerId),
        logEndOffset: state.logEndOffset,
        firstUnstable: log.length === 0 ? undefined : firstOpen(state),
        aborted: [...aborted],
      })),
      transactionOf: new Map(this.transactionOf),
      decisions: new Map(this.decisions),
    }
  }

  /** Without what lives in memory only, or in a value of version 1 only. */
  #stored(txn: TransactionMetadata) {
    const last = this.frames
      .flatMap(({ records }) => records)
      .findLast(({ record }) => record.transactionalId === txn.transactionalId)
    const { lastProducerEpoch: _, previousProducerId, ...stored } = txn
    return { ...stored, previousProducerId: last?.record.valueVersion === 0 ? undefined : previousProducerId }
  }
}

/** Of transactions that are open; those that are ended wait for nothing after a restart. */
function firstOpen(state: PartitionState): number | undefined {
  const starts = state.activeProducers().map(({ currentTxnStartOffset }) => currentTxnStartOffset)
  const open = starts.filter((offset) => offset >= 0)
  return open.length === 0 ? undefined : Math.min(...open)
}

/** Whether the transaction of a batch has its marker below `end`. */
function isDecidedBelow(log: readonly LogEntry[], { header: data }: LogEntry, end: number): boolean {
  return log.some(
    ({ header: each, marker }) =>
      marker !== undefined &&
      each.producerId === data.producerId &&
      each.baseOffset > data.baseOffset &&
      each.baseOffset < end,
  )
}

function isAtLeast(
  a: { readonly producerId: number; readonly producerEpoch: number },
  b: { readonly producerId: number; readonly producerEpoch: number },
): boolean {
  return a.producerId === b.producerId ? a.producerEpoch >= b.producerEpoch : a.producerId > b.producerId
}

function encodedValue({ value, valueVersion }: TransactionRecord): Uint8Array | null {
  return value === null ? null : encodeRecord(transactionLogValue, valueVersion, value)
}

function decoded({ transactionalId, valueVersion }: TransactionRecord, bytes: Uint8Array | null): TransactionRecord {
  return { transactionalId, valueVersion, value: bytes === null ? null : decodeRecord(transactionLogValue, bytes) }
}
