/** Processes that are paused and killed, a network that is disturbed, machines that lose power: what the faults are made of. */
import { describe, expect, test } from 'vitest'
import type { Socket } from '../../base/runtime.ts'
import { Kafka } from '../../client/index.ts'
import type { Direction } from '../sim-network.ts'
import { BrokerNode } from './broker-node.ts'
import type { SimProcess } from './sim-process.ts'
import { World } from './world.ts'

interface Connected {
  readonly world: World
  readonly client: SimProcess
  readonly server: SimProcess
  readonly socket: Socket
  readonly accepted: Socket
  readonly heard: string[]
}

/** Two processes with a connection between them; `heard` has what reaches either. */
async function connected(seed = 1): Promise<Connected> {
  const world = new World(seed)
  const [client, server] = [world.process('client'), world.process('server')]
  const accepted = Promise.withResolvers<Socket>()
  await world.runtimeOf(server).network.listen({ host: 'server', port: 1 }, accepted.resolve)
  const socket = await world.run(world.runtimeOf(client).network.connect({ host: 'server', port: 1 }), 1_000)
  const heard: string[] = []
  const follow = (name: string, one: Socket): void => {
    one.onData = (chunk) => void heard.push(`${name} ${Buffer.from(chunk).toString()}`)
    one.onEnd = () => void heard.push(`${name} end`)
    one.onClose = (error) => void heard.push(`${name} close ${(error as { code?: string } | undefined)?.code}`)
  }
  follow('client', socket)
  follow('server', await accepted.promise)
  return { world, client, server, socket, accepted: await accepted.promise, heard }
}

const toServer = ({ to }: Direction): boolean => to === 'server'

describe('a process', () => {
  test('that is paused does nothing until it goes on, and then all of it', async () => {
    const { world, server, socket, heard } = await connected()
    server.clock.setTimer(10, () => void heard.push('timer'))
    const cancelled = server.clock.setTimer(10, () => void heard.push('cancelled timer'))
    server.pause()
    socket.write([Buffer.from('x')])
    await world.clock.advance(1_000)
    expect(heard).toEqual([])
    cancelled.cancel()
    server.resume()
    await world.clock.advance(10)
    expect(heard.sort()).toEqual(['server x', 'timer'])
  })

  test('that is killed hears nothing more, and its peer learns of it', async () => {
    const { world, client, socket, accepted, heard } = await connected()
    client.clock.setTimer(5, () => void heard.push('timer'))
    client.kill()
    accepted.write([Buffer.from('x')])
    await world.clock.advance(1_000)
    expect(heard).toEqual(['server close ECONNRESET'])
    expect(socket.write([Buffer.from('y')])).toBe(false)
    client.clock.setTimer(5, () => void heard.push('timer of a dead process'))
    await world.clock.advance(1_000)
    expect(heard).toHaveLength(1)
  })

  test('that listened and is killed refuses connections, until another life of it listens', async () => {
    const { world, server, client } = await connected()
    server.kill()
    const { network } = world.runtimeOf(client)
    const refusal = network.connect({ host: 'server', port: 1 }).catch((error: { code?: string }) => error.code)
    expect(await world.run(refusal, 1_000)).toBe('ECONNREFUSED')
    await world.runtimeOf(world.process('server')).network.listen({ host: 'server', port: 1 }, () => {})
    await world.run(network.connect({ host: 'server', port: 1 }), 1_000)
  })
})

describe('a network that is disturbed', () => {
  test('holds one direction back and lets the other pass; what was held arrives even when its sender has given up', async () => {
    const { world, socket, accepted, heard } = await connected()
    const release = world.network.disturb({ kind: 'hold', touches: toServer })
    socket.write([Buffer.from('a')])
    accepted.write([Buffer.from('b')])
    await world.clock.advance(10_000)
    expect(heard).toEqual(['client b'])
    socket.end()
    await world.clock.advance(10_000)
    release()
    await world.clock.advance(10)
    expect(heard).toEqual(['client b', 'server a', 'server end'])
  })

  test('loses what was sent, and nothing behind a hole in the stream arrives', async () => {
    const { world, socket, accepted, heard } = await connected()
    const mend = world.network.disturb({ kind: 'lose', touches: toServer })
    socket.write([Buffer.from('lost')])
    await world.clock.advance(100)
    mend()
    socket.write([Buffer.from('behind it')])
    accepted.write([Buffer.from('b')])
    await world.clock.advance(100)
    expect(heard).toEqual(['client b'])
    world.network.cut()
    await world.clock.advance(10)
    expect(heard.slice(1).sort()).toEqual(['client close ECONNRESET', 'server close ECONNRESET'])
  })

  test('takes longer', async () => {
    const { world, socket, heard } = await connected()
    world.network.disturb({ kind: 'slow', latencyMs: 500, touches: () => true })
    socket.write([Buffer.from('a')])
    await world.clock.advance(499)
    expect(heard).toEqual([])
    await world.clock.advance(5)
    expect(heard).toEqual(['server a'])
  })

  test('a connection is made once what held it back is over', async () => {
    const { world, client } = await connected()
    const release = world.network.disturb({ kind: 'hold', touches: () => true })
    let isConnected = false
    const connecting = world
      .runtimeOf(client)
      .network.connect({ host: 'server', port: 1 })
      .then(() => {
        isConnected = true
      })
    await world.clock.advance(5_000)
    expect(isConnected).toBe(false)
    release()
    await world.run(connecting, 100)
  })

  test('a machine that is off says nothing; when it is back, what was connected to it is reset', async () => {
    const { world, server, socket, heard } = await connected()
    world.network.silence('server')
    server.kill()
    socket.write([Buffer.from('a')])
    await world.clock.advance(10_000)
    expect(heard).toEqual([])
    world.network.restore('server')
    await world.clock.advance(10)
    expect(heard).toEqual(['client close ECONNRESET'])
  })
})

describe('a machine with a broker', () => {
  const node = (world: World): BrokerNode =>
    new BrokerNode(world, { name: 'broker', port: 9092, properties: { 'group.initial.rebalance.delay.ms': '0' } })

  async function kept(harm: (broker: BrokerNode, world: World) => Promise<void> | void): Promise<string[]> {
    const world = new World(5)
    const broker = node(world)
    broker.start()
    const kafka = new Kafka({
      brokers: ['broker:9092'],
      runtime: world.runtimeOf(world.process('client')),
      requestTimeoutMs: 1_000,
    })
    const work = async (): Promise<string[]> => {
      const producer = kafka.producer()
      for (let at = 0; at < 20; at += 1) {
        if (at === 10) await harm(broker, world)
        await producer.send('t', { value: String(at) })
      }
      const values: string[] = []
      const consumer = kafka.consumer({ partitions: [{ topic: 't', partition: 0 }], startFrom: 'earliest' })
      while (values.length < 20) for (const { value } of await consumer.poll()) values.push(String(value))
      return values
    }
    return await world.run(work(), 600_000)
  }
  const all = Array.from({ length: 20 }, (_, at) => String(at))

  test('keeps what it acknowledged when it is killed, loses power, is closed, and when its disk fails', async () => {
    const later = (broker: BrokerNode, world: World): void => void world.pause(700).then(() => broker.start())
    expect(await kept((broker, world) => (broker.kill(), later(broker, world)))).toEqual(all)
    expect(await kept((broker, world) => (broker.powerOff(), later(broker, world)))).toEqual(all)
    expect(await kept(async (broker, world) => (await broker.stop(), later(broker, world)))).toEqual(all)
    let stops: readonly string[] = []
    const survived = await kept((broker, world) => {
      const mend = broker.failDisk({ operation: 'sync', at: 1, code: 'EIO', isPermanent: true })
      void world.pause(3_000).then(() => {
        stops = broker.stops
        mend()
      })
    })
    expect(survived).toEqual(all)
    // The failure itself, and starts that found the disk no better.
    expect(stops.length).toBeGreaterThan(1)
    expect(stops[0]).toMatch(/EIO/)
  })

  test('the same seed gives the same run, another seed another', async () => {
    const trace = async (seed: number): Promise<string> => {
      const world = new World(seed)
      const broker = node(world)
      broker.start()
      const kafka = new Kafka({ brokers: ['broker:9092'], runtime: world.runtimeOf(world.process('client')) })
      await world.run(
        kafka.producer({ transactionalId: 'x' }).transaction((tx) => tx.send('t', { value: 'v' })),
        60_000,
      )
      expect(world.trace.events).toBeGreaterThan(50)
      return world.trace.digest
    }
    expect(await trace(7)).toBe(await trace(7))
    expect(await trace(7)).not.toBe(await trace(8))
  })
})
