/**
 * What users hold to look at a cluster and to change it. Each method is one question or one change; how it is asked is in the
 * file of its subject (topics.ts, groups.ts, transactions.ts).
 *
 * Methods reject with KafkaError. Requests that meet a broker which does not lead, coordinate or control (any more) are repeated
 * elsewhere until `timeoutMs` is over.
 */
import { apiVersions } from '../../protocol/messages/api-versions.ts'
import { describeCluster } from '../../protocol/messages/describe-cluster.ts'
import { updateFeatures } from '../../protocol/messages/update-features.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { OffsetToCommit } from '../consumer/group-offsets.ts'
import { checkOptions, defineOptions, type GivenOptions, number } from '../options.ts'
import type { TopicPartition } from '../topic.ts'
import {
  type AdminContext,
  allBrokers,
  ask,
  type ListedOffset,
  offsetsOf,
  type OffsetSpec,
  topicViews,
} from './admin-call.ts'
import type { GroupDescription, GroupLag, GroupListing, GroupOffset, PlannedReset, ResetTarget } from './groups.ts'
import {
  alterGroupOffsetsOf,
  deleteGroupOffsetsOf,
  deleteGroupsOf,
  describeGroupOf,
  groupLagOf,
  groupOffsetsOf,
  listGroupsOf,
  removeMembersOf,
  resetGroupOffsetsOf,
} from './groups.ts'
import type {
  ConfigChange,
  ConfigEntry,
  ConfigResource,
  NewTopic,
  TopicDescription,
  TopicListing,
  ValidateOnly,
} from './topics.ts'
import {
  alterConfigsOf,
  createPartitionsOf,
  createTopicsOf,
  deleteRecordsOf,
  deleteTopicsOf,
  describeConfigsOf,
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

export interface ClusterDescription {
  readonly clusterId: string
  readonly controllerId: number | undefined
  readonly brokers: readonly {
    readonly nodeId: number
    readonly host: string
    readonly port: number
    readonly rack: string | null
  }[]
}

export interface FeatureDescription {
  readonly name: string
  /** What is in force; 0: not finalized. */
  readonly level: number
  readonly minSupported: number
  readonly maxSupported: number
}

export interface BrokerApi {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

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
    wanted: readonly (TopicPartition & { readonly at: OffsetSpec })[],
    options: { readonly isolationLevel?: 'read_committed' | 'read_uncommitted' } = {},
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

  /** @param options.states  'Stable', 'Empty' …; all unless given */
  listGroups(options: { readonly states?: readonly string[] } = {}): Promise<readonly GroupListing[]> {
    return listGroupsOf(this.#context, options.states ?? [])
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

  async describeCluster(): Promise<ClusterDescription> {
    const { cluster } = this.#context
    await allBrokers(this.#context)
    if (cluster.view.apiVersionEverywhere(describeCluster) === undefined) {
      // Kafka before 2.8.
      return { clusterId: cluster.clusterId ?? '', controllerId: cluster.controllerId, brokers: cluster.brokers() }
    }
    const { response } = await ask(
      this.#context,
      { kind: 'any' },
      describeCluster,
      {},
      { errorOf: ({ errorCode, errorMessage }) => ({ code: errorCode, detail: errorMessage }) },
    )
    return {
      clusterId: response.clusterId,
      controllerId: response.controllerId < 0 ? undefined : response.controllerId,
      brokers: response.brokers
        .map(({ brokerId, host, port, rack }) => ({ nodeId: brokerId, host, port, rack }))
        .toSorted((a, b) => a.nodeId - b.nodeId),
    }
  }

  async describeFeatures(): Promise<readonly FeatureDescription[]> {
    const { response } = await this.#askVersions({ kind: 'any' })
    const levels = new Map(response.finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]))
    const supported = new Map(response.supportedFeatures.map((feature) => [feature.name, feature]))
    return [...new Set([...supported.keys(), ...levels.keys()])].toSorted().map((name) => ({
      name,
      level: levels.get(name) ?? 0,
      minSupported: supported.get(name)?.minVersion ?? 0,
      maxSupported: supported.get(name)?.maxVersion ?? 0,
    }))
  }

  /**
   * Switches a feature of the whole cluster, such as 'transaction.version', to another level; clients follow while they run.
   * @param options.mode  'safe-downgrade' goes back only if nothing is lost
   */
  async updateFeature(
    name: string,
    level: number,
    options: ValidateOnly & { readonly mode?: 'upgrade' | 'safe-downgrade' | 'unsafe-downgrade' } = {},
  ): Promise<void> {
    const { mode = 'upgrade', validateOnly = false } = options
    const upgradeType = { upgrade: 1, 'safe-downgrade': 2, 'unsafe-downgrade': 3 }[mode]
    await ask(
      this.#context,
      { kind: 'controller' },
      updateFeatures,
      {
        timeoutMs: this.#context.requestTimeoutMs,
        featureUpdates: [{ feature: name, maxVersionLevel: level, allowDowngrade: mode !== 'upgrade', upgradeType }],
        validateOnly,
      },
      {
        ...(validateOnly ? { minVersion: 1 } : {}),
        errorOf: ({ errorCode, errorMessage, results }) => {
          const failed = results.find((result) => result.errorCode !== 'NONE')
          return errorCode === 'NONE'
            ? failed && { code: failed.errorCode, detail: failed.errorMessage }
            : { code: errorCode, detail: errorMessage }
        },
      },
    )
  }

  /** What each broker speaks, by node id. */
  async apiVersions(): Promise<ReadonlyMap<number, readonly BrokerApi[]>> {
    const nodes = await allBrokers(this.#context)
    const answers = await Promise.all(nodes.map((nodeId) => this.#askVersions({ kind: 'node', nodeId })))
    return new Map(answers.map(({ response, nodeId }) => [nodeId, response.apiKeys]))
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

  #askVersions(destination: { readonly kind: 'any' } | { readonly kind: 'node'; readonly nodeId: number }) {
    const { softwareVersion } = this.#context.cluster.options
    return ask(
      this.#context,
      destination,
      apiVersions,
      { clientSoftwareName: 'semel', clientSoftwareVersion: softwareVersion },
      { errorOf: ({ errorCode }) => ({ code: errorCode }) },
    )
  }
}
