/** A broker in this process, on a free port, with the smallest client there is: what the wire-level tests start from. */
import type { Clock, Runtime } from '../../src/base/runtime.ts'
import { Broker } from '../../src/broker/broker.ts'
import type { BrokerOptions } from '../../src/broker/broker.ts'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import { createTopics } from '../../src/protocol/messages/create-topics.ts'
import { endTxn } from '../../src/protocol/messages/end-txn.ts'
import { fetch } from '../../src/protocol/messages/fetch.ts'
import { initProducerId } from '../../src/protocol/messages/init-producer-id.ts'
import { metadata } from '../../src/protocol/messages/metadata.ts'
import { produce } from '../../src/protocol/messages/produce.ts'
import { batches, buildBatch, readRecords } from '../../src/protocol/record-batch.ts'
import type { BatchOptions } from '../../src/protocol/record-batch.ts'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import { WireClient } from '../../src/testing/wire-client.ts'

export interface Producer {
  readonly producerId: number
  readonly producerEpoch: number
}

export interface ReadRecord {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

/** The last Produce version of transaction version 1, and the first of version 2. */
export const TV1_PRODUCE = 11
const TV2_PRODUCE = 12
export const TV1_END_TXN = 4
const TV2_END_TXN = 5

/** One Kafka connection to a broker and the requests tests make most. */
export class TestClient implements Disposable {
  readonly wire: WireClient
  readonly #clock: Clock

  constructor(wire: WireClient, clock: Clock) {
    this.wire = wire
    this.#clock = clock
  }

  async createTopic(name: string, numPartitions = 1, configs: Record<string, string> = {}): Promise<void> {
    const { topics } = await this.wire.request(createTopics, 7, {
      topics: [
        {
          name,
          numPartitions,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    })
    if (topics[0]?.errorCode !== 'NONE') throw new Error(`CreateTopics ${name}: ${topics[0]?.errorCode}`)
  }

  async topicId(name: string): Promise<string> {
    const { topics } = await this.wire.request(metadata, 12, { topics: [{ name }], allowAutoTopicCreation: false })
    return topics[0]?.topicId ?? ''
  }

  /** Asks until no earlier transaction of the id is being ended. */
  async initProducer(
    transactionalId: string | null,
    options: { readonly timeoutMs?: number; readonly resume?: Producer; readonly version?: number } = {},
  ): Promise<Producer & { readonly errorCode: ErrorCode }> {
    for (;;) {
      const reply = await this.wire.request(initProducerId, options.version ?? 5, {
        transactionalId,
        transactionTimeoutMs: options.timeoutMs ?? 60_000,
        ...options.resume,
      })
      if (reply.errorCode !== 'CONCURRENT_TRANSACTIONS') return reply
    }
  }

  async produce(
    topic: string,
    batch: Partial<BatchOptions> & { readonly values?: readonly string[] },
    options: {
      readonly partition?: number
      readonly version?: number
      readonly acks?: number
      readonly transactionalId?: string | null
    } = {},
  ): Promise<{ readonly errorCode: ErrorCode; readonly baseOffset: number; readonly errorMessage: string | null }> {
    const { partition: index = 0, version = TV1_PRODUCE, acks = -1, transactionalId = null } = options
    const response = await this.wire.request(produce, version, {
      transactionalId,
      acks,
      timeoutMs: 10_000,
      topicData: [{ name: topic, partitionData: [{ index, records: batchOf(batch, this.#clock.nowMs()) }] }],
    })
    const partition = response.responses[0]?.partitionResponses[0]
    if (partition === undefined) throw new Error('Produce answered nothing for the partition')
    return partition
  }

  /** One transactional batch of one record. */
  produceIn(
    transactionalId: string,
    producer: Producer,
    topic: string,
    baseSequence: number,
    value: string,
    options: { readonly version?: number; readonly partition?: number } = {},
  ): ReturnType<TestClient['produce']> {
    return this.produce(
      topic,
      { values: [value], ...producer, baseSequence, isTransactional: true },
      { version: TV2_PRODUCE, ...options, transactionalId },
    )
  }

  async endTxn(transactionalId: string, producer: Producer, committed: boolean, version = TV2_END_TXN) {
    const { producerId, producerEpoch } = producer
    for (;;) {
      const reply = await this.wire.request(endTxn, version, { transactionalId, producerId, producerEpoch, committed })
      if (reply.errorCode !== 'CONCURRENT_TRANSACTIONS') return reply
    }
  }

  async fetchRaw(
    topic: string,
    fetchOffset: number,
    options: {
      readonly isolation?: 0 | 1
      readonly partition?: number
      readonly maxWaitMs?: number
      readonly minBytes?: number
      readonly maxBytes?: number
    } = {},
  ) {
    const { isolation = 0, partition = 0, maxWaitMs = 0, minBytes = 1, maxBytes = 1_000_000 } = options
    const response = await this.wire.request(fetch, 11, {
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: isolation,
      topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: maxBytes }] }],
    })
    const read = response.responses[0]?.partitions[0]
    if (read === undefined) throw new Error('Fetch answered nothing for the partition')
    return read
  }

  /** What a consumer sees from an offset to the end, with the filter every client has to have. */
  async read(topic: string, options: { readonly isolation?: 0 | 1; readonly partition?: number; from?: number } = {}) {
    const records: ReadRecord[] = []
    const aborted = new Set<number>()
    let next = options.from ?? 0
    for (;;) {
      const read = await this.fetchRaw(topic, next, options)
      if (read.errorCode !== 'NONE') throw new Error(`Fetch ${topic}: ${read.errorCode}`)
      const bytes = read.records ?? new Uint8Array(0)
      if (bytes.length === 0) return records
      const open = (read.abortedTransactions ?? []).toSorted((a, b) => a.firstOffset - b.firstOffset)
      for (const { header, bytes: batch } of batches(bytes)) {
        while (open[0] !== undefined && open[0].firstOffset <= header.lastOffset) {
          aborted.add((open.shift() as { producerId: number }).producerId)
        }
        next = header.lastOffset + 1
        if (header.isControl) aborted.delete(header.producerId)
        if (header.isControl || (header.isTransactional && aborted.has(header.producerId))) continue
        for (const { offset, key, value } of readRecords(batch, { maxDecompressedBytes: 1e7 })) {
          if (offset >= (options.from ?? 0)) records.push({ offset, key: textOf(key), value: textOf(value) })
        }
      }
    }
  }

  async values(topic: string, isolation: 0 | 1 = 1, partition = 0): Promise<(string | null)[]> {
    return (await this.read(topic, { isolation, partition })).map(({ value }) => value)
  }

  [Symbol.dispose](): void {
    this.wire.close()
  }
}

export function batchOf(
  { values = ['v'], ...options }: Partial<BatchOptions> & { values?: readonly string[] },
  timestampMs = Date.now(),
): Uint8Array {
  return buildBatch({
    records: values.map((value) => ({ timestamp: timestampMs, key: null, value: Buffer.from(value) })),
    ...options,
  })
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString()
}

export class TestBroker implements AsyncDisposable {
  readonly broker: Broker
  readonly runtime: Runtime
  readonly #clients: TestClient[] = []

  private constructor(broker: Broker, runtime: Runtime) {
    this.broker = broker
    this.runtime = runtime
  }

  /** In memory unless a data directory or another world is given. */
  static async start(options: BrokerOptions = {}): Promise<TestBroker> {
    const runtime = options.runtime ?? nodeRuntime()
    const isPersistent = options.dataDir !== undefined || options.runtime !== undefined
    const broker = await Broker.start({
      port: 0,
      ...(isPersistent ? {} : { memory: true }),
      runtime,
      ...options,
      properties: { 'group.initial.rebalance.delay.ms': '0', ...options.properties },
    })
    return new TestBroker(broker, runtime)
  }

  async connect(): Promise<TestClient> {
    const { host, port } = this.broker
    const client = new TestClient(await WireClient.connect(this.runtime.network, { host, port }), this.runtime.clock)
    this.#clients.push(client)
    return client
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.wire.close()
    await this.broker.close()
  }
}
