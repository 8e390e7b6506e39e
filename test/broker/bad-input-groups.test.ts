/** Group requests that are wrong or too large (reliability.md E.3, group 21, and the offsets of 19 outside transactions). */
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import { deleteGroups } from '../../src/protocol/messages/delete-groups.ts'
import { describeGroups } from '../../src/protocol/messages/describe-groups.ts'
import { heartbeat } from '../../src/protocol/messages/heartbeat.ts'
import { joinGroup } from '../../src/protocol/messages/join-group.ts'
import type { JoinGroupRequestDraft } from '../../src/protocol/messages/join-group.ts'
import { leaveGroup } from '../../src/protocol/messages/leave-group.ts'
import { offsetCommit } from '../../src/protocol/messages/offset-commit.ts'
import { offsetFetch } from '../../src/protocol/messages/offset-fetch.ts'
import { syncGroup } from '../../src/protocol/messages/sync-group.ts'
import { besideOthers } from './bad-input-kit.ts'
import type { TestClient } from './test-broker.ts'

const MIB = 1024 * 1024

function join(client: TestClient, given: Partial<JoinGroupRequestDraft> = {}, version = 3) {
  return client.wire.request(joinGroup, version, {
    groupId: 'g',
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    ...given,
  })
}

/** A group of one member, which is its leader. */
async function groupOfOne(client: TestClient) {
  const { memberId, generationId, errorCode } = await join(client)
  expect(errorCode).toBe('NONE')
  return { memberId, generationId }
}

async function sync(
  client: TestClient,
  member: { memberId: string; generationId: number },
  assignments: { memberId: string; assignment: Uint8Array }[],
) {
  return client.wire.request(syncGroup, 3, { groupId: 'g', ...member, assignments })
}

describe('21: JoinGroup', () => {
  test(
    'protocols that are missing, empty or of no type, and session timeouts out of range, are refused',
    besideOthers(async ({ client }) => {
      expect((await join(client, { protocols: [] })).errorCode).toBe('INCONSISTENT_GROUP_PROTOCOL')
      expect((await join(client, { protocolType: '' })).errorCode).toBe('INCONSISTENT_GROUP_PROTOCOL')
      for (const sessionTimeoutMs of [0, -1, 5999, 1_800_001, 2 ** 31 - 1]) {
        expect((await join(client, { sessionTimeoutMs })).errorCode).toBe('INVALID_SESSION_TIMEOUT')
      }
      expect((await join(client, { groupId: '' })).errorCode).toBe('INVALID_GROUP_ID')
      expect((await join(client, { memberId: 'stranger' })).errorCode).toBe('UNKNOWN_MEMBER_ID')
      const { groups } = await client.wire.request(describeGroups, 4, { groups: ['g', ''] })
      expect(groups[0]?.members).toEqual([])
    }),
  )

  test(
    'ids of 32,767 bytes and of emoji are served or refused, and never end the broker',
    besideOthers(async ({ broker, client }) => {
      const long = 'x'.repeat(32_767)
      expect((await join(client, { groupId: long })).errorCode).toBe('INVALID_GROUP_ID')
      expect((await join(client, { memberId: long })).errorCode).toBe('UNKNOWN_MEMBER_ID')
      // The broker makes member ids out of what a member calls itself.
      for (const text of [long, '\u{1f600}'.repeat(8191), 'x'.repeat(32_740)]) {
        const named = await broker.connect()
        named.wire.clientId = text
        for (const version of [3, 4, 9]) {
          const { errorCode } = await join(named, { groupId: `client-${text.length}-${version}` }, version)
          expect(['NONE', 'MEMBER_ID_REQUIRED'], `${text.length} v${version}`).toContain(errorCode)
        }
        const { errorCode, memberId, generationId } = await join(
          client,
          { groupId: `instance-${text.length}`, groupInstanceId: text },
          5,
        )
        expect(errorCode).toBe('NONE')
        const groupId = `instance-${text.length}`
        const synced = await client.wire.request(syncGroup, 3, {
          groupId,
          generationId,
          memberId,
          groupInstanceId: text,
          assignments: [],
        })
        expect(synced.errorCode).toBe('NONE')
        const { groups } = await client.wire.request(describeGroups, 4, { groups: [groupId] })
        expect(groups[0]?.groupState).toBe('Stable')
      }
    }),
  )

  test(
    'metadata of 1 MB is taken as long as the group has room; 3 MB from one member is too much',
    besideOthers(
      async ({ broker, client }) => {
        const metadata = Buffer.alloc(MIB, 1)
        expect(
          (await join(client, { protocols: [{ name: 'range', metadata: Buffer.alloc(3 * MIB) }] })).errorCode,
        ).not.toBe('NONE')
        // Of nine members that bring 1 MB each at most four fit into 4 MB, whichever comes first. Who is let in waits for
        // the others, who is not hears it at once.
        const refused: ErrorCode[] = []
        const enough = Promise.withResolvers<void>()
        for (let member = 0; member < 9; member++) {
          const other = await broker.connect()
          void join(other, { protocols: [{ name: 'range', metadata }] }).then(
            ({ errorCode }) => {
              if (errorCode !== 'NONE') refused.push(errorCode)
              if (refused.length === 5) enough.resolve()
            },
            () => undefined,
          )
        }
        await enough.promise
        expect(new Set(refused)).toEqual(new Set(['GROUP_MAX_SIZE_REACHED']))
      },
      { properties: { 'semel.max.group.metadata.bytes': String(4 * MIB), 'group.initial.rebalance.delay.ms': '500' } },
    ),
  )

  test(
    'a flood of new members is bounded by group.max.size, of new groups by semel.max.groups',
    besideOthers(
      async ({ client }) => {
        const waiting = Array.from({ length: 5000 }, () => join(client, {}, 4))
        const errors = (await Promise.all(waiting)).map(({ errorCode }) => errorCode)
        expect(errors.filter((each) => each === 'MEMBER_ID_REQUIRED').length).toBe(1000)
        expect(errors.filter((each) => each === 'GROUP_MAX_SIZE_REACHED').length).toBe(4000)
        const commits = await Promise.all(
          Array.from({ length: 200 }, async (_, index) => {
            const { topics } = await client.wire.request(offsetCommit, 8, {
              groupId: `simple-${index}`,
              memberId: '',
              topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }] }],
            })
            return topics[0]?.partitions[0]?.errorCode
          }),
        )
        expect(new Set(commits)).toEqual(new Set(['NONE', 'POLICY_VIOLATION']))
      },
      { properties: { 'group.max.size': '1000', 'semel.max.groups': '100' } },
    ),
  )
})

describe('21: SyncGroup and the rest', () => {
  test(
    'an assignment that no consumer could read is passed on, as its meaning is the members',
    besideOthers(async ({ client }) => {
      const member = await groupOfOne(client)
      const assignment = Buffer.from('fffeffffffff', 'hex')
      const synced = await sync(client, member, [
        { memberId: member.memberId, assignment },
        { memberId: 'stranger', assignment },
      ])
      expect(synced.errorCode).toBe('NONE')
      expect(Buffer.from(synced.assignment).equals(assignment)).toBe(true)
      const { groups } = await client.wire.request(describeGroups, 4, { groups: ['g'] })
      expect(groups[0]).toMatchObject({ errorCode: 'NONE', groupState: 'Stable' })
      expect(groups[0]?.members.length).toBe(1)
    }),
  )

  test(
    'metadata that is no subscription does not keep a group from forming, nor its offsets from being deleted with a topic',
    besideOthers(async ({ client }) => {
      const { errorCode } = await join(client, { protocols: [{ name: 'range', metadata: Buffer.alloc(9, 0xff) }] })
      expect(errorCode).toBe('NONE')
    }),
  )

  test(
    'SyncGroup of a stranger, of another generation, and of one who does not lead changes nothing',
    besideOthers(async ({ broker, client }) => {
      const second = await broker.connect()
      const [one, two] = await Promise.all([join(client), join(second)])
      // Joining at about the same time may take two rounds.
      const rejoined =
        one.generationId === two.generationId
          ? [one, two]
          : await Promise.all([join(client, { memberId: one.memberId }), join(second, { memberId: two.memberId })])
      const leader = rejoined.find(({ memberId, leader: id }) => memberId === id)
      const follower = rejoined.find(({ memberId, leader: id }) => memberId !== id)
      if (leader === undefined || follower === undefined) throw new Error('the group has no two members')
      const assignment = Buffer.from('taken over')
      const stolen = [
        { memberId: leader.memberId, assignment },
        { memberId: follower.memberId, assignment },
      ]
      expect((await sync(client, { ...leader, memberId: 'stranger' }, stolen)).errorCode).toBe('UNKNOWN_MEMBER_ID')
      expect((await sync(client, { ...leader, generationId: leader.generationId + 1 }, stolen)).errorCode).toBe(
        'ILLEGAL_GENERATION',
      )
      const followers = sync(follower.memberId === two.memberId ? second : client, follower, stolen)
      const right = [
        { memberId: leader.memberId, assignment: Buffer.from('a') },
        { memberId: follower.memberId, assignment: Buffer.from('b') },
      ]
      const leaders = await sync(leader.memberId === two.memberId ? second : client, leader, right)
      expect(Buffer.from(leaders.assignment).toString()).toBe('a')
      expect(Buffer.from((await followers).assignment).toString()).toBe('b')
    }),
  )

  test(
    'heartbeats, leaves and deletions of who is not there are refused',
    besideOthers(async ({ client }) => {
      const member = await groupOfOne(client)
      const beat = async (given: object) =>
        (await client.wire.request(heartbeat, 3, { groupId: 'g', ...member, ...given })).errorCode
      expect(await beat({ memberId: 'stranger' })).toBe('UNKNOWN_MEMBER_ID')
      expect(await beat({ generationId: -5 })).not.toBe('NONE')
      expect(await beat({ groupId: 'nowhere' })).toBe('UNKNOWN_MEMBER_ID')
      expect(await beat({ groupId: '' })).not.toBe('NONE')
      const { members } = await client.wire.request(leaveGroup, 4, {
        groupId: 'g',
        members: Array.from({ length: 10_000 }, (_, index) => ({ memberId: `stranger-${index}` })),
      })
      expect(new Set(members.map(({ errorCode }) => errorCode))).toEqual(new Set(['UNKNOWN_MEMBER_ID']))
      const { results } = await client.wire.request(deleteGroups, 2, { groupsNames: ['g', '', 'nowhere'] })
      expect(results.map(({ errorCode }) => errorCode)).toEqual([
        'NON_EMPTY_GROUP',
        'GROUP_ID_NOT_FOUND',
        'GROUP_ID_NOT_FOUND',
      ])
    }),
  )
})

describe('19: OffsetCommit', () => {
  test(
    'wrong members, long metadata and unknown partitions are refused, each partition on its own',
    besideOthers(async ({ client }) => {
      const member = await groupOfOne(client)
      await sync(client, member, [])
      const commit = async (given: { memberId?: string; generationId?: number; metadata?: string; index?: number }) => {
        const { topics } = await client.wire.request(offsetCommit, 8, {
          groupId: 'g',
          memberId: given.memberId ?? member.memberId,
          generationIdOrMemberEpoch: given.generationId ?? member.generationId,
          topics: [
            {
              name: 't',
              partitions: [
                { partitionIndex: given.index ?? 0, committedOffset: 5, committedMetadata: given.metadata ?? null },
                { partitionIndex: 1, committedOffset: 6, committedMetadata: null },
              ],
            },
          ],
        })
        return topics[0]?.partitions.map(({ errorCode }) => errorCode)
      }
      expect(await commit({ memberId: 'stranger' })).toEqual(['UNKNOWN_MEMBER_ID', 'UNKNOWN_MEMBER_ID'])
      expect(await commit({ generationId: 99 })).toEqual(['ILLEGAL_GENERATION', 'ILLEGAL_GENERATION'])
      expect(await commit({ metadata: 'x'.repeat(4097) })).toEqual(['OFFSET_METADATA_TOO_LARGE', 'NONE'])
      expect(await commit({ index: 99 })).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'NONE'])
      expect(await commit({ metadata: '\u{1f600}'.repeat(100) })).toEqual(['NONE', 'NONE'])
      const { topics } = await client.wire.request(offsetFetch, 7, { groupId: 'g', topics: null })
      expect(topics[0]?.partitions.map(({ metadata }) => metadata)).toContain('\u{1f600}'.repeat(100))
    }),
  )

  test(
    'OffsetFetch of 100,000 partitions that have no offset is answered for each',
    besideOthers(async ({ client }) => {
      const partitionIndexes = Array.from({ length: 100_000 }, (_, index) => index)
      const { topics } = await client.wire.request(offsetFetch, 7, {
        groupId: 'nobody',
        topics: [{ name: 't', partitionIndexes }],
      })
      expect(topics[0]?.partitions.length).toBe(100_000)
    }),
  )
})
