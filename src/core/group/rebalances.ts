/**
 * How a classic group gets from one generation to the next, and who waits meanwhile.
 *
 * Owns the deadlines of groups and the requests parked in them: members come together (join), the leader's assignment
 * is handed out (sync), who is silent or late goes. Which request leads here is decided in classic-groups.ts; the legal
 * moves are in classic-group-table.ts. Invariants: SPEC.md I3–I9. Source: GroupMetadataManager of Kafka 4.3.
 */
import { assert } from '../../base/assert.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { SyncGroupResponseDraft } from '../../protocol/messages/sync-group.ts'
import { NO_BYTES } from './classic-group.ts'
import type { ClassicGroup, ClassicGroupMember, GroupDeadlineEvent } from './classic-group.ts'
import type { ClassicGroupAction, ClassicGroupOutcome } from './classic-group-table.ts'
import { Deadlines } from './deadlines.ts'
import type { GroupCompletion, GroupConfig } from './group-api.ts'
import { groupMetadataRecord } from './group-records.ts'
import type { GroupRecord } from './group-records.ts'
import { joinRefusal, joinReply, NO_MEMBER_ID, syncRefusal } from './group-replies.ts'

/** Collects what one call writes and whom it answers. */
export class Effects {
  readonly records: GroupRecord[] = []
  readonly completions: GroupCompletion[] = []
}

export class Rebalances {
  readonly deadlines = new Deadlines<GroupDeadlineEvent>()
  readonly #config: GroupConfig

  constructor(config: GroupConfig) {
    this.#config = config
  }

  prepare(group: ClassicGroup, nowMs: number, effects: Effects): void {
    if (group.state === 'CompletingRebalance') {
      for (const member of group.members.values()) group.setAssignment(member, NO_BYTES)
      this.propagateSync(group, () => syncRefusal('REBALANCE_IN_PROGRESS'), nowMs, effects)
    }
    group.pendingSyncs.clear()
    this.deadlines.cancel(group.syncDeadline)
    group.isInitialRebalance = group.state === 'Empty'
    group.transition('RebalanceStarted', nowMs)
    if (!group.isInitialRebalance) {
      if (group.hasAllMembersJoined) this.#completeJoin(group, nowMs, effects)
      else this.deadlines.set(group.joinDeadline, nowMs + group.rebalanceTimeoutMs)
      return
    }
    // More members are likely to come: one rebalance for all of them instead of one for each.
    const delayMs = this.#config.groupInitialRebalanceDelayMs
    group.newMemberAdded = false
    group.initialDelayMs = delayMs
    group.initialDelayRemainingMs = Math.max(group.rebalanceTimeoutMs - delayMs, 0)
    this.deadlines.set(group.joinDeadline, nowMs + delayMs)
  }

  #extendInitialDelay(group: ClassicGroup, nowMs: number): void {
    const { initialDelayMs, initialDelayRemainingMs } = group
    group.newMemberAdded = false
    group.initialDelayMs = Math.min(this.#config.groupInitialRebalanceDelayMs, initialDelayRemainingMs)
    group.initialDelayRemainingMs = Math.max(initialDelayRemainingMs - initialDelayMs, 0)
    this.deadlines.set(group.joinDeadline, nowMs + group.initialDelayMs)
  }

  maybeComplete(group: ClassicGroup, nowMs: number, effects: Effects): void {
    if (group.state !== 'PreparingRebalance' || group.isInitialRebalance || !group.hasAllMembersJoined) return
    this.#completeJoin(group, nowMs, effects)
  }

  /** The time to join is over, or all have joined. Who has not is out, unless it is static. */
  #completeJoin(group: ClassicGroup, nowMs: number, effects: Effects): void {
    this.deadlines.cancel(group.joinDeadline)
    for (const member of [...group.members.values()]) {
      if (member.awaitingJoin === undefined && !member.isStatic) this.removeMember(group, member, effects)
    }
    if (!group.electJoinedLeader() && group.members.size > 0) {
      // Only static members are left, and none has joined: wait until they do or their sessions end.
      this.deadlines.set(group.joinDeadline, nowMs + group.rebalanceTimeoutMs)
      return
    }
    group.isInitialRebalance = false
    if (group.members.size === 0) {
      const value = group.toValue(group.generationId + 1, new Map(), nowMs)
      effects.records.push(groupMetadataRecord(group.groupId, value))
      return
    }
    group.generationId += 1
    group.protocolName = group.selectProtocol()
    group.readSubscriptions()
    group.transition('JoinPhaseCompleted', nowMs)
    group.pendingSyncs.clear()
    for (const member of group.members.values()) {
      const isLeader = member.memberId === group.leaderId
      const parked = member.awaitingJoin
      if (parked !== undefined) {
        const reply = joinReply(group, member.memberId, parked.apiVersion, { members: isLeader })
        effects.completions.push({ token: parked.token, reply })
        group.park(member, undefined)
      }
      member.isNew = false
      this.touch(member, nowMs)
      group.pendingSyncs.add(member.memberId)
    }
    this.deadlines.set(group.syncDeadline, nowMs + group.rebalanceTimeoutMs)
  }

  afterRemoval(group: ClassicGroup, nowMs: number, effects: Effects): void {
    const outcome = group.outcome('MembersRemoved')
    if (isAct(outcome, 'rebalance')) this.prepare(group, nowMs, effects)
    else if (isAct(outcome, 'take-part')) this.maybeComplete(group, nowMs, effects)
  }

  propagateSync(
    group: ClassicGroup,
    replyOf: (member: ClassicGroupMember) => SyncGroupResponseDraft,
    nowMs: number,
    effects: Effects,
  ): void {
    for (const member of group.members.values()) {
      if (member.awaitingSync === undefined) continue
      this.answerSync(member, replyOf(member), effects)
      // Its session may have run out while it waited, which did not count.
      this.touch(member, nowMs)
    }
  }

  // --- members and their waiting requests ---

  touch(member: ClassicGroupMember, nowMs: number): void {
    this.deadlines.set(member.session, nowMs + member.sessionTimeoutMs)
  }

  /** A member that is over the size of the group goes, if it is in. */
  expel(group: ClassicGroup, memberId: string, nowMs: number, effects: Effects): void {
    this.forgetPendingJoin(group, memberId)
    const member = group.members.get(memberId)
    if (member !== undefined) this.removeMember(group, member, effects)
    this.maybeComplete(group, nowMs, effects)
  }

  /** If it still waits, it is told UNKNOWN_MEMBER_ID, so that a living client joins anew. */
  removeMember(group: ClassicGroup, member: ClassicGroupMember, effects: Effects): void {
    this.answerAll(group, member, 'UNKNOWN_MEMBER_ID', NO_MEMBER_ID, effects)
    this.deadlines.cancel(member.session)
    group.remove(member.memberId)
  }

  forgetPendingJoin(group: ClassicGroup, memberId: string): boolean {
    const pending = group.pendingJoins.get(memberId)
    if (pending === undefined) return false
    this.deadlines.cancel(pending)
    return group.pendingJoins.delete(memberId)
  }

  answerAll(
    group: ClassicGroup,
    member: ClassicGroupMember,
    errorCode: ErrorCode,
    memberId: string,
    effects: Effects,
  ): void {
    this.answerJoin(group, member, errorCode, memberId, effects)
    this.answerSync(member, syncRefusal(errorCode), effects)
  }

  answerJoin(
    group: ClassicGroup,
    member: ClassicGroupMember,
    errorCode: ErrorCode,
    memberId: string,
    effects: Effects,
  ): void {
    const parked = member.awaitingJoin
    if (parked === undefined) return
    group.park(member, undefined)
    effects.completions.push({ token: parked.token, reply: joinRefusal(errorCode, memberId, parked.apiVersion) })
  }

  answerSync(member: ClassicGroupMember, reply: SyncGroupResponseDraft, effects: Effects): void {
    const parked = member.awaitingSync
    if (parked === undefined) return
    member.awaitingSync = undefined
    effects.completions.push({ token: parked.token, reply })
  }

  // --- deadlines ---

  onSessionTimeout(group: ClassicGroup, memberId: string, nowMs: number, effects: Effects): void {
    const member = group.members.get(memberId)
    if (member === undefined) {
      if (this.forgetPendingJoin(group, memberId)) this.maybeComplete(group, nowMs, effects)
      return
    }
    if (member.isWaiting && !member.isNew) return
    this.removeMember(group, member, effects)
    this.afterRemoval(group, nowMs, effects)
  }

  onJoinTimeout(group: ClassicGroup, nowMs: number, effects: Effects): void {
    if (group.isInitialRebalance && group.newMemberAdded && group.initialDelayRemainingMs > 0) {
      this.#extendInitialDelay(group, nowMs)
    } else this.#completeJoin(group, nowMs, effects)
  }

  /** Who got a generation but never asked for its part of it is out. */
  onSyncTimeout(group: ClassicGroup, nowMs: number, effects: Effects): void {
    if (!isAct(group.outcome('SyncTimeout'), 'rebalance')) return
    for (const memberId of [...group.pendingSyncs]) this.removeMember(group, memberOf(group, memberId), effects)
    this.prepare(group, nowMs, effects)
  }

  /** Nobody waits any more; nothing of the group is due. */
  dissolve(group: ClassicGroup): void {
    this.deadlines.cancel(group.joinDeadline)
    this.deadlines.cancel(group.syncDeadline)
    for (const memberId of [...group.pendingJoins.keys()]) this.forgetPendingJoin(group, memberId)
    for (const member of [...group.members.values()]) {
      this.deadlines.cancel(member.session)
      group.remove(member.memberId)
    }
    group.transition('Removed', group.stateTimestampMs)
  }
}

export function memberOf(group: ClassicGroup, memberId: string): ClassicGroupMember {
  const member = group.members.get(memberId)
  assert(member !== undefined, `group ${group.groupId} has no member ${memberId}`)
  return member
}

export function isAct(outcome: ClassicGroupOutcome, act: ClassicGroupAction): boolean {
  return typeof outcome === 'object' && 'act' in outcome && outcome.act === act
}
