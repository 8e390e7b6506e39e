/**
 * The catalogue: what there is in this cluster. Cluster id, broker epoch, topics with their configuration, the broker's
 * dynamic configuration, finalized features, and the next block of producer ids.
 *
 * Owns names, ids, counts and settings; partitions' contents, logs and clients' views are left to others. Pure: each
 * `decide…` method reads the state of the last `replay` and returns records and a reply; only `replay` changes it.
 * Invariants: C1 one topic per name, one name per topic id, and no two names that differ only in '.' and '_';
 * C2 a topic's id never changes and its partitions never get fewer; C3 the broker epoch, the features epoch and the next
 * producer id never go back; C4 no more than `maxPartitions` partitions.
 * Source: ReplicationControlManager, ConfigurationControlManager, FeatureControlManager, ProducerIdControlManager (4.3.1).
 */
import { assert } from '../../base/assert.ts'
import { formatOption } from '../../base/options.ts'
import type { Option } from '../../base/options.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { CatalogueRecord } from './catalogue-records.ts'
import { changeConfigs } from './config-changes.ts'
import type { ConfigOperation } from './config-changes.ts'
import { featureUpdateProblem, INITIAL_FEATURES } from './features.ts'
import type { FeatureUpdate } from './features.ts'
import { resolveTopicConfig, topicConfigProblem, topicOption } from './topic-config.ts'
import type { ConfigTexts, TopicConfig } from './topic-config.ts'
import { newTopicProblem, refuse, replicasProblem } from './topic-rules.ts'
import type { Refusal } from './topic-rules.ts'
import { collisionKey, isInternalTopic, METADATA_TOPIC, topicNameProblem } from './topic-name.ts'

export interface CatalogueOptions {
  readonly nodeId: number
  /** Partitions of all topics together. */
  readonly maxPartitions: number
  /** Partitions of a topic that does not say how many: `num.partitions`. */
  readonly defaultPartitionCount: () => number
  /** What topics that set nothing of their own get. */
  readonly topicDefaults: () => TopicConfig
  /** The broker option of a Kafka name, `undefined` when there is none. */
  readonly brokerOption: (name: string) => Option | undefined
  /** Why these texts cannot be dynamic settings of the broker; `undefined` when they can. */
  readonly brokerConfigProblem: (texts: ConfigTexts) => Refusal | undefined
}

export interface Topic {
  readonly name: string
  readonly topicId: string
  readonly partitionCount: number
  readonly isInternal: boolean
  /** What was set for this topic, as text. */
  readonly configs: ConfigTexts
}

export interface CatalogueResult<Reply> {
  readonly records: readonly CatalogueRecord[]
  readonly reply: Reply
}

export interface NewTopic {
  readonly name: string
  /** -1: the default, or as many as there are assignments. */
  readonly partitionCount: number
  /** -1: the default. */
  readonly replicationFactor: number
  readonly assignments: readonly { readonly partitionIndex: number; readonly brokerIds: readonly number[] }[]
  readonly configs: readonly { readonly name: string; readonly value: string | null }[]
}

/** Outcome for one topic; `topic` is set on success (and with validateOnly: as it would be). */
export interface TopicResult {
  readonly name: string
  readonly error: ErrorCode
  readonly message: string | null
  readonly topic?: Topic
}

/** A topic is named or given by id, never both. */
export interface TopicReference {
  readonly name: string | null
  /** `null` when not given. */
  readonly topicId: string | null
}

export interface DeletedTopicResult {
  readonly name: string | null
  readonly topicId: string | null
  readonly error: ErrorCode
  readonly message: string | null
}

export interface PartitionIncrease {
  readonly name: string
  /** The new total. */
  readonly count: number
  readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null
}

/** `name` of a broker resource: the node id, or '' for the default of all nodes. */
export interface ConfigResource {
  readonly type: 'topic' | 'broker'
  readonly name: string
}

export interface ConfigChange {
  readonly resource: ConfigResource
  readonly operations: readonly ConfigOperation[]
  /** AlterConfigs: what is not named goes back to its default. */
  readonly isReplacement?: boolean
}

export interface ConfigChangeResult {
  readonly resource: ConfigResource
  readonly error: ErrorCode
  readonly message: string | null
}

/** Partitions that one request may create (ReplicationControlManager.MAX_PARTITIONS_PER_BATCH). */
const CREATION_MAX_PARTITIONS = 10_000
const PRODUCER_ID_BLOCK_SIZE = 1000

export class Catalogue {
  readonly #options: CatalogueOptions
  readonly #topicsByName = new Map<string, Topic>()
  readonly #topicsById = new Map<string, Topic>()
  readonly #namesByCollisionKey = new Map<string, string>()
  readonly #brokerConfigs = new Map<string, ConfigTexts>()
  readonly #features = new Map<string, number>()
  #clusterId: string | undefined
  #brokerEpoch = 0
  #featuresEpoch = 0
  #nextProducerId = 0
  #partitionCount = 0

  constructor(options: CatalogueOptions) {
    this.#options = options
  }

  /** `undefined` until the first `decideStart` was replayed. */
  get clusterId(): string | undefined {
    return this.#clusterId
  }

  /** 0 before the first start. */
  get brokerEpoch(): number {
    return this.#brokerEpoch
  }

  /** Grows on each change of a feature. */
  get finalizedFeaturesEpoch(): number {
    return this.#featuresEpoch
  }

  /** First producer id that no block holds yet. */
  get nextProducerId(): number {
    return this.#nextProducerId
  }

  /** Partitions of all topics together. */
  get partitionCount(): number {
    return this.#partitionCount
  }

  topic(name: string): Topic | undefined {
    return this.#topicsByName.get(name)
  }

  topicById(topicId: string): Topic | undefined {
    return this.#topicsById.get(topicId)
  }

  /** In the order of their creation. */
  topics(): Iterable<Topic> {
    return this.#topicsByName.values()
  }

  topicConfig(topic: Topic): TopicConfig {
    return resolveTopicConfig(topic.configs, this.#options.topicDefaults())
  }

  /** What was set while running: for one node id, or '' for all nodes. */
  brokerConfigs(name: string): ConfigTexts {
    return this.#brokerConfigs.get(name) ?? new Map()
  }

  /** Finalized level of a feature; 0 when it is off. */
  featureLevel(name: string): number {
    return this.#features.get(name) ?? 0
  }

  /** Features that are on, with their level. */
  finalizedFeatures(): { readonly name: string; readonly level: number }[] {
    return [...this.#features].map(([name, level]) => ({ name, level })).filter(({ level }) => level > 0)
  }

  /**
   * One more run of the broker: the epoch grows, and a new cluster gets its id and its features.
   * @param newClusterId  used when there is no cluster id yet
   */
  decideStart(
    newClusterId: () => string,
  ): CatalogueResult<{ readonly clusterId: string; readonly brokerEpoch: number }> {
    const records: CatalogueRecord[] = []
    const clusterId = this.#clusterId ?? newClusterId()
    if (this.#clusterId === undefined) {
      records.push({ kind: 'cluster', name: '', value: { clusterId } })
      INITIAL_FEATURES.forEach(({ name, level }, index) => {
        records.push({ kind: 'feature', name, value: { level, featuresEpoch: this.#featuresEpoch + index + 1 } })
      })
    }
    const brokerEpoch = this.#brokerEpoch + 1
    records.push({ kind: 'brokerEpoch', name: '', value: { brokerEpoch } })
    return { records, reply: { clusterId, brokerEpoch } }
  }

  /**
   * Creates topics; each on its own, in the order given.
   * @param context.origin  only the broker itself creates internal topics
   * @returns one result for each distinct name. Errors: INVALID_TOPIC_EXCEPTION, TOPIC_ALREADY_EXISTS, INVALID_REQUEST,
   *          INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT, INVALID_CONFIG, POLICY_VIOLATION
   */
  decideCreateTopics(
    requested: readonly NewTopic[],
    context: {
      readonly origin: 'client' | 'broker'
      readonly validateOnly: boolean
      readonly newTopicId: () => string
    },
  ): CatalogueResult<TopicResult[]> {
    const counts = requested.map((topic) => this.#wantedPartitions(topic))
    const isTooMany = counts.reduce((sum, count) => sum + Math.max(0, count), 0) > CREATION_MAX_PARTITIONS
    const namesSeen = new Map<string, number>()
    for (const { name } of requested) namesSeen.set(name, (namesSeen.get(name) ?? 0) + 1)
    const created = new Map<string, string>()
    let partitionCount = this.#partitionCount
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
          : this.#creationProblem(wanted, count, { origin: context.origin, created, partitionCount })
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
  decideDeleteTopics(references: readonly TopicReference[]): CatalogueResult<DeletedTopicResult[]> {
    const timesNamed = new Map<string, number>()
    for (const reference of references) {
      const topic = this.#resolve(reference)
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
      const topic = this.#resolve(reference)
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
  decideCreatePartitions(
    increases: readonly PartitionIncrease[],
    context: { readonly validateOnly: boolean },
  ): CatalogueResult<TopicResult[]> {
    const timesNamed = new Map<string, number>()
    for (const { name } of increases) timesNamed.set(name, (timesNamed.get(name) ?? 0) + 1)
    const records: CatalogueRecord[] = []
    const results = new Map<string, TopicResult>()
    let partitionCount = this.#partitionCount
    for (const increase of increases) {
      const { name, count } = increase
      if (results.has(name)) continue
      const refusal =
        (timesNamed.get(name) ?? 0) > 1
          ? refuse('INVALID_REQUEST', 'Duplicate topic name.')
          : this.#increaseProblem(increase, partitionCount)
      const topic = this.#topicsByName.get(name)
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

  /**
   * Changes settings of topics and of the broker; each resource on its own.
   * Errors: INVALID_REQUEST, INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION
   */
  decideAlterConfigs(
    changes: readonly ConfigChange[],
    context: { readonly validateOnly: boolean },
  ): CatalogueResult<ConfigChangeResult[]> {
    const timesNamed = new Map<string, number>()
    const keyOf = ({ type, name }: ConfigResource) => `${type} ${name}`
    for (const { resource } of changes) timesNamed.set(keyOf(resource), (timesNamed.get(keyOf(resource)) ?? 0) + 1)
    const records: CatalogueRecord[] = []
    const reply = changes.map((change): ConfigChangeResult => {
      const { resource } = change
      const outcome =
        (timesNamed.get(keyOf(resource)) ?? 0) > 1
          ? refuse('INVALID_REQUEST', 'Each resource must appear at most once.')
          : resource.type === 'topic'
            ? this.#alterTopic(change)
            : this.#alterBroker(change)
      if ('error' in outcome) return { resource, error: outcome.error, message: outcome.message }
      if (outcome.record !== undefined) records.push(outcome.record)
      return { resource, error: 'NONE', message: null }
    })
    return { records: context.validateOnly ? [] : records, reply }
  }

  /**
   * Changes finalized features, all or none.
   * Errors: INVALID_UPDATE_VERSION with the reason, INVALID_REQUEST (a feature named twice)
   */
  decideUpdateFeatures(
    updates: readonly FeatureUpdate[],
    context: { readonly validateOnly: boolean },
  ): CatalogueResult<Refusal | undefined> {
    const names = updates.map(({ name }) => name)
    if (new Set(names).size !== names.length) {
      return { records: [], reply: { error: 'INVALID_REQUEST', message: 'a feature is named more than once' } }
    }
    const records: CatalogueRecord[] = []
    for (const update of updates) {
      const { name, level } = update
      const problem = featureUpdateProblem(update, this.featureLevel(name))
      if (problem !== undefined) return { records: [], reply: problem }
      if (level === this.featureLevel(name)) continue
      const featuresEpoch = this.#featuresEpoch + records.length + 1
      records.push({ kind: 'feature', name, value: { level, featuresEpoch } })
    }
    return { records: context.validateOnly ? [] : records, reply: undefined }
  }

  /** Takes the next block of producer ids; ids of it may be handed out once the record is durable. */
  decideReserveProducerIds(): CatalogueResult<{ readonly firstProducerId: number; readonly blockSize: number }> {
    const firstProducerId = this.#nextProducerId
    const nextProducerId = firstProducerId + PRODUCER_ID_BLOCK_SIZE
    assert(Number.isSafeInteger(nextProducerId), `producer ids are used up at ${firstProducerId}`)
    return {
      records: [{ kind: 'producerIds', name: '', value: { nextProducerId } }],
      reply: { firstProducerId, blockSize: PRODUCER_ID_BLOCK_SIZE },
    }
  }

  /** The only method that changes state. Records arrive in the order in which they were decided. */
  replay(record: CatalogueRecord): void {
    switch (record.kind) {
      case 'cluster':
        this.#clusterId = record.value?.clusterId
        break
      case 'brokerEpoch':
        assert(record.value !== null, 'a broker epoch is never removed')
        assert(record.value.brokerEpoch > this.#brokerEpoch, `broker epoch ${record.value.brokerEpoch} is not new`)
        this.#brokerEpoch = record.value.brokerEpoch
        break
      case 'topic':
        this.#removeTopic(record.name, record.value?.topicId)
        if (record.value !== null) {
          const { topicId, partitionCount, configs } = record.value
          this.#putTopic({
            name: record.name,
            topicId,
            partitionCount,
            isInternal: isInternalTopic(record.name),
            configs: new Map(configs.map(({ name, value }) => [name, value])),
          })
        }
        break
      case 'brokerConfig':
        if (record.value === null) this.#brokerConfigs.delete(record.name)
        else this.#brokerConfigs.set(record.name, new Map(record.value.configs.map(({ name, value }) => [name, value])))
        break
      case 'feature':
        if (record.value === null) this.#features.delete(record.name)
        else {
          this.#features.set(record.name, record.value.level)
          this.#featuresEpoch = Math.max(this.#featuresEpoch, record.value.featuresEpoch)
        }
        break
      case 'producerIds':
        assert(record.value !== null, 'the next producer id is never removed')
        assert(record.value.nextProducerId >= this.#nextProducerId, 'the next producer id goes back')
        this.#nextProducerId = record.value.nextProducerId
        break
    }
  }

  #putTopic(topic: Topic): void {
    this.#topicsByName.set(topic.name, topic)
    this.#topicsById.set(topic.topicId, topic)
    this.#namesByCollisionKey.set(collisionKey(topic.name), topic.name)
    this.#partitionCount += topic.partitionCount
  }

  /** Takes out what is known of a name; a change of the same topic keeps its place in the order. */
  #removeTopic(name: string, keptTopicId: string | undefined): void {
    const topic = this.#topicsByName.get(name)
    if (topic === undefined) return
    this.#partitionCount -= topic.partitionCount
    if (topic.topicId === keptTopicId) return
    this.#topicsByName.delete(name)
    this.#topicsById.delete(topic.topicId)
    this.#namesByCollisionKey.delete(collisionKey(name))
  }

  #resolve({ name, topicId }: TopicReference): Topic | undefined {
    if (name !== null) return topicId === null ? this.#topicsByName.get(name) : undefined
    return topicId === null ? undefined : this.#topicsById.get(topicId)
  }

  #wantedPartitions({ assignments, partitionCount }: NewTopic): number {
    if (assignments.length > 0) return assignments.length
    return partitionCount === -1 ? this.#options.defaultPartitionCount() : partitionCount
  }

  #creationProblem(
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
    if (this.#topicsByName.has(name)) return refuse('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`)
    if (context.origin === 'client' && (isInternalTopic(name) || name === METADATA_TOPIC)) {
      return refuse('INVALID_REQUEST', `Creation of internal topic ${name} is prohibited.`)
    }
    const colliding = this.#namesByCollisionKey.get(collisionKey(name)) ?? context.created.get(collisionKey(name))
    if (colliding !== undefined) {
      return refuse('INVALID_TOPIC_EXCEPTION', `Topic '${name}' collides with existing topic: ${colliding}`)
    }
    const { nodeId, maxPartitions } = this.#options
    const topicDefaults = this.#options.topicDefaults()
    const problem = newTopicProblem(wanted, { partitionCount: count, nodeId, topicDefaults })
    if (problem !== undefined) return problem
    if (context.partitionCount + count <= maxPartitions) return undefined
    return refuse('POLICY_VIOLATION', this.#tooManyPartitions(context.partitionCount, count))
  }

  #increaseProblem({ name, count, assignments }: PartitionIncrease, partitionCount: number): Refusal | undefined {
    const topic = this.#topicsByName.get(name)
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
        const problem = replicasProblem(brokerIds, this.#options.nodeId)
        if (problem !== undefined) return problem
      }
    }
    if (additional > CREATION_MAX_PARTITIONS || partitionCount + additional > this.#options.maxPartitions) {
      return refuse('POLICY_VIOLATION', this.#tooManyPartitions(partitionCount, additional))
    }
    return undefined
  }

  #tooManyPartitions(existing: number, additional: number): string {
    return `there are ${existing} partitions, ${additional} more would be above semel.max.partitions=${this.#options.maxPartitions}`
  }

  #alterTopic({ resource: { name }, operations, isReplacement }: ConfigChange): AlterOutcome {
    const nameProblem = topicNameProblem(name)
    if (nameProblem !== undefined) return refuse('INVALID_TOPIC_EXCEPTION', nameProblem)
    const topic = this.#topicsByName.get(name)
    if (topic === undefined) return refuse('UNKNOWN_TOPIC_OR_PARTITION', `Topic '${name}' does not exist.`)
    const defaults = this.#options.topicDefaults()
    const changed = changeConfigs(
      isReplacement === true ? new Map() : topic.configs,
      operations,
      (config) => topicOption(config)?.option,
      (config) => {
        const found = topicOption(config)
        return found === undefined ? undefined : formatOption(found.option, defaults[found.key])
      },
    )
    if ('error' in changed) return changed
    const problem = topicConfigProblem(changed.texts, defaults)
    if (problem !== undefined) return refuse('INVALID_CONFIG', problem)
    return { record: topicRecord({ ...topic, configs: changed.texts }) }
  }

  #alterBroker({ resource: { name }, operations, isReplacement }: ConfigChange): AlterOutcome {
    const { nodeId, brokerOption, brokerConfigProblem } = this.#options
    if (name !== '' && name !== String(nodeId)) {
      return refuse('INVALID_REQUEST', `Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`)
    }
    const current = isReplacement === true ? new Map<string, string>() : this.brokerConfigs(name)
    const changed = changeConfigs(current, operations, brokerOption, (config) => {
      const option = brokerOption(config)
      return option === undefined ? undefined : formatOption(option, option.default)
    })
    if ('error' in changed) return changed
    const problem = brokerConfigProblem(changed.texts)
    if (problem !== undefined) return problem
    const value = changed.texts.size === 0 ? null : { configs: listOf(changed.texts) }
    return { record: { kind: 'brokerConfig', name, value } }
  }
}

type AlterOutcome = { readonly record?: CatalogueRecord } | Refusal

function topicRecord(topic: Topic): CatalogueRecord {
  const { name, topicId, partitionCount, configs } = topic
  return { kind: 'topic', name, value: { topicId, partitionCount, configs: listOf(configs) } }
}

function listOf(texts: ConfigTexts): { name: string; value: string }[] {
  return [...texts].map(([name, value]) => ({ name, value }))
}
