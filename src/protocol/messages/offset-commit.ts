import { api, array, errorCode, int32, int64, string, struct, uuid, ZERO_UUID } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Commits offsets of a consumer group. Version 10 names topics by id. */
export const offsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: '2-10',
  flexible: '8+',
  kips: [211, 320, 345, 516, 848],
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32({ default: -1, about: '-1: a consumer that assigns itself' }),
    memberId: string(),
    groupInstanceId: string({ versions: '7+', nullable: '7+', default: null }),
    retentionTimeMs: int64({ versions: '2-4', default: -1, about: '-1: as the broker is configured' }),
    topics: array(
      struct({
        name: string({ versions: '0-9', default: '' }),
        topicId: uuid({ versions: '10+', default: ZERO_UUID }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64({ about: 'the next one to read' }),
            committedLeaderEpoch: int32({ versions: '6+', default: -1 }),
            committedMetadata: string({ nullable: '0+' }),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32({ versions: '3+', default: 0 }),
    topics: array(
      struct({
        name: string({ versions: '0-9' }),
        topicId: uuid({ versions: '10+' }),
        partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode() })),
      }),
    ),
  },
  errors: {
    ILLEGAL_GENERATION: 'the generation is not the current one',
    STALE_MEMBER_EPOCH: 'the member epoch is older than the current one (KIP-848)',
    UNKNOWN_MEMBER_ID: 'the group has no such member',
    FENCED_INSTANCE_ID: 'another member has taken over this static instance',
    REBALANCE_IN_PROGRESS: 'the member must join again first',
    GROUP_ID_NOT_FOUND: 'no such group (version 9 and above)',
    OFFSET_METADATA_TOO_LARGE: 'the metadata is above offset.metadata.max.bytes',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    UNKNOWN_TOPIC_ID: 'no topic has this id',
    INVALID_GROUP_ID: 'the group id is not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to commit for the group',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to read the topic',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type OffsetCommitRequest = RequestOf<typeof offsetCommit>
export type OffsetCommitRequestDraft = RequestDraftOf<typeof offsetCommit>
export type OffsetCommitResponse = ResponseOf<typeof offsetCommit>
export type OffsetCommitResponseDraft = ResponseDraftOf<typeof offsetCommit>
