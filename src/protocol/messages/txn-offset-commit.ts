import { api, array, errorCode, int16, int32, int64, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Commits offsets of a consumer group inside a transaction: they count once it commits.
 *
 * Version 3 names the member, so that one which lost its partitions is fenced (KIP-447); version 5 also puts the
 * offsets partition into the transaction (transaction version 2).
 */
export const txnOffsetCommit = api({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: '0-5',
  flexible: '3+',
  kips: [98, 447, 890],
  request: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32({ versions: '3+', default: -1, about: 'or the member epoch; -1: not to be checked' }),
    memberId: string({ versions: '3+', default: '' }),
    groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64({ about: 'the next one to read' }),
            committedLeaderEpoch: int32({ versions: '2+', default: -1 }),
            committedMetadata: string({ nullable: '0+' }),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array(
      struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode() })) }),
    ),
  },
  errors: {
    INVALID_PRODUCER_ID_MAPPING: 'the transactional id is unknown or belongs to another producer id',
    INVALID_PRODUCER_EPOCH: 'a newer instance of the producer has taken over',
    INVALID_TXN_STATE: 'the offsets partition is in no open transaction of this producer',
    TRANSACTION_ABORTABLE: 'the same for version 4 and above: abort and do the transaction again',
    CONCURRENT_TRANSACTIONS: 'the previous transaction is still being ended; send again (version 5)',
    ILLEGAL_GENERATION: 'the generation or member epoch is not the current one',
    UNKNOWN_MEMBER_ID: 'the group has no such member',
    FENCED_INSTANCE_ID: 'another member has taken over this static instance',
    OFFSET_METADATA_TOO_LARGE: 'the metadata is above offset.metadata.max.bytes',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    INVALID_GROUP_ID: 'the group id is not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to commit for the group',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to read the topic',
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not allowed to write with the transactional id',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type TxnOffsetCommitRequest = RequestOf<typeof txnOffsetCommit>
export type TxnOffsetCommitRequestDraft = RequestDraftOf<typeof txnOffsetCommit>
export type TxnOffsetCommitResponse = ResponseOf<typeof txnOffsetCommit>
export type TxnOffsetCommitResponseDraft = ResponseDraftOf<typeof txnOffsetCommit>
