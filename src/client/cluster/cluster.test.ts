import { expect, test } from 'vitest'
import { createTopics } from '../../protocol/messages/create-topics.ts'
import { findCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { heartbeat } from '../../protocol/messages/heartbeat.ts'
import type { Script } from '../../testing/scripted-broker.ts'
import { brokerError, KafkaError } from '../errors.ts'
import { RequestFailure } from './client-connection.ts'
import { HEARTBEAT, HEARTBEAT_OK, inWorld, SETTINGS } from './cluster.test-kit.ts'

async function errorOf(work: Promise<unknown>): Promise<KafkaError> {
  const reason: unknown = await work.then(
    () => new Error('it was answered'),
    (error: unknown) => error,
  )
  expect(reason).toBeInstanceOf(KafkaError)
  return reason as KafkaError
}

const answerHeartbeats: Script = (request) => {
  if (request.api.name !== 'Heartbeat') return false
  request.answer(HEARTBEAT_OK)
  return true
}
const ANY_HEARTBEAT = { ...HEARTBEAT, destination: { kind: 'any' } } as const
const GROUP_HEARTBEAT = { ...HEARTBEAT, destination: { kind: 'coordinator', of: 'group', key: 'g' } } as const
const within = (timeoutMs: number): { timeoutMs: number } => ({ timeoutMs })

test('bootstrap addresses that are dead are passed over', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    await inWorld(async (world) => {
      const peer = await world.peer()
      peer.topics.set('t', 3)
      const cluster = world.cluster([{ port: 1 }, { port: 2 }, peer, { port: 3 }])
      const [topic] = await cluster.requireTopics(['t'], within(10_000))
      expect(topic?.partitions).toHaveLength(3)
    }, seed)
  }
})

test('when no bootstrap address answers, the error says what was tried', async () => {
  await inWorld(async (world) => {
    const cluster = world.cluster([{ port: 1 }, { port: 2 }])
    const error = await errorOf(cluster.requireTopics(['t'], within(3_000)))
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', recovery: 'retry' })
    expect(error.message).toMatch(/127\.0\.0\.1:[12]: nothing listens there: is the broker running/)
    expect(world.runtime.clock.monotonicMs()).toBe(3_000)
  })
})

test('the bootstrap connection ends once a node is connected', async () => {
  await inWorld(async (world) => {
    const bootstrap = await world.peer({ nodeId: 9 })
    const node = await world.peer({ nodeId: 1, script: answerHeartbeats })
    bootstrap.nodes = [...node.nodes]
    node.topics.set('t', 1)
    bootstrap.topics.set('t', 1)
    const cluster = world.cluster([bootstrap])
    await cluster.requireTopics(['t'], within(1_000))
    expect(bootstrap.openConnections).toBe(1)
    await cluster.send(ANY_HEARTBEAT)
    await world.sleep(5)
    expect(bootstrap.openConnections).toBe(0)
    expect(node.openConnections).toBe(1)
  })
})

test('when all known nodes are gone, the bootstrap addresses lead to the new ones (KIP-899)', async () => {
  await inWorld(async (world) => {
    const old = await world.peer({ nodeId: 1 })
    old.topics.set('t', 1)
    const bootstrap = await world.peer({ nodeId: 1 })
    bootstrap.topics.set('t', 1)
    bootstrap.nodes = [...old.nodes]
    const cluster = world.cluster([bootstrap])
    await cluster.requireTopics(['t'], within(1_000))
    await cluster.send({
      ...ANY_HEARTBEAT,
      api: findCoordinator,
      body: { key: 'g', keyType: 0, coordinatorKeys: ['g'] },
    })
    await old.close()
    await world.sleep(1)
    const fresh = await world.peer({ nodeId: 2, script: answerHeartbeats })
    bootstrap.nodes = [...fresh.nodes]
    const toOld = { ...HEARTBEAT, destination: { kind: 'node', nodeId: 1 } } as const
    expect((await errorOf(cluster.send(toOld))).code).toBe('CONNECTION_FAILED')
    await world.sleep(2_000)
    expect((await cluster.send(ANY_HEARTBEAT)).nodeId).toBe(2)
    expect(cluster.brokers().map((broker) => broker.nodeId)).toEqual([2])
  })
})

test('when nodes come back and the bootstrap addresses do not, the nodes are found again', async () => {
  await inWorld(async (world) => {
    const bootstrap = await world.peer({ nodeId: 9 })
    const node = await world.peer({ nodeId: 1, script: answerHeartbeats })
    bootstrap.nodes = [...node.nodes]
    const cluster = world.cluster([bootstrap])
    await cluster.requireBrokers(within(1_000))
    await cluster.send(ANY_HEARTBEAT)
    await bootstrap.close()
    await node.close()
    await world.sleep(1)
    await errorOf(cluster.send(ANY_HEARTBEAT))
    await errorOf(cluster.send(ANY_HEARTBEAT))
    await world.peer({ nodeId: 1, port: node.port || bootstrap.nodes[0]!.port, script: answerHeartbeats })
    expect((await cluster.call(ANY_HEARTBEAT, { timeoutMs: 10_000 })).nodeId).toBe(1)
  })
})

test('a broker that asks for a new start (KIP-1102) gets one', async () => {
  await inWorld(async (world) => {
    const bootstrap = await world.peer({ nodeId: 9 })
    const stale = await world.peer({ nodeId: 1 })
    const fresh = await world.peer({ nodeId: 2 })
    bootstrap.nodes = [...stale.nodes]
    stale.script = (request) => {
      if (request.api.name !== 'Metadata') return false
      request.answer({ ...stale.metadata(request.body), errorCode: 'REBOOTSTRAP_REQUIRED' })
      return true
    }
    const cluster = world.cluster([bootstrap])
    await cluster.requireBrokers(within(1_000))
    bootstrap.nodes = [...fresh.nodes]
    cluster.refresh()
    await world.sleep(2_000)
    expect(cluster.brokers().map(({ nodeId }) => nodeId)).toEqual([2])
  })
})

test('metadata that names other nodes in every answer leaves no connection behind to each', async () => {
  await inWorld(async (world) => {
    const peers = await Promise.all(Array.from({ length: 12 }, (_, nodeId) => world.peer({ nodeId })))
    let answers = 0
    for (const peer of peers) {
      peer.script = (request) => {
        if (answerHeartbeats(request)) return true
        if (request.api.name !== 'Metadata') return false
        answers += 1
        const next = peers[answers % peers.length]!
        request.answer({ ...peer.metadata(request.body), brokers: next.nodes.map((node) => ({ ...node, rack: null })) })
        return true
      }
    }
    const cluster = world.cluster([peers[0]!])
    await cluster.requireBrokers(within(1_000))
    for (let n = 0; n < 40; n++) {
      await cluster.send(ANY_HEARTBEAT)
      cluster.refresh()
      await world.sleep(200)
    }
    expect(answers).toBeGreaterThan(20)
    const open = peers.reduce((sum, peer) => sum + peer.openConnections, 0)
    expect(open).toBeLessThanOrEqual(3)
  })
})

test('a topic that answers pass over is not asked for in a tight loop', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Metadata') return false
        request.answer({ ...peer.metadata(request.body), topics: [] })
        return true
      },
    })
    const cluster = world.cluster([peer])
    const error = await errorOf(cluster.requireTopics(['t'], within(5_000)))
    expect(error).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', recovery: 'refresh' })
    expect(peer.asked.filter((name) => name === 'Metadata').length).toBeLessThan(70)
  })
})

test('who waits for brokers and topics has them asked for once', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer()
    peer.topics.set('t', 1)
    const cluster = world.cluster([peer])
    await Promise.all([cluster.requireBrokers(within(1_000)), cluster.requireTopics(['t'], within(1_000))])
    await world.sleep(5_000)
    const asked = peer.requests.filter(({ api }) => api.name === 'Metadata').map(({ body }) => body.topics.length)
    expect(asked.length).toBeLessThanOrEqual(2)
    expect(asked.at(-1)).toBe(1)
  })
})

test('a topic that is created late is found', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer()
    const cluster = world.cluster([peer])
    const topics = cluster.requireTopics(['t'], within(5_000))
    await world.sleep(1_000)
    peer.topics.set('t', 2)
    expect((await topics)[0]?.partitions).toHaveLength(2)
  })
})

test('thousands of topics are asked for once each, not again with each new one', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer()
    const names = Array.from({ length: 2_000 }, (_, n) => `t${n}`)
    for (const name of names) peer.topics.set(name, 1)
    const cluster = world.cluster([peer])
    cluster.wantTopics(names.slice(0, 1_900))
    await cluster.requireTopics(names.slice(0, 1_900), within(5_000))
    for (const name of names.slice(1_900)) await cluster.requireTopics([name], within(5_000))
    const asked = peer.requests
      .filter(({ api }) => api.name === 'Metadata')
      .reduce((sum, { body }) => sum + body.topics.length, 0)
    // One loop of requireTopics may find its topic missing in an answer that was under way.
    expect(asked).toBeLessThan(2 * 2_000)
  })
})

test('metadata that nobody answers is asked for again with growing pauses', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Metadata') return false
        request.disconnect()
        return true
      },
    })
    const cluster = world.cluster([peer])
    await errorOf(cluster.requireTopics(['t'], within(60_000)))
    expect(peer.asked.filter((name) => name === 'Metadata').length).toBeLessThan(75)
    expect(peer.asked.filter((name) => name === 'Metadata').length).toBeGreaterThan(30)
  })
})

test('metadata is asked for anew when it is old', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer()
    peer.topics.set('t', 1)
    const cluster = world.cluster([peer], { metadataMaxAgeMs: 10_000 })
    await cluster.requireTopics(['t'], within(1_000))
    peer.topics.set('t', 2)
    await world.sleep(10_500)
    expect(cluster.view.topic('t')?.partitions).toHaveLength(2)
  })
})

test('a node that nobody has told of is not available, and the metadata is refreshed', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ nodeId: 1, script: answerHeartbeats })
    const cluster = world.cluster([peer])
    await cluster.requireBrokers(within(1_000))
    const request = { ...HEARTBEAT, destination: { kind: 'node', nodeId: 7 } } as const
    const before = peer.asked.filter((name) => name === 'Metadata').length
    expect(await errorOf(cluster.send(request))).toMatchObject({ code: 'BROKER_NOT_AVAILABLE', recovery: 'refresh' })
    await world.sleep(500)
    expect(peer.asked.filter((name) => name === 'Metadata').length).toBeGreaterThan(before)
  })
})

test('without a controller any node is asked, and the controller once it is known', async () => {
  await inWorld(async (world) => {
    const nodes = [await world.peer({ nodeId: 1 }), await world.peer({ nodeId: 2 })]
    let controllerId = -1
    for (const node of nodes) {
      node.nodes = nodes.map((one) => ({ nodeId: one.nodeId, host: '127.0.0.1', port: one.port }))
      node.script = (request) => {
        if (request.api.name === 'Metadata') request.answer({ ...node.metadata(request.body), controllerId })
        else if (request.api.name === 'CreateTopics') {
          const errorCode = node.nodeId === controllerId ? 'NONE' : 'NOT_CONTROLLER'
          request.answer({ topics: [{ name: 't', errorCode, errorMessage: null }] })
        } else return false
        return true
      }
    }
    const cluster = world.cluster(nodes)
    const body = { topics: [], timeoutMs: 1_000, validateOnly: false }
    const create = { destination: { kind: 'controller' }, api: createTopics, body, timeoutMs: 1_000 } as const
    expect((await cluster.send(create)).response.topics[0]?.errorCode).toBe('NOT_CONTROLLER')
    controllerId = 2
    const reply = await cluster.call(create, {
      timeoutMs: 10_000,
      retryOn({ topics }) {
        const code = topics[0]?.errorCode ?? 'NONE'
        return code === 'NONE' ? undefined : brokerError(code, { api: 'CreateTopics' })
      },
    })
    expect(reply.nodeId).toBe(2)
  })
})

test.each([0, 1, 2, 3, 4, 5, 6])('a coordinator is found with FindCoordinator version %i', async (version) => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      nodeId: 3,
      versions: { FindCoordinator: [version, version] },
      script: answerHeartbeats,
    })
    const cluster = world.cluster([peer])
    expect((await cluster.send(GROUP_HEARTBEAT)).nodeId).toBe(3)
    const transaction = { ...HEARTBEAT, destination: { kind: 'coordinator', of: 'transaction', key: 't' } } as const
    if (version === 0) expect((await errorOf(cluster.send(transaction))).code).toBe('UNSUPPORTED_BY_BROKER')
    else expect((await cluster.send(transaction)).nodeId).toBe(3)
  })
})

test('a coordinator is looked up once for all who wait for it, and they go to it in order', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ script: answerHeartbeats })
    const cluster = world.cluster([peer])
    const send = (generationId: number): Promise<unknown> =>
      cluster.send({ ...GROUP_HEARTBEAT, body: { ...HEARTBEAT.body, generationId } })
    const first = Array.from({ length: 20 }, (_, n) => send(n))
    await world.sleep(1)
    await Promise.all([...first, ...Array.from({ length: 20 }, (_, n) => send(20 + n))])
    expect(peer.asked.filter((name) => name === 'FindCoordinator')).toHaveLength(1)
    const arrived = peer.requests.filter(({ api }) => api.name === 'Heartbeat').map(({ body }) => body.generationId)
    expect(arrived).toEqual(Array.from({ length: 40 }, (_, n) => n))
  })
})

const heed = {
  timeoutMs: 10_000,
  retryOn: ({ errorCode }: { errorCode: string }) =>
    errorCode === 'NOT_COORDINATOR' ? brokerError('NOT_COORDINATOR', { api: heartbeat.name }) : undefined,
}

test('a coordinator that says it is none any more is looked up anew', async () => {
  await inWorld(async (world) => {
    const nodes = [await world.peer({ nodeId: 1 }), await world.peer({ nodeId: 2 })]
    let coordinator = nodes[0]!
    for (const node of nodes) {
      node.nodes = nodes.flatMap((one) => one.nodes).slice(0, 2)
      node.script = (request) => {
        if (request.api.name === 'FindCoordinator') {
          request.answer(
            node.coordinatorAt(coordinator.nodes.find((one) => one.port === coordinator.port)!, request.body),
          )
        } else if (request.api.name === 'Heartbeat') {
          request.answer({ throttleTimeMs: 0, errorCode: node === coordinator ? 'NONE' : 'NOT_COORDINATOR' })
        } else return false
        return true
      }
    }
    const cluster = world.cluster(nodes)
    expect((await cluster.call(GROUP_HEARTBEAT, heed)).nodeId).toBe(1)
    coordinator = nodes[1]!
    expect((await cluster.call(GROUP_HEARTBEAT, heed)).nodeId).toBe(2)
  })
})

test('a coordinator that is down is looked up anew', async () => {
  await inWorld(async (world) => {
    const down = await world.peer({ nodeId: 1 })
    const up = await world.peer({ nodeId: 2, script: answerHeartbeats })
    const downNode = { ...down.nodes[0]! }
    await down.close()
    up.nodes = [downNode, ...up.nodes]
    let lookups = 0
    up.script = (request) => {
      if (request.api.name !== 'FindCoordinator') return answerHeartbeats(request)
      lookups += 1
      request.answer(up.coordinatorAt(lookups < 3 ? downNode : up.nodes[1]!, request.body))
      return true
    }
    const cluster = world.cluster([up])
    expect((await cluster.call(GROUP_HEARTBEAT, { timeoutMs: 20_000 })).nodeId).toBe(2)
    expect(lookups).toBe(3)
  })
})

test('a coordinator outside of the metadata is used, and looked up anew once the metadata drops it', async () => {
  await inWorld(async (world) => {
    const listed = await world.peer({ nodeId: 1 })
    const unlisted = await world.peer({ nodeId: 5, script: answerHeartbeats })
    unlisted.nodes = [...listed.nodes]
    const unlistedNode = { nodeId: 5, host: '127.0.0.1', port: unlisted.port }
    listed.script = (request) => {
      if (request.api.name !== 'FindCoordinator') return false
      request.answer(listed.coordinatorAt(unlistedNode, request.body))
      return true
    }
    const cluster = world.cluster([listed])
    expect((await cluster.call(GROUP_HEARTBEAT, { timeoutMs: 5_000 })).nodeId).toBe(5)
    cluster.refresh()
    await world.sleep(500)
    expect(cluster.brokers().map(({ nodeId }) => nodeId)).toEqual([1])
    expect((await cluster.call(GROUP_HEARTBEAT, { timeoutMs: 5_000 })).nodeId).toBe(5)
  })
})

test.each<[string, object, string]>([
  ['names no coordinator', { coordinators: [] }, 'INVALID_RESPONSE'],
  [
    'names the coordinator of another key',
    { coordinators: [{ key: 'x', nodeId: 0, host: 'h', port: 1, errorCode: 'NONE', errorMessage: null }] },
    'INVALID_RESPONSE',
  ],
  [
    'names an address that is none',
    { coordinators: [{ key: 'g', nodeId: 0, host: '\u0007', port: 1, errorCode: 'NONE', errorMessage: null }] },
    'INVALID_RESPONSE',
  ],
  [
    'has no coordinator yet',
    {
      coordinators: [
        { key: 'g', nodeId: -1, host: '', port: -1, errorCode: 'COORDINATOR_NOT_AVAILABLE', errorMessage: null },
      ],
    },
    'COORDINATOR_NOT_AVAILABLE',
  ],
])('a broker that %s is asked again until the time is over', async (_, response, code) => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'FindCoordinator') return false
        request.answer(response)
        return true
      },
    })
    const cluster = world.cluster([peer])
    expect((await errorOf(cluster.call(GROUP_HEARTBEAT, { timeoutMs: 3_000 }))).code).toBe(code)
    const lookups = peer.asked.filter((name) => name === 'FindCoordinator').length
    expect(lookups).toBeGreaterThan(3)
    expect(lookups).toBeLessThan(20)
  })
})

test('a lookup that is refused for good is not repeated', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'FindCoordinator') return false
        const answer = { key: 'g', nodeId: -1, host: '', port: -1, errorMessage: 'no' }
        request.answer({ coordinators: [{ ...answer, errorCode: 'GROUP_AUTHORIZATION_FAILED' }] })
        return true
      },
    })
    const error = await errorOf(world.cluster([peer]).call(GROUP_HEARTBEAT, { timeoutMs: 3_000 }))
    expect(error).toMatchObject({ code: 'GROUP_AUTHORIZATION_FAILED', recovery: 'fix-configuration' })
    expect(peer.asked.filter((name) => name === 'FindCoordinator')).toHaveLength(1)
  })
})

test('a call ends at its deadline without ending the connection of others', async () => {
  await inWorld(async (world) => {
    let patient: (() => void) | undefined
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Heartbeat') return false
        if (patient === undefined) patient = () => request.answer(HEARTBEAT_OK)
        return true
      },
    })
    const cluster = world.cluster([peer])
    const long = cluster.send({ ...ANY_HEARTBEAT, timeoutMs: 60_000 })
    const error = await errorOf(cluster.call({ ...ANY_HEARTBEAT, timeoutMs: 30_000 }, { timeoutMs: 200 }))
    expect(error.code).toBe('REQUEST_TIMEOUT')
    expect(world.runtime.clock.monotonicMs()).toBe(200)
    patient?.()
    expect((await long).response).toMatchObject(HEARTBEAT_OK)
  })
})

test('a signal ends a call, a wait for topics and a pause at once', async () => {
  await inWorld(async (world) => {
    const cluster = world.cluster([{ port: 1 }])
    const controller = new AbortController()
    const options = { timeoutMs: 60_000, signal: controller.signal }
    const works = [
      cluster.call(ANY_HEARTBEAT, options),
      cluster.requireTopics(['t'], options),
      cluster.requireBrokers(options),
      cluster.listTopics(options),
      cluster.sleep(60_000, controller.signal),
    ].map((work) => errorOf(work))
    await world.sleep(500)
    controller.abort(new Error('why'))
    for (const error of await Promise.all(works))
      expect(error).toMatchObject({ code: 'ABORTED', cause: { message: 'why' } })
    expect(world.runtime.clock.monotonicMs()).toBe(500)
    expect((await errorOf(cluster.sleep(1, controller.signal))).code).toBe('ABORTED')
  })
})

test.each<[string, Script, number]>([
  ['connecting', () => false, 0],
  ['the versions are asked for', () => true, 100],
  ['metadata is asked for', ({ api }) => api.name === 'Metadata', 100],
  ['a coordinator is looked up', ({ api }) => api.name === 'FindCoordinator', 100],
  ['answers are waited for', ({ api }) => api.name === 'Heartbeat', 100],
  [
    'it pauses between tries',
    (request) => {
      if (request.api.name !== 'Metadata') request.disconnect()
      return true
    },
    730,
  ],
])('close while %s settles everything at once and leaves nothing behind', async (_, script, afterMs) => {
  await inWorld(async (world) => {
    const peer = await world.peer({ script })
    const cluster = world.cluster([peer])
    const works = [
      cluster.call(ANY_HEARTBEAT, { timeoutMs: 60_000 }),
      cluster.call(GROUP_HEARTBEAT, { timeoutMs: 60_000 }),
      cluster.call({ ...HEARTBEAT, destination: { kind: 'controller' } }, { timeoutMs: 60_000 }),
      cluster.requireTopics(['t'], { timeoutMs: 60_000 }),
      cluster.listTopics({ timeoutMs: 60_000 }),
      cluster.sleep(60_000),
    ].map((work) =>
      work.then(
        () => undefined,
        (error: unknown) => error,
      ),
    )
    await world.sleep(afterMs)
    await cluster.close()
    const closedMs = world.runtime.clock.monotonicMs()
    for (const error of await Promise.all(works)) {
      if (error !== undefined) expect(['CLOSED', 'DISCONNECTED']).toContain((error as KafkaError).code)
    }
    expect(world.runtime.clock.monotonicMs()).toBe(closedMs)
    await world.sleep(1)
    expect(world.runtime.clock.pendingTimers).toBe(0)
    for (const work of [cluster.send(ANY_HEARTBEAT), cluster.requireTopics(['t'], within(1)), cluster.sleep(1)]) {
      expect((await errorOf(work)).code).toBe('CLOSED')
    }
  })
})

test('send tells the error alone, trySend whether the request may have been carried out', async () => {
  await inWorld(async (world) => {
    const cluster = world.cluster([{ port: 1 }])
    expect((await errorOf(cluster.send(ANY_HEARTBEAT))).code).toBe('CONNECTION_FAILED')
    await expect(cluster.trySend(ANY_HEARTBEAT)).rejects.toSatisfy(
      (error) => error instanceof RequestFailure && !error.mayHaveBeenSent,
    )
  })
})

test('more topics than one client may use are refused', async () => {
  await inWorld(async (world) => {
    const cluster = world.cluster([{ port: 1 }])
    const names = Array.from({ length: 100_001 }, (_, n) => `t${n}`)
    expect(() => cluster.wantTopics(names)).toThrow(/100000 topics/)
  })
})

test('lanes to one node are connections of their own, so that one does not hold up the other', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ nodeId: 1, script: answerHeartbeats })
    const cluster = world.cluster([peer], SETTINGS)
    await cluster.requireBrokers(within(1_000))
    const to = { kind: 'node', nodeId: 1 } as const
    for (const lane of ['data', 'fetch', 'coordinator'] as const)
      await cluster.send({ ...HEARTBEAT, destination: to, lane })
    const used = peer.requests.filter(({ api }) => api.name === 'Heartbeat').map(({ connection }) => connection)
    expect(new Set(used).size).toBe(3)
  })
})
