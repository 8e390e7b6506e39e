import { api, errorCode, int32, string } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Keeps a member of a classic group alive, and tells it of a rebalance. */
export const heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: '0-4',
  flexible: '4+',
  kips: [345],
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    errorCode: errorCode(),
  },
  errors: {
    REBALANCE_IN_PROGRESS: 'the member is known; it must join again',
    ILLEGAL_GENERATION: 'the generation is not the current one',
    UNKNOWN_MEMBER_ID: 'the group has no such member; join as a new one',
    FENCED_INSTANCE_ID: 'another member has taken over this static instance',
    INVALID_GROUP_ID: 'the group id is empty or not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to join the group',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator is not there yet; ask again',
  },
})

export type HeartbeatRequest = RequestOf<typeof heartbeat>
export type HeartbeatRequestDraft = RequestDraftOf<typeof heartbeat>
export type HeartbeatResponse = ResponseOf<typeof heartbeat>
export type HeartbeatResponseDraft = ResponseDraftOf<typeof heartbeat>
