import { api, array, errorCode, int32, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** The groups this broker coordinates. */
export const listGroups = api({
  key: 16,
  name: 'ListGroups',
  versions: '0-5',
  flexible: '3+',
  kips: [518, 848],
  request: {
    statesFilter: array(string(), { versions: '4+', default: [], about: 'empty: any; letter case does not matter' }),
    typesFilter: array(string(), { versions: '5+', default: [], about: 'empty: any; letter case does not matter' }),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    errorCode: errorCode(),
    groups: array(
      struct({
        groupId: string(),
        protocolType: string({ about: 'empty for a group that only stores offsets' }),
        groupState: string({ versions: '4+' }),
        groupType: string({ versions: '5+', about: 'classic, consumer, share or streams' }),
      }),
    ),
  },
  errors: {
    COORDINATOR_NOT_AVAILABLE: 'the coordinator is not there yet; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'a coordinator is still reading its log; ask again',
  },
})

export type ListGroupsRequest = RequestOf<typeof listGroups>
export type ListGroupsRequestDraft = RequestDraftOf<typeof listGroups>
export type ListGroupsResponse = ResponseOf<typeof listGroups>
export type ListGroupsResponseDraft = ResponseDraftOf<typeof listGroups>
