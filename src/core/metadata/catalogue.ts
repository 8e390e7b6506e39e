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
import type {
  CatalogueOptions,
  CatalogueResult,
  CatalogueView,
  ConfigChangeResult,
  DeletedTopicResult,
  Topic,
  TopicResult,
} from './catalogue-api.ts'
import type { CatalogueRecord } from './catalogue-records.ts'
import { decideAlterConfigs } from './config-decisions.ts'
import { featureUpdateProblem, INITIAL_FEATURES } from './features.ts'
import type { FeatureUpdate } from './features.ts'
import type { Refusal } from './refusal.ts'
import { resolveTopicConfig } from './topic-config.ts'
import type { ConfigTexts, TopicConfig } from './topic-config.ts'
import { decideCreatePartitions, decideCreateTopics, decideDeleteTopics } from './topic-decisions.ts'
import { collisionKey, isInternalTopic } from './topic-name.ts'

export type { CatalogueOptions, CatalogueResult, NewTopic, Topic, TopicResult } from './catalogue-api.ts'

const PRODUCER_ID_BLOCK_SIZE = 1000

/** What a decision takes besides the catalogue. */
type DecisionArguments<D> = D extends (view: CatalogueView, ...args: infer A) => unknown ? A : never

export class Catalogue implements CatalogueView {
  readonly options: CatalogueOptions
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
    this.options = options
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

  topicCollidingWith(name: string): string | undefined {
    return this.#namesByCollisionKey.get(collisionKey(name))
  }

  /** In the order of their creation. */
  topics(): Iterable<Topic> {
    return this.#topicsByName.values()
  }

  topicConfig(topic: Topic): TopicConfig {
    return resolveTopicConfig(topic.configs, this.options.topicDefaults())
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

  /** See topic-decisions.ts. */
  decideCreateTopics(...args: DecisionArguments<typeof decideCreateTopics>): CatalogueResult<TopicResult[]> {
    return decideCreateTopics(this, ...args)
  }

  /** See topic-decisions.ts. */
  decideDeleteTopics(...args: DecisionArguments<typeof decideDeleteTopics>): CatalogueResult<DeletedTopicResult[]> {
    return decideDeleteTopics(this, ...args)
  }

  /** See topic-decisions.ts. */
  decideCreatePartitions(...args: DecisionArguments<typeof decideCreatePartitions>): CatalogueResult<TopicResult[]> {
    return decideCreatePartitions(this, ...args)
  }

  /** See config-decisions.ts. */
  decideAlterConfigs(...args: DecisionArguments<typeof decideAlterConfigs>): CatalogueResult<ConfigChangeResult[]> {
    return decideAlterConfigs(this, ...args)
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
}
