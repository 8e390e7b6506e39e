/**
 * Shapes of the replies of membership requests, per request version.
 *
 * Owns what differs between versions; decides nothing. Source: JoinGroupResponse, LeaveGroupResponse.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { JoinGroupResponseDraft } from '../../protocol/messages/join-group.ts'
import type { LeaveGroupResponseDraft } from '../../protocol/messages/leave-group.ts'
import type { SyncGroupResponseDraft } from '../../protocol/messages/sync-group.ts'
import { NO_BYTES } from './classic-group.ts'
import type { ClassicGroup } from './classic-group.ts'

/** `memberId` of who has none yet. */
export const NO_MEMBER_ID = ''

/** From this version on a dynamic member must come twice, the second time with the id it was given (KIP-394). */
const MEMBER_ID_REQUIRED_VERSION_MIN = 4
const NULLABLE_PROTOCOL_VERSION_MIN = 7
/** From this version on a returning leader can be told to leave the assignment as it is (KIP-814). */
export const SKIP_ASSIGNMENT_VERSION_MIN = 9
/** From this version on a request must say which protocol it means (KIP-559). */
const SYNC_PROTOCOL_VERSION_MIN = 5
/** From this version on many members can leave at once (KIP-345). */
const LEAVE_BATCH_VERSION_MIN = 3

export function requiresMemberId(apiVersion: number): boolean {
  return apiVersion >= MEMBER_ID_REQUIRED_VERSION_MIN
}

export function requiresSyncProtocol(apiVersion: number): boolean {
  return apiVersion >= SYNC_PROTOCOL_VERSION_MIN
}

export function leavesInBatches(apiVersion: number): boolean {
  return apiVersion >= LEAVE_BATCH_VERSION_MIN
}

export function joinRefusal(errorCode: ErrorCode, memberId: string, apiVersion: number): JoinGroupResponseDraft {
  return {
    errorCode,
    protocolName: protocolNameFor(undefined, apiVersion),
    leader: NO_MEMBER_ID,
    memberId,
    members: [],
  }
}

/** The generation as a member is told of it. */
export function joinReply(
  group: ClassicGroup,
  memberId: string,
  apiVersion: number,
  told: { readonly members: boolean; readonly leader?: string | undefined; readonly skipAssignment?: boolean },
): JoinGroupResponseDraft {
  return {
    errorCode: 'NONE',
    generationId: group.generationId,
    protocolType: group.protocolType ?? null,
    protocolName: protocolNameFor(group.protocolName, apiVersion),
    leader: ('leader' in told ? told.leader : group.leaderId) ?? NO_MEMBER_ID,
    skipAssignment: told.skipAssignment ?? false,
    memberId,
    members: told.members
      ? Array.from(group.members.values(), (member) => ({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId,
          metadata: member.metadataOf(group.protocolName),
        }))
      : [],
  }
}

function protocolNameFor(name: string | undefined, apiVersion: number): string | null {
  return name ?? (apiVersion < NULLABLE_PROTOCOL_VERSION_MIN ? '' : null)
}

export function syncRefusal(errorCode: ErrorCode): SyncGroupResponseDraft {
  return { errorCode, assignment: NO_BYTES }
}

export function syncReply(group: ClassicGroup, assignment: Uint8Array): SyncGroupResponseDraft {
  const { protocolType, protocolName } = group
  return { errorCode: 'NONE', protocolType: protocolType ?? null, protocolName: protocolName ?? null, assignment }
}

export interface LeftMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly errorCode: ErrorCode
}

/** Up to version 2 there is one member, and its error is the error of the response. */
export function leaveReply(members: readonly LeftMember[], apiVersion: number): LeaveGroupResponseDraft {
  if (leavesInBatches(apiVersion)) return { errorCode: 'NONE', members }
  return { errorCode: members[0]?.errorCode ?? 'NONE' }
}
