/**
 * One incremental fetch session with one broker: each request names only what changed since the last one.
 *
 * Owns the session's id and epoch and what the broker thinks is in it. Any doubt (a lost answer, an error of the session)
 * ends in a full request, which begins a new session.
 *
 * Source: KIP-227, KIP-516 (topic ids); org.apache.kafka.clients.FetchSessionHandler.
 */
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import type { FetchRequestDraft } from '../../../protocol/messages/fetch.ts'
import { ZERO_UUID } from '../../../protocol/schema.ts'

export interface SessionPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly fetchOffset: number
  readonly currentLeaderEpoch: number
  readonly maxBytes: number
}

export interface SessionRequest {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly topics: FetchRequestDraft['topics']
  readonly forgotten: NonNullable<FetchRequestDraft['forgottenTopicsData']>
  /** Whether all topics have ids; without one the request must use a version that goes by names. */
  readonly hasTopicIds: boolean
}

const NO_SESSION = 0
const FIRST_EPOCH = 0
const EPOCH_MAX = 0x7fffffff

export class FetchSession {
  #sessionId = NO_SESSION
  #epoch = FIRST_EPOCH
  #known = new Map<string, SessionPartition>()
  #usesTopicIds = false

  /** @param wanted  everything that is to be fetched now */
  build(wanted: readonly SessionPartition[]): SessionRequest {
    const hasTopicIds = wanted.every(({ topicId }) => topicId !== ZERO_UUID)
    // A session goes by ids or by names, not by both.
    if (this.#epoch !== FIRST_EPOCH && hasTopicIds !== this.#usesTopicIds) this.#epoch = FIRST_EPOCH
    this.#usesTopicIds = hasTopicIds
    const next = new Map(wanted.map((partition) => [keyOf(partition), partition]))
    const isFull = this.#epoch === FIRST_EPOCH
    const changed = isFull
      ? wanted
      : wanted.filter((partition) => !isSame(partition, this.#known.get(keyOf(partition))))
    const forgotten = isFull
      ? []
      : [...this.#known.values()].filter((partition) => next.get(keyOf(partition))?.topicId !== partition.topicId)
    this.#known = next
    return {
      sessionId: this.#sessionId,
      sessionEpoch: this.#epoch,
      topics: byTopic(changed).map(({ topic, topicId, partitions }) => ({
        topic,
        topicId,
        partitions: partitions.map(({ partition, fetchOffset, currentLeaderEpoch, maxBytes }) => ({
          partition,
          fetchOffset,
          currentLeaderEpoch,
          partitionMaxBytes: maxBytes,
        })),
      })),
      forgotten: byTopic(forgotten).map(({ topic, topicId, partitions }) => ({
        topic,
        topicId,
        partitions: partitions.map(({ partition }) => partition),
      })),
      hasTopicIds,
    }
  }

  /** @returns whether the answer may be looked at: false after an error of the session, the next request is a full one */
  onResponse(errorCode: ErrorCode, sessionId: number): boolean {
    if (errorCode !== 'NONE') {
      // A session that is gone cannot be ended; one in disorder is, by the full request that names it.
      if (errorCode === 'FETCH_SESSION_ID_NOT_FOUND') this.#sessionId = NO_SESSION
      this.#epoch = FIRST_EPOCH
      return false
    }
    if (sessionId === NO_SESSION) {
      this.#sessionId = NO_SESSION
      this.#epoch = FIRST_EPOCH
      return true
    }
    this.#sessionId = sessionId
    this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1
    return true
  }

  /** The answer was lost: what the broker's session holds is not known any more. */
  onFailure(): void {
    this.#epoch = FIRST_EPOCH
  }
}

function keyOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`
}

function isSame(a: SessionPartition, b: SessionPartition | undefined): boolean {
  return (
    b !== undefined &&
    a.fetchOffset === b.fetchOffset &&
    a.currentLeaderEpoch === b.currentLeaderEpoch &&
    a.maxBytes === b.maxBytes &&
    a.topicId === b.topicId
  )
}

function byTopic(
  partitions: readonly SessionPartition[],
): readonly { readonly topic: string; readonly topicId: string; readonly partitions: readonly SessionPartition[] }[] {
  const topics = new Map<string, { topic: string; topicId: string; partitions: SessionPartition[] }>()
  for (const partition of partitions) {
    const { topic, topicId } = partition
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, { topic, topicId, partitions: [partition] })
    else known.partitions.push(partition)
  }
  return [...topics.values()]
}
