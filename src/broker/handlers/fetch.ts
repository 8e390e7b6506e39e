/**
 * Fetch: reads whole batches as stored, up to the high watermark or, for read_committed, the last stable offset, and
 * waits until min.bytes are there or max.wait has passed.
 *
 * The limit of a partition is read once per attempt, so that a commit in between cannot let data above it slip in
 * (KAFKA-9807); the aborted list is made for exactly the batches returned. Filtering is the client's job.
 * Source: kafka-eos.md C4; KIP-98, KIP-227, KIP-392, KIP-516, KIP-951.
 */
import type { Logger } from '../../base/runtime.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { fetch } from '../../protocol/messages/fetch.ts'
import type { FetchRequest, FetchResponseDraft } from '../../protocol/messages/fetch.ts'
import { batches } from '../../protocol/record-batch.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'
import type { FetchContext, FetchedStatus, FetchTarget } from '../../core/fetch/fetch-session.ts'
import { OffsetOutOfRange } from '../../storage/partition-log.ts'
import { isDamage, reportDamage } from '../damaged-log.ts'
import { defineHandler } from '../handler.ts'
import type { RequestContext } from '../handler.ts'
import { checkLeaderEpoch } from '../leader-epoch.ts'
import type { IsolationLevel, Partition } from '../partition.ts'
import type { BrokerServices } from '../services.ts'
import { newsOf } from '../fetch-wait.ts'

type PartitionDraft = FetchResponseDraft['responses'][number]['partitions'][number]

/** Topics are named by id from here on. */
const FIRST_TOPIC_ID_VERSION = 13
/** zstd may be given to clients from here on (KIP-110). */
const FIRST_ZSTD_VERSION = 10

/** One partition of a fetch, read. */
interface ReadPartition {
  readonly target: FetchTarget
  readonly partition: Partition | undefined
  /** The first offset that was not to be read. */
  readonly limit: number
  readonly draft: PartitionDraft
  readonly status: FetchedStatus
}

export const fetchHandler = defineHandler(fetch, {
  minVersion: 4,
  maxVersion: 18,
  deviations: ['requests of followers (a replica id of 0 or more) are refused: there is nobody to replicate to'],
  handle: handleFetch,
})

async function handleFetch(
  broker: BrokerServices,
  request: FetchRequest,
  context: RequestContext,
): Promise<FetchResponseDraft> {
  const usesTopicIds = context.apiVersion >= FIRST_TOPIC_ID_VERSION
  const session = broker.fetchSessions.resolve(
    {
      sessionId: request.sessionId,
      sessionEpoch: request.sessionEpoch,
      usesTopicIds,
      targets: targetsOf(request, usesTopicIds),
      forgotten: request.forgottenTopicsData.flatMap((topic) =>
        topic.partitions.map((partition) => ({ topicKey: usesTopicIds ? topic.topicId : topic.topic, partition })),
      ),
    },
    context.nowMs,
  )
  if (session.kind === 'refused') return { errorCode: session.errorCode, sessionId: 0, responses: [] }
  const replicaId = request.replicaState.replicaId >= 0 ? request.replicaState.replicaId : request.replicaId
  const reads = await readUntilEnough(broker, request, context, session, usesTopicIds, replicaId)
  return respond(broker, session, reads, usesTopicIds)
}

function targetsOf(request: FetchRequest, usesTopicIds: boolean): FetchTarget[] {
  return request.topics.flatMap((topic) =>
    topic.partitions.map((partition) => ({
      topicKey: usesTopicIds ? topic.topicId : topic.topic,
      partition: partition.partition,
      currentLeaderEpoch: partition.currentLeaderEpoch,
      fetchOffset: partition.fetchOffset,
      lastFetchedEpoch: partition.lastFetchedEpoch,
      partitionMaxBytes: partition.partitionMaxBytes,
    })),
  )
}

async function readUntilEnough(
  broker: BrokerServices,
  request: FetchRequest,
  context: RequestContext,
  session: Exclude<FetchContext, { kind: 'refused' }>,
  usesTopicIds: boolean,
  replicaId: number,
): Promise<ReadPartition[]> {
  const isolationLevel: IsolationLevel = request.isolationLevel === 1 ? 'read_committed' : 'read_uncommitted'
  const { clock } = broker.runtime
  const waitDeadlineMs = clock.monotonicMs() + Math.max(0, request.maxWaitMs)
  for (;;) {
    const found = session.targets.map((target) => find(broker, target, usesTopicIds))
    const reads = await readAll(
      broker,
      request,
      context,
      session.targets,
      found,
      isolationLevel,
      usesTopicIds,
      replicaId,
    )
    let bytes = 0
    let hasError = false
    for (const { status } of reads) {
      bytes += status.recordBytes
      hasError ||= status.errorCode !== 'NONE'
    }
    const isTimeUp = broker.isStopping || clock.monotonicMs() >= waitDeadlineMs
    if (hasError || bytes >= request.minBytes || reads.length === 0 || isTimeUp) return reads
    // What became readable while the disk was being read is news already; checking and watching share a tick.
    const hasMoved = reads.some(({ partition, limit }) => partition?.readLimit(isolationLevel) !== limit)
    if (!hasMoved && (await newsOf(clock, found, waitDeadlineMs, context)) === 'connection closed') return reads
  }
}

function find(broker: BrokerServices, target: FetchTarget, usesTopicIds: boolean): Partition | undefined {
  return usesTopicIds
    ? broker.partitions.getById(target.topicKey, target.partition)
    : broker.partitions.get(target.topicKey, target.partition)
}

async function readAll(
  broker: BrokerServices,
  request: FetchRequest,
  context: RequestContext,
  targets: readonly FetchTarget[],
  found: readonly (Partition | undefined)[],
  isolationLevel: IsolationLevel,
  usesTopicIds: boolean,
  replicaId: number,
): Promise<ReadPartition[]> {
  let remainingBytes = Math.min(Math.max(0, request.maxBytes), broker.config.fetchMaxBytes)
  let isFirstData = true
  const reads: ReadPartition[] = []
  for (const [index, target] of targets.entries()) {
    const partition = found[index]
    if (partition === undefined || partition.isDeleted) {
      const idIsUnknown =
        usesTopicIds && (target.topicKey === ZERO_UUID || broker.catalogue.topicById(target.topicKey) === undefined)
      reads.push(failed(target, partition, idIsUnknown ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION'))
      continue
    }
    const refusal =
      replicaId >= 0
        ? 'NOT_LEADER_OR_FOLLOWER'
        : checkLeaderEpoch(target.currentLeaderEpoch, broker.partitions.leaderEpoch)
    const { state } = partition
    if (refusal !== 'NONE') {
      reads.push(failed(target, partition, refusal))
      continue
    }
    if (target.fetchOffset < state.logStartOffset || target.fetchOffset > state.logEndOffset) {
      reads.push(failed(target, partition, 'OFFSET_OUT_OF_RANGE'))
      continue
    }
    const maxBytes = Math.min(Math.max(0, target.partitionMaxBytes), remainingBytes)
    const read = await readOne(
      target,
      partition,
      isolationLevel,
      maxBytes,
      isFirstData,
      context.apiVersion,
      broker.runtime.logger,
    )
    if (read.status.recordBytes > 0) isFirstData = false
    remainingBytes = Math.max(0, remainingBytes - read.status.recordBytes)
    reads.push(read)
  }
  return reads
}

async function readOne(
  target: FetchTarget,
  partition: Partition,
  isolationLevel: IsolationLevel,
  maxBytes: number,
  minOneBatch: boolean,
  apiVersion: number,
  logger: Logger,
): Promise<ReadPartition> {
  const { state, log } = partition
  const limit = partition.readLimit(isolationLevel)
  const { highWatermark, lastStableOffset, logStartOffset } = state
  let chunks: Uint8Array[] = []
  if (target.fetchOffset < limit && (maxBytes > 0 || minOneBatch)) {
    try {
      const read = log.read(target.fetchOffset, limit, maxBytes, minOneBatch)
      chunks = read instanceof Promise ? await read : read
    } catch (error) {
      // Records were deleted, or the topic, while the disk was being read.
      if (error instanceof OffsetOutOfRange) return failed(target, partition, 'OFFSET_OUT_OF_RANGE')
      if (partition.isDeleted) return failed(target, partition, 'UNKNOWN_TOPIC_OR_PARTITION')
      if (!isDamage(error)) throw error
      reportDamage(logger, partition, target.fetchOffset, error)
      return failed(target, partition, 'CORRUPT_MESSAGE')
    }
  }
  if (apiVersion < FIRST_ZSTD_VERSION && holdsZstd(chunks)) {
    return failed(target, partition, 'UNSUPPORTED_COMPRESSION_TYPE')
  }
  const recordBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const upperOffset = endOffsetOf(chunks) ?? target.fetchOffset
  return {
    target,
    partition,
    limit,
    draft: {
      partitionIndex: target.partition,
      errorCode: 'NONE',
      highWatermark,
      lastStableOffset,
      logStartOffset,
      abortedTransactions:
        isolationLevel === 'read_committed' ? log.abortedTransactions(target.fetchOffset, upperOffset) : null,
      records: chunks,
    },
    status: { errorCode: 'NONE', recordBytes, highWatermark, lastStableOffset, logStartOffset },
  }
}

function failed(target: FetchTarget, partition: Partition | undefined, errorCode: ErrorCode): ReadPartition {
  return {
    target,
    partition,
    limit: -1,
    draft: {
      partitionIndex: target.partition,
      errorCode,
      highWatermark: -1,
      abortedTransactions: null,
      records: [],
    },
    status: { errorCode, recordBytes: 0, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 },
  }
}

function holdsZstd(chunks: readonly Uint8Array[]): boolean {
  for (const chunk of chunks) {
    for (const { header } of batches(chunk)) if (header.compression === 'zstd') return true
  }
  return false
}

/** The offset after the last batch returned. */
function endOffsetOf(chunks: readonly Uint8Array[]): number | undefined {
  const last = chunks.at(-1)
  if (last === undefined) return undefined
  let endOffset: number | undefined
  for (const { header } of batches(last)) endOffset = header.lastOffset + 1
  return endOffset
}

function respond(
  broker: BrokerServices,
  session: Exclude<FetchContext, { kind: 'refused' }>,
  reads: readonly ReadPartition[],
  usesTopicIds: boolean,
): FetchResponseDraft {
  const statuses = reads.map((read) => read.status)
  let sessionId = 0
  let told = reads
  if (session.kind === 'incremental') {
    sessionId = session.sessionId
    const flags = broker.fetchSessions.select(sessionId, session.targets, statuses)
    told = reads.filter((_, index) => flags[index])
  } else if (session.wantsSession) {
    const { clock, random } = broker.runtime
    sessionId = broker.fetchSessions.openSession(session.targets, statuses, usesTopicIds, clock.nowMs(), () =>
      random.nextUint32(),
    )
  }
  const topics = new Map<string, { topic: string; topicId: string; partitions: PartitionDraft[] }>()
  let namesLeader = false
  for (const { target, draft } of told) {
    let topic = topics.get(target.topicKey)
    if (topic === undefined) {
      topic = {
        topic: usesTopicIds ? '' : target.topicKey,
        topicId: usesTopicIds ? target.topicKey : ZERO_UUID,
        partitions: [],
      }
      topics.set(target.topicKey, topic)
    }
    const isStale = draft.errorCode === 'FENCED_LEADER_EPOCH' || draft.errorCode === 'NOT_LEADER_OR_FOLLOWER'
    namesLeader ||= isStale
    const { leaderEpoch } = broker.partitions
    topic.partitions.push(isStale ? { ...draft, currentLeader: { leaderId: broker.node.nodeId, leaderEpoch } } : draft)
  }
  const { nodeId, host, port, rack } = broker.node
  return {
    errorCode: 'NONE',
    sessionId,
    responses: [...topics.values()],
    ...(namesLeader ? { nodeEndpoints: [{ nodeId, host, port, rack }] } : {}),
  }
}
