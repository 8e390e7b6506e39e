/** Consumer groups and their offsets, as an admin sees them. */
import { DecodeError } from '../../base/bytes.ts'
import { decodeRecord } from '../../protocol/codec.ts'
import { consumerProtocolAssignment } from '../../protocol/messages/consumer-protocol-assignment.ts'
import { deleteGroups } from '../../protocol/messages/delete-groups.ts'
import { describeGroups } from '../../protocol/messages/describe-groups.ts'
import { leaveGroup } from '../../protocol/messages/leave-group.ts'
import { listGroups } from '../../protocol/messages/list-groups.ts'
import { offsetDelete } from '../../protocol/messages/offset-delete.ts'
import { offsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { commitOffsets, type OffsetToCommit } from '../consumer/group-offsets.ts'
import { KafkaError } from '../errors.ts'
import type { OffsetAndMetadata, TopicPartition } from '../topic.ts'
import { type AdminContext, allBrokers, ask, byTopic, offsetsOf, topicViews } from './admin-call.ts'

export interface GroupListing {
  readonly groupId: string
  /** 'Stable', 'Empty' …; empty where the broker does not tell. */
  readonly state: string
  readonly type: string
  readonly protocolType: string
}

export interface GroupMemberDescription {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly host: string
  readonly partitions: readonly TopicPartition[]
}

export interface GroupDescription {
  readonly groupId: string
  readonly state: string
  readonly assignor: string
  readonly members: readonly GroupMemberDescription[]
}

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
const BY_NAME_VERSION = 9

function coordinatorOf(groupId: string) {
  return { kind: 'coordinator', of: 'group', key: groupId } as const
}

export async function listGroupsOf(context: AdminContext, states: readonly string[]): Promise<readonly GroupListing[]> {
  const brokers = await allBrokers(context)
  const answers = await Promise.all(
    brokers.map((nodeId) =>
      ask(
        context,
        { kind: 'node', nodeId },
        listGroups,
        { statesFilter: states },
        { ...(states.length > 0 ? { minVersion: 4 } : {}), errorOf: ({ errorCode }) => ({ code: errorCode }) },
      ),
    ),
  )
  return answers
    .flatMap(({ response }) => response.groups)
    .map(({ groupId, groupState, groupType, protocolType }) => ({
      groupId,
      state: groupState,
      type: groupType,
      protocolType,
    }))
    .toSorted((a, b) => (a.groupId < b.groupId ? -1 : 1))
}

/** Rejects with GROUP_ID_NOT_FOUND for one that is not there. */
export async function describeGroupOf(context: AdminContext, groupId: string): Promise<GroupDescription> {
  const { response } = await ask(
    context,
    coordinatorOf(groupId),
    describeGroups,
    { groups: [groupId] },
    {
      errorOf: ({ groups: [first] }) =>
        first && { code: first.errorCode, about: { groupId }, detail: first.errorMessage },
    },
  )
  const group = response.groups[0]
  if (group === undefined || group.groupState === 'Dead') {
    throw new KafkaError('GROUP_ID_NOT_FOUND', `there is no group ${groupId}`, {
      request: { api: 'DescribeGroups', groupId },
    })
  }
  return {
    groupId,
    state: group.groupState,
    assignor: group.protocolData,
    members: group.members.map(({ memberId, groupInstanceId, clientId, clientHost, memberAssignment }) => ({
      memberId,
      groupInstanceId,
      clientId,
      host: clientHost.replace(/^\//, ''),
      partitions: partitionsOf(memberAssignment),
    })),
  }
}

/** Another kind of group may keep something else there. */
function partitionsOf(assignment: Uint8Array): readonly TopicPartition[] {
  if (assignment.length === 0) return []
  try {
    return decodeRecord(consumerProtocolAssignment, assignment).assignedPartitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition })),
    )
  } catch (error) {
    if (error instanceof DecodeError) return []
    throw error
  }
}

export async function deleteGroupsOf(context: AdminContext, groupIds: readonly string[]): Promise<void> {
  await Promise.all(
    groupIds.map((groupId) =>
      ask(
        context,
        coordinatorOf(groupId),
        deleteGroups,
        { groupsNames: [groupId] },
        { errorOf: ({ results: [first] }) => first && { code: first.errorCode, about: { groupId } } },
      ),
    ),
  )
}

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
  const isNamed = typeof target === 'string'
  const [earliest, latest, found] = await Promise.all([
    offsetsOf(
      context,
      chosen.map((one) => ({ ...one, at: 'earliest' as const })),
      'read_committed',
    ),
    offsetsOf(
      context,
      chosen.map((one) => ({ ...one, at: 'latest' as const })),
      'read_committed',
    ),
    !isNamed && 'timestampMs' in target
      ? offsetsOf(
          context,
          chosen.map((one) => ({ ...one, at: target })),
          'read_committed',
        )
      : [],
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

export async function removeMembersOf(
  context: AdminContext,
  groupId: string,
  members: readonly ({ readonly memberId: string } | { readonly groupInstanceId: string })[],
): Promise<void> {
  await ask(
    context,
    coordinatorOf(groupId),
    leaveGroup,
    {
      groupId,
      members: members.map((member) =>
        'memberId' in member
          ? { memberId: member.memberId, groupInstanceId: null, reason: 'removed by an admin' }
          : { memberId: '', groupInstanceId: member.groupInstanceId, reason: 'removed by an admin' },
      ),
    },
    {
      minVersion: 3,
      errorOf: (answer) => {
        if (answer.errorCode !== 'NONE') return { code: answer.errorCode, about: { groupId } }
        const failed = answer.members.find(({ errorCode }) => errorCode !== 'NONE')
        return (
          failed && {
            code: failed.errorCode,
            about: { groupId },
            detail: `member ${failed.memberId || failed.groupInstanceId}`,
          }
        )
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
    [...offsets, ...assigned].map(({ topic, partition }) => [`${topic}/${partition}`, { topic, partition }]),
  )
  const existing = new Set((await context.cluster.listTopics({ timeoutMs: context.timeoutMs })).map(({ name }) => name))
  const partitions = [...all.values()].filter(({ topic }) => existing.has(topic))
  const [start, stable, end] = await Promise.all([
    offsetsOf(
      context,
      partitions.map((one) => ({ ...one, at: 'earliest' as const })),
      'read_uncommitted',
    ),
    offsetsOf(
      context,
      partitions.map((one) => ({ ...one, at: 'latest' as const })),
      'read_committed',
    ),
    offsetsOf(
      context,
      partitions.map((one) => ({ ...one, at: 'latest' as const })),
      'read_uncommitted',
    ),
  ])
  return partitions
    .map(({ topic, partition }, index) => {
      const committed = offsets.find((one) => one.topic === topic && one.partition === partition)?.offset
      const logStartOffset = start[index]?.offset ?? 0
      const lastStableOffset = stable[index]?.offset ?? 0
      const highWatermark = end[index]?.offset ?? 0
      const lag = Math.max(0, lastStableOffset - (committed ?? logStartOffset))
      const blocked = Math.max(0, highWatermark - lastStableOffset)
      return { topic, partition, committed, logStartOffset, lastStableOffset, highWatermark, lag, blocked }
    })
    .toSorted((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}
