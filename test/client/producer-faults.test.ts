/**
 * The producer against the real broker in virtual time, while the network is cut again and again: each record is stored once
 * and in order, transactions are all or nothing.
 *
 * One seed again: SEED=5 npx vitest run test/client/producer-faults.test.ts (RUNS=500: so many seeds)
 */
import { expect, test } from 'vitest'
import { KafkaError } from '../../src/client/errors.ts'
import type { ProducerOptions } from '../../src/client/producer/producer-options.ts'
import { SimRandom } from '../../src/testing/sim-random.ts'
import { type SimRuntime, simRuntime } from '../../src/testing/sim-runtime.ts'
import { type TestClient, TestBroker } from '../broker/test-broker.ts'
import { producerOf } from './producer-kit.ts'

const RUNS = Number(process.env['RUNS'] ?? 6)
const SEEDS =
  process.env['SEED'] === undefined ? Array.from({ length: RUNS }, (_, n) => n + 1) : [Number(process.env['SEED'])]
const PARTITIONS = 3

interface World {
  readonly runtime: SimRuntime
  readonly random: SimRandom
  readonly broker: TestBroker
  sleep(ms: number): Promise<void>
  /** From here on the network holds. */
  mend(): Promise<void>
}

/** A broker with the topic `t`, and cuts at random moments while `work` runs. Everything happens in virtual time. */
async function inWorld(seed: number, work: (world: World) => Promise<void>): Promise<void> {
  const runtime = simRuntime(seed, { networkLatencyMs: { min: 0.1, max: 8 }, splits: true })
  const random = new SimRandom(seed)
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void runtime.clock.setTimer(ms, resolve))
  const all = async (): Promise<void> => {
    const broker = await TestBroker.start({ runtime, dataDir: '/data' })
    const admin = await broker.connect()
    await admin.createTopic('t', PARTITIONS)
    let isDone = false
    const cutting = (async (): Promise<void> => {
      while (!isDone) {
        await sleep(5 + (random.nextUint32() % 60))
        if (!isDone) runtime.network.cut()
      }
    })()
    const mend = async (): Promise<void> => {
      isDone = true
      await cutting
    }
    try {
      await work({ runtime, random, broker, sleep, mend })
    } finally {
      await mend()
      await broker[Symbol.asyncDispose]()
    }
  }
  await runtime.clock.runUntil(all(), 7_200_000)
}

async function readAll(broker: TestBroker, isolation: 0 | 1): Promise<(string | null)[][]> {
  const client: TestClient = await broker.connect()
  const values: (string | null)[][] = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    values.push((await client.read('t', { partition, isolation })).map(({ value }) => value))
  }
  return values
}

const COMPRESSIONS = ['none', 'gzip', 'lz4', 'none', 'zstd', 'snappy'] as const

test.each(SEEDS)('seed %i: records that stand alone are stored once and in order', async (seed) => {
  await inWorld(seed, async (world) => {
    const options: ProducerOptions = {
      compression: COMPRESSIONS[seed % COMPRESSIONS.length]!,
      batchSizeBytes: [0, 300, 16_384][seed % 3]!,
      deliveryTimeoutMs: 600_000,
    }
    const producer = producerOf(world.broker, options)
    const sends: Promise<{ partition: number; offset: number }>[] = []
    for (let n = 0; n < 400; n++) {
      sends.push(producer.send('t', { value: `v${n}`, partition: n % PARTITIONS }))
      if (n % 7 === 0) await world.sleep(world.random.nextUint32() % 12)
    }
    const results = await Promise.all(sends)
    await producer.close()
    await world.mend()
    const stored = await readAll(world.broker, 0)
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = results.map((result, n) => ({ ...result, n })).filter((one) => one.partition === partition)
      expect(stored[partition]).toEqual(own.map(({ n }) => `v${n}`))
      expect(own.map(({ offset }) => offset)).toEqual(own.map((_, at) => at))
    }
  })
})

test.each(SEEDS.flatMap((seed) => [1, 2].map((version) => [seed, version] as const)))(
  'seed %i: transactions of version %i are all or nothing, and in order',
  async (seed, version) => {
    await inWorld(seed + 1_000 * version, async (world) => {
      const options: ProducerOptions = {
        transactionalId: 'tx',
        transactionVersion: version === 1 ? 1 : 'auto',
        deliveryTimeoutMs: 600_000,
        maxBlockMs: 600_000,
      }
      const producer = producerOf(world.broker, options)
      const committed = new Set<number>()
      const group = { groupId: 'g', generationId: -1, memberId: '', groupInstanceId: null }
      for (let n = 0; n < 60; n++) {
        const isAbort = world.random.nextUint32() % 4 === 0
        const boom = new Error('abort')
        try {
          await producer.transaction(async (tx) => {
            for (let partition = 0; partition < PARTITIONS; partition++) {
              if (partition > 0 && world.random.nextUint32() % 3 === 0) continue
              void tx.send('t', { value: `${n}/${partition}`, partition })
            }
            if (n % 3 === 0) await tx.sendOffsets([{ topic: 't', partition: 0, offset: n }], group)
            if (world.random.nextUint32() % 2 === 0) await world.sleep(world.random.nextUint32() % 20)
            if (isAbort) throw boom
          })
          committed.add(n)
        } catch (error) {
          // A transaction may be lost to a cut, but never half of it.
          if (error !== boom) expect((error as KafkaError).recovery, String(error)).toBe('abort-transaction')
        }
      }
      expect(committed.size).toBeGreaterThan(20)
      await producer.close()
      await world.mend()
      // The last markers.
      await world.sleep(1_000)
      const visible = await readAll(world.broker, 1)
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const numbers = visible[partition]!.map((value) => Number(value!.split('/')[0]))
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
        expect(new Set(numbers).size).toBe(numbers.length)
        for (const n of numbers) expect(committed.has(n), `${n} was committed`).toBe(true)
        // The first partition has a record of each.
        if (partition === 0) expect(new Set(numbers)).toEqual(committed)
      }
    })
  },
)
