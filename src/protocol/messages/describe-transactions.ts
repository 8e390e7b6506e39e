import { api, array, errorCode, int16, int32, int64, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** What the coordinator holds about transactional ids. */
export const describeTransactions = api({
  key: 65,
  name: 'DescribeTransactions',
  versions: '0',
  flexible: '0+',
  kips: [664],
  request: {
    transactionalIds: array(string()),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    transactionStates: array(
      struct({
        errorCode: errorCode(),
        transactionalId: string(),
        transactionState: string({ about: 'Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit …' }),
        transactionTimeoutMs: int32(),
        transactionStartTimeMs: int64({ about: 'ms since the epoch; -1: no open transaction' }),
        producerId: int64(),
        producerEpoch: int16(),
        topics: array(struct({ topic: string(), partitions: array(int32()) }), {
          about: 'what is in the open transaction; topics one may not see are left out',
        }),
      }),
    ),
  },
  errors: {
    TRANSACTIONAL_ID_NOT_FOUND: 'no such transactional id, or it has expired',
    INVALID_REQUEST: 'the transactional id is empty',
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not allowed to see the transactional id',
    NOT_COORDINATOR: 'another broker coordinates this transactional id',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator is not there yet; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type DescribeTransactionsRequest = RequestOf<typeof describeTransactions>
export type DescribeTransactionsRequestDraft = RequestDraftOf<typeof describeTransactions>
export type DescribeTransactionsResponse = ResponseOf<typeof describeTransactions>
export type DescribeTransactionsResponseDraft = ResponseDraftOf<typeof describeTransactions>
