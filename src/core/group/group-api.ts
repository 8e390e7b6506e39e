/**
 * What the group coordinator takes and gives: results, records, options and limits (DESIGN 5.5).
 *
 * Owns no state. The coordinator itself is group-coordinator.ts; records are routed by the shell to the partition of
 * `__consumer_offsets` that `offsetsPartitionOf` names for the group.
 */
import type { Random } from '../../base/runtime.ts'
import type { JoinGroupResponseDraft } from '../../protocol/messages/join-group.ts'
import type { SyncGroupResponseDraft } from '../../protocol/messages/sync-group.ts'
import type { GroupRecord } from './group-records.ts'

/** Names a request whose reply may come later. Opaque: the shell chooses it, and gets it back in a completion. */
export type GroupToken = unknown

/** A reply that was waited for: of the JoinGroup or SyncGroup that came with `token`. */
export interface GroupCompletion {
  readonly token: GroupToken
  readonly reply: JoinGroupResponseDraft | SyncGroupResponseDraft
}

/**
 * What a handler decided. The shell appends `records` in order, as one atomic frame, replays each of them in the same
 * tick before it calls the coordinator again, and lets `reply` and `completions` go once the frame is durable.
 */
export interface GroupResult<Reply> {
  readonly records: readonly GroupRecord[]
  /** Absent: the token of this request comes back in `completions`, of this result or of a later one. */
  readonly reply?: Reply
  readonly completions: readonly GroupCompletion[]
}

/** What is known of a request besides its body. */
export interface GroupRequestContext {
  readonly apiVersion: number
  readonly clientId: string | null
  /** The peer's IP address. */
  readonly remoteAddress: string
  /** Broker clock, milliseconds since the epoch. */
  readonly nowMs: number
}

/** The topics as the catalogue knows them now. */
export interface TopicDirectory {
  partitionExists(topicName: string, partition: number): boolean
  topicIdOf(topicName: string): string | undefined
  topicNameOf(topicId: string): string | undefined
}

export interface GroupCoordinatorOptions {
  /** For the unguessable part of member ids. */
  readonly random: Random
  readonly topics: TopicDirectory
  /** Partition of `__consumer_offsets` that holds the group. */
  readonly offsetsPartitionOf: (groupId: string) => number
  readonly config?: Partial<GroupConfig>
  readonly limits?: Partial<GroupLimits>
}

/** Kafka's configuration of groups, under its names; defaults are Kafka's. */
export interface GroupConfig {
  readonly groupMinSessionTimeoutMs: number
  readonly groupMaxSessionTimeoutMs: number
  readonly groupInitialRebalanceDelayMs: number
  /** Members of one group; GROUP_MAX_SIZE_REACHED. Deviation: 100,000 where Kafka has no limit by default. */
  readonly groupMaxSize: number
  /** `offset.metadata.max.bytes`; counted in UTF-16 units as Kafka does; OFFSET_METADATA_TOO_LARGE. */
  readonly offsetMetadataMaxLength: number
  readonly offsetsRetentionMs: number
  readonly offsetsRetentionCheckIntervalMs: number
}

export const GROUP_CONFIG_DEFAULTS: GroupConfig = {
  groupMinSessionTimeoutMs: 6_000,
  groupMaxSessionTimeoutMs: 1_800_000,
  groupInitialRebalanceDelayMs: 3_000,
  groupMaxSize: 100_000,
  offsetMetadataMaxLength: 4_096,
  offsetsRetentionMs: 604_800_000,
  offsetsRetentionCheckIntervalMs: 600_000,
}

/** Bounds that Kafka does not have. Each names the error that a request over it is answered with. */
export interface GroupLimits {
  /** Groups, simple ones included; POLICY_VIOLATION for a request that would make another. */
  readonly groupsMax: number
  /** UTF-16 units of a group id; INVALID_GROUP_ID. */
  readonly groupIdLengthMax: number
  /** Names and metadata of all protocols of one member, and its ids; MESSAGE_TOO_LARGE. */
  readonly memberBytesMax: number
  /** The same over all members of a group; GROUP_MAX_SIZE_REACHED. */
  readonly groupBytesMax: number
  /** The same, and assignments, over all groups; POLICY_VIOLATION. */
  readonly groupBytesTotalMax: number
  /** Assignments in one SyncGroup; the members are told UNKNOWN_SERVER_ERROR, as Kafka does for a record too large. */
  readonly assignmentBytesMax: number
  /** Committed offsets; POLICY_VIOLATION for a partition that would be another. */
  readonly offsetsMax: number
  /** Offsets that wait for the end of their transactions; COORDINATOR_NOT_AVAILABLE, which clients retry. */
  readonly pendingOffsetsMax: number
  /** Tombstones written by one pass of the expiry; the rest follows in the next. */
  readonly expiryRecordsPerPassMax: number
}

export const GROUP_LIMITS_DEFAULTS: GroupLimits = {
  groupsMax: 100_000,
  groupIdLengthMax: 4_096,
  memberBytesMax: 2 * 1024 * 1024,
  groupBytesMax: 32 * 1024 * 1024,
  groupBytesTotalMax: 512 * 1024 * 1024,
  assignmentBytesMax: 32 * 1024 * 1024,
  offsetsMax: 5_000_000,
  pendingOffsetsMax: 1_000_000,
  expiryRecordsPerPassMax: 10_000,
}

/** How long a new member waits in its first join before it is dropped. Source: GroupCoordinatorConfig, 4.3. */
export const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000
