import { api, array, bool, errorCode, int32, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Adds partitions to topics. Keys then fall to other partitions; nothing already written moves. */
export const createPartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: '0-3',
  flexible: '2+',
  kips: [195, 599],
  request: {
    topics: array(
      struct({
        name: string(),
        count: int32({ about: 'number of partitions afterwards' }),
        assignments: array(struct({ brokerIds: array(int32()) }), {
          nullable: '0+',
          about: 'one for each new partition; null: the broker assigns',
        }),
      }),
    ),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array(
      struct({ name: string(), errorCode: errorCode(), errorMessage: string({ nullable: '0+', default: null }) }),
    ),
  },
  errors: {
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic',
    INVALID_PARTITIONS: 'the count is not above the present one, or above the limit',
    INVALID_REPLICA_ASSIGNMENT: 'the assignments do not fit the count, or name unknown brokers',
    INVALID_REQUEST: 'the topic is named twice',
    INVALID_TOPIC_EXCEPTION: 'the topic is internal and of fixed size',
    NOT_CONTROLLER: 'another broker creates partitions',
    REQUEST_TIMED_OUT: 'not done within timeoutMs; it may still be',
    THROTTLING_QUOTA_EXCEEDED: 'too many changes; ask again after throttleTimeMs',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to change the topic',
  },
})

export type CreatePartitionsRequest = RequestOf<typeof createPartitions>
export type CreatePartitionsRequestDraft = RequestDraftOf<typeof createPartitions>
export type CreatePartitionsResponse = ResponseOf<typeof createPartitions>
export type CreatePartitionsResponseDraft = ResponseDraftOf<typeof createPartitions>
