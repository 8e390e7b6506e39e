/**
 * A random life of a few groups, against a model of what must hold: SPEC.md I1–I15.
 *
 * After every step: what a restart would load equals what is there, rebalances under way aside; every request that was
 * parked is answered exactly once, in the end all of them; offsets are those of a plain list of commits.
 */
import fc from 'fast-check'
import { assert, it } from 'vitest'
import { GROUP, GroupShell, partitionToCommit, subscription } from './group-shell.test-kit.ts'
import type { GroupCoordinator } from './group-coordinator.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'

const CLIENTS = 4
const PRODUCERS = 2
const TOPICS = ['a', 'b']

type Step =
  | { readonly kind: 'join'; readonly client: number; readonly changed: boolean }
  | { readonly kind: 'sync' | 'heartbeat' | 'leave' | 'forget'; readonly client: number }
  | { readonly kind: 'commit'; readonly client: number; readonly topic: number; readonly simple: boolean }
  | { readonly kind: 'stage'; readonly client: number; readonly topic: number; readonly producer: number }
  | { readonly kind: 'end'; readonly producer: number; readonly committed: boolean }
  | { readonly kind: 'deleteOffset'; readonly topic: number }
  | { readonly kind: 'deleteGroup' | 'restart' | 'deleteTopic' }
  | { readonly kind: 'time'; readonly ms: number }

const client = fc.nat(CLIENTS - 1)
const topic = fc.nat(TOPICS.length - 1)
const producer = fc.nat(PRODUCERS - 1)
const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('join' as const), client, changed: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('sync' as const), client }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('heartbeat' as const, 'leave' as const, 'forget' as const), client }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('commit' as const), client, topic, simple: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('stage' as const), client, topic, producer }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), producer, committed: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteOffset' as const), topic }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('deleteGroup' as const, 'restart' as const, 'deleteTopic' as const) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(0, 1, 100, 3_000, 6_000, 20_000) }),
  },
)

/** A client as it remembers itself. The last of them is static. */
interface Client {
  memberId: string
  generationId: number
  isLeader: boolean
  joinToken: number | undefined
}

class World {
  readonly shell = new GroupShell(
    { groupInitialRebalanceDelayMs: 100, offsetsRetentionMs: 15_000, offsetsRetentionCheckIntervalMs: 5_000 },
    { expiryRecordsPerPassMax: 2 },
  )
  readonly clients: Client[] = Array.from({ length: CLIENTS }, newClient)
  /** Tokens of requests that were parked before the last restart: their connections are gone. */
  lostTokens = new Set<number>()
  readonly tokens = new Set<number>()
  /** The model of offsets: by topic, the committed one and what each producer staged, with the order of their records. */
  readonly committed = new Map<string, { order: number; offset: number }>()
  readonly staged: Map<string, { order: number; offset: number }>[] = Array.from({ length: PRODUCERS }, () => new Map())
  #order = 0

  do(step: Step): void {
    const { shell } = this
    switch (step.kind) {
      case 'join':
        return this.join(step.client, step.changed)
      case 'sync': {
        const { memberId, generationId, isLeader } = this.client(step.client)
        const assignments = isLeader
          ? Object.fromEntries(this.clients.map((each) => [each.memberId, each.memberId]))
          : {}
        this.tokens.add(
          shell.sync(memberId, generationId, assignments, { groupInstanceId: instanceOf(step.client) }).token,
        )
        return
      }
      case 'heartbeat': {
        const { memberId, generationId } = this.client(step.client)
        shell.heartbeat(memberId, generationId, instanceOf(step.client))
        return
      }
      case 'leave':
        shell.leave(this.client(step.client).memberId)
        return
      case 'forget':
        this.clients[step.client] = newClient()
        return
      case 'commit':
        return this.commit(step.client, step.topic, step.simple)
      case 'stage':
        return this.stage(step.client, step.topic, step.producer)
      case 'end':
        shell.marker(step.producer, step.committed)
        for (const [name, offset] of this.staged[step.producer] ?? []) {
          if (step.committed && offset.order > (this.committed.get(name)?.order ?? -1)) this.committed.set(name, offset)
        }
        this.staged[step.producer]?.clear()
        return
      case 'deleteOffset':
        if (shell.deleteOffset(TOPICS[step.topic] ?? '') === 'NONE') this.drop(TOPICS[step.topic] ?? '')
        return
      case 'deleteGroup':
        if (shell.deleteGroup() === 'NONE') TOPICS.forEach((name) => this.drop(name))
        return
      case 'deleteTopic':
        shell.apply(shell.coordinator.topicDeleted({ name: 'b', topicId: shell.topics.get('b')?.topicId ?? '' }))
        return this.drop('b')
      case 'time':
        shell.advance(step.ms)
        return this.expire()
      case 'restart':
        this.lostTokens = new Set([...this.tokens].filter((token) => !shell.replies.has(token)))
        return shell.restart()
    }
  }

  client(index: number): Client {
    const found = this.clients[index] ?? newClient()
    const reply = found.joinToken === undefined ? undefined : this.shell.replies.get(found.joinToken)
    if (reply !== undefined && 'leader' in reply && reply.errorCode === 'NONE') {
      found.memberId = reply.memberId
      found.generationId = reply.generationId ?? -1
      found.isLeader = reply.leader === reply.memberId
    } else if (reply?.errorCode === 'UNKNOWN_MEMBER_ID') found.memberId = ''
    return found
  }

  join(index: number, changed: boolean): void {
    const joining = this.client(index)
    const protocols = [{ name: 'range', metadata: subscription(changed ? 'b' : 'a') }]
    const overrides = {
      memberId: joining.memberId,
      groupInstanceId: instanceOf(index),
      protocols,
      rebalanceTimeoutMs: 5_000,
    }
    const { token, reply } = this.shell.join(overrides)
    this.tokens.add(token)
    joining.joinToken = token
    if (reply?.errorCode === 'MEMBER_ID_REQUIRED') {
      const again = this.shell.join({ ...overrides, memberId: reply.memberId })
      this.tokens.add(again.token)
      joining.joinToken = again.token
      joining.memberId = reply.memberId
    }
  }

  commit(index: number, topicIndex: number, simple: boolean): void {
    const { memberId, generationId } = this.client(index)
    const name = TOPICS[topicIndex] ?? ''
    const order = this.#order++
    const topics = [{ name, topicId: ZERO_UUID, partitions: [partitionToCommit(0, order)] }]
    const by = simple ? {} : { memberId, generationIdOrMemberEpoch: generationId, groupInstanceId: instanceOf(index) }
    if (this.shell.commit(0, { topics, ...by }) === 'NONE') this.committed.set(name, { order, offset: order })
  }

  stage(index: number, topicIndex: number, producerId: number): void {
    const { memberId, generationId } = this.client(index)
    const name = TOPICS[topicIndex] ?? ''
    const order = this.#order++
    const topics = [{ name, partitions: [partitionToCommit(0, order)] }]
    const by = { memberId, generationId, groupInstanceId: memberId === '' ? null : instanceOf(index) }
    if (this.shell.txnCommit(producerId, 0, { topics, ...by }) === 'NONE') {
      this.staged[producerId]?.set(name, { order, offset: order })
    }
  }

  drop(name: string): void {
    this.committed.delete(name)
    for (const staged of this.staged) staged.delete(name)
  }

  /** Time may take a committed offset, but never one that a transaction is about to change (KAFKA-19163). */
  expire(): void {
    for (const name of TOPICS) {
      const isStaged = this.staged.some((staged) => staged.has(name))
      if (this.shell.offset(name) === -1 && !isStaged) this.committed.delete(name)
    }
  }

  check(): void {
    const { shell } = this
    for (const name of TOPICS) {
      const isStaged = this.staged.some((staged) => staged.has(name))
      const offset = this.committed.get(name)?.offset ?? -1
      assert.deepEqual(shell.offset(name), offset, `offset of ${name}`)
      assert.deepEqual(
        shell.offset(name, 0, true),
        isStaged ? 'UNSTABLE_OFFSET_COMMIT' : offset,
        `stable offset of ${name}`,
      )
    }
    const described = shell.describe()
    const rebuilt = shell.rebuilt()
    assert.deepEqual(durableOf(shell, rebuilt), durableOf(shell, shell.coordinator))
    // A rebalance under way, and a group that has no generation yet, are not in the log.
    const isSettled =
      described.groupState === 'Stable' || (described.groupState === 'Empty' && shell.recordsOf().length > 0)
    const restored = shell.describe(GROUP, rebuilt)
    if (isSettled && restored.errorCode === 'NONE') assert.deepEqual(restored, described)
    if (described.groupState === 'Stable') assert.deepEqual(restored, described)
    const instances = described.members.map(({ groupInstanceId }) => groupInstanceId).filter((id) => id !== null)
    assert.deepEqual(new Set(instances).size, instances.length)
  }

  /** Left alone, every group comes to rest and nobody waits. */
  settle(): void {
    const { shell } = this
    shell.advance(400_000)
    this.expire()
    for (const token of this.tokens) {
      if (!this.lostTokens.has(token)) assert.deepEqual(shell.replies.has(token), true, `request ${token} is answered`)
    }
    assert.include(['Empty', 'Dead'], shell.state)
    assert.deepEqual(shell.coordinator.counts.memberBytes, 0)
    assert.deepEqual(shell.coordinator.counts.deadlines, 1)
  }
}

function newClient(): Client {
  return { memberId: '', generationId: -1, isLeader: false, joinToken: undefined }
}

function instanceOf(index: number): string | null {
  return index === CLIENTS - 1 ? 'instance' : null
}

function durableOf(shell: GroupShell, coordinator: GroupCoordinator) {
  const live = shell.coordinator
  shell.coordinator = coordinator
  const offsets = TOPICS.map((name) => [shell.offset(name), shell.offset(name, 0, true)])
  shell.coordinator = live
  const { offsets: offsetCount, pendingOffsets } = coordinator.counts
  return { offsets, offsetCount, pendingOffsets }
}

it('whatever clients, producers, time and crashes do, log and memory agree and nobody waits for ever', () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
      const world = new World()
      for (const step of steps) {
        world.do(step)
        world.check()
      }
      world.settle()
      world.check()
    }),
    { numRuns: 400 },
  )
})
