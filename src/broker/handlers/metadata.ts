/**
 * Metadata: the node, and the topics that were asked for. A topic that does not exist is created on the way when both
 * the request and `auto.create.topics.enable` allow it; Kafka answers with an error first, here it is in the answer.
 * Source: KafkaApis.handleTopicMetadataRequest (4.3.1); KIP-516.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { metadata, OPERATIONS_NOT_REQUESTED } from '../../protocol/messages/metadata.ts'
import type { MetadataRequest, MetadataResponseDraft } from '../../protocol/messages/metadata.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'
import type { Topic } from '../../core/metadata/catalogue.ts'
import { isInternalTopic, topicNameProblem } from '../../core/metadata/topic-name.ts'
import { CLUSTER_OPERATIONS, TOPIC_OPERATIONS } from '../authorized-operations.ts'
import { defineHandler } from '../handler.ts'
import type { RequestContext } from '../handler.ts'
import type { BrokerServices } from '../services.ts'

type TopicDraft = MetadataResponseDraft['topics'][number]

export const metadataHandler = defineHandler(metadata, {
  minVersion: 0,
  maxVersion: 13,
  deviations: ['a topic that is created automatically is in the answer at once, without a first LEADER_NOT_AVAILABLE'],
  async handle(broker, request, context) {
    const { nodeId, host, port, rack, clusterId } = broker.node
    const topics = await topicsOf(broker, request, context)
    return {
      brokers: [{ nodeId, host, port, rack }],
      clusterId,
      controllerId: nodeId,
      topics,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : OPERATIONS_NOT_REQUESTED,
    }
  },
})

async function topicsOf(
  broker: BrokerServices,
  request: MetadataRequest,
  { apiVersion }: RequestContext,
): Promise<TopicDraft[]> {
  const operations = request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : OPERATIONS_NOT_REQUESTED
  const { topics: wanted } = request
  const isAll = wanted === null || (apiVersion === 0 && wanted.length === 0)
  if (isAll) {
    return await broker.catalogue.run((catalogue) => ({
      records: [],
      reply: Array.from(catalogue.topics(), (topic) => found(broker, topic, operations)),
    }))
  }
  if (apiVersion < 12 && wanted.some(({ name, topicId }) => name === null || topicId !== ZERO_UUID)) {
    return wanted.map(({ name, topicId }) => missing(name ?? '', topicId, 'INVALID_REQUEST'))
  }
  // As in Kafka, ids count when there are any.
  const ids = [...new Set(wanted.map(({ topicId }) => topicId).filter((topicId) => topicId !== ZERO_UUID))]
  if (ids.length > 0) {
    return await broker.catalogue.run((catalogue) => ({
      records: [],
      reply: ids.map((topicId) => {
        const topic = catalogue.topicById(topicId)
        return topic === undefined ? missing(null, topicId, 'UNKNOWN_TOPIC_ID') : found(broker, topic, operations)
      }),
    }))
  }
  const names = [...new Set(wanted.map(({ name }) => name ?? ''))]
  const refused = await createMissing(broker, request, names)
  return await broker.catalogue.run((catalogue) => ({
    records: [],
    reply: names.map((name) => {
      const topic = catalogue.topic(name)
      if (topic !== undefined) return found(broker, topic, operations)
      const isInvalid = topicNameProblem(name) !== undefined
      const fallback = isInvalid ? 'INVALID_TOPIC_EXCEPTION' : 'UNKNOWN_TOPIC_OR_PARTITION'
      return missing(name, ZERO_UUID, refused.get(name) ?? fallback)
    }),
  }))
}

/** Creates what is asked for and not there, if that is wanted. Answers what could not be created, and why. */
async function createMissing(
  broker: BrokerServices,
  { allowAutoTopicCreation }: MetadataRequest,
  names: readonly string[],
): Promise<ReadonlyMap<string, ErrorCode>> {
  if (!allowAutoTopicCreation || !broker.config.autoCreateTopicsEnable) return new Map()
  const absent = names.filter((name) => broker.catalogue.topic(name) === undefined && !isInternalTopic(name))
  if (absent.length === 0) return new Map()
  const results = await broker.catalogue.createTopics(
    absent.map((name) => ({ name, partitionCount: -1, replicationFactor: -1, assignments: [], configs: [] })),
    { origin: 'client', validateOnly: false },
  )
  return new Map(results.filter(({ error }) => error !== 'NONE').map(({ name, error }) => [name, error]))
}

function found(broker: BrokerServices, topic: Topic, topicAuthorizedOperations: number): TopicDraft {
  const { nodeId } = broker.node
  const { leaderEpoch } = broker.partitions
  return {
    errorCode: 'NONE',
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.isInternal,
    partitions: Array.from({ length: topic.partitionCount }, (_, partitionIndex) => ({
      errorCode: 'NONE' as const,
      partitionIndex,
      leaderId: nodeId,
      leaderEpoch,
      replicaNodes: [nodeId],
      isrNodes: [nodeId],
    })),
    topicAuthorizedOperations,
  }
}

function missing(name: string | null, topicId: string, errorCode: ErrorCode): TopicDraft {
  return { errorCode, name, topicId, isInternal: name !== null && isInternalTopic(name), partitions: [] }
}
