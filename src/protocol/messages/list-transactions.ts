import { api, array, errorCode, int32, int64, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** The transactional ids this broker coordinates, filtered. */
export const listTransactions = api({
  key: 66,
  name: 'ListTransactions',
  versions: '0-2',
  flexible: '0+',
  kips: [664, 994, 1152],
  request: {
    stateFilters: array(string(), { about: 'empty: any' }),
    producerIdFilters: array(int64(), { about: 'empty: any' }),
    durationFilter: int64({ versions: '1+', default: -1, about: 'ms; only what has run longer; -1: any' }),
    transactionalIdPattern: string({
      versions: '2+',
      nullable: '2+',
      default: null,
      about: 'regular expression (RE2) for the whole id; null or empty: any',
    }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: errorCode(),
    unknownStateFilters: array(string(), { about: 'the filters that name no state' }),
    transactionStates: array(struct({ transactionalId: string(), producerId: int64(), transactionState: string() })),
  },
  errors: {
    INVALID_REGULAR_EXPRESSION: 'the pattern does not compile',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator is not there yet; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'a coordinator is still reading its log; ask again',
  },
})

export type ListTransactionsRequest = RequestOf<typeof listTransactions>
export type ListTransactionsRequestDraft = RequestDraftOf<typeof listTransactions>
export type ListTransactionsResponse = ResponseOf<typeof listTransactions>
export type ListTransactionsResponseDraft = ResponseDraftOf<typeof listTransactions>
