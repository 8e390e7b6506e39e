import { api, array, errorCode, int32, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Leaves a classic group: one member up to version 2, several (static ones by instance id) from version 3 on. */
export const leaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  kips: [345, 800],
  request: {
    groupId: string(),
    memberId: string({ versions: '0-2', default: '' }),
    members: array(
      struct({
        memberId: string({ about: 'may be empty when the instance id is given' }),
        groupInstanceId: string({ nullable: '3+', default: null }),
        reason: string({ versions: '5+', nullable: '5+', default: null }),
      }),
      { versions: '3+', default: [] },
    ),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    errorCode: errorCode(),
    members: array(
      struct({ memberId: string(), groupInstanceId: string({ nullable: '3+' }), errorCode: errorCode() }),
      { versions: '3+', default: [] },
    ),
  },
  errors: {
    UNKNOWN_MEMBER_ID: 'the group has no such member',
    FENCED_INSTANCE_ID: 'the instance belongs to another member id',
    INVALID_GROUP_ID: 'the group id is empty or not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to join the group',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator is not there yet; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type LeaveGroupRequest = RequestOf<typeof leaveGroup>
export type LeaveGroupRequestDraft = RequestDraftOf<typeof leaveGroup>
export type LeaveGroupResponse = ResponseOf<typeof leaveGroup>
export type LeaveGroupResponseDraft = ResponseDraftOf<typeof leaveGroup>
