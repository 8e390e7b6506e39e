import { api, array, bytes, errorCode, int32, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Brings the leader's assignment to the coordinator, and each member's share of it to that member. */
export const syncGroup = api({
  key: 14,
  name: 'SyncGroup',
  versions: '0-5',
  flexible: '4+',
  kips: [345, 559],
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
    protocolType: string({ versions: '5+', nullable: '5+', default: null }),
    protocolName: string({ versions: '5+', nullable: '5+', default: null }),
    assignments: array(
      struct({ memberId: string(), assignment: bytes({ about: 'a ConsumerProtocolAssignment for consumers' }) }),
      { about: 'empty but from the leader' },
    ),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    errorCode: errorCode(),
    protocolType: string({ versions: '5+', nullable: '5+', default: null }),
    protocolName: string({ versions: '5+', nullable: '5+', default: null }),
    assignment: bytes({ about: 'empty with an error' }),
  },
  errors: {
    REBALANCE_IN_PROGRESS: 'a new round has begun; join again',
    ILLEGAL_GENERATION: 'the generation is not the current one',
    UNKNOWN_MEMBER_ID: 'the group has no such member; join as a new one',
    FENCED_INSTANCE_ID: 'another member has taken over this static instance',
    INCONSISTENT_GROUP_PROTOCOL: 'the protocol type or name is not the one the group has chosen',
    INVALID_GROUP_ID: 'the group id is empty or not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to join the group',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; join again',
  },
})

export type SyncGroupRequest = RequestOf<typeof syncGroup>
export type SyncGroupRequestDraft = RequestDraftOf<typeof syncGroup>
export type SyncGroupResponse = ResponseOf<typeof syncGroup>
export type SyncGroupResponseDraft = ResponseDraftOf<typeof syncGroup>
