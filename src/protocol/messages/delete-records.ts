import { api, array, errorCode, int32, int64, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Moves the log start forward: what lies before it is gone for readers at once, and from the disk later. */
export const deleteRecords = api({
  key: 21,
  name: 'DeleteRecords',
  versions: '0-2',
  flexible: '2+',
  kips: [107],
  request: {
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({ partitionIndex: int32(), offset: int64({ about: 'new log start; -1: the high watermark' }) }),
        ),
      }),
    ),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            lowWatermark: int64({ about: 'log start afterwards; -1 with an error' }),
            errorCode: errorCode(),
          }),
        ),
      }),
    ),
  },
  errors: {
    OFFSET_OUT_OF_RANGE: 'the offset is above the high watermark, or negative',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    POLICY_VIOLATION: 'the topic is not one whose records may be deleted',
    INVALID_TOPIC_EXCEPTION: 'the topic is internal',
    NOT_LEADER_OR_FOLLOWER: 'another broker leads the partition; refresh the metadata',
    REQUEST_TIMED_OUT: 'not done within timeoutMs; it may still be',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to delete from the topic',
    KAFKA_STORAGE_ERROR: 'the disk failed',
  },
})

export type DeleteRecordsRequest = RequestOf<typeof deleteRecords>
export type DeleteRecordsRequestDraft = RequestDraftOf<typeof deleteRecords>
export type DeleteRecordsResponse = ResponseOf<typeof deleteRecords>
export type DeleteRecordsResponseDraft = ResponseDraftOf<typeof deleteRecords>
