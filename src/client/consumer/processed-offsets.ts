/**
 * Up to where a consumer has processed its partitions, and what of that is committed: by time, at rebalances, when asked.
 *
 * Owns that commits of one consumer follow one another (one that overtook a newer one would take it back), and that nothing is
 * committed for partitions it does not have, or under a membership that is not its own any more.
 */
import type { Cluster } from '../cluster/cluster.ts'
import type { Fetcher } from '../core/fetch/fetcher.ts'
import { KafkaError } from '../errors.ts'
import type { ConsumerRecord, GroupMetadata, TopicPartition } from '../topic.ts'
import {
  type CallLimits,
  commitOffsets,
  isAboutMembership,
  type MembershipError,
  type OffsetToCommit,
} from './group-offsets.ts'

export interface ProcessedOffsetsOptions {
  /** Without a group nothing is committed. */
  readonly groupId: string | undefined
  readonly isAutomatic: boolean
  readonly intervalMs: number
  readonly limits: () => CallLimits
  readonly membership: () => GroupMetadata
  /** Whether partitions come from the group; otherwise it only keeps the offsets. */
  readonly isMember: boolean
  /** The group does not take commits of this membership any more. */
  readonly onRefused: (error: MembershipError) => void
}

export class ProcessedOffsets {
  readonly #cluster: Cluster
  readonly #fetcher: Fetcher
  readonly #options: ProcessedOffsetsOptions
  readonly #processed = new Map<string, OffsetToCommit>()
  readonly #committed = new Map<string, number>()
  #committing: Promise<void> | undefined
  #lastCommitMs: number

  constructor(cluster: Cluster, fetcher: Fetcher, options: ProcessedOffsetsOptions) {
    this.#cluster = cluster
    this.#fetcher = fetcher
    this.#options = options
    this.#lastCommitMs = this.#nowMs
  }

  /** The record is done: it and all before it in its partition may be committed. */
  markProcessed(record: Pick<ConsumerRecord, 'topic' | 'partition' | 'offset' | 'leaderEpoch'>): void {
    const { topic, partition, offset, leaderEpoch } = record
    if (!this.#fetcher.isAssigned({ topic, partition })) return
    this.#processed.set(keyOf(record), { topic, partition, offset: offset + 1, leaderEpoch })
  }

  /** Everything that was handed out is done; so are the markers and aborted records behind it. */
  markAllProcessed(): void {
    for (const { topic, partition } of this.#fetcher.assignment) {
      const position = this.#fetcher.position({ topic, partition })
      if (position !== undefined) this.#processed.set(keyOf({ topic, partition }), { topic, partition, ...position })
    }
  }

  onSeek(partition: TopicPartition): void {
    this.#processed.delete(keyOf(partition))
  }

  /** These are another's. */
  forget(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      this.#processed.delete(keyOf(partition))
      this.#committed.delete(keyOf(partition))
    }
  }

  noteCommitted(at: TopicPartition & { readonly offset: number }): void {
    this.#committed.set(keyOf(at), at.offset)
  }

  /** Does not wait for the commit: reading goes on meanwhile. */
  async commitByTime(): Promise<void> {
    const { isAutomatic, intervalMs, groupId } = this.#options
    if (!isAutomatic || groupId === undefined || this.#committing !== undefined) return
    if (this.#nowMs - this.#lastCommitMs < intervalMs) return
    this.#lastCommitMs = this.#nowMs
    void this.commitQuietly()
  }

  /** Never rejects: what cannot be committed is processed again, and that is no reason to stop. */
  async commitQuietly(): Promise<void> {
    const { groupId } = this.#options
    if (groupId === undefined) return
    try {
      await this.commitProcessed()
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error)
      this.#cluster.runtime.logger.warn('offsets could not be committed', { groupId, error: what })
    }
  }

  async commitProcessed(): Promise<void> {
    while (this.#committing !== undefined) await this.#committing.catch(() => undefined)
    const offsets = [...this.#processed.values()].filter((one) => this.#committed.get(keyOf(one)) !== one.offset)
    if (offsets.length === 0) return
    this.#committing = this.commit(offsets)
    try {
      await this.#committing
    } finally {
      this.#committing = undefined
    }
  }

  /** Rejects with KafkaError. */
  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const { membership, isMember, limits, onRefused } = this.#options
    const group = membership()
    if (isMember && group.generationId < 0) {
      throw new KafkaError(
        'ILLEGAL_GENERATION',
        `not a member of group ${group.groupId} at the moment, so nothing can be committed`,
      )
    }
    try {
      await commitOffsets(this.#cluster, group, offsets, limits())
    } catch (error) {
      // Said of the membership that was asked with; a newer one is not touched by it.
      if (isMember && isAboutMembership(error) && membership().generationId === group.generationId) onRefused(error)
      throw error
    }
    for (const one of offsets) if (this.#fetcher.isAssigned(one)) this.noteCommitted(one)
  }

  get #nowMs(): number {
    return this.#cluster.runtime.clock.monotonicMs()
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
