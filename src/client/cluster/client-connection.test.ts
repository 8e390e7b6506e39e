import { expect, test } from 'vitest'
import { apiVersions } from '../../protocol/messages/api-versions.ts'
import type { ScriptedRequest } from '../../testing/scripted-broker.ts'
import { responseBytes } from '../../testing/wire-frames.ts'
import { RequestFailure } from './client-connection.ts'
import { HEARTBEAT, HEARTBEAT_OK, inWorld, type World } from './cluster.test-kit.ts'

/** The failure of one request to a peer that deals with Heartbeat in this way. */
async function failureOf(
  world: World,
  onHeartbeat: (request: ScriptedRequest) => void,
  timeoutMs = 5_000,
): Promise<RequestFailure> {
  const peer = await world.peer({
    script(request) {
      if (request.api.name !== 'Heartbeat') return false
      onHeartbeat(request)
      return true
    },
  })
  const link = world.link(peer)
  const failure: unknown = await link.send({ ...HEARTBEAT, timeoutMs }).then(
    () => new Error('it was answered'),
    (reason: unknown) => reason,
  )
  expect(failure).toBeInstanceOf(RequestFailure)
  expect(link.isConnected, 'a connection that failed is not used again').toBe(false)
  return failure as RequestFailure
}

const broken = (request: ScriptedRequest, size: number): Buffer => {
  const bytes = responseBytes(request, HEARTBEAT_OK)
  bytes.writeInt32BE(size, 0)
  return bytes
}

test.each<[string, (request: ScriptedRequest) => void, string, RegExp]>([
  [
    'an answer to another request',
    (request) =>
      request.answerRaw(responseBytes({ ...request, correlationId: request.correlationId + 1 }, HEARTBEAT_OK)),
    'INVALID_RESPONSE',
    /answer to request 3 came where that to 2/,
  ],
  [
    'a frame above the limit',
    (request) => request.answerRaw(broken(request, 1_000_001)),
    'INVALID_RESPONSE',
    /1000001/,
  ],
  ['a frame of no bytes', (request) => request.answerRaw(broken(request, 0)), 'INVALID_RESPONSE', /frame size 0/],
  [
    'a frame of negative size',
    (request) => request.answerRaw(broken(request, -1)),
    'INVALID_RESPONSE',
    /frame size -1/,
  ],
  [
    'an answer that ends early',
    (request) => request.answerRaw(Buffer.from([0, 0, 0, 5, 0, 0, 0, 2, 0])),
    'INVALID_RESPONSE',
    /cannot be read/,
  ],
  ['an answer that is cut', (request) => request.answerCut(HEARTBEAT_OK, 9), 'DISCONNECTED', /closed the connection/],
  ['no answer and a half-close', (request) => request.disconnect('end'), 'DISCONNECTED', /closed the connection/],
  ['no answer and a reset', (request) => request.disconnect(), 'DISCONNECTED', /connection/],
])('%s fails the request, which may have been carried out', async (_name, onHeartbeat, code, message) => {
  await inWorld(async (world) => {
    const { error, mayHaveBeenSent } = await failureOf(world, onHeartbeat)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    expect(error.recovery).toBe('retry')
    expect(error.request).toMatchObject({ api: 'Heartbeat', broker: expect.stringMatching(/^127\.0\.0\.1:\d+$/) })
    expect(mayHaveBeenSent).toBe(true)
  })
})

test('a request that is never answered fails at its deadline, and the connection with it', async () => {
  await inWorld(async (world) => {
    const { error, mayHaveBeenSent } = await failureOf(world, () => undefined, 3_000)
    expect(error.code).toBe('REQUEST_TIMEOUT')
    expect(mayHaveBeenSent).toBe(true)
    expect(world.runtime.clock.monotonicMs()).toBe(3_000)
  })
})

test('the deadline of each request counts, also behind one with a later deadline', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ script: ({ api }) => api.name === 'Heartbeat' })
    const link = world.link(peer)
    const outcomes = await Promise.allSettled([
      link.send({ ...HEARTBEAT, timeoutMs: 60_000 }),
      link.send({ ...HEARTBEAT, timeoutMs: 1_000 }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(world.runtime.clock.monotonicMs()).toBe(1_000)
  })
})

test('a response that nobody asked for ends the connection, and the next request takes a new one', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Heartbeat') return false
        request.answer(HEARTBEAT_OK)
        if (request.connection === 0) request.answer(HEARTBEAT_OK)
        return true
      },
    })
    const link = world.link(peer)
    await link.send(HEARTBEAT)
    await world.sleep(1)
    expect(link.isConnected).toBe(false)
    await link.send(HEARTBEAT)
    expect(peer.connectionCount).toBe(2)
  })
})

test('every request behind a failed one fails, in order', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Heartbeat') return false
        if (request.body.generationId === 4) request.disconnect()
        return true
      },
    })
    const link = world.link(peer)
    const failed: number[] = []
    const sends = [1, 2, 3, 4].map((generationId) =>
      link
        .send({ ...HEARTBEAT, body: { ...HEARTBEAT.body, generationId } })
        .catch(() => void failed.push(generationId)),
    )
    await Promise.all(sends)
    expect(failed).toEqual([1, 2, 3, 4])
  })
})

test('answers in pieces of one byte are put together', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({
      script(request) {
        if (request.api.name !== 'Heartbeat') return false
        for (const byte of responseBytes(request, HEARTBEAT_OK)) request.answerRaw(Uint8Array.of(byte))
        return true
      },
    })
    expect((await world.link(peer).send(HEARTBEAT)).response).toMatchObject(HEARTBEAT_OK)
  })
})

test('a request that expects no response is done once it was written', async () => {
  await inWorld(async (world) => {
    const peer = await world.peer({ script: ({ api }) => api.name === 'Heartbeat' })
    const link = world.link(peer)
    expect((await link.send({ ...HEARTBEAT, expectsNoResponse: true })).response).toBeUndefined()
    await world.sleep(1)
    expect(peer.asked).toEqual([apiVersions.name, 'Heartbeat'])
    expect(link.pendingRequests).toBe(0)
  })
})
