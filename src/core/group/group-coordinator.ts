/**
 * The group coordinator: membership and offsets of all classic groups, behind one face (group-coordinator-api.ts).
 *
 * Owns what concerns groups as a whole: describing, listing, deleting, expiry, deadlines, and taking records apart in
 * `replay`. Membership is in classic-groups.ts, offsets in group-offsets.ts. Invariants: SPEC.md.
 * Source: GroupCoordinatorShard and GroupCoordinatorService of Kafka 4.3.
 */
import type { DeleteGroupsRequest, DeleteGroupsResponseDraft } from '../../protocol/messages/delete-groups.ts'
import type { DescribeGroupsRequest, DescribeGroupsResponseDraft } from '../../protocol/messages/describe-groups.ts'
import type { HeartbeatRequest, HeartbeatResponseDraft } from '../../protocol/messages/heartbeat.ts'
import type { JoinGroupRequest, JoinGroupResponseDraft } from '../../protocol/messages/join-group.ts'
import type { LeaveGroupRequest, LeaveGroupResponseDraft } from '../../protocol/messages/leave-group.ts'
import type { ListGroupsRequest, ListGroupsResponseDraft } from '../../protocol/messages/list-groups.ts'
import type { OffsetCommitRequest, OffsetCommitResponseDraft } from '../../protocol/messages/offset-commit.ts'
import type { OffsetDeleteRequest, OffsetDeleteResponseDraft } from '../../protocol/messages/offset-delete.ts'
import type { OffsetFetchRequest, OffsetFetchResponseDraft } from '../../protocol/messages/offset-fetch.ts'
import type { SyncGroupRequest, SyncGroupResponseDraft } from '../../protocol/messages/sync-group.ts'
import type { TxnOffsetCommitRequest, TxnOffsetCommitResponseDraft } from '../../protocol/messages/txn-offset-commit.ts'
import { unreachable } from '../../base/assert.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { NO_BYTES } from './classic-group.ts'
import type { ClassicGroup, GroupDeadlineEvent } from './classic-group.ts'
import { ClassicGroups } from './classic-groups.ts'
import { Deadline } from './deadlines.ts'
import { GROUP_CONFIG_DEFAULTS, GROUP_LIMITS_DEFAULTS } from './group-api.ts'
import type {
  GroupConfig,
  GroupCoordinatorOptions,
  GroupLimits,
  GroupRequestContext,
  GroupResult,
  GroupToken,
} from './group-api.ts'
import type { GroupCoordinatorApi, OffsetsMarker } from './group-coordinator-api.ts'
import { GroupOffsets, refuseOffsetCommit, refuseOffsetFetch, refuseTxnOffsetCommit } from './group-offsets.ts'
import { groupTombstone } from './group-records.ts'
import type { GroupRecord } from './group-records.ts'
import { joinRefusal, syncRefusal } from './group-replies.ts'
import { OffsetStore } from './offset-store.ts'
import { Effects, Rebalances } from './rebalances.ts'

/** `groupType` of all groups here. */
const CLASSIC_GROUP_TYPE = 'classic'
/** From this version on an unknown group is an error and not a dead group (KIP-1043). */
const DESCRIBE_NOT_FOUND_VERSION_MIN = 6

export class GroupCoordinator implements GroupCoordinatorApi {
  readonly #config: GroupConfig
  readonly #limits: GroupLimits
  readonly #offsetsPartitionOf: (groupId: string) => number
  readonly #rebalances: Rebalances
  readonly #groups: ClassicGroups
  readonly #store = new OffsetStore()
  readonly #offsets: GroupOffsets
  readonly #expiry = new Deadline<GroupDeadlineEvent>({ kind: 'expiry' })
  #isUnloaded = false

  constructor({ random, topics, offsetsPartitionOf, config, limits }: GroupCoordinatorOptions) {
    this.#config = { ...GROUP_CONFIG_DEFAULTS, ...config }
    this.#limits = { ...GROUP_LIMITS_DEFAULTS, ...limits }
    this.#offsetsPartitionOf = offsetsPartitionOf
    const shared = { config: this.#config, limits: this.#limits }
    this.#rebalances = new Rebalances(this.#config)
    this.#groups = new ClassicGroups({ random, rebalances: this.#rebalances, ...shared })
    this.#offsets = new GroupOffsets({ groups: this.#groups, store: this.#store, topics, ...shared })
  }

  /** What is held, for metrics. */
  get counts(): { groups: number; memberBytes: number; offsets: number; pendingOffsets: number; deadlines: number } {
    return {
      groups: this.#groups.count,
      memberBytes: this.#groups.sizeBytes,
      offsets: this.#store.committedCount,
      pendingOffsets: this.#store.pendingCount,
      deadlines: this.#rebalances.deadlines.size,
    }
  }

  joinGroup(
    request: JoinGroupRequest,
    context: GroupRequestContext,
    token: GroupToken,
  ): GroupResult<JoinGroupResponseDraft> {
    const unavailable = joinRefusal('COORDINATOR_NOT_AVAILABLE', request.memberId, context.apiVersion)
    return this.#handle(unavailable, (effects) => this.#groups.join(request, context, token, effects))
  }

  syncGroup(
    request: SyncGroupRequest,
    context: GroupRequestContext,
    token: GroupToken,
  ): GroupResult<SyncGroupResponseDraft> {
    const unavailable = syncRefusal('COORDINATOR_NOT_AVAILABLE')
    return this.#handle(unavailable, (effects) => this.#groups.sync(request, context, token, effects))
  }

  heartbeat(request: HeartbeatRequest, context: GroupRequestContext): GroupResult<HeartbeatResponseDraft> {
    const reply = (errorCode: ErrorCode) => ({ errorCode })
    return this.#handle(reply('COORDINATOR_NOT_AVAILABLE'), () => reply(this.#groups.heartbeat(request, context.nowMs)))
  }

  leaveGroup(request: LeaveGroupRequest, context: GroupRequestContext): GroupResult<LeaveGroupResponseDraft> {
    const unavailable: LeaveGroupResponseDraft = { errorCode: 'COORDINATOR_NOT_AVAILABLE' }
    return this.#handle(unavailable, (effects) => this.#groups.leave(request, context, effects))
  }

  offsetCommit(request: OffsetCommitRequest, context: GroupRequestContext): GroupResult<OffsetCommitResponseDraft> {
    const unavailable = refuseOffsetCommit(request, 'COORDINATOR_NOT_AVAILABLE')
    return this.#handle(unavailable, (effects) => this.#offsets.commit(request, context, effects))
  }

  txnOffsetCommit(
    request: TxnOffsetCommitRequest,
    context: GroupRequestContext,
  ): GroupResult<TxnOffsetCommitResponseDraft> {
    const unavailable = refuseTxnOffsetCommit(request, 'COORDINATOR_NOT_AVAILABLE')
    return this.#handle(unavailable, (effects) => this.#offsets.txnCommit(request, context, effects))
  }

  offsetFetch(request: OffsetFetchRequest, context: GroupRequestContext): OffsetFetchResponseDraft {
    if (this.#isUnloaded) return refuseOffsetFetch(request, 'COORDINATOR_NOT_AVAILABLE', context.apiVersion)
    return this.#offsets.fetch(request, context)
  }

  offsetDelete(request: OffsetDeleteRequest): GroupResult<OffsetDeleteResponseDraft> {
    const unavailable: OffsetDeleteResponseDraft = { errorCode: 'COORDINATOR_NOT_AVAILABLE', topics: [] }
    return this.#handle(unavailable, (effects) => this.#offsets.delete(request, effects))
  }

  deleteGroups({ groupsNames }: DeleteGroupsRequest): GroupResult<DeleteGroupsResponseDraft> {
    const groupIds = [...new Set(groupsNames)]
    const reply = (errorCodeOf: (groupId: string) => ErrorCode): DeleteGroupsResponseDraft => ({
      results: groupIds.map((groupId) => ({ groupId, errorCode: errorCodeOf(groupId) })),
    })
    return this.#handle(
      reply(() => 'COORDINATOR_NOT_AVAILABLE'),
      (effects) => reply((groupId) => this.#deleteGroup(groupId, effects)),
    )
  }

  #deleteGroup(groupId: string, effects: Effects): ErrorCode {
    const group = this.#groups.get(groupId)
    if (group === undefined) return 'GROUP_ID_NOT_FOUND'
    const outcome = group.outcome('DeleteGroup')
    if (typeof outcome === 'object' && 'refuse' in outcome) return outcome.refuse
    this.#offsets.deleteAll(groupId, effects)
    effects.records.push(groupTombstone(groupId))
    return 'NONE'
  }

  describeGroups({ groups }: DescribeGroupsRequest, { apiVersion }: GroupRequestContext): DescribeGroupsResponseDraft {
    return { groups: groups.map((groupId) => this.#describe(groupId, apiVersion)) }
  }

  #describe(groupId: string, apiVersion: number): DescribeGroupsResponseDraft['groups'][number] {
    const unknown = { groupId, groupState: 'Dead', protocolType: '', protocolData: '', members: [] }
    if (this.#isUnloaded) return { ...unknown, groupState: '', errorCode: 'COORDINATOR_NOT_AVAILABLE' }
    const group = this.#groups.get(groupId)
    if (group === undefined && apiVersion < DESCRIBE_NOT_FOUND_VERSION_MIN) return { ...unknown, errorCode: 'NONE' }
    if (group === undefined) {
      return { ...unknown, errorCode: 'GROUP_ID_NOT_FOUND', errorMessage: `Group ${groupId} not found.` }
    }
    // Only a stable group has a protocol that all its members' metadata belongs to.
    const isStable = group.state === 'Stable'
    return {
      errorCode: 'NONE',
      groupId,
      groupState: group.state,
      protocolType: group.protocolType ?? '',
      protocolData: isStable ? (group.protocolName ?? '') : '',
      members: Array.from(group.members.values(), (member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        memberMetadata: isStable ? member.metadataOf(group.protocolName) : NO_BYTES,
        memberAssignment: member.assignment,
      })),
    }
  }

  /** Filters are read without regard to case. An unknown name matches nothing. */
  listGroups({ statesFilter, typesFilter }: ListGroupsRequest): ListGroupsResponseDraft {
    if (this.#isUnloaded) return { errorCode: 'COORDINATOR_NOT_AVAILABLE', groups: [] }
    const states = new Set(statesFilter.map((state) => state.trim().toLowerCase()))
    const types = new Set(typesFilter.map((type) => type.trim().toLowerCase()))
    const groups: ListGroupsResponseDraft['groups'][number][] = []
    if (types.size > 0 && !types.has(CLASSIC_GROUP_TYPE)) return { errorCode: 'NONE', groups }
    for (const { groupId, protocolType, state } of this.#groups.all()) {
      if (states.size > 0 && !states.has(state.toLowerCase())) continue
      groups.push({ groupId, protocolType: protocolType ?? '', groupState: state, groupType: CLASSIC_GROUP_TYPE })
    }
    return { errorCode: 'NONE', groups }
  }

  topicDeleted({ name, topicId }: { readonly name: string; readonly topicId: string }): GroupResult<undefined> {
    const effects = new Effects()
    this.#offsets.topicDeleted(name, topicId, effects)
    return effects
  }

  // --- log ---

  replay(record: GroupRecord, { recordOffset }: { readonly recordOffset: number }): void {
    switch (record.type) {
      case 'OffsetCommit':
        if (record.value !== null) this.#groups.replaySimpleGroup(record.key.group)
        this.#store.replay(record, recordOffset, this.#offsetsPartitionOf(record.key.group))
        return
      case 'GroupMetadata':
        if (record.value === null) this.#replayGroupTombstone(record.key.group)
        else this.#groups.replayGeneration(record.key.group, record.value)
        return
      default:
        unreachable(record)
    }
  }

  /** Whoever has an offset has a group, whatever order the log gives them in. */
  #replayGroupTombstone(groupId: string): void {
    this.#groups.replayTombstone(groupId)
    if (this.#store.committedOf(groupId).size > 0 || this.#store.hasPending(groupId)) {
      this.#groups.replaySimpleGroup(groupId)
    }
  }

  onTransactionMarker({ offsetsPartition, producerId, committed }: OffsetsMarker): void {
    this.#store.endTransaction(offsetsPartition, producerId, committed)
  }

  onLoaded(nowMs: number): GroupResult<undefined> {
    const effects = new Effects()
    this.#offsets.dropOfMissingTopics(effects)
    this.#groups.onLoaded(nowMs, effects)
    this.#rebalances.deadlines.set(this.#expiry, nowMs + this.#config.offsetsRetentionCheckIntervalMs)
    return effects
  }

  unload(): GroupResult<undefined> {
    const effects = new Effects()
    this.#rebalances.deadlines.cancel(this.#expiry)
    this.#groups.unload(effects)
    this.#isUnloaded = true
    return effects
  }

  // --- deadlines ---

  nextDeadlineMs(): number | undefined {
    return this.#rebalances.deadlines.nextMs
  }

  onDeadline(nowMs: number): GroupResult<undefined> {
    const effects = new Effects()
    for (;;) {
      const due = this.#rebalances.deadlines.takeDue(nowMs)
      if (due === undefined) return effects
      this.#fire(due.event, nowMs, effects)
      if (effects.records.length > 0 || effects.completions.length > 0) return effects
    }
  }

  #fire(event: GroupDeadlineEvent, nowMs: number, effects: Effects): void {
    switch (event.kind) {
      case 'session':
        return this.#rebalances.onSessionTimeout(event.group, event.memberId, nowMs, effects)
      case 'join':
        return this.#rebalances.onJoinTimeout(event.group, nowMs, effects)
      case 'sync':
        return this.#rebalances.onSyncTimeout(event.group, nowMs, effects)
      case 'expiry':
        return this.#expireOffsets(nowMs, effects)
      default:
        unreachable(event)
    }
  }

  /** Groups that hold nothing and have no members go with their offsets. */
  #expireOffsets(nowMs: number, effects: Effects): void {
    const { expiryRecordsPerPassMax } = this.#limits
    for (const group of this.#groups.all()) {
      const isBare = this.#offsets.expire(group, nowMs, effects)
      if (effects.records.length >= expiryRecordsPerPassMax) break
      if (isBare && isDeletable(group)) effects.records.push(groupTombstone(group.groupId))
    }
    // What did not fit is due at once, after these records have been replayed.
    const isCut = effects.records.length >= expiryRecordsPerPassMax
    this.#rebalances.deadlines.set(this.#expiry, isCut ? nowMs : nowMs + this.#config.offsetsRetentionCheckIntervalMs)
  }

  #handle<Reply>(unavailable: Reply, decide: (effects: Effects) => Reply | undefined): GroupResult<Reply> {
    const effects = new Effects()
    const reply = this.#isUnloaded ? unavailable : decide(effects)
    const { records, completions } = effects
    return reply === undefined ? { records, completions } : { records, completions, reply }
  }
}

/** Somebody who was given a member id is about to join. */
function isDeletable(group: ClassicGroup): boolean {
  return group.state === 'Empty' && group.pendingJoins.size === 0
}
