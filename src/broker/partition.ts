/**
 * One topic partition of the running broker: the pure state (producers, transactions, watermarks) joined with its log.
 *
 * Owns who waits for new data here. Leaves decisions to core/partition, bytes to storage. Appends go through
 * PartitionTable, because several partitions share one journal frame.
 */
import type { TopicConfig } from '../core/metadata/topic-config.ts'
import type { PartitionState } from '../core/partition/partition-state.ts'
import type { PartitionLog } from '../storage/partition-log.ts'

export type IsolationLevel = 'read_uncommitted' | 'read_committed'

export interface TopicIdentity {
  readonly topicId: string
  readonly name: string
  readonly isInternal: boolean
}

export class Partition {
  readonly topic: TopicIdentity
  readonly index: number
  readonly state: PartitionState
  readonly log: PartitionLog
  /** Replaced as a whole when the topic's configuration changes. */
  config: TopicConfig
  /** The topic is gone; requests that still hold the partition find it empty and answer UNKNOWN_TOPIC_OR_PARTITION. */
  isDeleted = false
  readonly #waiters = new Set<() => void>()

  constructor(topic: TopicIdentity, index: number, state: PartitionState, log: PartitionLog, config: TopicConfig) {
    this.topic = topic
    this.index = index
    this.state = state
    this.log = log
    this.config = config
  }

  get name(): string {
    return `${this.topic.name}-${this.index}`
  }

  /** The first offset that a reader of this isolation level may not see. */
  readLimit(isolationLevel: IsolationLevel): number {
    return isolationLevel === 'read_committed' ? this.state.lastStableOffset : this.state.highWatermark
  }

  /** Calls back whenever a watermark has moved or the partition is gone, until the answered function is called. */
  watch(listener: () => void): () => void {
    this.#waiters.add(listener)
    return () => this.#waiters.delete(listener)
  }

  /** Everything below `offset` is durable. */
  becomeDurable(offset: number): void {
    const before = this.state.lastStableOffset
    const moved = this.state.advanceHighWatermark(offset)
    if (moved || this.state.lastStableOffset !== before) this.wake()
  }

  wake(): void {
    for (const listener of [...this.#waiters]) listener()
  }
}
