/**
 * Runs the group coordinator over the partitions of `__consumer_offsets`.
 *
 * Owns the requests that wait for a rebalance, the coordinator's timer, and the routing of its records. Decisions are
 * core/group's. Invariants: the records of one decision go into one journal frame and are replayed in the same tick;
 * no answer leaves before everything this coordinator has appended is durable, so nobody sees what a power cut undoes.
 */
import { assert } from '../base/assert.ts'
import { partitionFor } from '../base/java-hash.ts'
import type { Clock } from '../base/runtime.ts'
import type { GroupCoordinatorApi } from '../core/group/group-coordinator-api.ts'
import type { GroupCompletion, GroupRequestContext, GroupResult } from '../core/group/group-api.ts'
import type { GroupRecord } from '../core/group/group-records.ts'
import type { ErrorCode } from '../protocol/error-codes.ts'
import { readMarker } from '../protocol/control-record.ts'
import { readBatchHeader, readRecords } from '../protocol/record-batch.ts'
import type { LogStore } from '../storage/log-store.ts'
import { CONSUMER_OFFSETS_TOPIC, coordinatorBatch, decodeGroupRecord, encodeGroupRecord } from './coordinator-log.ts'
import { DeadlineTimer } from './deadline-timer.ts'
import type { RequestContext } from './handler.ts'
import type { BatchAppend, PartitionTable } from './partition-table.ts'

/** Identifies a waiting JoinGroup or SyncGroup. */
interface WaitingRequest {
  resolve(reply: unknown): void
}

/** Records for one partition, of one producer when they are transactional. */
interface RecordRun {
  readonly partitionIndex: number
  readonly records: GroupRecord[]
  readonly producer: { readonly producerId: number; readonly producerEpoch: number } | undefined
}

export class GroupRuntime {
  readonly coordinator: GroupCoordinatorApi
  readonly #clock: Clock
  readonly #store: LogStore
  readonly #partitions: PartitionTable
  readonly #timer: DeadlineTimer
  #lastLsn = 0

  constructor(coordinator: GroupCoordinatorApi, clock: Clock, store: LogStore, partitions: PartitionTable) {
    this.coordinator = coordinator
    this.#clock = clock
    this.#store = store
    this.#partitions = partitions
    this.#timer = new DeadlineTimer(
      clock,
      () => coordinator.nextDeadlineMs(),
      (nowMs) => this.#onDeadline(nowMs),
    )
  }

  /** The partition of `__consumer_offsets` that holds a group. */
  partitionIndexOf(groupId: string): number {
    return partitionFor(groupId, this.#partitions.ofTopic(CONSUMER_OFFSETS_TOPIC).length)
  }

  contextOf({ apiVersion, clientId, remoteAddress }: RequestContext): GroupRequestContext {
    return { apiVersion, clientId, remoteAddress, nowMs: this.#clock.nowMs() }
  }

  /** Runs a decision that answers at once; the answer comes when all it rests on is durable. */
  async run<Reply>(decide: (coordinator: GroupCoordinatorApi) => GroupResult<Reply>): Promise<Reply> {
    const result = decide(this.coordinator)
    this.#apply(result)
    assert(result.reply !== undefined, 'a decision without a token answers at once')
    await this.#settled()
    return result.reply
  }

  /** Runs a decision whose answer may have to wait for other members. */
  async runWaiting<Reply>(
    decide: (coordinator: GroupCoordinatorApi, token: unknown) => GroupResult<Reply>,
  ): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const token: WaitingRequest = { resolve }
    const result = decide(this.coordinator, token)
    this.#apply(result)
    const reply = result.reply ?? ((await promise) as Reply)
    await this.#settled()
    return reply
  }

  /** Runs a question; its answer may rest on records that are not durable yet. */
  async ask<Reply>(question: (coordinator: GroupCoordinatorApi) => Reply): Promise<Reply> {
    const reply = question(this.coordinator)
    await this.#settled()
    return reply
  }

  /**
   * Whether a producer may write transactional offsets of a group now, as far as its partition's log knows.
   * The transaction coordinator has been asked in the same tick.
   */
  checkTransactional(groupId: string, producerId: number, producerEpoch: number): ErrorCode {
    const partition = this.#partitions.get(CONSUMER_OFFSETS_TOPIC, this.partitionIndexOf(groupId))
    assert(partition !== undefined, `${CONSUMER_OFFSETS_TOPIC} exists from the first start on`)
    const currentEpoch = partition.state.producerEpoch(producerId)
    return currentEpoch !== undefined && producerEpoch < currentEpoch ? 'INVALID_PRODUCER_EPOCH' : 'NONE'
  }

  hasOpenTransaction(groupId: string, producerId: number, producerEpoch: number): boolean {
    const partition = this.#partitions.get(CONSUMER_OFFSETS_TOPIC, this.partitionIndexOf(groupId))
    return partition?.state.hasOpenTransaction(producerId, producerEpoch) ?? false
  }

  /** A transaction marker was appended to a partition of the offsets topic: what waited for it takes effect. */
  onMarker(offsetsPartition: number, producerId: number, committed: boolean): void {
    this.coordinator.onTransactionMarker({ offsetsPartition, producerId, committed })
    this.#lastLsn = Math.max(this.#lastLsn, this.#store.appendedLsn)
    this.#timer.reschedule()
  }

  topicDeleted(topic: { readonly name: string; readonly topicId: string }): void {
    this.#apply(this.coordinator.topicDeleted(topic))
  }

  /** Replays the whole offsets topic, then lets sessions count. */
  async load(): Promise<void> {
    for (const partition of this.#partitions.ofTopic(CONSUMER_OFFSETS_TOPIC)) {
      for await (const batch of partition.log.readBatches(partition.log.logStartOffset)) {
        this.#replayBatch(partition.index, batch)
      }
    }
    this.#apply(this.coordinator.onLoaded(this.#clock.nowMs()))
  }

  stop(): void {
    this.#timer.stop()
    for (const completion of this.coordinator.unload().completions) complete(completion)
  }

  #replayBatch(partitionIndex: number, batch: Uint8Array): void {
    const header = readBatchHeader(batch)
    const { producerId, producerEpoch } = header
    if (header.isControl) {
      const committed = readMarker(batch).markerType === 'COMMIT'
      this.coordinator.onTransactionMarker({ offsetsPartition: partitionIndex, producerId, committed })
      return
    }
    const producer = header.isTransactional ? { producerId, producerEpoch } : undefined
    for (const decoded of readRecords(batch, { maxDecompressedBytes: Infinity })) {
      const record = decodeGroupRecord(decoded, producer)
      if (record !== undefined) this.coordinator.replay(record, { recordOffset: decoded.offset })
    }
  }

  #apply(result: GroupResult<unknown>): void {
    if (result.records.length > 0) this.#append(result.records)
    this.#timer.reschedule()
    if (result.completions.length === 0) return
    // Who waited is answered once the records of the rebalance are durable.
    const lsn = this.#lastLsn
    void this.#store.whenDurable(lsn).then(
      () => result.completions.forEach(complete),
      () => undefined, // The store has failed: the broker stops, connections close without an answer.
    )
  }

  #append(records: readonly GroupRecord[]): void {
    const runs = this.#runsOf(records)
    const nowMs = this.#clock.nowMs()
    const appends = runs.map((run): BatchAppend => {
      const partition = this.#partitions.get(CONSUMER_OFFSETS_TOPIC, run.partitionIndex)
      assert(partition !== undefined, `${CONSUMER_OFFSETS_TOPIC}-${run.partitionIndex} exists`)
      return { partition, batch: coordinatorBatch(run.records.map(encodeGroupRecord), nowMs, run.producer) }
    })
    const { lsn, batches } = this.#partitions.append(appends)
    this.#lastLsn = lsn
    runs.forEach((run, index) => {
      const baseOffset = batches[index]?.baseOffset ?? 0
      run.records.forEach((record, delta) => {
        this.coordinator.replay(record, { recordOffset: baseOffset + delta })
      })
    })
  }

  /** Keeps the order within a partition; a change of producer starts a new batch. */
  #runsOf(records: readonly GroupRecord[]): RecordRun[] {
    const runs: RecordRun[] = []
    for (const record of records) {
      const partitionIndex = this.partitionIndexOf(record.key.group)
      const producer = record.type === 'OffsetCommit' ? record.transactional : undefined
      const last = runs.findLast((run) => run.partitionIndex === partitionIndex)
      if (last !== undefined && last.producer?.producerId === producer?.producerId) last.records.push(record)
      else runs.push({ partitionIndex, records: [record], producer })
    }
    return runs
  }

  /** The coordinator does one thing at a time, so that records are replayed before its next decision. */
  #onDeadline(nowMs: number): void {
    for (;;) {
      const deadlineMs = this.coordinator.nextDeadlineMs()
      if (deadlineMs === undefined || deadlineMs > nowMs || this.#store.failure !== undefined) return
      this.#apply(this.coordinator.onDeadline(nowMs))
    }
  }

  #settled(): Promise<void> {
    return this.#store.whenDurable(this.#lastLsn)
  }
}

function complete({ token, reply }: GroupCompletion): void {
  ;(token as WaitingRequest).resolve(reply)
}
