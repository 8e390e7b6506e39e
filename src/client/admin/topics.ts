/** Topics, their partitions and records, as an admin sees them. */
import { createPartitions } from '../../protocol/messages/create-partitions.ts'
import { createTopics } from '../../protocol/messages/create-topics.ts'
import { deleteRecords } from '../../protocol/messages/delete-records.ts'
import { deleteTopics } from '../../protocol/messages/delete-topics.ts'
import { describeTopicPartitions } from '../../protocol/messages/describe-topic-partitions.ts'
import type { ResponseOf } from '../../protocol/schema.ts'
import { brokerError, KafkaError } from '../errors.ts'
import type { TopicPartition } from '../topic.ts'
import { type AdminContext, allBrokers, ask, byTopic, FINAL_CODES, topicViews } from './admin-call.ts'
import { askForEach, LEADER_FINAL_CODES, partitionKey, toController, toLeaders } from './item-calls.ts'

export interface NewTopic {
  readonly topic: string
  /** As the broker is configured, unless given. */
  readonly partitions?: number
  readonly replicationFactor?: number
  /** Brokers of each partition, the leader first; in place of the two above. */
  readonly assignments?: readonly (readonly number[])[]
  readonly configs?: Readonly<Record<string, string>>
}

export interface TopicListing {
  readonly topic: string
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: number
}

export interface PartitionDescription {
  readonly partition: number
  /** `undefined`: no leader at the moment. */
  readonly leaderId: number | undefined
  readonly leaderEpoch: number
  readonly replicaIds: readonly number[]
  readonly inSyncReplicaIds: readonly number[]
  /** Not in sync, and may lead all the same without a loss (KIP-966); `undefined` where the brokers do not tell. */
  readonly eligibleReplicaIds: readonly number[] | undefined
}

export interface TopicDescription extends TopicListing {
  readonly layout: readonly PartitionDescription[]
}

export interface ValidateOnly {
  /** Checks whether it could be done, and does nothing. */
  readonly validateOnly?: boolean
}

const AS_CONFIGURED = -1
const TO_HIGH_WATERMARK = -1
const BY_ID_VERSION = 6
const NO_LEADER = -1
/** Above what clusters have; a broker that never ends its pages is given up. */
const PAGES_MAX = 10_000

export async function createTopicsOf(
  context: AdminContext,
  topics: readonly NewTopic[],
  { validateOnly = false }: ValidateOnly,
): Promise<void> {
  await askForEach(context, topics, toController(context), {
    api: createTopics,
    finalCodes: FINAL_CODES,
    keyOf: ({ topic }) => topic,
    about: ({ topic }) => ({ topic }),
    body: (all) => ({
      topics: all.map(({ topic, partitions, replicationFactor, assignments, configs = {} }) => ({
        name: topic,
        numPartitions: partitions ?? AS_CONFIGURED,
        replicationFactor: replicationFactor ?? AS_CONFIGURED,
        assignments: (assignments ?? []).map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      })),
      timeoutMs: context.requestTimeoutMs,
      validateOnly,
    }),
    outcomes: (response) =>
      response.topics.map(({ name, errorCode, errorMessage }) => ({
        key: name,
        code: errorCode,
        detail: errorMessage,
        value: undefined,
      })),
  })
}

type TopicToDelete = string | { readonly topicId: string }

export async function deleteTopicsOf(context: AdminContext, topics: readonly TopicToDelete[]): Promise<void> {
  const hasIds = topics.some((topic) => typeof topic !== 'string')
  const keyOfId = (topicId: string): string => `id ${topicId}`
  await askForEach(context, topics, toController(context), {
    api: deleteTopics,
    ...(hasIds ? { minVersion: BY_ID_VERSION } : {}),
    finalCodes: FINAL_CODES,
    doneCodes: new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID']),
    keyOf: (topic) => (typeof topic === 'string' ? topic : keyOfId(topic.topicId)),
    about: (topic) => ({ topic: typeof topic === 'string' ? topic : topic.topicId }),
    body: (all) => ({
      topics: all.map((topic) =>
        typeof topic === 'string' ? { name: topic } : { name: null, topicId: topic.topicId },
      ),
      topicNames: all.flatMap((topic) => (typeof topic === 'string' ? [topic] : [])),
      timeoutMs: context.requestTimeoutMs,
    }),
    // By whichever of the two it was asked.
    outcomes: ({ responses }) =>
      responses.flatMap(({ name, topicId, errorCode, errorMessage }) => {
        const outcome = { code: errorCode, detail: errorMessage, value: undefined }
        return [...(name === null ? [] : [{ key: name, ...outcome }]), { key: keyOfId(topicId), ...outcome }]
      }),
  })
}

export async function listTopicsOf({ cluster, timeoutMs }: AdminContext): Promise<readonly TopicListing[]> {
  const views = await cluster.listTopics({ timeoutMs })
  return views
    .map(({ name, topicId, isInternal, partitions }) => ({
      topic: name,
      topicId,
      isInternal,
      partitions: partitions.length,
    }))
    .toSorted((a, b) => (a.topic < b.topic ? -1 : 1))
}

/** In the order of the names. By DescribeTopicPartitions where all brokers have it, else by Metadata. */
export async function describeTopicsOf(
  context: AdminContext,
  topics: readonly string[],
): Promise<readonly TopicDescription[]> {
  await allBrokers(context)
  if (topics.length > 0 && context.cluster.view.apiVersionEverywhere(describeTopicPartitions) !== undefined) {
    return describeByPages(context, topics)
  }
  const views = await topicViews(context, topics)
  return views.map(({ name, topicId, isInternal, partitions }) => ({
    topic: name,
    topicId,
    isInternal,
    partitions: partitions.length,
    layout: partitions.map((one) => ({ ...one, eligibleReplicaIds: undefined })),
  }))
}

async function describeByPages(context: AdminContext, names: readonly string[]): Promise<readonly TopicDescription[]> {
  const found = new Map<string, TopicDescription & { readonly layout: PartitionDescription[] }>()
  let cursor: ResponseOf<typeof describeTopicPartitions>['nextCursor'] = null
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { response }: { readonly response: ResponseOf<typeof describeTopicPartitions> } = await ask(
      context,
      { kind: 'any' },
      describeTopicPartitions,
      { topics: [...new Set(names)].toSorted().map((name) => ({ name })), cursor },
      {
        errorOf: (answer) => {
          const failed = answer.topics.find(({ errorCode }) => errorCode !== 'NONE')
          if (failed === undefined) return undefined
          const topic = failed.name ?? failed.topicId
          const isMissing = failed.errorCode === 'UNKNOWN_TOPIC_OR_PARTITION'
          const detail = isMissing ? `there is no topic ${topic}` : null
          return { code: failed.errorCode, about: { topic }, detail }
        },
      },
    )
    for (const { name, topicId, isInternal, partitions } of response.topics) {
      if (name === null) continue
      const layout = found.get(name)?.layout ?? []
      for (const one of partitions) {
        layout.push({
          partition: one.partitionIndex,
          leaderId: one.leaderId === NO_LEADER ? undefined : one.leaderId,
          leaderEpoch: one.leaderEpoch,
          replicaIds: one.replicaNodes,
          inSyncReplicaIds: one.isrNodes,
          eligibleReplicaIds: one.eligibleLeaderReplicas ?? undefined,
        })
      }
      found.set(name, { topic: name, topicId, isInternal, partitions: layout.length, layout })
    }
    cursor = response.nextCursor
    if (cursor === null) return names.map((topic) => pick(found, topic))
  }
  throw new KafkaError('INVALID_RESPONSE', `${describeTopicPartitions.name}: more than ${PAGES_MAX} pages`)
}

function pick(found: ReadonlyMap<string, TopicDescription>, topic: string): TopicDescription {
  const description = found.get(topic)
  if (description !== undefined) return description
  const detail = `there is no topic ${topic}`
  throw brokerError('UNKNOWN_TOPIC_OR_PARTITION', { api: describeTopicPartitions.name, topic }, { detail })
}

/** @param partitions  how many there are afterwards */
export async function createPartitionsOf(
  context: AdminContext,
  topic: string,
  partitions: number,
  { validateOnly = false }: ValidateOnly,
): Promise<void> {
  await askForEach(context, [topic], toController(context), {
    api: createPartitions,
    finalCodes: FINAL_CODES,
    keyOf: (name) => name,
    about: (name) => ({ topic: name }),
    body: (all) => ({
      topics: all.map((name) => ({ name, count: partitions, assignments: null })),
      timeoutMs: context.requestTimeoutMs,
      validateOnly,
    }),
    outcomes: ({ results }) =>
      results.map(({ name, errorCode, errorMessage }) => ({
        key: name,
        code: errorCode,
        detail: errorMessage,
        value: undefined,
      })),
  })
}

type RecordsToDelete = TopicPartition & { readonly before: number | 'end' }

/** @param offsets  each the first that stays; 'end' for all there is. @returns the first offsets afterwards */
export function deleteRecordsOf(
  context: AdminContext,
  offsets: readonly RecordsToDelete[],
): Promise<readonly (TopicPartition & { readonly logStartOffset: number })[]> {
  return askForEach(context, offsets, toLeaders<RecordsToDelete>(context), {
    api: deleteRecords,
    finalCodes: LEADER_FINAL_CODES,
    keyOf: (one) => partitionKey(one),
    about: ({ topic, partition }) => ({ topic, partition }),
    body: (all) => ({
      topics: byTopic(all).map((topic) => ({
        name: topic.name,
        partitions: topic.all.map(({ partition, before }) => ({
          partitionIndex: partition,
          offset: before === 'end' ? TO_HIGH_WATERMARK : before,
        })),
      })),
      timeoutMs: context.requestTimeoutMs,
    }),
    outcomes: ({ topics }) =>
      topics.flatMap(({ name: topic, partitions }) =>
        partitions.map(({ partitionIndex: partition, errorCode, lowWatermark }) => ({
          key: partitionKey({ topic, partition }),
          code: errorCode,
          value: { topic, partition, logStartOffset: lowWatermark },
        })),
      ),
  })
}
