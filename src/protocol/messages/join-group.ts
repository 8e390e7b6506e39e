import { api, array, bool, bytes, errorCode, int32, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Joins a group of the classic protocol; answered when the round of joining is over. The leader's response lists
 * all members, so that it can assign the partitions.
 */
export const joinGroup = api({
  key: 11,
  name: 'JoinGroup',
  versions: '0-9',
  flexible: '6+',
  kips: [62, 345, 394, 559, 800, 814],
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ versions: '1+', default: -1, about: 'in version 0 the session timeout serves' }),
    memberId: string({ about: 'empty: a new member' }),
    groupInstanceId: string({ versions: '5+', nullable: '5+', default: null }),
    protocolType: string({ about: "'consumer' for consumers" }),
    protocols: array(
      struct({ name: string(), metadata: bytes({ about: 'a ConsumerProtocolSubscription for consumers' }) }),
      { about: 'assignors, the preferred one first' },
    ),
    reason: string({ versions: '8+', nullable: '8+', default: null }),
  },
  response: {
    throttleTimeMs: int32({ versions: '2+', default: 0 }),
    errorCode: errorCode(),
    generationId: int32({ default: -1 }),
    protocolType: string({ versions: '7+', nullable: '7+', default: null }),
    protocolName: string({ nullable: '7+' }),
    leader: string({ about: 'its member id' }),
    skipAssignment: bool({
      versions: '9+',
      default: false,
      about: 'the leader is back with nothing to change: it must not assign',
    }),
    memberId: string(),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ versions: '5+', nullable: '5+', default: null }),
        metadata: bytes(),
      }),
      { about: 'empty but for the leader' },
    ),
  },
  errors: {
    MEMBER_ID_REQUIRED: 'join again with the member id given here',
    UNKNOWN_MEMBER_ID: 'the group has no such member; join as a new one',
    FENCED_INSTANCE_ID: 'another member has taken over this static instance',
    INCONSISTENT_GROUP_PROTOCOL: 'no assignor in common with the members that are there, or another protocol type',
    INVALID_SESSION_TIMEOUT: 'outside group.min.session.timeout.ms and group.max.session.timeout.ms',
    GROUP_MAX_SIZE_REACHED: 'the group is full',
    REBALANCE_IN_PROGRESS: 'the round ended without this member; join again',
    INVALID_GROUP_ID: 'the group id is empty or not usable',
    GROUP_AUTHORIZATION_FAILED: 'not allowed to join the group',
    NOT_COORDINATOR: 'another broker coordinates this group',
    COORDINATOR_NOT_AVAILABLE: 'the coordinator cannot write its log now; ask again',
    COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still reading its log; ask again',
  },
})

export type JoinGroupRequest = RequestOf<typeof joinGroup>
export type JoinGroupRequestDraft = RequestDraftOf<typeof joinGroup>
export type JoinGroupResponse = ResponseOf<typeof joinGroup>
export type JoinGroupResponseDraft = ResponseDraftOf<typeof joinGroup>
