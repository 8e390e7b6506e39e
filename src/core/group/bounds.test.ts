/** What hostile or merely huge groups cost. Group 21 of ../shared/reference/reliability.md E.3. */
import { describe, expect, it } from 'vitest'
import { bytes, GroupShell, subscription } from './group-shell.test-kit.ts'

describe('a hundred thousand members', () => {
  // Takes about a second; a step that is quadratic in the number of members would take minutes.
  it('join, get a generation, send heartbeats and go, in a time that grows with their number', {
    timeout: 20_000,
  }, () => {
    const count = 100_000
    const shell = new GroupShell(
      { groupInitialRebalanceDelayMs: 60_000, groupMaxSize: count },
      { groupBytesMax: 1 << 30 },
    )
    const overrides = { rebalanceTimeoutMs: 60_000, protocols: [{ name: 'range', metadata: subscription('a') }] }
    const tokens = Array.from({ length: count }, () => shell.join(overrides, 3).token)
    expect(shell.join(overrides, 3).reply?.errorCode).toBe('GROUP_MAX_SIZE_REACHED')
    shell.advance(60_000)
    const leader = shell.joinReply(tokens[0] ?? -1)
    expect(leader.members).toHaveLength(count)
    shell.sync(leader.memberId, 1, { [leader.memberId]: 'all' })
    const errors = new Set(leader.members.map(({ memberId }) => shell.heartbeat(memberId, 1)))
    expect([...errors]).toEqual(['NONE'])
    expect(shell.coordinator.counts.deadlines).toBe(count + 2)
    // All fall silent at once: each is removed, the leader among the first.
    shell.advance(60_000)
    expect(shell.state).toBe('Empty')
    expect(shell.coordinator.counts).toMatchObject({ memberBytes: 0, deadlines: 1 })
  })
})

describe('large metadata', () => {
  const megabyte = { name: 'range', metadata: new Uint8Array(1024 * 1024) }

  it('one megabyte of a member is taken; more than its limit is refused and kept nowhere', () => {
    const shell = new GroupShell({}, { groupBytesMax: 2.5 * 1024 * 1024 })
    const { token } = shell.joinNew({ protocols: [megabyte] })
    shell.advance(0)
    expect(shell.joinReply(token).errorCode).toBe('NONE')
    const two = [megabyte, { ...megabyte, name: 'other' }]
    expect(shell.join({ protocols: two }).reply?.errorCode).toBe('MESSAGE_TOO_LARGE')
    const bytesBefore = shell.coordinator.counts.memberBytes
    shell.join({ protocols: [megabyte] }, 3)
    expect(shell.join({ protocols: [megabyte] }, 3).reply?.errorCode).toBe('GROUP_MAX_SIZE_REACHED')
    expect(shell.coordinator.counts.memberBytes).toBeLessThan(bytesBefore * 2 + 1_000)
  })

  it('what a member says again is not counted twice', () => {
    const shell = new GroupShell({}, { groupBytesMax: 1.5 * 1024 * 1024 })
    const { memberId } = shell.joinNew({ protocols: [megabyte] })
    shell.advance(0)
    for (let time = 0; time < 3; time++) {
      expect(shell.join({ memberId, protocols: [megabyte] }).reply?.errorCode).toBe('NONE')
    }
  })

  it('over all groups there is a limit too', () => {
    const shell = new GroupShell({}, { groupBytesTotalMax: 2.5 * 1024 * 1024 })
    const join = (groupId: string) => shell.join({ groupId, protocols: [megabyte] }, 3).reply?.errorCode
    expect([join('one'), join('two'), join('three')]).toEqual([undefined, undefined, 'POLICY_VIOLATION'])
  })

  it('many empty protocols are not free', () => {
    const protocols = Array.from({ length: 50_000 }, (_, index) => ({ name: `${index}`, metadata: new Uint8Array(0) }))
    expect(new GroupShell().join({ protocols }).reply?.errorCode).toBe('MESSAGE_TOO_LARGE')
  })

  it('the bytes of a request are copied: a frame that is used again changes nothing', () => {
    const shell = new GroupShell()
    const metadata = subscription('a')
    const { memberId } = shell.joinNew({ protocols: [{ name: 'range', metadata }] })
    shell.advance(0)
    metadata.fill(0xff)
    shell.sync(memberId, 1, { [memberId]: 'x' })
    expect(shell.describe().members[0]?.memberMetadata).toEqual(subscription('a'))
  })
})

describe('malformed content', () => {
  it('metadata that is no subscription, and assignments that are nonsense, are passed on as they are', () => {
    const shell = new GroupShell()
    const { memberId } = shell.joinNew({ protocols: [{ name: 'range', metadata: bytes('garbage') }] })
    shell.advance(0)
    expect(shell.sync(memberId, 1, { [memberId]: 'nonsense' }).reply?.errorCode).toBe('NONE')
    shell.restart()
    expect(shell.describe().members[0]?.memberMetadata).toEqual(bytes('garbage'))
  })

  it('a protocol named twice counts once', () => {
    const shell = new GroupShell()
    const protocol = { name: 'range', metadata: subscription('a') }
    const { memberId } = shell.joinNew({ protocols: [protocol, protocol] })
    shell.advance(0)
    shell.sync(memberId, 1)
    shell.leave(memberId)
    expect(shell.state).toBe('Empty')
    expect(shell.join({ protocols: [protocol] }).reply?.errorCode).toBe('MEMBER_ID_REQUIRED')
  })
})
