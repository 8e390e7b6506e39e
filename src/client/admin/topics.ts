/** Topics, their partitions, settings and records, as an admin sees them. */
import { createPartitions } from '../../protocol/messages/create-partitions.ts'
import { createTopics } from '../../protocol/messages/create-topics.ts'
import { deleteRecords } from '../../protocol/messages/delete-records.ts'
import { deleteTopics } from '../../protocol/messages/delete-topics.ts'
import { describeConfigs } from '../../protocol/messages/describe-configs.ts'
import { incrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import type { TopicPartition } from '../topic.ts'
import { type AdminContext, ask, byLeader, byTopic, topicViews } from './admin-call.ts'

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

export interface TopicDescription extends TopicListing {
  readonly layout: readonly {
    readonly partition: number
    readonly leaderId: number | undefined
    readonly leaderEpoch: number
    readonly replicaIds: readonly number[]
    readonly inSyncReplicaIds: readonly number[]
  }[]
}

export type ConfigResource = { readonly topic: string } | { readonly broker: number | 'all' }

export interface ConfigEntry {
  readonly name: string
  /** `null` when it is secret. */
  readonly value: string | null
  readonly source: 'topic' | 'broker' | 'all-brokers' | 'file' | 'default' | 'other'
  readonly isReadOnly: boolean
  readonly isSensitive: boolean
}

export interface ConfigChange {
  readonly name: string
  /** `append` and `subtract` are for lists; `delete` goes back to the default. */
  readonly operation: 'set' | 'delete' | 'append' | 'subtract'
  readonly value?: string
}

export interface ValidateOnly {
  /** Checks whether it could be done, and does nothing. */
  readonly validateOnly?: boolean
}

const AS_CONFIGURED = -1
const RESOURCE_TOPIC = 2
const RESOURCE_BROKER = 4
const OPERATIONS = { set: 0, delete: 1, append: 2, subtract: 3 } as const
const SOURCES: readonly ConfigEntry['source'][] = ['other', 'topic', 'broker', 'all-brokers', 'file', 'default']
const TO_HIGH_WATERMARK = -1
const BY_ID_VERSION = 6

export async function createTopicsOf(
  context: AdminContext,
  topics: readonly NewTopic[],
  { validateOnly = false }: ValidateOnly,
): Promise<void> {
  await ask(
    context,
    { kind: 'controller' },
    createTopics,
    {
      topics: topics.map(({ topic, partitions, replicationFactor, assignments, configs = {} }) => ({
        name: topic,
        numPartitions: partitions ?? AS_CONFIGURED,
        replicationFactor: replicationFactor ?? AS_CONFIGURED,
        assignments: (assignments ?? []).map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      })),
      timeoutMs: context.requestTimeoutMs,
      validateOnly,
    },
    {
      errorOf: (response) => {
        const failed = response.topics.find(({ errorCode }) => errorCode !== 'NONE')
        return failed && { code: failed.errorCode, about: { topic: failed.name }, detail: failed.errorMessage }
      },
    },
  )
}

export async function deleteTopicsOf(
  context: AdminContext,
  topics: readonly (string | { readonly topicId: string })[],
): Promise<void> {
  const names = topics.flatMap((topic) => (typeof topic === 'string' ? [topic] : []))
  await ask(
    context,
    { kind: 'controller' },
    deleteTopics,
    {
      topics: topics.map((topic) =>
        typeof topic === 'string' ? { name: topic } : { name: null, topicId: topic.topicId },
      ),
      topicNames: names,
      timeoutMs: context.requestTimeoutMs,
    },
    {
      ...(names.length === topics.length ? {} : { minVersion: BY_ID_VERSION }),
      errorOf: (response) => {
        const failed = response.responses.find(({ errorCode }) => errorCode !== 'NONE')
        return (
          failed && {
            code: failed.errorCode,
            about: { topic: failed.name ?? failed.topicId },
            detail: failed.errorMessage,
          }
        )
      },
    },
  )
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

export async function describeTopicsOf(
  context: AdminContext,
  topics: readonly string[],
): Promise<readonly TopicDescription[]> {
  const views = await topicViews(context, topics)
  return views.map(({ name, topicId, isInternal, partitions }) => ({
    topic: name,
    topicId,
    isInternal,
    partitions: partitions.length,
    layout: partitions,
  }))
}

/** @param partitions  how many there are afterwards */
export async function createPartitionsOf(
  context: AdminContext,
  topic: string,
  partitions: number,
  { validateOnly = false }: ValidateOnly,
): Promise<void> {
  await ask(
    context,
    { kind: 'controller' },
    createPartitions,
    {
      topics: [{ name: topic, count: partitions, assignments: null }],
      timeoutMs: context.requestTimeoutMs,
      validateOnly,
    },
    {
      errorOf: (response) => {
        const failed = response.results.find(({ errorCode }) => errorCode !== 'NONE')
        return failed && { code: failed.errorCode, about: { topic: failed.name }, detail: failed.errorMessage }
      },
    },
  )
}

/** @param offsets  each the first that stays; 'end' for all there is. @returns the first offsets afterwards */
export async function deleteRecordsOf(
  context: AdminContext,
  offsets: readonly (TopicPartition & { readonly before: number | 'end' })[],
): Promise<readonly (TopicPartition & { readonly logStartOffset: number })[]> {
  const leaders = await byLeader(context, offsets)
  const results = await Promise.all(
    [...leaders].map(async ([nodeId, all]) => {
      const { response } = await ask(
        context,
        { kind: 'node', nodeId },
        deleteRecords,
        {
          topics: byTopic(all).map((topic) => ({
            name: topic.name,
            partitions: topic.all.map(({ partition, before }) => ({
              partitionIndex: partition,
              offset: before === 'end' ? TO_HIGH_WATERMARK : before,
            })),
          })),
          timeoutMs: context.requestTimeoutMs,
        },
        {
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
        partitions.map(({ partitionIndex, lowWatermark }) => ({
          topic: name,
          partition: partitionIndex,
          logStartOffset: lowWatermark,
        })),
      )
    }),
  )
  return results.flat()
}

export async function describeConfigsOf(
  context: AdminContext,
  resource: ConfigResource,
): Promise<readonly ConfigEntry[]> {
  const { type, name, destination } = resourceOf(resource)
  const { response } = await ask(
    context,
    destination,
    describeConfigs,
    { resources: [{ resourceType: type, resourceName: name, configurationKeys: null }], includeSynonyms: false },
    {
      errorOf: ({ results: [first] }) =>
        first && { code: first.errorCode, about: { topic: first.resourceName }, detail: first.errorMessage },
    },
  )
  return (response.results[0]?.configs ?? [])
    .map(({ name: key, value, readOnly, configSource, isSensitive }) => ({
      name: key,
      value,
      source: SOURCES[configSource] ?? 'other',
      isReadOnly: readOnly,
      isSensitive,
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export async function alterConfigsOf(
  context: AdminContext,
  resource: ConfigResource,
  changes: readonly ConfigChange[],
  { validateOnly = false }: ValidateOnly,
): Promise<void> {
  const { type, name, destination } = resourceOf(resource)
  const configs = changes.map(({ name: key, operation, value }) => ({
    name: key,
    configOperation: OPERATIONS[operation],
    value: operation === 'delete' ? null : (value ?? ''),
  }))
  await ask(
    context,
    destination,
    incrementalAlterConfigs,
    { resources: [{ resourceType: type, resourceName: name, configs }], validateOnly },
    {
      errorOf: ({ responses: [first] }) =>
        first && { code: first.errorCode, about: { topic: first.resourceName }, detail: first.errorMessage },
    },
  )
}

function resourceOf(resource: ConfigResource) {
  if ('topic' in resource)
    return { type: RESOURCE_TOPIC, name: resource.topic, destination: { kind: 'controller' } as const }
  const { broker } = resource
  if (broker === 'all') return { type: RESOURCE_BROKER, name: '', destination: { kind: 'controller' } as const }
  return { type: RESOURCE_BROKER, name: String(broker), destination: { kind: 'node', nodeId: broker } as const }
}
