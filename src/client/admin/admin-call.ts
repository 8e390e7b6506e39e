/**
 * How admin requests are made: to whom, for how long, and which errors are worth asking again for. All admin files go through here.
 *
 * A method that is given several things asks for all of them, and rejects with the first error afterwards; the message says
 * what it is about.
 */
import { listOffsets } from '../../protocol/messages/list-offsets.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { Api, RequestDraftOf, ResponseOf } from '../../protocol/schema.ts'
import type { Cluster, Reply } from '../cluster/cluster.ts'
import type { Destination, TopicView } from '../core/client-core.ts'
import { brokerError, KafkaError, type RequestInfo } from '../errors.ts'
import type { TopicPartition } from '../topic.ts'

export interface AdminContext {
  readonly cluster: Cluster
  readonly requestTimeoutMs: number
  /** For all tries of one call. */
  readonly timeoutMs: number
}

export interface AskOptions<A extends Api> {
  readonly minVersion?: number
  readonly maxVersion?: number
  /** The error of the answer that matters first; 'NONE' when there is none. */
  readonly errorOf: (
    response: ResponseOf<A>,
  ) => { readonly code: ErrorCode; readonly about?: Partial<RequestInfo>; readonly detail?: string | null } | undefined
}

/** Rejects with the error of the answer. */
export async function ask<A extends Api>(
  { cluster, requestTimeoutMs, timeoutMs }: AdminContext,
  destination: Destination,
  api: A,
  body: RequestDraftOf<A>,
  { minVersion, maxVersion, errorOf }: AskOptions<A>,
): Promise<Reply<A>> {
  const failureOf = (response: ResponseOf<A>, broker: string): KafkaError | undefined => {
    const found = errorOf(response)
    if (found === undefined || found.code === 'NONE') return undefined
    const request = { api: api.name, broker, ...found.about }
    return brokerError(found.code, request, { detail: found.detail ?? null })
  }
  const reply = await cluster.call(
    {
      destination,
      api,
      body,
      timeoutMs: requestTimeoutMs,
      ...(minVersion === undefined ? {} : { minVersion }),
      ...(maxVersion === undefined ? {} : { maxVersion }),
    },
    {
      timeoutMs,
      // A topic or group that is not there does not come to be by asking again.
      retryOn: (response, broker) => {
        const failure = failureOf(response, broker)
        return failure !== undefined && !FINAL.has(failure.code as ErrorCode) ? failure : undefined
      },
    },
  )
  const failure = failureOf(reply.response, reply.broker)
  if (failure !== undefined) throw failure
  return reply
}

/** Retriable for a client that runs for hours, an answer for somebody who asked once. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'UNKNOWN_MEMBER_ID',
  'UNKNOWN_SERVER_ERROR',
  'CORRUPT_MESSAGE',
])

export async function topicViews(context: AdminContext, names: readonly string[]): Promise<readonly TopicView[]> {
  const { cluster, timeoutMs } = context
  const all = await cluster.listTopics({ timeoutMs })
  const byName = new Map(all.map((view) => [view.name, view]))
  return names.map((name) => {
    const view = byName.get(name)
    if (view === undefined)
      throw brokerError(
        'UNKNOWN_TOPIC_OR_PARTITION',
        { api: 'Metadata', topic: name },
        { detail: `there is no topic ${name}` },
      )
    if (view.error !== undefined) throw view.error
    return view
  })
}

/** Which of these partitions each broker leads. Rejects for one that is not there or has no leader now. */
export async function byLeader<P extends TopicPartition>(
  context: AdminContext,
  partitions: readonly P[],
): Promise<ReadonlyMap<number, readonly P[]>> {
  const views = new Map(
    (await topicViews(context, [...new Set(partitions.map(({ topic }) => topic))])).map((view) => [view.name, view]),
  )
  const leaders = new Map<number, P[]>()
  for (const one of partitions) {
    const found = views.get(one.topic)?.partitions[one.partition]
    if (found === undefined) {
      const detail = `topic ${one.topic} has no partition ${one.partition}`
      throw brokerError('UNKNOWN_TOPIC_OR_PARTITION', { api: 'Metadata', ...one }, { detail })
    }
    if (found.leaderId === undefined)
      throw brokerError('LEADER_NOT_AVAILABLE', { api: 'Metadata', topic: one.topic, partition: one.partition })
    const known = leaders.get(found.leaderId)
    if (known === undefined) leaders.set(found.leaderId, [one])
    else known.push(one)
  }
  return leaders
}

export function byTopic<P extends TopicPartition>(
  partitions: readonly P[],
): readonly { readonly name: string; readonly all: readonly P[] }[] {
  const topics = new Map<string, P[]>()
  for (const one of partitions) {
    const known = topics.get(one.topic)
    if (known === undefined) topics.set(one.topic, [one])
    else known.push(one)
  }
  return [...topics].map(([name, all]) => ({ name, all }))
}

/** Every broker. */
export async function allBrokers({ cluster, timeoutMs }: AdminContext): Promise<readonly number[]> {
  await cluster.requireBrokers({ timeoutMs })
  return cluster.brokers().map(({ nodeId }) => nodeId)
}

/** A named place in a log, or the first record that is not older. */
export type OffsetSpec = 'earliest' | 'latest' | 'max-timestamp' | { readonly timestampMs: number }

export interface ListedOffset extends TopicPartition {
  /** `undefined`: no record is that young. */
  readonly offset: number | undefined
  readonly timestampMs: number | undefined
  readonly leaderEpoch: number
}

const NAMED = { latest: -1, earliest: -2, 'max-timestamp': -3 } as const
const MAX_TIMESTAMP_VERSION = 7

/** In the order of `wanted`. A partition may be asked for more than once. */
export async function offsetsOf(
  context: AdminContext,
  wanted: readonly (TopicPartition & { readonly at: OffsetSpec })[],
  isolationLevel: 'read_committed' | 'read_uncommitted',
): Promise<readonly ListedOffset[]> {
  // One request must not name a partition twice.
  const rounds: (typeof wanted)[number][][] = []
  for (const one of wanted) {
    const round = rounds.find(
      (all) => !all.some(({ topic, partition }) => topic === one.topic && partition === one.partition),
    )
    if (round === undefined) rounds.push([one])
    else round.push(one)
  }
  const found = new Map<(typeof wanted)[number], ListedOffset>()
  await Promise.all(
    rounds.map(async (round) => {
      const answers = await Promise.all(
        [...(await byLeader(context, round))].map(([nodeId, all]) => askOffsets(context, nodeId, all, isolationLevel)),
      )
      const byKey = new Map(answers.flat().map((one) => [`${one.topic}/${one.partition}`, one]))
      for (const one of round) {
        const answer = byKey.get(`${one.topic}/${one.partition}`)
        if (answer !== undefined) found.set(one, answer)
      }
    }),
  )
  return wanted.map(
    (one) =>
      found.get(one) ?? {
        topic: one.topic,
        partition: one.partition,
        offset: undefined,
        timestampMs: undefined,
        leaderEpoch: -1,
      },
  )
}

async function askOffsets(
  context: AdminContext,
  nodeId: number,
  wanted: readonly (TopicPartition & { readonly at: OffsetSpec })[],
  isolationLevel: 'read_committed' | 'read_uncommitted',
): Promise<readonly ListedOffset[]> {
  const { response } = await ask(
    context,
    { kind: 'node', nodeId },
    listOffsets,
    {
      replicaId: -1,
      isolationLevel: isolationLevel === 'read_committed' ? 1 : 0,
      topics: byTopic(wanted).map(({ name, all }) => ({
        name,
        partitions: all.map(({ partition, at }) => ({
          partitionIndex: partition,
          timestamp: typeof at === 'object' ? at.timestampMs : NAMED[at],
        })),
      })),
      timeoutMs: context.requestTimeoutMs,
    },
    {
      ...(wanted.some(({ at }) => at === 'max-timestamp') ? { minVersion: MAX_TIMESTAMP_VERSION } : {}),
      errorOf: (answer) => {
        for (const { name, partitions } of answer.topics) {
          const failed = partitions.find(({ errorCode }) => errorCode !== 'NONE')
          if (failed !== undefined)
            return { code: failed.errorCode, about: { topic: name, partition: failed.partitionIndex } }
        }
        return undefined
      },
    },
  )
  return response.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, offset, timestamp, leaderEpoch }) => ({
      topic: name,
      partition: partitionIndex,
      offset: offset < 0 ? undefined : offset,
      timestampMs: timestamp < 0 ? undefined : timestamp,
      leaderEpoch,
    })),
  )
}
