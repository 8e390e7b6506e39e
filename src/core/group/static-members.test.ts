import { describe, expect, it } from 'vitest'
import { GroupShell, subscription, text } from './group-shell.test-kit.ts'

/** A stable group of a leader (instance 'l') and a follower (instance 'f'), assigned 'L' and 'F'. */
function staticGroup() {
  const shell = new GroupShell({ groupInitialRebalanceDelayMs: 1 })
  const [one, two] = ['l', 'f'].map((groupInstanceId) => shell.join({ groupInstanceId }))
  shell.advance(2)
  const leader = shell.joinReply(one?.token ?? -1).memberId
  const follower = shell.joinReply(two?.token ?? -1).memberId
  shell.sync(leader, 1, { [leader]: 'L', [follower]: 'F' }, { groupInstanceId: 'l' })
  shell.sync(follower, 1, {}, { groupInstanceId: 'f' })
  return { shell, leader, follower }
}

describe('static members (KIP-345)', () => {
  it('join without an id in one step, and their id begins with their instance', () => {
    const { shell, leader } = staticGroup()
    expect(leader).toMatch(/^l-/)
    expect(shell.state).toBe('Stable')
  })

  it('a follower that is back keeps its assignment, and nobody rebalances', () => {
    const { shell, leader, follower } = staticGroup()
    shell.advance(5_000)
    const { reply } = shell.join({ groupInstanceId: 'f' })
    expect(reply).toMatchObject({ errorCode: 'NONE', generationId: 1, leader, skipAssignment: false, members: [] })
    expect(reply?.memberId).not.toBe(follower)
    expect(shell.state).toBe('Stable')
    // The state of the group has not changed, so neither has its time.
    const times = shell
      .recordsOf()
      .map((record) => record.type === 'GroupMetadata' && record.value?.currentStateTimestamp)
    expect(times).toEqual([times[0], times[0]])
    const synced = shell.sync(reply?.memberId ?? '', 1, {}, { groupInstanceId: 'f' })
    expect(text(synced.reply?.assignment)).toBe('F')
    expect(shell.heartbeat(leader, 1, 'l')).toBe('NONE')
  })

  it('the old holder of an instance is fenced in every request', () => {
    const { shell, follower } = staticGroup()
    shell.join({ groupInstanceId: 'f' })
    expect(shell.heartbeat(follower, 1, 'f')).toBe('FENCED_INSTANCE_ID')
    expect(shell.heartbeat(follower, 1)).toBe('UNKNOWN_MEMBER_ID')
    expect(shell.sync(follower, 1, {}, { groupInstanceId: 'f' }).reply?.errorCode).toBe('FENCED_INSTANCE_ID')
    expect(shell.join({ memberId: follower, groupInstanceId: 'f' }).reply?.errorCode).toBe('FENCED_INSTANCE_ID')
    expect(shell.leave({ memberId: follower, groupInstanceId: 'f' })).toEqual(['FENCED_INSTANCE_ID'])
    const commit = { memberId: follower, groupInstanceId: 'f', generationIdOrMemberEpoch: 1 }
    expect(shell.commit(1, commit)).toBe('FENCED_INSTANCE_ID')
    const txnCommit = { memberId: follower, groupInstanceId: 'f', generationId: 1 }
    expect(shell.txnCommit(7, 1, txnCommit)).toBe('FENCED_INSTANCE_ID')
  })

  it('the old holder that waits is told at once that it is fenced', () => {
    const { shell, leader, follower } = staticGroup()
    const joining = shell.join({ memberId: leader, groupInstanceId: 'l' })
    shell.join({ groupInstanceId: 'l' })
    expect(shell.joinReply(joining.token)).toMatchObject({ errorCode: 'FENCED_INSTANCE_ID', memberId: leader })
    shell.join({ memberId: follower, groupInstanceId: 'f' })
    const syncing = shell.sync(follower, 2, {}, { groupInstanceId: 'f' })
    shell.join({ groupInstanceId: 'f' })
    expect(shell.replies.get(syncing.token)).toMatchObject({ errorCode: 'FENCED_INSTANCE_ID' })
    expect(shell.state).toBe('PreparingRebalance')
  })

  it('a leader that is back is told of the members and to leave the assignment alone (KIP-814)', () => {
    const { shell } = staticGroup()
    const { reply } = shell.join({ groupInstanceId: 'l' }, 9)
    expect(reply).toMatchObject({ errorCode: 'NONE', skipAssignment: true, leader: reply?.memberId })
    expect(reply?.members).toHaveLength(2)
  })

  it('below version 9 it is told that the old id leads, so that it does not assign', () => {
    const { shell, leader } = staticGroup()
    const { reply } = shell.join({ groupInstanceId: 'l' }, 8)
    expect(reply).toMatchObject({ errorCode: 'NONE', skipAssignment: false, leader, members: [] })
    // It leads nevertheless, and can force a rebalance.
    expect(shell.join({ memberId: reply?.memberId ?? '', groupInstanceId: 'l' }, 8).reply).toBeUndefined()
  })

  it('one that is replaced before it asked for its assignment does not disturb the group for it later', () => {
    const shell = new GroupShell({ groupInitialRebalanceDelayMs: 1 })
    const overrides = { rebalanceTimeoutMs: 5_000, sessionTimeoutMs: 100_000 }
    const [one] = ['l', 'f'].map((groupInstanceId) => shell.join({ groupInstanceId, ...overrides }))
    shell.advance(2)
    shell.sync(shell.joinReply(one?.token ?? -1).memberId, 1, {}, { groupInstanceId: 'l' })
    expect(shell.join({ groupInstanceId: 'f', ...overrides }).reply?.errorCode).toBe('NONE')
    shell.advance(50_000)
    expect(shell.state).toBe('Stable')
  })

  it('the new id survives a restart, the old one stays fenced', () => {
    const { shell, follower } = staticGroup()
    const memberId = shell.join({ groupInstanceId: 'f' }).reply?.memberId ?? ''
    shell.restart()
    expect(shell.heartbeat(memberId, 1, 'f')).toBe('NONE')
    expect(shell.heartbeat(follower, 1, 'f')).toBe('FENCED_INSTANCE_ID')
    expect(text(shell.sync(memberId, 1, {}, { groupInstanceId: 'f' }).reply?.assignment)).toBe('F')
  })

  it('a change of the chosen protocol makes the return a rebalance', () => {
    const { shell } = staticGroup()
    const protocols = [
      { name: 'roundrobin', metadata: subscription('a') },
      { name: 'range', metadata: subscription('a') },
    ]
    expect(shell.join({ groupInstanceId: 'f', protocols }).reply?.errorCode).toBe('NONE')
    const alone = new GroupShell()
    const first = alone.join({ groupInstanceId: 'x', protocols })
    alone.advance(0)
    const { memberId } = alone.joinReply(first.token)
    alone.sync(memberId, 1, {}, { groupInstanceId: 'x', protocolName: 'roundrobin' })
    const back = alone.join({ groupInstanceId: 'x', protocols: [...protocols].reverse() })
    expect(back.reply).toMatchObject({ errorCode: 'NONE', generationId: 2, protocolName: 'range' })
  })

  it('one that does not rejoin stays in for its session', () => {
    const { shell, leader, follower } = staticGroup()
    const { token } = shell.join({ memberId: leader, groupInstanceId: 'l' })
    shell.heartbeat(follower, 1, 'f')
    shell.advance(9_999)
    expect(shell.replies.has(token)).toBe(false)
    shell.advance(1)
    expect(shell.joinReply(token)).toMatchObject({ errorCode: 'NONE', generationId: 2 })
    expect(shell.describe().members).toHaveLength(1)
  })

  it('when none of them rejoins in time, the rebalance waits on until sessions end', () => {
    const shell = new GroupShell()
    const overrides = { groupInstanceId: 'x', sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 10_000 }
    const { token } = shell.join(overrides)
    shell.advance(0)
    const { memberId } = shell.joinReply(token)
    shell.sync(memberId, 1, {}, { groupInstanceId: 'x' })
    const newcomer = shell.join({ rebalanceTimeoutMs: 10_000 }, 3)
    shell.leave(newcomer.reply?.memberId ?? '', shell.describe().members[1]?.memberId ?? '')
    shell.advance(99_000)
    expect(shell.state).toBe('PreparingRebalance')
    shell.advance(10_000)
    expect(shell.state).toBe('Empty')
  })

  it('an admin removes one by its instance alone', () => {
    const { shell } = staticGroup()
    expect(shell.leave({ memberId: '', groupInstanceId: 'f' })).toEqual(['NONE'])
    expect(shell.leave({ memberId: '', groupInstanceId: 'f' })).toEqual(['UNKNOWN_MEMBER_ID'])
    expect(shell.state).toBe('PreparingRebalance')
  })
})
