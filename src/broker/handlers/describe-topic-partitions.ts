/**
 * DescribeTopicPartitions: topics by name, in pages of partitions.
 * Source: DescribeTopicPartitionsRequestHandler (4.3.1); KIP-966.
 */
import { isInternalTopic, topicNameProblem } from '../../core/metadata/topic-name.ts'
import { describeTopicPartitions } from '../../protocol/messages/describe-topic-partitions.ts'
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponseDraft,
} from '../../protocol/messages/describe-topic-partitions.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'
import { TOPIC_OPERATIONS } from '../authorized-operations.ts'
import { defineHandler } from '../handler.ts'
import type { BrokerServices } from '../services.ts'

type TopicDraft = DescribeTopicPartitionsResponseDraft['topics'][number]

export const describeTopicPartitionsHandler = defineHandler(describeTopicPartitions, {
  minVersion: 0,
  maxVersion: 0,
  async handle(broker, request) {
    return await broker.catalogue.run(() => ({ records: [], reply: page(broker, request) }))
  },
})

function page(broker: BrokerServices, request: DescribeTopicPartitionsRequest): DescribeTopicPartitionsResponseDraft {
  const { cursor } = request
  const isAll = request.topics.length === 0
  const wanted = isAll
    ? Array.from(broker.catalogue.catalogue.topics(), ({ name }) => name)
    : request.topics.map(({ name }) => name)
  const isUsable = cursor === null || (cursor.partitionIndex >= 0 && (isAll || wanted.includes(cursor.topicName)))
  if (!isUsable) return { topics: wanted.map((name) => missing(name, 'INVALID_REQUEST')) }
  const names = [...new Set(wanted)].filter((name) => cursor === null || name >= cursor.topicName).sort()
  let room = Math.max(1, Math.min(broker.config.maxRequestPartitionSizeLimit, request.responsePartitionLimit))
  const topics: TopicDraft[] = []
  for (const name of names) {
    const topic = broker.catalogue.topic(name)
    if (topic === undefined) {
      const isInvalid = topicNameProblem(name) !== undefined
      topics.push(missing(name, isInvalid ? 'INVALID_TOPIC_EXCEPTION' : 'UNKNOWN_TOPIC_OR_PARTITION'))
      continue
    }
    const first = name === cursor?.topicName ? cursor.partitionIndex : 0
    if (room === 0) return { topics, nextCursor: { topicName: name, partitionIndex: first } }
    const end = Math.min(topic.partitionCount, first + room)
    topics.push({
      errorCode: 'NONE',
      name,
      topicId: topic.topicId,
      isInternal: topic.isInternal,
      partitions: partitionsOf(broker, first, end),
      topicAuthorizedOperations: TOPIC_OPERATIONS,
    })
    if (end < topic.partitionCount) return { topics, nextCursor: { topicName: name, partitionIndex: end } }
    room -= Math.max(0, end - first)
  }
  return { topics }
}

function partitionsOf(broker: BrokerServices, first: number, end: number): TopicDraft['partitions'] {
  const { nodeId } = broker.node
  const { leaderEpoch } = broker.partitions
  return Array.from({ length: Math.max(0, end - first) }, (_, index) => ({
    errorCode: 'NONE' as const,
    partitionIndex: first + index,
    leaderId: nodeId,
    leaderEpoch,
    replicaNodes: [nodeId],
    isrNodes: [nodeId],
    eligibleLeaderReplicas: [],
    lastKnownElr: [],
    offlineReplicas: [],
  }))
}

function missing(name: string, errorCode: TopicDraft['errorCode']): TopicDraft {
  return { errorCode, name, topicId: ZERO_UUID, isInternal: isInternalTopic(name), partitions: [] }
}
