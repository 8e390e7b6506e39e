/** A member of a group, as lists of calls: what it asks, what it tells the consumer to do, row by row of its table. */
import { describe, expect, test } from 'vitest'
import { decodeRecord, encodeRecord } from '../../../protocol/codec.ts'
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import { consumerProtocolAssignment } from '../../../protocol/messages/consumer-protocol-assignment.ts'
import { consumerProtocolSubscription } from '../../../protocol/messages/consumer-protocol-subscription.ts'
import { heartbeat } from '../../../protocol/messages/heartbeat.ts'
import { joinGroup } from '../../../protocol/messages/join-group.ts'
import { leaveGroup } from '../../../protocol/messages/leave-group.ts'
import { syncGroup } from '../../../protocol/messages/sync-group.ts'
import { type Api, ZERO_UUID } from '../../../protocol/schema.ts'
import { KafkaError } from '../../errors.ts'
import type { ClusterView, CoreRequest } from '../client-core.ts'
import { rangeAssignor } from './assignors/range.ts'
import { cooperativeStickyAssignor } from './assignors/sticky.ts'
import { GroupMember, type GroupMemberOptions } from './group-member.ts'
import { MEMBER_TABLE, type MemberEvent, type MemberState } from './member-table.ts'

const OPTIONS: GroupMemberOptions = {
  groupId: 'g',
  groupInstanceId: null,
  assignors: [rangeAssignor],
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  heartbeatIntervalMs: 3_000,
  maxPollIntervalMs: 60_000,
  requestTimeoutMs: 30_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1_000,
}

class World {
  readonly member: GroupMember
  nowMs = 10_000
  partitions: number | undefined = 4
  forgotten = 0
  #requests: CoreRequest[] = []

  constructor(options: Partial<GroupMemberOptions> = {}) {
    this.member = new GroupMember({ ...OPTIONS, ...options })
    this.member.subscribe(['t'])
    this.member.beginPoll(this.nowMs)
  }

  get cluster(): ClusterView {
    const { partitions } = this
    return {
      revision: 1,
      isConnected: true,
      topic: (name) =>
        partitions === undefined
          ? undefined
          : {
              name,
              topicId: ZERO_UUID,
              isInternal: false,
              error: undefined,
              partitions: Array.from({ length: partitions }, (_, partition) => ({
                partition,
                leaderId: 1,
                leaderEpoch: 0,
                replicaIds: [1],
                inSyncReplicaIds: [1],
              })),
            },
      topicById: () => undefined,
      apiVersion: () => 5,
      apiVersionEverywhere: () => 5,
      featureLevel: () => 0,
    }
  }

  poll(): readonly string[] {
    const { requests, forgetCoordinators } = this.member.poll(this.nowMs, this.cluster)
    this.forgotten += forgetCoordinators?.length ?? 0
    this.#requests.push(...requests)
    return requests.map(({ api }) => api.name)
  }

  /** The oldest request of an API that has no answer. */
  take(api: Api): CoreRequest {
    const index = this.#requests.findIndex((request) => request.api.key === api.key)
    if (index < 0) throw new Error(`no ${api.name} was asked`)
    return this.#requests.splice(index, 1)[0] as CoreRequest
  }

  answer(api: Api, response: object): void {
    const { id } = this.take(api)
    this.member.onReply(id, { ok: true, response: response as never, version: 5, nodeId: 1, broker: 'b' }, this.nowMs)
  }

  joined(
    options: {
      generationId?: number
      leader?: string
      members?: readonly string[]
      errorCode?: ErrorCode
      skipAssignment?: boolean
    } = {},
  ): void {
    const { generationId = 1, leader = 'other', members = [], errorCode = 'NONE', skipAssignment = false } = options
    this.answer(joinGroup, {
      errorCode,
      generationId,
      protocolName: this.isCooperative ? 'cooperative-sticky' : 'range',
      leader,
      skipAssignment,
      memberId: 'me',
      members: members.map((memberId) => ({
        memberId,
        groupInstanceId: null,
        metadata: encodeRecord(consumerProtocolSubscription, 1, { topics: ['t'] }),
      })),
    })
  }

  isCooperative = false

  synced(partitions: readonly number[], errorCode: ErrorCode = 'NONE'): void {
    const assignment = encodeRecord(consumerProtocolAssignment, 1, { assignedPartitions: [{ topic: 't', partitions }] })
    this.answer(syncGroup, { errorCode, assignment })
  }

  beat(errorCode: ErrorCode = 'NONE'): void {
    this.nowMs += 3_000
    this.poll()
    this.answer(heartbeat, { errorCode })
  }

  tasks(): string[] {
    const tasks: string[] = []
    for (let task = this.member.nextTask(); task !== undefined; task = this.member.nextTask()) {
      const partitions = task.kind === 'assign' ? task.all : task.partitions
      tasks.push(`${task.kind} ${partitions.map(({ partition }) => partition).join(',')}`)
    }
    return tasks
  }

  /** A member of generation 1 with these partitions, led by somebody else. */
  static stable(partitions: readonly number[], options: Partial<GroupMemberOptions> = {}): World {
    const world = new World(options)
    world.isCooperative = options.assignors?.[0] === cooperativeStickyAssignor
    world.poll()
    world.joined()
    world.poll()
    world.synced(partitions)
    world.tasks()
    return world
  }
}

describe('joining', () => {
  test('nobody joins before it wants something, or while the consumer does not poll', () => {
    const world = new World()
    world.member.endPoll(world.nowMs)
    expect(world.poll()).toEqual([])
    const idle = new GroupMember(OPTIONS)
    idle.beginPoll(0)
    expect(idle.poll(0, world.cluster).requests).toEqual([])
  })

  test('a new member is given an id first, then joins, syncs and learns its partitions', () => {
    const world = new World()
    expect(world.poll()).toEqual(['JoinGroup'])
    expect(world.poll()).toEqual([])
    world.answer(joinGroup, { errorCode: 'MEMBER_ID_REQUIRED', memberId: 'me' })
    expect(world.poll()).toEqual(['JoinGroup'])
    const request = world.take(joinGroup)
    expect(request.body).toMatchObject({ memberId: 'me', protocolType: 'consumer', protocols: [{ name: 'range' }] })
    world.member.onReply(
      request.id,
      {
        ok: true,
        response: {
          errorCode: 'NONE',
          generationId: 1,
          protocolName: 'range',
          leader: 'x',
          memberId: 'me',
          members: [],
        },
        version: 5,
        nodeId: 1,
        broker: 'b',
      },
      world.nowMs,
    )
    expect(world.poll()).toEqual(['SyncGroup'])
    world.synced([2, 3])
    expect(world.member.state).toBe('Stable')
    expect(world.tasks()).toEqual(['assign 2,3'])
    expect(world.member.metadata).toEqual({ groupId: 'g', generationId: 1, memberId: 'me', groupInstanceId: null })
  })

  test('the leader assigns once it knows the topics of all members', () => {
    const world = new World()
    world.partitions = undefined
    world.poll()
    world.joined({ leader: 'me', members: ['me', 'you'] })
    expect(world.poll()).toEqual([])
    world.partitions = 4
    expect(world.poll()).toEqual(['SyncGroup'])
    const { assignments } = world.take(syncGroup).body as unknown as {
      assignments: { memberId: string; assignment: Uint8Array }[]
    }
    const shares = assignments.map(({ memberId, assignment }) => [
      memberId,
      decodeRecord(consumerProtocolAssignment, assignment).assignedPartitions,
    ])
    expect(shares).toEqual([
      ['me', [{ topic: 't', partitions: [0, 1] }]],
      ['you', [{ topic: 't', partitions: [2, 3] }]],
    ])
  })

  test('a leader that is back with nothing to change assigns nothing (KIP-814)', () => {
    const world = new World({ groupInstanceId: 'i' })
    world.poll()
    world.joined({ leader: 'me', members: ['me'], skipAssignment: true })
    world.poll()
    expect(world.take(syncGroup).body).toMatchObject({ assignments: [], groupInstanceId: 'i' })
  })

  test('more partitions than were assigned call for another round', () => {
    const world = new World()
    world.poll()
    world.joined({ leader: 'me', members: ['me'] })
    world.poll()
    world.synced([0, 1, 2, 3])
    world.tasks()
    expect(world.poll()).toEqual([])
    world.partitions = 6
    world.poll()
    expect(world.tasks()).toEqual(['revoke 0,1,2,3'])
  })

  test.each(['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE'] as const)(
    '%s: the coordinator is looked up anew, and asked after a pause',
    (errorCode) => {
      const world = new World()
      world.poll()
      world.joined({ errorCode })
      expect(world.poll()).toEqual([])
      expect(world.forgotten).toBe(1)
      world.nowMs += 100
      expect(world.poll()).toEqual(['JoinGroup'])
    },
  )

  test.each([
    'INCONSISTENT_GROUP_PROTOCOL',
    'INVALID_SESSION_TIMEOUT',
    'GROUP_AUTHORIZATION_FAILED',
    'GROUP_MAX_SIZE_REACHED',
  ] as const)('%s ends the member', (errorCode) => {
    const world = new World()
    world.poll()
    world.joined({ errorCode })
    expect(world.member.state).toBe('Fatal')
    expect(world.member.error).toMatchObject({ code: errorCode })
    expect(world.poll()).toEqual([])
  })

  test('an assignor that throws, or gives an answer that cannot be read, ends the member with that', () => {
    const broken = {
      name: 'range',
      isCooperative: false,
      assign: () => {
        throw new Error('oops')
      },
    }
    const world = new World({ assignors: [broken] })
    world.poll()
    world.joined({ leader: 'me', members: ['me'] })
    world.poll()
    expect(world.member.error).toMatchObject({ code: 'USER_CODE_FAILED', message: expect.stringContaining('oops') })
    const other = new World()
    other.poll()
    other.joined()
    other.poll()
    other.answer(syncGroup, { errorCode: 'NONE', assignment: new Uint8Array([0, 1, 0, 0, 0, 9]) })
    expect(other.member.error).toMatchObject({ code: 'INVALID_RESPONSE' })
  })
})

describe('rebalances', () => {
  test('an eager member gives everything up before it joins again, and is heard of meanwhile', () => {
    const world = World.stable([0, 1])
    world.beat('REBALANCE_IN_PROGRESS')
    world.poll()
    expect(world.member.state).toBe('Revoking')
    expect(world.tasks()).toEqual(['revoke 0,1'])
    world.nowMs += 3_000
    expect(world.poll()).toEqual(['Heartbeat'])
    world.member.revoked()
    expect(world.poll()).toEqual(['JoinGroup'])
    world.joined({ generationId: 2 })
    world.poll()
    world.synced([1])
    expect(world.tasks()).toEqual(['assign 1'])
  })

  test('it waits until the consumer polls: records are being processed until then', () => {
    const world = World.stable([0])
    world.member.endPoll(world.nowMs)
    world.beat('REBALANCE_IN_PROGRESS')
    expect(world.poll()).toEqual([])
    expect(world.member.hasTask).toBe(false)
    world.member.beginPoll(world.nowMs)
    world.poll()
    expect(world.tasks()).toEqual(['revoke 0'])
  })

  test('a cooperative member keeps what it has, gives up what was taken, and joins again to say so', () => {
    const world = World.stable([0, 1], { assignors: [cooperativeStickyAssignor] })
    world.beat('REBALANCE_IN_PROGRESS')
    expect(world.poll()).toEqual(['JoinGroup'])
    expect(world.tasks()).toEqual([])
    world.joined({ generationId: 2 })
    world.poll()
    world.synced([1])
    expect(world.tasks()).toEqual(['revoke 0', 'assign 1'])
    world.member.revoked()
    expect(world.poll()).toEqual(['JoinGroup'])
    const { protocols } = world.take(joinGroup).body as unknown as { protocols: { metadata: Uint8Array }[] }
    expect(decodeRecord(consumerProtocolSubscription, protocols[0]?.metadata ?? new Uint8Array())).toMatchObject({
      ownedPartitions: [{ topic: 't', partitions: [1] }],
      generationId: 2,
    })
  })

  test('a round that ended without it is joined again', () => {
    const world = new World()
    world.poll()
    world.joined()
    world.poll()
    world.synced([], 'REBALANCE_IN_PROGRESS')
    expect(world.poll()).toEqual(['JoinGroup'])
  })

  test('another subscription calls for one; the same does not', () => {
    const world = World.stable([0])
    world.member.subscribe(['t'])
    expect(world.poll()).toEqual([])
    world.member.subscribe(['t', 'u'])
    world.poll()
    expect(world.tasks()).toEqual(['revoke 0'])
  })
})

describe('losing the membership', () => {
  test.each(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'] as const)(
    '%s: the partitions are lost, and it joins anew',
    (errorCode) => {
      const world = World.stable([0, 1])
      world.beat(errorCode)
      expect(world.tasks()).toEqual(['lost 0,1'])
      expect(world.member.metadata.generationId).toBe(-1)
      expect(world.poll()).toEqual(['JoinGroup'])
      expect(world.take(joinGroup).body).toMatchObject({ memberId: errorCode === 'UNKNOWN_MEMBER_ID' ? '' : 'me' })
    },
  )

  test('another member with the same instance id ends it', () => {
    const world = World.stable([0], { groupInstanceId: 'i' })
    world.beat('FENCED_INSTANCE_ID')
    expect(world.tasks()).toEqual(['lost 0'])
    expect(world.member.error).toMatchObject({ code: 'FENCED_INSTANCE_ID' })
  })

  test('a coordinator that is not reached for a session costs the partitions, whatever the consumer is doing', () => {
    const world = World.stable([0, 1])
    world.member.endPoll(world.nowMs)
    for (let count = 0; count < 3; count += 1) {
      world.nowMs += 3_000
      world.poll()
      const { id } = world.take(heartbeat)
      world.member.onReply(
        id,
        { ok: false, error: new KafkaError('DISCONNECTED', 'x'), mayHaveBeenSent: true },
        world.nowMs,
      )
    }
    expect(world.member.hasTask).toBe(false)
    world.nowMs += 1_000
    world.poll()
    expect(world.member.takeLost()?.partitions).toHaveLength(2)
  })

  test('a consumer that does not poll for too long resigns: the partitions are lost, the group is told, the next poll joins anew', () => {
    const world = World.stable([0], { maxPollIntervalMs: 5_000, sessionTimeoutMs: 60_000 })
    world.member.endPoll(world.nowMs)
    world.nowMs += 5_000
    world.poll()
    expect(world.tasks()).toEqual(['lost 0'])
    world.member.beginPoll(world.nowMs)
    expect(world.poll()).toEqual(['LeaveGroup', 'JoinGroup'])
    expect(world.take(leaveGroup).body).toMatchObject({ members: [{ memberId: 'me' }] })
    expect(world.take(joinGroup).body).toMatchObject({ memberId: '' })
  })

  test('a commit that is refused counts as much as a heartbeat', () => {
    const world = World.stable([0])
    world.member.onCommitRefused('ILLEGAL_GENERATION', new KafkaError('ILLEGAL_GENERATION', 'x'))
    expect(world.tasks()).toEqual(['lost 0'])
    const other = World.stable([0])
    other.member.onCommitRefused('REBALANCE_IN_PROGRESS', new KafkaError('REBALANCE_IN_PROGRESS', 'x'))
    other.poll()
    expect(other.tasks()).toEqual(['revoke 0'])
  })

  test('answers of a generation that is over change nothing', () => {
    const world = World.stable([0])
    world.nowMs += 3_000
    world.poll()
    const late = world.take(heartbeat)
    world.member.onCommitRefused('UNKNOWN_MEMBER_ID', new KafkaError('UNKNOWN_MEMBER_ID', 'x'))
    world.tasks()
    world.member.onReply(
      late.id,
      { ok: true, response: { errorCode: 'FENCED_INSTANCE_ID' }, version: 4, nodeId: 1, broker: 'b' },
      world.nowMs,
    )
    expect(world.member.state).toBe('Unjoined')
    expect(world.tasks()).toEqual([])
  })
})

describe('leaving', () => {
  test('tells the group, and is over whatever it answers', () => {
    const world = World.stable([0])
    world.member.leave()
    expect(world.poll()).toEqual(['LeaveGroup'])
    world.answer(leaveGroup, { errorCode: 'UNKNOWN_MEMBER_ID' })
    expect(world.member.hasLeft).toBe(true)
    expect(world.poll()).toEqual([])
  })

  test('a static member keeps its place: it says nothing', () => {
    const world = World.stable([0], { groupInstanceId: 'i' })
    world.member.leave()
    expect(world.member.hasLeft).toBe(true)
    expect(world.poll()).toEqual([])
  })

  test('who has failed as a member says so: the group need not wait for its session', () => {
    const world = World.stable([0])
    world.nowMs += 3_000
    expect(world.poll()).toEqual(['Heartbeat'])
    world.answer(heartbeat, { errorCode: 'GROUP_AUTHORIZATION_FAILED' })
    expect(world.member.state).toBe('Fatal')
    world.member.leave()
    expect(world.member.hasLeft).toBe(false)
    expect(world.poll()).toEqual(['LeaveGroup'])
    world.answer(leaveGroup, { errorCode: 'NONE' })
    expect(world.member.hasLeft).toBe(true)
  })

  test('who never joined is gone at once, failed or not', () => {
    const world = new World()
    world.member.leave()
    expect(world.member.hasLeft).toBe(true)
    const failed = new World()
    failed.poll()
    failed.joined({ errorCode: 'GROUP_AUTHORIZATION_FAILED' })
    failed.member.leave()
    expect(failed.member.hasLeft).toBe(true)
  })
})

describe('the table', () => {
  const states = Object.keys(MEMBER_TABLE) as MemberState[]

  test('the legal moves are these and no others', () => {
    const moves = states.flatMap((state) =>
      (Object.entries(MEMBER_TABLE[state]) as [MemberEvent, string][])
        .filter(([, outcome]) => outcome !== 'stay' && outcome !== 'impossible')
        .map(([event, outcome]) => `${state} ${event} ${outcome}`),
    )
    expect(moves.toSorted()).toEqual(
      [
        'Unjoined rejoin Revoking',
        'Unjoined join Joining',
        'Unjoined leave Leaving',
        'Unjoined fatal Fatal',
        'Revoking revoked Unjoined',
        'Revoking expelled Unjoined',
        'Revoking leave Leaving',
        'Revoking fatal Fatal',
        'Joining joinedAsLeader Assigning',
        'Joining joined Syncing',
        'Joining expelled Unjoined',
        'Joining again Unjoined',
        'Joining leave Leaving',
        'Joining fatal Fatal',
        'Assigning assigned Syncing',
        'Assigning expelled Unjoined',
        'Assigning again Unjoined',
        'Assigning leave Leaving',
        'Assigning fatal Fatal',
        'Syncing synced Stable',
        'Syncing expelled Unjoined',
        'Syncing again Unjoined',
        'Syncing leave Leaving',
        'Syncing fatal Fatal',
        'Stable rejoin Revoking',
        'Stable join Joining',
        'Stable expelled Unjoined',
        'Stable leave Leaving',
        'Stable fatal Fatal',
        'Leaving left Left',
        'Fatal leave Leaving',
      ].toSorted(),
    )
  })

  test('what has ended stays so', () => {
    expect(
      Object.values(MEMBER_TABLE.Left).filter((outcome) => outcome !== 'stay' && outcome !== 'impossible'),
    ).toEqual([])
  })
})
