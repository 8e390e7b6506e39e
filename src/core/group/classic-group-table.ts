/**
 * What may happen to a classic group, as one table: state × event → outcome.
 *
 * Owns the legal moves and nothing else; classic-groups.ts asks it before it acts. `impossible` is our own mistake, an
 * assertion. SPEC.md explains the states; classic-group-table.test.ts drives every row.
 * Source: ClassicGroupState, ClassicGroup and GroupMetadataManager of Kafka 4.3.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'

export type ClassicGroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

export type ClassicGroupEvent =
  // Requests, after member, instance and generation have been checked.
  | 'JoinNewMember'
  | 'RejoinUnchanged'
  | 'RejoinUnchangedLeader'
  | 'RejoinChanged'
  | 'ReplaceStaticMember'
  | 'ReplaceStaticMemberOtherProtocol'
  | 'SyncFollower'
  | 'SyncLeader'
  | 'Heartbeat'
  | 'MemberOffsetCommit'
  | 'SimpleOffsetCommit'
  | 'MemberTxnOffsetCommit'
  | 'SimpleTxnOffsetCommit'
  | 'OffsetDelete'
  | 'DeleteGroup'
  // What follows from them, from time, and from the log.
  | 'MembersRemoved'
  | 'SyncTimeout'
  | 'RebalanceStarted'
  | 'JoinPhaseCompleted'
  | 'GenerationStored'
  | 'EmptyGenerationStored'
  | 'Removed'

export type ClassicGroupOutcome =
  /** Answer with this error; nothing changes. */
  | { readonly refuse: ErrorCode }
  /** Go on as named. */
  | { readonly act: ClassicGroupAction }
  /** Be in this state from now on. */
  | { readonly to: ClassicGroupState }
  /** Nothing to do. */
  | 'ignore'
  /** Cannot happen unless we made a mistake. */
  | 'impossible'

export type ClassicGroupAction =
  /** Start a rebalance; the request waits for it. */
  | 'rebalance'
  /** Take part in the rebalance that is under way; it may be complete now. */
  | 'take-part'
  /** Tell the member of the generation there is. */
  | 'answer-generation'
  /** Keep the generation, store the new member id, answer at once. */
  | 'store-member'
  | 'await-assignment'
  | 'store-assignment'
  | 'answer-assignment'
  /** The member is alive. */
  | 'touch'
  /** The member is alive and is told REBALANCE_IN_PROGRESS. */
  | 'touch-and-call'
  | 'accept'
  | 'accept-and-touch'
  /** Accept for a group of consumers, whose subscriptions can be read; NON_EMPTY_GROUP for any other. */
  | 'accept-for-consumers'

const UNAVAILABLE = { refuse: 'COORDINATOR_NOT_AVAILABLE' } as const
const UNKNOWN_MEMBER = { refuse: 'UNKNOWN_MEMBER_ID' } as const
const NON_EMPTY = { refuse: 'NON_EMPTY_GROUP' } as const
const IN_REBALANCE = { refuse: 'REBALANCE_IN_PROGRESS' } as const

export const CLASSIC_GROUP_TABLE: Record<ClassicGroupState, Record<ClassicGroupEvent, ClassicGroupOutcome>> = {
  Empty: {
    JoinNewMember: { act: 'rebalance' },
    RejoinUnchanged: UNKNOWN_MEMBER,
    RejoinUnchangedLeader: UNKNOWN_MEMBER,
    RejoinChanged: UNKNOWN_MEMBER,
    ReplaceStaticMember: 'impossible',
    ReplaceStaticMemberOtherProtocol: 'impossible',
    SyncFollower: UNKNOWN_MEMBER,
    SyncLeader: UNKNOWN_MEMBER,
    Heartbeat: UNKNOWN_MEMBER,
    MemberOffsetCommit: UNKNOWN_MEMBER,
    SimpleOffsetCommit: { act: 'accept' },
    MemberTxnOffsetCommit: UNKNOWN_MEMBER,
    SimpleTxnOffsetCommit: { act: 'accept' },
    OffsetDelete: { act: 'accept' },
    DeleteGroup: { act: 'accept' },
    MembersRemoved: 'ignore',
    SyncTimeout: 'impossible',
    RebalanceStarted: { to: 'PreparingRebalance' },
    JoinPhaseCompleted: 'impossible',
    GenerationStored: { to: 'Stable' },
    EmptyGenerationStored: { to: 'Empty' },
    Removed: { to: 'Dead' },
  },
  PreparingRebalance: {
    JoinNewMember: { act: 'take-part' },
    RejoinUnchanged: { act: 'take-part' },
    RejoinUnchangedLeader: { act: 'take-part' },
    RejoinChanged: { act: 'take-part' },
    ReplaceStaticMember: { act: 'take-part' },
    ReplaceStaticMemberOtherProtocol: { act: 'take-part' },
    SyncFollower: IN_REBALANCE,
    SyncLeader: IN_REBALANCE,
    Heartbeat: { act: 'touch-and-call' },
    MemberOffsetCommit: { act: 'accept-and-touch' },
    SimpleOffsetCommit: UNKNOWN_MEMBER,
    MemberTxnOffsetCommit: { act: 'accept' },
    SimpleTxnOffsetCommit: { act: 'accept' },
    OffsetDelete: { act: 'accept-for-consumers' },
    DeleteGroup: NON_EMPTY,
    MembersRemoved: { act: 'take-part' },
    SyncTimeout: 'impossible',
    RebalanceStarted: 'impossible',
    JoinPhaseCompleted: { to: 'CompletingRebalance' },
    GenerationStored: { to: 'Stable' },
    EmptyGenerationStored: { to: 'Empty' },
    Removed: { to: 'Dead' },
  },
  CompletingRebalance: {
    JoinNewMember: { act: 'rebalance' },
    RejoinUnchanged: { act: 'answer-generation' },
    RejoinUnchangedLeader: { act: 'answer-generation' },
    RejoinChanged: { act: 'rebalance' },
    ReplaceStaticMember: { act: 'rebalance' },
    ReplaceStaticMemberOtherProtocol: { act: 'rebalance' },
    SyncFollower: { act: 'await-assignment' },
    SyncLeader: { act: 'store-assignment' },
    Heartbeat: { act: 'touch' },
    MemberOffsetCommit: IN_REBALANCE,
    SimpleOffsetCommit: UNKNOWN_MEMBER,
    MemberTxnOffsetCommit: { act: 'accept' },
    SimpleTxnOffsetCommit: { act: 'accept' },
    OffsetDelete: { act: 'accept-for-consumers' },
    DeleteGroup: NON_EMPTY,
    MembersRemoved: { act: 'rebalance' },
    SyncTimeout: { act: 'rebalance' },
    RebalanceStarted: { to: 'PreparingRebalance' },
    JoinPhaseCompleted: 'impossible',
    GenerationStored: { to: 'Stable' },
    EmptyGenerationStored: { to: 'Empty' },
    Removed: { to: 'Dead' },
  },
  Stable: {
    JoinNewMember: { act: 'rebalance' },
    RejoinUnchanged: { act: 'answer-generation' },
    RejoinUnchangedLeader: { act: 'rebalance' },
    RejoinChanged: { act: 'rebalance' },
    ReplaceStaticMember: { act: 'store-member' },
    ReplaceStaticMemberOtherProtocol: { act: 'rebalance' },
    SyncFollower: { act: 'answer-assignment' },
    SyncLeader: { act: 'answer-assignment' },
    Heartbeat: { act: 'touch' },
    MemberOffsetCommit: { act: 'accept-and-touch' },
    SimpleOffsetCommit: UNKNOWN_MEMBER,
    MemberTxnOffsetCommit: { act: 'accept' },
    SimpleTxnOffsetCommit: { act: 'accept' },
    OffsetDelete: { act: 'accept-for-consumers' },
    DeleteGroup: NON_EMPTY,
    MembersRemoved: { act: 'rebalance' },
    SyncTimeout: { act: 'rebalance' },
    RebalanceStarted: { to: 'PreparingRebalance' },
    JoinPhaseCompleted: 'impossible',
    GenerationStored: { to: 'Stable' },
    EmptyGenerationStored: { to: 'Empty' },
    Removed: { to: 'Dead' },
  },
  Dead: {
    JoinNewMember: UNAVAILABLE,
    RejoinUnchanged: UNAVAILABLE,
    RejoinUnchangedLeader: UNAVAILABLE,
    RejoinChanged: UNAVAILABLE,
    ReplaceStaticMember: UNAVAILABLE,
    ReplaceStaticMemberOtherProtocol: UNAVAILABLE,
    SyncFollower: UNAVAILABLE,
    SyncLeader: UNAVAILABLE,
    Heartbeat: UNAVAILABLE,
    MemberOffsetCommit: UNAVAILABLE,
    SimpleOffsetCommit: UNAVAILABLE,
    MemberTxnOffsetCommit: UNAVAILABLE,
    SimpleTxnOffsetCommit: UNAVAILABLE,
    OffsetDelete: { refuse: 'GROUP_ID_NOT_FOUND' },
    DeleteGroup: { refuse: 'GROUP_ID_NOT_FOUND' },
    MembersRemoved: 'ignore',
    SyncTimeout: 'ignore',
    RebalanceStarted: 'impossible',
    JoinPhaseCompleted: 'impossible',
    GenerationStored: 'impossible',
    EmptyGenerationStored: 'impossible',
    Removed: { to: 'Dead' },
  },
}
