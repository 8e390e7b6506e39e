import { api, array, errorCode, int32, int64, int8, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Finds the offset of a moment, or of one of the named places below (negative timestamps). */
export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: '1-11',
  flexible: '6+',
  kips: [79, 98, 207, 320, 405, 734, 1005, 1023, 1075],
  request: {
    replicaId: int32({ about: '-1: a consumer; -2: a tool that wants the log end, whatever is durable' }),
    isolationLevel: int8({ versions: '2+', default: 0, about: '0: read_uncommitted; 1: read_committed' }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            currentLeaderEpoch: int32({ versions: '4+', default: -1, about: '-1: not to be checked' }),
            timestamp: int64({
              about:
                'ms since the epoch; -1 latest; -2 earliest; -3 largest timestamp (7+); -4 earliest local (8+); ' +
                '-5 latest tiered (9+); -6 earliest not yet tiered (11+)',
            }),
          }),
        ),
      }),
    ),
    timeoutMs: int32({ versions: '10+', default: 0, about: 'for what has to be looked up in tiered storage' }),
  },
  response: {
    throttleTimeMs: int32({ versions: '2+', default: 0 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: errorCode(),
            timestamp: int64({ default: -1, about: 'of the record found; -1 for a named place or none' }),
            offset: int64({ default: -1, about: '-1: no record is that young' }),
            leaderEpoch: int32({ versions: '4+', default: -1 }),
          }),
        ),
      }),
    ),
  },
  errors: {
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    UNSUPPORTED_VERSION: 'the named place is not known in this version',
    INVALID_REQUEST: 'a partition is named twice',
    FENCED_LEADER_EPOCH: 'the leader epoch of the client is older; refresh the metadata',
    UNKNOWN_LEADER_EPOCH: 'the leader epoch of the client is newer than that of the broker; ask again',
    OFFSET_NOT_AVAILABLE: 'a new leader does not know its high watermark yet; ask again',
    NOT_LEADER_OR_FOLLOWER: 'another broker leads the partition; refresh the metadata',
    KAFKA_STORAGE_ERROR: 'the disk failed',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to see the topic',
  },
})

export type ListOffsetsRequest = RequestOf<typeof listOffsets>
export type ListOffsetsRequestDraft = RequestDraftOf<typeof listOffsets>
export type ListOffsetsResponse = ResponseOf<typeof listOffsets>
export type ListOffsetsResponseDraft = ResponseDraftOf<typeof listOffsets>
