/**
 * Incremental fetch sessions (KIP-227): what a consumer asked for last time, so that it only names what changed and is
 * only told what changed.
 *
 * Pure: time and random ids are arguments. Invariants: a session id is never 0; a session's epoch goes 1, 2, … 2^31-1, 1;
 * the cache never holds more than `slots` sessions nor more than `partitionsMax` cached partitions.
 * Source: KIP-227, org.apache.kafka.server.FetchSession / FetchManager.
 */
import { assert } from '../../base/assert.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'

export const NO_SESSION_ID = 0
/** A full fetch that wants a session. */
const INITIAL_SESSION_EPOCH = 0
/** A full fetch that wants none, and ends the one it names. */
const FINAL_SESSION_EPOCH = -1

/** One partition as a fetch request describes it. `topicKey` is the topic id (v13+) or the name (older versions). */
export interface FetchTarget {
  readonly topicKey: string
  readonly partition: number
  readonly currentLeaderEpoch: number
  readonly fetchOffset: number
  readonly lastFetchedEpoch: number
  readonly partitionMaxBytes: number
}

export interface FetchSessionRequest {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly usesTopicIds: boolean
  readonly targets: readonly FetchTarget[]
  readonly forgotten: readonly { readonly topicKey: string; readonly partition: number }[]
}

/** What a response says of a partition that decides whether an incremental response must mention it. */
export interface FetchedStatus {
  readonly errorCode: ErrorCode
  readonly recordBytes: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
}

interface CachedPartition {
  target: FetchTarget
  /** What the consumer was last told; -1 makes the next response mention the partition. */
  highWatermark: number
  lastStableOffset: number
  logStartOffset: number
}

interface FetchSession {
  readonly id: number
  readonly usesTopicIds: boolean
  /** The epoch that the next request must carry. */
  nextEpoch: number
  lastUsedMs: number
  /** In the order in which the next response serves them: what got data last goes to the end. */
  readonly partitions: Map<string, CachedPartition>
}

export type FetchContext =
  | { readonly kind: 'refused'; readonly errorCode: ErrorCode }
  /** Answer every target; `wantsSession` says whether `openSession` should be tried. */
  | { readonly kind: 'full'; readonly targets: readonly FetchTarget[]; readonly wantsSession: boolean }
  /** Answer what `select` picks among the targets. */
  | { readonly kind: 'incremental'; readonly sessionId: number; readonly targets: readonly FetchTarget[] }

export interface FetchSessionLimits {
  /** max.incremental.fetch.session.cache.slots */
  readonly slots: number
  /** Cached partitions over all sessions. */
  readonly partitionsMax: number
  /** A session used within this span is not evicted for a new one. */
  readonly minEvictionMs: number
}

const keyOf = (topicKey: string, partition: number): string => `${partition}:${topicKey}`

export class FetchSessionCache {
  readonly #limits: FetchSessionLimits
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>()
  #partitionCount = 0

  constructor(limits: FetchSessionLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#sessions.size
  }

  /**
   * Applies a request to its session.
   * Error codes: FETCH_SESSION_ID_NOT_FOUND (unknown or evicted), INVALID_FETCH_SESSION_EPOCH (not the next epoch),
   * FETCH_SESSION_TOPIC_ID_ERROR (the session was opened with names and now speaks ids, or the reverse).
   */
  resolve(request: FetchSessionRequest, nowMs: number): FetchContext {
    const { sessionId, sessionEpoch } = request
    if (sessionEpoch === INITIAL_SESSION_EPOCH || sessionEpoch === FINAL_SESSION_EPOCH) {
      if (sessionId !== NO_SESSION_ID) this.#remove(sessionId)
      return { kind: 'full', targets: request.targets, wantsSession: sessionEpoch === INITIAL_SESSION_EPOCH }
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return { kind: 'refused', errorCode: 'FETCH_SESSION_ID_NOT_FOUND' }
    if (session.nextEpoch !== sessionEpoch) return { kind: 'refused', errorCode: 'INVALID_FETCH_SESSION_EPOCH' }
    if (session.usesTopicIds !== request.usesTopicIds) {
      return { kind: 'refused', errorCode: 'FETCH_SESSION_TOPIC_ID_ERROR' }
    }
    for (const target of request.targets) {
      const key = keyOf(target.topicKey, target.partition)
      const cached = session.partitions.get(key)
      if (cached !== undefined) cached.target = target
      else if (this.#partitionCount < this.#limits.partitionsMax) {
        session.partitions.set(key, { target, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 })
        this.#partitionCount += 1
      } else {
        // The consumer falls back to a full fetch, which needs no memory here.
        this.#remove(sessionId)
        return { kind: 'refused', errorCode: 'FETCH_SESSION_ID_NOT_FOUND' }
      }
    }
    for (const { topicKey, partition } of request.forgotten) {
      if (session.partitions.delete(keyOf(topicKey, partition))) this.#partitionCount -= 1
    }
    session.nextEpoch = sessionEpoch === 0x7fffffff ? 1 : sessionEpoch + 1
    session.lastUsedMs = nowMs
    this.#sessions.delete(sessionId)
    this.#sessions.set(sessionId, session)
    const targets = Array.from(session.partitions.values(), (cached) => cached.target)
    if (targets.length === 0) {
      this.#remove(sessionId)
      return { kind: 'full', targets, wantsSession: false }
    }
    return { kind: 'incremental', sessionId, targets }
  }

  /**
   * Opens a session for a full fetch that was answered with `statuses` (same order as `targets`).
   * @returns the new session id, or NO_SESSION_ID when the cache has no room: the consumer then goes on without one
   */
  openSession(
    targets: readonly FetchTarget[],
    statuses: readonly FetchedStatus[],
    usesTopicIds: boolean,
    nowMs: number,
    nextRandom: () => number,
  ): number {
    assert(targets.length === statuses.length, `one status per target: ${targets.length} and ${statuses.length}`)
    if (targets.length === 0 || !this.#makeRoom(targets.length, nowMs)) return NO_SESSION_ID
    let id = 0
    while (id === NO_SESSION_ID || this.#sessions.has(id)) id = nextRandom() & 0x7fffffff
    const partitions = new Map<string, CachedPartition>()
    targets.forEach((target, index) => {
      const status = statuses[index] as FetchedStatus
      const { highWatermark, lastStableOffset, logStartOffset } = status
      partitions.set(keyOf(target.topicKey, target.partition), {
        target,
        highWatermark: status.errorCode === 'NONE' ? highWatermark : -1,
        lastStableOffset,
        logStartOffset,
      })
    })
    this.#sessions.set(id, { id, usesTopicIds, nextEpoch: 1, lastUsedMs: nowMs, partitions })
    this.#partitionCount += partitions.size
    return id
  }

  /**
   * Which of the session's targets an incremental response has to mention: those with data, an error, or a watermark
   * the consumer has not been told. Remembers what is told, and moves partitions that got data to the end of the line.
   * @returns one flag per target
   */
  select(sessionId: number, targets: readonly FetchTarget[], statuses: readonly FetchedStatus[]): boolean[] {
    const session = this.#sessions.get(sessionId)
    return targets.map((target, index) => {
      const status = statuses[index] as FetchedStatus
      const key = keyOf(target.topicKey, target.partition)
      const cached = session?.partitions.get(key)
      const isNews =
        cached === undefined ||
        status.recordBytes > 0 ||
        status.errorCode !== 'NONE' ||
        cached.highWatermark !== status.highWatermark ||
        cached.lastStableOffset !== status.lastStableOffset ||
        cached.logStartOffset !== status.logStartOffset
      if (cached !== undefined && isNews) {
        // An error is told again next time, until it is gone.
        cached.highWatermark = status.errorCode === 'NONE' ? status.highWatermark : -1
        cached.lastStableOffset = status.lastStableOffset
        cached.logStartOffset = status.logStartOffset
        if (status.recordBytes > 0) {
          session?.partitions.delete(key)
          session?.partitions.set(key, cached)
        }
      }
      return isNews
    })
  }

  #makeRoom(partitionCount: number, nowMs: number): boolean {
    const { slots, partitionsMax, minEvictionMs } = this.#limits
    const fits = (): boolean => this.#sessions.size < slots && this.#partitionCount + partitionCount <= partitionsMax
    while (!fits()) {
      const oldest = this.#sessions.values().next().value
      if (oldest === undefined || nowMs - oldest.lastUsedMs < minEvictionMs) return false
      this.#remove(oldest.id)
    }
    return true
  }

  #remove(sessionId: number): void {
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return
    this.#sessions.delete(sessionId)
    this.#partitionCount -= session.partitions.size
  }
}
