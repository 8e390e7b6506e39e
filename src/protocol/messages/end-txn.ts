import { api, bool, errorCode, int16, int32, int64, string } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Commits or aborts the open transaction of a transactional id.
 *
 * From version 5 on (transaction version 2) the producer epoch grows by one each time, and the response names the
 * producer id and epoch of the next transaction.
 */
export const endTxn = api({
  key: 26,
  name: 'EndTxn',
  versions: '0-5',
  flexible: '3+',
  kips: [98, 588, 890],
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    committed: bool({ about: 'false: abort' }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: errorCode(),
    producerId: int64({ versions: '5+', default: -1 }),
    producerEpoch: int16({ versions: '5+', default: -1 }),
  },
  errors: {
    INVALID_PRODUCER_ID_MAPPING: 'the transactional id is unknown or belongs to another producer id',
    PRODUCER_FENCED: 'the producer epoch is neither the current one nor that of a repeated request',
    INVALID_PRODUCER_EPOCH: 'the same as PRODUCER_FENCED, for versions below 2',
    INVALID_TXN_STATE: 'there is no transaction to end, or it was ended the other way',
    CONCURRENT_TRANSACTIONS: 'the outcome is decided and its markers are being written; ask again',
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not allowed to write with the transactional id',
    INVALID_REQUEST: 'the transactional id is empty',
    NOT_COORDINATOR: 'another broker coordinates this transactional id',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type EndTxnRequest = RequestOf<typeof endTxn>
export type EndTxnRequestDraft = RequestDraftOf<typeof endTxn>
export type EndTxnResponse = ResponseOf<typeof endTxn>
export type EndTxnResponseDraft = ResponseDraftOf<typeof endTxn>
