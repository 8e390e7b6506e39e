import { api, array, bool, errorCode, int16, int32, int64, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

const topic = struct({ name: string(), partitions: array(int32()) })

const topicResult = struct({
  name: string(),
  resultsByPartition: array(struct({ partitionIndex: int32(), partitionErrorCode: errorCode() })),
})

/**
 * Puts partitions into a transaction before they are written to (transaction versions 0 and 1).
 *
 * Versions up to 3 are for clients and speak of one transaction; 4 and 5 are for brokers, speak of many, and can
 * also ask whether partitions are already in.
 */
export const addPartitionsToTxn = api({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: '0-5',
  flexible: '3+',
  kips: [98, 588, 890],
  request: {
    transactions: array(
      struct({
        transactionalId: string(),
        producerId: int64(),
        producerEpoch: int16(),
        verifyOnly: bool({ default: false, about: 'ask whether the partitions are in, add none' }),
        topics: array(topic),
      }),
      { versions: '4+', default: [] },
    ),
    v3AndBelowTransactionalId: string({ versions: '0-3', default: '' }),
    v3AndBelowProducerId: int64({ versions: '0-3', default: 0 }),
    v3AndBelowProducerEpoch: int16({ versions: '0-3', default: 0 }),
    v3AndBelowTopics: array(topic, { versions: '0-3', default: [] }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: errorCode({ versions: '4+', default: 'NONE' }),
    resultsByTransaction: array(struct({ transactionalId: string(), topicResults: array(topicResult) }), {
      versions: '4+',
      default: [],
    }),
    resultsByTopicV3AndBelow: array(topicResult, { versions: '0-3', default: [] }),
  },
  errors: {
    INVALID_PRODUCER_ID_MAPPING: 'the transactional id is unknown or belongs to another producer id',
    PRODUCER_FENCED: 'the producer epoch is not the current one',
    INVALID_PRODUCER_EPOCH: 'the same as PRODUCER_FENCED, for versions below 2',
    CONCURRENT_TRANSACTIONS: 'the previous transaction is still being ended; ask again',
    TRANSACTION_ABORTABLE: 'asked to verify, and the partition is not in the transaction',
    OPERATION_NOT_ATTEMPTED: 'nothing is wrong with this partition, but another one was refused',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to write to the topic',
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not allowed to write with the transactional id',
    CLUSTER_AUTHORIZATION_FAILED: 'version 4 and above is for brokers',
    INVALID_REQUEST: 'the transactional id is empty',
    NOT_COORDINATOR: 'another broker coordinates this transactional id',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type AddPartitionsToTxnRequest = RequestOf<typeof addPartitionsToTxn>
export type AddPartitionsToTxnRequestDraft = RequestDraftOf<typeof addPartitionsToTxn>
export type AddPartitionsToTxnResponse = ResponseOf<typeof addPartitionsToTxn>
export type AddPartitionsToTxnResponseDraft = ResponseDraftOf<typeof addPartitionsToTxn>
