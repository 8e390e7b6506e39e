/**
 * Membership of all classic groups: joining, syncing, heartbeats and leaving.
 *
 * Owns the groups, and what a request is told. What a group may do in which state is in classic-group-table.ts, how it
 * moves on in rebalances.ts; offsets are elsewhere. A generation becomes durable with the GroupMetadata record that holds its assignment: until that record is
 * replayed, and for all of a rebalance, the state here is volatile, and a restart goes back to the last record.
 * Invariants: SPEC.md I1–I9. Source: GroupMetadataManager (classic groups), KIP-62, 345, 394, 559, 814.
 */
import { assert } from '../../base/assert.ts'
import type { Random } from '../../base/runtime.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { GroupMetadataValue } from '../../protocol/messages/group-metadata-value.ts'
import type { HeartbeatRequest } from '../../protocol/messages/heartbeat.ts'
import type { JoinGroupRequest, JoinGroupResponseDraft } from '../../protocol/messages/join-group.ts'
import type { LeaveGroupRequest, LeaveGroupResponseDraft } from '../../protocol/messages/leave-group.ts'
import type { SyncGroupRequest, SyncGroupResponseDraft } from '../../protocol/messages/sync-group.ts'
import { ClassicGroup, copyProtocol, NO_BYTES, protocolsBytes } from './classic-group.ts'
import type { ClassicGroupMember, GroupDeadlineEvent, MemberDraft, MemberProtocol, SizeMeter } from './classic-group.ts'
import type { ClassicGroupEvent } from './classic-group-table.ts'
import { Deadline } from './deadlines.ts'
import { NEW_MEMBER_JOIN_TIMEOUT_MS } from './group-api.ts'
import type { GroupConfig, GroupLimits, GroupRequestContext, GroupToken } from './group-api.ts'
import { groupMetadataRecord } from './group-records.ts'
import {
  joinRefusal,
  joinReply,
  leaveReply,
  leavesInBatches,
  NO_MEMBER_ID,
  requiresMemberId,
  requiresSyncProtocol,
  SKIP_ASSIGNMENT_VERSION_MIN,
  syncRefusal,
  syncReply,
} from './group-replies.ts'
import type { LeftMember } from './group-replies.ts'
import { isAct, memberOf } from './rebalances.ts'
import type { Effects, Rebalances } from './rebalances.ts'

/** UTF-16 units of a client or instance id that are repeated in a member id. */
const MEMBER_ID_PREFIX_LENGTH_MAX = 255

export interface ClassicGroupsOptions {
  readonly random: Random
  readonly rebalances: Rebalances
  readonly config: GroupConfig
  readonly limits: GroupLimits
}

export class ClassicGroups {
  readonly #rebalances: Rebalances
  readonly #groups = new Map<string, ClassicGroup>()
  readonly #meter: SizeMeter = { bytes: 0 }
  readonly #random: Random
  readonly #config: GroupConfig
  readonly #limits: GroupLimits

  constructor({ random, rebalances, config, limits }: ClassicGroupsOptions) {
    this.#rebalances = rebalances
    this.#random = random
    this.#config = config
    this.#limits = limits
  }

  get count(): number {
    return this.#groups.size
  }

  /** Memory of all members of all groups, roughly. */
  get sizeBytes(): number {
    return this.#meter.bytes
  }

  get(groupId: string): ClassicGroup | undefined {
    return this.#groups.get(groupId)
  }

  all(): Iterable<ClassicGroup> {
    return this.#groups.values()
  }

  // --- join ---

  /** @returns `undefined`: the request is parked, or already among the completions of `effects` */
  join(
    request: JoinGroupRequest,
    context: GroupRequestContext,
    token: GroupToken,
    effects: Effects,
  ): JoinGroupResponseDraft | undefined {
    const { groupId, memberId, sessionTimeoutMs } = request
    const { apiVersion } = context
    const refuse = (errorCode: ErrorCode, id = memberId) => joinRefusal(errorCode, id, apiVersion)
    const { groupMinSessionTimeoutMs, groupMaxSessionTimeoutMs } = this.#config
    if (groupId === '' || groupId.length > this.#limits.groupIdLengthMax) return refuse('INVALID_GROUP_ID')
    if (sessionTimeoutMs < groupMinSessionTimeoutMs || sessionTimeoutMs > groupMaxSessionTimeoutMs) {
      return refuse('INVALID_SESSION_TIMEOUT')
    }
    const join: Join = { request, context, token, protocols: uniqueProtocols(request.protocols), effects }
    const known = this.#groups.get(groupId)
    // Only a member without an id may found a group: one with an id belonged to a group that is no more.
    if (known === undefined && memberId !== NO_MEMBER_ID) return refuse('UNKNOWN_MEMBER_ID')
    if (known === undefined && this.#groups.size >= this.#limits.groupsMax) return refuse('POLICY_VIOLATION')
    const group = known ?? new ClassicGroup(groupId, this.#meter)
    if (!this.#acceptsJoin(group, memberId)) {
      this.#rebalances.expel(group, memberId, context.nowMs, effects)
      return refuse('GROUP_MAX_SIZE_REACHED', NO_MEMBER_ID)
    }
    if (group.state === 'Dead') return refuse('COORDINATOR_NOT_AVAILABLE')
    if (!group.supports(request.protocolType, join.protocols)) return refuse('INCONSISTENT_GROUP_PROTOCOL')
    const tooLarge = this.#checkJoinSize(group, join)
    if (tooLarge !== 'NONE') return refuse(tooLarge)
    // Deviation: Kafka also writes a record for a group that has no generation yet. Nothing depends on it after a
    // restart, so such a group exists in memory only until it has a generation or an offset.
    this.#groups.set(groupId, group)
    return memberId === NO_MEMBER_ID ? this.#joinNew(group, join) : this.#joinKnown(group, join)
  }

  #joinNew(group: ClassicGroup, join: Join): JoinGroupResponseDraft | undefined {
    const { groupInstanceId, sessionTimeoutMs } = join.request
    const { apiVersion, clientId, nowMs } = join.context
    const memberId = `${idPrefix(groupInstanceId ?? clientId ?? '')}-${this.#newUuid()}`
    if (groupInstanceId !== null) {
      const previous = group.memberIdOfInstance(groupInstanceId)
      if (previous === undefined) return this.#addMember(group, memberId, join)
      return this.#replaceStaticMember(group, previous, memberId, join)
    }
    if (!requiresMemberId(apiVersion)) return this.#addMember(group, memberId, join)
    const pending = new Deadline<GroupDeadlineEvent>({ kind: 'session', group, memberId })
    group.pendingJoins.set(memberId, pending)
    this.#rebalances.deadlines.set(pending, nowMs + sessionTimeoutMs)
    return joinRefusal('MEMBER_ID_REQUIRED', memberId, apiVersion)
  }

  #joinKnown(group: ClassicGroup, join: Join): JoinGroupResponseDraft | undefined {
    const { memberId, groupInstanceId } = join.request
    const { apiVersion } = join.context
    // An id that was given out with MEMBER_ID_REQUIRED belongs to a dynamic member.
    if (group.pendingJoins.has(memberId) && groupInstanceId === null) return this.#addMember(group, memberId, join)
    const error = group.checkMember(memberId, groupInstanceId)
    if (error !== 'NONE') return joinRefusal(error, memberId, apiVersion)
    const member = memberOf(group, memberId)
    const isLeader = group.leaderId === memberId
    const unchanged = isLeader ? 'RejoinUnchangedLeader' : 'RejoinUnchanged'
    const event = member.supportsExactly(join.protocols) ? unchanged : 'RejoinChanged'
    const outcome = group.outcome(event)
    if (typeof outcome === 'object' && 'refuse' in outcome) return joinRefusal(outcome.refuse, memberId, apiVersion)
    // The first answer was lost: tell again what the generation is.
    if (isAct(outcome, 'answer-generation')) return joinReply(group, memberId, apiVersion, { members: isLeader })
    this.#takeUp(group, member, join)
    return this.#goOn(group, event, join)
  }

  #addMember(group: ClassicGroup, memberId: string, join: Join): undefined {
    const { nowMs, clientId, remoteAddress } = join.context
    const { groupInstanceId, protocolType, sessionTimeoutMs } = join.request
    if (group.state === 'PreparingRebalance' && group.isInitialRebalance) group.newMemberAdded = true
    this.#rebalances.forgetPendingJoin(group, memberId)
    const draft: MemberDraft = {
      memberId,
      groupInstanceId,
      clientId: clientId ?? '',
      // As Kafka's admin tools are used to seeing it: an address without a name.
      clientHost: `/${remoteAddress}`,
      rebalanceTimeoutMs: rebalanceTimeoutMs(join),
      sessionTimeoutMs,
      protocols: join.protocols.map(copyProtocol),
    }
    const member = group.add(draft, protocolType)
    member.isNew = true
    group.park(member, { token: join.token, apiVersion: join.context.apiVersion })
    this.#rebalances.deadlines.set(member.session, nowMs + NEW_MEMBER_JOIN_TIMEOUT_MS)
    return this.#goOn(group, 'JoinNewMember', join)
  }

  /** KIP-345: the new holder of an instance id takes over; the old one is fenced wherever it waits. */
  #replaceStaticMember(
    group: ClassicGroup,
    previousId: string,
    memberId: string,
    join: Join,
  ): JoinGroupResponseDraft | undefined {
    const { apiVersion, nowMs } = join.context
    const previous = memberOf(group, previousId)
    const leaderBefore = group.leaderId
    this.#rebalances.answerAll(group, previous, 'FENCED_INSTANCE_ID', previousId, join.effects)
    this.#rebalances.deadlines.cancel(previous.session)
    const member = group.replaceStatic(previous, memberId)
    if (group.pendingSyncs.size === 0) this.#rebalances.deadlines.cancel(group.syncDeadline)
    this.#updateMember(group, member, join)
    this.#rebalances.touch(member, nowMs)
    const keepsProtocol = group.state === 'Stable' && group.selectProtocol() === group.protocolName
    const event = keepsProtocol ? 'ReplaceStaticMember' : 'ReplaceStaticMemberOtherProtocol'
    if (!isAct(group.outcome(event), 'store-member')) {
      group.park(member, { token: join.token, apiVersion })
      return this.#goOn(group, event, join)
    }
    const assignments = new Map(Array.from(group.members.values(), ({ memberId: id, assignment }) => [id, assignment]))
    const value = group.toValue(group.generationId, assignments, group.stateTimestampMs ?? nowMs)
    join.effects.records.push(groupMetadataRecord(group.groupId, value))
    const isLeader = group.leaderId === memberId
    if (apiVersion >= SKIP_ASSIGNMENT_VERSION_MIN) {
      return joinReply(group, memberId, apiVersion, { members: isLeader, skipAssignment: isLeader })
    }
    // An older leader would assign anew if it were told that it leads, so it is told of the id that led before.
    return joinReply(group, memberId, apiVersion, { members: false, leader: leaderBefore })
  }

  /** A member joins again: it waits from now on, and an earlier join of its own does so no longer. */
  #takeUp(group: ClassicGroup, member: ClassicGroupMember, join: Join): void {
    this.#updateMember(group, member, join)
    // Deviation: Kafka never answers a join that a later one of the same member replaces.
    this.#rebalances.answerJoin(group, member, 'REBALANCE_IN_PROGRESS', member.memberId, join.effects)
    group.park(member, { token: join.token, apiVersion: join.context.apiVersion })
  }

  #updateMember(group: ClassicGroup, member: ClassicGroupMember, join: Join): void {
    group.updateProtocols(member, join.protocols.map(copyProtocol))
    member.rebalanceTimeoutMs = rebalanceTimeoutMs(join)
    member.sessionTimeoutMs = join.request.sessionTimeoutMs
  }

  #goOn(group: ClassicGroup, event: ClassicGroupEvent, { context, effects }: Join): undefined {
    const outcome = group.outcome(event)
    if (isAct(outcome, 'rebalance')) this.#rebalances.prepare(group, context.nowMs, effects)
    else {
      assert(isAct(outcome, 'take-part'), `group ${group.groupId} cannot go on after ${event} while ${group.state}`)
      this.#rebalances.maybeComplete(group, context.nowMs, effects)
    }
    return undefined
  }

  /**
   * While the members come together, the first ones to wait are in; later, whoever is a member is.
   * Source: GroupMetadataManager.acceptJoiningMember; pending ids are counted too, so that they have a bound.
   */
  #acceptsJoin(group: ClassicGroup, memberId: string): boolean {
    const { groupMaxSize } = this.#config
    const member = group.members.get(memberId)
    if (memberId === NO_MEMBER_ID && group.members.size + group.pendingJoins.size >= groupMaxSize) {
      return group.state === 'PreparingRebalance' && group.pendingJoins.size + group.awaitingJoinCount < groupMaxSize
    }
    switch (group.state) {
      case 'Empty':
      case 'Dead':
        return true
      case 'PreparingRebalance':
        return member?.awaitingJoin !== undefined || group.awaitingJoinCount < groupMaxSize
      default:
        return member !== undefined || group.members.size < groupMaxSize
    }
  }

  #checkJoinSize(group: ClassicGroup, join: Join): ErrorCode {
    const { memberBytesMax, groupBytesMax, groupBytesTotalMax } = this.#limits
    const { memberId, groupInstanceId } = join.request
    const idBytes = (memberId.length + (groupInstanceId?.length ?? 0) + (join.context.clientId?.length ?? 0)) * 2
    const memberBytes = protocolsBytes(join.protocols) + idBytes
    if (memberBytes > memberBytesMax) return 'MESSAGE_TOO_LARGE'
    const previousId = groupInstanceId === null ? undefined : group.memberIdOfInstance(groupInstanceId)
    const previous = group.members.get(previousId ?? memberId)
    const growthBytes = memberBytes - (previous === undefined ? 0 : previous.sizeBytes - previous.assignment.length)
    if (group.sizeBytes + growthBytes > groupBytesMax) return 'GROUP_MAX_SIZE_REACHED'
    if (this.#meter.bytes + growthBytes > groupBytesTotalMax) return 'POLICY_VIOLATION'
    return 'NONE'
  }

  // --- sync ---

  sync(
    request: SyncGroupRequest,
    context: GroupRequestContext,
    token: GroupToken,
    effects: Effects,
  ): SyncGroupResponseDraft | undefined {
    const { groupId, memberId, groupInstanceId, generationId, protocolType, protocolName } = request
    const { apiVersion, nowMs } = context
    if (requiresSyncProtocol(apiVersion) && (protocolType === null || protocolName === null)) {
      return syncRefusal('INCONSISTENT_GROUP_PROTOCOL')
    }
    if (groupId === '') return syncRefusal('INVALID_GROUP_ID')
    const group = this.#groups.get(groupId)
    if (group === undefined) return syncRefusal('UNKNOWN_MEMBER_ID')
    const isLeader = group.leaderId === memberId
    const outcome = group.outcome(isLeader ? 'SyncLeader' : 'SyncFollower')
    const refusal = typeof outcome === 'object' && 'refuse' in outcome ? outcome.refuse : 'NONE'
    if (group.state === 'Dead' || group.state === 'Empty') return syncRefusal(refusal)
    const error = group.checkMember(memberId, groupInstanceId)
    if (error !== 'NONE') return syncRefusal(error)
    if (generationId !== group.generationId) return syncRefusal('ILLEGAL_GENERATION')
    if (isOther(protocolType, group.protocolType) || isOther(protocolName, group.protocolName)) {
      return syncRefusal('INCONSISTENT_GROUP_PROTOCOL')
    }
    if (refusal !== 'NONE') return syncRefusal(refusal)
    const member = memberOf(group, memberId)
    group.pendingSyncs.delete(memberId)
    if (group.pendingSyncs.size === 0) this.#rebalances.deadlines.cancel(group.syncDeadline)
    if (isAct(outcome, 'answer-assignment')) return syncReply(group, member.assignment)
    // Deviation: Kafka never answers a sync that a later one of the same member replaces.
    this.#rebalances.answerSync(member, syncRefusal('REBALANCE_IN_PROGRESS'), effects)
    member.awaitingSync = { token, apiVersion }
    if (isAct(outcome, 'store-assignment')) this.#storeAssignment(group, request, nowMs, effects)
    return undefined
  }

  /** The group is stable once the record written here is replayed. Assignments of strangers are left out. */
  #storeAssignment(group: ClassicGroup, request: SyncGroupRequest, nowMs: number, effects: Effects): void {
    const assignments = new Map<string, Uint8Array>()
    let bytes = 0
    for (const { memberId, assignment } of request.assignments) {
      if (!group.members.has(memberId)) continue
      bytes += assignment.length - (assignments.get(memberId)?.length ?? 0)
      assignments.set(memberId, assignment)
    }
    const { assignmentBytesMax, groupBytesTotalMax } = this.#limits
    if (bytes > assignmentBytesMax || this.#meter.bytes + bytes > groupBytesTotalMax) {
      this.#rebalances.propagateSync(group, () => syncRefusal('UNKNOWN_SERVER_ERROR'), nowMs, effects)
      this.#rebalances.prepare(group, nowMs, effects)
      return
    }
    for (const [memberId, assignment] of assignments) assignments.set(memberId, new Uint8Array(assignment))
    effects.records.push(groupMetadataRecord(group.groupId, group.toValue(group.generationId, assignments, nowMs)))
    const replyOf = ({ memberId }: ClassicGroupMember) => syncReply(group, assignments.get(memberId) ?? NO_BYTES)
    this.#rebalances.propagateSync(group, replyOf, nowMs, effects)
  }

  // --- heartbeat and leave ---

  heartbeat({ groupId, memberId, groupInstanceId, generationId }: HeartbeatRequest, nowMs: number): ErrorCode {
    if (groupId === '') return 'INVALID_GROUP_ID'
    const group = this.#groups.get(groupId)
    if (group === undefined) return 'UNKNOWN_MEMBER_ID'
    const outcome = group.outcome('Heartbeat')
    if (typeof outcome === 'object' && 'refuse' in outcome) return outcome.refuse
    const error = group.checkMember(memberId, groupInstanceId)
    if (error !== 'NONE') return error
    if (generationId !== group.generationId) return 'ILLEGAL_GENERATION'
    this.touch(group, memberId, nowMs)
    return isAct(outcome, 'touch-and-call') ? 'REBALANCE_IN_PROGRESS' : 'NONE'
  }

  /** The member has shown that it is alive. */
  touch(group: ClassicGroup, memberId: string, nowMs: number): void {
    this.#rebalances.touch(memberOf(group, memberId), nowMs)
  }

  leave(request: LeaveGroupRequest, context: GroupRequestContext, effects: Effects): LeaveGroupResponseDraft {
    const { apiVersion, nowMs } = context
    const { groupId } = request
    if (groupId === '') return { errorCode: 'INVALID_GROUP_ID' }
    const group = this.#groups.get(groupId)
    if (group?.state === 'Dead') return { errorCode: 'COORDINATOR_NOT_AVAILABLE' }
    const leaving = leavesInBatches(apiVersion)
      ? request.members
      : [{ memberId: request.memberId, groupInstanceId: null, reason: null }]
    let removed = 0
    let forgotten = 0
    const left: LeftMember[] = []
    for (const { memberId, groupInstanceId } of leaving) {
      let errorCode: ErrorCode = 'UNKNOWN_MEMBER_ID'
      if (group !== undefined) {
        // An admin removes a static member by its instance alone.
        const byInstance = memberId === NO_MEMBER_ID && groupInstanceId !== null
        const id = byInstance ? (group.memberIdOfInstance(groupInstanceId) ?? NO_MEMBER_ID) : memberId
        if (this.#rebalances.forgetPendingJoin(group, id)) {
          errorCode = 'NONE'
          forgotten += 1
        } else {
          errorCode = group.checkMember(id, groupInstanceId)
          if (errorCode === 'NONE') {
            this.#rebalances.removeMember(group, memberOf(group, id), effects)
            removed += 1
          }
        }
      }
      left.push({ memberId, groupInstanceId, errorCode })
    }
    // Deviation: Kafka also rebalances a stable group when only an id leaves that never joined.
    if (group !== undefined && (removed > 0 || (forgotten > 0 && group.state === 'PreparingRebalance'))) {
      this.#rebalances.afterRemoval(group, nowMs, effects)
    }
    return leaveReply(left, apiVersion)
  }

  // --- log ---

  /** A group without members that only holds offsets. Bounded by the log, not by `groupsMax`. */
  replaySimpleGroup(groupId: string): void {
    if (!this.#groups.has(groupId)) this.#groups.set(groupId, new ClassicGroup(groupId, this.#meter))
  }

  replayGeneration(groupId: string, value: Readonly<GroupMetadataValue>): void {
    let group = this.#groups.get(groupId)
    if (group === undefined) {
      group = new ClassicGroup(groupId, this.#meter)
      this.#groups.set(groupId, group)
    }
    const recorded = new Set(value.members.map(({ memberId }) => memberId))
    for (const member of group.members.values()) {
      if (!recorded.has(member.memberId)) this.#rebalances.deadlines.cancel(member.session)
    }
    group.replay(value)
  }

  replayTombstone(groupId: string): void {
    const group = this.#groups.get(groupId)
    if (group === undefined) return
    this.#groups.delete(groupId)
    this.#rebalances.dissolve(group)
  }

  /** Sessions of members found in the log start now, however long the broker was away. */
  onLoaded(nowMs: number, effects: Effects): void {
    for (const group of this.#groups.values()) {
      for (const member of group.members.values()) this.#rebalances.touch(member, nowMs)
      if (group.state === 'Stable' && group.members.size > this.#config.groupMaxSize) {
        this.#rebalances.prepare(group, nowMs, effects)
      }
    }
  }

  unload(effects: Effects): void {
    for (const group of this.#groups.values()) {
      for (const member of group.members.values()) {
        this.#rebalances.answerAll(group, member, 'NOT_COORDINATOR', member.memberId, effects)
      }
      this.#rebalances.dissolve(group)
    }
  }

  /** A random UUID in its long form, as in Kafka's member ids. */
  #newUuid(): string {
    const bytes = Buffer.alloc(16)
    this.#random.fill(bytes)
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6)
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
    const hex = bytes.toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  }
}

/** A join on its way. */
interface Join {
  readonly request: JoinGroupRequest
  readonly context: GroupRequestContext
  readonly token: GroupToken
  /** Of the request, each name once; still views into the frame. */
  readonly protocols: readonly MemberProtocol[]
  readonly effects: Effects
}

function isOther(given: string | null, current: string | undefined): boolean {
  return given !== null && current !== undefined && given !== current
}

/** Version 0 has no rebalance timeout of its own. */
/** Cut, because with what follows it a name of full length would be longer than a string may be on the wire. */
function idPrefix(name: string): string {
  return name.length <= MEMBER_ID_PREFIX_LENGTH_MAX ? name : name.slice(0, MEMBER_ID_PREFIX_LENGTH_MAX).toWellFormed()
}

function rebalanceTimeoutMs({ request, context }: Join): number {
  return context.apiVersion === 0 ? request.sessionTimeoutMs : Math.max(0, request.rebalanceTimeoutMs)
}

function uniqueProtocols(protocols: readonly MemberProtocol[]): MemberProtocol[] {
  const byName = new Map<string, MemberProtocol>()
  for (const protocol of protocols) if (!byName.has(protocol.name)) byName.set(protocol.name, protocol)
  return [...byName.values()]
}
