import { api, array, bool, errorCode, int32, string, struct, uuid } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'
import { OPERATIONS_NOT_REQUESTED } from './metadata.ts'

/** Partitions of topics page by page, topics in the order of their names. */
export const describeTopicPartitions = api({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: '0',
  flexible: '0+',
  kips: [966],
  request: {
    topics: array(struct({ name: string() }), { about: 'empty: all' }),
    responsePartitionLimit: int32({ default: 2000, about: 'partitions in one page' }),
    cursor: struct(
      { topicName: string(), partitionIndex: int32() },
      { nullable: '0+', default: null, about: 'first partition of the page; null: from the beginning' },
    ),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array(
      struct({
        errorCode: errorCode(),
        name: string({ nullable: '0+' }),
        topicId: uuid(),
        isInternal: bool({ default: false }),
        partitions: array(
          struct({
            errorCode: errorCode(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: int32({ default: -1 }),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            eligibleLeaderReplicas: array(int32(), { nullable: '0+', default: null }),
            lastKnownElr: array(int32(), { nullable: '0+', default: null }),
            offlineReplicas: array(int32()),
          }),
        ),
        topicAuthorizedOperations: int32({ default: OPERATIONS_NOT_REQUESTED }),
      }),
    ),
    nextCursor: struct(
      { topicName: string(), partitionIndex: int32() },
      { nullable: '0+', default: null, about: 'null: this was the last page' },
    ),
  },
  errors: {
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic',
    INVALID_TOPIC_EXCEPTION: 'the name is no legal topic name',
    INVALID_REQUEST: 'the cursor is not usable',
    LEADER_NOT_AVAILABLE: 'the partition has no leader now',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to see the topic',
  },
})

export type DescribeTopicPartitionsRequest = RequestOf<typeof describeTopicPartitions>
export type DescribeTopicPartitionsRequestDraft = RequestDraftOf<typeof describeTopicPartitions>
export type DescribeTopicPartitionsResponse = ResponseOf<typeof describeTopicPartitions>
export type DescribeTopicPartitionsResponseDraft = ResponseDraftOf<typeof describeTopicPartitions>
