import { describe, expect, it } from 'vitest'
import { bytes, GROUP, GroupShell, subscription, text } from './group-shell.test-kit.ts'

const RANGE = { name: 'range', metadata: subscription('a') }
const ROUND_ROBIN = { name: 'roundrobin', metadata: subscription('a') }

describe('joining', () => {
  it.each([0, 1, 2, 3])('a new member of version %i waits at once, without being sent back for an id', (version) => {
    const shell = new GroupShell()
    const { reply, token } = shell.join({}, version)
    expect(reply).toBeUndefined()
    shell.advance(0)
    expect(shell.joinReply(token)).toMatchObject({ errorCode: 'NONE', generationId: 1, protocolName: 'range' })
  })

  it.each([4, 5, 6, 7, 8, 9])('a new dynamic member of version %i is given an id to come back with', (version) => {
    const shell = new GroupShell()
    const { reply } = shell.join({}, version)
    expect(reply).toMatchObject({ errorCode: 'MEMBER_ID_REQUIRED', members: [] })
    expect(reply?.memberId).toMatch(/^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const { token } = shell.join({ memberId: reply?.memberId ?? '' }, version)
    shell.advance(0)
    expect(shell.joinReply(token)).toMatchObject({ errorCode: 'NONE', leader: reply?.memberId })
  })

  it('a protocol name is never null below version 7, and null instead of empty from there on', () => {
    const shell = new GroupShell()
    expect(shell.join({ memberId: 'stranger' }, 6).reply?.protocolName).toBe('')
    expect(shell.join({ memberId: 'stranger' }, 7).reply?.protocolName).toBeNull()
  })

  it.each([
    ['', 10_000, 'INVALID_GROUP_ID'],
    ['x'.repeat(5_000), 10_000, 'INVALID_GROUP_ID'],
    [GROUP, 5_999, 'INVALID_SESSION_TIMEOUT'],
    [GROUP, 1_800_001, 'INVALID_SESSION_TIMEOUT'],
    [GROUP, -1, 'INVALID_SESSION_TIMEOUT'],
  ] as const)('group %.5s with a session of %i ms is refused with %s', (groupId, sessionTimeoutMs, error) => {
    const shell = new GroupShell()
    expect(shell.join({ groupId, sessionTimeoutMs }).reply?.errorCode).toBe(error)
    expect(shell.coordinator.counts.groups).toBe(0)
  })

  it('an unknown group does not know a member that brings an id', () => {
    expect(new GroupShell().join({ memberId: 'stranger' }).reply?.errorCode).toBe('UNKNOWN_MEMBER_ID')
  })

  it('no protocols, no protocol type, another type, or no common protocol: INCONSISTENT_GROUP_PROTOCOL', () => {
    const shell = new GroupShell()
    expect(shell.join({ protocols: [] }).reply?.errorCode).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(shell.join({ protocolType: '' }).reply?.errorCode).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(shell.coordinator.counts.groups).toBe(0)
    shell.stableGroup(1)
    expect(shell.join({ protocolType: 'connect' }).reply?.errorCode).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(shell.join({ protocols: [ROUND_ROBIN] }).reply?.errorCode).toBe('INCONSISTENT_GROUP_PROTOCOL')
  })

  it('the protocol is the one most members prefer among those all support', () => {
    const shell = new GroupShell({ groupInitialRebalanceDelayMs: 10 })
    const sticky = { name: 'sticky', metadata: bytes('s') }
    const first = shell.joinNew({ protocols: [sticky, RANGE, ROUND_ROBIN] })
    shell.joinNew({ protocols: [ROUND_ROBIN, RANGE] })
    shell.joinNew({ protocols: [ROUND_ROBIN, RANGE] })
    shell.advance(20)
    expect(shell.joinReply(first.token).protocolName).toBe('roundrobin')
  })

  it('only the leader is told of the members, with their metadata', () => {
    const shell = new GroupShell({ groupInitialRebalanceDelayMs: 10 })
    const joined = [shell.joinNew(), shell.joinNew({ protocols: [{ name: 'range', metadata: subscription('b') }] })]
    shell.advance(20)
    const [leader, follower] = joined.map(({ token }) => shell.joinReply(token))
    expect(leader?.members.map(({ memberId }) => memberId)).toEqual(joined.map(({ memberId }) => memberId))
    expect(leader?.members[1]?.metadata).toEqual(subscription('b'))
    expect(follower?.members).toEqual([])
  })

  it('the initial delay is extended while members keep coming, up to the rebalance timeout', () => {
    const shell = new GroupShell({ groupInitialRebalanceDelayMs: 3_000 })
    const overrides = { rebalanceTimeoutMs: 7_000 }
    const first = shell.joinNew(overrides)
    for (let second = 0; second < 6; second++) {
      shell.advance(1_000)
      shell.joinNew(overrides)
    }
    shell.advance(999)
    expect(shell.replies.has(first.token)).toBe(false)
    shell.advance(1)
    expect(shell.joinReply(first.token).members).toHaveLength(7)
  })

  it('without newcomers the initial delay ends after its first period', () => {
    const shell = new GroupShell({ groupInitialRebalanceDelayMs: 3_000 })
    const first = shell.joinNew()
    shell.advance(2_999)
    expect(shell.state).toBe('PreparingRebalance')
    shell.advance(1)
    expect(shell.joinReply(first.token).generationId).toBe(1)
  })

  it('a group that is full refuses new members, pending ones included, and keeps the old', () => {
    const shell = new GroupShell({ groupMaxSize: 2 })
    const [leader = ''] = shell.stableGroup(2)
    expect(shell.join({}, 3).reply).toMatchObject({ errorCode: 'GROUP_MAX_SIZE_REACHED', memberId: '' })
    expect(shell.join().reply?.errorCode).toBe('GROUP_MAX_SIZE_REACHED')
    expect(shell.join({ memberId: leader }).reply).toBeUndefined()
    const ids = new GroupShell({ groupMaxSize: 2 })
    expect([ids.join(), ids.join(), ids.join()].map(({ reply }) => reply?.errorCode)).toEqual([
      'MEMBER_ID_REQUIRED',
      'MEMBER_ID_REQUIRED',
      'GROUP_MAX_SIZE_REACHED',
    ])
  })

  it('when a loaded group is over its size, those who rejoin first stay', () => {
    const config = { groupMaxSize: 3 }
    const shell = new GroupShell(config)
    const members = shell.stableGroup(3)
    config.groupMaxSize = 2
    const smaller = new GroupShell({ groupMaxSize: 2 })
    smaller.log.splice(0, smaller.log.length, ...shell.log)
    smaller.restart()
    expect(smaller.state).toBe('PreparingRebalance')
    const rejoined = members.map((memberId) => smaller.join({ memberId }))
    expect(rejoined[2]?.reply?.errorCode).toBe('GROUP_MAX_SIZE_REACHED')
    expect(smaller.joinReply(rejoined[0]?.token ?? -1).errorCode).toBe('NONE')
    expect(smaller.describe().members).toHaveLength(2)
  })

  it('a join that its member repeats before it is answered: the first is told REBALANCE_IN_PROGRESS, the second waits', () => {
    const shell = new GroupShell()
    const [leader = '', follower = ''] = shell.stableGroup(2)
    const first = shell.join({ memberId: leader })
    const second = shell.join({ memberId: leader })
    expect(shell.joinReply(first.token).errorCode).toBe('REBALANCE_IN_PROGRESS')
    shell.join({ memberId: follower })
    expect(shell.joinReply(second.token)).toMatchObject({ errorCode: 'NONE', generationId: 2 })
  })

  it('the rebalance ends at the rebalance timeout: who has not joined is out, and the lead passes on', () => {
    const shell = new GroupShell()
    const [leader = '', follower = ''] = shell.stableGroup(2, { sessionTimeoutMs: 100_000 })
    const { token } = shell.join({ memberId: follower, protocols: [{ name: 'range', metadata: subscription('b') }] })
    shell.advance(59_999)
    expect(shell.replies.has(token)).toBe(false)
    expect(shell.heartbeat(leader, 1)).toBe('REBALANCE_IN_PROGRESS')
    shell.advance(1)
    expect(shell.joinReply(token)).toMatchObject({ errorCode: 'NONE', leader: follower, generationId: 2 })
    expect(shell.heartbeat(leader, 2)).toBe('UNKNOWN_MEMBER_ID')
  })

  it('version 0 rebalances for as long as a session lasts', () => {
    const shell = new GroupShell()
    const { token } = shell.join({ rebalanceTimeoutMs: -1, sessionTimeoutMs: 6_000 }, 0)
    shell.advance(0)
    const memberId = shell.joinReply(token).memberId
    shell.sync(memberId, 1, {}, {}, 0)
    const newcomer = shell.join({}, 3)
    shell.advance(5_999)
    shell.heartbeat(memberId, 1)
    expect(shell.replies.has(newcomer.token)).toBe(false)
  })

  it('groups beyond the limit are refused, the known ones work on', () => {
    const shell = new GroupShell({}, { groupsMax: 1 })
    shell.stableGroup(1)
    expect(shell.join({ groupId: 'other' }).reply?.errorCode).toBe('POLICY_VIOLATION')
    expect(shell.commit(1, { groupId: 'other' })).toBe('POLICY_VIOLATION')
    expect(shell.join().reply?.errorCode).toBe('MEMBER_ID_REQUIRED')
  })
})

describe('syncing', () => {
  function completing(count = 2) {
    const shell = new GroupShell({ groupInitialRebalanceDelayMs: 1 })
    const members = Array.from({ length: count }, () => shell.joinNew().memberId)
    shell.advance(2)
    return { shell, leader: members[0] ?? '', follower: members[1] ?? '' }
  }

  it('followers wait for the leader; everybody gets its part, strangers nothing, and it is written as Kafka does', () => {
    const { shell, leader, follower } = completing()
    const waiting = shell.sync(follower, 1)
    expect(waiting.reply).toBeUndefined()
    const { reply } = shell.sync(leader, 1, { [leader]: 'one', [follower]: 'two', stranger: 'three' })
    expect(text(reply?.assignment)).toBe('one')
    expect(reply).toMatchObject({ protocolType: 'consumer', protocolName: 'range' })
    expect(text((shell.replies.get(waiting.token) as { assignment: Uint8Array }).assignment)).toBe('two')
    const record = shell.recordsOf().at(-1)
    expect(record).toMatchObject({
      type: 'GroupMetadata',
      valueVersion: 3,
      value: { protocolType: 'consumer', protocol: 'range', generation: 1, leader, currentStateTimestamp: shell.nowMs },
    })
    expect(shell.describe().members.map(({ memberId }) => memberId)).toEqual([leader, follower])
  })

  it('a member that the leader forgot gets an empty assignment', () => {
    const { shell, leader, follower } = completing()
    shell.sync(leader, 1, { [leader]: 'all' })
    expect(shell.sync(follower, 1).reply).toMatchObject({ errorCode: 'NONE', assignment: new Uint8Array(0) })
  })

  it('an assignment from somebody else than the leader counts for nothing', () => {
    const { shell, leader, follower } = completing()
    expect(shell.sync(follower, 1, { [follower]: 'everything' }).reply).toBeUndefined()
    expect(shell.state).toBe('CompletingRebalance')
    shell.sync(leader, 1, { [follower]: 'little' })
    expect(text(shell.describe().members[1]?.memberAssignment)).toBe('little')
  })

  it('refusals: group, member, generation, protocol', () => {
    const { shell, leader } = completing()
    const says = (memberId: string, generationId: number, overrides = {}, version = 5) =>
      shell.sync(memberId, generationId, {}, overrides, version).reply?.errorCode
    expect(says(leader, 1, { groupId: '' })).toBe('INVALID_GROUP_ID')
    expect(says(leader, 1, { groupId: 'nobody' })).toBe('UNKNOWN_MEMBER_ID')
    expect(says('stranger', 1)).toBe('UNKNOWN_MEMBER_ID')
    expect(says(leader, 0)).toBe('ILLEGAL_GENERATION')
    expect(says(leader, 1, { protocolName: 'other' })).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(says(leader, 1, { protocolType: 'connect' })).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(says(leader, 1, { protocolName: null })).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(says(leader, 1, { protocolName: null, protocolType: null }, 4)).toBe('NONE')
  })

  it('who waits for an assignment is called to a rebalance that begins meanwhile', () => {
    const { shell, follower } = completing()
    const waiting = shell.sync(follower, 1)
    shell.join({}, 3)
    expect(shell.replies.get(waiting.token)).toMatchObject({ errorCode: 'REBALANCE_IN_PROGRESS' })
  })

  it('a session that ran out while its member waited for the assignment starts anew with it', () => {
    const { shell, leader, follower } = completing()
    shell.sync(follower, 1)
    for (let time = 0; time < 3; time++) {
      shell.advance(9_000)
      shell.heartbeat(leader, 1)
    }
    shell.sync(leader, 1, { [follower]: 'x' })
    shell.advance(9_000)
    expect(shell.heartbeat(leader, 1)).toBe('NONE')
    expect(shell.describe().members).toHaveLength(2)
    shell.advance(9_000)
    expect(shell.heartbeat(leader, 1)).toBe('REBALANCE_IN_PROGRESS')
    expect(shell.describe().members).toHaveLength(1)
  })

  it('a sync that its member repeats: the first is told REBALANCE_IN_PROGRESS', () => {
    const { shell, leader, follower } = completing()
    const first = shell.sync(follower, 1)
    const second = shell.sync(follower, 1)
    expect(shell.replies.get(first.token)).toMatchObject({ errorCode: 'REBALANCE_IN_PROGRESS' })
    shell.sync(leader, 1, { [follower]: 'x' })
    expect(shell.replies.get(second.token)).toMatchObject({ errorCode: 'NONE' })
  })

  it('a leader that leaves while others wait for it: they are called to rejoin, nobody hangs', () => {
    const { shell, leader, follower } = completing()
    const waiting = shell.sync(follower, 1)
    shell.leave(leader)
    expect(shell.replies.get(waiting.token)).toMatchObject({ errorCode: 'REBALANCE_IN_PROGRESS' })
    const { reply } = shell.join({ memberId: follower })
    expect(reply).toMatchObject({ errorCode: 'NONE', leader: follower, generationId: 2 })
  })

  it('an assignment over its limit is refused, and the group starts over', () => {
    const shell = new GroupShell({}, { assignmentBytesMax: 10 })
    const { memberId } = shell.joinNew()
    shell.advance(0)
    expect(shell.sync(memberId, 1, { [memberId]: 'more than ten bytes' }).reply?.errorCode).toBe('UNKNOWN_SERVER_ERROR')
    expect(shell.state).toBe('PreparingRebalance')
    shell.join({ memberId })
    const assignments = { [memberId]: 'few bytes', stranger: 'more than ten bytes' }
    expect(shell.sync(memberId, 2, assignments).reply?.errorCode).toBe('NONE')
  })
})

describe('sessions', () => {
  it('a silent member is out after its session, and the others are called', () => {
    const shell = new GroupShell()
    const [leader = '', follower = ''] = shell.stableGroup(2)
    shell.advance(9_000)
    expect(shell.heartbeat(leader, 1)).toBe('NONE')
    shell.advance(1_000)
    expect(shell.heartbeat(leader, 1)).toBe('REBALANCE_IN_PROGRESS')
    expect(shell.describe().members.map(({ memberId }) => memberId)).toEqual([leader])
    expect(shell.heartbeat(follower, 1)).toBe('UNKNOWN_MEMBER_ID')
  })

  it('commits keep a session alive, as heartbeats do', () => {
    const shell = new GroupShell()
    const [leader = ''] = shell.stableGroup(1)
    for (let time = 0; time < 5; time++) {
      shell.advance(9_000)
      expect(shell.commit(time, { memberId: leader, generationIdOrMemberEpoch: 1 })).toBe('NONE')
    }
    expect(shell.state).toBe('Stable')
  })

  it('an id that was given out and never used is forgotten', () => {
    const shell = new GroupShell()
    const memberId = shell.join().reply?.memberId ?? ''
    shell.advance(10_000)
    expect(shell.join({ memberId }).reply?.errorCode).toBe('UNKNOWN_MEMBER_ID')
    expect(shell.coordinator.counts.deadlines).toBe(1)
  })

  it('a pending id holds up a rebalance no longer than its session', () => {
    const shell = new GroupShell()
    const [leader = ''] = shell.stableGroup(1, { sessionTimeoutMs: 1_000_000 })
    shell.join()
    const { token, reply } = shell.join({ memberId: leader, sessionTimeoutMs: 1_000_000 })
    expect(reply).toBeUndefined()
    shell.advance(10_000)
    expect(shell.joinReply(token).errorCode).toBe('NONE')
  })

  it('a new member that waits for too long is dropped and told so, an old one is not', () => {
    const shell = new GroupShell()
    const [old = ''] = shell.stableGroup(1, { sessionTimeoutMs: 1_000_000, rebalanceTimeoutMs: 1_000_000 })
    const { token } = shell.join({ sessionTimeoutMs: 6_000 }, 3)
    shell.advance(300_000)
    expect(shell.joinReply(token)).toMatchObject({ errorCode: 'UNKNOWN_MEMBER_ID', memberId: '' })
    expect(shell.heartbeat(old, 1)).toBe('REBALANCE_IN_PROGRESS')
  })

  it('the last member gone leaves an empty group of the next generation, which is written', () => {
    const shell = new GroupShell()
    shell.stableGroup(1)
    shell.advance(10_000)
    expect(shell.state).toBe('Empty')
    expect(shell.recordsOf().at(-1)).toMatchObject({
      value: { generation: 2, protocol: null, leader: null, members: [] },
    })
  })

  it('nothing of a group that is gone is due any more', () => {
    const shell = new GroupShell()
    const members = shell.stableGroup(3)
    shell.join()
    shell.leave(...members)
    shell.advance(0)
    expect(shell.deleteGroup()).toBe('NONE')
    expect(shell.coordinator.counts).toMatchObject({ groups: 0, memberBytes: 0, deadlines: 1 })
  })
})

describe('leaving', () => {
  it('a batch names an error for each member, and one rebalance follows', () => {
    const shell = new GroupShell()
    const [leader = '', one = '', two = ''] = shell.stableGroup(3)
    expect(shell.leave(one, 'stranger', two, one)).toEqual(['NONE', 'UNKNOWN_MEMBER_ID', 'NONE', 'UNKNOWN_MEMBER_ID'])
    expect(shell.join({ memberId: leader }).reply).toMatchObject({ errorCode: 'NONE', generationId: 2 })
  })

  it.each([0, 1, 2])('version %i has one member, whose error is that of the response', (version) => {
    const shell = new GroupShell()
    const [leader = ''] = shell.stableGroup(1)
    const leave = (memberId: string) =>
      shell.apply(shell.coordinator.leaveGroup({ groupId: GROUP, memberId, members: [] }, shell.context(version)))
    expect(leave('stranger')).toEqual({ errorCode: 'UNKNOWN_MEMBER_ID' })
    expect(leave(leader)).toEqual({ errorCode: 'NONE' })
    expect(shell.state).toBe('Empty')
  })

  it('an unknown group knows no members; no group id is invalid', () => {
    const shell = new GroupShell()
    expect(shell.leave('stranger')).toEqual(['UNKNOWN_MEMBER_ID'])
    const request = { groupId: '', memberId: 'x', members: [] }
    expect(shell.apply(shell.coordinator.leaveGroup(request, shell.context(0))).errorCode).toBe('INVALID_GROUP_ID')
  })

  it('an id that never joined leaves without disturbing a stable group', () => {
    const shell = new GroupShell()
    shell.stableGroup(1)
    expect(shell.leave(shell.join().reply?.memberId ?? '')).toEqual(['NONE'])
    expect(shell.state).toBe('Stable')
  })

  it('who leaves while it waits is answered', () => {
    const shell = new GroupShell()
    const [leader = '', follower = ''] = shell.stableGroup(2)
    const { token } = shell.join({ memberId: leader })
    shell.leave(leader)
    expect(shell.joinReply(token).errorCode).toBe('UNKNOWN_MEMBER_ID')
    expect(shell.join({ memberId: follower }).reply?.errorCode).toBe('NONE')
  })
})

describe('groups as a whole', () => {
  it('a stable group is described with metadata and assignments, any other without metadata', () => {
    const shell = new GroupShell()
    const [leader = ''] = shell.stableGroup(1)
    expect(shell.describe()).toMatchObject({
      errorCode: 'NONE',
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [
        {
          memberId: leader,
          groupInstanceId: null,
          clientId: 'client',
          clientHost: '/127.0.0.1',
          memberMetadata: RANGE.metadata,
        },
      ],
    })
    shell.join()
    shell.join({ memberId: leader })
    expect(shell.describe()).toMatchObject({ groupState: 'PreparingRebalance', protocolData: '' })
    expect(shell.describe().members[0]?.memberMetadata).toHaveLength(0)
  })

  it('an unknown group is Dead, and an error from version 6 on', () => {
    const shell = new GroupShell()
    expect(shell.describe()).toMatchObject({ errorCode: 'GROUP_ID_NOT_FOUND', groupState: 'Dead' })
    const request = { groups: [GROUP], includeAuthorizedOperations: false }
    const described = shell.coordinator.describeGroups(request, shell.context(5)).groups[0]
    expect(described).toMatchObject({ errorCode: 'NONE', groupState: 'Dead', members: [] })
  })

  it('groups are listed by state and type, whatever the case', () => {
    const shell = new GroupShell()
    shell.stableGroup(1)
    shell.commit(1, { groupId: 'simple' })
    const list = (statesFilter: string[], typesFilter: string[] = []) =>
      shell.coordinator.listGroups({ statesFilter, typesFilter }).groups.map(({ groupId }) => groupId)
    expect(list([])).toEqual([GROUP, 'simple'])
    expect(list(['STABLE'])).toEqual([GROUP])
    expect(list([' empty '], ['Classic'])).toEqual(['simple'])
    expect(list([], ['consumer'])).toEqual([])
    expect(list(['nonsense'])).toEqual([])
    expect(shell.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).groups[1]).toEqual({
      groupId: 'simple',
      protocolType: '',
      groupState: 'Empty',
      groupType: 'classic',
    })
  })

  it('a group is deleted with its offsets, once however often it is named, and only when it is empty', () => {
    const shell = new GroupShell()
    const [leader = ''] = shell.stableGroup(1)
    shell.commit(5, { memberId: leader, generationIdOrMemberEpoch: 1 })
    expect(shell.deleteGroup()).toBe('NON_EMPTY_GROUP')
    shell.leave(leader)
    const reply = shell.apply(shell.coordinator.deleteGroups({ groupsNames: [GROUP, GROUP, 'other'] }))
    expect(reply.results).toEqual([
      { groupId: GROUP, errorCode: 'NONE' },
      { groupId: 'other', errorCode: 'GROUP_ID_NOT_FOUND' },
    ])
    expect(shell.offset()).toBe(-1)
    expect(shell.coordinator.counts).toMatchObject({ groups: 0, offsets: 0 })
    shell.restart()
    expect(shell.coordinator.counts).toMatchObject({ groups: 0, offsets: 0 })
  })

  it('a coordinator that stops answers who waits, and refuses who comes later', () => {
    const shell = new GroupShell()
    const [leader = '', follower = ''] = shell.stableGroup(2)
    const { token } = shell.join({ memberId: leader })
    shell.apply(shell.coordinator.unload())
    expect(shell.joinReply(token).errorCode).toBe('NOT_COORDINATOR')
    expect(shell.heartbeat(follower, 1)).toBe('COORDINATOR_NOT_AVAILABLE')
    expect(shell.join().reply?.errorCode).toBe('COORDINATOR_NOT_AVAILABLE')
    expect(shell.sync(leader, 1).reply?.errorCode).toBe('COORDINATOR_NOT_AVAILABLE')
    expect(shell.leave(leader)).toEqual(['COORDINATOR_NOT_AVAILABLE'])
    expect(shell.commit(1)).toBe('COORDINATOR_NOT_AVAILABLE')
    expect(shell.deleteGroup()).toBe('COORDINATOR_NOT_AVAILABLE')
    expect(shell.describe().errorCode).toBe('COORDINATOR_NOT_AVAILABLE')
    expect(shell.coordinator.nextDeadlineMs()).toBeUndefined()
  })
})

describe('a restart', () => {
  it('keeps members and generation: heartbeats, commits and syncs go on without a rebalance', () => {
    const shell = new GroupShell()
    const [leader = '', follower = ''] = shell.stableGroup(2)
    shell.advance(9_999)
    shell.restart()
    expect(shell.state).toBe('Stable')
    shell.advance(9_999)
    expect(shell.heartbeat(leader, 1)).toBe('NONE')
    expect(shell.heartbeat(follower, 1)).toBe('NONE')
    expect(shell.commit(3, { memberId: follower, generationIdOrMemberEpoch: 1 })).toBe('NONE')
    expect(text(shell.sync(follower, 1).reply?.assignment)).toBe(follower)
    expect(shell.join({ memberId: follower }).reply).toMatchObject({ errorCode: 'NONE', generationId: 1 })
  })

  it('lets sessions run from then on', () => {
    const shell = new GroupShell()
    shell.stableGroup(2)
    shell.restart()
    shell.advance(10_000)
    expect(shell.state).toBe('Empty')
  })

  it('in the middle of a rebalance goes back to the last generation, whose members rejoin', () => {
    const shell = new GroupShell()
    const [leader = '', follower = ''] = shell.stableGroup(2)
    shell.join({ memberId: leader })
    shell.join({ memberId: follower })
    expect(shell.state).toBe('CompletingRebalance')
    shell.restart()
    expect(shell.state).toBe('Stable')
    expect(shell.heartbeat(leader, 2)).toBe('ILLEGAL_GENERATION')
    expect(shell.heartbeat(leader, 1)).toBe('NONE')
  })

  it('of the first rebalance forgets the group, whose members start over', () => {
    const shell = new GroupShell({ groupInitialRebalanceDelayMs: 1_000 })
    const { memberId } = shell.joinNew()
    shell.restart()
    expect(shell.join({ memberId }).reply?.errorCode).toBe('UNKNOWN_MEMBER_ID')
    expect(shell.recordsOf()).toEqual([])
  })
})
