import { api, array, bool, errorCode, int32, int64, string, struct, uuid, ZERO_UUID } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Reads committed offsets: of one group up to version 7, of many from version 8 on. Version 10 names topics by id.
 */
export const offsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: '1-10',
  flexible: '6+',
  kips: [98, 320, 447, 516, 709, 848],
  request: {
    groupId: string({ versions: '0-7', default: '' }),
    topics: array(struct({ name: string(), partitionIndexes: array(int32()) }), {
      versions: '0-7',
      nullable: '2-7',
      default: [],
      about: 'null: all partitions with an offset',
    }),
    groups: array(
      struct({
        groupId: string(),
        memberId: string({ versions: '9+', nullable: '9+', default: null }),
        memberEpoch: int32({ versions: '9+', default: -1, about: '-1: not to be checked' }),
        topics: array(
          struct({
            name: string({ versions: '8-9', default: '' }),
            topicId: uuid({ versions: '10+', default: ZERO_UUID }),
            partitionIndexes: array(int32()),
          }),
          { nullable: '8+', about: 'null: all partitions with an offset' },
        ),
      }),
      { versions: '8+', default: [] },
    ),
    requireStable: bool({
      versions: '7+',
      default: false,
      about: 'refuse a partition for which a transaction has offsets that are not decided',
    }),
  },
  response: {
    throttleTimeMs: int32({ versions: '3+', default: 0 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64({ about: '-1: none' }),
            committedLeaderEpoch: int32({ versions: '5-7', default: -1 }),
            metadata: string({ nullable: '0-7' }),
            errorCode: errorCode(),
          }),
        ),
      }),
      { versions: '0-7', default: [] },
    ),
    errorCode: errorCode({ versions: '2-7', default: 'NONE' }),
    groups: array(
      struct({
        groupId: string(),
        topics: array(
          struct({
            name: string({ versions: '8-9' }),
            topicId: uuid({ versions: '10+' }),
            partitions: array(
              struct({
                partitionIndex: int32(),
                committedOffset: int64({ about: '-1: none' }),
                committedLeaderEpoch: int32({ default: -1 }),
                metadata: string({ nullable: '8+' }),
                errorCode: errorCode(),
              }),
            ),
          }),
        ),
        errorCode: errorCode({ default: 'NONE' }),
      }),
      { versions: '8+', default: [] },
    ),
  },
  errors: {
    UNSTABLE_OFFSET_COMMIT: 'a transaction with offsets of this partition is not decided; ask again',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    UNKNOWN_TOPIC_ID: 'no topic has this id',
    UNKNOWN_MEMBER_ID: 'the group has no such member',
    STALE_MEMBER_EPOCH: 'the member epoch is not the current one',
    GROUP_ID_NOT_FOUND: 'no such group',
    INVALID_GROUP_ID: 'the group id is not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to see the group',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to see the topic',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator is not there yet; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type OffsetFetchRequest = RequestOf<typeof offsetFetch>
export type OffsetFetchRequestDraft = RequestDraftOf<typeof offsetFetch>
export type OffsetFetchResponse = ResponseOf<typeof offsetFetch>
export type OffsetFetchResponseDraft = ResponseDraftOf<typeof offsetFetch>
