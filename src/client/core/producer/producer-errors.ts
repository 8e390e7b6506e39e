/**
 * What the error codes of a producer's requests mean, as the Java producer takes them.
 *
 * Pure tables. Sources: TransactionManager and Sender of Kafka (their handlers); which codes are retriable: the classes of
 * org.apache.kafka.common.protocol.Errors; kafka-eos.md C12.
 */
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import type { KafkaErrorCode } from '../../errors.ts'

/** Errors that are RetriableException in Kafka: the same request may succeed later. */
const RETRIABLE: ReadonlySet<string> = new Set<ErrorCode>([
  'CORRUPT_MESSAGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'REPLICA_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NOT_CONTROLLER',
  'CONCURRENT_TRANSACTIONS',
  'KAFKA_STORAGE_ERROR',
  'LISTENER_NOT_FOUND',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'PREFERRED_LEADER_NOT_AVAILABLE',
  'ELIGIBLE_LEADERS_NOT_AVAILABLE',
  'UNSTABLE_OFFSET_COMMIT',
  'THROTTLING_QUOTA_EXCEEDED',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
])

/** Failures of the way, after which the request is made again. */
const TRANSPORT: ReadonlySet<string> = new Set<KafkaErrorCode>([
  'CONNECTION_FAILED',
  'DISCONNECTED',
  'REQUEST_TIMEOUT',
  'INVALID_RESPONSE',
  'BROKER_NOT_AVAILABLE',
])

/**
 * Refusals of Produce before anything was appended. After every other error the batch may have been stored: a leader that
 * has just been deposed, or did not hear from its replicas, has it in its log (KAFKA-13574).
 */
const NOT_STORED: ReadonlySet<string> = new Set<ErrorCode>([
  'CORRUPT_MESSAGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_REQUIRED_ACKS',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'NOT_ENOUGH_REPLICAS',
  'THROTTLING_QUOTA_EXCEEDED',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'POLICY_VIOLATION',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_TXN_STATE',
  'PRODUCER_FENCED',
  'CONCURRENT_TRANSACTIONS',
  'TRANSACTION_ABORTABLE',
])

/** After these of Produce the producer cannot go on at all. */
const PRODUCE_FATAL: ReadonlySet<string> = new Set<KafkaErrorCode>([
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'PRODUCER_FENCED',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_BY_BROKER',
  'INVALID_PRODUCER_ID_MAPPING',
  'INTERNAL',
])

/** What was known of leaders or topics is outdated. */
const STALE_METADATA: ReadonlySet<string> = new Set<KafkaErrorCode>([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'LISTENER_NOT_FOUND',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'KAFKA_STORAGE_ERROR',
  'NETWORK_EXCEPTION',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
  'CONNECTION_FAILED',
  'DISCONNECTED',
  'REQUEST_TIMEOUT',
  'BROKER_NOT_AVAILABLE',
])

export function isRetriableCode(code: KafkaErrorCode): boolean {
  return RETRIABLE.has(code) || TRANSPORT.has(code)
}

export function isStaleMetadata(code: KafkaErrorCode): boolean {
  return STALE_METADATA.has(code)
}

/** Whether a batch that was answered with `code` is certainly not in the log because of that attempt. */
export function isSurelyNotStored(code: KafkaErrorCode): boolean {
  return NOT_STORED.has(code)
}

export function isFatalForProduce(code: KafkaErrorCode): boolean {
  return PRODUCE_FATAL.has(code)
}

/**
 * - `retry`: make the same request again, to the same coordinator; `refresh`: to one that is looked up anew.
 * - `refused`: the id was not given; asking later may help (InitProducerId without permission).
 * - `abortable`: the transaction can only be aborted. `abortable-new-epoch`: and then needs a new epoch (KIP-360).
 * - `fenced`: another producer has the transactional id. `fatal`: nothing can be done with this producer any more.
 */
export type CoordinatorVerdict =
  | 'ok'
  | 'retry'
  | 'refresh'
  | 'refused'
  | 'abortable'
  | 'abortable-new-epoch'
  | 'fenced'
  | 'fatal'

export type CoordinatorApi = 'InitProducerId' | 'AddPartitionsToTxn' | 'AddOffsetsToTxn' | 'TxnOffsetCommit' | 'EndTxn'

const EVERYWHERE: Readonly<Partial<Record<KafkaErrorCode | 'NONE', CoordinatorVerdict>>> = {
  NONE: 'ok',
  COORDINATOR_NOT_AVAILABLE: 'refresh',
  NOT_COORDINATOR: 'refresh',
  INVALID_PRODUCER_EPOCH: 'fenced',
  PRODUCER_FENCED: 'fenced',
  TRANSACTION_ABORTABLE: 'abortable',
  UNKNOWN_PRODUCER_ID: 'abortable-new-epoch',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'fatal',
  INVALID_TXN_STATE: 'fatal',
  INVALID_PRODUCER_ID_MAPPING: 'fatal',
  UNSUPPORTED_VERSION: 'fatal',
  UNSUPPORTED_BY_BROKER: 'fatal',
  CLOSED: 'fatal',
  INTERNAL: 'fatal',
}

const BY_API: Readonly<Record<CoordinatorApi, Readonly<Partial<Record<KafkaErrorCode, CoordinatorVerdict>>>>> = {
  InitProducerId: {
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'refused',
    CLUSTER_AUTHORIZATION_FAILED: 'refused',
    TRANSACTION_ABORTABLE: 'refused',
    UNKNOWN_PRODUCER_ID: 'fatal',
  },
  AddPartitionsToTxn: {
    TOPIC_AUTHORIZATION_FAILED: 'abortable',
    // Nothing was wrong with this partition, but with another one; and what Java does not expect here it lets abort.
    OPERATION_NOT_ATTEMPTED: 'abortable',
  },
  AddOffsetsToTxn: { GROUP_AUTHORIZATION_FAILED: 'abortable' },
  TxnOffsetCommit: {
    REQUEST_TIMED_OUT: 'refresh',
    GROUP_AUTHORIZATION_FAILED: 'abortable',
    TOPIC_AUTHORIZATION_FAILED: 'abortable',
    FENCED_INSTANCE_ID: 'abortable',
    UNKNOWN_MEMBER_ID: 'abortable',
    ILLEGAL_GENERATION: 'abortable',
    GROUP_ID_NOT_FOUND: 'abortable',
    STALE_MEMBER_EPOCH: 'abortable',
    // Deviation: fatal in Java. The offsets of one call are unusable; nothing is wrong with the producer.
    OFFSET_METADATA_TOO_LARGE: 'abortable',
    INVALID_COMMIT_OFFSET_SIZE: 'abortable',
    INVALID_GROUP_ID: 'abortable',
  },
  EndTxn: {},
}

/** @param code  an error code of the response, or that of a failure of the way */
export function coordinatorVerdict(api: CoordinatorApi, code: KafkaErrorCode | 'NONE'): CoordinatorVerdict {
  const own = code === 'NONE' ? undefined : BY_API[api][code]
  const verdict = own ?? EVERYWHERE[code]
  if (verdict !== undefined) return verdict
  if (code !== 'NONE' && isRetriableCode(code)) return 'retry'
  return api === 'AddPartitionsToTxn' ? 'abortable' : 'fatal'
}

/** Answers of EndTxn after which it may have been carried out all the same. */
export function endMayHaveHappened(code: KafkaErrorCode): boolean {
  switch (code) {
    // The coordinator could not write or replicate its record in time, or lost its office meanwhile.
    case 'COORDINATOR_NOT_AVAILABLE':
    case 'NOT_COORDINATOR':
    case 'REQUEST_TIMED_OUT':
    case 'NOT_ENOUGH_REPLICAS_AFTER_APPEND':
    case 'KAFKA_STORAGE_ERROR':
    case 'NETWORK_EXCEPTION':
    case 'UNKNOWN_SERVER_ERROR':
      return true
    default:
      return false
  }
}
