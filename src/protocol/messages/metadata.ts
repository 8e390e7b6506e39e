import { api, array, bool, errorCode, int32, string, struct, uuid, ZERO_UUID } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** The value of an authorized-operations field that was not asked for. */
export const OPERATIONS_NOT_REQUESTED = -2147483648

/** Brokers, topics, partitions and their leaders; it may create a topic that is asked for and missing. */
export const metadata = api({
  key: 3,
  name: 'Metadata',
  versions: '0-13',
  flexible: '9+',
  kips: [4, 430, 516, 700, 1102],
  request: {
    topics: array(
      struct({
        topicId: uuid({ versions: '10+', default: ZERO_UUID }),
        name: string({ nullable: '10+', about: 'null: look the topic up by its id' }),
      }),
      { nullable: '1+', about: 'null: all topics; in version 0 an empty list says so' },
    ),
    allowAutoTopicCreation: bool({ versions: '4+', default: true }),
    includeClusterAuthorizedOperations: bool({ versions: '8-10', default: false }),
    includeTopicAuthorizedOperations: bool({ versions: '8+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ versions: '3+', default: 0 }),
    brokers: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ versions: '1+', nullable: '1+', default: null }),
      }),
    ),
    clusterId: string({ versions: '2+', nullable: '2+', default: null }),
    controllerId: int32({ versions: '1+', default: -1 }),
    topics: array(
      struct({
        errorCode: errorCode(),
        name: string({ nullable: '12+', about: 'null: asked by id, and the id is unknown' }),
        topicId: uuid({ versions: '10+' }),
        isInternal: bool({ versions: '1+', default: false }),
        partitions: array(
          struct({
            errorCode: errorCode(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: int32({ versions: '7+', default: -1 }),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            offlineReplicas: array(int32(), { versions: '5+', default: [] }),
          }),
        ),
        topicAuthorizedOperations: int32({
          versions: '8+',
          default: OPERATIONS_NOT_REQUESTED,
          about: 'bit per ACL operation',
        }),
      }),
    ),
    clusterAuthorizedOperations: int32({ versions: '8-10', default: OPERATIONS_NOT_REQUESTED }),
    errorCode: errorCode({ versions: '13+', default: 'NONE' }),
  },
  errors: {
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic, and it was not to be created',
    UNKNOWN_TOPIC_ID: 'no topic has this id',
    INVALID_TOPIC_EXCEPTION: 'the name is no legal topic name',
    LEADER_NOT_AVAILABLE: 'the topic or partition has no leader yet; ask again',
    INVALID_REQUEST: 'name and id combined in a way the version does not allow',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to see the topic',
    REBOOTSTRAP_REQUIRED: 'start over from the bootstrap addresses',
  },
})

export type MetadataRequest = RequestOf<typeof metadata>
export type MetadataRequestDraft = RequestDraftOf<typeof metadata>
export type MetadataResponse = ResponseOf<typeof metadata>
export type MetadataResponseDraft = ResponseDraftOf<typeof metadata>
