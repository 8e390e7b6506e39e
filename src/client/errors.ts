/**
 * The one error class of the client (DESIGN 7): what happened (`code`), what to do about it (`recovery`), which request
 * it belongs to, and what caused it.
 *
 * Owns the meaning of every code of the protocol for a client in general. What a code means inside a transaction depends
 * on the state of the transaction and is decided in core/transaction-manager.ts, which passes `recovery` itself.
 *
 * Source: KIP-1050 (classes of errors), org.apache.kafka.common.protocol.Errors.
 */
import type { ErrorCode } from '../protocol/error-codes.ts'

/**
 * - `retry`: the same call may succeed later; the client has already tried for as long as it was allowed to.
 * - `refresh`: what the client knew of the cluster or of its group was outdated; it is being looked up, call again.
 * - `abort-transaction`: abort this transaction (its records will not be seen), then begin it again.
 * - `restart-producer`: this instance cannot go on (fenced, fatal or closed); close it and make a new one if that is right.
 * - `fix-configuration`: trying again is of no use until an option, an argument, a permission or the data changes.
 */
export type Recovery = 'retry' | 'refresh' | 'abort-transaction' | 'restart-producer' | 'fix-configuration'

/** What can go wrong on this side of the wire; spelled like Kafka's own codes, from which they are distinct. */
export type ClientErrorCode =
  /** No connection: refused, reset, name not found, TLS or HTTP behind the port. The message says which and what to do. */
  | 'CONNECTION_FAILED'
  /** The connection ended after the request may have been sent: whether it was carried out is not known. */
  | 'DISCONNECTED'
  /** No answer in time; whether the request was carried out is not known. */
  | 'REQUEST_TIMEOUT'
  /** The peer's bytes are no Kafka response, or a response that contradicts itself. */
  | 'INVALID_RESPONSE'
  /** A record was not acknowledged within `deliveryTimeoutMs`. It may still have been stored when it had been sent. */
  | 'DELIVERY_TIMEOUT'
  /** `bufferMemoryBytes` stayed used up for `maxBlockMs`. */
  | 'BUFFER_EXHAUSTED'
  /** The instance was closed before or while it was asked. */
  | 'CLOSED'
  /** An option is unknown, missing or outside its range. */
  | 'INVALID_OPTION'
  /** An argument of a call is unusable. */
  | 'INVALID_ARGUMENT'
  /** The call does not fit the state of the instance, such as a commit without a transaction. */
  | 'ILLEGAL_STATE'
  | 'SERIALIZATION_FAILED'
  | 'DESERIALIZATION_FAILED'
  /** The record went with a transaction that was aborted before it was sent. */
  | 'TRANSACTION_ABORTED'
  /** Nobody could say whether the transaction was committed. It was one or the other, never a part of it. */
  | 'COMMIT_OUTCOME_UNKNOWN'
  /** There is no committed offset, and `startFrom` says that there must be. */
  | 'NO_OFFSET'
  /** The broker lacks an API or a version that the call needs. */
  | 'UNSUPPORTED_BY_BROKER'
  /** The caller's AbortSignal. */
  | 'ABORTED'
  /** User code (a handler, a listener, an assignor) threw; see `cause`. */
  | 'USER_CODE_FAILED'
  /** A bug of ours, or a broker that does what no broker may. */
  | 'INTERNAL'

export type KafkaErrorCode = Exclude<ErrorCode, 'NONE'> | ClientErrorCode

/** What was being asked, for messages and logs. */
export interface RequestInfo {
  readonly api: string
  readonly version?: number
  /** 'HOST:PORT', with the node id when it is known. */
  readonly broker?: string
  readonly topic?: string
  readonly partition?: number
  readonly groupId?: string
  readonly transactionalId?: string
}

export interface KafkaErrorOptions {
  /** Defaults to what the code means in general. */
  readonly recovery?: Recovery
  readonly request?: RequestInfo
  readonly cause?: unknown
}

export class KafkaError extends Error {
  override name = 'KafkaError'
  readonly code: KafkaErrorCode
  readonly recovery: Recovery
  /** The request that failed; absent when none was made. */
  readonly request: RequestInfo | undefined

  constructor(code: KafkaErrorCode, message: string, options: KafkaErrorOptions = {}) {
    super(`${code}: ${message}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.recovery = options.recovery ?? recoveryOf(code)
    this.request = options.request
  }
}

/** An error that a broker answered with. `detail` is the broker's own message, where it sent one. */
export function brokerError(
  code: Exclude<ErrorCode, 'NONE'>,
  request: RequestInfo,
  options: { readonly detail?: string | null; readonly recovery?: Recovery } = {},
): KafkaError {
  const about = [
    request.topic === undefined ? undefined : `${request.topic}-${request.partition ?? '?'}`,
    request.groupId === undefined ? undefined : `group ${request.groupId}`,
    request.transactionalId === undefined ? undefined : `transactional id ${request.transactionalId}`,
  ].filter((part) => part !== undefined)
  const what = [request.api, ...about].join(', ')
  const where = request.broker === undefined ? '' : ` at ${request.broker}`
  const detail = options.detail ?? EXPLANATIONS[code]
  return new KafkaError(code, `${what}${where}${detail === undefined ? '' : `: ${detail}`}`, {
    request,
    ...(options.recovery !== undefined && { recovery: options.recovery }),
  })
}

/** What to do where the name of the code alone does not say it. */
const EXPLANATIONS: Readonly<Partial<Record<ErrorCode, string>>> = {
  PRODUCER_FENCED: 'another producer with the same transactional id has started; this one must not go on',
  INVALID_PRODUCER_EPOCH: 'a newer producer with the same id has written; the transaction must be aborted',
  FENCED_INSTANCE_ID: 'another consumer with the same groupInstanceId has joined the group',
  INVALID_PRODUCER_ID_MAPPING:
    'the broker has forgotten the transactional id (unused for too long) or gave it to another producer',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'the broker misses a batch of this producer, or has lost its state',
  MESSAGE_TOO_LARGE: 'the record is larger than max.message.bytes of the topic allows',
  INVALID_TRANSACTION_TIMEOUT: 'transactionTimeoutMs is above transaction.max.timeout.ms of the broker',
  NOT_ENOUGH_REPLICAS: 'fewer replicas are in sync than min.insync.replicas demands',
  UNKNOWN_TOPIC_OR_PARTITION: 'there is no such topic or partition',
  TOPIC_AUTHORIZATION_FAILED: 'not allowed to use this topic',
  GROUP_AUTHORIZATION_FAILED: 'not allowed to use this group',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not allowed to use this transactional id',
  UNSUPPORTED_VERSION: 'the broker does not speak the version that was asked',
}

/** Worth asking again as it is: nothing was done, or doing it twice is harmless. */
const RETRY: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  'CORRUPT_MESSAGE',
  'REQUEST_TIMED_OUT',
  'NETWORK_EXCEPTION',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'OFFSET_NOT_AVAILABLE',
  'UNKNOWN_LEADER_EPOCH',
  'CONCURRENT_TRANSACTIONS',
  'UNSTABLE_OFFSET_COMMIT',
  'THROTTLING_QUOTA_EXCEEDED',
  'PREFERRED_LEADER_NOT_AVAILABLE',
  'ELIGIBLE_LEADERS_NOT_AVAILABLE',
  'REBALANCE_IN_PROGRESS',
  'CONNECTION_FAILED',
  'DISCONNECTED',
  'REQUEST_TIMEOUT',
  'DELIVERY_TIMEOUT',
  'BUFFER_EXHAUSTED',
  'UNKNOWN_SERVER_ERROR',
  'COMMIT_OUTCOME_UNKNOWN',
])

/** Worth asking again after leaders, coordinators, sessions or membership were looked up anew. */
const REFRESH: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'BROKER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_CONTROLLER',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'LISTENER_NOT_FOUND',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  'FETCH_SESSION_TOPIC_ID_ERROR',
  'NEW_LEADER_ELECTED',
  'REBOOTSTRAP_REQUIRED',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'MEMBER_ID_REQUIRED',
  'FENCED_MEMBER_EPOCH',
  'STALE_MEMBER_EPOCH',
])

const ABORT_TRANSACTION: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  'TRANSACTION_ABORTABLE',
  'TRANSACTION_ABORTED',
  'INVALID_PRODUCER_EPOCH',
])

const RESTART_PRODUCER: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_TXN_STATE',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'TRANSACTION_COORDINATOR_FENCED',
  'FENCED_INSTANCE_ID',
  'CLOSED',
  'INTERNAL',
])

/** What a code means in general, outside a transaction's own rules. */
function recoveryOf(code: KafkaErrorCode): Recovery {
  if (RETRY.has(code)) return 'retry'
  if (REFRESH.has(code)) return 'refresh'
  if (ABORT_TRANSACTION.has(code)) return 'abort-transaction'
  if (RESTART_PRODUCER.has(code)) return 'restart-producer'
  return 'fix-configuration'
}

/** Whether asking again can help without anybody changing anything. */
export function isRetriable(error: KafkaError): boolean {
  return error.recovery === 'retry' || error.recovery === 'refresh'
}
