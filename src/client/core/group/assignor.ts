/** What the leader of a classic group runs to decide who reads what. */
import type { TopicPartition } from '../../topic.ts'

/** What one member said when it joined. */
export interface MemberSubscription {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly topics: readonly string[]
  /** Still held by it, in cooperative rebalances. */
  readonly owned: readonly TopicPartition[]
  /** In which `owned` was given; -1 when it does not say. */
  readonly generationId: number
  /** Of the assignor itself. */
  readonly userData: Uint8Array | null
}

export interface AssignmentInput {
  readonly members: readonly MemberSubscription[]
  /** Of each topic that somebody wants and that exists. */
  readonly partitionCounts: ReadonlyMap<string, number>
}

/** By member id. */
export type Assignment = ReadonlyMap<string, readonly TopicPartition[]>

/** Pure: the same input gives the same result on every member. */
export interface Assignor {
  /** As it is known to the group; members of all clients must mean the same by it. */
  readonly name: string
  /** Partitions that stay are kept through a rebalance (KIP-429); only in force when all assignors of a member are so. */
  readonly isCooperative: boolean
  /** Goes with JoinGroup: what this assignor wants to know of the member. */
  userData?(owned: readonly TopicPartition[], generationId: number): Uint8Array | null
  assign(input: AssignmentInput): Assignment
}

/** Static members first, by instance id, so that a restart changes nothing; then by member id. Source: AbstractPartitionAssignor.MemberInfo. */
export function compareMembers(a: MemberSubscription, b: MemberSubscription): number {
  if (a.groupInstanceId !== null && b.groupInstanceId !== null) return compare(a.groupInstanceId, b.groupInstanceId)
  if (a.groupInstanceId !== null) return -1
  if (b.groupInstanceId !== null) return 1
  return compare(a.memberId, b.memberId)
}

/** By UTF-16 units, as Java's String.compareTo. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
