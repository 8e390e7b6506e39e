import { describe, expect, it } from 'vitest'
import { ClassicGroup } from './classic-group.ts'
import { CLASSIC_GROUP_TABLE } from './classic-group-table.ts'
import type { ClassicGroupEvent, ClassicGroupState } from './classic-group-table.ts'
import { GROUP, GroupShell, subscription } from './group-shell.test-kit.ts'

type LiveState = Exclude<ClassicGroupState, 'Dead'>

const RANGE = { name: 'range', metadata: subscription('a') }
const ROUND_ROBIN = { name: 'roundrobin', metadata: subscription('a') }

/** A leader and a follower that prefer range and round robin, and a static member whose vote decides for range. */
interface Scene {
  readonly shell: GroupShell
  readonly leader: string
  readonly follower: string
  readonly generationId: number
}

function scene(state: LiveState): Scene {
  const shell = new GroupShell({ groupInitialRebalanceDelayMs: 1 })
  const leading = shell.joinNew({ protocols: [RANGE, ROUND_ROBIN] })
  const following = shell.joinNew({ protocols: [ROUND_ROBIN, RANGE] })
  const fixed = shell.join({ groupInstanceId: 'i', protocols: [RANGE, ROUND_ROBIN] })
  shell.advance(10)
  const generationId = shell.joinReply(leading.token).generationId ?? -1
  const leader = leading.memberId
  const follower = following.memberId
  const made = { shell, leader, follower, generationId }
  if (state === 'CompletingRebalance') return made
  const assignments = { [leader]: 'l', [follower]: 'f', [shell.joinReply(fixed.token).memberId]: 's' }
  shell.sync(leader, generationId, assignments)
  shell.sync(follower, generationId)
  shell.sync(shell.joinReply(fixed.token).memberId, generationId, {}, { groupInstanceId: 'i' })
  if (state === 'PreparingRebalance') shell.join({ memberId: leader, protocols: [RANGE, ROUND_ROBIN] })
  if (state === 'Empty') shell.leave(leader, follower, { memberId: '', groupInstanceId: 'i' })
  expect(shell.state).toBe(state)
  return made
}

/** Does it; answers the error, or what the client sees. */
const REQUESTS: Partial<Record<ClassicGroupEvent, (scene: Scene) => string>> = {
  JoinNewMember: ({ shell }) => joinSays(shell.join({ protocols: [RANGE] }, 3).reply),
  RejoinUnchanged: ({ shell, follower }) =>
    joinSays(shell.join({ memberId: follower, protocols: [ROUND_ROBIN, RANGE] }).reply),
  RejoinUnchangedLeader: ({ shell, leader }) =>
    joinSays(shell.join({ memberId: leader, protocols: [RANGE, ROUND_ROBIN] }).reply),
  RejoinChanged: ({ shell, follower }) => joinSays(shell.join({ memberId: follower, protocols: [RANGE] }).reply),
  ReplaceStaticMember: ({ shell }) =>
    joinSays(shell.join({ groupInstanceId: 'i', protocols: [RANGE, ROUND_ROBIN] }).reply),
  ReplaceStaticMemberOtherProtocol: ({ shell }) =>
    joinSays(shell.join({ groupInstanceId: 'i', protocols: [ROUND_ROBIN, RANGE] }).reply),
  SyncFollower: ({ shell, follower, generationId }) => syncSays(shell.sync(follower, generationId).reply),
  SyncLeader: ({ shell, leader, generationId }) => syncSays(shell.sync(leader, generationId, { [leader]: 'x' }).reply),
  Heartbeat: ({ shell, follower, generationId }) => shell.heartbeat(follower, generationId),
  MemberOffsetCommit: ({ shell, follower, generationId }) =>
    shell.commit(1, { memberId: follower, generationIdOrMemberEpoch: generationId }),
  SimpleOffsetCommit: ({ shell }) => shell.commit(1),
  MemberTxnOffsetCommit: ({ shell, follower, generationId }) =>
    shell.txnCommit(7, 1, { memberId: follower, generationId }),
  SimpleTxnOffsetCommit: ({ shell }) => shell.txnCommit(7, 1),
  OffsetDelete: ({ shell }) => shell.deleteOffset('b'),
  DeleteGroup: ({ shell }) => shell.deleteGroup(),
  MembersRemoved: ({ shell, follower }) => shell.leave(follower)[0] ?? '',
}

function joinSays(reply: ReturnType<GroupShell['join']>['reply']): string {
  if (reply === undefined) return 'waits'
  return reply.errorCode === 'NONE' ? `generation ${reply.generationId}` : reply.errorCode
}

function syncSays(reply: ReturnType<GroupShell['sync']>['reply']): string {
  if (reply === undefined) return 'waits'
  return reply.errorCode === 'NONE' ? 'assignment' : reply.errorCode
}

/** state, event, what the client sees, state afterwards */
const ROWS: [LiveState, ClassicGroupEvent, string, ClassicGroupState][] = [
  ['Empty', 'JoinNewMember', 'waits', 'PreparingRebalance'],
  ['Empty', 'RejoinUnchanged', 'UNKNOWN_MEMBER_ID', 'Empty'],
  ['Empty', 'RejoinUnchangedLeader', 'UNKNOWN_MEMBER_ID', 'Empty'],
  ['Empty', 'RejoinChanged', 'UNKNOWN_MEMBER_ID', 'Empty'],
  ['Empty', 'SyncFollower', 'UNKNOWN_MEMBER_ID', 'Empty'],
  ['Empty', 'SyncLeader', 'UNKNOWN_MEMBER_ID', 'Empty'],
  ['Empty', 'Heartbeat', 'UNKNOWN_MEMBER_ID', 'Empty'],
  ['Empty', 'MemberOffsetCommit', 'UNKNOWN_MEMBER_ID', 'Empty'],
  ['Empty', 'SimpleOffsetCommit', 'NONE', 'Empty'],
  ['Empty', 'MemberTxnOffsetCommit', 'UNKNOWN_MEMBER_ID', 'Empty'],
  ['Empty', 'SimpleTxnOffsetCommit', 'NONE', 'Empty'],
  ['Empty', 'OffsetDelete', 'NONE', 'Empty'],
  ['Empty', 'DeleteGroup', 'NONE', 'Dead'],
  ['Empty', 'MembersRemoved', 'UNKNOWN_MEMBER_ID', 'Empty'],
  ['PreparingRebalance', 'JoinNewMember', 'waits', 'PreparingRebalance'],
  ['PreparingRebalance', 'RejoinUnchanged', 'waits', 'PreparingRebalance'],
  ['PreparingRebalance', 'RejoinUnchangedLeader', 'waits', 'PreparingRebalance'],
  ['PreparingRebalance', 'RejoinChanged', 'waits', 'PreparingRebalance'],
  ['PreparingRebalance', 'ReplaceStaticMember', 'waits', 'PreparingRebalance'],
  ['PreparingRebalance', 'ReplaceStaticMemberOtherProtocol', 'waits', 'PreparingRebalance'],
  ['PreparingRebalance', 'SyncFollower', 'REBALANCE_IN_PROGRESS', 'PreparingRebalance'],
  ['PreparingRebalance', 'SyncLeader', 'REBALANCE_IN_PROGRESS', 'PreparingRebalance'],
  ['PreparingRebalance', 'Heartbeat', 'REBALANCE_IN_PROGRESS', 'PreparingRebalance'],
  ['PreparingRebalance', 'MemberOffsetCommit', 'NONE', 'PreparingRebalance'],
  ['PreparingRebalance', 'SimpleOffsetCommit', 'UNKNOWN_MEMBER_ID', 'PreparingRebalance'],
  ['PreparingRebalance', 'MemberTxnOffsetCommit', 'NONE', 'PreparingRebalance'],
  ['PreparingRebalance', 'SimpleTxnOffsetCommit', 'NONE', 'PreparingRebalance'],
  ['PreparingRebalance', 'OffsetDelete', 'NONE', 'PreparingRebalance'],
  ['PreparingRebalance', 'DeleteGroup', 'NON_EMPTY_GROUP', 'PreparingRebalance'],
  ['PreparingRebalance', 'MembersRemoved', 'NONE', 'PreparingRebalance'],
  ['CompletingRebalance', 'JoinNewMember', 'waits', 'PreparingRebalance'],
  ['CompletingRebalance', 'RejoinUnchanged', 'generation 1', 'CompletingRebalance'],
  ['CompletingRebalance', 'RejoinUnchangedLeader', 'generation 1', 'CompletingRebalance'],
  ['CompletingRebalance', 'RejoinChanged', 'waits', 'PreparingRebalance'],
  ['CompletingRebalance', 'ReplaceStaticMember', 'waits', 'PreparingRebalance'],
  ['CompletingRebalance', 'ReplaceStaticMemberOtherProtocol', 'waits', 'PreparingRebalance'],
  ['CompletingRebalance', 'SyncFollower', 'waits', 'CompletingRebalance'],
  ['CompletingRebalance', 'SyncLeader', 'assignment', 'Stable'],
  ['CompletingRebalance', 'Heartbeat', 'NONE', 'CompletingRebalance'],
  ['CompletingRebalance', 'MemberOffsetCommit', 'REBALANCE_IN_PROGRESS', 'CompletingRebalance'],
  ['CompletingRebalance', 'SimpleOffsetCommit', 'UNKNOWN_MEMBER_ID', 'CompletingRebalance'],
  ['CompletingRebalance', 'MemberTxnOffsetCommit', 'NONE', 'CompletingRebalance'],
  ['CompletingRebalance', 'SimpleTxnOffsetCommit', 'NONE', 'CompletingRebalance'],
  ['CompletingRebalance', 'OffsetDelete', 'NONE', 'CompletingRebalance'],
  ['CompletingRebalance', 'DeleteGroup', 'NON_EMPTY_GROUP', 'CompletingRebalance'],
  ['CompletingRebalance', 'MembersRemoved', 'NONE', 'PreparingRebalance'],
  ['Stable', 'JoinNewMember', 'waits', 'PreparingRebalance'],
  ['Stable', 'RejoinUnchanged', 'generation 1', 'Stable'],
  ['Stable', 'RejoinUnchangedLeader', 'waits', 'PreparingRebalance'],
  ['Stable', 'RejoinChanged', 'waits', 'PreparingRebalance'],
  ['Stable', 'ReplaceStaticMember', 'generation 1', 'Stable'],
  ['Stable', 'ReplaceStaticMemberOtherProtocol', 'waits', 'PreparingRebalance'],
  ['Stable', 'SyncFollower', 'assignment', 'Stable'],
  ['Stable', 'SyncLeader', 'assignment', 'Stable'],
  ['Stable', 'Heartbeat', 'NONE', 'Stable'],
  ['Stable', 'MemberOffsetCommit', 'NONE', 'Stable'],
  ['Stable', 'SimpleOffsetCommit', 'UNKNOWN_MEMBER_ID', 'Stable'],
  ['Stable', 'MemberTxnOffsetCommit', 'NONE', 'Stable'],
  ['Stable', 'SimpleTxnOffsetCommit', 'NONE', 'Stable'],
  ['Stable', 'OffsetDelete', 'NONE', 'Stable'],
  ['Stable', 'DeleteGroup', 'NON_EMPTY_GROUP', 'Stable'],
  ['Stable', 'MembersRemoved', 'NONE', 'PreparingRebalance'],
]

describe('requests by state', () => {
  it.each(ROWS)('%s × %s: the client sees %s, the group is %s', (state, event, seen, after) => {
    const made = scene(state)
    expect(REQUESTS[event]?.(made)).toBe(seen)
    expect(made.shell.state).toBe(after)
  })
})

describe('what follows from time and from the log', () => {
  it.each(['CompletingRebalance', 'Stable'] as const)(
    '%s × SyncTimeout: a new rebalance without the silent',
    (state) => {
      const shell = new GroupShell({ groupInitialRebalanceDelayMs: 1 })
      const silent = shell.joinNew({ rebalanceTimeoutMs: 5_000 })
      const other = shell.joinNew({ rebalanceTimeoutMs: 5_000 })
      shell.advance(10)
      // The leader syncs for Stable, the follower for CompletingRebalance; somebody stays silent in both.
      const { leader } = shell.joinReply(silent.token)
      const follower = leader === silent.memberId ? other.memberId : silent.memberId
      const speaker = state === 'Stable' ? leader : follower
      shell.sync(speaker, 1)
      expect(shell.state).toBe(state)
      shell.advance(5_000)
      expect(shell.state).toBe('PreparingRebalance')
      expect(shell.describe().members.map(({ memberId }) => memberId)).toEqual([speaker])
    },
  )

  const INTERNAL: [ClassicGroupState, ClassicGroupEvent, ClassicGroupState | 'impossible' | 'ignore'][] = [
    ['Empty', 'RebalanceStarted', 'PreparingRebalance'],
    ['PreparingRebalance', 'RebalanceStarted', 'impossible'],
    ['CompletingRebalance', 'RebalanceStarted', 'PreparingRebalance'],
    ['Stable', 'RebalanceStarted', 'PreparingRebalance'],
    ['Dead', 'RebalanceStarted', 'impossible'],
    ['Empty', 'JoinPhaseCompleted', 'impossible'],
    ['PreparingRebalance', 'JoinPhaseCompleted', 'CompletingRebalance'],
    ['CompletingRebalance', 'JoinPhaseCompleted', 'impossible'],
    ['Stable', 'JoinPhaseCompleted', 'impossible'],
    ['Dead', 'JoinPhaseCompleted', 'impossible'],
    ['Empty', 'GenerationStored', 'Stable'],
    ['PreparingRebalance', 'GenerationStored', 'Stable'],
    ['CompletingRebalance', 'GenerationStored', 'Stable'],
    ['Stable', 'GenerationStored', 'Stable'],
    ['Dead', 'GenerationStored', 'impossible'],
    ['Empty', 'EmptyGenerationStored', 'Empty'],
    ['PreparingRebalance', 'EmptyGenerationStored', 'Empty'],
    ['CompletingRebalance', 'EmptyGenerationStored', 'Empty'],
    ['Stable', 'EmptyGenerationStored', 'Empty'],
    ['Dead', 'EmptyGenerationStored', 'impossible'],
    ['Empty', 'Removed', 'Dead'],
    ['PreparingRebalance', 'Removed', 'Dead'],
    ['CompletingRebalance', 'Removed', 'Dead'],
    ['Stable', 'Removed', 'Dead'],
    ['Dead', 'Removed', 'Dead'],
    ['Empty', 'SyncTimeout', 'impossible'],
    ['PreparingRebalance', 'SyncTimeout', 'impossible'],
    ['Dead', 'SyncTimeout', 'ignore'],
    ['Empty', 'ReplaceStaticMember', 'impossible'],
    ['Empty', 'ReplaceStaticMemberOtherProtocol', 'impossible'],
    ['Dead', 'MembersRemoved', 'ignore'],
  ]
  it.each(INTERNAL)('%s × %s → %s', (state, event, expected) => {
    const outcome = CLASSIC_GROUP_TABLE[state][event]
    if (expected === 'impossible' || expected === 'ignore') expect(outcome).toBe(expected)
    else expect(outcome).toEqual({ to: expected })
  })

  it('an impossible event is an assertion', () => {
    const group = new ClassicGroup(GROUP, { bytes: 0 })
    expect(() => group.transition('JoinPhaseCompleted', 0)).toThrow(/JoinPhaseCompleted while Empty/)
  })

  it('the rows here are all rows but those of a dead group, which refuses every request', () => {
    const tested = new Set([...ROWS, ...INTERNAL].map(([state, event]) => `${state} ${event}`))
    for (const state of ['CompletingRebalance', 'Stable']) tested.add(`${state} SyncTimeout`)
    for (const [state, events] of Object.entries(CLASSIC_GROUP_TABLE)) {
      for (const [event, outcome] of Object.entries(events)) {
        if (state !== 'Dead') expect(tested, `${state} ${event}`).toContain(`${state} ${event}`)
        else if (!tested.has(`Dead ${event}`)) expect(outcome).toHaveProperty('refuse')
      }
    }
  })
})
