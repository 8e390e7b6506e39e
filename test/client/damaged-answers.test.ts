/**
 * Clients whose answers arrive damaged (reliability.md E.3, groups 27 and 28): each call ends in time, in a result or a KafkaError;
 * closing ends; the broker and what others stored are untouched.
 *
 * One seed again: SEED=5 npx vitest run test/client/damaged-answers.test.ts (RUNS=500: so many seeds)
 */
import { expect, test } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { KafkaError } from '../../src/client/errors.ts'
import { Kafka } from '../../src/client/kafka.ts'
import { SimRandom } from '../../src/testing/sim-random.ts'
import { type SimRuntime, simRuntime } from '../../src/testing/sim-runtime.ts'
import { DamagingNetwork } from './damaging-network.ts'

const RUNS = Number(process.env['RUNS'] ?? 50)
const SEEDS =
  process.env['SEED'] === undefined ? Array.from({ length: RUNS }, (_, n) => n + 1) : [Number(process.env['SEED'])]
const PORT = 9092
const STEPS = 12
/** Consumers give a call a minute. A commit waits for the one before it, too. */
const CALL_MS_MAX = 125_000
const WAITS = { requestTimeoutMs: 1_000, connectTimeoutMs: 1_000 }
const PRODUCER = { deliveryTimeoutMs: 5_000, requestTimeoutMs: 1_000, maxBlockMs: 4_000 }

interface Outcome {
  readonly settled: Readonly<Record<string, number>>
  readonly damaged: number
}

async function scenario(runtime: SimRuntime, seed: number): Promise<Outcome> {
  const { clock } = runtime
  const random = new SimRandom(seed)
  const network = new DamagingNetwork(runtime.network, random)
  const settled: Record<string, number> = {}
  const broker = await Broker.start({
    runtime,
    dataDir: '/data',
    port: PORT,
    properties: { 'group.initial.rebalance.delay.ms': '0', 'group.min.session.timeout.ms': '500' },
  })

  /** The call ends in time, and well: with a result or an error of ours. */
  const call = async (name: string, run: () => Promise<unknown>): Promise<void> => {
    let isOver = false
    const late = new Promise<string>((resolve) => {
      clock.setTimer(CALL_MS_MAX, () => {
        if (!isOver) resolve('late')
      })
    })
    const end = await Promise.race([
      run().then(
        () => 'done',
        (error: unknown) => (error instanceof KafkaError ? 'refused' : error),
      ),
      late,
    ])
    isOver = true
    if (end !== 'done' && end !== 'refused')
      throw new Error(`seed ${seed}: ${name} ended with ${String(end)}`, { cause: end })
    settled[`${name} ${end}`] = (settled[`${name} ${end}`] ?? 0) + 1
  }

  const bystander = new Kafka({ brokers: [`localhost:${PORT}`], runtime })
  await bystander.admin().createTopics([{ topic: 't', partitions: 3 }])
  await bystander.producer().send('t', { value: 'before', partition: 0 })

  for (let round = 0; round < 3; round += 1) {
    const kafka = new Kafka({ brokers: [`localhost:${PORT}`], runtime: { ...runtime, network }, ...WAITS })
    const producer = kafka.producer(PRODUCER)
    const transactional = kafka.producer({ ...PRODUCER, transactionalId: 'x', transactionTimeoutMs: 5_000 })
    const consumer = kafka.consumer({ groupId: 'g', topics: ['t'], sessionTimeoutMs: 2_000, heartbeatIntervalMs: 300 })
    const admin = kafka.admin({ timeoutMs: 20_000 })
    network.oneOf = 3 + (random.nextUint32() % 20)
    for (let step = 0; step < STEPS; step += 1) {
      await Promise.all([
        call('send', () => producer.send('t', { value: `v${step}` })),
        call('transaction', () =>
          transactional.transaction(async (tx) => {
            await tx.send('t', { value: `x${step}` })
          }),
        ),
        call('poll', () => consumer.poll({ timeoutMs: 1_000 })),
        call('admin', async () => {
          await admin.describeTopics(['t'])
          await admin.listGroupOffsets('g')
        }),
      ])
      await call('commit', () => consumer.commit())
    }
    await call('close', () => kafka.close())
  }

  network.oneOf = 0
  await bystander.producer().send('t', { value: 'after', partition: 0 })
  const reader = bystander.consumer({ partitions: [0, 1, 2].map((partition) => ({ topic: 't', partition })) })
  const values: string[] = []
  while (!values.includes('after')) {
    for (const { value } of await reader.poll({ timeoutMs: 1_000 })) values.push(String(value))
  }
  expect(values).toContain('before')
  await bystander.close()
  await broker.close()
  return { settled, damaged: network.damaged }
}

test('calls end in time and well, whatever the answers say', async () => {
  const rejections: unknown[] = []
  const onRejection = (reason: unknown): void => void rejections.push(reason)
  process.on('unhandledRejection', onRejection)
  const settled: Record<string, number> = {}
  let damaged = 0
  try {
    for (const seed of SEEDS) {
      const runtime = simRuntime(seed, { networkLatencyMs: { min: 0.1, max: 5 }, splits: true })
      const outcome = await runtime.clock.runUntil(scenario(runtime, seed), 7_200_000)
      damaged += outcome.damaged
      for (const [name, count] of Object.entries(outcome.settled)) settled[name] = (settled[name] ?? 0) + count
      await new Promise((resolve) => setImmediate(resolve))
      expect(rejections).toEqual([])
    }
  } finally {
    process.off('unhandledRejection', onRejection)
  }
  // It was not for nothing: there was damage that calls noticed, and calls that came through all the same.
  expect(damaged).toBeGreaterThan(SEEDS.length)
  expect(Object.keys(settled)).toEqual(
    expect.arrayContaining(['send done', 'poll done', 'transaction done', 'transaction refused']),
  )
}, 600_000)
