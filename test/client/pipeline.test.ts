/**
 * Pipelines on a real broker under virtual time, while their processes are killed, cut off for longer than all timeouts, and
 * the broker is killed and started again. The judge reads what a consumer would: each input once, in order.
 */
import { expect, test } from 'vitest'
import type { Runtime } from '../../src/base/runtime.ts'
import { Broker } from '../../src/broker/broker.ts'
import { Kafka } from '../../src/client/kafka.ts'
import type { Pipeline } from '../../src/client/pipeline/pipeline.ts'
import type { SimRandom } from '../../src/testing/sim-random.ts'
import { type SimRuntime, simRuntime } from '../../src/testing/sim-runtime.ts'
import { CuttableNetwork } from './cuttable-network.ts'

const PORT = 9092
const PARTITIONS = 3
const PROPERTIES = {
  'group.initial.rebalance.delay.ms': '0',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
  'num.partitions': String(PARTITIONS),
  'group.min.session.timeout.ms': '1000',
}

interface BrokerLife {
  readonly runtime: SimRuntime
  readonly network: CuttableNetwork
}

async function startBroker(runtime: SimRuntime): Promise<BrokerLife> {
  const network = new CuttableNetwork(runtime.network)
  await Broker.start({ runtime: { ...runtime, network }, dataDir: '/data', port: PORT, properties: PROPERTIES })
  return { runtime, network }
}

function kafkaOf(runtime: Runtime): Kafka {
  return new Kafka({ brokers: [`localhost:${PORT}`], runtime, requestTimeoutMs: 3_000 })
}

interface Member {
  readonly network: CuttableNetwork
  readonly pipeline: Pipeline
  readonly kafka: Kafka
}

type Guarantee = 'exactly_once' | 'at_least_once'

function startMember(runtime: SimRuntime, guarantee: Guarantee, onEnd: (error: unknown) => void): Member {
  const network = new CuttableNetwork(runtime.network)
  const kafka = kafkaOf({ ...runtime, network })
  const pipeline = kafka.pipeline({
    groupId: 'copy',
    from: 'in',
    guarantee,
    transactionTimeoutMs: 4_000,
    batch: { maxRecords: 20 },
    consumer: { sessionTimeoutMs: 3_000, heartbeatIntervalMs: 500 },
    producer: { deliveryTimeoutMs: 5_000, requestTimeoutMs: 2_000, maxBlockMs: 5_000 },
    async process(records, output) {
      for (const { value, partition } of records) await output.send('out', { value, partition })
      // Results are on their way, and not yet counted: the moment to be killed in.
      await new Promise<void>((resolve) => runtime.clock.setTimer(120, resolve))
    },
  })
  pipeline.run().catch((error: unknown) => {
    // What was killed has nobody left to tell.
    if (!network.isCut) onEnd(error)
  })
  return { network, pipeline, kafka }
}

async function readAll(runtime: SimRuntime, topic: string, count: number, limitMs: number): Promise<string[][]> {
  await using kafka = kafkaOf(runtime)
  const consumer = kafka.consumer({
    partitions: Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition })),
  })
  const values: string[][] = Array.from({ length: PARTITIONS }, () => [])
  const untilMs = runtime.clock.monotonicMs() + limitMs
  let total = 0
  let quietPolls = 0
  // Beyond the count, so that one too many is seen.
  while (quietPolls < 4 && runtime.clock.monotonicMs() < untilMs) {
    const records = await consumer.poll({ timeoutMs: 500 })
    for (const { partition, value } of records) values[partition]?.push(String(value))
    total += records.length
    quietPolls = records.length === 0 && total >= count ? quietPolls + 1 : 0
  }
  return values
}

interface Outcome {
  readonly values: string[][]
  readonly faults: Readonly<Record<string, number>>
}

async function scenario(world: SimRuntime, guarantee: Guarantee, records: number): Promise<Outcome> {
  let runtime = world
  const random: SimRandom = runtime.random
  let broker = await startBroker(runtime)
  const { clock } = runtime
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => clock.setTimer(ms, resolve))
  const faults: Record<string, number> = {}
  let failure: Error | undefined
  const onEnd = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(String(error))
  }

  const feeder = kafkaOf(runtime)
  const producer = feeder.producer()
  const feed = async (): Promise<void> => {
    for (let index = 0; index < records; index += 1) {
      await producer.send('in', { partition: index % PARTITIONS, value: String(index) })
      if (index % 5 === 4) await sleep(random.below(400))
    }
    await feeder.close()
  }
  let isFed = false
  const feeding = feed().then(() => {
    isFed = true
  })
  feeding.catch(onEnd)

  const members = [0, 1, 2].map(() => startMember(runtime, guarantee, onEnd))
  const isDone = async (): Promise<boolean> => {
    await using kafka = kafkaOf(runtime)
    const consumer = kafka.consumer({
      groupId: 'copy',
      topics: undefined,
      partitions: [{ topic: 'in', partition: 0 }],
      autoCommit: false,
    })
    const committed = await consumer.committed(
      Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: 'in', partition })),
    )
    const sum = [...(committed.get('in')?.values() ?? [])].reduce((total, { offset }) => total + offset, 0)
    return sum >= records
  }

  const chaos = async (): Promise<void> => {
    for (let round = 0; round < 200; round += 1) {
      await sleep(300 + random.below(1_500))
      if (failure !== undefined) throw failure
      // Faults stop at some point, so that what is left can be finished.
      const fault = round < 12 ? random.below(5) : 4
      const at = random.below(members.length)
      const victim = members[at] as Member
      if (fault === 0) {
        faults['killed members'] = (faults['killed members'] ?? 0) + 1
        await victim.network.cut()
        void victim.kafka.close().catch(() => undefined)
        members[at] = startMember(runtime, guarantee, onEnd)
      } else if (fault === 1) {
        faults['members cut off'] = (faults['members cut off'] ?? 0) + 1
        await victim.network.cut()
        await sleep(1_000 + random.below(8_000))
        victim.network.heal()
      } else if (fault === 2) {
        faults['killed brokers'] = (faults['killed brokers'] ?? 0) + 1
        await broker.network.cut()
        runtime = random.chance(0.5) ? runtime.afterKill() : runtime.afterCrash()
        await sleep(random.below(1_000))
        broker = await startBroker(runtime)
      } else if (fault === 3) {
        faults['connections reset'] = (faults['connections reset'] ?? 0) + 1
        runtime.network.cut()
      } else if (round >= 12 && isFed && (await isDone())) return
    }
    throw new Error('not done after 200 rounds')
  }
  await Promise.all([feeding, chaos()])
  const stopping = Promise.all(members.map(({ pipeline }) => pipeline.stop({ deadlineMs: 5_000 })))
  await stopping
  const values = await readAll(runtime, 'out', records, 60_000)
  for (const { kafka } of members) await kafka.close()
  await broker.network.cut()
  return { values, faults }
}

const inputOf = (records: number): string[][] =>
  Array.from({ length: PARTITIONS }, (_, partition) =>
    Array.from({ length: records }, (_, index) => index)
      .filter((index) => index % PARTITIONS === partition)
      .map(String),
  )

const RECORDS = 300
const SEEDS = (process.env['PIPELINE_SEEDS'] ?? '1,2,3').split(',').map(Number)

function inVirtualTime(seed: number, guarantee: Guarantee): Promise<Outcome> {
  const runtime = simRuntime(seed, { networkLatencyMs: { min: 1, max: 6 }, splits: true })
  return runtime.clock.runUntil(scenario(runtime, guarantee, RECORDS))
}

test.each(SEEDS)(
  'exactly once: each input has one result, in order, whoever is killed (PIPELINE_SEEDS=%i npx vitest run test/client/pipeline)',
  async (seed) => {
    const { values, faults } = await inVirtualTime(seed, 'exactly_once')
    expect(values).toEqual(inputOf(RECORDS))
    expect(Object.values(faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(3)
  },
)

test('at least once: the same faults lose nothing, and repeat something', async () => {
  let repeated = 0
  for (const seed of [1, 2, 3]) {
    const { values } = await inVirtualTime(seed, 'at_least_once')
    expect(values.map((one) => new Set(one))).toEqual(inputOf(RECORDS).map((one) => new Set(one)))
    repeated += values.flat().length - RECORDS
  }
  expect(repeated).toBeGreaterThan(0)
})
