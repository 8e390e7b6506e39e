/** Consumer groups and their members, as an admin sees them. Where groups are is in group-offsets.ts. */
import { DecodeError } from '../../base/bytes.ts'
import { decodeRecord } from '../../protocol/codec.ts'
import { consumerProtocolAssignment } from '../../protocol/messages/consumer-protocol-assignment.ts'
import { deleteGroups } from '../../protocol/messages/delete-groups.ts'
import { describeGroups } from '../../protocol/messages/describe-groups.ts'
import { leaveGroup } from '../../protocol/messages/leave-group.ts'
import { listGroups } from '../../protocol/messages/list-groups.ts'
import { KafkaError } from '../errors.ts'
import type { TopicPartition } from '../topic.ts'
import { type AdminContext, ask, askAllBrokers, FINAL_CODES } from './admin-call.ts'
import { askForEach, toGroupCoordinators } from './item-calls.ts'

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

export interface GroupFilter {
  /** 'Stable', 'Empty' …; needs Kafka 2.6. */
  readonly states?: readonly string[]
  /** 'classic', 'consumer' …; needs Kafka 3.8. */
  readonly types?: readonly string[]
}

const BY_STATE_VERSION = 4
const BY_TYPE_VERSION = 5

export function coordinatorOf(groupId: string) {
  return { kind: 'coordinator', of: 'group', key: groupId } as const
}

export async function listGroupsOf(
  context: AdminContext,
  { states = [], types = [] }: GroupFilter,
): Promise<readonly GroupListing[]> {
  const minVersion = types.length > 0 ? BY_TYPE_VERSION : states.length > 0 ? BY_STATE_VERSION : 0
  const answers = await askAllBrokers(
    context,
    listGroups,
    { statesFilter: states, typesFilter: types },
    { minVersion, errorOf: ({ errorCode }) => ({ code: errorCode }) },
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
  await askForEach(context, groupIds, toGroupCoordinators, {
    api: deleteGroups,
    finalCodes: FINAL_CODES,
    doneCodes: new Set(['GROUP_ID_NOT_FOUND']),
    keyOf: (groupId) => groupId,
    about: (groupId) => ({ groupId }),
    body: (all) => ({ groupsNames: all }),
    outcomes: ({ results }) =>
      results.map(({ groupId, errorCode }) => ({ key: groupId, code: errorCode, value: undefined })),
  })
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
