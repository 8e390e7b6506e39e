import { api, array, errorCode, int32, string, struct, uuid, ZERO_UUID } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Deletes topics: by name up to version 5, by name or id from version 6 on. */
export const deleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: '1-6',
  flexible: '4+',
  kips: [4, 322, 516, 599],
  request: {
    topics: array(
      struct({
        name: string({ nullable: '6+', default: null, about: 'null: by id' }),
        topicId: uuid({ default: ZERO_UUID }),
      }),
      { versions: '6+', default: [] },
    ),
    topicNames: array(string(), { versions: '0-5', default: [] }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    responses: array(
      struct({
        name: string({ nullable: '6+', about: 'null: asked by id, and the topic is unknown or not to be seen' }),
        topicId: uuid({ versions: '6+', default: ZERO_UUID }),
        errorCode: errorCode(),
        errorMessage: string({ versions: '5+', nullable: '5+', default: null }),
      }),
    ),
  },
  errors: {
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic',
    UNKNOWN_TOPIC_ID: 'no topic has this id',
    INVALID_REQUEST: 'named twice, by name and id at once, or by neither',
    TOPIC_DELETION_DISABLED: 'delete.topic.enable is off',
    NOT_CONTROLLER: 'another broker deletes topics',
    REQUEST_TIMED_OUT: 'not done within timeoutMs; it may still be',
    THROTTLING_QUOTA_EXCEEDED: 'too many changes; ask again after throttleTimeMs',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to delete the topic',
  },
})

export type DeleteTopicsRequest = RequestOf<typeof deleteTopics>
export type DeleteTopicsRequestDraft = RequestDraftOf<typeof deleteTopics>
export type DeleteTopicsResponse = ResponseOf<typeof deleteTopics>
export type DeleteTopicsResponseDraft = ResponseDraftOf<typeof deleteTopics>
