/**
 * Decisions about which topics there are and how many partitions they have. Pure: they read the catalogue and return
 * records and a reply.
 *
 * Source: ControllerApis, ReplicationControlManager (4.3.1).
 */
import type {
  CatalogueResult,
  CatalogueView,
  DeletedTopicResult,
  NewTopic,
  PartitionIncrease,
  Topic,
  TopicReference,
  TopicResult,
} from './catalogue-api.ts'
import type { CatalogueRecord } from './catalogue-records.ts'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { collisionKey, isInternalTopic, METADATA_TOPIC, topicNameProblem } from './topic-name.ts'
import { listOf, topicRecord } from './topic-record.ts'
import { newTopicProblem, replicasProblem } from './topic-rules.ts'

/** Partitions that one request may create (ReplicationControlManager.MAX_PARTITIONS_PER_BATCH). */
const CREATION_MAX_PARTITIONS = 10_000

/**
 * Creates topics; each on its own, in the order given.
 * @param context.origin  only the broker itself creates internal topics
 * @returns one result for each distinct name. Errors: INVALID_TOPIC_EXCEPTION, TOPIC_ALREADY_EXISTS, INVALID_REQUEST,
 *          INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT, INVALID_CONFIG, POLICY_VIOLATION
 */
export function decideCreateTopics(
  view: CatalogueView,
  requested: readonly NewTopic[],
  context: {
    readonly origin: 'client' | 'broker'
    readonly validateOnly: boolean
    readonly newTopicId: () => string
  },
): CatalogueResult<TopicResult[]> {
  const counts = requested.map((topic) => wantedPartitions(view, topic))
  const isTooMany = counts.reduce((sum, count) => sum + Math.max(0, count), 0) > CREATION_MAX_PARTITIONS
  const namesSeen = new Map<string, number>()
  for (const { name } of requested) namesSeen.set(name, (namesSeen.get(name) ?? 0) + 1)
  const created = new Map<string, string>()
  let partitionCount = view.partitionCount
  const records: CatalogueRecord[] = []
  const results = new Map<string, TopicResult>()
  requested.forEach((wanted, index) => {
    const { name } = wanted
    if (results.has(name)) return
    const count = counts[index] ?? 0
    const refusal = isTooMany
      ? refuse('POLICY_VIOLATION', `one request may create ${CREATION_MAX_PARTITIONS} partitions at most`)
      : (namesSeen.get(name) ?? 0) > 1
        ? refuse('INVALID_REQUEST', 'Duplicate topic name.')
        : creationProblem(view, wanted, count, { origin: context.origin, created, partitionCount })
    if (refusal !== undefined) {
      results.set(name, { name, ...refusal })
      return
    }
    const configs = new Map(wanted.configs.map((config) => [config.name, config.value ?? '']))
    const topicId = context.newTopicId()
    created.set(collisionKey(name), name)
    partitionCount += count
    records.push({ kind: 'topic', name, value: { topicId, partitionCount: count, configs: listOf(configs) } })
    const topic = { name, topicId, partitionCount: count, isInternal: isInternalTopic(name), configs }
    results.set(name, { name, error: 'NONE', message: null, topic })
  })
  return { records: context.validateOnly ? [] : records, reply: [...results.values()] }
}

/**
 * Deletes topics by name or by id.
 * Errors: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INVALID_REQUEST (named twice, both or neither given, internal)
 */
export function decideDeleteTopics(
  view: CatalogueView,
  references: readonly TopicReference[],
): CatalogueResult<DeletedTopicResult[]> {
  const timesNamed = new Map<string, number>()
  for (const reference of references) {
    const topic = resolve(view, reference)
    const key = topic?.topicId ?? reference.name ?? reference.topicId ?? ''
    timesNamed.set(key, (timesNamed.get(key) ?? 0) + 1)
  }
  const records: CatalogueRecord[] = []
  const reply = references.map((reference): DeletedTopicResult => {
    const { name, topicId } = reference
    if (name === null && topicId === null) {
      return { name, topicId, ...refuse('INVALID_REQUEST', 'Neither topic name nor id were specified.') }
    }
    if (name !== null && topicId !== null) {
      return { name, topicId, ...refuse('INVALID_REQUEST', 'You may not specify both topic name and topic id.') }
    }
    const topic = resolve(view, reference)
    if ((timesNamed.get(topic?.topicId ?? name ?? topicId ?? '') ?? 0) > 1) {
      return { name, topicId, ...refuse('INVALID_REQUEST', 'The topic is named more than once.') }
    }
    if (topic === undefined) {
      return name === null
        ? { name, topicId, ...refuse('UNKNOWN_TOPIC_ID', 'This server does not host this topic ID.') }
        : {
            name,
            topicId,
            ...refuse('UNKNOWN_TOPIC_OR_PARTITION', 'This server does not host this topic-partition.'),
          }
    }
    const identity = { name: topic.name, topicId: topic.topicId }
    if (topic.isInternal) {
      return {
        ...identity,
        ...refuse('INVALID_REQUEST', `${topic.name} belongs to the broker and cannot be deleted.`),
      }
    }
    records.push({ kind: 'topic', name: topic.name, value: null })
    return { ...identity, error: 'NONE', message: null }
  })
  return { records, reply }
}

/**
 * Adds partitions to topics.
 * Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, INVALID_REQUEST (named twice,
 * internal), POLICY_VIOLATION
 */
export function decideCreatePartitions(
  view: CatalogueView,
  increases: readonly PartitionIncrease[],
  context: { readonly validateOnly: boolean },
): CatalogueResult<TopicResult[]> {
  const timesNamed = new Map<string, number>()
  for (const { name } of increases) timesNamed.set(name, (timesNamed.get(name) ?? 0) + 1)
  const records: CatalogueRecord[] = []
  const results = new Map<string, TopicResult>()
  let partitionCount = view.partitionCount
  for (const increase of increases) {
    const { name, count } = increase
    if (results.has(name)) continue
    const refusal =
      (timesNamed.get(name) ?? 0) > 1
        ? refuse('INVALID_REQUEST', 'Duplicate topic name.')
        : increaseProblem(view, increase, partitionCount)
    const topic = view.topic(name)
    if (refusal !== undefined || topic === undefined) {
      results.set(name, {
        name,
        ...(refusal ?? refuse('UNKNOWN_TOPIC_OR_PARTITION', 'This server does not host this topic-partition.')),
      })
      continue
    }
    partitionCount += count - topic.partitionCount
    records.push(topicRecord({ ...topic, partitionCount: count }))
    results.set(name, { name, error: 'NONE', message: null, topic: { ...topic, partitionCount: count } })
  }
  return { records: context.validateOnly ? [] : records, reply: [...results.values()] }
}

function creationProblem(
  view: CatalogueView,
  wanted: NewTopic,
  count: number,
  context: {
    readonly origin: 'client' | 'broker'
    /** Names created earlier in the same request, by collision key. */
    readonly created: ReadonlyMap<string, string>
    readonly partitionCount: number
  },
): Refusal | undefined {
  const { name } = wanted
  const nameProblem = topicNameProblem(name)
  if (nameProblem !== undefined) return refuse('INVALID_TOPIC_EXCEPTION', nameProblem)
  if (view.topic(name) !== undefined) return refuse('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`)
  if (context.origin === 'client' && (isInternalTopic(name) || name === METADATA_TOPIC)) {
    return refuse('INVALID_REQUEST', `Creation of internal topic ${name} is prohibited.`)
  }
  const colliding = view.topicCollidingWith(name) ?? context.created.get(collisionKey(name))
  if (colliding !== undefined) {
    return refuse('INVALID_TOPIC_EXCEPTION', `Topic '${name}' collides with existing topic: ${colliding}`)
  }
  const { nodeId, maxPartitions } = view.options
  const topicDefaults = view.options.topicDefaults()
  const problem = newTopicProblem(wanted, { partitionCount: count, nodeId, topicDefaults })
  if (problem !== undefined) return problem
  if (context.partitionCount + count <= maxPartitions) return undefined
  return refuse('POLICY_VIOLATION', tooManyPartitions(view, context.partitionCount, count))
}

function increaseProblem(
  view: CatalogueView,
  { name, count, assignments }: PartitionIncrease,
  partitionCount: number,
): Refusal | undefined {
  const topic = view.topic(name)
  if (topic === undefined) {
    return refuse('UNKNOWN_TOPIC_OR_PARTITION', 'This server does not host this topic-partition.')
  }
  // Deviation: Kafka lets its internal topics grow, which moves every group and transactional id to another partition.
  if (topic.isInternal) return refuse('INVALID_REQUEST', `${name} belongs to the broker and cannot be changed.`)
  if (count === topic.partitionCount) {
    return refuse('INVALID_PARTITIONS', `Topic already has ${topic.partitionCount} partition(s).`)
  }
  if (count < topic.partitionCount) {
    return refuse(
      'INVALID_PARTITIONS',
      `The topic ${name} currently has ${topic.partitionCount} partition(s); ${count} would not be an increase.`,
    )
  }
  const additional = count - topic.partitionCount
  if (assignments !== null) {
    if (assignments.length !== additional) {
      return refuse(
        'INVALID_REPLICA_ASSIGNMENT',
        `Attempted to add ${additional} additional partition(s), but only ${assignments.length} assignment(s) were specified.`,
      )
    }
    for (const { brokerIds } of assignments) {
      const problem = replicasProblem(brokerIds, view.options.nodeId)
      if (problem !== undefined) return problem
    }
  }
  if (additional > CREATION_MAX_PARTITIONS || partitionCount + additional > view.options.maxPartitions) {
    return refuse('POLICY_VIOLATION', tooManyPartitions(view, partitionCount, additional))
  }
  return undefined
}

function resolve(view: CatalogueView, { name, topicId }: TopicReference): Topic | undefined {
  if (name !== null) return topicId === null ? view.topic(name) : undefined
  return topicId === null ? undefined : view.topicById(topicId)
}

function wantedPartitions(view: CatalogueView, { assignments, partitionCount }: NewTopic): number {
  if (assignments.length > 0) return assignments.length
  return partitionCount === -1 ? view.options.defaultPartitionCount() : partitionCount
}

function tooManyPartitions(view: CatalogueView, existing: number, additional: number): string {
  return `there are ${existing} partitions, ${additional} more would be above semel.max.partitions=${view.options.maxPartitions}`
}
