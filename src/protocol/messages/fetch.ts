import { api, array, errorCode, int32, int64, int8, records, string, struct, uuid, ZERO_UUID } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * What HighWatermark says when its sender does not track it: the largest int64, which has no exact `number`. This
 * is the nearest one; as the default of a tagged field it is never on the wire.
 */
const HIGH_WATERMARK_UNTRACKED = 2 ** 63

/**
 * Reads record batches, as stored, from several partitions.
 *
 * From version 7 on requests of a session name only what changed. Whole batches are returned, the first of which
 * may begin below the offset asked for; control batches and aborted records are for the client to leave out.
 */
export const fetch = api({
  key: 1,
  name: 'Fetch',
  versions: '4-18',
  flexible: '12+',
  kips: [74, 98, 107, 110, 227, 320, 392, 405, 516, 595, 853, 903, 951, 1166],
  request: {
    clusterId: string({ versions: '12+', nullable: '12+', tag: 0, default: null }),
    replicaId: int32({ versions: '0-14', default: -1, about: '-1: a consumer' }),
    replicaState: struct(
      { replicaId: int32({ default: -1 }), replicaEpoch: int64({ default: -1 }) },
      { versions: '15+', tag: 1, default: { replicaId: -1, replicaEpoch: -1 } },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ default: 0x7fffffff, about: 'whole response; passed when the first batch alone is larger' }),
    isolationLevel: int8({ default: 0, about: '0: read_uncommitted; 1: read_committed' }),
    sessionId: int32({ versions: '7+', default: 0, about: '0: none' }),
    sessionEpoch: int32({
      versions: '7+',
      default: -1,
      about: '-1: no session; 0: open one; n: the n-th request of one',
    }),
    topics: array(
      struct({
        topic: string({ versions: '0-12', default: '' }),
        topicId: uuid({ versions: '13+', default: ZERO_UUID }),
        partitions: array(
          struct({
            partition: int32(),
            currentLeaderEpoch: int32({ versions: '9+', default: -1, about: '-1: not to be checked' }),
            fetchOffset: int64(),
            lastFetchedEpoch: int32({ versions: '12+', default: -1 }),
            logStartOffset: int64({ versions: '5+', default: -1, about: 'of the follower; -1 from a consumer' }),
            partitionMaxBytes: int32(),
            replicaDirectoryId: uuid({ versions: '17+', tag: 0, default: ZERO_UUID }),
            highWatermark: int64({ versions: '18+', tag: 1, default: HIGH_WATERMARK_UNTRACKED }),
          }),
        ),
      }),
    ),
    forgottenTopicsData: array(
      struct({
        topic: string({ versions: '7-12', default: '' }),
        topicId: uuid({ versions: '13+', default: ZERO_UUID }),
        partitions: array(int32()),
      }),
      { versions: '7+', default: [], about: 'partitions that leave the session' },
    ),
    rackId: string({ versions: '11+', default: '' }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: errorCode({ versions: '7+', default: 'NONE', about: 'of the session' }),
    sessionId: int32({ versions: '7+', default: 0 }),
    responses: array(
      struct({
        topic: string({ versions: '0-12' }),
        topicId: uuid({ versions: '13+' }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: errorCode(),
            highWatermark: int64({ about: '-1 with an error' }),
            lastStableOffset: int64({ default: -1 }),
            logStartOffset: int64({ versions: '5+', default: -1 }),
            divergingEpoch: struct(
              { epoch: int32({ default: -1 }), endOffset: int64({ default: -1 }) },
              {
                versions: '12+',
                tag: 0,
                default: { epoch: -1, endOffset: -1 },
                about: 'where the log left the one the fetcher has, by lastFetchedEpoch',
              },
            ),
            currentLeader: struct(
              { leaderId: int32({ default: -1 }), leaderEpoch: int32({ default: -1 }) },
              { versions: '12+', tag: 1, default: { leaderId: -1, leaderEpoch: -1 } },
            ),
            snapshotId: struct(
              { endOffset: int64({ default: -1 }), epoch: int32({ default: -1 }) },
              { versions: '12+', tag: 2, default: { endOffset: -1, epoch: -1 } },
            ),
            abortedTransactions: array(struct({ producerId: int64(), firstOffset: int64() }), {
              nullable: '4+',
              about: 'null for read_uncommitted; otherwise the aborted ones that touch the records returned',
            }),
            preferredReadReplica: int32({ versions: '11+', default: -1 }),
            records: records({ nullable: '0+' }),
          }),
        ),
      }),
    ),
    nodeEndpoints: array(
      struct({ nodeId: int32(), host: string(), port: int32(), rack: string({ nullable: '16+', default: null }) }),
      { versions: '16+', tag: 0, default: [] },
    ),
  },
  errors: {
    OFFSET_OUT_OF_RANGE: 'the offset is below the log start or above the log end',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic or partition',
    UNKNOWN_TOPIC_ID: 'no topic has this id',
    INCONSISTENT_TOPIC_ID: 'the session holds another id for this topic',
    FETCH_SESSION_TOPIC_ID_ERROR: 'the session was begun with names and goes on with ids, or the other way round',
    FETCH_SESSION_ID_NOT_FOUND: 'the session is gone; send a full request',
    INVALID_FETCH_SESSION_EPOCH: 'a request of the session was lost or came twice; send a full request',
    FENCED_LEADER_EPOCH: 'the leader epoch of the client is older; refresh the metadata',
    UNKNOWN_LEADER_EPOCH: 'the leader epoch of the client is newer than that of the broker; ask again',
    NOT_LEADER_OR_FOLLOWER: 'another broker leads the partition; refresh the metadata',
    UNSUPPORTED_COMPRESSION_TYPE: 'the log holds zstd, which versions below 10 must not be given',
    CORRUPT_MESSAGE: 'what is stored does not match its checksum',
    OFFSET_NOT_AVAILABLE: 'a new leader does not know its high watermark yet; ask again',
    OFFSET_MOVED_TO_TIERED_STORAGE: 'for followers only',
    KAFKA_STORAGE_ERROR: 'the disk failed',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to read the topic',
  },
})

export type FetchRequest = RequestOf<typeof fetch>
export type FetchRequestDraft = RequestDraftOf<typeof fetch>
export type FetchResponse = ResponseOf<typeof fetch>
export type FetchResponseDraft = ResponseDraftOf<typeof fetch>
