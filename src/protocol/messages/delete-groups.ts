import { api, array, errorCode, int32, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Deletes groups without members, with their offsets. */
export const deleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  versions: '0-2',
  flexible: '2+',
  kips: [229],
  request: {
    groupsNames: array(string()),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array(struct({ groupId: string(), errorCode: errorCode() })),
  },
  errors: {
    NON_EMPTY_GROUP: 'the group has members',
    GROUP_ID_NOT_FOUND: 'no such group',
    INVALID_GROUP_ID: 'the group id is not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to delete the group',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type DeleteGroupsRequest = RequestOf<typeof deleteGroups>
export type DeleteGroupsRequestDraft = RequestDraftOf<typeof deleteGroups>
export type DeleteGroupsResponse = ResponseOf<typeof deleteGroups>
export type DeleteGroupsResponseDraft = ResponseDraftOf<typeof deleteGroups>
