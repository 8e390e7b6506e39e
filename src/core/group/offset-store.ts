/**
 * Offsets of all groups: the committed ones, and those that wait for the end of a transaction.
 *
 * Changed by `replay` and `endTransaction` alone, live and at start, so that both give the same. Knows nothing of
 * members. Invariants: SPEC.md I10–I14. Source: OffsetMetadataManager of Kafka 4.3; KIP-98, KIP-447.
 */
import { NO_TIMESTAMP } from './group-records.ts'
import type { OffsetCommitRecord } from './group-records.ts'

export interface CommittedOffset {
  /** Where its record lies in the partition of `__consumer_offsets`: decides which of two commits is the later one. */
  readonly recordOffset: number
  readonly offset: number
  /** -1: unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestampMs: number
  /** Given by clients up to OffsetCommit version 4 only. */
  readonly expireTimestampMs: number | undefined
  /** `ZERO_UUID` when the commit did not carry it. */
  readonly topicId: string
}

/** Values by group, topic and partition. Empty levels are removed. */
export class ByPartition<Value> {
  readonly #groups = new Map<string, Map<string, Map<number, Value>>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  hasGroup(group: string): boolean {
    return this.#groups.has(group)
  }

  groups(): Iterable<string> {
    return this.#groups.keys()
  }

  topics(group: string): ReadonlyMap<string, ReadonlyMap<number, Value>> | undefined {
    return this.#groups.get(group)
  }

  get(group: string, topic: string, partition: number): Value | undefined {
    return this.#groups.get(group)?.get(topic)?.get(partition)
  }

  set(group: string, topic: string, partition: number, value: Value): void {
    let topics = this.#groups.get(group)
    if (topics === undefined) this.#groups.set(group, (topics = new Map()))
    let partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, (partitions = new Map()))
    if (!partitions.has(partition)) this.#size += 1
    partitions.set(partition, value)
  }

  delete(group: string, topic: string, partition: number): boolean {
    const topics = this.#groups.get(group)
    const partitions = topics?.get(topic)
    if (topics === undefined || partitions === undefined || !partitions.delete(partition)) return false
    this.#size -= 1
    if (partitions.size === 0) topics.delete(topic)
    if (topics.size === 0) this.#groups.delete(group)
    return true
  }

  *entries(): Iterable<readonly [group: string, topic: string, partition: number, value: Value]> {
    for (const [group, topics] of this.#groups) {
      for (const [topic, partitions] of topics) {
        for (const [partition, value] of partitions) yield [group, topic, partition, value]
      }
    }
  }
}

export class OffsetStore {
  readonly #committed = new ByPartition<CommittedOffset>()
  /** By partition of `__consumer_offsets`, then producer id: a marker ends what lies in its own partition. */
  readonly #pending = new Map<number, Map<number, ByPartition<CommittedOffset>>>()
  /** The producers whose transactions hold an offset of the partition. */
  readonly #open = new ByPartition<Set<number>>()
  #pendingCount = 0

  get committedCount(): number {
    return this.#committed.size
  }

  get pendingCount(): number {
    return this.#pendingCount
  }

  committed(group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#committed.get(group, topic, partition)
  }

  /** All committed offsets of a group, by topic and partition. */
  committedOf(group: string): ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>> {
    return this.#committed.topics(group) ?? new Map()
  }

  /** All partitions of a group for which some transaction is undecided. */
  pendingOf(group: string): ReadonlyMap<string, ReadonlyMap<number, ReadonlySet<number>>> {
    return this.#open.topics(group) ?? new Map()
  }

  hasPending(group: string): boolean {
    return this.#open.hasGroup(group)
  }

  isPending(group: string, topic: string, partition: number): boolean {
    return this.#open.get(group, topic, partition) !== undefined
  }

  /** The groups that have an offset, committed or pending. */
  groups(): Set<string> {
    return new Set([...this.#committed.groups(), ...this.#open.groups()])
  }

  /** The topic ids that pending offsets of the partition were committed with. */
  *pendingTopicIds(group: string, topic: string, partition: number): Iterable<string> {
    const producerIds = this.#open.get(group, topic, partition)
    if (producerIds === undefined) return
    for (const producers of this.#pending.values()) {
      for (const producerId of producerIds) {
        const offset = producers.get(producerId)?.get(group, topic, partition)
        if (offset !== undefined) yield offset.topicId
      }
    }
  }

  replay({ key, value, transactional }: OffsetCommitRecord, recordOffset: number, offsetsPartition: number): void {
    const { group, topic, partition } = key
    if (value === null) {
      this.#committed.delete(group, topic, partition)
      this.#dropPending(offsetsPartition, group, topic, partition)
      return
    }
    const offset: CommittedOffset = {
      recordOffset,
      offset: value.offset,
      leaderEpoch: value.leaderEpoch,
      metadata: value.metadata,
      commitTimestampMs: value.commitTimestamp,
      expireTimestampMs: value.expireTimestamp === NO_TIMESTAMP ? undefined : value.expireTimestamp,
      topicId: value.topicId,
    }
    if (transactional === undefined) this.#committed.set(group, topic, partition, offset)
    else this.#stage(offsetsPartition, transactional.producerId, group, topic, partition, offset)
  }

  /**
   * The marker of a transaction: what it staged counts now, unless a later commit has overtaken it, or is dropped.
   * A marker for a producer that staged nothing here is without effect.
   */
  endTransaction(offsetsPartition: number, producerId: number, committed: boolean): void {
    const producers = this.#pending.get(offsetsPartition)
    const staged = producers?.get(producerId)
    if (producers === undefined || staged === undefined) return
    producers.delete(producerId)
    if (producers.size === 0) this.#pending.delete(offsetsPartition)
    this.#pendingCount -= staged.size
    for (const [group, topic, partition, offset] of staged.entries()) {
      this.#close(group, topic, partition, producerId)
      const current = this.#committed.get(group, topic, partition)
      if (committed && (current === undefined || offset.recordOffset > current.recordOffset)) {
        this.#committed.set(group, topic, partition, offset)
      }
    }
  }

  #stage(
    offsetsPartition: number,
    producerId: number,
    group: string,
    topic: string,
    partition: number,
    offset: CommittedOffset,
  ): void {
    let producers = this.#pending.get(offsetsPartition)
    if (producers === undefined) this.#pending.set(offsetsPartition, (producers = new Map()))
    let staged = producers.get(producerId)
    if (staged === undefined) producers.set(producerId, (staged = new ByPartition()))
    const before = staged.size
    staged.set(group, topic, partition, offset)
    this.#pendingCount += staged.size - before
    const open = this.#open.get(group, topic, partition)
    if (open === undefined) this.#open.set(group, topic, partition, new Set([producerId]))
    else open.add(producerId)
  }

  #dropPending(offsetsPartition: number, group: string, topic: string, partition: number): void {
    const producers = this.#pending.get(offsetsPartition)
    for (const producerId of [...(this.#open.get(group, topic, partition) ?? [])]) {
      const staged = producers?.get(producerId)
      if (staged?.delete(group, topic, partition) === true) this.#pendingCount -= 1
      if (staged?.size === 0) producers?.delete(producerId)
      this.#close(group, topic, partition, producerId)
    }
    if (producers?.size === 0) this.#pending.delete(offsetsPartition)
  }

  #close(group: string, topic: string, partition: number, producerId: number): void {
    const open = this.#open.get(group, topic, partition)
    if (open?.delete(producerId) === true && open.size === 0) this.#open.delete(group, topic, partition)
  }
}
