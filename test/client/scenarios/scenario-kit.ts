/**
 * The real client on the real broker with a meddler in between, in virtual time: a scenario chooses the moment of a failure
 * and judges by what the log holds.
 */
import { expect } from 'vitest'
import { Kafka } from '../../../src/client/kafka.ts'
import type { KafkaOptions } from '../../../src/client/kafka-options.ts'
import type { ConsumerRecord } from '../../../src/client/topic.ts'
import type { Producer } from '../../../src/client/producer/producer.ts'
import type { ProducerOptions } from '../../../src/client/producer/producer-options.ts'
import { deleteRecords } from '../../../src/protocol/messages/delete-records.ts'
import { offsetFetch } from '../../../src/protocol/messages/offset-fetch.ts'
import { Meddler } from '../../../src/testing/meddler.ts'
import { type SimRuntime, simRuntime } from '../../../src/testing/sim-runtime.ts'
import { TestBroker, type TestClient } from '../../broker/test-broker.ts'

export type TransactionVersion = 1 | 2

export interface Scenario {
  readonly runtime: SimRuntime
  readonly broker: TestBroker
  /** Straight to the broker, past the meddler. */
  readonly admin: TestClient
  readonly meddler: Meddler
  readonly kafka: Kafka
  readonly sleep: (ms: number) => Promise<void>
  /** Of the version; `transactionalId` 'tx' unless given. */
  transactional(version: TransactionVersion, options?: ProducerOptions): Producer
  /** Values that a read_committed consumer sees, straight from the broker, by partition. */
  committed(topic?: string, partitions?: number): Promise<(string | null)[][]>
  /** Values in the log, whatever became of their transactions. */
  stored(topic?: string, partitions?: number): Promise<(string | null)[][]>
  /** Waits until no transaction of the partitions is open, as long as the broker may take. */
  settled(topic?: string, partitions?: number): Promise<void>
  /** Deletes those before the offset in partition 0 of `t`. */
  deleteRecords(offset: number): Promise<void>
  /** Of GROUP in partition 0 of `t`, once no transaction may change it any more; -1: none. */
  committedOffset(): Promise<number>
  /** What the client's own consumer reads, until nothing more comes. */
  consumed(topic?: string, partitions?: number): Promise<ConsumerRecord<Buffer | null, Buffer | null>[]>
}

export interface ScenarioOptions {
  readonly seed?: number
  readonly partitions?: number
  readonly kafka?: Partial<KafkaOptions>
  readonly properties?: Readonly<Record<string, string>>
}

const PARTITIONS = 2

/** A group without members. */
export const GROUP = { groupId: 'g', generationId: -1, memberId: '', groupInstanceId: null }

/** A broker with the topic `t`. Everything is closed afterwards. */
export async function inScenario(
  work: (scenario: Scenario) => Promise<void>,
  options: ScenarioOptions = {},
): Promise<void> {
  const { seed = 1, partitions: topicPartitions = PARTITIONS } = options
  const runtime = simRuntime(seed, { networkLatencyMs: { min: 0, max: 2 } })
  await runtime.clock.runUntil(run(runtime, topicPartitions, options, work), 24 * 3_600_000)
}

async function run(
  runtime: SimRuntime,
  topicPartitions: number,
  options: ScenarioOptions,
  work: (scenario: Scenario) => Promise<void>,
): Promise<void> {
  const broker = await TestBroker.start({
    runtime,
    dataDir: '/data',
    properties: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500', ...options.properties },
  })
  const { host, port } = broker.broker
  const { network, clock } = runtime
  const meddler = await Meddler.start({ network, clock, upstream: { host, port } })
  const kafka = new Kafka({
    brokers: [`localhost:${meddler.port}`],
    runtime,
    requestTimeoutMs: 2_000,
    reconnectBackoffMs: 10,
    retryBackoffMs: 20,
    retryBackoffMaxMs: 200,
    ...options.kafka,
  })
  const admin = await broker.connect()
  await admin.createTopic('t', topicPartitions)
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve))
  const values = async (topic: string, partitions: number, isolation: 0 | 1): Promise<(string | null)[][]> => {
    const all: (string | null)[][] = []
    for (let partition = 0; partition < partitions; partition++)
      all.push(await admin.values(topic, isolation, partition))
    return all
  }
  const scenario: Scenario = {
    runtime,
    broker,
    admin,
    meddler,
    kafka,
    sleep,
    transactional: (version, producerOptions) =>
      kafka.producer({
        transactionalId: 'tx',
        transactionVersion: version === 1 ? 1 : 'auto',
        requestTimeoutMs: 2_000,
        ...producerOptions,
      }),
    committed: (topic = 't', partitions = topicPartitions) => values(topic, partitions, 1),
    stored: (topic = 't', partitions = topicPartitions) => values(topic, partitions, 0),
    async settled(topic = 't', partitions = topicPartitions) {
      for (let partition = 0; partition < partitions; partition++) {
        for (;;) {
          const read = await admin.fetchRaw(topic, 0, { partition, isolation: 1 })
          if (read.lastStableOffset === read.highWatermark) break
          await sleep(100)
        }
      }
    },
    async deleteRecords(offset) {
      const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }]
      const response = await admin.wire.request(deleteRecords, 2, { topics, timeoutMs: 5_000 })
      expect(response.topics[0]?.partitions[0]?.errorCode).toBe('NONE')
    },
    async committedOffset() {
      const topics = [{ name: 't', partitionIndexes: [0] }]
      const groups = [{ groupId: GROUP.groupId, memberId: null, memberEpoch: -1, topics }]
      for (;;) {
        const response = await admin.wire.request(offsetFetch, 8, {
          groupId: '',
          topics: [],
          groups,
          requireStable: true,
        })
        const partition = response.groups[0]?.topics[0]?.partitions[0]
        if (partition?.errorCode === 'NONE') return partition.committedOffset
        await sleep(20)
      }
    },
    async consumed(topic = 't', partitions = topicPartitions) {
      const consumer = kafka.consumer({
        partitions: Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
      })
      const records: ConsumerRecord<Buffer | null, Buffer | null>[] = []
      for (let quiet = 0; quiet < 3; ) {
        const polled = await consumer.poll({ timeoutMs: 600 })
        records.push(...(polled as ConsumerRecord<Buffer | null, Buffer | null>[]))
        quiet = polled.length === 0 ? quiet + 1 : 0
      }
      await consumer.close()
      return records
    },
  }
  try {
    await work(scenario)
    // A rule that never struck proves nothing.
    expect(meddler.unstruck.map(({ api, action }) => `${String(api)}: ${action.do}`)).toEqual([])
  } finally {
    meddler.calm()
    await kafka.close().catch(() => undefined)
    await meddler.close()
    await broker[Symbol.asyncDispose]()
  }
}
