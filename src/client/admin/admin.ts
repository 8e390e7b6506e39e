/**
 * What users hold to look at a cluster and to change it. Each method is one question or one change; how it is asked is in the
 * file of its subject (topics.ts, configs.ts, offsets.ts, groups.ts, group-offsets.ts, cluster.ts, transactions.ts).
 *
 * Methods reject with KafkaError. Requests that meet a broker which does not lead, coordinate or control (any more) are repeated
 * elsewhere until `timeoutMs` is over. A method that is given several things does all it can: when some of them fail it
 * rejects at the end with the code of the first, and `cause` is an AggregateError of one KafkaError for each, whose `request`
 * says what it is about. The rest has been done.
 */
import type { Cluster } from '../cluster/cluster.ts'
import type { OffsetToCommit } from '../consumer/group-offsets.ts'
import { checkOptions, defineOptions, type GivenOptions, number } from '../options.ts'
import type { TopicPartition } from '../topic.ts'
import { type AdminContext, topicViews } from './admin-call.ts'
import {
  apiVersionsOf,
  type BrokerApi,
  type ClusterDescription,
  describeClusterOf,
  describeFeaturesOf,
  type FeatureDescription,
  updateFeatureOf,
  type UpdateFeatureOptions,
} from './cluster.ts'
import {
  alterConfigsOf,
  type ConfigChange,
  type ConfigEntry,
  type ConfigResource,
  describeConfigsOf,
} from './configs.ts'
import {
  alterGroupOffsetsOf,
  deleteGroupOffsetsOf,
  type GroupLag,
  groupLagOf,
  type GroupOffset,
  groupOffsetsOf,
  type PlannedReset,
  resetGroupOffsetsOf,
  type ResetTarget,
} from './group-offsets.ts'
import {
  deleteGroupsOf,
  describeGroupOf,
  type GroupDescription,
  type GroupFilter,
  type GroupListing,
  listGroupsOf,
  removeMembersOf,
} from './groups.ts'
import { type IsolationLevel, type ListedOffset, offsetsOf, type WantedOffset } from './offsets.ts'
import type { NewTopic, TopicDescription, TopicListing, ValidateOnly } from './topics.ts'
import {
  createPartitionsOf,
  createTopicsOf,
  deleteRecordsOf,
  deleteTopicsOf,
  describeTopicsOf,
  listTopicsOf,
} from './topics.ts'
import type {
  AbortedHanging,
  ActiveProducer,
  HangingTransaction,
  TransactionDescription,
  TransactionFilter,
  TransactionListing,
} from './transactions.ts'
import {
  abortTransactionOf,
  describeProducersOf,
  describeTransactionOf,
  fenceProducerOf,
  findHangingOf,
  listTransactionsOf,
} from './transactions.ts'

const MINUTE_MS = 60_000

export const adminOptions = defineOptions({
  timeoutMs: number({
    default: MINUTE_MS,
    min: 1,
    max: 60 * MINUTE_MS,
    unit: 'ms',
    doc: 'For one call, with all that it has to ask and repeat.',
  }),
  requestTimeoutMs: number({
    min: 1,
    max: 60 * MINUTE_MS,
    unit: 'ms',
    doc: 'For one request; as for the Kafka instance unless given.',
  }),
})
export type AdminOptions = GivenOptions<typeof adminOptions>

/** After the largest timeout that brokers allow by default, a transaction is no longer just slow. */
const HANGING_AFTER_MS = 15 * MINUTE_MS

export class Admin implements AsyncDisposable {
  readonly #context: AdminContext

  constructor(cluster: Cluster, options: AdminOptions = {}) {
    const { timeoutMs, requestTimeoutMs } = checkOptions('AdminOptions', options, adminOptions)
    this.#context = { cluster, timeoutMs, requestTimeoutMs: requestTimeoutMs ?? cluster.options.requestTimeoutMs }
  }

  // Topics

  /** Rejects with TOPIC_ALREADY_EXISTS, INVALID_REPLICATION_FACTOR, INVALID_CONFIG … */
  createTopics(topics: readonly NewTopic[], options: ValidateOnly = {}): Promise<void> {
    return createTopicsOf(this.#context, topics, options)
  }

  /** By name, or by id where the broker knows ids (Kafka 2.8). */
  deleteTopics(topics: readonly (string | { readonly topicId: string })[]): Promise<void> {
    return deleteTopicsOf(this.#context, topics)
  }

  listTopics(): Promise<readonly TopicListing[]> {
    return listTopicsOf(this.#context)
  }

  describeTopics(topics: readonly string[]): Promise<readonly TopicDescription[]> {
    return describeTopicsOf(this.#context, topics)
  }

  /** @param partitions  how many there are afterwards; keys may go elsewhere than before */
  createPartitions(topic: string, partitions: number, options: ValidateOnly = {}): Promise<void> {
    return createPartitionsOf(this.#context, topic, partitions, options)
  }

  /** Deletes everything before an offset, or up to the end. Also past the last stable offset, as in Kafka. */
  deleteRecords(
    offsets: readonly (TopicPartition & { readonly before: number | 'end' })[],
  ): Promise<readonly (TopicPartition & { readonly logStartOffset: number })[]> {
    return deleteRecordsOf(this.#context, offsets)
  }

  /** With read_committed 'latest' is the last stable offset. */
  listOffsets(
    wanted: readonly WantedOffset[],
    options: { readonly isolationLevel?: IsolationLevel } = {},
  ): Promise<readonly ListedOffset[]> {
    return offsetsOf(this.#context, wanted, options.isolationLevel ?? 'read_committed')
  }

  describeConfigs(resource: ConfigResource): Promise<readonly ConfigEntry[]> {
    return describeConfigsOf(this.#context, resource)
  }

  alterConfigs(resource: ConfigResource, changes: readonly ConfigChange[], options: ValidateOnly = {}): Promise<void> {
    return alterConfigsOf(this.#context, resource, changes, options)
  }

  // Groups

  /** Of all brokers. */
  listGroups(filter: GroupFilter = {}): Promise<readonly GroupListing[]> {
    return listGroupsOf(this.#context, filter)
  }

  describeGroup(groupId: string): Promise<GroupDescription> {
    return describeGroupOf(this.#context, groupId)
  }

  /** Rejects with NON_EMPTY_GROUP while there are members. */
  deleteGroups(groupIds: readonly string[]): Promise<void> {
    return deleteGroupsOf(this.#context, groupIds)
  }

  /** @param options.requireStable  waits for open transactions that hold offsets of the group; true unless given */
  listGroupOffsets(
    groupId: string,
    options: { readonly requireStable?: boolean } = {},
  ): Promise<readonly GroupOffset[]> {
    return groupOffsetsOf(this.#context, groupId, options.requireStable ?? true)
  }

  alterGroupOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    return alterGroupOffsetsOf(this.#context, groupId, offsets)
  }

  /** Rejects with NON_EMPTY_GROUP while there are members. @returns what was changed, or with `dryRun` what would be */
  resetGroupOffsets(
    groupId: string,
    target: ResetTarget,
    options: {
      readonly partitions?: readonly (TopicPartition | { readonly topic: string })[]
      readonly dryRun?: boolean
    } = {},
  ): Promise<readonly PlannedReset[]> {
    return resetGroupOffsetsOf(this.#context, groupId, target, options.partitions ?? [], options.dryRun ?? false)
  }

  deleteGroupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    return deleteGroupOffsetsOf(this.#context, groupId, partitions)
  }

  removeMembers(
    groupId: string,
    members: readonly ({ readonly memberId: string } | { readonly groupInstanceId: string })[],
  ): Promise<void> {
    return removeMembersOf(this.#context, groupId, members)
  }

  /** How far the group is behind, and how much of the rest waits for open transactions. */
  groupLag(groupId: string): Promise<readonly GroupLag[]> {
    return groupLagOf(this.#context, groupId)
  }

  // Cluster

  describeCluster(): Promise<ClusterDescription> {
    return describeClusterOf(this.#context)
  }

  describeFeatures(): Promise<readonly FeatureDescription[]> {
    return describeFeaturesOf(this.#context)
  }

  /** Switches a feature of the whole cluster, such as 'transaction.version', to another level; clients follow while they run. */
  updateFeature(name: string, level: number, options: UpdateFeatureOptions = {}): Promise<void> {
    return updateFeatureOf(this.#context, name, level, options)
  }

  /** What each broker speaks, by node id. */
  apiVersions(): Promise<ReadonlyMap<number, readonly BrokerApi[]>> {
    return apiVersionsOf(this.#context)
  }

  // Transactions and producers

  listTransactions(filter: TransactionFilter = {}): Promise<readonly TransactionListing[]> {
    return listTransactionsOf(this.#context, filter)
  }

  /** Rejects with TRANSACTIONAL_ID_NOT_FOUND. */
  describeTransaction(transactionalId: string): Promise<TransactionDescription> {
    return describeTransactionOf(this.#context, transactionalId)
  }

  /** Producers that the leader of each partition remembers. */
  describeProducers(partitions: readonly TopicPartition[]): Promise<readonly ActiveProducer[]> {
    return describeProducersOf(this.#context, partitions)
  }

  /**
   * Transactions that stay open although nobody will end them, in some topics or in all. They keep read_committed consumers waiting.
   * @param options.olderThanMs  since the last write; 15 minutes unless given
   */
  async findHangingTransactions(
    options: { readonly topics?: readonly string[]; readonly olderThanMs?: number } = {},
  ): Promise<readonly HangingTransaction[]> {
    const names = options.topics ?? (await this.listTopics()).map(({ topic }) => topic)
    const views = await topicViews(this.#context, names)
    const partitions = views.flatMap(({ name, partitions: all }) =>
      all.map(({ partition }) => ({ topic: name, partition })),
    )
    return findHangingOf(this.#context, partitions, options.olderThanMs ?? HANGING_AFTER_MS)
  }

  /** Aborts a hung transaction in one partition. What it wrote there is never seen; its producer, if there is one, is fenced. */
  abortTransaction(at: TopicPartition & { readonly startOffset: number }): Promise<AbortedHanging> {
    return abortTransactionOf(this.#context, at)
  }

  /** Aborts what is open under a transactional id, and shuts out the producer that uses it. */
  fenceProducer(transactionalId: string): Promise<{ readonly producerId: number; readonly producerEpoch: number }> {
    return fenceProducerOf(this.#context, transactionalId)
  }

  close(): Promise<void> {
    return this.#context.cluster.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
