import { api, array, errorCode, int16, int32, int64, records, string, struct, uuid, ZERO_UUID } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Appends record batches, one per partition.
 *
 * With acks 0 there is no response. Versions 0 to 2 are gone; a broker still lists them in ApiVersions because
 * librdkafka takes their absence for a broker without compression (KAFKA-18659), and refuses them when they come.
 * Version 12 makes a transactional batch add its partition to the transaction (KIP-890, transaction version 2).
 */
export const produce = api({
  key: 0,
  name: 'Produce',
  versions: '3-13',
  flexible: '9+',
  kips: [98, 467, 516, 890, 951],
  request: {
    transactionalId: string({ nullable: '3+', default: null, about: 'null: no transactional batch inside' }),
    acks: int16({ about: '-1: durable; 1: appended; 0: no response' }),
    timeoutMs: int32(),
    topicData: array(
      struct({
        name: string({ versions: '0-12', default: '' }),
        topicId: uuid({ versions: '13+', default: ZERO_UUID }),
        partitionData: array(struct({ index: int32(), records: records({ nullable: '0+' }) })),
      }),
    ),
  },
  response: {
    responses: array(
      struct({
        name: string({ versions: '0-12' }),
        topicId: uuid({ versions: '13+' }),
        partitionResponses: array(
          struct({
            index: int32(),
            errorCode: errorCode(),
            baseOffset: int64({ about: 'offset of the first record, of the first try when this was a repetition' }),
            logAppendTimeMs: int64({ default: -1, about: '-1 unless the topic stamps records itself' }),
            logStartOffset: int64({ versions: '5+', default: -1 }),
            recordErrors: array(
              struct({
                batchIndex: int32({ about: 'index of the record in the batch' }),
                batchIndexErrorMessage: string({ nullable: '8+', default: null }),
              }),
              { versions: '8+', default: [] },
            ),
            errorMessage: string({ versions: '8+', nullable: '8+', default: null }),
            currentLeader: struct(
              { leaderId: int32({ default: -1 }), leaderEpoch: int32({ default: -1 }) },
              { versions: '10+', tag: 0, default: { leaderId: -1, leaderEpoch: -1 } },
            ),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32({ default: 0 }),
    nodeEndpoints: array(
      struct({ nodeId: int32(), host: string(), port: int32(), rack: string({ nullable: '10+', default: null }) }),
      { versions: '10+', tag: 0, default: [], about: 'addresses of the leaders named above' },
    ),
  },
  errors: {
    OUT_OF_ORDER_SEQUENCE_NUMBER: 'the batch is neither the next one of its producer nor one of its last five',
    INVALID_PRODUCER_EPOCH: 'a newer instance of the producer has taken over',
    INVALID_TXN_STATE: 'the batch belongs to no transaction that is open on this partition',
    TRANSACTION_ABORTABLE: 'the transaction cannot go on, but may be aborted and done again (version 11 and above)',
    CONCURRENT_TRANSACTIONS: 'the previous transaction is still being ended; send again (version 12 and above)',
    INVALID_PRODUCER_ID_MAPPING: 'the transactional id is unknown or belongs to another producer id',
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'a transactional batch without a transactional id one may write with',
    CORRUPT_MESSAGE: 'the CRC or the size of the batch is wrong',
    INVALID_RECORD: 'the batch is well-formed but not acceptable, such as a record without key on a compacted topic',
    INVALID_TIMESTAMP: 'a record is dated too far from the clock of the broker',
    MESSAGE_TOO_LARGE: 'the batch is above max.message.bytes',
    RECORD_LIST_TOO_LARGE: 'the batch is larger than a segment',
    UNSUPPORTED_COMPRESSION_TYPE: 'zstd below version 7',
    UNSUPPORTED_FOR_MESSAGE_FORMAT: 'the batch is of an older format than the request allows',
    INVALID_REQUIRED_ACKS: 'acks is none of -1, 0 and 1',
    INVALID_TOPIC_EXCEPTION: 'clients do not write to internal topics',
    NOT_ENOUGH_REPLICAS: 'the coordinator could not be asked; nothing was written; send again',
    NOT_LEADER_OR_FOLLOWER: 'another broker leads the partition; refresh the metadata',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    UNKNOWN_TOPIC_ID: 'no topic has this id',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to write to the topic',
    KAFKA_STORAGE_ERROR: 'the disk failed; nothing is acknowledged any more',
    REQUEST_TIMED_OUT: 'not durable within timeoutMs; it may still become so',
  },
})

export type ProduceRequest = RequestOf<typeof produce>
export type ProduceRequestDraft = RequestDraftOf<typeof produce>
export type ProduceResponse = ResponseOf<typeof produce>
export type ProduceResponseDraft = ResponseDraftOf<typeof produce>
