/** Where consumer groups are, how far they are behind, and how they are moved. */
import { offsetDelete } from '../../protocol/messages/offset-delete.ts'
import { offsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { commitOffsets, type OffsetToCommit } from '../consumer/group-offsets.ts'
import { KafkaError } from '../errors.ts'
import type { OffsetAndMetadata, TopicPartition } from '../topic.ts'
import { type AdminContext, ask, byTopic, topicViews, viewsByName } from './admin-call.ts'
import { coordinatorOf, describeGroupOf } from './groups.ts'
import { partitionKey } from './item-calls.ts'
import { offsetsAt } from './offsets.ts'

export interface GroupOffset extends TopicPartition, OffsetAndMetadata {}

export interface GroupLag extends TopicPartition {
  /** `undefined`: nothing was committed. */
  readonly committed: number | undefined
  readonly logStartOffset: number
  readonly lastStableOffset: number
  readonly highWatermark: number
  /** Offsets from the committed one, or the first there is, to the last stable one. */
  readonly lag: number
  /** Offsets that wait for open transactions. */
  readonly blocked: number
  /** An open transaction holds an offset for it, which will be the committed one. */
  readonly isPending: boolean
}

/** Where a group is to go on. */
export type ResetTarget =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  | { readonly timestampMs: number }
  | { readonly shiftBy: number }

export interface PlannedReset extends TopicPartition {
  readonly from: number | undefined
  readonly to: number
}

const NO_OFFSET = -1
/** The last version that names topics. */
const BY_NAME_VERSION = 9
/** The first that knows `requireStable`. */
const STABLE_VERSION = 7

/** All partitions that have one. @param requireStable  waits for transactions that hold other offsets of the group */
export async function groupOffsetsOf(
  context: AdminContext,
  groupId: string,
  requireStable: boolean,
): Promise<readonly GroupOffset[]> {
  const { response } = await ask(
    context,
    coordinatorOf(groupId),
    offsetFetch,
    { groupId, topics: null, groups: [{ groupId, topics: null }], requireStable },
    {
      minVersion: 2,
      maxVersion: BY_NAME_VERSION,
      errorOf: (answer) => {
        const code = answer.groups[0]?.errorCode ?? answer.errorCode
        if (code !== 'NONE') return { code, about: { groupId } }
        for (const { name, partitions } of answer.groups[0]?.topics ?? answer.topics) {
          const failed = partitions.find(({ errorCode }) => errorCode !== 'NONE')
          if (failed !== undefined)
            return { code: failed.errorCode, about: { groupId, topic: name, partition: failed.partitionIndex } }
        }
        return undefined
      },
    },
  )
  return (response.groups[0]?.topics ?? response.topics).flatMap(({ name, partitions }) =>
    partitions.flatMap(({ partitionIndex, committedOffset, committedLeaderEpoch, metadata }) =>
      committedOffset === NO_OFFSET
        ? []
        : [
            {
              topic: name,
              partition: partitionIndex,
              offset: committedOffset,
              leaderEpoch: committedLeaderEpoch,
              ...(metadata === null || metadata === '' ? {} : { metadata }),
            },
          ],
    ),
  )
}

/** The group must have no members, or they go on where they are. */
export async function alterGroupOffsetsOf(
  context: AdminContext,
  groupId: string,
  offsets: readonly OffsetToCommit[],
): Promise<void> {
  const { cluster, requestTimeoutMs, timeoutMs } = context
  const group = { groupId, generationId: -1, memberId: '', groupInstanceId: null }
  await commitOffsets(cluster, group, offsets, { requestTimeoutMs, timeoutMs })
}

/**
 * @param partitions  of which; all that have a committed offset when none are given, or all of the topics named
 * @param isDryRun  plans, and changes nothing
 */
export async function resetGroupOffsetsOf(
  context: AdminContext,
  groupId: string,
  target: ResetTarget,
  partitions: readonly (TopicPartition | { readonly topic: string })[],
  isDryRun: boolean,
): Promise<readonly PlannedReset[]> {
  const committed = await groupOffsetsOf(context, groupId, true)
  const chosen = partitions.length === 0 ? committed : await expand(context, partitions)
  const [earliest, latest, found] = await Promise.all([
    offsetsAt(context, chosen, 'earliest', 'read_committed'),
    offsetsAt(context, chosen, 'latest', 'read_committed'),
    typeof target === 'object' && 'timestampMs' in target ? offsetsAt(context, chosen, target, 'read_committed') : [],
  ])
  const plan = chosen.map(({ topic, partition }, index): PlannedReset => {
    const from = committed.find((one) => one.topic === topic && one.partition === partition)?.offset
    const first = earliest[index]?.offset ?? 0
    const last = latest[index]?.offset ?? first
    const clamp = (offset: number): number => Math.min(last, Math.max(first, offset))
    if (target === 'earliest') return { topic, partition, from, to: first }
    if (target === 'latest') return { topic, partition, from, to: last }
    if ('offset' in target) return { topic, partition, from, to: clamp(target.offset) }
    if ('shiftBy' in target) return { topic, partition, from, to: clamp((from ?? first) + target.shiftBy) }
    return { topic, partition, from, to: found[index]?.offset ?? last }
  })
  if (!isDryRun && plan.length > 0) {
    const description = await describeGroupOf(context, groupId).catch((error: unknown) => {
      if (error instanceof KafkaError && error.code === 'GROUP_ID_NOT_FOUND') return undefined
      throw error
    })
    if (description !== undefined && description.members.length > 0) {
      throw new KafkaError(
        'NON_EMPTY_GROUP',
        `group ${groupId} has ${description.members.length} members, which would go on where they are; stop them first`,
        { request: { api: 'OffsetCommit', groupId } },
      )
    }
    await alterGroupOffsetsOf(
      context,
      groupId,
      plan.map(({ topic, partition, to }) => ({ topic, partition, offset: to })),
    )
  }
  return plan
}

async function expand(
  context: AdminContext,
  partitions: readonly (TopicPartition | { readonly topic: string })[],
): Promise<readonly TopicPartition[]> {
  const views = new Map(
    (await topicViews(context, [...new Set(partitions.map(({ topic }) => topic))])).map((view) => [view.name, view]),
  )
  return partitions.flatMap((one) =>
    'partition' in one
      ? [one]
      : (views.get(one.topic)?.partitions ?? []).map(({ partition }) => ({ topic: one.topic, partition })),
  )
}

export async function deleteGroupOffsetsOf(
  context: AdminContext,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<void> {
  await ask(
    context,
    coordinatorOf(groupId),
    offsetDelete,
    {
      groupId,
      topics: byTopic(partitions).map(({ name, all }) => ({
        name,
        partitions: all.map(({ partition }) => ({ partitionIndex: partition })),
      })),
    },
    {
      errorOf: (answer) => {
        if (answer.errorCode !== 'NONE') return { code: answer.errorCode, about: { groupId } }
        for (const { name, partitions: all } of answer.topics) {
          const failed = all.find(({ errorCode }) => errorCode !== 'NONE')
          if (failed !== undefined)
            return { code: failed.errorCode, about: { groupId, topic: name, partition: failed.partitionIndex } }
        }
        return undefined
      },
    },
  )
}

/** Of everything the group has committed, or is assigned. */
export async function groupLagOf(context: AdminContext, groupId: string): Promise<readonly GroupLag[]> {
  const [offsets, description] = await Promise.all([
    groupOffsetsOf(context, groupId, false),
    describeGroupOf(context, groupId).catch((error: unknown) => {
      if (error instanceof KafkaError && error.code === 'GROUP_ID_NOT_FOUND') return undefined
      throw error
    }),
  ])
  const assigned = description?.members.flatMap(({ partitions }) => partitions) ?? []
  const all = new Map(
    [...offsets, ...assigned].map(({ topic, partition }) => [partitionKey({ topic, partition }), { topic, partition }]),
  )
  const views = await viewsByName(context, [...new Set([...all.values()].map(({ topic }) => topic))], context.timeoutMs)
  const partitions = [...all.values()].filter(
    ({ topic }) => views.get(topic)?.error?.code !== 'UNKNOWN_TOPIC_OR_PARTITION',
  )
  const [start, stable, end, pending] = await Promise.all([
    offsetsAt(context, partitions, 'earliest', 'read_uncommitted'),
    offsetsAt(context, partitions, 'latest', 'read_committed'),
    offsetsAt(context, partitions, 'latest', 'read_uncommitted'),
    pendingPartitions(context, groupId, partitions),
  ])
  return partitions
    .map(({ topic, partition }, index) => {
      const committed = offsets.find((one) => one.topic === topic && one.partition === partition)?.offset
      const logStartOffset = start[index]?.offset ?? 0
      const lastStableOffset = stable[index]?.offset ?? 0
      const highWatermark = end[index]?.offset ?? 0
      const lag = Math.max(0, lastStableOffset - (committed ?? logStartOffset))
      const blocked = Math.max(0, highWatermark - lastStableOffset)
      const isPending = pending.has(partitionKey({ topic, partition }))
      return { topic, partition, committed, logStartOffset, lastStableOffset, highWatermark, lag, blocked, isPending }
    })
    .toSorted((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}

/** Those for which an open transaction holds an offset. Empty where brokers do not tell (before Kafka 2.5). */
async function pendingPartitions(
  context: AdminContext,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<ReadonlySet<string>> {
  if (partitions.length === 0) return new Set()
  const topics = byTopic(partitions).map(({ name, all }) => ({
    name,
    partitionIndexes: all.map(({ partition }) => partition),
  }))
  try {
    const { response } = await ask(
      context,
      coordinatorOf(groupId),
      offsetFetch,
      { groupId, topics, groups: [{ groupId, topics }], requireStable: true },
      {
        minVersion: STABLE_VERSION,
        maxVersion: BY_NAME_VERSION,
        errorOf: (answer) => ({ code: answer.groups[0]?.errorCode ?? answer.errorCode, about: { groupId } }),
      },
    )
    return new Set(
      (response.groups[0]?.topics ?? response.topics).flatMap(({ name: topic, partitions: all }) =>
        all
          .filter(({ errorCode }) => errorCode === 'UNSTABLE_OFFSET_COMMIT')
          .map(({ partitionIndex: partition }) => partitionKey({ topic, partition })),
      ),
    )
  } catch (error) {
    if (error instanceof KafkaError && error.code === 'UNSUPPORTED_BY_BROKER') return new Set()
    throw error
  }
}
