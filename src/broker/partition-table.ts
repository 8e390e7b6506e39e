/**
 * All partitions of the broker, and the one way to append to them.
 *
 * `append` is where decided batches become part of the log: offsets are set in place, everything of one call goes into
 * one journal frame, the in-memory state is replayed in the same tick, and watermarks follow when the frame is durable.
 * Invariants: a batch is appended only after `decide` of the same tick allowed it; a high watermark never passes what
 * the journal has reported durable; watermarks of all partitions of one frame move in one tick.
 */
import { assert } from '../base/assert.ts'
import type { EventSink } from '../base/runtime.ts'
import type { Marker } from '../protocol/control-record.ts'
import { readBatchHeader, setBaseOffset, setPartitionLeaderEpoch } from '../protocol/record-batch.ts'
import type { BatchHeader } from '../protocol/record-batch.ts'
import type { LogStore } from '../storage/log-store.ts'
import type { Partition } from './partition.ts'
import { APPEND_CHANNEL, FLUSH_CHANNEL, MARKER_CHANNEL } from './events.ts'

export interface BatchAppend {
  readonly partition: Partition
  /** Exactly one record batch; base offset and leader epoch are written into it. Must not change afterwards. */
  readonly batch: Uint8Array
  /** Of a control batch. */
  readonly marker?: Marker
}

export interface AppendedBatch {
  readonly baseOffset: number
  readonly lastOffset: number
}

interface PendingDurability {
  readonly lsn: number
  readonly partition: Partition
  readonly endOffset: number
}

export class PartitionTable {
  readonly #store: LogStore
  readonly #events: EventSink
  readonly #byTopicName = new Map<string, Partition[]>()
  readonly #byTopicId = new Map<string, Partition[]>()
  /** In LSN order. */
  #pending: PendingDurability[] = []
  #durableLsn: number
  /** Set once, at start: the epoch of this run of the broker. */
  leaderEpoch = 0

  constructor(store: LogStore, events: EventSink) {
    this.#store = store
    this.#events = events
    this.#durableLsn = store.durableLsn
    store.onDurable((lsn) => this.#becomeDurable(lsn))
  }

  get count(): number {
    let count = 0
    for (const partitions of this.#byTopicId.values()) count += partitions.length
    return count
  }

  add(partition: Partition): void {
    const { topicId, name } = partition.topic
    let partitions = this.#byTopicId.get(topicId)
    if (partitions === undefined) {
      partitions = []
      this.#byTopicId.set(topicId, partitions)
      this.#byTopicName.set(name, partitions)
    }
    assert(partitions.length === partition.index, `${partition.name} is added after ${partitions.length} others`)
    partitions.push(partition)
  }

  /** Takes a deleted topic out; who waits on it is woken and finds it gone. */
  removeTopic(topicId: string): Partition[] {
    const partitions = this.#byTopicId.get(topicId) ?? []
    this.#byTopicId.delete(topicId)
    const name = partitions[0]?.topic.name
    if (name !== undefined && this.#byTopicName.get(name) === partitions) this.#byTopicName.delete(name)
    for (const partition of partitions) {
      partition.isDeleted = true
      partition.wake()
    }
    return partitions
  }

  get(topicName: string, index: number): Partition | undefined {
    return this.#byTopicName.get(topicName)?.[index]
  }

  getById(topicId: string, index: number): Partition | undefined {
    return this.#byTopicId.get(topicId)?.[index]
  }

  ofTopic(topicName: string): readonly Partition[] {
    return this.#byTopicName.get(topicName) ?? []
  }

  *[Symbol.iterator](): IterableIterator<Partition> {
    for (const partitions of this.#byTopicId.values()) yield* partitions
  }

  /**
   * Appends batches as one atomic journal frame and replays them into the partitions' state.
   * @returns the offsets given, in the order of `appends`, and the LSN whose durability an acknowledgement waits for
   * @throws StorageFailure when the store has stopped
   */
  append(appends: readonly BatchAppend[]): { readonly lsn: number; readonly batches: AppendedBatch[] } {
    const headers: BatchHeader[] = []
    const nextOffsets = new Map<Partition, number>()
    for (const { partition, batch } of appends) {
      const baseOffset = nextOffsets.get(partition) ?? partition.state.logEndOffset
      setBaseOffset(batch, baseOffset)
      setPartitionLeaderEpoch(batch, this.leaderEpoch)
      const header = readBatchHeader(batch)
      headers.push(header)
      nextOffsets.set(partition, header.lastOffset + 1)
    }
    const lsn = this.#store.append(
      appends.map(({ partition, batch }, index) => ({
        log: partition.log,
        batch,
        header: headers[index] as BatchHeader,
      })),
    )
    const batches = appends.map(({ partition, marker }, index) => {
      const header = headers[index] as BatchHeader
      assert(header.isControl === (marker !== undefined), 'a control batch comes with its marker')
      const { aborted } = partition.state.replay(header, marker)
      if (aborted !== undefined) partition.log.appendAborted(aborted)
      this.#publish(partition, header, marker?.markerType)
      return { baseOffset: header.baseOffset, lastOffset: header.lastOffset }
    })
    for (const [partition, endOffset] of nextOffsets) this.#pending.push({ lsn, partition, endOffset })
    return { lsn, batches }
  }

  #becomeDurable(lsn: number): void {
    if (this.#events.hasSubscribers(FLUSH_CHANNEL)) {
      this.#events.publish(FLUSH_CHANNEL, { durableLsn: lsn, frames: lsn - this.#durableLsn })
    }
    this.#durableLsn = lsn
    let count = 0
    while (count < this.#pending.length && (this.#pending[count] as PendingDurability).lsn <= lsn) count += 1
    const durable = this.#pending.splice(0, count)
    // Of several appends to one partition only the last matters; readers are woken once.
    const endOffsets = new Map<Partition, number>()
    for (const { partition, endOffset } of durable) endOffsets.set(partition, endOffset)
    for (const [partition, endOffset] of endOffsets) partition.becomeDurable(endOffset)
  }

  #publish(partition: Partition, header: BatchHeader, markerType: 'COMMIT' | 'ABORT' | undefined): void {
    const { producerId, producerEpoch, baseOffset, lastOffset } = header
    const channel = markerType === undefined ? APPEND_CHANNEL : MARKER_CHANNEL
    if (!this.#events.hasSubscribers(channel)) return
    const common = { topic: partition.topic.name, partition: partition.index, producerId, producerEpoch, baseOffset }
    if (markerType !== undefined) this.#events.publish(channel, { ...common, markerType })
    else {
      const { baseSequence, sizeBytes, isTransactional } = header
      this.#events.publish(channel, { ...common, lastOffset, baseSequence, sizeBytes, isTransactional })
    }
  }
}
