/**
 * How single questions are asked, and those that go to all brokers: to whom, for how long, and which errors are worth asking
 * again for. Calls about several things at a time are in item-calls.ts.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { metadata } from '../../protocol/messages/metadata.ts'
import type { Api, RequestDraftOf, ResponseOf } from '../../protocol/schema.ts'
import { RequestFailure } from '../cluster/client-connection.ts'
import type { Cluster, Reply } from '../cluster/cluster.ts'
import { MetadataCache } from '../cluster/metadata-cache.ts'
import type { CoreRequest, Destination, TopicView } from '../core/client-core.ts'
import { brokerError, isRetriable, KafkaError, type RequestInfo } from '../errors.ts'
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

/** Retriable for a client that runs for hours, an answer for somebody who asked once. */
export const FINAL_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'UNKNOWN_MEMBER_ID',
  'UNKNOWN_SERVER_ERROR',
  'CORRUPT_MESSAGE',
])

function failureOf<A extends Api>(
  api: A,
  { response, broker }: Pick<Reply<A>, 'response' | 'broker'>,
  errorOf: AskOptions<A>['errorOf'],
): KafkaError | undefined {
  const found = errorOf(response)
  if (found === undefined || found.code === 'NONE') return undefined
  return brokerError(found.code, { api: api.name, broker, ...found.about }, { detail: found.detail ?? null })
}

function isWorthwhile(error: KafkaError): boolean {
  return isRetriable(error) && !FINAL_CODES.has(error.code as ErrorCode)
}

function boundsOf<A extends Api>({ minVersion, maxVersion }: AskOptions<A>) {
  return {
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  }
}

/** Rejects with the error of the answer. */
export async function ask<A extends Api>(
  { cluster, requestTimeoutMs, timeoutMs }: AdminContext,
  destination: Destination,
  api: A,
  body: RequestDraftOf<A>,
  options: AskOptions<A>,
): Promise<Reply<A>> {
  const reply = await cluster.call(
    { destination, api, body, timeoutMs: requestTimeoutMs, ...boundsOf(options) },
    {
      timeoutMs,
      // A topic or group that is not there does not come to be by asking again.
      retryOn: (response, broker) => {
        const failure = failureOf(api, { response, broker }, options.errorOf)
        return failure !== undefined && isWorthwhile(failure) ? failure : undefined
      },
    },
  )
  const failure = failureOf(api, reply, options.errorOf)
  if (failure !== undefined) throw failure
  return reply
}

/**
 * Asks every broker. When one of them fails, all are asked anew, of those that are there by then: what the one had may have
 * moved to another, which did not have it when it was asked.
 */
export async function askAllBrokers<A extends Api>(
  context: AdminContext,
  api: A,
  body: RequestDraftOf<A>,
  options: AskOptions<A>,
): Promise<readonly Reply<A>[]> {
  const { cluster, timeoutMs } = context
  const { clock } = cluster.runtime
  const deadlineMs = clock.monotonicMs() + timeoutMs
  for (let attempt = 1; ; attempt += 1) {
    const nodes = await allBrokers(context, Math.max(1, deadlineMs - clock.monotonicMs()))
    const errors: KafkaError[] = []
    const replies = await Promise.all(
      nodes.map(async (nodeId) => {
        const destination = { kind: 'node', nodeId } as const
        try {
          const reply = await tryOnce(context, { destination, api, body, ...boundsOf(options) }, deadlineMs)
          const failure = failureOf(api, reply, options.errorOf)
          if (failure === undefined) return reply
          cluster.heed(failure, destination)
          errors.push(failure)
        } catch (reason) {
          const error = reason instanceof RequestFailure ? reason.error : reason
          if (!(error instanceof KafkaError)) throw error
          errors.push(error)
        }
        return undefined
      }),
    )
    const failure = errors.find((error) => !isWorthwhile(error)) ?? errors[0]
    if (failure === undefined) return replies.flatMap((reply) => reply ?? [])
    const pauseMs = cluster.backoffMs(attempt)
    if (!isWorthwhile(failure) || clock.monotonicMs() + pauseMs >= deadlineMs) throw failure
    await cluster.sleep(pauseMs)
  }
}

/** One try, which ends at the deadline whatever it waits for. Rejects with RequestFailure or KafkaError. */
export async function tryOnce<A extends Api>(
  { cluster, requestTimeoutMs }: AdminContext,
  request: Omit<CoreRequest<A>, 'id' | 'timeoutMs'>,
  deadlineMs: number,
): Promise<Reply<A>> {
  const leftMs = Math.max(1, deadlineMs - cluster.runtime.clock.monotonicMs())
  const isAnswered = new AbortController()
  const limit = cluster.sleep(leftMs, isAnswered.signal).then((): never => {
    throw new RequestFailure(new KafkaError('REQUEST_TIMEOUT', `${request.api.name}: no answer in time`), true)
  })
  const work = cluster.trySend({ ...request, timeoutMs: requestTimeoutMs })
  // The one that ends later is no news any more.
  for (const one of [limit, work]) one.catch(() => undefined)
  try {
    return await Promise.race([work, limit])
  } finally {
    isAnswered.abort()
  }
}

/** Before version 4 asking for a topic may create it. */
const METADATA_VERSION_MIN = 4

/** What is known of each topic now: its partitions, or why there are none. */
export async function viewsByName(
  { cluster, requestTimeoutMs }: AdminContext,
  names: readonly string[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, TopicView>> {
  if (names.length === 0) return new Map()
  const { response } = await cluster.call(
    {
      destination: { kind: 'any' },
      api: metadata,
      minVersion: METADATA_VERSION_MIN,
      body: { topics: names.map((name) => ({ name })), allowAutoTopicCreation: false },
      timeoutMs: requestTimeoutMs,
    },
    {
      timeoutMs,
      retryOn: ({ errorCode }, broker) =>
        errorCode === 'NONE' ? undefined : brokerError(errorCode, { api: metadata.name, broker }),
    },
  )
  const cache = new MetadataCache()
  cache.learn(response, new Set(names))
  return new Map(names.flatMap((name) => [[name, cache.topic(name) as TopicView]]))
}

/** In the order of the names. Rejects with the error of one that is not there. */
export async function topicViews(context: AdminContext, names: readonly string[]): Promise<readonly TopicView[]> {
  const views = await viewsByName(context, names, context.timeoutMs)
  return names.map((name) => {
    const view = views.get(name)
    if (view === undefined || view.error?.code === 'UNKNOWN_TOPIC_OR_PARTITION')
      throw brokerError(
        'UNKNOWN_TOPIC_OR_PARTITION',
        { api: 'Metadata', topic: name },
        { detail: `there is no topic ${name}` },
      )
    if (view.error !== undefined) throw view.error
    return view
  })
}

/** Every broker that is known; waits until some are. */
export async function allBrokers(
  { cluster, timeoutMs: callTimeoutMs }: AdminContext,
  timeoutMs = callTimeoutMs,
): Promise<readonly number[]> {
  await cluster.requireBrokers({ timeoutMs })
  return cluster.brokers().map(({ nodeId }) => nodeId)
}

/** For requests that name topics, and partitions in them. */
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
