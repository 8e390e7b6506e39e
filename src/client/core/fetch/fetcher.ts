/**
 * Reads the partitions that a consumer was assigned: finds out where to begin, keeps its buffers filled, hands out records.
 *
 * One Fetch at a time to each broker, in an incremental session, for the partitions with room in their buffers. All buffers
 * together hold `prefetchBytes` and at most one answer more, so a slow consumer costs no more memory than a fast one.
 * Leaves to others: who is assigned what and what is committed (core/group), types (consumer).
 *
 * Invariants F1 to F6: SPEC.md.
 */
import { DecodeError } from '../../../base/bytes.ts'
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import { fetch } from '../../../protocol/messages/fetch.ts'
import type { listOffsets } from '../../../protocol/messages/list-offsets.ts'
import { offsetForLeaderEpoch } from '../../../protocol/messages/offset-for-leader-epoch.ts'
import type { ResponseOf } from '../../../protocol/schema.ts'
import { brokerError, KafkaError } from '../../errors.ts'
import type { TopicPartition } from '../../topic.ts'
import type { ClientCore, ClusterView, CoreReply, CoreRequest, PollResult } from '../client-core.ts'
import { FetchedChunk } from './fetched-chunk.ts'
import { FetchSession } from './fetch-session.ts'
import { PartitionFetch, type ResetTo, type StartFrom } from './partition-fetch.ts'
import { type Asked, leaderEpochsRequest, listOffsetsRequest } from './position-requests.ts'
import { type FetchedRecords, takeFrom } from './take-records.ts'

export type { ResetTo, StartFrom } from './partition-fetch.ts'
export type { FetchedRecords } from './take-records.ts'

export interface FetcherOptions {
  readonly isolationLevel: 'read_committed' | 'read_uncommitted'
  readonly startFrom: StartFrom
  readonly fetchMinBytes: number
  readonly fetchMaxWaitMs: number
  /** Of one answer. */
  readonly fetchMaxBytes: number
  /** Of one partition in one answer. */
  readonly fetchMaxPartitionBytes: number
  /** Of all that is fetched and not handed out. */
  readonly prefetchBytes: number
  readonly requestTimeoutMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  readonly checkCrcs: boolean
  /** Of one batch. */
  readonly maxDecompressedBytes: number
}

export interface PartitionProgress extends TopicPartition {
  /** `undefined`: not known yet. */
  readonly position: number | undefined
  readonly highWatermark: number | undefined
  readonly lastStableOffset: number | undefined
  readonly logStartOffset: number | undefined
}

type Question =
  | { readonly kind: 'fetch'; readonly nodeId: number; readonly asked: readonly Asked[] }
  | { readonly kind: 'list-offsets' | 'leader-epoch'; readonly asked: readonly Asked[] }

type FetchedPartition = ResponseOf<typeof fetch>['responses'][number]['partitions'][number]
type ListedPartition = ResponseOf<typeof listOffsets>['topics'][number]['partitions'][number]
type EpochPartition = ResponseOf<typeof offsetForLeaderEpoch>['topics'][number]['partitions'][number]

const NO_OFFSET = -1
/** The last version of Fetch that names topics. */
const FETCH_BY_NAME_VERSION = 12
/** Buffers of one partition hold so many answers, so that a new one is on its way while the last one is handed out. */
const ANSWERS_BUFFERED = 2

export class Fetcher implements ClientCore {
  readonly #options: FetcherOptions
  readonly #partitions = new Map<string, PartitionFetch>()
  readonly #sessions = new Map<number, FetchSession>()
  /** Brokers that owe an answer to a Fetch. */
  readonly #busyNodes = new Set<number>()
  readonly #questions = new Map<number, Question>()
  readonly #topics = new Set<string>()
  /** As they were when last asked for. */
  readonly #topicIds = new Map<string, string>()
  #nextRequestId = 1
  #bufferedBytes = 0
  #needsMetadata = false
  /** Partitions take turns: the one that was served last comes last. */
  #turns: PartitionFetch[] = []

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  /** Partitions that stay keep what they have; new ones begin with their committed offset, or where `seek` says. */
  assign(partitions: readonly TopicPartition[]): void {
    const wanted = new Set(partitions.map(keyOf))
    for (const [key, partition] of this.#partitions) {
      if (wanted.has(key)) continue
      partition.version += 1
      this.#partitions.delete(key)
    }
    for (const { topic, partition } of partitions) {
      const key = keyOf({ topic, partition })
      if (this.#partitions.has(key)) continue
      this.#partitions.set(key, new PartitionFetch(topic, partition))
      this.#topics.add(topic)
    }
    this.#turns = [...this.#partitions.values()]
    this.#count()
  }

  get assignment(): readonly TopicPartition[] {
    return [...this.#partitions.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  isAssigned(partition: TopicPartition): boolean {
    return this.#partitions.has(keyOf(partition))
  }

  /** Partitions that wait for `setCommitted`. */
  get needCommitted(): readonly TopicPartition[] {
    return [...this.#partitions.values()].filter(({ state }) => state.state === 'NeedsCommitted')
  }

  /** @param committed  `undefined`: the group has none, so `startFrom` decides */
  setCommitted(
    at: TopicPartition,
    committed: { readonly offset: number; readonly leaderEpoch?: number } | undefined,
  ): void {
    const partition = this.#partitions.get(keyOf(at))
    // Somebody has gone elsewhere while the group was asked.
    if (partition === undefined || partition.state.state !== 'NeedsCommitted') return
    if (committed !== undefined)
      partition.moveTo({ offset: committed.offset, leaderEpoch: committed.leaderEpoch ?? -1 })
    else
      this.#resetByPolicy(partition, `the group has no committed offset for ${at.topic}-${at.partition}`, 'NO_OFFSET')
    this.#count()
  }

  /** Goes on at another place; whatever is under way for the old one is dropped. */
  seek(at: TopicPartition, to: number | ResetTo): void {
    const partition = this.#partitions.get(keyOf(at))
    if (partition === undefined) {
      throw new KafkaError('ILLEGAL_STATE', `${at.topic}-${at.partition} is not assigned to this consumer`)
    }
    if (typeof to === 'number') partition.moveTo({ offset: to, leaderEpoch: -1 })
    else partition.resetTo(to)
    this.#count()
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#assigned(at).isPaused = true
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#assigned(at).isPaused = false
  }

  get paused(): readonly TopicPartition[] {
    return [...this.#partitions.values()].filter(({ isPaused }) => isPaused)
  }

  position(at: TopicPartition): { readonly offset: number; readonly leaderEpoch: number } | undefined {
    return this.#partitions.get(keyOf(at))?.position
  }

  progress(): readonly PartitionProgress[] {
    return [...this.#partitions.values()].map((one) => ({
      topic: one.topic,
      partition: one.partition,
      position: one.position?.offset,
      highWatermark: one.highWatermark,
      lastStableOffset: one.lastStableOffset,
      logStartOffset: one.logStartOffset,
    }))
  }

  /** Whether `take` would hand out something, or throw. */
  get hasData(): boolean {
    for (const partition of this.#partitions.values()) {
      if (partition.isPaused) continue
      if (partition.state.state === 'Failed') return true
      if (hasSome(partition)) return true
    }
    return false
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /**
   * Hands out at most `maxRecords`, in like shares of the partitions that have some, in turn, and moves the positions. What is
   * wrong with a partition is thrown when no other has anything to hand out, and again until somebody seeks.
   */
  take(maxRecords: number): readonly FetchedRecords[] {
    const taken: FetchedRecords[] = []
    let left = maxRecords
    let error: KafkaError | undefined
    // Shares, and not all of the first partition: partitions that are worked through side by side must be handed out together.
    let sharing = this.#turns.filter((partition) => !partition.isPaused && hasSome(partition)).length
    for (const partition of [...this.#turns]) {
      if (left <= 0) break
      if (partition.isPaused || !this.#partitions.has(partition.key)) continue
      if (partition.state.state === 'Failed') {
        error ??= partition.state.error
        continue
      }
      if (!hasSome(partition)) continue
      const before = left
      const share = Math.ceil(left / Math.max(1, sharing))
      sharing -= 1
      try {
        left -= share - takeFrom(partition, share, taken)
      } catch (cause) {
        if (!(cause instanceof DecodeError)) throw cause
        const corrupt = this.#corrupt(partition, cause)
        partition.fail(corrupt)
        error ??= corrupt
      }
      if (left < before) {
        this.#turns.splice(this.#turns.indexOf(partition), 1)
        this.#turns.push(partition)
      }
    }
    this.#count()
    if (taken.length === 0 && error !== undefined) throw error
    return taken
  }

  poll(nowMs: number, cluster: ClusterView): PollResult {
    const requests: CoreRequest[] = []
    let nextPollMs: number | undefined
    const dueLater = (atMs: number): void => {
      nextPollMs = nextPollMs === undefined ? atMs : Math.min(nextPollMs, atMs)
    }
    const byKind = {
      fetch: new Map<number, Asked[]>(),
      list: new Map<number, Asked[]>(),
      epoch: new Map<number, Asked[]>(),
    }
    for (const partition of this.#turns) {
      const { state } = partition
      if (state.state === 'NeedsCommitted' || state.state === 'Failed' || partition.isAsking) continue
      const view = cluster.topic(partition.topic)
      const leader = view?.error === undefined ? view?.partitions[partition.partition] : undefined
      if (view?.error !== undefined && view.error.recovery === 'fix-configuration') {
        partition.fail(view.error)
        continue
      }
      if (leader?.leaderId === undefined) {
        // Its topic is not known, has no leader now, or lost partitions: metadata is asked for until that changes.
        this.#needsMetadata ||= view !== undefined
        continue
      }
      if (this.#mustValidate(partition, leader.leaderEpoch, cluster, leader.leaderId)) partition.needsValidation()
      if (partition.notBeforeMs > nowMs) {
        dueLater(partition.notBeforeMs)
        continue
      }
      const asked: Asked = {
        partition,
        version: partition.version,
        offset: partition.fetchOffset,
        leaderEpoch: leader.leaderEpoch,
      }
      const state2 = partition.state.state
      if (state2 === 'NeedsReset') push(byKind.list, leader.leaderId, asked)
      else if (state2 === 'NeedsValidation') push(byKind.epoch, leader.leaderId, asked)
      else if (this.#hasRoom(partition)) push(byKind.fetch, leader.leaderId, asked)
    }
    for (const [nodeId, asked] of byKind.list)
      requests.push(listOffsetsRequest(this.#ask({ kind: 'list-offsets', asked }), nodeId, asked, this.#options))
    for (const [nodeId, asked] of byKind.epoch)
      requests.push(leaderEpochsRequest(this.#ask({ kind: 'leader-epoch', asked }), nodeId, asked, this.#options))
    for (const [nodeId, asked] of byKind.fetch) {
      if (!this.#busyNodes.has(nodeId) && this.#bufferedBytes < this.#options.prefetchBytes) {
        requests.push(this.#fetch(nodeId, asked, cluster))
      }
    }
    const refreshMetadata = this.#needsMetadata
    this.#needsMetadata = false
    return { requests, nextPollMs, topics: [...this.#topics], refreshMetadata }
  }

  onReply(requestId: number, reply: CoreReply, nowMs: number): void {
    const question = this.#questions.get(requestId)
    if (question === undefined) return
    this.#questions.delete(requestId)
    for (const { partition, version } of question.asked) if (partition.version === version) partition.isAsking = false
    if (question.kind === 'fetch') this.#busyNodes.delete(question.nodeId)
    if (!reply.ok) {
      if (question.kind === 'fetch') this.#sessions.get(question.nodeId)?.onFailure()
      const isHopeless = reply.error.recovery === 'fix-configuration' && reply.error.code !== 'CLOSED'
      for (const { partition, version } of question.asked) {
        if (partition.version !== version) continue
        if (isHopeless) partition.fail(reply.error)
        else this.#again(partition, nowMs)
      }
      this.#needsMetadata = true
      return
    }
    if (question.kind === 'fetch') this.#onFetched(question, reply, nowMs)
    else if (question.kind === 'list-offsets') this.#onListed(question.asked, reply, nowMs)
    else this.#onEpochs(question.asked, reply, nowMs)
    this.#count()
  }

  #assigned(at: TopicPartition): PartitionFetch {
    const partition = this.#partitions.get(keyOf(at))
    if (partition !== undefined) return partition
    throw new KafkaError('ILLEGAL_STATE', `${at.topic}-${at.partition} is not assigned to this consumer`)
  }

  #hasRoom(partition: PartitionFetch): boolean {
    if (partition.isPaused && partition.chunks.length > 0) return false
    return partition.bufferedBytes < ANSWERS_BUFFERED * this.#options.fetchMaxPartitionBytes
  }

  /** The position is that of a record whose epoch is known, and the leader is of a newer epoch than it was found good with. */
  #mustValidate(partition: PartitionFetch, leaderEpoch: number, cluster: ClusterView, nodeId: number): boolean {
    if (!partition.isFetching || leaderEpoch < 0 || leaderEpoch <= partition.validatedLeaderEpoch) return false
    const position = partition.position
    if (position === undefined || position.leaderEpoch < 0 || position.leaderEpoch === leaderEpoch) {
      partition.validatedLeaderEpoch = leaderEpoch
      return false
    }
    return cluster.apiVersion(nodeId, offsetForLeaderEpoch) !== undefined
  }

  #ask(question: Question): number {
    const id = this.#nextRequestId
    this.#nextRequestId += 1
    this.#questions.set(id, question)
    for (const { partition } of question.asked) partition.isAsking = true
    return id
  }

  #fetch(nodeId: number, asked: readonly Asked[], cluster: ClusterView): CoreRequest<typeof fetch> {
    const { fetchMaxWaitMs, fetchMinBytes, fetchMaxBytes, fetchMaxPartitionBytes, isolationLevel } = this.#options
    const session = this.#sessions.get(nodeId) ?? new FetchSession()
    this.#sessions.set(nodeId, session)
    for (const { partition } of asked)
      this.#topicIds.set(partition.topic, cluster.topic(partition.topic)?.topicId ?? '')
    const { sessionId, sessionEpoch, topics, forgotten, hasTopicIds } = session.build(
      asked.map(({ partition, offset, leaderEpoch }) => ({
        topic: partition.topic,
        topicId: cluster.topic(partition.topic)?.topicId ?? '',
        partition: partition.partition,
        fetchOffset: offset,
        currentLeaderEpoch: leaderEpoch,
        maxBytes: fetchMaxPartitionBytes,
      })),
    )
    this.#busyNodes.add(nodeId)
    return {
      id: this.#ask({ kind: 'fetch', nodeId, asked }),
      destination: { kind: 'node', nodeId },
      lane: 'fetch',
      api: fetch,
      ...(hasTopicIds ? {} : { maxVersion: FETCH_BY_NAME_VERSION }),
      body: {
        maxWaitMs: fetchMaxWaitMs,
        minBytes: fetchMinBytes,
        maxBytes: Math.min(fetchMaxBytes, Math.max(1, this.#options.prefetchBytes - this.#bufferedBytes)),
        isolationLevel: isolationLevel === 'read_committed' ? 1 : 0,
        sessionId,
        sessionEpoch,
        topics,
        forgottenTopicsData: forgotten,
      },
      timeoutMs: this.#options.requestTimeoutMs + fetchMaxWaitMs,
    }
  }

  #onFetched({ nodeId, asked }: Question & { kind: 'fetch' }, reply: CoreReply & { ok: true }, nowMs: number): void {
    const response = reply.response as ResponseOf<typeof fetch>
    const session = this.#sessions.get(nodeId)
    if (session?.onResponse(response.errorCode, response.sessionId) === false) {
      const isTopics =
        response.errorCode === 'FETCH_SESSION_TOPIC_ID_ERROR' || response.errorCode === 'UNKNOWN_TOPIC_ID'
      for (const { partition, version } of asked) if (partition.version === version) this.#again(partition, nowMs)
      if (isTopics || !SESSION_ERRORS.has(response.errorCode)) this.#needsMetadata = true
      return
    }
    const byKey = new Map(asked.map((one) => [one.partition.key, one]))
    const namesById = new Map(asked.map(({ partition: { topic } }) => [this.#topicIds.get(topic), topic]))
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic === '' ? namesById.get(topicId) : topic
      if (name === undefined) continue
      for (const one of partitions) {
        // What nobody asked for is of no use, and nothing to fail for.
        const question = byKey.get(keyOf({ topic: name, partition: one.partitionIndex }))
        if (question === undefined || question.partition.version !== question.version) continue
        this.#onPartition(question, one, reply.broker, nowMs)
      }
    }
  }

  #onPartition({ partition, offset }: Asked, answer: FetchedPartition, broker: string, nowMs: number): void {
    if (answer.errorCode !== 'NONE') {
      this.#onPartitionError(partition, answer.errorCode, broker, nowMs)
      return
    }
    partition.highWatermark = answer.highWatermark < 0 ? undefined : answer.highWatermark
    partition.lastStableOffset = answer.lastStableOffset < 0 ? partition.highWatermark : answer.lastStableOffset
    partition.logStartOffset = answer.logStartOffset < 0 ? undefined : answer.logStartOffset
    if (answer.records === null || answer.records.length === 0) partition.failures = 0
    if (partition.fetchOffset !== offset || answer.records === null || answer.records.length === 0) return
    try {
      const chunk = FetchedChunk.of(answer.records, offset, answer.abortedTransactions, this.#options)
      // Not even one whole batch: asking the same again would bring the same.
      if (chunk.nextOffset === offset) {
        throw new DecodeError(`${answer.records.length} bytes without one whole batch at or after offset ${offset}`)
      }
      partition.failures = 0
      partition.addChunk(chunk)
      // Nothing of it is for the consumer: the position moves on without its doing.
      if (chunk.isUsedUp && partition.chunks.length === 1) {
        partition.advance(chunk.nextOffset, partition.position?.leaderEpoch ?? -1)
        partition.dropFirstChunk()
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      // A connection or broker may have spoilt it once; if it comes again, somebody has to know.
      partition.failures += 1
      if (partition.failures > INVALID_ANSWERS_MAX) partition.fail(this.#corrupt(partition, error))
      else this.#pause(partition, nowMs)
    }
  }

  #onPartitionError(
    partition: PartitionFetch,
    errorCode: Exclude<ErrorCode, 'NONE'>,
    broker: string,
    nowMs: number,
  ): void {
    const { topic, partition: number } = partition
    if (errorCode === 'OFFSET_OUT_OF_RANGE') {
      // What is buffered may still be handed out; the reset comes when it is used up, at the place it ends.
      if (partition.chunks.length > 0) {
        this.#pause(partition, nowMs)
        return
      }
      const offset = partition.position?.offset
      this.#resetByPolicy(
        partition,
        `offset ${offset} of ${topic}-${number} is not in the log any more, or not yet`,
        errorCode,
      )
      return
    }
    const error = brokerError(errorCode, { api: 'Fetch', topic, partition: number, broker })
    const isPassing = error.recovery === 'retry' || error.recovery === 'refresh'
    if (errorCode === 'CORRUPT_MESSAGE' && partition.failures >= INVALID_ANSWERS_MAX) partition.fail(error)
    else if (isPassing) {
      this.#again(partition, nowMs)
      this.#needsMetadata ||= error.recovery === 'refresh' || errorCode === 'UNKNOWN_LEADER_EPOCH'
    } else partition.fail(error)
  }

  #onListed(asked: readonly Asked[], reply: CoreReply & { ok: true }, nowMs: number): void {
    const response = reply.response as ResponseOf<typeof listOffsets>
    const answers = new Map<string, ListedPartition>()
    for (const { name, partitions } of response.topics) {
      for (const one of partitions) answers.set(keyOf({ topic: name, partition: one.partitionIndex }), one)
    }
    for (const { partition, version } of asked) {
      if (partition.version !== version || partition.state.state !== 'NeedsReset') continue
      const answer = answers.get(partition.key)
      if (answer === undefined) {
        this.#again(partition, nowMs)
      } else if (answer.errorCode !== 'NONE') {
        this.#onQuestionError(partition, 'ListOffsets', answer.errorCode, reply.broker, nowMs)
      } else if (answer.offset === NO_OFFSET) {
        // No record is that young: what comes next is.
        if (typeof partition.state.resetTo === 'object') partition.resetTo('latest')
        else this.#again(partition, nowMs)
      } else {
        partition.moveTo({ offset: answer.offset, leaderEpoch: answer.leaderEpoch })
      }
    }
  }

  #onEpochs(asked: readonly Asked[], reply: CoreReply & { ok: true }, nowMs: number): void {
    const response = reply.response as ResponseOf<typeof offsetForLeaderEpoch>
    const answers = new Map<string, EpochPartition>()
    for (const { topic, partitions } of response.topics) {
      for (const one of partitions) answers.set(keyOf({ topic, partition: one.partition }), one)
    }
    for (const { partition, version, leaderEpoch } of asked) {
      if (partition.version !== version || partition.state.state !== 'NeedsValidation') continue
      const answer = answers.get(partition.key)
      const position = partition.position
      if (answer === undefined || position === undefined) {
        this.#again(partition, nowMs)
      } else if (answer.errorCode !== 'NONE') {
        this.#onQuestionError(partition, 'OffsetForLeaderEpoch', answer.errorCode, reply.broker, nowMs)
      } else if (answer.endOffset === NO_OFFSET || answer.leaderEpoch < 0 || answer.endOffset >= position.offset) {
        // The leader does not know better, or its log holds all that was read.
        partition.validated(leaderEpoch)
      } else if (this.#options.startFrom === 'none') {
        partition.fail(
          new KafkaError(
            'OFFSET_OUT_OF_RANGE',
            `the log of ${partition.topic}-${partition.partition} was cut to offset ${answer.endOffset}, below the position ` +
              `${position.offset}: records were read that are gone; seek to where to go on`,
            { recovery: 'fix-configuration' },
          ),
        )
      } else {
        partition.moveTo({ offset: answer.endOffset, leaderEpoch: answer.leaderEpoch })
        partition.validatedLeaderEpoch = leaderEpoch
      }
    }
  }

  #onQuestionError(
    partition: PartitionFetch,
    api: string,
    errorCode: Exclude<ErrorCode, 'NONE'>,
    broker: string,
    nowMs: number,
  ): void {
    const error = brokerError(errorCode, { api, topic: partition.topic, partition: partition.partition, broker })
    if (error.recovery !== 'retry' && error.recovery !== 'refresh') {
      partition.fail(error)
      return
    }
    this.#again(partition, nowMs)
    this.#needsMetadata = true
  }

  #resetByPolicy(partition: PartitionFetch, why: string, code: 'NO_OFFSET' | 'OFFSET_OUT_OF_RANGE'): void {
    const { startFrom } = this.#options
    if (startFrom !== 'none') {
      partition.resetTo(startFrom)
      return
    }
    const message = `${why}, and startFrom is 'none': seek to where to begin, or choose 'earliest' or 'latest'`
    partition.fail(new KafkaError(code, message, { recovery: 'fix-configuration' }))
  }

  #corrupt({ topic, partition, position }: PartitionFetch, cause: DecodeError): KafkaError {
    return new KafkaError(
      'CORRUPT_MESSAGE',
      `${topic}-${partition} at offset ${position?.offset ?? '?'} cannot be read: ${cause.message}; seek past it to go on without it`,
      { cause, recovery: 'fix-configuration', request: { api: 'Fetch', topic, partition } },
    )
  }

  /** Tries again after a pause that grows with each failure in a row. */
  #again(partition: PartitionFetch, nowMs: number): void {
    partition.failures += 1
    this.#pause(partition, nowMs)
  }

  #pause(partition: PartitionFetch, nowMs: number): void {
    const { retryBackoffMs, retryBackoffMaxMs } = this.#options
    const pauseMs = Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(Math.max(0, partition.failures - 1), 20))
    partition.notBeforeMs = nowMs + pauseMs
  }

  #count(): void {
    let bytes = 0
    for (const partition of this.#partitions.values()) bytes += partition.bufferedBytes
    this.#bufferedBytes = bytes
  }
}

/** Spoilt answers in a row that are taken for bad luck. */
const INVALID_ANSWERS_MAX = 3
const SESSION_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  'FETCH_SESSION_TOPIC_ID_ERROR',
])

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

function push(map: Map<number, Asked[]>, nodeId: number, asked: Asked): void {
  const known = map.get(nodeId)
  if (known === undefined) map.set(nodeId, [asked])
  else known.push(asked)
}

/** Whether the partition has data that was not handed out, be it only data that is left out (F2). */
function hasSome({ isFetching, open, chunks }: PartitionFetch): boolean {
  return isFetching && (open !== undefined || chunks.some(({ isUsedUp }) => !isUsedUp))
}
