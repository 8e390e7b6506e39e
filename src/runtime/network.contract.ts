/** What every `Network` must do; run against Node's and the simulated one. */

import { describe, expect, test } from 'vitest'
import type { Network, ReceiveRoom, Socket } from '../base/runtime.ts'

export interface NetworkUnderTest {
  readonly network: Network
  /** Lets pass what time it takes until `work` settles. */
  readonly run: <T>(work: Promise<T>) => Promise<T>
}

const HOST = '127.0.0.1'
const closeOf = (socket: Socket): Promise<Error | undefined> =>
  new Promise((resolve) => {
    socket.onClose = resolve
  })

/** Of what it rejects with; 'connected' when it does not. */
const codeOf = (attempt: Promise<Socket>): Promise<string | undefined> =>
  attempt.then(
    () => 'connected',
    (error: Error & { code?: string }) => error.code,
  )

interface Pair {
  readonly client: Socket
  readonly server: Socket
  readonly close: () => Promise<void>
}

async function pair({ network, run }: NetworkUnderTest, into?: ReceiveRoom): Promise<Pair> {
  const accepted = Promise.withResolvers<Socket>()
  const listener = await network.listen({ host: HOST, port: 0 }, accepted.resolve)
  const options = { host: HOST, port: listener.port }
  const client = await run(network.connect(into === undefined ? options : { ...options, into }))
  return { client, server: await run(accepted.promise), close: () => listener.close() }
}

export function networkContract(name: string, setUp: () => NetworkUnderTest): void {
  describe(`network contract: ${name}`, () => {
    test('bytes go both ways in order, and half-close lets the other side finish', async () => {
      const world = setUp()
      const { client, server, close } = await pair(world)
      expect(server.remoteAddress).toBe(HOST)
      const received: Uint8Array[] = []
      server.onData = (chunk) => void received.push(Buffer.from(chunk))
      server.onEnd = () => {
        server.write([Buffer.concat(received), Buffer.from('!')])
        server.end()
      }
      const answer: Uint8Array[] = []
      client.onData = (chunk) => void answer.push(Buffer.from(chunk))
      const closed = Promise.all([closeOf(client), closeOf(server)])
      const sent = Array.from({ length: 500 }, (_, at) => Buffer.from(`${at},`))
      for (let at = 0; at < 500; at += 5) client.write(sent.slice(at, at + 5))
      client.end()
      expect(await world.run(closed)).toEqual([undefined, undefined])
      expect(Buffer.concat(answer).toString()).toBe(`${Buffer.concat(sent)}!`)
      await close()
    })

    test('what arrives is put into the room that was given, asked for anew each time; the end is told after it', async () => {
      const world = setUp()
      const memory = Buffer.alloc(64)
      let used = 0
      const { client, server, close } = await pair(world, { room: () => memory.subarray(used, used + 5) })
      const ended = new Promise<void>((resolve) => {
        client.onEnd = resolve
      })
      const chunks: Uint8Array[] = []
      client.onData = (chunk) => {
        chunks.push(chunk)
        used += chunk.length
      }
      server.write([Buffer.from('what arrives is put here')])
      server.end()
      await world.run(ended)
      expect(memory.toString('utf8', 0, used)).toBe('what arrives is put here')
      expect(chunks.every(({ buffer, length }) => buffer === memory.buffer && length <= 5)).toBe(true)
      client.destroy()
      await close()
    })

    test('a reader that pauses fills the writer, and reading drains it', async () => {
      const world = setUp()
      const { client, server, close } = await pair(world)
      let receivedBytes = 0
      server.onData = (chunk) => {
        receivedBytes += chunk.length
      }
      server.pause()
      const drained = new Promise<void>((resolve) => {
        client.onDrain = resolve
      })
      let sentBytes = 0
      while (client.bufferedBytes < 16_000_000) {
        client.write([Buffer.alloc(1_000_000)])
        sentBytes += 1_000_000
      }
      expect(client.write([Buffer.alloc(1)])).toBe(false)
      server.resume()
      await world.run(drained)
      const closed = closeOf(server)
      server.onEnd = () => server.end()
      client.end()
      await world.run(closed)
      expect(receivedBytes).toBe(sentBytes + 1)
      expect(client.bufferedBytes).toBe(0)
      await close()
    })

    test('destroying one side closes the other, and writes to a closed socket are refused quietly', async () => {
      const world = setUp()
      const { client, server, close } = await pair(world)
      const closed = closeOf(server)
      server.onEnd = () => server.end()
      client.destroy()
      await world.run(closed)
      expect(client.write([Buffer.from('x')])).toBe(false)
      expect(server.write([Buffer.from('x')])).toBe(false)
      await close()
    })

    test('a destroyed socket is told that it closed, once, and hears nothing more', async () => {
      const world = setUp()
      const { client, server, close } = await pair(world)
      const heard: string[] = []
      client.onData = () => void heard.push('data')
      client.onEnd = () => void heard.push('end')
      const closed = new Promise<void>((resolve) => {
        client.onClose = (error) => {
          heard.push(`close ${String(error)}`)
          resolve()
        }
      })
      const serverClosed = closeOf(server)
      server.onEnd = () => server.end()
      client.destroy()
      server.write([Buffer.from('too late')])
      await world.run(Promise.all([closed, serverClosed]))
      expect(heard).toEqual(['close undefined'])
      await close()
    })

    test('closing the listener leaves open sockets alone and refuses new ones', async () => {
      const world = setUp()
      const { network, run } = world
      const listener = await network.listen({ host: HOST, port: 0 }, (socket) => {
        socket.onData = (chunk) => void socket.write([Buffer.from(chunk)])
        socket.onEnd = () => socket.end()
      })
      const client = await run(network.connect({ host: HOST, port: listener.port }))
      await listener.close()
      expect(await run(codeOf(network.connect({ host: HOST, port: listener.port })))).toBe('ECONNREFUSED')
      const echoed = new Promise<string>((resolve) => {
        client.onData = (chunk) => resolve(Buffer.from(chunk).toString())
      })
      client.write([Buffer.from('still here')])
      expect(await run(echoed)).toContain('s')
      client.destroy()
    })

    test('a port in use is refused', async () => {
      const { network } = setUp()
      const listener = await network.listen({ host: HOST, port: 0 }, () => {})
      await expect(network.listen({ host: HOST, port: listener.port }, () => {})).rejects.toMatchObject({
        code: 'EADDRINUSE',
      })
      await listener.close()
    })

    test('an attempt to connect that is given up rejects', async () => {
      const { network, run } = setUp()
      const listener = await network.listen({ host: HOST, port: 0 }, (socket) => {
        socket.onEnd = () => socket.end()
      })
      const controller = new AbortController()
      const attempt = network.connect({ host: HOST, port: listener.port, signal: controller.signal })
      controller.abort()
      expect(await run(codeOf(attempt))).toBe('ABORT_ERR')
      await listener.close()
    })
  })
}
