import { expect, test } from 'vitest'
import { heartbeat } from '../../protocol/messages/heartbeat.ts'
import { produce } from '../../protocol/messages/produce.ts'
import type { Script } from '../../testing/scripted-broker.ts'
import { RequestFailure } from './client-connection.ts'
import { HEARTBEAT, HEARTBEAT_OK, inWorld, LOOKUP } from './cluster.test-kit.ts'

const answerHeartbeats: Script = (request) => {
  if (request.api.name !== 'Heartbeat') return false
  request.answer(HEARTBEAT_OK)
  return true
}

async function rejection(work: Promise<unknown>): Promise<RequestFailure> {
  const reason: unknown = await work.then(
    () => new Error('it was answered'),
    (error: unknown) => error,
  )
  expect(reason).toBeInstanceOf(RequestFailure)
  return reason as RequestFailure
}

test.each([
  ['names its own range', [{ apiKey: 18, minVersion: 0, maxVersion: 2 }], [4, 2]],
  ['names nothing', [], [4, 0]],
])(
  'an ApiVersions version that is refused in a body of version 0 is asked lower: the broker %s',
  async (_, apiKeys, versions) => {
    await inWorld(async (world) => {
      const peer = await world.peer({
        versions: { Heartbeat: [0, 2] },
        script(request) {
          if (request.api.name === 'Heartbeat') return answerHeartbeats(request)
          if (request.api.name !== 'ApiVersions' || request.version <= (versions[1] ?? 0)) return false
          request.answer({ errorCode: 'UNSUPPORTED_VERSION', apiKeys }, 0)
          return true
        },
      })
      const { version } = await world.link(peer).send(HEARTBEAT)
      expect(version).toBe(2)
      expect(peer.requests.filter(({ api }) => api.name === 'ApiVersions').map((one) => one.version)).toEqual(versions)
      expect(peer.connectionCount).toBe(1)
    })
  },
)

test('a broker that refuses ApiVersions in every version is reported as such, and asked only a few times', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        request.answer(
          { errorCode: 'UNSUPPORTED_VERSION', apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 99 }] },
          0,
        )
        return true
      },
    })
    const { error } = await rejection(world.link(peer).send(HEARTBEAT))
    expect(error.code).toBe('UNSUPPORTED_BY_BROKER')
    expect(error.recovery).toBe('fix-configuration')
    expect(peer.requests.length).toBe(5)
  })
})

test('an error in ApiVersions that may pass is one to try again', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name === 'ApiVersions' && request.connection === 0) {
          request.answer({ errorCode: 'UNKNOWN_SERVER_ERROR', apiKeys: [] })
          return true
        }
        return answerHeartbeats(request)
      },
    })
    const link = world.link(peer)
    const { error, mayHaveBeenSent } = await rejection(link.send(HEARTBEAT))
    expect(error).toMatchObject({ code: 'UNKNOWN_SERVER_ERROR', recovery: 'retry' })
    expect(mayHaveBeenSent).toBe(false)
    expect((await link.send(HEARTBEAT)).response).toMatchObject(HEARTBEAT_OK)
  })
})

test('the highest version of both is taken within the bounds of the request', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ versions: { Heartbeat: [1, 3] }, script: answerHeartbeats })
    const link = world.link(peer)
    expect((await link.send(HEARTBEAT)).version).toBe(3)
    expect((await link.send({ ...HEARTBEAT, maxVersion: 1 })).version).toBe(1)
    const { error } = await rejection(link.send({ ...HEARTBEAT, minVersion: 4 }))
    expect(error.code).toBe('UNSUPPORTED_BY_BROKER')
    expect(error.message).toMatch(/Heartbeat in versions 4 to \d+ is needed, and the broker .* has versions 1 to 3/)
  })
})

test.each([
  ['negative', -3, -1],
  ['upside down', 3, 1],
  ['of the far future', 9_000, 9_001],
])('a version range that is %s is none we can speak', async (_, minVersion, maxVersion) => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'ApiVersions') return false
        request.answer({ errorCode: 'NONE', apiKeys: [{ apiKey: heartbeat.key, minVersion, maxVersion }] })
        return true
      },
    })
    expect((await rejection(world.link(peer).send(HEARTBEAT))).error.code).toBe('UNSUPPORTED_BY_BROKER')
  })
})

test('an API that the broker lacks fails by itself, and the connection goes on', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ only: ['ApiVersions', 'FindCoordinator'] })
    const link = world.link(peer)
    const [refused, answered] = await Promise.allSettled([link.send(HEARTBEAT), link.send(LOOKUP)])
    expect(refused.status).toBe('rejected')
    expect(answered.status).toBe('fulfilled')
    expect(peer.connectionCount).toBe(1)
  })
})

test('a body that cannot be written fails alone', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ script: answerHeartbeats })
    const link = world.link(peer)
    const tooLong = { ...HEARTBEAT, body: { ...HEARTBEAT.body, groupId: 'x'.repeat(40_000) } }
    const [refused, answered] = await Promise.allSettled([link.send(tooLong), link.send(HEARTBEAT)])
    expect(refused).toMatchObject({ status: 'rejected', reason: { name: 'AssertionError' } })
    expect(answered.status).toBe('fulfilled')
    expect(link.pendingRequests).toBe(0)
  })
})

test('after a failed attempt there is a pause that doubles up to its limit, and ends with the first success', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer()
    const { port } = peer
    await peer.close()
    const link = world.link(peer, { reconnectBackoffMs: 100, reconnectBackoffMaxMs: 1_000 })
    const pauses: number[] = []
    for (let attempt = 0; attempt < 7; attempt++) {
      const beganMs = world.runtime.clock.monotonicMs()
      expect((await rejection(link.send(HEARTBEAT))).error.code).toBe('CONNECTION_FAILED')
      pauses.push(world.runtime.clock.monotonicMs() - beganMs)
    }
    expect(pauses[0]).toBe(0)
    const expected = [100, 200, 400, 800, 1_000, 1_000]
    pauses.slice(1).forEach((pause, at) => expect(Math.abs(pause / (expected[at] ?? 0) - 1)).toBeLessThanOrEqual(0.2))
    await world.peer({ port, script: answerHeartbeats })
    await link.send(HEARTBEAT)
    expect(link.failedAtMs).toBeUndefined()
  })
})

test('requests that wait for a new connection keep their order, with those that come while it is made', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    await inWorld(async (world) => {
      const peer = await world.peer({ script: answerHeartbeats })
      const link = world.link(peer)
      const sends: Promise<unknown>[] = []
      const send = (generationId: number): void => {
        sends.push(link.send({ ...HEARTBEAT, body: { ...HEARTBEAT.body, generationId } }))
      }
      const total = 200
      for (let n = 0; n < total; n++) {
        send(n)
        // At every moment of connecting: within a turn, after some microtasks, after some time.
        for (let ticks = world.runtime.random.below(4); ticks > 0; ticks--) await Promise.resolve()
        if (world.runtime.random.chance(0.05)) await world.sleep(world.runtime.random.below(2))
        if (n === 100) {
          await Promise.all(sends)
          peer.cut()
          await world.sleep(1)
        }
      }
      await Promise.all(sends)
      const arrived = peer.requests.filter(({ api }) => api.name === 'Heartbeat').map(({ body }) => body.generationId)
      expect(arrived).toEqual(Array.from({ length: total }, (_, n) => n))
    }, seed)
  }
})

test('everything that waits for a connection fails with that attempt, and is known not to have been sent', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer()
    await peer.close()
    const link = world.link(peer)
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => rejection(link.send(HEARTBEAT))))
    for (const { error, mayHaveBeenSent } of outcomes) {
      expect(error.code).toBe('CONNECTION_FAILED')
      expect(mayHaveBeenSent).toBe(false)
    }
  })
})

test('a broker that asks for a pause gets it, and what comes meanwhile keeps its order', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Heartbeat') return false
        request.answer({ ...HEARTBEAT_OK, throttleTimeMs: request.body.generationId === 0 ? 700 : 0 })
        return true
      },
    })
    const link = world.link(peer)
    const send = (generationId: number): Promise<unknown> =>
      link.send({ ...HEARTBEAT, body: { ...HEARTBEAT.body, generationId } })
    await send(0)
    await Promise.all([send(1), world.sleep(300).then(() => send(2)), send(3)])
    expect(world.runtime.clock.monotonicMs()).toBe(700)
    const arrived = peer.requests.filter(({ api }) => api.name === 'Heartbeat').map(({ body }) => body.generationId)
    expect(arrived).toEqual([0, 1, 3, 2])
    await send(4)
    expect(world.runtime.clock.monotonicMs()).toBe(700)
  })
})

test('a huge throttle time is not believed', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Heartbeat') return false
        request.answer({ ...HEARTBEAT_OK, throttleTimeMs: 2 ** 31 - 1 })
        return true
      },
    })
    const link = world.link(peer)
    await link.send(HEARTBEAT)
    await link.send(HEARTBEAT)
    expect(world.runtime.clock.monotonicMs()).toBe(60_000)
  })
})

test('a peer that does not answer the first exchange is given up after connectTimeoutMs', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ script: () => true })
    const { error, mayHaveBeenSent } = await rejection(world.link(peer, { connectTimeoutMs: 2_000 }).send(HEARTBEAT))
    expect(error.code).toBe('REQUEST_TIMEOUT')
    expect(mayHaveBeenSent).toBe(false)
    expect(world.runtime.clock.monotonicMs()).toBe(2_000)
  })
})

test.each<[string, Script, number]>([
  ['connecting', () => false, 0],
  ['asking for versions', () => true, 5],
  ['waiting for an answer', ({ api }) => api.name !== 'ApiVersions', 5],
])('close while %s settles everything at once', async (_, script, afterMs) => {
  await inWorld(async (world) => {
    const link = world.link(await world.peer({ script }))
    const sends = [link.send(HEARTBEAT), link.send(HEARTBEAT)].map((send) => rejection(send))
    await world.sleep(afterMs)
    const closedMs = world.runtime.clock.monotonicMs()
    link.close('the test closes it')
    for (const { error } of await Promise.all(sends)) expect(['CLOSED', 'DISCONNECTED']).toContain(error.code)
    expect(world.runtime.clock.monotonicMs()).toBe(closedMs)
    expect((await rejection(link.send(HEARTBEAT))).error.code).toBe('CLOSED')
  })
})

test('close while it pauses settles everything at once', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer()
    await peer.close()
    const link = world.link(peer)
    await rejection(link.send(HEARTBEAT))
    const waiting = rejection(link.send(HEARTBEAT))
    link.close('the test closes it')
    expect((await waiting).error.code).toBe('CLOSED')
    expect(world.runtime.clock.pendingTimers).toBe(0)
  })
})

test('a link that is retired ends with the last answer it waits for', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ script: answerHeartbeats })
    const link = world.link(peer)
    const answer = link.send(HEARTBEAT)
    link.retire()
    expect((await answer).response).toMatchObject(HEARTBEAT_OK)
    await world.sleep(1)
    expect(peer.openConnections).toBe(0)
  })
})

test('acks=0 that was written before the connection is lost counts as sent', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ script: ({ api }) => api.name === 'Produce' })
    const link = world.link(peer)
    const body = { transactionalId: null, acks: 0, timeoutMs: 1, topicData: [] }
    await link.send({ api: produce, body, timeoutMs: 1_000, expectsNoResponse: true })
    expect(link.pendingRequests).toBe(0)
  })
})
