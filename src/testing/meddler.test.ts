import { afterEach, expect, test } from 'vitest'
import type { Runtime } from '../base/runtime.ts'
import { heartbeat } from '../protocol/messages/heartbeat.ts'
import { metadata } from '../protocol/messages/metadata.ts'
import { nodeRuntime } from '../runtime/node-runtime.ts'
import { silentLogger } from '../runtime/logger.ts'
import { Meddler } from './meddler.ts'
import type { Action } from './meddler-rules.ts'
import { ScriptedBroker } from './scripted-broker.ts'
import { simRuntime } from './sim-runtime.ts'
import { ConnectionClosed, WireClient } from './wire-client.ts'

const undo: (() => unknown)[] = []

afterEach(async () => {
  for (const step of undo.splice(0)) await step()
})

interface World {
  readonly broker: ScriptedBroker
  readonly meddler: Meddler
  readonly connect: () => Promise<WireClient>
  /** Generation ids as they reached the broker. */
  readonly arrived: () => number[]
}

async function worldOf(runtime: Runtime): Promise<World> {
  const { network, clock } = runtime
  const broker = await ScriptedBroker.start(network, {
    script(request) {
      if (request.api.name !== 'Heartbeat') return false
      request.answer({ throttleTimeMs: request.body.generationId, errorCode: 'NONE' })
      return true
    },
  })
  const meddler = await Meddler.start({ network, clock, upstream: { host: '127.0.0.1', port: broker.port } })
  undo.push(() => meddler.close().then(() => broker.close()))
  return {
    broker,
    meddler,
    connect: () => WireClient.connect(network, { host: '127.0.0.1', port: meddler.port }),
    arrived: () => broker.requests.filter(({ api }) => api.name === 'Heartbeat').map(({ body }) => body.generationId),
  }
}

/** Asks with a number, which the answer repeats. */
async function ask(client: WireClient, generationId: number): Promise<number> {
  const body = { groupId: 'g', generationId, memberId: 'm', groupInstanceId: null }
  return (await client.request(heartbeat, 4, body)).throttleTimeMs
}

const lost = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => false,
    (error: unknown) => error instanceof ConnectionClosed,
  )

test('without a rule everything passes, on real sockets too', async () => {
  const { connect, meddler } = await worldOf(nodeRuntime({ logger: silentLogger }))
  const client = await connect()
  expect(await Promise.all([1, 2, 3].map((n) => ask(client, n)))).toEqual([1, 2, 3])
  expect(meddler.requestsOf('Heartbeat').map(({ generationId }) => generationId)).toEqual([1, 2, 3])
  expect(meddler.decisions).toEqual([])
  client.close()
})

test('clients stay behind it: the addresses in answers are its own', async () => {
  const { clock, ...runtime } = simRuntime(1)
  const { connect, meddler, broker } = await worldOf({ ...runtime, clock })
  const work = async (): Promise<void> => {
    const client = await connect()
    const { brokers } = await client.request(metadata, 12, { topics: [], allowAutoTopicCreation: false })
    expect(brokers).toMatchObject([{ nodeId: broker.nodeId, port: meddler.port }])
  }
  await clock.runUntil(work())
})

test.each<[string, Action, number[], boolean]>([
  ['drop request', { do: 'drop request' }, [1, 3], false],
  ['cut before', { do: 'cut before' }, [1], true],
  ['drop response', { do: 'drop response' }, [1, 2, 3], false],
  ['cut after', { do: 'cut after' }, [1, 2, 3], true],
  ['cut inside', { do: 'cut inside', byteCount: 6 }, [1, 2, 3], true],
])('%s: what arrives, and what the client gets', async (_, action, arrived, isCut) => {
  const { clock, ...runtime } = simRuntime(1)
  const { connect, meddler, arrived: seen } = await worldOf({ ...runtime, clock })
  const rule = meddler.on({ api: 'Heartbeat', when: ({ body }) => body.generationId === 2, action })
  const client = await clock.runUntil(connect())
  const answers: number[] = []
  const asked = [1, 2, 3].map((n) => ask(client, n).then((answer) => void answers.push(answer)))
  const isLost = asked.map((work) => lost(work))
  await clock.advance(10)
  expect(seen()).toEqual(arrived)
  // A reset may take with it what was on its way.
  expect(answers).toEqual(action.do === 'cut before' || action.do === 'cut after' ? expect.anything() : [1])
  expect(rule.exchanges.map(({ body }) => body.generationId)).toEqual([2])
  expect(meddler.decisions).toMatchObject([{ seq: 0, api: 'Heartbeat', version: 4, action: action.do }])
  if (!isCut) client.close()
  await clock.advance(10)
  expect(answers.every((answer) => answer === 1)).toBe(true)
  expect((await Promise.all(isLost)).slice(1)).toEqual([true, true])
})

test('what is held keeps its place, and what is behind it waits', async () => {
  const { clock, ...runtime } = simRuntime(1)
  const { connect, meddler, arrived } = await worldOf({ ...runtime, clock })
  const rule = meddler.on({ api: 'Heartbeat', skip: 1, action: { do: 'hold request' } })
  const client = await clock.runUntil(connect())
  const asked = Promise.all([1, 2, 3].map((n) => ask(client, n)))
  await clock.advance(10)
  expect(arrived()).toEqual([1])
  await rule.struck()
  rule.release()
  expect(await clock.runUntil(asked)).toEqual([1, 2, 3])
  expect(arrived()).toEqual([1, 2, 3])
})

test('what is held arrives after its client has gone and come back', async () => {
  const { clock, ...runtime } = simRuntime(1)
  const { connect, meddler, arrived } = await worldOf({ ...runtime, clock })
  const rule = meddler.on({ api: 'Heartbeat', action: { do: 'hold request' } })
  const first = await clock.runUntil(connect())
  const isLost = lost(ask(first, 1))
  await clock.advance(1)
  first.close()
  const second = await clock.runUntil(connect())
  expect(await clock.runUntil(ask(second, 2))).toBe(2)
  rule.release()
  await clock.advance(1)
  expect(arrived()).toEqual([2, 1])
  expect(await isLost).toBe(true)
  expect(meddler.openSessions).toBe(1)
})

test('delays hold for a time', async () => {
  const { clock, ...runtime } = simRuntime(1)
  const { connect, meddler } = await worldOf({ ...runtime, clock })
  meddler.on({ api: 'Heartbeat', action: { do: 'delay request', ms: 300 } })
  meddler.on({ api: 'Heartbeat', action: { do: 'delay response', ms: 40 } })
  const client = await clock.runUntil(connect())
  const beganMs = clock.monotonicMs()
  await clock.runUntil(ask(client, 1))
  expect(clock.monotonicMs() - beganMs).toBe(340)
})

test('an answer of its own keeps its place among those of the broker', async () => {
  const { clock, ...runtime } = simRuntime(1)
  const { connect, meddler, arrived } = await worldOf({ ...runtime, clock })
  const response = (): object => ({ throttleTimeMs: 99, errorCode: 'NONE' })
  meddler.on({ api: 'Heartbeat', skip: 1, action: { do: 'answer', response } })
  const client = await clock.runUntil(connect())
  expect(await clock.runUntil(Promise.all([1, 2, 3].map((n) => ask(client, n))))).toEqual([1, 99, 3])
  expect(arrived()).toEqual([1, 3])
})

test('requests and responses are changed on their way', async () => {
  const { clock, ...runtime } = simRuntime(1)
  const { connect, meddler, arrived } = await worldOf({ ...runtime, clock })
  meddler.on({
    api: 'Heartbeat',
    action: { do: 'change request', change: (body) => void (body.generationId = 7) },
  })
  meddler.on({
    api: 'Heartbeat',
    action: { do: 'change response', change: (answer) => void (answer.throttleTimeMs += 100) },
  })
  meddler.on({
    api: 'Heartbeat',
    // Behind the correlation id and the tags of the header.
    action: { do: 'change bytes', change: (frame) => (frame.writeInt32BE(5, 5), frame) },
  })
  const client = await clock.runUntil(connect())
  expect(await clock.runUntil(ask(client, 1))).toBe(107)
  expect(await clock.runUntil(ask(client, 2))).toBe(5)
  expect(arrived()).toEqual([7, 2])
})

test.each(['same', 'new'] as const)(
  'a request that is sent twice (on the %s connection) is answered once',
  async (on) => {
    const { clock, ...runtime } = simRuntime(1)
    const { connect, meddler, arrived } = await worldOf({ ...runtime, clock })
    meddler.on({ api: 'Heartbeat', action: { do: 'duplicate', on } })
    const client = await clock.runUntil(connect())
    expect(await clock.runUntil(Promise.all([1, 2].map((n) => ask(client, n))))).toEqual([1, 2])
    await clock.advance(5)
    expect(arrived().toSorted((a, b) => a - b)).toEqual([1, 1, 2])
  },
)

test('a rule strikes as often as it says, and no more once it is removed', async () => {
  const { clock, ...runtime } = simRuntime(1)
  const { connect, meddler, arrived } = await worldOf({ ...runtime, clock })
  const response = (): object => ({ throttleTimeMs: 99, errorCode: 'NONE' })
  const rule = meddler.on({ api: ['Fetch', 'Heartbeat'], skip: 1, times: 2, action: { do: 'answer', response } })
  const client = await clock.runUntil(connect())
  expect(await clock.runUntil(Promise.all([1, 2, 3, 4].map((n) => ask(client, n))))).toEqual([1, 99, 99, 4])
  expect((await rule.struck(2)).body.generationId).toBe(3)
  meddler.on({ api: 'Heartbeat', action: { do: 'answer', response } }).remove()
  expect(await clock.runUntil(ask(client, 5))).toBe(5)
  expect(arrived()).toEqual([1, 4, 5])
})

test('when the broker goes, its clients are told', async () => {
  const { clock, ...runtime } = simRuntime(1)
  const { connect, meddler, broker } = await worldOf({ ...runtime, clock })
  const client = await clock.runUntil(connect())
  await clock.runUntil(ask(client, 1))
  broker.cut()
  await clock.advance(5)
  expect(client.isClosed).toBe(true)
  expect(meddler.openSessions).toBe(0)
  await broker.close()
  const late = await clock.runUntil(connect())
  await clock.advance(5)
  expect(late.isClosed).toBe(true)
})
