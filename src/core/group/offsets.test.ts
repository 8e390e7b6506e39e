import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { OffsetFetchRequest } from '../../protocol/messages/offset-fetch.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'
import { bytes, GROUP, GroupShell, partitionToCommit, subscription } from './group-shell.test-kit.ts'

const A_ID = '0AAAAAAAAAAAAAAAAAAAAA'

describe('committing', () => {
  it('makes a simple group of a consumer that assigns itself', () => {
    const shell = new GroupShell()
    expect(shell.commit(5)).toBe('NONE')
    expect(shell.offset()).toBe(5)
    expect(shell.describe()).toMatchObject({ groupState: 'Empty', protocolType: '' })
  })

  it('writes the record as Kafka does: version 4 with the topic id', () => {
    const shell = new GroupShell()
    const topics = [
      {
        name: 'a',
        topicId: ZERO_UUID,
        partitions: [{ partitionIndex: 1, committedOffset: 5, committedLeaderEpoch: 3, committedMetadata: 'm' }],
      },
    ]
    shell.commit(0, { topics })
    expect(shell.recordsOf()).toEqual([
      {
        type: 'OffsetCommit',
        key: { group: GROUP, topic: 'a', partition: 1 },
        value: {
          offset: 5,
          leaderEpoch: 3,
          metadata: 'm',
          commitTimestamp: shell.nowMs,
          expireTimestamp: -1,
          topicId: A_ID,
        },
        valueVersion: 4,
      },
    ])
  })

  it('a retention time (up to version 4) is kept in version 1 of the record, the same before and after a restart', () => {
    const shell = new GroupShell()
    shell.commit(5, { retentionTimeMs: 1_000 }, 4)
    expect(shell.recordsOf()[0]).toMatchObject({
      valueVersion: 1,
      value: { expireTimestamp: shell.nowMs + 1_000, leaderEpoch: -1, topicId: ZERO_UUID },
    })
    shell.restart()
    shell.advance(600_000)
    expect(shell.offset()).toBe(-1)
  })

  it('checks each partition by itself', () => {
    const shell = new GroupShell()
    const topics = [
      {
        name: 'a',
        topicId: ZERO_UUID,
        partitions: [
          partitionToCommit(0, 1),
          partitionToCommit(9, 1),
          partitionToCommit(1, 1, 'm'.repeat(4_097)),
          partitionToCommit(2, 1, 'm'.repeat(4_096)),
        ],
      },
      { name: 'nowhere', topicId: ZERO_UUID, partitions: [partitionToCommit(0, 1)] },
    ]
    const reply = shell.apply(
      shell.coordinator.offsetCommit(
        {
          groupId: GROUP,
          generationIdOrMemberEpoch: -1,
          memberId: '',
          groupInstanceId: null,
          retentionTimeMs: -1,
          topics,
        },
        shell.context(9),
      ),
    )
    expect(reply.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).toEqual([
      ['NONE', 'UNKNOWN_TOPIC_OR_PARTITION', 'OFFSET_METADATA_TOO_LARGE', 'NONE'],
      ['UNKNOWN_TOPIC_OR_PARTITION'],
    ])
    expect(shell.coordinator.counts.offsets).toBe(2)
  })

  it('an unknown topic alone does not make a group', () => {
    const shell = new GroupShell()
    const topics = [{ name: 'nowhere', topicId: ZERO_UUID, partitions: [partitionToCommit(0, 1)] }]
    expect(shell.commit(1, { topics })).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(shell.coordinator.counts.groups).toBe(0)
  })

  it('version 10 names topics by id', () => {
    const shell = new GroupShell()
    const byId = (topicId: string) => [{ name: '', topicId, partitions: [partitionToCommit(0, 8)] }]
    expect(shell.commit(0, { topics: byId(A_ID) }, 10)).toBe('NONE')
    expect(shell.commit(0, { topics: byId('ZZZZZZZZZZZZZZZZZZZZZA') }, 10)).toBe('UNKNOWN_TOPIC_ID')
    expect(shell.offset()).toBe(8)
  })

  const MATRIX: [
    string,
    { memberId?: string; groupInstanceId?: string; generationIdOrMemberEpoch?: number },
    ErrorCode,
  ][] = [
    ['the member of this generation', { memberId: 'leader', generationIdOrMemberEpoch: 1 }, 'NONE'],
    ['another generation', { memberId: 'leader', generationIdOrMemberEpoch: 0 }, 'ILLEGAL_GENERATION'],
    ['a member without a generation', { memberId: 'leader' }, 'ILLEGAL_GENERATION'],
    ['a stranger', { memberId: 'stranger', generationIdOrMemberEpoch: 1 }, 'UNKNOWN_MEMBER_ID'],
    [
      'an unknown instance',
      { memberId: 'leader', groupInstanceId: 'x', generationIdOrMemberEpoch: 1 },
      'UNKNOWN_MEMBER_ID',
    ],
    ['nobody in particular', {}, 'UNKNOWN_MEMBER_ID'],
  ]
  it.each(MATRIX)('by %s to a stable group', (_, overrides, expected) => {
    const shell = new GroupShell()
    const [leader = ''] = shell.stableGroup(2)
    const memberId = overrides.memberId === 'leader' ? leader : (overrides.memberId ?? '')
    expect(shell.commit(1, { ...overrides, memberId })).toBe(expected)
    expect(shell.offset()).toBe(expected === 'NONE' ? 1 : -1)
  })

  it('with a generation to an unknown group: GROUP_ID_NOT_FOUND from version 9 on, ILLEGAL_GENERATION before', () => {
    const shell = new GroupShell()
    const commit = { memberId: 'x', generationIdOrMemberEpoch: 1 }
    expect(shell.commit(1, commit, 9)).toBe('GROUP_ID_NOT_FOUND')
    expect(shell.commit(1, commit, 8)).toBe('ILLEGAL_GENERATION')
  })

  it('new offsets over the limit are refused, known ones go on', () => {
    const shell = new GroupShell({}, { offsetsMax: 1 })
    const topics = [{ name: 'b', topicId: ZERO_UUID, partitions: [partitionToCommit(0, 1)] }]
    expect([shell.commit(1), shell.commit(2), shell.commit(0, { topics })]).toEqual([
      'NONE',
      'NONE',
      'POLICY_VIOLATION',
    ])
  })
})

describe('committing in a transaction', () => {
  /** KIP-447: who may commit, by state of the group. Generation 1, members leader and static (instance i). */
  const FENCING: [string, string, Record<string, unknown>, ErrorCode][] = [
    ['no group', 'nobody', {}, 'NONE'],
    ['no group', 'a member of generation 1', { memberId: 'x', generationId: 1 }, 'ILLEGAL_GENERATION'],
    ['no group', 'a member without generation', { memberId: 'x' }, 'NONE'],
    ['an empty group', 'nobody', {}, 'NONE'],
    ['an empty group', 'a member without generation', { memberId: 'x' }, 'NONE'],
    ['an empty group', 'a member of its generation', { memberId: 'x', generationId: 2 }, 'UNKNOWN_MEMBER_ID'],
    ...['a stable group', 'a group that rebalances', 'a group that waits for its leader'].flatMap(
      (state): [string, string, Record<string, unknown>, ErrorCode][] => [
        [state, 'nobody (clients before KIP-447)', {}, 'NONE'],
        [state, 'its member', { memberId: 'MEMBER', generationId: 1 }, 'NONE'],
        [state, 'an older generation', { memberId: 'MEMBER', generationId: 0 }, 'ILLEGAL_GENERATION'],
        [state, 'a newer generation', { memberId: 'MEMBER', generationId: 2 }, 'ILLEGAL_GENERATION'],
        [state, 'its member without generation', { memberId: 'MEMBER' }, 'ILLEGAL_GENERATION'],
        [state, 'a stranger', { memberId: 'x', generationId: 1 }, 'UNKNOWN_MEMBER_ID'],
        [state, 'a generation alone', { generationId: 1 }, 'UNKNOWN_MEMBER_ID'],
        [
          state,
          'an unknown instance',
          { memberId: 'MEMBER', groupInstanceId: 'y', generationId: 1 },
          'UNKNOWN_MEMBER_ID',
        ],
        [
          state,
          'the wrong holder of an instance',
          { memberId: 'MEMBER', groupInstanceId: 'i', generationId: 1 },
          'FENCED_INSTANCE_ID',
        ],
        [state, 'the holder of an instance', { memberId: 'STATIC', groupInstanceId: 'i', generationId: 1 }, 'NONE'],
      ],
    ),
  ]
  it.each(FENCING)('to %s by %s', (state, _, overrides, expected) => {
    const shell = new GroupShell({ groupInitialRebalanceDelayMs: 1 })
    let names: Record<string, string> = {}
    if (state !== 'no group') {
      const dynamic = shell.joinNew()
      const fixed = shell.join({ groupInstanceId: 'i' })
      shell.advance(2)
      const staticId = shell.joinReply(fixed.token).memberId
      names = { MEMBER: dynamic.memberId, STATIC: staticId }
      if (state !== 'a group that waits for its leader') {
        shell.sync(dynamic.memberId, 1)
        shell.sync(staticId, 1, {}, { groupInstanceId: 'i' })
      }
      if (state === 'a group that rebalances') shell.join({}, 3)
      if (state === 'an empty group') shell.leave(dynamic.memberId, { memberId: '', groupInstanceId: 'i' })
    }
    const memberId = String(overrides['memberId'] ?? '')
    expect(shell.txnCommit(7, 1, { ...overrides, memberId: names[memberId] ?? memberId })).toBe(expected)
    expect(shell.coordinator.counts.pendingOffsets).toBe(expected === 'NONE' ? 1 : 0)
  })

  it('is written as records of the producer, without a topic id', () => {
    const shell = new GroupShell()
    shell.txnCommit(7, 5, { producerEpoch: 3 })
    expect(shell.recordsOf()).toMatchObject([
      { valueVersion: 4, value: { offset: 5, topicId: ZERO_UUID }, transactional: { producerId: 7, producerEpoch: 3 } },
    ])
  })

  it('counts once it is committed, and never when it is aborted', () => {
    const shell = new GroupShell()
    shell.commit(1)
    shell.txnCommit(7, 5)
    expect(shell.offset()).toBe(1)
    expect(shell.offset('a', 0, true)).toBe('UNSTABLE_OFFSET_COMMIT')
    expect(shell.offset('a', 1, true)).toBe(-1)
    shell.marker(7, true)
    expect(shell.offset('a', 0, true)).toBe(5)
    shell.txnCommit(7, 9)
    shell.marker(7, false)
    expect(shell.offset('a', 0, true)).toBe(5)
  })

  it('yields to a plain commit that came after it, though the marker came later still', () => {
    const shell = new GroupShell()
    shell.txnCommit(7, 5)
    shell.commit(6)
    shell.marker(7, true)
    expect(shell.offset()).toBe(6)
    shell.restart()
    expect(shell.offset()).toBe(6)
  })

  it('of two producers stays undecided until both are', () => {
    const shell = new GroupShell()
    shell.txnCommit(7, 5)
    shell.txnCommit(8, 6)
    shell.marker(8, true)
    expect(shell.offset('a', 0, true)).toBe('UNSTABLE_OFFSET_COMMIT')
    shell.marker(7, true)
    // The record of 8 lies behind that of 7.
    expect(shell.offset('a', 0, true)).toBe(6)
  })

  it('ends with the marker of its own partition only', () => {
    const shell = new GroupShell()
    shell.txnCommit(7, 5)
    const other = (GroupShell.offsetsPartitionOf(GROUP) + 1) % 3
    shell.coordinator.onTransactionMarker({ offsetsPartition: other, producerId: 7, committed: true })
    expect(shell.offset('a', 0, true)).toBe('UNSTABLE_OFFSET_COMMIT')
  })

  it('over the limit is refused with an error that clients retry', () => {
    const shell = new GroupShell({}, { pendingOffsetsMax: 1 })
    expect([shell.txnCommit(7, 1), shell.txnCommit(8, 1)]).toEqual(['NONE', 'COORDINATOR_NOT_AVAILABLE'])
    shell.marker(7, false)
    expect(shell.txnCommit(8, 1)).toBe('NONE')
  })

  it('needs a group id, and a topic that exists', () => {
    const shell = new GroupShell()
    expect(shell.txnCommit(7, 1, { groupId: '' })).toBe('INVALID_GROUP_ID')
    const topics = [{ name: 'a', partitions: [partitionToCommit(99, 1)] }]
    expect(shell.txnCommit(7, 1, { topics })).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  it('takes a negative offset as Kafka does: some clients mean the beginning or the end by it', () => {
    const shell = new GroupShell()
    expect(shell.txnCommit(7, -5)).toBe('NONE')
  })
})

describe('fetching', () => {
  function fetch(shell: GroupShell, request: Partial<OffsetFetchRequest>, apiVersion: number) {
    return shell.coordinator.offsetFetch(
      { groupId: '', topics: [], groups: [], requireStable: false, ...request },
      shell.context(apiVersion),
    )
  }

  it.each([1, 2, 5, 7])('version %i asks for one group', (version) => {
    const shell = new GroupShell()
    shell.commit(5)
    const topics = [{ name: 'a', partitionIndexes: [0, 1] }]
    expect(fetch(shell, { groupId: GROUP, topics }, version)).toMatchObject({
      topics: [
        {
          name: 'a',
          partitions: [
            { partitionIndex: 0, committedOffset: 5, metadata: '', errorCode: 'NONE' },
            { partitionIndex: 1, committedOffset: -1, metadata: '', errorCode: 'NONE' },
          ],
        },
      ],
    })
  })

  it('null asks for all partitions, pending ones without a committed offset excluded', () => {
    const shell = new GroupShell()
    shell.commit(5)
    shell.txnCommit(7, 6, { topics: [{ name: 'b', partitions: [partitionToCommit(0, 6)] }] })
    const all = fetch(shell, { groupId: GROUP, topics: null }, 7)
    expect(all.topics?.map(({ name }) => name)).toEqual(['a'])
    expect(fetch(shell, { groupId: 'unknown', topics: null }, 7).topics).toEqual([])
  })

  it('from version 8 on many groups, from version 10 on by topic id', () => {
    const shell = new GroupShell()
    shell.commit(5)
    shell.commit(6, { groupId: 'other' })
    const ask = (groupId: string, topicId: string) => ({
      groupId,
      memberId: null,
      memberEpoch: -1,
      topics: [{ name: '', topicId, partitionIndexes: [0] }],
    })
    const byId = fetch(shell, { groups: [ask(GROUP, A_ID), ask('other', 'ZZZZZZZZZZZZZZZZZZZZZA')] }, 10)
    expect(byId.groups?.map(({ topics }) => topics[0]?.partitions[0])).toMatchObject([
      { committedOffset: 5, errorCode: 'NONE' },
      { committedOffset: -1, errorCode: 'UNKNOWN_TOPIC_ID' },
    ])
    const all = fetch(shell, { groups: [{ groupId: GROUP, memberId: null, memberEpoch: -1, topics: null }] }, 10)
    expect(all.groups?.[0]?.topics).toMatchObject([{ topicId: A_ID, partitions: [{ committedOffset: 5 }] }])
  })

  it('a member id and epoch (version 9) mean nothing to a classic group', () => {
    const shell = new GroupShell()
    shell.commit(5)
    const topics = [{ name: 'a', topicId: ZERO_UUID, partitionIndexes: [0] }]
    const groups = [{ groupId: GROUP, memberId: 'x', memberEpoch: 4, topics }]
    expect(fetch(shell, { groups }, 9).groups?.[0]).toMatchObject({
      topics: [{ partitions: [{ committedOffset: 5 }] }],
    })
  })

  it('an offset of an earlier topic of the same name is not told for the new one', () => {
    const shell = new GroupShell()
    shell.commit(5)
    shell.topics.set('a', { topicId: 'newAAAAAAAAAAAAAAAAAAA', partitions: 4 })
    const topics = [{ name: '', topicId: 'newAAAAAAAAAAAAAAAAAAA', partitionIndexes: [0] }]
    const groups = [{ groupId: GROUP, memberId: null, memberEpoch: -1, topics }]
    expect(fetch(shell, { groups }, 10).groups?.[0]?.topics[0]?.partitions[0]?.committedOffset).toBe(-1)
  })

  it('the error of a whole request lies where its version has it', () => {
    const shell = new GroupShell()
    shell.apply(shell.coordinator.unload())
    const topics = [{ name: 'a', partitionIndexes: [0] }]
    const error = 'COORDINATOR_NOT_AVAILABLE'
    expect(fetch(shell, { topics }, 1).topics?.[0]?.partitions[0]?.errorCode).toBe(error)
    expect(fetch(shell, { topics }, 2)).toEqual({ errorCode: error, topics: [] })
    const groups = [{ groupId: GROUP, memberId: null, memberEpoch: -1, topics: null }]
    expect(fetch(shell, { groups }, 8).groups).toEqual([{ groupId: GROUP, topics: [], errorCode: error }])
  })
})

describe('deleting offsets', () => {
  it('of a topic that a living consumer is subscribed to is refused; of another it is done', () => {
    const shell = new GroupShell()
    const [leader = ''] = shell.stableGroup(1)
    const topics = ['a', 'b'].map((name) => ({ name, topicId: ZERO_UUID, partitions: [partitionToCommit(0, 3)] }))
    shell.commit(0, { memberId: leader, generationIdOrMemberEpoch: 1, topics })
    expect(shell.deleteOffset('a')).toBe('GROUP_SUBSCRIBED_TO_TOPIC')
    expect(shell.deleteOffset('b')).toBe('NONE')
    expect([shell.offset('a'), shell.offset('b')]).toEqual([3, -1])
    shell.leave(leader)
    expect(shell.deleteOffset('a')).toBe('NONE')
  })

  it('of consumers whose subscription cannot be read is refused for every topic', () => {
    const shell = new GroupShell()
    shell.stableGroup(1, { protocols: [{ name: 'range', metadata: bytes('\u0000') }] })
    expect(shell.deleteOffset('b')).toBe('GROUP_SUBSCRIBED_TO_TOPIC')
  })

  it('of a living group of another kind is refused altogether', () => {
    const shell = new GroupShell()
    shell.stableGroup(1, { protocolType: 'connect' })
    expect(shell.deleteOffset()).toBe('NON_EMPTY_GROUP')
  })

  it('names what is unknown', () => {
    const shell = new GroupShell()
    expect(shell.deleteOffset()).toBe('GROUP_ID_NOT_FOUND')
    shell.commit(1)
    expect(shell.deleteOffset('nowhere')).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(shell.deleteOffset('b')).toBe('NONE')
    expect(shell.recordsOf()).toHaveLength(1)
  })
})

describe('time', () => {
  const config = { offsetsRetentionMs: 10_000, offsetsRetentionCheckIntervalMs: 1_000 }

  it('offsets of a simple group expire after their commit, and the group with them', () => {
    const shell = new GroupShell(config)
    shell.commit(1)
    shell.advance(9_000)
    expect(shell.offset()).toBe(1)
    shell.advance(2_000)
    expect(shell.coordinator.counts).toMatchObject({ groups: 0, offsets: 0 })
    expect(shell.recordsOf().slice(1)).toMatchObject([{ value: null }, { type: 'GroupMetadata', value: null }])
  })

  it('offsets of members expire from when the group became empty, not before', () => {
    const shell = new GroupShell(config)
    const [leader = ''] = shell.stableGroup(1, { sessionTimeoutMs: 100_000 })
    shell.commit(1, { memberId: leader, generationIdOrMemberEpoch: 1 })
    shell.advance(50_000)
    expect(shell.offset()).toBe(1)
    shell.leave(leader)
    shell.advance(9_000)
    shell.restart()
    expect(shell.offset()).toBe(1)
    shell.advance(2_000)
    expect(shell.coordinator.counts).toMatchObject({ groups: 0, offsets: 0 })
  })

  it('of a living group of consumers only the topics expire that it no longer reads', () => {
    const shell = new GroupShell(config)
    const [leader = ''] = shell.stableGroup(1, {
      sessionTimeoutMs: 100_000,
      protocols: [{ name: 'range', metadata: subscription('a') }],
    })
    const topics = ['a', 'b'].map((name) => ({ name, topicId: ZERO_UUID, partitions: [partitionToCommit(0, 3)] }))
    shell.commit(0, { memberId: leader, generationIdOrMemberEpoch: 1, topics })
    shell.advance(11_000)
    expect([shell.offset('a'), shell.offset('b')]).toEqual([3, -1])
    expect(shell.state).toBe('Stable')
  })

  it('a pass writes no more than its limit; the rest follows at once', () => {
    const shell = new GroupShell(config, { expiryRecordsPerPassMax: 2 })
    for (let index = 0; index < 5; index++) shell.commit(index, { groupId: `group-${index}` })
    shell.advance(11_000)
    expect(shell.coordinator.counts).toMatchObject({ groups: 0, offsets: 0 })
  })

  it('a group that was joined and left again is not kept for ever', () => {
    const shell = new GroupShell(config)
    const { reply } = shell.join()
    shell.advance(5_000)
    // Not while somebody is about to join it.
    expect(shell.coordinator.counts.groups).toBe(1)
    expect(shell.leave(reply?.memberId ?? '')).toEqual(['NONE'])
    shell.advance(5_000)
    expect(shell.coordinator.counts.groups).toBe(0)
  })

  it('a deleted topic takes its offsets along, committed and pending, but not those of its namesake', () => {
    const shell = new GroupShell()
    shell.commit(1)
    shell.txnCommit(7, 2)
    shell.commit(3, { groupId: 'other' })
    shell.apply(shell.coordinator.topicDeleted({ name: 'a', topicId: 'elseAAAAAAAAAAAAAAAAAA' }))
    expect(shell.offset('a', 0, false, 'other')).toBe(3)
    shell.apply(shell.coordinator.topicDeleted({ name: 'a', topicId: A_ID }))
    shell.marker(7, true)
    expect([shell.offset(), shell.offset('a', 0, true, 'other')]).toEqual([-1, -1])
    expect(shell.coordinator.counts).toMatchObject({ offsets: 0, pendingOffsets: 0 })
  })
})
