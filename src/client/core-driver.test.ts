import { expect, test } from 'vitest'
import { heartbeat } from '../protocol/messages/heartbeat.ts'
import type { ClientCore, ClusterView, CoreReply, CoreRequest, PollResult } from './core/client-core.ts'
import { HEARTBEAT, HEARTBEAT_OK, inWorld, type World } from './cluster/cluster.test-kit.ts'
import { CoreDriver, type DriverHooks } from './core-driver.ts'

/** A core that does what the test says, and writes down what happens to it. */
class TestCore implements ClientCore {
  readonly polls: number[] = []
  readonly replies: { readonly id: number; readonly reply: CoreReply }[] = []
  next: Partial<PollResult> = {}
  onPoll: () => void = () => undefined

  poll(nowMs: number, _cluster: ClusterView): PollResult {
    this.polls.push(nowMs)
    this.onPoll()
    const result = { requests: [], nextPollMs: undefined, ...this.next }
    this.next = {}
    return result
  }

  onReply(id: number, reply: CoreReply): void {
    this.replies.push({ id, reply })
  }
}

function ask(id: number, generationId = id, more: Partial<CoreRequest> = {}): CoreRequest {
  const body = { ...HEARTBEAT.body, generationId }
  return { id, ...HEARTBEAT, body, destination: { kind: 'node', nodeId: 0 }, ...more }
}

interface Stage extends World {
  readonly core: TestCore
  readonly driver: CoreDriver
  /** Generation ids as they arrived. */
  readonly arrived: () => number[]
}

async function onStage(work: (stage: Stage) => Promise<void>, hooks: DriverHooks = {}): Promise<void> {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Heartbeat') return false
        if (request.body.generationId < 0) request.disconnect()
        else if (request.body.generationId < 1_000) request.answer(HEARTBEAT_OK)
        return true
      },
    })
    const cluster = world.cluster([peer])
    await cluster.requireBrokers({ timeoutMs: 1_000 })
    await world.sleep(1)
    const core = new TestCore()
    const driver = new CoreDriver(core, cluster, hooks)
    const arrived = (): number[] =>
      peer.requests.filter(({ api }) => api.name === heartbeat.name).map(({ body }) => body.generationId)
    await work({ ...world, core, driver, arrived })
    driver.close()
  })
}

test('many wakes in one turn are one poll', async () => {
  await onStage(async ({ core, driver, ...world }) => {
    for (let n = 0; n < 10; n++) driver.wake()
    await world.sleep(1)
    expect(core.polls).toHaveLength(1)
  })
})

test('requests to one node leave in the order of the poll, before it is connected and afterwards', async () => {
  await onStage(async ({ core, driver, arrived, ...world }) => {
    core.next = { requests: [ask(1), ask(2), ask(3)] }
    driver.wake()
    await world.sleep(1)
    core.next = { requests: [ask(4), ask(5)] }
    driver.wake()
    await world.sleep(10)
    expect(arrived()).toEqual([1, 2, 3, 4, 5])
    expect(core.replies.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5])
    for (const { reply } of core.replies) {
      expect(reply).toMatchObject({ ok: true, response: HEARTBEAT_OK, version: 4, nodeId: 0 })
    }
  })
})

test('a reply leads to a poll', async () => {
  await onStage(async ({ core, driver, ...world }) => {
    core.next = { requests: [ask(1)] }
    driver.wake()
    await world.sleep(10)
    const before = core.polls.length
    core.next = { requests: [ask(2)] }
    driver.wake()
    await world.sleep(10)
    // One that sends it, one that follows from its answer.
    expect(core.polls.length - before).toBe(2)
  })
})

test('a lost connection, no node and no answer are replies, which say whether the request may have got through', async () => {
  await onStage(async ({ core, driver, ...world }) => {
    const nowhere = { destination: { kind: 'node', nodeId: 9 } } as const
    core.next = { requests: [ask(1, -1), ask(2, 1, nowhere), ask(3, 1_000, { timeoutMs: 50, lane: 'fetch' })] }
    driver.wake()
    await world.sleep(200)
    const byId = new Map(core.replies.map(({ id, reply }) => [id, reply]))
    expect(byId.get(1)).toMatchObject({ ok: false, error: { code: 'DISCONNECTED' }, mayHaveBeenSent: true })
    expect(byId.get(2)).toMatchObject({ ok: false, error: { code: 'BROKER_NOT_AVAILABLE' }, mayHaveBeenSent: false })
    expect(byId.get(3)).toMatchObject({ ok: false, error: { code: 'REQUEST_TIMEOUT' }, mayHaveBeenSent: true })
    expect(core.replies).toHaveLength(3)
  })
})

test('a body that cannot be written is a reply too', async () => {
  await onStage(async ({ core, driver, ...world }) => {
    core.next = { requests: [ask(1, 1, { body: { ...HEARTBEAT.body, groupId: 'x'.repeat(40_000) } })] }
    driver.wake()
    await world.sleep(10)
    expect(core.replies).toMatchObject([{ id: 1, reply: { ok: false, error: { code: 'INTERNAL' } } }])
  })
})

test('it is polled at the moment it names, and at an earlier one that it names later', async () => {
  await onStage(async ({ core, driver, runtime, ...world }) => {
    const beganMs = runtime.clock.monotonicMs()
    core.next = { nextPollMs: beganMs + 100 }
    driver.wake()
    await world.sleep(10)
    core.next = { nextPollMs: beganMs + 40 }
    driver.wake()
    await world.sleep(200)
    expect(core.polls.map((ms) => ms - beganMs)).toEqual([0, 10, 40])
  })
})

test('a moment that has passed is polled in a later turn, so that others get theirs', async () => {
  await onStage(async ({ core, driver, ...world }) => {
    let turns = 0
    core.onPoll = () => {
      if (core.polls.length < 50) core.next = { nextPollMs: 0 }
    }
    const other = (async (): Promise<void> => {
      for (; core.polls.length < 50; turns++) await world.sleep(0)
    })()
    driver.wake()
    await other
    expect(turns).toBeGreaterThan(10)
  })
})

test('what it wants of the cluster is done: topics, fresh metadata, coordinators looked up anew', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Heartbeat') return false
        request.answer(HEARTBEAT_OK)
        return true
      },
    })
    peer.topics.set('t', 2)
    const cluster = world.cluster([peer])
    const core = new TestCore()
    const driver = new CoreDriver(core, cluster)
    core.next = { topics: ['t'] }
    driver.wake()
    await world.sleep(10)
    expect(cluster.view.topic('t')?.partitions).toHaveLength(2)
    const coordinator = { of: 'group', key: 'g' } as const
    const toIt = { destination: { kind: 'coordinator', ...coordinator } } as const
    const lookups = (): number => peer.asked.filter((name) => name === 'FindCoordinator').length
    for (const [id, forgetCoordinators] of [
      [1, []],
      [2, []],
      [3, [coordinator]],
    ] as const) {
      core.next = { requests: [ask(id, id, toIt)], forgetCoordinators }
      driver.wake()
      await world.sleep(20)
    }
    expect(lookups()).toBe(2)
    const asked = peer.asked.filter((name) => name === 'Metadata').length
    core.next = { refreshMetadata: true }
    driver.wake()
    await world.sleep(500)
    expect(peer.asked.filter((name) => name === 'Metadata').length).toBe(asked + 1)
    driver.close()
  })
})

test('closed, it polls no more, tells of no reply and leaves no timer', async () => {
  await onStage(async ({ core, driver, runtime, ...world }) => {
    core.next = { requests: [ask(1)], nextPollMs: runtime.clock.monotonicMs() + 1_000 }
    driver.wake()
    await Promise.resolve()
    driver.close()
    driver.wake()
    const polls = core.polls.length
    await world.sleep(2_000)
    expect(core.polls).toHaveLength(polls)
    expect(core.replies).toEqual([])
  })
})

test('a core that breaks a promise of its own is stopped, and its owner told once', async () => {
  const failures: unknown[] = []
  await onStage(
    async ({ core, driver, ...world }) => {
      core.onPoll = () => {
        throw new Error('an assertion')
      }
      driver.wake()
      await world.sleep(1)
      driver.wake()
      await world.sleep(1)
      expect(failures).toMatchObject([{ message: 'an assertion' }])
      expect(core.polls).toHaveLength(1)
    },
    { onFailure: (error) => void failures.push(error) },
  )
})

test('so is one that fails on a reply', async () => {
  const failures: unknown[] = []
  await onStage(
    async ({ core, driver, ...world }) => {
      core.onReply = () => {
        throw new Error('an assertion')
      }
      core.next = { requests: [ask(1), ask(2)] }
      driver.wake()
      await world.sleep(10)
      expect(failures).toHaveLength(1)
    },
    { onFailure: (error) => void failures.push(error) },
  )
})
