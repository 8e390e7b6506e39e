import { api, array, bool, errorCode, int32, int64, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Sizes of partitions on disk, and the room that is left. */
export const describeLogDirs = api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: '1-5',
  flexible: '2+',
  kips: [113, 784, 827, 1066],
  request: {
    topics: array(struct({ topic: string(), partitions: array(int32()) }), { nullable: '0+', about: 'null: all' }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: errorCode({ versions: '3+', default: 'NONE' }),
    results: array(
      struct({
        errorCode: errorCode(),
        logDir: string({ about: 'absolute path' }),
        topics: array(
          struct({
            name: string(),
            partitions: array(
              struct({
                partitionIndex: int32(),
                partitionSize: int64({ about: 'bytes' }),
                offsetLag: int64({ about: 'how far it is behind the high watermark; 0 on one node' }),
                isFutureKey: bool({ about: 'a copy that is being moved to this directory' }),
              }),
            ),
          }),
        ),
        totalBytes: int64({ versions: '4+', default: -1, about: 'of the volume; -1: unknown' }),
        usableBytes: int64({ versions: '4+', default: -1, about: 'of the volume; -1: unknown' }),
        isCordoned: bool({ versions: '5+', default: false, about: 'takes no new partitions' }),
      }),
    ),
  },
  errors: {
    KAFKA_STORAGE_ERROR: 'the directory has failed',
    CLUSTER_AUTHORIZATION_FAILED: 'not allowed to see the directories',
  },
})

export type DescribeLogDirsRequest = RequestOf<typeof describeLogDirs>
export type DescribeLogDirsRequestDraft = RequestDraftOf<typeof describeLogDirs>
export type DescribeLogDirsResponse = ResponseOf<typeof describeLogDirs>
export type DescribeLogDirsResponseDraft = ResponseDraftOf<typeof describeLogDirs>
