import { api, array, errorCode, int32, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Deletes committed offsets of partitions whose topic the group does not read any more. */
export const offsetDelete = api({
  key: 47,
  name: 'OffsetDelete',
  versions: '0',
  flexible: 'none',
  kips: [496],
  request: {
    groupId: string(),
    topics: array(struct({ name: string(), partitions: array(struct({ partitionIndex: int32() })) })),
  },
  response: {
    errorCode: errorCode({ about: 'of the whole request' }),
    throttleTimeMs: int32({ default: 0 }),
    topics: array(
      struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode() })) }),
    ),
  },
  errors: {
    GROUP_SUBSCRIBED_TO_TOPIC: 'a member still reads the topic',
    NON_EMPTY_GROUP: 'the group has members and is not one of consumers, so what it reads is unknown',
    GROUP_ID_NOT_FOUND: 'no such group',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    INVALID_GROUP_ID: 'the group id is not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to change the group',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to read the topic',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type OffsetDeleteRequest = RequestOf<typeof offsetDelete>
export type OffsetDeleteRequestDraft = RequestDraftOf<typeof offsetDelete>
export type OffsetDeleteResponse = ResponseOf<typeof offsetDelete>
export type OffsetDeleteResponseDraft = ResponseDraftOf<typeof offsetDelete>
