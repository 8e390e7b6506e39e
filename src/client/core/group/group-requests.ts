/** The requests of a group member that follow from its membership alone. JoinGroup, which makes one, is in group-member.ts. */
import { heartbeat } from '../../../protocol/messages/heartbeat.ts'
import { leaveGroup } from '../../../protocol/messages/leave-group.ts'
import { syncGroup } from '../../../protocol/messages/sync-group.ts'
import type { GroupMetadata } from '../../topic.ts'
import type { CoreRequest, Destination } from '../client-core.ts'
import { PROTOCOL_TYPE } from './consumer-protocol.ts'

export interface GroupTimeouts {
  readonly groupId: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly requestTimeoutMs: number
}

export interface MemberAssignment {
  readonly memberId: string
  readonly assignment: Uint8Array
}

/** Beyond the rebalance timeout, for the way there and back. */
export const JOIN_GRACE_MS = 5_000

export function heartbeatRequest(
  id: number,
  { sessionTimeoutMs, requestTimeoutMs }: GroupTimeouts,
  { groupId, generationId, memberId, groupInstanceId }: GroupMetadata,
): CoreRequest<typeof heartbeat> {
  return {
    id,
    destination: coordinatorOf(groupId),
    api: heartbeat,
    body: { groupId, generationId, memberId, groupInstanceId },
    timeoutMs: Math.min(requestTimeoutMs, sessionTimeoutMs),
  }
}

/** @param assignments  empty but from the leader */
export function syncRequest(
  id: number,
  { rebalanceTimeoutMs, sessionTimeoutMs }: GroupTimeouts,
  { groupId, generationId, memberId, groupInstanceId }: GroupMetadata,
  protocolName: string | null,
  assignments: readonly MemberAssignment[],
): CoreRequest<typeof syncGroup> {
  return {
    id,
    destination: coordinatorOf(groupId),
    api: syncGroup,
    body: { groupId, generationId, memberId, groupInstanceId, protocolType: PROTOCOL_TYPE, protocolName, assignments },
    timeoutMs: Math.max(rebalanceTimeoutMs, sessionTimeoutMs) + JOIN_GRACE_MS,
  }
}

export function leaveRequest(
  id: number,
  { groupId, requestTimeoutMs }: GroupTimeouts,
  memberId: string,
): CoreRequest<typeof leaveGroup> {
  return {
    id,
    destination: coordinatorOf(groupId),
    api: leaveGroup,
    body: { groupId, memberId, members: [{ memberId, groupInstanceId: null, reason: null }] },
    timeoutMs: requestTimeoutMs,
  }
}

function coordinatorOf(groupId: string): Destination {
  return { kind: 'coordinator', of: 'group', key: groupId }
}
