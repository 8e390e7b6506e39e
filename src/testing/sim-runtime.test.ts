import { describe, expect, test } from 'vitest'
import type { Socket } from '../base/runtime.ts'
import { SimClock } from './sim-clock.ts'
import { networkContract } from '../runtime/network.contract.ts'
import { SimRandom } from './sim-random.ts'
import { type SimRuntimeOptions, simRuntime } from './sim-runtime.ts'

describe('virtual time', () => {
  test('timers fire at their moment, in the order of their moments and then of their setting', async () => {
    const clock = new SimClock()
    const fired: string[] = []
    const note = (name: string) => () => void fired.push(`${name}@${clock.monotonicMs()}`)
    clock.setTimer(20, note('b'))
    clock.setTimer(10, note('a'))
    clock.setTimer(20, note('c'))
    clock.setTimer(15, note('never')).cancel()
    await clock.advance(15)
    expect(fired).toEqual(['a@10'])
    await clock.advance(5)
    expect(fired).toEqual(['a@10', 'b@20', 'c@20'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('a timer set by a timer fires within the same advance, promises between them resolved', async () => {
    const clock = new SimClock()
    const fired: number[] = []
    const work = async (): Promise<void> => {
      for (let step = 0; step < 3; step += 1) {
        await new Promise<void>((resolve) => clock.setTimer(10, resolve))
        fired.push(clock.monotonicMs())
      }
    }
    void work()
    await clock.advance(100)
    expect(fired).toEqual([10, 20, 30])
    expect(clock.monotonicMs()).toBe(100)
  })

  test('waiting for what can never come is an error, not a hang', async () => {
    const clock = new SimClock()
    await expect(clock.runUntil(new Promise(() => {}))).rejects.toThrow(/stands still/)
  })

  test('the wall clock may step back, durations do not', async () => {
    const clock = new SimClock()
    const before = clock.nowMs()
    await clock.advance(1000)
    clock.stepWallClock(-5000)
    expect(clock.nowMs()).toBe(before - 4000)
    expect(clock.monotonicMs()).toBe(1000)
  })
})

describe('seeded randomness', () => {
  test('one seed gives one sequence, another seed another', () => {
    const draw = (seed: number): number[] => {
      const random = new SimRandom(seed)
      return Array.from({ length: 20 }, () => random.nextUint32())
    }
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
    expect(draw(2 ** 40)).not.toEqual(draw(0))
  })

  test('draws are spread evenly', () => {
    const random = new SimRandom(1)
    const counts = Array.from({ length: 10 }, () => 0)
    for (let draw = 0; draw < 100_000; draw += 1) {
      const value = random.below(10)
      counts[value] = (counts[value] as number) + 1
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
  })
})

/** A server that echoes, a client that sends, and everything the client saw. */
async function echo(seed: number, options: SimRuntimeOptions): Promise<{ received: string; trace: string[] }> {
  const { clock, network } = simRuntime(seed, options)
  const trace: string[] = []
  const listener = await network.listen({ host: 'localhost', port: 0 }, (socket) => {
    socket.onData = (chunk) => socket.write([chunk])
    socket.onEnd = () => socket.end()
  })
  const work = async (): Promise<string> => {
    const client = await network.connect({ host: 'localhost', port: listener.port })
    let received = ''
    const closed = new Promise<void>((resolve) => {
      client.onClose = () => resolve()
    })
    client.onData = (chunk) => {
      received += Buffer.from(chunk).toString()
      trace.push(`${clock.monotonicMs()} ${chunk.length}`)
    }
    for (let at = 0; at < 20; at += 1) client.write([Buffer.from(`line ${at}\n`), Buffer.from('+')])
    client.end()
    await closed
    return received
  }
  return { received: await clock.runUntil(work()), trace }
}

for (const [name, options] of Object.entries<SimRuntimeOptions>({
  'simulated, at once': {},
  'simulated, with latency and splits': { networkLatencyMs: { min: 0.1, max: 20 }, splits: true },
})) {
  networkContract(name, () => {
    const { network, clock } = simRuntime(11, options)
    return { network, run: (work) => clock.runUntil(work) }
  })
}

describe('the network in memory', () => {
  test('delivers every byte in order, however it is split and delayed, the same way for the same seed', async () => {
    const options = { networkLatencyMs: { min: 1, max: 50 }, splits: true }
    const expected = Array.from({ length: 20 }, (_, at) => `line ${at}\n+`).join('')
    const first = await echo(3, options)
    expect(first.received).toBe(expected)
    expect(await echo(3, options)).toEqual(first)
    expect((await echo(4, options)).received).toBe(expected)
    expect((await echo(4, options)).trace).not.toEqual(first.trace)
  })

  async function pair(): Promise<{
    clock: SimClock
    network: ReturnType<typeof simRuntime>['network']
    client: Socket
    server: Socket
  }> {
    const { clock, network } = simRuntime(1)
    const accepted: Socket[] = []
    const { port } = await network.listen({ host: 'localhost', port: 9092 }, (socket) => void accepted.push(socket))
    const client = await clock.runUntil(network.connect({ host: 'localhost', port }))
    return { clock, network, client, server: accepted[0] as Socket }
  }

  test('a reader that pauses stops the writer, and draining lets it go on', async () => {
    const { clock, client, server } = await pair()
    let receivedBytes = 0
    server.onData = (chunk) => {
      receivedBytes += chunk.length
    }
    server.pause()
    let drained = 0
    client.onDrain = () => {
      drained += 1
    }
    let writes = 0
    do writes += 1
    while (client.write([Buffer.alloc(10_000)]))
    await clock.advance(10)
    expect(receivedBytes).toBe(0)
    expect(client.bufferedBytes).toBeGreaterThan(0)
    server.resume()
    await clock.advance(10)
    expect(receivedBytes).toBe(writes * 10_000)
    expect(client.bufferedBytes).toBe(0)
    expect(drained).toBe(1)
  })

  test('half-close lets the other side finish', async () => {
    const { clock, client, server } = await pair()
    const seen: string[] = []
    server.onEnd = () => {
      seen.push('server end')
      server.write([Buffer.from('last words')])
      server.end()
    }
    client.onData = (chunk) => void seen.push(Buffer.from(chunk).toString())
    client.onEnd = () => void seen.push('client end')
    client.onClose = (error) => void seen.push(`client close ${error}`)
    client.end()
    await clock.advance(10)
    expect(seen).toEqual(['server end', 'last words', 'client end', 'client close undefined'])
  })

  test('a cut resets both sides and loses what was under way', async () => {
    const { clock, network, client, server } = await pair()
    const seen: string[] = []
    server.onData = () => void seen.push('data')
    server.onClose = (error) => void seen.push(`server ${(error as { code?: string }).code}`)
    client.onClose = (error) => void seen.push(`client ${(error as { code?: string }).code}`)
    client.write([Buffer.from('lost')])
    network.cut()
    await clock.advance(10)
    expect(seen.sort()).toEqual(['client ECONNRESET', 'server ECONNRESET'])
    expect(network.openConnections).toBe(0)
    expect(client.write([Buffer.from('x')])).toBe(false)
  })

  test('held bytes arrive after the release, none lost', async () => {
    const { clock, network, client, server } = await pair()
    let received = ''
    server.onData = (chunk) => {
      received += Buffer.from(chunk).toString()
    }
    network.hold()
    client.write([Buffer.from('abc')])
    await clock.advance(1000)
    expect(received).toBe('')
    client.write([Buffer.from('def')])
    await clock.advance(1)
    network.release()
    await clock.advance(1)
    expect(received).toBe('abcdef')
  })

  test('a port in use and a port nobody listens on are refused as a real network refuses them', async () => {
    const { clock, network } = await pair()
    await expect(network.listen({ host: 'localhost', port: 9092 }, () => {})).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    await expect(clock.runUntil(network.connect({ host: 'localhost', port: 9 }))).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
  })
})
