/**
 * The group coordinator as the shell sees it. group-coordinator.ts is the implementation.
 *
 * Every handler is pure towards the log: it reads state, answers `{ records, reply, completions }`, and what is durable
 * changes only in `replay` and `onTransactionMarker`. What is *not* durable (a rebalance under way, sessions) it keeps
 * itself; a restart forgets that, as in Kafka.
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
import type { GroupRequestContext, GroupResult, GroupToken } from './group-api.ts'
import type { GroupRecord } from './group-records.ts'

/** A control batch in a partition of `__consumer_offsets`. */
export interface OffsetsMarker {
  readonly offsetsPartition: number
  readonly producerId: number
  readonly committed: boolean
}

export interface GroupCoordinatorApi {
  /**
   * Without `reply` the request waits: its token comes back in `completions` of this or a later result.
   * Error codes: INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT, MEMBER_ID_REQUIRED (v4+, with the id to use),
   * UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, INCONSISTENT_GROUP_PROTOCOL, GROUP_MAX_SIZE_REACHED, POLICY_VIOLATION,
   * MESSAGE_TOO_LARGE. Source: KIP-62, KIP-345, KIP-394, KIP-814; GroupMetadataManager.classicGroupJoin.
   */
  joinGroup(
    request: JoinGroupRequest,
    context: GroupRequestContext,
    token: GroupToken,
  ): GroupResult<JoinGroupResponseDraft>
  /** As joinGroup: members wait for the leader's assignment, and for the record that holds it to be durable. */
  syncGroup(
    request: SyncGroupRequest,
    context: GroupRequestContext,
    token: GroupToken,
  ): GroupResult<SyncGroupResponseDraft>
  heartbeat(request: HeartbeatRequest, context: GroupRequestContext): GroupResult<HeartbeatResponseDraft>
  leaveGroup(request: LeaveGroupRequest, context: GroupRequestContext): GroupResult<LeaveGroupResponseDraft>
  describeGroups(request: DescribeGroupsRequest, context: GroupRequestContext): DescribeGroupsResponseDraft
  listGroups(request: ListGroupsRequest): ListGroupsResponseDraft
  deleteGroups(request: DeleteGroupsRequest): GroupResult<DeleteGroupsResponseDraft>
  offsetCommit(request: OffsetCommitRequest, context: GroupRequestContext): GroupResult<OffsetCommitResponseDraft>
  /**
   * To be called after the transaction coordinator has added or verified the offsets partition. The records carry
   * `transactional`: the shell writes them as one transactional batch of the producer.
   */
  txnOffsetCommit(
    request: TxnOffsetCommitRequest,
    context: GroupRequestContext,
  ): GroupResult<TxnOffsetCommitResponseDraft>
  offsetFetch(request: OffsetFetchRequest, context: GroupRequestContext): OffsetFetchResponseDraft
  offsetDelete(request: OffsetDeleteRequest): GroupResult<OffsetDeleteResponseDraft>
  /** Tombstones for all offsets, committed and pending, of a deleted topic. */
  topicDeleted(topic: { readonly name: string; readonly topicId: string }): GroupResult<undefined>

  /** Applies one record, live or while loading. Tolerates whatever order a compacted log can hold. */
  replay(record: GroupRecord, position: { readonly recordOffset: number }): void
  /** Applies one control batch, live or while loading: pending offsets become committed, or are dropped. */
  onTransactionMarker(marker: OffsetsMarker): void
  /** After the log has been replayed: sessions start to count. */
  onLoaded(nowMs: number): GroupResult<undefined>
  /** When the broker stops: whoever waits is told NOT_COORDINATOR, whoever comes later COORDINATOR_NOT_AVAILABLE. */
  unload(): GroupResult<undefined>

  /** `undefined`: nothing to wait for. */
  nextDeadlineMs(): number | undefined
  /**
   * Does what is due. Stops after the first step that writes records or answers somebody, so that these are replayed
   * before the next step: call again while `nextDeadlineMs()` is not in the future.
   */
  onDeadline(nowMs: number): GroupResult<undefined>
}
