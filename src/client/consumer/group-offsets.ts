/** Committed offsets of a group: asks the coordinator for them and tells it new ones. One concept: what the answers mean. */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { offsetCommit } from '../../protocol/messages/offset-commit.ts'
import { offsetFetch } from '../../protocol/messages/offset-fetch.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { brokerError, KafkaError } from '../errors.ts'
import type { GroupMetadata, OffsetAndMetadata, TopicPartition } from '../topic.ts'

export type CommittedOffsets = ReadonlyMap<string, ReadonlyMap<number, OffsetAndMetadata>>
export type OffsetToCommit = TopicPartition & OffsetAndMetadata

export interface CallLimits {
  readonly requestTimeoutMs: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

const NO_OFFSET = -1
/** The last versions that name topics; later ones go by id, which some brokers do not have. */
const BY_NAME_VERSION = 9
const NO_EPOCH = -1

/**
 * Stable offsets: a partition for which a transaction has offsets that are not decided is asked for again until they are.
 * Partitions without a committed offset are left out. Rejects with KafkaError.
 */
export async function fetchCommitted(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[],
  limits: CallLimits,
): Promise<CommittedOffsets> {
  const topics = byTopic(partitions).map(([name, all]) => ({
    name,
    partitionIndexes: all.map(({ partition }) => partition),
  }))
  const { response, version } = await cluster.call(
    {
      destination: { kind: 'coordinator', of: 'group', key: groupId },
      api: offsetFetch,
      maxVersion: BY_NAME_VERSION,
      body: { groupId, topics, groups: [{ groupId, topics }], requireStable: true },
      timeoutMs: limits.requestTimeoutMs,
    },
    {
      timeoutMs: limits.timeoutMs,
      signal: limits.signal,
      retryOn: (answer, broker) => {
        const group = answer.groups.find((one) => one.groupId === groupId)
        const errorCode = answer.errorCode === 'NONE' ? (group?.errorCode ?? 'NONE') : answer.errorCode
        if (errorCode !== 'NONE') return brokerError(errorCode, { api: offsetFetch.name, groupId, broker })
        for (const { name, partitions: all } of group?.topics ?? answer.topics) {
          for (const one of all) {
            if (one.errorCode === 'NONE') continue
            const request = { api: offsetFetch.name, groupId, topic: name, partition: one.partitionIndex, broker }
            return brokerError(one.errorCode, request)
          }
        }
        return undefined
      },
    },
  )
  const group = response.groups.find((one) => one.groupId === groupId)
  if (version >= 8 && group === undefined) {
    throw new KafkaError('INVALID_RESPONSE', `the answer to OffsetFetch does not speak of group ${groupId}`, {
      recovery: 'retry',
    })
  }
  const committed = new Map<string, Map<number, OffsetAndMetadata>>()
  for (const { name, partitions: all } of group?.topics ?? response.topics) {
    const offsets = new Map<number, OffsetAndMetadata>()
    for (const { partitionIndex, committedOffset, committedLeaderEpoch, metadata } of all) {
      if (committedOffset === NO_OFFSET) continue
      offsets.set(partitionIndex, {
        offset: committedOffset,
        leaderEpoch: committedLeaderEpoch,
        ...(metadata === null || metadata === '' ? {} : { metadata }),
      })
    }
    committed.set(name, offsets)
  }
  return committed
}

const MEMBERSHIP_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'FENCED_INSTANCE_ID',
  'REBALANCE_IN_PROGRESS',
])

/** Rejects with the first error; then some of the partitions may be committed. One that is about the membership is not asked for again. */
export async function commitOffsets(
  cluster: Cluster,
  group: GroupMetadata,
  offsets: readonly OffsetToCommit[],
  limits: CallLimits,
): Promise<void> {
  const { groupId, generationId, memberId, groupInstanceId } = group
  const refusalOf = (answer: CommitAnswer, broker: string): KafkaError | undefined => {
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        if (errorCode === 'NONE') continue
        return brokerError(errorCode, {
          api: offsetCommit.name,
          groupId,
          topic: name,
          partition: partitionIndex,
          broker,
        })
      }
    }
    return undefined
  }
  const { response, broker } = await cluster.call(
    {
      destination: { kind: 'coordinator', of: 'group', key: groupId },
      api: offsetCommit,
      maxVersion: BY_NAME_VERSION,
      body: {
        groupId,
        generationIdOrMemberEpoch: generationId,
        memberId,
        groupInstanceId,
        topics: byTopic(offsets).map(([name, all]) => ({
          name,
          partitions: all.map(({ partition, offset, leaderEpoch = NO_EPOCH, metadata = '' }) => ({
            partitionIndex: partition,
            committedOffset: offset,
            committedLeaderEpoch: leaderEpoch,
            committedMetadata: metadata,
          })),
        })),
      },
      timeoutMs: limits.requestTimeoutMs,
    },
    {
      timeoutMs: limits.timeoutMs,
      signal: limits.signal,
      retryOn: (answer, from) => {
        const refusal = refusalOf(answer, from)
        return refusal !== undefined && MEMBERSHIP_CODES.has(refusal.code as ErrorCode) ? undefined : refusal
      },
    },
  )
  const refusal = refusalOf(response, broker)
  if (refusal !== undefined) throw refusal
}

type CommitAnswer = {
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: ErrorCode }[]
  }[]
}

export type MembershipError = KafkaError & {
  readonly code: 'ILLEGAL_GENERATION' | 'UNKNOWN_MEMBER_ID' | 'FENCED_INSTANCE_ID' | 'REBALANCE_IN_PROGRESS'
}

export function isAboutMembership(error: unknown): error is MembershipError {
  return error instanceof KafkaError && MEMBERSHIP_CODES.has(error.code as ErrorCode)
}

function byTopic<P extends TopicPartition>(partitions: readonly P[]): readonly [string, readonly P[]][] {
  const topics = new Map<string, P[]>()
  for (const one of partitions) {
    const known = topics.get(one.topic)
    if (known === undefined) topics.set(one.topic, [one])
    else known.push(one)
  }
  return [...topics]
}
