import { api, array, bool, errorCode, int16, int32, int8, string, struct, uuid, ZERO_UUID } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Creates topics; each one stands or falls alone. */
export const createTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: '2-7',
  flexible: '5+',
  kips: [4, 464, 516, 525, 599],
  request: {
    topics: array(
      struct({
        name: string(),
        numPartitions: int32({ about: '-1: as the broker is configured, or by the assignments' }),
        replicationFactor: int16({ about: '-1: as the broker is configured, or by the assignments' }),
        assignments: array(struct({ partitionIndex: int32(), brokerIds: array(int32()) }), {
          default: [],
          about: 'empty: the broker assigns',
        }),
        configs: array(struct({ name: string(), value: string({ nullable: '0+' }) }), { default: [] }),
      }),
    ),
    timeoutMs: int32({ default: 60000 }),
    validateOnly: bool({ default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array(
      struct({
        name: string(),
        topicId: uuid({ versions: '7+', default: ZERO_UUID }),
        errorCode: errorCode(),
        errorMessage: string({ nullable: '0+' }),
        topicConfigErrorCode: errorCode({
          versions: '5+',
          tag: 0,
          default: 'NONE',
          about: 'why the three fields below tell nothing',
        }),
        numPartitions: int32({ versions: '5+', default: -1 }),
        replicationFactor: int16({ versions: '5+', default: -1 }),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: '5+' }),
            readOnly: bool(),
            configSource: int8({ default: -1, about: 'see DescribeConfigs' }),
            isSensitive: bool(),
          }),
          { versions: '5+', nullable: '5+', default: [] },
        ),
      }),
    ),
  },
  errors: {
    TOPIC_ALREADY_EXISTS: 'there is a topic of this name',
    INVALID_TOPIC_EXCEPTION: 'the name is no legal topic name, or clashes with another by . and _',
    INVALID_PARTITIONS: 'the number of partitions is zero, below -1 or above the limit',
    INVALID_REPLICATION_FACTOR: 'more replicas than brokers, or none',
    INVALID_REPLICA_ASSIGNMENT: 'the assignments have gaps, or name unknown brokers',
    INVALID_CONFIG: 'an unknown name or a value out of range',
    INVALID_REQUEST: 'the topic is named twice, or assignments come with a number of partitions or replicas',
    POLICY_VIOLATION: 'a rule of this broker forbids it',
    NOT_CONTROLLER: 'another broker creates topics',
    REQUEST_TIMED_OUT: 'not done within timeoutMs; it may still be',
    THROTTLING_QUOTA_EXCEEDED: 'too many changes; ask again after throttleTimeMs',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to create the topic, or to see its configuration',
    CLUSTER_AUTHORIZATION_FAILED: 'not allowed to create topics',
  },
})

export type CreateTopicsRequest = RequestOf<typeof createTopics>
export type CreateTopicsRequestDraft = RequestDraftOf<typeof createTopics>
export type CreateTopicsResponse = ResponseOf<typeof createTopics>
export type CreateTopicsResponseDraft = ResponseDraftOf<typeof createTopics>
