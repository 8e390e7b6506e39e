/**
 * Runs the transaction coordinator over the partitions of `__transaction_state`, and writes the markers.
 *
 * An EndTxn is *decided* in core/transaction, made *durable* here by `#apply` (the Prepare record), and *answered* by
 * its handler once that is on disk. In the same tick in which the flush is reported, `#writeMarkers` appends the
 * markers of every partition together with the Complete record as ONE journal frame: after a crash either all of a
 * transaction's markers are there or none, and replay of the Prepare record writes them again.
 *
 * Invariants: no marker is appended before its Prepare record is durable; no answer leaves before everything this
 * coordinator has appended is durable; transactions that become durable together complete in one frame.
 */
import { partitionFor } from '../base/java-hash.ts'
import { assert } from '../base/assert.ts'
import type { Runtime } from '../base/runtime.ts'
import type {
  AddOrVerifyRequest,
  MarkerIntent,
  MarkerOutcome,
  TransactionCoordinator,
  TransactionResult,
} from '../core/transaction/transaction-coordinator.ts'
import type { TransactionRecord } from '../core/transaction/transaction-records.ts'
import type { ErrorCode } from '../protocol/error-codes.ts'
import { buildMarkerBatch } from '../protocol/control-record.ts'
import { readBatchHeader, readRecords } from '../protocol/record-batch.ts'
import type { LogStore } from '../storage/log-store.ts'
import {
  CONSUMER_OFFSETS_TOPIC,
  coordinatorBatch,
  decodeTransactionRecord,
  encodeTransactionRecord,
  TRANSACTION_STATE_TOPIC,
} from './coordinator-log.ts'
import type { CatalogueRuntime } from './catalogue-runtime.ts'
import { DeadlineTimer } from './deadline-timer.ts'
import { STATE_CHANGE_CHANNEL } from './events.ts'
import type { ForwardClock } from './forward-clock.ts'
import type { GroupRuntime } from './group-runtime.ts'
import type { Partition } from './partition.ts'
import type { BatchAppend, PartitionTable } from './partition-table.ts'

/** A marker to append: by the coordinator's own decision, or because an admin aborts a hung transaction. */
export interface MarkerWrite {
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly committed: boolean
  readonly transactionVersion: number
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[]
}

/** Markers that were allowed, with the batches that write them and what is to happen once they are appended. */
interface StagedMarkers {
  readonly outcomes: MarkerOutcome[]
  readonly appends: BatchAppend[]
}

export class TransactionRuntime {
  readonly coordinator: TransactionCoordinator
  readonly #runtime: Runtime
  readonly #clock: ForwardClock
  readonly #store: LogStore
  readonly #partitions: PartitionTable
  readonly #groups: GroupRuntime
  readonly #catalogue: CatalogueRuntime
  readonly #timer: DeadlineTimer
  /** Markers of transactions whose Prepare record is not durable yet, in LSN order. */
  #awaiting: { readonly lsn: number; readonly intent: MarkerIntent }[] = []
  readonly #watchers = new Map<string, Set<() => void>>()
  #lastLsn = 0

  constructor(
    coordinator: TransactionCoordinator,
    runtime: Runtime,
    clock: ForwardClock,
    store: LogStore,
    partitions: PartitionTable,
    groups: GroupRuntime,
    catalogue: CatalogueRuntime,
  ) {
    this.coordinator = coordinator
    this.#runtime = runtime
    this.#clock = clock
    this.#store = store
    this.#partitions = partitions
    this.#groups = groups
    this.#catalogue = catalogue
    this.#timer = new DeadlineTimer(
      clock,
      () => coordinator.nextDeadlineMs(),
      (nowMs) => this.#onDeadline(nowMs),
    )
    store.onDurable((lsn) => this.#becomeDurable(lsn))
  }

  /** The partition of `__transaction_state` that holds a transactional id. */
  partitionIndexOf(transactionalId: string): number {
    return partitionFor(transactionalId, this.#partitions.ofTopic(TRANSACTION_STATE_TOPIC).length)
  }

  /** Runs a decision; the answer comes when all it rests on is durable. */
  async run<Reply>(
    decide: (coordinator: TransactionCoordinator, nowMs: number) => TransactionResult<Reply>,
  ): Promise<Reply> {
    const { records, reply } = decide(this.coordinator, this.#clock.nowMs())
    this.#apply(records)
    await this.#settled()
    return reply
  }

  /** Runs a question; its answer may rest on records that are not durable yet. */
  async ask<Reply>(question: (coordinator: TransactionCoordinator, nowMs: number) => Reply): Promise<Reply> {
    const reply = question(this.coordinator, this.#clock.nowMs())
    await this.#settled()
    return reply
  }

  /** The outcome is decided, the markers are still to be written. */
  isDecided(transactionalId: string): boolean {
    const state = this.coordinator.stateOf(transactionalId)
    return state === 'PrepareCommit' || state === 'PrepareAbort'
  }

  /**
   * Adds partitions to a transaction, or verifies that they are in it, in this very tick: the caller appends in the
   * same tick, so the record that adds them precedes the data in the journal.
   * @returns one coordinator's error per partition
   */
  addOrVerifyPartitions(request: AddOrVerifyRequest): readonly ErrorCode[] {
    const result = this.coordinator.addOrVerifyPartitions(request, this.#clock.nowMs())
    this.#apply(result.records)
    return result.reply
  }

  /** Resolves when the transactional id has changed, or after `waitMs`. */
  changed(transactionalId: string, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      let watchers = this.#watchers.get(transactionalId)
      if (watchers === undefined) this.#watchers.set(transactionalId, (watchers = new Set()))
      const all = watchers
      const settle = (): void => {
        timer.cancel()
        all.delete(settle)
        if (all.size === 0) this.#watchers.delete(transactionalId)
        resolve()
      }
      const timer = this.#clock.setTimer(waitMs, settle)
      all.add(settle)
    })
  }

  /**
   * Appends markers that do not come from this coordinator (WriteTxnMarkers, used to abort a hung transaction).
   *
   * Deviation: a coordinator epoch above the present one counts as the present one. There is no later coordinator, and
   * a partition that believes in one would refuse this one's markers for ever.
   * @returns one error per partition, in order, once the markers are durable
   */
  async writeMarkers(given: MarkerWrite): Promise<ErrorCode[]> {
    const write = { ...given, coordinatorEpoch: Math.min(given.coordinatorEpoch, this.#partitions.leaderEpoch) }
    const staged = this.#stageMarkers(write)
    if (staged.appends.length > 0) {
      this.#lastLsn = this.#partitions.append(staged.appends).lsn
      this.#materialise(write, staged.outcomes)
    }
    await this.#settled()
    return staged.outcomes.map(({ errorCode }) => errorCode)
  }

  /** Replays the whole state topic; decided transactions whose markers are missing are completed by `start`. */
  async load(): Promise<void> {
    for (const partition of this.#partitions.ofTopic(TRANSACTION_STATE_TOPIC)) {
      for await (const batch of partition.log.readBatches(partition.log.logStartOffset)) {
        // A marker says nothing about a transactional id; its key would read as one.
        if (readBatchHeader(batch).isControl) continue
        for (const decoded of readRecords(batch, { maxDecompressedBytes: Infinity })) {
          const record = decodeTransactionRecord(decoded)
          if (record === undefined) continue
          this.coordinator.replay(record)
          // Deadlines are counted from what the last run wrote, so time must not be behind that.
          if (record.value !== null) this.#clock.reach(record.value.transactionLastUpdateTimestampMs)
        }
      }
    }
  }

  /** Completes what a crash left decided, and lets timeouts count. */
  start(): void {
    this.coordinator.onLoaded(this.#clock.nowMs())
    this.#writeMarkers(this.coordinator.takeMarkerIntents())
    this.#timer.reschedule()
  }

  stop(): void {
    this.#timer.stop()
  }

  #apply(records: readonly TransactionRecord[]): void {
    if (records.length > 0) {
      this.#lastLsn = this.#partitions.append(this.#batchesOf(records)).lsn
      this.#replay(records)
      for (const intent of this.coordinator.takeMarkerIntents()) this.#awaiting.push({ lsn: this.#lastLsn, intent })
    }
    this.#timer.reschedule()
  }

  #becomeDurable(lsn: number): void {
    let count = 0
    while (count < this.#awaiting.length && (this.#awaiting[count]?.lsn ?? Infinity) <= lsn) count += 1
    if (count > 0) this.#writeMarkers(this.#awaiting.splice(0, count).map(({ intent }) => intent))
  }

  /** Markers of all partitions of all these transactions, and their Complete records, in one frame. */
  #writeMarkers(intents: readonly MarkerIntent[]): void {
    if (intents.length === 0 || this.#store.failure !== undefined) return
    const appends: BatchAppend[] = []
    const completions: TransactionRecord[] = []
    const materialise: (() => void)[] = []
    const nowMs = this.#clock.nowMs()
    for (const intent of intents) {
      const staged = this.#stageMarkers(intent)
      appends.push(...staged.appends)
      materialise.push(() => this.#materialise(intent, staged.outcomes))
      completions.push(...this.coordinator.markersWritten(intent, staged.outcomes, nowMs).records)
    }
    this.#lastLsn = this.#partitions.append([...appends, ...this.#batchesOf(completions)]).lsn
    for (const each of materialise) each()
    this.#replay(completions)
    this.#timer.reschedule()
  }

  #stageMarkers(write: MarkerWrite): StagedMarkers {
    const outcomes: MarkerOutcome[] = []
    const appends: BatchAppend[] = []
    const { producerId, producerEpoch, coordinatorEpoch } = write
    const markerType = write.committed ? 'COMMIT' : 'ABORT'
    // The markers of a transaction differ in their base offsets only, which the append sets and the CRC does not cover.
    const marker = buildMarkerBatch({
      markerType,
      producerId,
      producerEpoch,
      coordinatorEpoch,
      timestampMs: this.#runtime.clock.nowMs(),
      baseOffset: 0,
      partitionLeaderEpoch: this.#partitions.leaderEpoch,
    })
    for (const { topic, partition: index } of write.partitions) {
      const partition = this.#partitions.get(topic, index)
      const errorCode = partition === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : this.#decideMarker(partition, write)
      outcomes.push({ topic, partition: index, errorCode })
      if (partition === undefined || errorCode !== 'NONE') continue
      appends.push({ partition, batch: Buffer.from(marker), marker: { markerType, coordinatorEpoch } })
    }
    return { outcomes, appends }
  }

  #decideMarker(partition: Partition, write: MarkerWrite): ErrorCode {
    const { producerId, producerEpoch, coordinatorEpoch, transactionVersion } = write
    return partition.state.decideMarker({ producerId, producerEpoch, coordinatorEpoch, transactionVersion })
  }

  /** Offsets that waited for this transaction become committed, or are dropped, in the tick of the append (KAFKA-17507). */
  #materialise(write: MarkerWrite, outcomes: readonly MarkerOutcome[]): void {
    for (const { topic, partition, errorCode } of outcomes) {
      if (topic !== CONSUMER_OFFSETS_TOPIC || errorCode !== 'NONE') continue
      this.#groups.onMarker(partition, write.producerId, write.committed)
    }
  }

  #batchesOf(records: readonly TransactionRecord[]): BatchAppend[] {
    const byPartition = new Map<Partition, TransactionRecord[]>()
    for (const record of records) {
      const index = this.partitionIndexOf(record.transactionalId)
      const partition = this.#partitions.get(TRANSACTION_STATE_TOPIC, index)
      assert(partition !== undefined, `${TRANSACTION_STATE_TOPIC}-${index} exists`)
      const run = byPartition.get(partition)
      if (run === undefined) byPartition.set(partition, [record])
      else run.push(record)
    }
    const nowMs = this.#clock.nowMs()
    return Array.from(byPartition, ([partition, run]) => ({
      partition,
      batch: coordinatorBatch(run.map(encodeTransactionRecord), nowMs),
    }))
  }

  #replay(records: readonly TransactionRecord[]): void {
    const { events } = this.#runtime
    for (const record of records) {
      const { transactionalId } = record
      const isHeard = events.hasSubscribers(STATE_CHANGE_CHANNEL)
      const from = isHeard ? this.coordinator.stateOf(transactionalId) : undefined
      this.coordinator.replay(record)
      if (isHeard) {
        const { producerId, producerEpoch, transactionPartitions: partitions } = record.value ?? {}
        const to = this.coordinator.stateOf(transactionalId)
        events.publish(STATE_CHANGE_CHANNEL, { transactionalId, from, to, producerId, producerEpoch, partitions })
      }
      for (const wake of [...(this.#watchers.get(transactionalId) ?? [])]) wake()
    }
  }

  #onDeadline(nowMs: number): void {
    if (this.#store.failure !== undefined) return
    this.#apply(this.coordinator.onDeadline(nowMs).records)
  }

  #settled(): Promise<void> {
    // The id of a producer that is not transactional is in no record: told before its block is durable, it would be given again.
    return this.#store.whenDurable(Math.max(this.#lastLsn, this.#catalogue.producerIdsLsn))
  }
}
