/**
 * What a closed client leaves behind: no timer, no connection, no listener on a signal, no promise that is rejected unheard.
 * At every moment of its life, with a broker that answers, is silent, refuses, or is away.
 */
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import type { Clock, Network, Runtime, Socket, Timer } from '../../src/base/runtime.ts'
import { Kafka } from '../../src/client/kafka.ts'
import type { Consumer } from '../../src/client/consumer/consumer.ts'
import { Meddler } from '../../src/testing/meddler.ts'
import { type SimRuntime, simRuntime } from '../../src/testing/sim-runtime.ts'
import { TestBroker } from '../broker/test-broker.ts'

/** What a client has taken of the world and not given back. */
class Borrowed {
  readonly timers = new Set<object>()
  readonly sockets = new Set<Socket>()
  readonly runtime: Runtime

  constructor(runtime: SimRuntime) {
    const { timers, sockets } = this
    const clock: Clock = {
      nowMs: () => runtime.clock.nowMs(),
      monotonicMs: () => runtime.clock.monotonicMs(),
      setTimer(delayMs, callback): Timer {
        const token = {}
        timers.add(token)
        const timer = runtime.clock.setTimer(delayMs, () => {
          timers.delete(token)
          callback()
        })
        return {
          cancel() {
            timers.delete(token)
            timer.cancel()
          },
        }
      },
    }
    const network: Network = {
      listen: () => Promise.reject(new Error('a client does not listen')),
      async connect(options) {
        const socket = await runtime.network.connect(options)
        sockets.add(socket)
        const destroy = socket.destroy.bind(socket)
        const end = socket.end.bind(socket)
        socket.destroy = () => {
          sockets.delete(socket)
          destroy()
        }
        socket.end = () => {
          sockets.delete(socket)
          end()
        }
        return socket
      },
    }
    this.runtime = { ...runtime, clock, network }
  }
}

type Use = (kafka: Kafka, signal: AbortSignal) => Promise<unknown>

const readOn = async (consumer: { poll: Consumer['poll'] } | Consumer<unknown, unknown>): Promise<void> => {
  for (;;) await consumer.poll({ timeoutMs: 300 })
}

/** Each goes on for as long as it is let. */
const USES: readonly (readonly [name: string, use: Use])[] = [
  [
    'a producer',
    async (kafka) => {
      const producer = kafka.producer({ deliveryTimeoutMs: 5_000 })
      for (;;) await producer.send('t', { value: 'v' }).catch(pass)
    },
  ],
  [
    'a transactional producer',
    async (kafka) => {
      const producer = kafka.producer({ transactionalId: 'x', maxBlockMs: 2_000, deliveryTimeoutMs: 2_000 })
      for (;;) {
        await producer
          .transaction(async (tx) => {
            await tx.send('t', { value: 'v' })
            await tx.sendOffsets([{ topic: 't', partition: 0, offset: 1 }], {
              groupId: 'h',
              generationId: -1,
              memberId: '',
              groupInstanceId: null,
            })
          })
          .catch(pass)
      }
    },
  ],
  [
    'a transaction that nobody ends',
    async (kafka) => {
      const tx = await kafka.producer({ transactionalId: 'x', maxBlockMs: 2_000, deliveryTimeoutMs: 2_000 }).begin()
      tx.signal.addEventListener('abort', () => undefined)
      await tx.send('t', { value: 'v' })
    },
  ],
  ['a consumer of partitions', (kafka) => readOn(kafka.consumer({ partitions: [{ topic: 't', partition: 0 }] }))],
  ['a member of a group', (kafka) => readOn(kafka.consumer({ groupId: 'g', topics: ['t'] }))],
  ['a consumer of a pattern', (kafka) => readOn(kafka.consumer({ groupId: 'g', topics: [/^t/] }))],
  ['a handler', (kafka) => kafka.consumer({ groupId: 'g', topics: ['t'] }).run({ eachRecord: async () => undefined })],
  [
    'a loop',
    async (kafka) => {
      for await (const _record of kafka.consumer({ groupId: 'g', topics: ['t'] })) await Promise.resolve()
    },
  ],
  [
    'an admin',
    async (kafka) => {
      const admin = kafka.admin({ timeoutMs: 3_000 })
      for (;;) {
        await admin.listTopics().catch(pass)
        await admin.describeGroup('g').catch(pass)
        await admin.createTopics([{ topic: 'n', partitions: 1 }]).catch(pass)
      }
    },
  ],
  [
    'a pipeline',
    (kafka, signal) =>
      kafka
        .pipeline({
          groupId: 'p',
          from: 't',
          workers: 2,
          process: async (records, tx) => {
            for (const { value } of records) await tx.send('o', { value })
          },
        })
        .run({ signal }),
  ],
]

/** A loop that asks a client that was closed again and again would never give way. */
function pass(error: unknown): void {
  if ((error as { code?: string }).code === 'CLOSED') throw error
}

type Weather = 'fair' | 'silent' | 'refusing' | 'away' | 'cutting'
const WEATHERS: readonly Weather[] = ['fair', 'silent', 'refusing', 'away', 'cutting']
/** Close is given this long beyond its own limit, 30 s. */
const CLOSE_MS_MAX = 40_000

test.each(USES)('%s leaves nothing behind, whenever it is closed and whatever the broker does', async (_, use) => {
  const rejections: unknown[] = []
  const onRejection = (reason: unknown): void => void rejections.push(reason)
  process.on('unhandledRejection', onRejection)
  try {
    for (const weather of WEATHERS) {
      for (const afterMs of [0, 1, 7, 40, 900, 6_100]) {
        const runtime = simRuntime(afterMs + 1, { networkLatencyMs: { min: 1, max: 3 } })
        await runtime.clock.runUntil(life(runtime, use, weather, afterMs, `${weather}, closed after ${afterMs} ms`))
        await new Promise((resolve) => setImmediate(resolve))
        expect(rejections, `${weather}, closed after ${afterMs} ms`).toEqual([])
      }
    }
  } finally {
    process.off('unhandledRejection', onRejection)
  }
})

async function life(runtime: SimRuntime, use: Use, weather: Weather, afterMs: number, what: string): Promise<void> {
  const { clock, network } = runtime
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve))
  const broker = await TestBroker.start({ runtime, dataDir: '/data' })
  const writer = await broker.connect()
  await writer.createTopic('t', 2)
  await writer.produce('t', { values: ['1', '2', '3'] })
  const { host, port } = broker.broker
  const meddler = await Meddler.start({ network, clock, upstream: { host, port } })
  const borrowed = new Borrowed(runtime)
  const kafka = new Kafka({ brokers: [`h:${meddler.port}`], runtime: borrowed.runtime, requestTimeoutMs: 1_500 })
  const controller = new AbortController()
  const using = use(kafka, controller.signal).catch(() => undefined)
  await sleep(afterMs)
  if (weather === 'silent') {
    // Of the second connection on, nothing is answered.
    meddler.on({ api: EVERY_API, times: Number.POSITIVE_INFINITY, action: { do: 'drop request' } })
    await sleep(5)
  } else if (weather === 'refusing') await meddler.close()
  else if (weather === 'away') {
    meddler.on({ api: EVERY_API, times: Number.POSITIVE_INFINITY, action: { do: 'cut before' } })
    meddler.cut()
    await sleep(30)
  } else if (weather === 'cutting') {
    meddler.cut()
    await sleep(2)
  }
  const closedMs = clock.monotonicMs()
  await Promise.all([kafka.close(), kafka.close()])
  expect(clock.monotonicMs() - closedMs, `${what}: close takes`).toBeLessThanOrEqual(CLOSE_MS_MAX)
  expect(borrowed.timers.size, `${what}: timers`).toBe(0)
  await sleep(5)
  expect(borrowed.timers.size, `${what}: timers afterwards`).toBe(0)
  expect(borrowed.sockets.size, `${what}: connections`).toBe(0)
  expect(getEventListeners(controller.signal, 'abort'), `${what}: listeners`).toEqual([])
  // What was under way has ended as well.
  await using
  await sleep(60_000)
  expect(borrowed.timers.size, `${what}: timers later`).toBe(0)
  expect(borrowed.sockets.size, `${what}: connections later`).toBe(0)
  await meddler.close()
  await broker[Symbol.asyncDispose]()
}

const EVERY_API: readonly string[] = [
  'ApiVersions',
  'Metadata',
  'FindCoordinator',
  'InitProducerId',
  'Produce',
  'AddPartitionsToTxn',
  'AddOffsetsToTxn',
  'TxnOffsetCommit',
  'EndTxn',
  'Fetch',
  'ListOffsets',
  'OffsetFetch',
  'OffsetCommit',
  'JoinGroup',
  'SyncGroup',
  'Heartbeat',
  'LeaveGroup',
  'DescribeGroups',
  'CreateTopics',
  'DescribeCluster',
]
