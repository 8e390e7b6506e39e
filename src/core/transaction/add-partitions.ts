/**
 * AddPartitionsToTxn in its two shapes: one transaction, all partitions or none (v0 to v3), and several transactions,
 * adding or verifying (v4 and above). Source: kafka-eos.md C6; KafkaApis.handleAddPartitionsToTxnRequest; KIP-890.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponseDraft,
} from '../../protocol/messages/add-partitions-to-txn.ts'
import { isInternalTopic, TRANSACTION_STATE_TOPIC } from '../metadata/topic-name.ts'
import { coordinatorErrorFor } from './coordinator-errors.ts'
import type { AddOrVerifyRequest, TransactionResult } from './transaction-coordinator.ts'
import type { TopicPartition } from './transaction-metadata.ts'
import type { TransactionRecord } from './transaction-records.ts'

type Ask = (request: AddOrVerifyRequest, clientTransactionVersion?: 0 | 2) => TransactionResult<readonly ErrorCode[]>
type PartitionExists = (topic: string, partition: number) => boolean
type Topics = AddPartitionsToTxnRequest['v3AndBelowTopics']
type TopicResults = AddPartitionsToTxnResponseDraft['resultsByTopicV3AndBelow']

export function addTopicsV3AndBelow(
  request: AddPartitionsToTxnRequest,
  apiVersion: number,
  partitionExists: PartitionExists,
  ask: Ask,
): TransactionResult<AddPartitionsToTxnResponseDraft> {
  const { records, topicResults } = addTopics(
    {
      transactionalId: request.v3AndBelowTransactionalId,
      producerId: request.v3AndBelowProducerId,
      producerEpoch: request.v3AndBelowProducerEpoch,
      mode: 'add',
    },
    request.v3AndBelowTopics,
    apiVersion,
    partitionExists,
    (asked) => ask(asked, 0),
  )
  return { records, reply: { resultsByTopicV3AndBelow: topicResults } }
}

export function addTransactionsV4(
  request: AddPartitionsToTxnRequest,
  apiVersion: number,
  partitionExists: PartitionExists,
  ask: Ask,
): TransactionResult<AddPartitionsToTxnResponseDraft> {
  const records: TransactionRecord[] = []
  const seen = new Set<string>()
  const resultsByTransaction = request.transactions.map((transaction) => {
    const { transactionalId, producerId, producerEpoch, verifyOnly, topics } = transaction
    const mode = verifyOnly ? 'verify' : 'add'
    // The records of one request are replayed together, so one id can change once.
    const isRepeated = seen.has(transactionalId)
    seen.add(transactionalId)
    const result = isRepeated
      ? { records: [], topicResults: toTopicResults(topics, () => 'INVALID_REQUEST') }
      : addTopics({ transactionalId, producerId, producerEpoch, mode }, topics, apiVersion, partitionExists, ask)
    records.push(...result.records)
    return { transactionalId, topicResults: result.topicResults ?? [] }
  })
  return { records, reply: { errorCode: 'NONE', resultsByTransaction } }
}

/** One partition that does not exist, or that is not for producers, refuses all. */
function addTopics(
  producer: Omit<AddOrVerifyRequest, 'partitions'>,
  topics: Topics,
  apiVersion: number,
  partitionExists: PartitionExists,
  ask: Ask,
): { readonly records: readonly TransactionRecord[]; readonly topicResults: NonNullable<TopicResults> } {
  const partitions: TopicPartition[] = topics.flatMap(({ name, partitions: indexes }) =>
    indexes.map((partition) => ({ topic: name, partition })),
  )
  const problemOf = ({ topic, partition }: TopicPartition): ErrorCode | undefined => {
    if (isForbidden(topic, apiVersion)) return 'TOPIC_AUTHORIZATION_FAILED'
    return partitionExists(topic, partition) ? undefined : 'UNKNOWN_TOPIC_OR_PARTITION'
  }
  if (partitions.some((each) => problemOf(each) !== undefined)) {
    const errorOf = (each: TopicPartition): ErrorCode => problemOf(each) ?? 'OPERATION_NOT_ATTEMPTED'
    return { records: [], topicResults: toTopicResults(topics, errorOf) }
  }
  const { records, reply } = ask({ ...producer, partitions })
  let next = 0
  const errorOf = (): ErrorCode => coordinatorErrorFor('AddPartitionsToTxn', reply[next++] ?? 'NONE', apiVersion)
  return { records, topicResults: toTopicResults(topics, errorOf) }
}

/**
 * The broker's own topics take no producer's data, so they take no markers either; offsets come by AddOffsetsToTxn, or
 * from version 4 on by name. Deviation: Kafka lets other brokers, which we do not have, name any topic from version 4 on.
 */
function isForbidden(topic: string, apiVersion: number): boolean {
  return apiVersion < 4 ? isInternalTopic(topic) : topic === TRANSACTION_STATE_TOPIC
}

function toTopicResults(topics: Topics, errorOf: (each: TopicPartition) => ErrorCode): NonNullable<TopicResults> {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: errorOf({ topic: name, partition: partitionIndex }),
    })),
  }))
}
