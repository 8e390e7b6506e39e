import { api, array, errorCode, int32, int64, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Where a leader epoch ends in the log: by it a consumer finds out that the log was cut below its position. */
export const offsetForLeaderEpoch = api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: '2-4',
  flexible: '4+',
  kips: [101, 279, 320],
  request: {
    replicaId: int32({ versions: '3+', default: -2, about: '-1: a consumer; -2: a tool, or not said' }),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            partition: int32(),
            currentLeaderEpoch: int32({ default: -1, about: '-1: not to be checked' }),
            leaderEpoch: int32(),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            errorCode: errorCode(),
            partition: int32(),
            leaderEpoch: int32({ default: -1, about: 'the largest one that is not above what was asked; -1: none' }),
            endOffset: int64({ default: -1, about: 'where it ends' }),
          }),
        ),
      }),
    ),
  },
  errors: {
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    FENCED_LEADER_EPOCH: 'the leader epoch of the client is older; refresh the metadata',
    UNKNOWN_LEADER_EPOCH: 'the leader epoch of the client is newer than that of the broker; ask again',
    NOT_LEADER_OR_FOLLOWER: 'another broker leads the partition; refresh the metadata',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to see the topic',
    KAFKA_STORAGE_ERROR: 'the disk failed',
  },
})

export type OffsetForLeaderEpochRequest = RequestOf<typeof offsetForLeaderEpoch>
export type OffsetForLeaderEpochRequestDraft = RequestDraftOf<typeof offsetForLeaderEpoch>
export type OffsetForLeaderEpochResponse = ResponseOf<typeof offsetForLeaderEpoch>
export type OffsetForLeaderEpochResponseDraft = ResponseDraftOf<typeof offsetForLeaderEpoch>
