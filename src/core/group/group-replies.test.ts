import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import { decodeResponse, encodeResponse } from '../../protocol/codec.ts'
import { deleteGroups } from '../../protocol/messages/delete-groups.ts'
import { describeGroups } from '../../protocol/messages/describe-groups.ts'
import { heartbeat } from '../../protocol/messages/heartbeat.ts'
import { joinGroup } from '../../protocol/messages/join-group.ts'
import { leaveGroup } from '../../protocol/messages/leave-group.ts'
import { listGroups } from '../../protocol/messages/list-groups.ts'
import { offsetCommit } from '../../protocol/messages/offset-commit.ts'
import { offsetDelete } from '../../protocol/messages/offset-delete.ts'
import { offsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { syncGroup } from '../../protocol/messages/sync-group.ts'
import { txnOffsetCommit } from '../../protocol/messages/txn-offset-commit.ts'
import type { Api, ResponseDraftOf } from '../../protocol/schema.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'
import type { GroupRequestContext } from './group-api.ts'
import { GROUP, GroupShell, partitionToCommit } from './group-shell.test-kit.ts'

/** What a client of that version reads. */
function read<A extends Api>(api: A, version: number, draft: ResponseDraftOf<A>) {
  const writer = new ByteWriter()
  encodeResponse(api, version, draft, writer)
  return decodeResponse(api, version, new ByteReader(writer.toBytes()))
}

interface Scene {
  readonly shell: GroupShell
  readonly leader: string
  readonly context: GroupRequestContext
}

/** A stable group with an offset; each request once where it succeeds and once where it fails. */
const REPLIES: [Api, first: number, last: number, (scene: Scene) => unknown[]][] = [
  [
    joinGroup,
    0,
    9,
    ({ shell, leader, context: { apiVersion } }) => {
      shell.leave(leader)
      const { token, reply } = shell.join({ groupInstanceId: apiVersion >= 5 ? 'i' : null }, apiVersion)
      const again = reply === undefined ? token : shell.join({ memberId: reply.memberId }, apiVersion).token
      shell.advance(0)
      return [shell.joinReply(again), shell.join({ memberId: 'stranger' }, apiVersion).reply]
    },
  ],
  [
    syncGroup,
    0,
    5,
    ({ shell, leader, context: { apiVersion } }) => [
      shell.sync(leader, 1, {}, {}, apiVersion).reply,
      shell.sync('stranger', 1, {}, {}, apiVersion).reply,
    ],
  ],
  [
    heartbeat,
    0,
    4,
    ({ shell, leader, context }) =>
      [leader, 'stranger'].map((memberId) => {
        const request = { groupId: GROUP, generationId: 1, memberId, groupInstanceId: null }
        return shell.coordinator.heartbeat(request, context).reply
      }),
  ],
  [
    leaveGroup,
    0,
    5,
    ({ shell, leader, context }) =>
      [leader, 'stranger'].map((memberId) => {
        const members = [{ memberId, groupInstanceId: null, reason: null }]
        return shell.apply(shell.coordinator.leaveGroup({ groupId: GROUP, memberId, members }, context))
      }),
  ],
  [
    describeGroups,
    0,
    6,
    ({ shell, context }) => [
      shell.coordinator.describeGroups({ groups: [GROUP, 'nobody'], includeAuthorizedOperations: false }, context),
    ],
  ],
  [listGroups, 0, 5, ({ shell }) => [shell.coordinator.listGroups({ statesFilter: [], typesFilter: [] })]],
  [deleteGroups, 0, 2, ({ shell }) => [shell.coordinator.deleteGroups({ groupsNames: [GROUP, 'nobody'] }).reply]],
  [
    offsetCommit,
    2,
    10,
    ({ shell, context }) => {
      const topicId = shell.topics.get('a')?.topicId ?? ''
      const topics = [{ name: 'a', topicId, partitions: [partitionToCommit(0, 1), partitionToCommit(9, 1)] }]
      const request = {
        groupId: 'simple',
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        retentionTimeMs: -1,
        topics,
      }
      return [shell.apply(shell.coordinator.offsetCommit(request, context))]
    },
  ],
  [
    txnOffsetCommit,
    0,
    5,
    ({ shell, context }) => {
      const request = {
        transactionalId: 't',
        groupId: 'simple',
        producerId: 7,
        producerEpoch: 0,
        generationId: -1,
        memberId: '',
        groupInstanceId: null,
        topics: [{ name: 'a', partitions: [partitionToCommit(0, 1), partitionToCommit(9, 1)] }],
      }
      return [shell.apply(shell.coordinator.txnOffsetCommit(request, context))]
    },
  ],
  [
    offsetFetch,
    1,
    10,
    ({ shell, context }) => {
      const topicId = shell.topics.get('a')?.topicId ?? ''
      const topics = [{ name: 'a', topicId, partitionIndexes: [0, 1] }]
      const unknown = [{ name: 'nowhere', topicId: ZERO_UUID, partitionIndexes: [0] }]
      return [topics, unknown, null].map((asked) => {
        const groups = [{ groupId: GROUP, memberId: null, memberEpoch: -1, topics: asked }]
        const request = { groupId: GROUP, topics: asked, groups, requireStable: true }
        return shell.coordinator.offsetFetch(request, context)
      })
    },
  ],
  [
    offsetDelete,
    0,
    0,
    ({ shell }) => [
      shell.coordinator.offsetDelete({ groupId: GROUP, topics: [{ name: 'b', partitions: [{ partitionIndex: 0 }] }] })
        .reply,
      shell.coordinator.offsetDelete({ groupId: 'nobody', topics: [] }).reply,
    ],
  ],
]

describe('every reply can be written in its version, and says what was meant', () => {
  const rows = REPLIES.flatMap(([api, first, last, ask]) =>
    Array.from({ length: last - first + 1 }, (_, index) => ({ name: api.name, version: first + index, api, ask })),
  )
  it.each(rows)('$name version $version', ({ api, version, ask }) => {
    const shell = new GroupShell()
    const [leader = ''] = shell.stableGroup(1)
    shell.commit(5, { memberId: leader, generationIdOrMemberEpoch: 1 })
    const drafts = ask({ shell, leader, context: shell.context(version) })
    expect(drafts.length).toBeGreaterThan(0)
    for (const draft of drafts) {
      const decoded = read(api, version, draft as ResponseDraftOf<typeof api>)
      // What the version carries at all is what the draft says.
      const again = read(api, version, decoded)
      expect(again).toEqual(decoded)
    }
  })

  it('errors lie where old versions have them', () => {
    const shell = new GroupShell()
    const left = shell.coordinator.leaveGroup({ groupId: 'no', memberId: 'x', members: [] }, shell.context(2)).reply
    expect(read(leaveGroup, 2, left ?? { errorCode: 'NONE' })).toMatchObject({ errorCode: 'UNKNOWN_MEMBER_ID' })
  })
})
