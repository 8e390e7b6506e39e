import { api, errorCode, int16, int32, int64, string } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Puts the offsets partition of a consumer group into a transaction, before TxnOffsetCommit (transaction versions
 * 0 and 1).
 */
export const addOffsetsToTxn = api({
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: '0-4',
  flexible: '3+',
  kips: [98, 588, 890],
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    groupId: string(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: errorCode(),
  },
  errors: {
    INVALID_PRODUCER_ID_MAPPING: 'the transactional id is unknown or belongs to another producer id',
    PRODUCER_FENCED: 'the producer epoch is not the current one',
    INVALID_PRODUCER_EPOCH: 'the same as PRODUCER_FENCED, for versions below 2',
    CONCURRENT_TRANSACTIONS: 'the previous transaction is still being ended; ask again',
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not allowed to write with the transactional id',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to commit for the group',
    INVALID_REQUEST: 'the transactional id is empty',
    NOT_COORDINATOR: 'another broker coordinates this transactional id',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type AddOffsetsToTxnRequest = RequestOf<typeof addOffsetsToTxn>
export type AddOffsetsToTxnRequestDraft = RequestDraftOf<typeof addOffsetsToTxn>
export type AddOffsetsToTxnResponse = ResponseOf<typeof addOffsetsToTxn>
export type AddOffsetsToTxnResponseDraft = ResponseDraftOf<typeof addOffsetsToTxn>
