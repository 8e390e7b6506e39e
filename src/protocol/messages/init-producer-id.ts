import { api, bool, errorCode, int16, int32, int64, string } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Gives a producer its id and epoch; for a transactional id it also ends what an earlier instance left open.
 *
 * Version 6 (two-phase commit, KIP-939) is declared but not yet offered by any release of Kafka.
 */
export const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: '0-6',
  flexible: '2+',
  kips: [98, 360, 588, 890, 939],
  request: {
    transactionalId: string({ nullable: '0+', about: 'null: an idempotent producer without transactions' }),
    transactionTimeoutMs: int32(),
    producerId: int64({ versions: '3+', default: -1, about: 'what the producer has, when it only wants a new epoch' }),
    producerEpoch: int16({ versions: '3+', default: -1 }),
    enable2Pc: bool({ versions: '6+', default: false }),
    keepPreparedTxn: bool({ versions: '6+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: errorCode(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
    ongoingTxnProducerId: int64({ versions: '6+', default: -1 }),
    ongoingTxnProducerEpoch: int16({ versions: '6+', default: -1 }),
  },
  errors: {
    CONCURRENT_TRANSACTIONS: 'an earlier transaction of this id is still being ended; ask again',
    PRODUCER_FENCED: 'the given producer id and epoch are older than what the coordinator holds',
    INVALID_PRODUCER_EPOCH: 'the same as PRODUCER_FENCED, for versions below 4',
    INVALID_TRANSACTION_TIMEOUT: 'the timeout is not positive or above transaction.max.timeout.ms',
    INVALID_REQUEST: 'the transactional id is empty, or only one of producer id and epoch was given',
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not allowed to use this transactional id, or two-phase commit is off',
    NOT_COORDINATOR: 'another broker coordinates this transactional id',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type InitProducerIdRequest = RequestOf<typeof initProducerId>
export type InitProducerIdRequestDraft = RequestDraftOf<typeof initProducerId>
export type InitProducerIdResponse = ResponseOf<typeof initProducerId>
export type InitProducerIdResponseDraft = ResponseDraftOf<typeof initProducerId>
