import { api, array, bool, errorCode, int16, int32, int64, int8, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Ends transactions on partitions by writing their markers. A coordinator sends it to leaders, an administrator to
 * end a hung transaction (KIP-664). Version 2 tells by which rule the leader checks the epoch (KIP-1228).
 */
export const writeTxnMarkers = api({
  key: 27,
  name: 'WriteTxnMarkers',
  versions: '1-2',
  flexible: '1+',
  kips: [98, 664, 1228],
  request: {
    markers: array(
      struct({
        producerId: int64(),
        producerEpoch: int16(),
        transactionResult: bool({ about: 'true: COMMIT; false: ABORT' }),
        topics: array(struct({ name: string(), partitionIndexes: array(int32()) })),
        coordinatorEpoch: int32(),
        transactionVersion: int8({
          versions: '2+',
          default: 0,
          about: '2: the epoch must be above that of the open transaction; 0 and 1: it may equal it',
        }),
      }),
    ),
  },
  response: {
    markers: array(
      struct({
        producerId: int64(),
        topics: array(
          struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: errorCode() })) }),
        ),
      }),
    ),
  },
  errors: {
    INVALID_PRODUCER_EPOCH: 'the epoch is below that of the producer on this partition',
    TRANSACTION_COORDINATOR_FENCED: 'a newer coordinator has written a marker for this producer',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    NOT_LEADER_OR_FOLLOWER: 'another broker leads the partition',
    NOT_ENOUGH_REPLICAS: 'the marker was not written; send again',
    UNSUPPORTED_FOR_MESSAGE_FORMAT: 'the partition cannot hold transactions',
    CLUSTER_AUTHORIZATION_FAILED: 'neither a broker nor an administrator',
    KAFKA_STORAGE_ERROR: 'the disk failed',
  },
})

export type WriteTxnMarkersRequest = RequestOf<typeof writeTxnMarkers>
export type WriteTxnMarkersRequestDraft = RequestDraftOf<typeof writeTxnMarkers>
export type WriteTxnMarkersResponse = ResponseOf<typeof writeTxnMarkers>
export type WriteTxnMarkersResponseDraft = ResponseDraftOf<typeof writeTxnMarkers>
