/**
 * A shell around the group coordinator for tests: a log of bytes per partition, a clock, clients in a few words.
 *
 * Records are appended encoded, replayed in the same call, and decoded again by `restart`, as a broker does it.
 */
import { decodeRecord, encodeRecord } from '../../protocol/codec.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { consumerProtocolSubscription } from '../../protocol/messages/consumer-protocol-subscription.ts'
import { groupMetadataValue } from '../../protocol/messages/group-metadata-value.ts'
import type { JoinGroupRequest, JoinGroupResponseDraft } from '../../protocol/messages/join-group.ts'
import type { OffsetCommitRequest } from '../../protocol/messages/offset-commit.ts'
import { offsetCommitValue } from '../../protocol/messages/offset-commit-value.ts'
import type { SyncGroupRequest, SyncGroupResponseDraft } from '../../protocol/messages/sync-group.ts'
import type { TxnOffsetCommitRequest } from '../../protocol/messages/txn-offset-commit.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'
import type { GroupConfig, GroupLimits, GroupRequestContext, GroupResult } from './group-api.ts'
import { GroupCoordinator } from './group-coordinator.ts'
import type { GroupRecord } from './group-records.ts'

const OFFSETS_PARTITIONS = 3
export const GROUP = 'group'

interface RecordEntry {
  readonly record: GroupRecord
  readonly value: Uint8Array | null
}
type LogEntry = RecordEntry | { readonly marker: { readonly producerId: number; readonly committed: boolean } }

export class GroupShell {
  nowMs = 1_000_000
  readonly log: LogEntry[][] = Array.from({ length: OFFSETS_PARTITIONS }, () => [])
  /** Topic name → id and number of partitions. */
  readonly topics = new Map<string, { topicId: string; partitions: number }>()
  readonly replies = new Map<number, JoinGroupResponseDraft | SyncGroupResponseDraft>()
  readonly #config: Partial<GroupConfig>
  readonly #limits: Partial<GroupLimits>
  coordinator: GroupCoordinator
  #tokenNext = 0
  #randomNext = 0

  constructor(config: Partial<GroupConfig> = {}, limits: Partial<GroupLimits> = {}) {
    this.#config = { groupInitialRebalanceDelayMs: 0, ...config }
    this.#limits = limits
    for (const [index, name] of ['a', 'b', 'c'].entries()) {
      this.topics.set(name, { topicId: `${index}AAAAAAAAAAAAAAAAAAAAA`, partitions: 4 })
    }
    this.coordinator = this.#newCoordinator()
    this.apply(this.coordinator.onLoaded(this.nowMs))
  }

  static offsetsPartitionOf(groupId: string): number {
    return groupId.length % OFFSETS_PARTITIONS
  }

  #newCoordinator(): GroupCoordinator {
    return new GroupCoordinator({
      random: {
        nextUint32: () => this.#randomNext++,
        fill: (target) => {
          target.fill(0)
          new DataView(target.buffer, target.byteOffset).setUint32(target.length - 4, this.#randomNext++)
        },
      },
      topics: {
        partitionExists: (name, partition) => partition >= 0 && partition < (this.topics.get(name)?.partitions ?? 0),
        topicIdOf: (name) => this.topics.get(name)?.topicId,
        topicNameOf: (id) => [...this.topics].find(([, { topicId }]) => topicId === id)?.[0],
      },
      offsetsPartitionOf: (groupId) => GroupShell.offsetsPartitionOf(groupId),
      config: this.#config,
      limits: this.#limits,
    })
  }

  context(apiVersion: number): GroupRequestContext {
    return { apiVersion, clientId: 'client', remoteAddress: '127.0.0.1', nowMs: this.nowMs }
  }

  // --- log ---

  apply<Reply>(result: GroupResult<Reply>): Reply {
    for (const record of result.records) this.#append(record)
    for (const { token, reply } of result.completions) {
      if (this.replies.has(token as number)) throw new Error(`token ${String(token)} was answered twice`)
      this.replies.set(token as number, reply)
    }
    return result.reply as Reply
  }

  #append(record: GroupRecord): void {
    const entries = this.#partition(record.key.group)
    let value: Uint8Array | null = null
    if (record.value !== null) {
      value =
        record.type === 'OffsetCommit'
          ? encodeRecord(offsetCommitValue, record.valueVersion, record.value)
          : encodeRecord(groupMetadataValue, record.valueVersion, record.value)
    }
    entries.push({ record, value })
    this.coordinator.replay(record, { recordOffset: entries.length - 1 })
  }

  marker(producerId: number, committed: boolean, groupId = GROUP): void {
    const offsetsPartition = GroupShell.offsetsPartitionOf(groupId)
    this.log[offsetsPartition]?.push({ marker: { producerId, committed } })
    this.coordinator.onTransactionMarker({ offsetsPartition, producerId, committed })
  }

  #partition(groupId: string): LogEntry[] {
    return this.log[GroupShell.offsetsPartitionOf(groupId)] as LogEntry[]
  }

  /** All records of a group, newest last. */
  recordsOf(groupId = GROUP): GroupRecord[] {
    return this.#partition(groupId).flatMap((entry) =>
      'record' in entry && entry.record.key.group === groupId ? [entry.record] : [],
    )
  }

  /** A crash and a new start: what was not in the log is gone. `times`: loads the log that often. */
  restart(times = 1): void {
    this.coordinator = this.rebuilt(times)
    this.apply(this.coordinator.onLoaded(this.nowMs))
  }

  rebuilt(times = 1): GroupCoordinator {
    const coordinator = this.#newCoordinator()
    for (let time = 0; time < times; time++) {
      this.log.forEach((entries, offsetsPartition) => {
        entries.forEach((entry, recordOffset) => {
          if ('marker' in entry) coordinator.onTransactionMarker({ offsetsPartition, ...entry.marker })
          else coordinator.replay(decodedEntry(entry), { recordOffset })
        })
      })
    }
    return coordinator
  }

  advance(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const nextMs = this.coordinator.nextDeadlineMs()
      if (nextMs === undefined || nextMs > endMs) break
      this.nowMs = Math.max(this.nowMs, nextMs)
      this.apply(this.coordinator.onDeadline(this.nowMs))
    }
    this.nowMs = endMs
  }

  // --- clients ---

  /** @returns the reply if there is one by now, else `undefined`; `token` finds it later in `replies` */
  join(
    overrides: Partial<JoinGroupRequest> = {},
    apiVersion = 9,
  ): { readonly token: number; reply: JoinGroupResponseDraft | undefined } {
    const token = this.#tokenNext++
    const request: JoinGroupRequest = {
      groupId: GROUP,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription('a') }],
      reason: null,
      ...overrides,
    }
    const direct = this.apply(this.coordinator.joinGroup(request, this.context(apiVersion), token))
    if (direct !== undefined) this.replies.set(token, direct)
    return { token, reply: direct ?? (this.replies.get(token) as JoinGroupResponseDraft | undefined) }
  }

  /** Joins as a new dynamic member, in two steps. @returns its member id and token */
  joinNew(overrides: Partial<JoinGroupRequest> = {}): { readonly memberId: string; readonly token: number } {
    const { reply } = this.join(overrides)
    if (reply?.errorCode !== 'MEMBER_ID_REQUIRED') throw new Error(`expected an id, got ${reply?.errorCode}`)
    const { token } = this.join({ ...overrides, memberId: reply.memberId })
    return { memberId: reply.memberId, token }
  }

  joinReply(token: number): JoinGroupResponseDraft {
    const reply = this.replies.get(token)
    if (reply === undefined || !('leader' in reply)) throw new Error(`join ${token} is not answered`)
    return reply
  }

  sync(
    memberId: string,
    generationId: number,
    assignments: Readonly<Record<string, string>> = {},
    overrides: Partial<SyncGroupRequest> = {},
    apiVersion = 5,
  ): { readonly token: number; reply: SyncGroupResponseDraft | undefined } {
    const token = this.#tokenNext++
    const request: SyncGroupRequest = {
      groupId: GROUP,
      generationId,
      memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: bytes(text) })),
      ...overrides,
    }
    const direct = this.apply(this.coordinator.syncGroup(request, this.context(apiVersion), token))
    if (direct !== undefined) this.replies.set(token, direct)
    return { token, reply: direct ?? (this.replies.get(token) as SyncGroupResponseDraft | undefined) }
  }

  heartbeat(memberId: string, generationId: number, groupInstanceId: string | null = null): ErrorCode {
    const request = { groupId: GROUP, generationId, memberId, groupInstanceId }
    return this.apply(this.coordinator.heartbeat(request, this.context(4))).errorCode
  }

  leave(...members: (string | { memberId: string; groupInstanceId: string })[]): ErrorCode[] {
    const request = {
      groupId: GROUP,
      memberId: '',
      members: members.map((member) =>
        typeof member === 'string'
          ? { memberId: member, groupInstanceId: null, reason: null }
          : { ...member, reason: null },
      ),
    }
    const reply = this.apply(this.coordinator.leaveGroup(request, this.context(5)))
    return reply.members?.map(({ errorCode }) => errorCode) ?? [reply.errorCode]
  }

  /** Commits one offset of partition 0 of topic a. */
  commit(offset: number, overrides: Partial<OffsetCommitRequest> = {}, apiVersion = 9): ErrorCode {
    const request: OffsetCommitRequest = {
      groupId: GROUP,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [{ name: 'a', topicId: ZERO_UUID, partitions: [partitionToCommit(0, offset)] }],
      ...overrides,
    }
    const reply = this.apply(this.coordinator.offsetCommit(request, this.context(apiVersion)))
    return reply.topics[0]?.partitions[0]?.errorCode ?? 'NONE'
  }

  /** As `commit`, in a transaction. */
  txnCommit(producerId: number, offset: number, overrides: Partial<TxnOffsetCommitRequest> = {}): ErrorCode {
    const request: TxnOffsetCommitRequest = {
      transactionalId: 'txn',
      groupId: GROUP,
      producerId,
      producerEpoch: 0,
      generationId: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [{ name: 'a', partitions: [partitionToCommit(0, offset)] }],
      ...overrides,
    }
    const reply = this.apply(this.coordinator.txnOffsetCommit(request, this.context(5)))
    return reply.topics[0]?.partitions[0]?.errorCode ?? 'NONE'
  }

  /** The committed offset of a partition, or the error. */
  offset(topic = 'a', partition = 0, requireStable = false, groupId = GROUP): number | ErrorCode {
    const topics = [{ name: topic, topicId: ZERO_UUID, partitionIndexes: [partition] }]
    const groups = [{ groupId, memberId: null, memberEpoch: -1, topics }]
    const reply = this.coordinator.offsetFetch({ groupId: '', topics: [], groups, requireStable }, this.context(9))
    const fetched = reply.groups?.[0]?.topics[0]?.partitions[0]
    if (fetched === undefined) return 'UNKNOWN_SERVER_ERROR'
    return fetched.errorCode === 'NONE' ? fetched.committedOffset : fetched.errorCode
  }

  deleteOffset(topic = 'a', partition = 0): ErrorCode {
    const topics = [{ name: topic, partitions: [{ partitionIndex: partition }] }]
    const reply = this.apply(this.coordinator.offsetDelete({ groupId: GROUP, topics }))
    return reply.errorCode === 'NONE' ? (reply.topics[0]?.partitions[0]?.errorCode ?? 'NONE') : reply.errorCode
  }

  deleteGroup(groupId = GROUP): ErrorCode {
    const reply = this.apply(this.coordinator.deleteGroups({ groupsNames: [groupId] }))
    return reply.results[0]?.errorCode ?? 'NONE'
  }

  describe(groupId = GROUP, coordinator = this.coordinator) {
    const request = { groups: [groupId], includeAuthorizedOperations: false }
    const described = coordinator.describeGroups(request, this.context(6)).groups[0]
    if (described === undefined) throw new Error('a group asked for is described')
    return described
  }

  get state(): string {
    return this.describe().groupState
  }

  /** A stable group of dynamic members, the leader first. Each member's assignment is its own id. */
  stableGroup(memberCount: number, overrides: Partial<JoinGroupRequest> = {}): string[] {
    const members = Array.from({ length: memberCount }, () => this.joinNew(overrides))
    this.advance(0)
    this.syncAll(members.map(({ memberId, token }) => ({ memberId, reply: this.joinReply(token) })))
    return members.map(({ memberId }) => memberId)
  }

  syncAll(joined: readonly { memberId: string; reply: JoinGroupResponseDraft }[]): void {
    const leader = joined.find(({ memberId, reply }) => reply.leader === memberId)
    if (leader === undefined) throw new Error('nobody leads')
    const generationId = leader.reply.generationId ?? -1
    const protocolName = leader.reply.protocolName ?? ''
    const protocolType = leader.reply.protocolType ?? ''
    const assignments = Object.fromEntries(joined.map(({ memberId }) => [memberId, memberId]))
    this.sync(leader.memberId, generationId, assignments, { protocolName, protocolType })
    for (const { memberId } of joined) {
      if (memberId !== leader.memberId) this.sync(memberId, generationId, {}, { protocolName, protocolType })
    }
  }
}

function decodedEntry({ record, value }: RecordEntry): GroupRecord {
  if (value === null) return record
  return record.type === 'OffsetCommit'
    ? { ...record, value: decodeRecord(offsetCommitValue, value) }
    : { ...record, value: decodeRecord(groupMetadataValue, value) }
}

export function partitionToCommit(partitionIndex: number, committedOffset: number, metadata: string | null = null) {
  return { partitionIndex, committedOffset, committedLeaderEpoch: -1, committedMetadata: metadata }
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

export function text(value: Uint8Array | undefined): string {
  return Buffer.from(value ?? []).toString()
}

export function subscription(...topics: string[]): Uint8Array {
  return new Uint8Array(encodeRecord(consumerProtocolSubscription, 3, { topics, userData: null, ownedPartitions: [] }))
}
