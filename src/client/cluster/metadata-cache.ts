/**
 * What is known of brokers, topics, partitions and leaders, from Metadata answers. Pure.
 *
 * Owns what of an answer is believed: addresses that are none, partitions with gaps and leaders of an older epoch are not. Topics
 * that an answer does not speak of keep what was known of them.
 *
 * Source: KIP-320 (an older leader epoch is an older answer), KIP-516 (a topic with another id is another topic).
 */
import { type Api, type ResponseOf, ZERO_UUID } from '../../protocol/schema.ts'
import type { metadata } from '../../protocol/messages/metadata.ts'
import type { ClusterView, PartitionView, TopicView } from '../core/client-core.ts'
import { brokerError, KafkaError } from '../errors.ts'
import { type BrokerSupport, FinalizedFeatures } from './api-support.ts'
import type { BrokerAddress } from './client-connection.ts'

export interface BrokerView extends BrokerAddress {
  readonly nodeId: number
  readonly rack: string | null
}

type MetadataResponse = ResponseOf<typeof metadata>
type TopicAnswer = MetadataResponse['topics'][number]

const NO_NODE = -1
const HOST_BYTES_MAX = 255
const PORT_MAX = 65_535
// Everything printable without blanks: names, IPv4, IPv6 with a zone.
const HOST_PATTERN = /^[\x21-\x7e]+$/

export class MetadataCache implements ClusterView {
  revision = 0
  isConnected = false
  clusterId: string | undefined
  controllerId: number | undefined
  #brokers: ReadonlyMap<number, BrokerView> = new Map()
  readonly #topics = new Map<string, TopicView>()
  /** The last view with partitions: an answer with an error must not make an older epoch believable. */
  readonly #lastGood = new Map<string, TopicView>()
  readonly #namesById = new Map<string, string>()
  readonly #support = new Map<number, BrokerSupport>()
  /** Of brokers whose node id is not known: bootstrap addresses. */
  #bootstrapSupport: BrokerSupport | undefined
  readonly #features = new FinalizedFeatures()

  get brokers(): ReadonlyMap<number, BrokerView> {
    return this.#brokers
  }

  topic(name: string): TopicView | undefined {
    return this.#topics.get(name)
  }

  topicById(topicId: string): TopicView | undefined {
    const name = this.#namesById.get(topicId)
    return name === undefined ? undefined : this.#topics.get(name)
  }

  apiVersion(nodeId: number, api: Api): number | undefined {
    return (this.#support.get(nodeId) ?? this.#bootstrapSupport)?.version(api)
  }

  apiVersionEverywhere(api: Api): number | undefined {
    const known =
      this.#support.size > 0
        ? [...this.#support.values()]
        : this.#bootstrapSupport === undefined
          ? []
          : [this.#bootstrapSupport]
    let lowest: number | undefined
    for (const support of known) {
      const version = support.version(api)
      if (version === undefined) return undefined
      lowest = lowest === undefined ? version : Math.min(lowest, version)
    }
    return lowest
  }

  featureLevel(name: string): number {
    return this.#features.level(name)
  }

  /** @param nodeId  `undefined` for a bootstrap address */
  learnSupport(nodeId: number | undefined, support: BrokerSupport): void {
    if (nodeId === undefined) this.#bootstrapSupport = support
    else this.#support.set(nodeId, support)
    this.#features.learn(support.response)
    this.isConnected = true
    this.revision += 1
  }

  /** A broker that FindCoordinator named, and Metadata has not yet. */
  learnBroker(broker: BrokerView): boolean {
    if (!isAddress(broker)) return false
    const known = this.#brokers.get(broker.nodeId)
    if (known?.host === broker.host && known.port === broker.port) return true
    this.#brokers = new Map([...this.#brokers, [broker.nodeId, broker]])
    this.revision += 1
    return true
  }

  /**
   * @param asked  topics that were asked for by name: of others nothing is kept. All topics were asked for without it.
   * @returns what of the answer was not believed, for the log
   */
  learn(response: MetadataResponse, asked?: ReadonlySet<string>): readonly string[] {
    const problems: string[] = []
    const brokers = new Map<number, BrokerView>()
    for (const { nodeId, host, port, rack } of response.brokers) {
      const broker = { nodeId, host, port, rack }
      if (isAddress(broker)) brokers.set(nodeId, broker)
      else problems.push(`broker ${nodeId} has no usable address: ${JSON.stringify(host)}:${port}`)
    }
    // An answer without brokers is one of a broker that has just started; what was known is better.
    if (brokers.size > 0) {
      this.#brokers = brokers
      for (const nodeId of [...this.#support.keys()]) if (!brokers.has(nodeId)) this.#support.delete(nodeId)
    }
    this.clusterId = response.clusterId ?? this.clusterId
    this.controllerId = response.controllerId === NO_NODE ? undefined : response.controllerId
    for (const answer of response.topics) {
      // Asked by id and unknown: nothing that could be kept by name.
      if (answer.name === null) continue
      if (asked?.has(answer.name) === false) {
        problems.push(`topic ${JSON.stringify(answer.name)} was not asked for`)
        continue
      }
      const view = this.#topicView(answer.name, answer, problems)
      const earlier = this.#topics.get(answer.name)
      if (earlier !== undefined && earlier.topicId !== view.topicId) this.#namesById.delete(earlier.topicId)
      this.#topics.set(answer.name, view)
      if (view.error === undefined) {
        this.#namesById.set(view.topicId, view.name)
        this.#lastGood.set(view.name, view)
      }
    }
    // Asked for and passed over in silence: without a word of it here, it would be asked for again at once, and for ever.
    for (const name of asked ?? []) if (!this.#topics.has(name)) this.#topics.set(name, unknownTopic(name))
    this.revision += 1
    return problems
  }

  /** They are to be found anew, from the bootstrap addresses. */
  forgetBrokers(): void {
    this.#brokers = new Map()
    this.#support.clear()
    this.revision += 1
  }

  forgetTopic(name: string): void {
    const view = this.#topics.get(name)
    if (view === undefined) return
    this.#topics.delete(name)
    this.#lastGood.delete(name)
    this.#namesById.delete(view.topicId)
    this.revision += 1
  }

  #topicView(name: string, answer: TopicAnswer, problems: string[]): TopicView {
    const { topicId, isInternal, errorCode } = answer
    if (errorCode !== 'NONE') {
      const error = brokerError(errorCode, { api: 'Metadata', topic: name })
      return { name, topicId, isInternal, partitions: [], error }
    }
    const earlier = this.#lastGood.get(name)
    const known = earlier?.topicId === topicId ? earlier.partitions : []
    const partitions: (PartitionView | undefined)[] = Array.from({ length: answer.partitions.length })
    for (const { partitionIndex: partition, leaderId, leaderEpoch, replicaNodes, isrNodes } of answer.partitions) {
      if (partition < 0 || partition >= partitions.length || partitions[partition] !== undefined) {
        problems.push(`topic ${name}: partition ${partition} among ${partitions.length} partitions`)
        const error = new KafkaError('INVALID_RESPONSE', `the partitions of topic ${name} have gaps`, {
          recovery: 'refresh',
        })
        return { name, topicId, isInternal, partitions: known, error }
      }
      const before = known[partition]
      if (before !== undefined && leaderEpoch !== -1 && leaderEpoch < before.leaderEpoch) {
        partitions[partition] = before
        continue
      }
      partitions[partition] = {
        partition,
        leaderId: leaderId === NO_NODE ? undefined : leaderId,
        leaderEpoch,
        replicaIds: replicaNodes,
        inSyncReplicaIds: isrNodes,
      }
    }
    return { name, topicId, isInternal, partitions: partitions as PartitionView[], error: undefined }
  }
}

function unknownTopic(name: string): TopicView {
  const error = brokerError('UNKNOWN_TOPIC_OR_PARTITION', { api: 'Metadata', topic: name })
  return { name, topicId: ZERO_UUID, isInternal: false, partitions: [], error }
}

function isAddress({ host, port, nodeId }: BrokerView): boolean {
  return nodeId >= 0 && host.length <= HOST_BYTES_MAX && HOST_PATTERN.test(host) && port > 0 && port <= PORT_MAX
}
