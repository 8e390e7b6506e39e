import { api, array, bool, bytes, errorCode, int32, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'
import { OPERATIONS_NOT_REQUESTED } from './metadata.ts'

/** State and members of classic groups. Below version 6 a group that does not exist is described as Dead. */
export const describeGroups = api({
  key: 15,
  name: 'DescribeGroups',
  versions: '0-6',
  flexible: '5+',
  kips: [345, 430, 1043],
  request: {
    groups: array(string()),
    includeAuthorizedOperations: bool({ versions: '3+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    groups: array(
      struct({
        errorCode: errorCode(),
        errorMessage: string({ versions: '6+', nullable: '6+', default: null }),
        groupId: string(),
        groupState: string({ about: 'Empty, PreparingRebalance, CompletingRebalance, Stable or Dead' }),
        protocolType: string(),
        protocolData: string({ about: 'name of the assignor in use, empty unless Stable' }),
        members: array(
          struct({
            memberId: string(),
            groupInstanceId: string({ versions: '4+', nullable: '4+', default: null }),
            clientId: string(),
            clientHost: string(),
            memberMetadata: bytes({ about: 'what the member sent for that assignor when it joined' }),
            memberAssignment: bytes(),
          }),
        ),
        authorizedOperations: int32({ versions: '3+', default: OPERATIONS_NOT_REQUESTED }),
      }),
    ),
  },
  errors: {
    GROUP_ID_NOT_FOUND: 'no such classic group (version 6)',
    INVALID_GROUP_ID: 'the group id is not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to see the group',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator is not there yet; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type DescribeGroupsRequest = RequestOf<typeof describeGroups>
export type DescribeGroupsRequestDraft = RequestDraftOf<typeof describeGroups>
export type DescribeGroupsResponse = ResponseOf<typeof describeGroups>
export type DescribeGroupsResponseDraft = ResponseDraftOf<typeof describeGroups>
