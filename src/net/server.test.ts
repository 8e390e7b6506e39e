import { connect } from 'node:net'
import type { Socket as NetSocket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Logger } from '../base/runtime.ts'
import { nodeClock } from '../runtime/clock.ts'
import { nodeEvents } from '../runtime/events.ts'
import { silentLogger } from '../runtime/logger.ts'
import { nodeNetwork } from '../runtime/network.ts'
import type { Connection } from './connection.ts'
import type { NetLimits } from './limits.ts'
import { serve } from './server.ts'
import type { Server } from './server.ts'

const LIMITS: NetLimits = {
  maxFrameBytes: 10_000_000,
  maxConnections: 1000,
  maxConnectionsPerAddress: 1000,
  maxInFlightRequests: 256,
  maxInFlightBytes: 64_000_000,
  maxTotalBytes: 256_000_000,
  maxUnsentBytes: 1_000_000,
  idleTimeoutMs: 60_000,
  receiveTimeoutMs: 60_000,
}

type OnFrame = (connection: Connection, frame: Uint8Array, sequence: number) => void

const opened: { close(graceMs: number): Promise<void> }[] = []
const sockets: NetSocket[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of opened.splice(0)) await server.close(0)
})

async function started(
  options: { limits?: Partial<NetLimits>; onFrame?: OnFrame; logger?: Logger } = {},
): Promise<Server> {
  const server = await serve({
    network: nodeNetwork(silentLogger),
    clock: nodeClock(),
    logger: options.logger ?? silentLogger,
    events: nodeEvents(),
    host: '127.0.0.1',
    port: 0,
    limits: () => ({ ...LIMITS, ...options.limits }),
    onFrame: options.onFrame ?? ((connection, frame, sequence) => connection.reply(sequence, [frame])),
    onClose: () => {},
  })
  opened.push(server)
  return server
}

function client(server: Server): Promise<NetSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: server.port }, () => resolve(socket))
    socket.once('error', reject)
    socket.on('error', () => {}) // a reset is what some of these tests ask for
    sockets.push(socket)
  })
}

function closed(socket: NetSocket): Promise<void> {
  socket.resume()
  return new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())))
}

function received(socket: NetSocket, byteCount: number): Promise<Buffer> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      if (bytes.length >= byteCount) resolve(bytes)
    })
  })
}

function framed(payload: Uint8Array): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(payload.length)
  return Buffer.concat([size, payload])
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('a server', () => {
  test('answers over a real socket, a frame cut at every byte included', async () => {
    const server = await started()
    const socket = await client(server)
    const request = framed(Buffer.from('hello'))
    const reply = received(socket, request.length * 2)
    for (const byte of request) {
      socket.write(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    socket.write(request)
    expect(await reply).toEqual(Buffer.concat([request, request]))
  })

  test('one connection too many is closed, and one more is taken when another leaves', async () => {
    const server = await started({ limits: { maxConnections: 2 } })
    const [first, second] = [await client(server), await client(server)]
    await until(() => server.connectionCount === 2)
    await closed(await client(server))
    first.destroy()
    await until(() => server.connectionCount === 1)
    const fourth = await client(server)
    const reply = received(fourth, 5)
    fourth.write(framed(Buffer.from('x')))
    await reply
    expect(second.destroyed).toBe(false)
  })

  test('connections of one address are limited', async () => {
    const server = await started({ limits: { maxConnectionsPerAddress: 1 } })
    const first = await client(server)
    await until(() => server.connectionCount === 1)
    await closed(await client(server))
    expect(first.destroyed).toBe(false)
    expect(server.connectionCount).toBe(1)
  })

  test('an HTTP request is closed with a reason in the log, others go on', async () => {
    const warnings: unknown[] = []
    const logger: Logger = { ...silentLogger, warn: (message, fields) => warnings.push({ message, ...fields }) }
    const server = await started({ logger })
    const good = await client(server)
    const bad = await client(server)
    bad.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await closed(bad)
    expect(warnings).toEqual([expect.objectContaining({ reason: expect.stringContaining('HTTP') })])
    const reply = received(good, 5)
    good.write(framed(Buffer.from('x')))
    await reply
  })

  test('while overloaded nothing is read, afterwards everything is', async () => {
    let handled = 0
    const server = await started({
      onFrame: (connection, frame, sequence) => {
        handled += 1
        connection.reply(sequence, [frame])
      },
    })
    const sent = [await client(server), await client(server)]
    server.setOverloaded(true)
    for (const socket of sent) socket.write(framed(Buffer.from('x')))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(handled).toBe(0)
    const replies = sent.map((socket) => received(socket, 5))
    server.setOverloaded(false)
    await Promise.all(replies)
    expect(handled).toBe(2)
  })

  test('an idle connection is closed', async () => {
    const server = await started({ limits: { idleTimeoutMs: 60 } })
    await closed(await client(server))
    expect(server.connectionCount).toBe(0)
  })

  test('100,000 pipelined requests of a peer that does not read stop its own socket only; it reads on and gets all', async () => {
    const replyBytes = 1000
    let handled = 0
    const server = await started({
      onFrame: (connection, _frame, sequence) => {
        handled += 1
        connection.reply(sequence, [Buffer.alloc(replyBytes)])
      },
    })
    const slow = await client(server)
    slow.pause()
    const requestCount = 100_000
    const request = framed(Buffer.alloc(10))
    slow.write(Buffer.concat(Array.from({ length: requestCount }, () => request)))
    // It settles where the limit of unsent bytes and the buffers of the system are full.
    let before = -1
    while (handled !== before) {
      before = handled
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(handled).toBeLessThan(requestCount / 2)
    const other = await client(server)
    const reply = received(other, 4 + replyBytes)
    other.write(request)
    await reply
    let total = 0
    slow.on('data', (chunk) => (total += chunk.length))
    slow.resume()
    await until(() => total === requestCount * (4 + replyBytes))
    expect(handled).toBe(requestCount + 1)
  })

  test('opening and closing 500 connections leaves nothing behind', async () => {
    const server = await started()
    for (let round = 0; round < 10; round++) {
      const batch = await Promise.all(Array.from({ length: 50 }, () => client(server)))
      for (const socket of batch) socket.destroy()
    }
    await until(() => server.connectionCount === 0)
  })

  test('a half-closed peer gets its answer, then the end', async () => {
    const server = await started({
      onFrame: (connection, frame, sequence) => setTimeout(() => connection.reply(sequence, [frame]), 20),
    })
    const socket = await client(server)
    const reply = received(socket, 5)
    socket.end(framed(Buffer.from('x')))
    expect(await reply).toEqual(framed(Buffer.from('x')))
    await closed(socket)
    await until(() => server.connectionCount === 0)
  })

  test('stopping lets requests in progress finish, accepts nobody, and closes idle peers', async () => {
    const server = await started({
      onFrame: (connection, frame, sequence) => setTimeout(() => connection.reply(sequence, [frame]), 50),
    })
    const [busy, idle] = [await client(server), await client(server)]
    const reply = received(busy, 5)
    busy.write(framed(Buffer.from('x')))
    await until(() => server.connectionCount === 2)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const stopping = server.close(5000)
    expect(await reply).toEqual(framed(Buffer.from('x')))
    await Promise.all([closed(busy), closed(idle)])
    await stopping
    await expect(client(server)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('stopping does not wait longer than the grace for a request that never ends', async () => {
    const server = await started({ onFrame: () => {} })
    const socket = await client(server)
    socket.write(framed(Buffer.from('x')))
    await new Promise((resolve) => setTimeout(resolve, 20))
    const startedMs = performance.now()
    await server.close(100)
    expect(performance.now() - startedMs).toBeLessThan(2000)
    await closed(socket)
  })

  test('a port in use rejects with EADDRINUSE', async () => {
    const server = await started()
    const second = serve({
      network: nodeNetwork(silentLogger),
      clock: nodeClock(),
      logger: silentLogger,
      events: nodeEvents(),
      host: '127.0.0.1',
      port: server.port,
      limits: () => LIMITS,
      onFrame: () => {},
      onClose: () => {},
    })
    await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
