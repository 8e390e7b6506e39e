/**
 * Requests about offsets: committing them, plainly or in a transaction, reading and deleting them.
 *
 * Owns the rules of who may commit (generation, member and instance; KIP-447) and what each request version is told.
 * State is in offset-store.ts and classic-groups.ts. Invariants: SPEC.md I10–I15. Source: OffsetMetadataManager,
 * ClassicGroup.validateOffsetCommit, KafkaApis of Kafka 4.3.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { OffsetCommitRequest, OffsetCommitResponseDraft } from '../../protocol/messages/offset-commit.ts'
import type { OffsetDeleteRequest, OffsetDeleteResponseDraft } from '../../protocol/messages/offset-delete.ts'
import type { OffsetFetchRequest, OffsetFetchResponseDraft } from '../../protocol/messages/offset-fetch.ts'
import type { TxnOffsetCommitRequest, TxnOffsetCommitResponseDraft } from '../../protocol/messages/txn-offset-commit.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { ClassicGroups } from './classic-groups.ts'
import type { GroupConfig, GroupLimits, GroupRequestContext, TopicDirectory } from './group-api.ts'
import { NO_TIMESTAMP, offsetCommitRecord, offsetTombstone } from './group-records.ts'
import type { OffsetStore } from './offset-store.ts'
import { isAct } from './rebalances.ts'
import type { Effects } from './rebalances.ts'

/** Generation of a consumer that assigns itself, and of clients too old to send one. */
const NO_GENERATION = -1
const NO_OFFSET = -1
const NO_LEADER_EPOCH = -1
const NO_RETENTION_TIME = -1

/** From this version on an unknown group is named as such (KIP-848). */
const COMMIT_GROUP_NOT_FOUND_VERSION_MIN = 9
/** From this version on topics are named by id, in OffsetCommit and OffsetFetch alike. */
const TOPIC_ID_VERSION_MIN = 10
const FETCH_TOP_LEVEL_ERROR_VERSION_MIN = 2
const FETCH_BATCH_VERSION_MIN = 8

/** Who commits, as far as both kinds of commit say it. */
interface Committer {
  readonly groupId: string
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generationId: number
}

interface PartitionToCommit {
  readonly partitionIndex: number
  readonly committedOffset: number
  readonly committedLeaderEpoch: number
  readonly committedMetadata: string | null
}

interface TopicToFetch {
  readonly name: string
  readonly topicId: string
  readonly partitionIndexes: readonly number[]
}

type FetchedGroup = NonNullable<OffsetFetchResponseDraft['groups']>[number]
type FetchedTopic = FetchedGroup['topics'][number]
type FetchedPartition = FetchedTopic['partitions'][number]

export interface GroupOffsetsOptions {
  readonly groups: ClassicGroups
  readonly store: OffsetStore
  readonly topics: TopicDirectory
  readonly config: GroupConfig
  readonly limits: GroupLimits
}

export class GroupOffsets {
  readonly #groups: ClassicGroups
  readonly #store: OffsetStore
  readonly #topics: TopicDirectory
  readonly #config: GroupConfig
  readonly #limits: GroupLimits

  constructor({ groups, store, topics, config, limits }: GroupOffsetsOptions) {
    this.#groups = groups
    this.#store = store
    this.#topics = topics
    this.#config = config
    this.#limits = limits
  }

  // --- commit ---

  commit(request: OffsetCommitRequest, context: GroupRequestContext, effects: Effects): OffsetCommitResponseDraft {
    const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch: generationId, retentionTimeMs } = request
    const { apiVersion, nowMs } = context
    const check = lazily(() =>
      this.#checkCommit({ groupId, memberId, groupInstanceId, generationId }, apiVersion, nowMs),
    )
    const expireTimestamp = retentionTimeMs === NO_RETENTION_TIME ? NO_TIMESTAMP : nowMs + retentionTimeMs
    let added = 0
    const topics = request.topics.map(({ name: givenName, topicId: givenId, partitions }) => {
      const byId = apiVersion >= TOPIC_ID_VERSION_MIN
      const name = byId ? this.#topics.topicNameOf(givenId) : givenName
      const topicId = name === undefined ? undefined : this.#topics.topicIdOf(name)
      const answered = partitions.map((partition) => {
        const { partitionIndex } = partition
        if (name === undefined) return { partitionIndex, errorCode: 'UNKNOWN_TOPIC_ID' as const }
        let errorCode = this.#checkPartition(name, partitionIndex)
        if (errorCode === 'NONE') errorCode = check()
        if (errorCode === 'NONE') errorCode = this.#checkMetadata(partition)
        const isNew = this.#store.committed(groupId, name, partitionIndex) === undefined
        if (errorCode === 'NONE' && isNew && this.#store.committedCount + added >= this.#limits.offsetsMax) {
          errorCode = 'POLICY_VIOLATION'
        }
        if (errorCode !== 'NONE') return { partitionIndex, errorCode }
        if (isNew) added += 1
        // The version that holds an expiry time holds neither topic id nor leader epoch; what is replayed now must be
        // what is read back after a restart.
        const expires = expireTimestamp !== NO_TIMESTAMP
        const value = {
          offset: partition.committedOffset,
          leaderEpoch: expires ? NO_LEADER_EPOCH : partition.committedLeaderEpoch,
          metadata: partition.committedMetadata ?? '',
          commitTimestamp: nowMs,
          expireTimestamp,
          topicId: expires ? ZERO_UUID : (topicId ?? ZERO_UUID),
        }
        effects.records.push(offsetCommitRecord({ group: groupId, topic: name, partition: partitionIndex }, value))
        return { partitionIndex, errorCode }
      })
      return { name: givenName, topicId: givenId, partitions: answered }
    })
    return { topics }
  }

  /** KIP-447: no state of the group but Dead stops it, yet member, instance and generation must be the current ones. */
  txnCommit(
    request: TxnOffsetCommitRequest,
    context: GroupRequestContext,
    effects: Effects,
  ): TxnOffsetCommitResponseDraft {
    const { groupId, memberId, groupInstanceId, generationId, producerId, producerEpoch } = request
    const check = lazily(() => this.#checkTxnCommit({ groupId, memberId, groupInstanceId, generationId }))
    let staged = 0
    const topics = request.topics.map(({ name, partitions }) => {
      const answered = partitions.map((partition) => {
        const { partitionIndex } = partition
        let errorCode = this.#checkPartition(name, partitionIndex)
        if (errorCode === 'NONE') errorCode = check()
        if (errorCode === 'NONE') errorCode = this.#checkMetadata(partition)
        if (errorCode === 'NONE' && this.#store.pendingCount + staged >= this.#limits.pendingOffsetsMax) {
          errorCode = 'COORDINATOR_NOT_AVAILABLE'
        }
        if (errorCode !== 'NONE') return { partitionIndex, errorCode }
        staged += 1
        const value = {
          offset: partition.committedOffset,
          leaderEpoch: partition.committedLeaderEpoch,
          metadata: partition.committedMetadata ?? '',
          commitTimestamp: context.nowMs,
          expireTimestamp: NO_TIMESTAMP,
          // As Kafka 4.3 does: no topic id in a transactional commit.
          topicId: ZERO_UUID,
        }
        const key = { group: groupId, topic: name, partition: partitionIndex }
        effects.records.push(offsetCommitRecord(key, value, { producerId, producerEpoch }))
        return { partitionIndex, errorCode }
      })
      return { name, partitions: answered }
    })
    return { topics }
  }

  #checkCommit(committer: Committer, apiVersion: number, nowMs: number): ErrorCode {
    const group = this.#groups.get(committer.groupId)
    if (group === undefined) {
      const unknown = apiVersion >= COMMIT_GROUP_NOT_FOUND_VERSION_MIN ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION'
      return this.#checkSimpleGroup(committer, unknown)
    }
    const { memberId } = committer
    const outcome = group.outcome(isNamed(group, committer) ? 'MemberOffsetCommit' : 'SimpleOffsetCommit')
    const error = checkCommitter(group, committer, outcome)
    if (error !== 'NONE') return error
    if (isAct(outcome, 'accept-and-touch')) this.#groups.touch(group, memberId, nowMs)
    return 'NONE'
  }

  #checkTxnCommit(committer: Committer): ErrorCode {
    if (committer.groupId === '') return 'INVALID_GROUP_ID'
    const group = this.#groups.get(committer.groupId)
    if (group === undefined) return this.#checkSimpleGroup(committer, 'ILLEGAL_GENERATION')
    const outcome = group.outcome(isNamed(group, committer) ? 'MemberTxnOffsetCommit' : 'SimpleTxnOffsetCommit')
    return checkCommitter(group, committer, outcome)
  }

  /** A commit without a generation makes the group it needs: a simple one, which only holds offsets. */
  #checkSimpleGroup({ groupId, generationId }: Committer, errorIfGeneration: ErrorCode): ErrorCode {
    if (generationId > NO_GENERATION) return errorIfGeneration
    if (groupId.length > this.#limits.groupIdLengthMax) return 'INVALID_GROUP_ID'
    return this.#groups.count < this.#limits.groupsMax ? 'NONE' : 'POLICY_VIOLATION'
  }

  #checkPartition(topic: string, partition: number): ErrorCode {
    return this.#topics.partitionExists(topic, partition) ? 'NONE' : 'UNKNOWN_TOPIC_OR_PARTITION'
  }

  #checkMetadata({ committedMetadata }: PartitionToCommit): ErrorCode {
    const length = committedMetadata?.length ?? 0
    return length > this.#config.offsetMetadataMaxLength ? 'OFFSET_METADATA_TOO_LARGE' : 'NONE'
  }

  // --- fetch ---

  /** Groups of classic members ignore the member id and epoch of version 9; an unknown group has no offsets. */
  fetch(request: OffsetFetchRequest, { apiVersion }: GroupRequestContext): OffsetFetchResponseDraft {
    const { requireStable } = request
    if (apiVersion >= FETCH_BATCH_VERSION_MIN) {
      const groups = request.groups.map(({ groupId, topics }) => ({
        groupId,
        topics:
          topics === null
            ? this.#fetchAll(groupId, requireStable, apiVersion)
            : this.#fetchTopics(groupId, topics, requireStable, apiVersion),
      }))
      return { groups }
    }
    const { groupId } = request
    const named = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID }))
    const topics =
      named === undefined
        ? this.#fetchAll(groupId, requireStable, apiVersion)
        : this.#fetchTopics(groupId, named, requireStable, apiVersion)
    return { topics }
  }

  #fetchTopics(
    groupId: string,
    topics: readonly TopicToFetch[],
    requireStable: boolean,
    apiVersion: number,
  ): FetchedTopic[] {
    return topics.map(({ name: givenName, topicId, partitionIndexes }) => {
      const name = apiVersion >= TOPIC_ID_VERSION_MIN ? this.#topics.topicNameOf(topicId) : givenName
      const partitions = partitionIndexes.map((partition) =>
        name === undefined
          ? noOffset(partition, 'UNKNOWN_TOPIC_ID')
          : this.#fetchPartition(groupId, name, partition, topicId, requireStable),
      )
      return { name: name ?? givenName, topicId, partitions }
    })
  }

  #fetchAll(groupId: string, requireStable: boolean, apiVersion: number): FetchedTopic[] {
    if (this.#groups.get(groupId) === undefined) return []
    const fetched: FetchedTopic[] = []
    for (const [name, partitions] of this.#store.committedOf(groupId)) {
      const topicId = this.#topics.topicIdOf(name)
      // By id only a topic that exists can be named.
      if (topicId === undefined && apiVersion >= TOPIC_ID_VERSION_MIN) continue
      fetched.push({
        name,
        topicId: topicId ?? ZERO_UUID,
        partitions: Array.from(partitions.keys(), (partition) =>
          this.#fetchPartition(groupId, name, partition, ZERO_UUID, requireStable),
        ),
      })
    }
    return fetched
  }

  #fetchPartition(
    groupId: string,
    topic: string,
    partition: number,
    topicId: string,
    requireStable: boolean,
  ): FetchedPartition {
    if (this.#groups.get(groupId) === undefined) return noOffset(partition, 'NONE')
    if (requireStable && this.#store.isPending(groupId, topic, partition)) {
      return noOffset(partition, 'UNSTABLE_OFFSET_COMMIT')
    }
    const committed = this.#store.committed(groupId, topic, partition)
    // An offset of a topic that has been deleted and made again says nothing of the new one.
    if (committed === undefined || isOtherTopic(committed.topicId, topicId)) return noOffset(partition, 'NONE')
    return {
      partitionIndex: partition,
      committedOffset: committed.offset,
      committedLeaderEpoch: committed.leaderEpoch,
      metadata: committed.metadata,
      errorCode: 'NONE',
    }
  }

  // --- delete ---

  delete({ groupId, topics }: OffsetDeleteRequest, effects: Effects): OffsetDeleteResponseDraft {
    if (groupId === '') return { errorCode: 'INVALID_GROUP_ID', topics: [] }
    const group = this.#groups.get(groupId)
    if (group === undefined) return { errorCode: 'GROUP_ID_NOT_FOUND', topics: [] }
    const outcome = group.outcome('OffsetDelete')
    if (typeof outcome === 'object' && 'refuse' in outcome) return { errorCode: outcome.refuse, topics: [] }
    if (!isAct(outcome, 'accept') && !group.usesConsumerProtocol) return { errorCode: 'NON_EMPTY_GROUP', topics: [] }
    const answered = topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        if (!this.#topics.partitionExists(name, partitionIndex)) {
          return { partitionIndex, errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' as const }
        }
        if (group.isSubscribedTo(name)) return { partitionIndex, errorCode: 'GROUP_SUBSCRIBED_TO_TOPIC' as const }
        const isHeld = this.#store.committed(groupId, name, partitionIndex) !== undefined
        if (isHeld || this.#store.isPending(groupId, name, partitionIndex)) {
          effects.records.push(offsetTombstone(groupId, name, partitionIndex))
        }
        return { partitionIndex, errorCode: 'NONE' as const }
      }),
    }))
    return { errorCode: 'NONE', topics: answered }
  }

  /** Tombstones for all that a group holds, pending offsets included. */
  deleteAll(groupId: string, effects: Effects): void {
    for (const [topic, partitions] of this.#store.committedOf(groupId)) {
      for (const partition of partitions.keys()) effects.records.push(offsetTombstone(groupId, topic, partition))
    }
    for (const [topic, partitions] of this.#store.pendingOf(groupId)) {
      for (const partition of partitions.keys()) {
        if (this.#store.committed(groupId, topic, partition) !== undefined) continue
        effects.records.push(offsetTombstone(groupId, topic, partition))
      }
    }
  }

  /** Offsets of another topic of the same name stay. */
  topicDeleted(name: string, topicId: string, effects: Effects): void {
    for (const groupId of this.#store.groups()) {
      const partitions = new Set<number>()
      for (const [partition, committed] of this.#store.committedOf(groupId).get(name) ?? []) {
        if (!isOtherTopic(committed.topicId, topicId)) partitions.add(partition)
      }
      for (const partition of this.#store.pendingOf(groupId).get(name)?.keys() ?? []) {
        for (const pendingId of this.#store.pendingTopicIds(groupId, name, partition)) {
          if (!isOtherTopic(pendingId, topicId)) partitions.add(partition)
        }
      }
      for (const partition of partitions) effects.records.push(offsetTombstone(groupId, name, partition))
    }
  }

  /**
   * Tombstones for what is held for topics that are not there. Their deletion writes these itself, in a frame after its own: a
   * crash in between leaves them to the next start, or the next topic of that name would be read from offsets of the last.
   */
  dropOfMissingTopics(effects: Effects): void {
    for (const groupId of this.#store.groups()) {
      for (const held of [this.#store.committedOf(groupId), this.#store.pendingOf(groupId)]) {
        for (const [topic, partitions] of held) {
          if (this.#topics.topicIdOf(topic) !== undefined) continue
          for (const partition of partitions.keys()) effects.records.push(offsetTombstone(groupId, topic, partition))
        }
      }
    }
  }

  /**
   * Tombstones for the offsets of a group that have been kept long enough: of a group of members from when it became
   * empty, else from the commit. Topics a living group is subscribed to, and offsets with an undecided one next to
   * them, are left alone (KAFKA-19163). Source: ClassicGroup.offsetExpirationCondition, cleanupExpiredOffsets.
   * @returns whether the group holds no offsets any more once the tombstones are replayed
   */
  expire(group: ClassicGroup, nowMs: number, effects: Effects): boolean {
    const { groupId, protocolType, state } = group
    const committed = this.#store.committedOf(groupId)
    if (committed.size === 0) return !this.#store.hasPending(groupId)
    const isSimple = protocolType === undefined
    const isReadable = state === 'Stable' && group.usesConsumerProtocol && group.subscribedTopics !== undefined
    if (!isSimple && state !== 'Empty' && !isReadable) return false
    let keptCount = 0
    for (const [topic, partitions] of committed) {
      for (const [partition, { commitTimestampMs, expireTimestampMs }] of partitions) {
        const sinceMs =
          !isSimple && state === 'Empty' ? (group.stateTimestampMs ?? commitTimestampMs) : commitTimestampMs
        const expiresMs = expireTimestampMs ?? sinceMs + this.#config.offsetsRetentionMs
        const isFull = effects.records.length >= this.#limits.expiryRecordsPerPassMax
        if (
          nowMs < expiresMs ||
          isFull ||
          group.isSubscribedTo(topic) ||
          this.#store.isPending(groupId, topic, partition)
        ) {
          keptCount += 1
        } else effects.records.push(offsetTombstone(groupId, topic, partition))
      }
    }
    return keptCount === 0 && !this.#store.hasPending(groupId)
  }
}

/** Whether the request claims to come from a member. An empty group takes any commit without a generation. */
function isNamed(group: ClassicGroup, { memberId, groupInstanceId, generationId }: Committer): boolean {
  if (generationId <= NO_GENERATION && group.state === 'Empty') return false
  return generationId > NO_GENERATION || memberId !== '' || groupInstanceId !== null
}

function checkCommitter(
  group: ClassicGroup,
  committer: Committer,
  outcome: ReturnType<ClassicGroup['outcome']>,
): ErrorCode {
  const refusal = typeof outcome === 'object' && 'refuse' in outcome ? outcome.refuse : 'NONE'
  if (group.state === 'Dead' || !isNamed(group, committer)) return refusal
  const error = group.checkMember(committer.memberId, committer.groupInstanceId)
  if (error !== 'NONE') return error
  return committer.generationId === group.generationId ? refusal : 'ILLEGAL_GENERATION'
}

/** Ids tell topics of one name apart, where both are known. */
function isOtherTopic(topicId: string, expectedTopicId: string): boolean {
  return topicId !== ZERO_UUID && expectedTopicId !== ZERO_UUID && topicId !== expectedTopicId
}

function noOffset(partitionIndex: number, errorCode: ErrorCode): FetchedPartition {
  return { partitionIndex, committedOffset: NO_OFFSET, committedLeaderEpoch: NO_LEADER_EPOCH, metadata: '', errorCode }
}

/** Asks once, and only if somebody wants to know: a commit of unknown partitions alone does not touch the group. */
function lazily<T>(ask: () => T): () => T {
  let answer: { readonly value: T } | undefined
  return () => (answer ??= { value: ask() }).value
}

/** A whole request refused, for a reason that lies outside the group. */
export function refuseOffsetCommit(request: OffsetCommitRequest, errorCode: ErrorCode): OffsetCommitResponseDraft {
  const topics = request.topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }))
  return { topics }
}

/** As refuseOffsetCommit: the transaction coordinator refused, say. */
export function refuseTxnOffsetCommit(
  request: TxnOffsetCommitRequest,
  errorCode: ErrorCode,
): TxnOffsetCommitResponseDraft {
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }))
  return { topics }
}

/** Each version has its own place for the error: top level, group, or (version 1) every partition. */
export function refuseOffsetFetch(
  request: OffsetFetchRequest,
  errorCode: ErrorCode,
  apiVersion: number,
): OffsetFetchResponseDraft {
  if (apiVersion >= FETCH_BATCH_VERSION_MIN) {
    return { groups: request.groups.map(({ groupId }) => ({ groupId, topics: [], errorCode })) }
  }
  if (apiVersion >= FETCH_TOP_LEVEL_ERROR_VERSION_MIN) return { errorCode, topics: [] }
  const topics = request.topics?.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partition) => noOffset(partition, errorCode)),
  }))
  return { topics: topics ?? [] }
}
