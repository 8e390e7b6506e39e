import { api, array, errorCode, int32, int64, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** The producers a partition remembers, with the start of their open transaction. For finding hung transactions. */
export const describeProducers = api({
  key: 61,
  name: 'DescribeProducers',
  versions: '0',
  flexible: '0+',
  kips: [664],
  request: {
    topics: array(struct({ name: string(), partitionIndexes: array(int32()) })),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: errorCode(),
            errorMessage: string({ nullable: '0+', default: null }),
            activeProducers: array(
              struct({
                producerId: int64(),
                producerEpoch: int32({ about: 'an int16 elsewhere' }),
                lastSequence: int32({ default: -1 }),
                lastTimestamp: int64({ default: -1, about: 'ms since the epoch, of the last batch or marker' }),
                coordinatorEpoch: int32({ about: '-1: no marker yet' }),
                currentTxnStartOffset: int64({ default: -1, about: '-1: no open transaction' }),
              }),
            ),
          }),
        ),
      }),
    ),
  },
  errors: {
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    INVALID_TOPIC_EXCEPTION: 'the name is no legal topic name',
    NOT_LEADER_OR_FOLLOWER: 'another broker leads the partition',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to read the topic',
  },
})

export type DescribeProducersRequest = RequestOf<typeof describeProducers>
export type DescribeProducersRequestDraft = RequestDraftOf<typeof describeProducers>
export type DescribeProducersResponse = ResponseOf<typeof describeProducers>
export type DescribeProducersResponseDraft = ResponseDraftOf<typeof describeProducers>
