/** What the producer's shell promises: waiting, serializing, closing, and that nothing is left without an answer. */
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { KafkaError } from '../../src/client/errors.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { ProducerOptions } from '../../src/client/producer/producer-options.ts'
import { serdes } from '../../src/client/serdes.ts'
import { topic, type RecordMetadata } from '../../src/client/topic.ts'
import { updateFeatures } from '../../src/protocol/messages/update-features.ts'
import { batches } from '../../src/protocol/record-batch.ts'
import { type SimRuntime, simRuntime } from '../../src/testing/sim-runtime.ts'
import { TestBroker } from '../broker/test-broker.ts'
import { clusterOf, producerOf } from './producer-kit.ts'

let runtime: SimRuntime
let broker: TestBroker
const made: Producer[] = []
const unhandled: unknown[] = []
const onUnhandled = (reason: unknown): void => void unhandled.push(reason)

beforeEach(async () => {
  runtime = simRuntime(1)
  broker = await run(TestBroker.start({ runtime, dataDir: '/data' }))
  const client = await run(broker.connect())
  await run(client.createTopic('t', 2))
  process.on('unhandledRejection', onUnhandled)
})

afterEach(async () => {
  // Rejections that nobody waits for are reported a turn later.
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', onUnhandled)
  const seen = unhandled.splice(0)
  for (const one of made.splice(0)) await run(one.close())
  await run(broker[Symbol.asyncDispose]())
  if (seen.length > 0) throw new AggregateError(seen, `${seen.length} rejections that nobody waits for`)
})

function run<T>(promise: Promise<T>): Promise<T> {
  return runtime.clock.runUntil(promise)
}

function producer(options: ProducerOptions = {}): Producer {
  const one = producerOf(broker, options)
  made.push(one)
  return one
}

async function errorOf(promise: Promise<unknown>): Promise<KafkaError> {
  try {
    await run(promise)
  } catch (error) {
    expect(error).toBeInstanceOf(KafkaError)
    return error as KafkaError
  }
  throw new Error('was not refused')
}

async function values(partition = 0, isolation: 0 | 1 = 1): Promise<(string | null)[]> {
  const client = await run(broker.connect())
  return run(client.values('t', isolation, partition))
}

describe('options', () => {
  test.each([
    [{ acks: 1 }, 'acks 1 needs idempotent: false'],
    [{ acks: 0, idempotent: true }, 'acks 0 needs idempotent: false'],
    [{ transactionalId: 'x', idempotent: false }, 'transactionalId needs idempotent: true'],
    [{ maxInFlightRequests: 6 }, 'maxInFlightRequests 6 is above 5'],
    [{ maxRequestSizeBytes: 64 * 1024 * 1024 }, 'bufferMemoryBytes 33554432 is below maxRequestSizeBytes'],
    [{ lingerMs: 5_000, deliveryTimeoutMs: 1_000 }, 'deliveryTimeoutMs 1000 is below lingerMs'],
    [{ requestTimeoutMs: 5_000, deliveryTimeoutMs: 1_000 }, 'requestTimeoutMs 5000 is above deliveryTimeoutMs'],
    [{ retryBackoffMs: 5_000, retryBackoffMaxMs: 1_000 }, 'retryBackoffMaxMs 1000 is below retryBackoffMs'],
    [{ transactionalID: 'x' }, 'there is no option transactionalID; did you mean transactionalId?'],
    [{ compression: 'brotli' }, "compression is 'brotli', expected one of 'none', 'gzip', 'snappy', 'lz4', 'zstd'"],
  ])('%o is refused', async (options, message) => {
    const cluster = clusterOf(broker, runtime)
    expect(() => new Producer(cluster, options as ProducerOptions)).toThrow(message)
    await cluster.close()
  })
})

describe('records', () => {
  test('a serde that throws fails its record alone', async () => {
    const orders = topic('t', {
      value: {
        serialize(value: string) {
          if (value === 'bad') throw new Error('will not')
          return Buffer.from(value)
        },
        deserialize: String,
      },
    })
    const one = producer()
    const sent = Promise.all([
      one.send(orders, { value: 'a', partition: 0 }),
      one.send(orders, { value: 'bad', partition: 0 }).catch((error: KafkaError) => error),
      one.send(orders, { value: 'b', partition: 0 }),
    ])
    const [, error] = await run(sent)
    expect(error).toMatchObject({ code: 'SERIALIZATION_FAILED', recovery: 'fix-configuration' })
    expect((error as KafkaError).message).toContain('the value of a record for t: will not')
    expect(await values()).toEqual(['a', 'b'])
  })

  test('several of which one is wrong: the others are stored, the call rejects', async () => {
    const one = producer()
    const records = ['a', 5 as never, 'b'].map((value) => ({ value, partition: 0 }))
    expect((await errorOf(one.send('t', records))).code).toBe('SERIALIZATION_FAILED')
    expect(await values()).toEqual(['a', 'b'])
    expect(await run(one.send('t', []))).toEqual([])
  })

  test.each([
    [{ value: undefined }, 'has no value'],
    [{ value: 'v', partition: -1 }, 'partition of a record for t is -1'],
    [{ value: 'v', partition: 2 }, 't has no partition 2, only 0 … 1'],
    [{ value: 'v', timestampMs: 1.5 }, 'timestampMs of a record for t is 1.5'],
    [{ value: 'v', headers: { h: 5 } }, 'header '],
    [{ value: 'v', key: {} }, 'the key of a record for t is an object; without a serde it must be a string or bytes'],
    [null, 'expected a record for t, got null'],
  ])('%o is refused', async (record, message) => {
    expect((await errorOf(producer().send('t', record as never))).message).toContain(message)
  })

  test('a topic that is none, and one that does not exist', async () => {
    const one = producer({ maxBlockMs: 2_000 })
    expect((await errorOf(one.send('', { value: 'v' }))).code).toBe('INVALID_ARGUMENT')
    expect((await errorOf(one.send('no/such', { value: 'v' }))).code).toBe('INVALID_TOPIC_EXCEPTION')
  })

  test('the partitioner decides, also about records that waited for metadata', async () => {
    const seen: unknown[] = []
    const one = producer({
      partitioner(record) {
        seen.push(record)
        return record.key === 'none' ? undefined : 1
      },
    })
    const sent = await run(one.send('t', { key: 'k', value: 'v' }))
    expect(sent.partition).toBe(1)
    expect(seen).toEqual([{ topic: 't', key: 'k', partitionCount: 2 }])
    await run(one.send('t', { key: 'none', value: 'v' }))
    const wrong = producer({ partitioner: () => 7 })
    expect((await errorOf(wrong.send('t', { value: 'v' }))).message).toContain(
      'the partitioner chose 7 of 2 partitions',
    )
    const throwing = producer({
      partitioner() {
        throw new Error('oops')
      },
    })
    expect(await errorOf(throwing.send('t', { value: 'v' }))).toMatchObject({ code: 'USER_CODE_FAILED' })
  })

  test('a record above the largest request is refused at once', async () => {
    const one = producer({ maxRequestSizeBytes: 2_000 })
    await run(one.send('t', { value: 'x' }))
    expect((await errorOf(one.send('t', { value: 'x'.repeat(2_000) }))).code).toBe('MESSAGE_TOO_LARGE')
  })
})

describe('memory', () => {
  test('sends wait for room, in order, and are all stored', async () => {
    const one = producer({ bufferMemoryBytes: 10_000, maxRequestSizeBytes: 5_000, batchSizeBytes: 1_000 })
    const sent = Array.from({ length: 100 }, (_, n) =>
      one.send('t', { value: `${n}`.padEnd(900, '.'), partition: n % 2 }),
    )
    await run(Promise.all(sent))
    for (const partition of [0, 1]) {
      expect((await values(partition)).map((value) => Number.parseInt(value!, 10) % 2)).toEqual(
        Array(50).fill(partition),
      )
      const numbers = (await values(partition)).map((value) => Number.parseInt(value!, 10))
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    }
  })

  test('without room for maxBlockMs a send fails with BUFFER_EXHAUSTED', async () => {
    const one = producer({ bufferMemoryBytes: 4_000, maxRequestSizeBytes: 4_000, maxBlockMs: 500 })
    await run(one.send('t', { value: 'a', partition: 0 }))
    runtime.network.hold()
    const first = one.send('t', { value: 'x'.repeat(3_000), partition: 0 })
    const startMs = runtime.clock.monotonicMs()
    const error = await errorOf(one.send('t', { value: 'y'.repeat(3_000), partition: 0 }))
    expect(error).toMatchObject({ code: 'BUFFER_EXHAUSTED', recovery: 'retry' })
    expect(runtime.clock.monotonicMs() - startMs).toBeCloseTo(500, 0)
    runtime.network.release()
    await run(first)
  })

  test('a broker that cannot be reached: sends end with DELIVERY_TIMEOUT, or for want of metadata', async () => {
    const one = producer({ deliveryTimeoutMs: 1_000, maxBlockMs: 1_000 })
    await run(one.send('t', { value: 'a', partition: 0 }))
    runtime.network.hold()
    expect((await errorOf(one.send('t', { value: 'b', partition: 0 }))).code).toBe('DELIVERY_TIMEOUT')
    const other = producer({ maxBlockMs: 1_000 })
    expect((await errorOf(other.send('t', { value: 'b' }))).recovery).toBe('retry')
    runtime.network.release()
  })
})

describe('transactions', () => {
  test('sends that nobody waits for are in the commit; one that failed stops it', async () => {
    const one = producer({ transactionalId: 'tx' })
    await run(
      one.transaction(async (tx) => {
        for (let n = 0; n < 10; n++) void tx.send('t', { value: `${n}`, partition: 0 })
      }),
    )
    expect(await values()).toHaveLength(10)
    const error = await errorOf(
      one.transaction(async (tx) => {
        void tx.send('t', { value: 'fine', partition: 0 })
        void tx.send('t', { value: 5 as never, partition: 0 })
      }),
    )
    expect(error).toMatchObject({ code: 'SERIALIZATION_FAILED', recovery: 'abort-transaction' })
    await run(one.transaction(async (tx) => tx.send('t', { value: 'after', partition: 0 })))
    expect((await values()).at(-1)).toBe('after')
    expect(await values()).toHaveLength(11)
  })

  test('one at a time, each ended once; what comes afterwards is refused', async () => {
    const one = producer({ transactionalId: 'tx' })
    const tx = await run(one.begin())
    expect((await errorOf(one.begin())).code).toBe('ILLEGAL_STATE')
    await run(tx.send('t', { value: 'a', partition: 0 }))
    await run(Promise.all([tx.commit(), tx.commit()]))
    await run(tx.commit())
    expect((await errorOf(tx.abort())).message).toContain('the transaction was committed')
    expect((await errorOf(tx.send('t', { value: 'b' }))).code).toBe('ILLEGAL_STATE')
    const next = await run(one.begin())
    await run(next.abort())
    await run(next.abort())
    expect((await errorOf(next.commit())).message).toContain('the transaction was aborted')
    expect(await values()).toEqual(['a'])
  })

  test('without a transactionalId there are none, with one there is nothing else', async () => {
    expect((await errorOf(producer().begin())).code).toBe('ILLEGAL_STATE')
    expect((await errorOf(producer({ transactionalId: 'tx' }).send('t', { value: 'v' }))).code).toBe('ILLEGAL_STATE')
  })

  test('the signal is aborted when the transaction can no longer commit', async () => {
    const first = producer({ transactionalId: 'tx' })
    const tx = await run(first.begin())
    await run(tx.send('t', { value: 'a', partition: 0 }))
    await run(tx.flush())
    expect(tx.signal.aborted).toBe(false)
    const second = producer({ transactionalId: 'tx' })
    await run(second.init())
    await run(tx.send('t', { value: 'b', partition: 0 }))
    const flushed = await errorOf(tx.flush())
    expect(tx.signal.aborted).toBe(true)
    expect(tx.signal.reason).toBe(flushed)
    const committed = await errorOf(tx.commit())
    expect(['abort-transaction', 'restart-producer']).toContain(committed.recovery)
    expect(await values()).toEqual([])
  })

  test('an unknown outcome is told as such; commit may be asked again, nothing else', async () => {
    const one = producer({ transactionalId: 'tx', maxBlockMs: 300, requestTimeoutMs: 200 })
    const tx = await run(one.begin())
    await run(tx.send('t', { value: 'a', partition: 0 }))
    await run(tx.flush())
    runtime.network.hold()
    const error = await errorOf(tx.commit())
    expect(error).toMatchObject({ code: 'COMMIT_OUTCOME_UNKNOWN', recovery: 'retry' })
    expect((await errorOf(tx.abort())).message).toContain('call commit() again')
    expect((await errorOf(one.begin())).message).toContain('call its commit() again')
    runtime.network.release()
    await run(new Promise<void>((resolve) => void runtime.clock.setTimer(5_000, resolve)))
    expect((await errorOf(one.begin())).message).toContain('call its commit() again')
    await run(tx.commit())
    const next = await run(one.begin())
    await run(next.abort())
    expect(await values()).toEqual(['a'])
  })

  test('the protocol follows the cluster, up and down, from one transaction to the next', async () => {
    const setLevel = async (level: number): Promise<void> => {
      const client = await run(broker.connect())
      const update = { feature: 'transaction.version', maxVersionLevel: level, upgradeType: level === 2 ? 1 : 2 }
      const { results } = await run(client.wire.request(updateFeatures, 1, { featureUpdates: [update] }))
      expect(results).toMatchObject([{ errorCode: 'NONE' }])
      // A client learns of features when it connects.
      runtime.network.cut()
    }
    const one = producer({ transactionalId: 'tx' })
    const write = (): Promise<void> => run(one.transaction(async (tx) => tx.send('t', { value: 'v', partition: 0 })))
    await write()
    for (const level of [1, 2, 1, 2]) {
      await setLevel(level)
      for (let n = 0; n < 4; n++) await write()
    }
    const client = await run(broker.connect())
    const { records } = await run(client.fetchRaw('t', 0))
    const epochs = [...batches(records!)].flatMap(({ header }) => (header.isControl ? [] : [header.producerEpoch]))
    const steps = epochs.slice(1).map((epoch, at) => epoch - epochs[at]!)
    // Each level's last three; which of the first ones knows of the change depends on when the connection comes back.
    expect(steps.map((step) => step > 1)).toEqual(steps.map(() => false))
    expect([0, 4, 8, 12].map((at) => steps.slice(at + 2, at + 4).join())).toEqual(['0,0', '1,1', '0,0', '1,1'])
  })

  test('a transaction that the coordinator has aborted is noticed at the next send, and the next one goes on', async () => {
    const one = producer({ transactionalId: 'tx', transactionTimeoutMs: 1_000 })
    const tx = await run(one.begin())
    await run(tx.send('t', { value: 'too slow', partition: 0 }))
    await run(tx.flush())
    await run(new Promise<void>((resolve) => void runtime.clock.setTimer(30_000, resolve)))
    await run(tx.send('t', { value: 'too late', partition: 0 }))
    const error = await errorOf(tx.commit())
    expect(error).toMatchObject({ recovery: 'abort-transaction' })
    await run(tx.abort())
    await run(one.transaction(async (next) => next.send('t', { value: 'again', partition: 0 })))
    expect(await values()).toEqual(['again'])
  })

  test('offsets: a list and a map, and what is none', async () => {
    const one = producer({ transactionalId: 'tx' })
    const group = { groupId: 'g', generationId: -1, memberId: '', groupInstanceId: null }
    const tx = await run(one.begin())
    await run(tx.sendOffsets([{ topic: 't', partition: 0, offset: 1 }], group))
    await run(tx.sendOffsets(new Map([['t', new Map([[1, { offset: 2 }]])]]), group))
    expect((await errorOf(tx.sendOffsets([{ topic: 't', partition: 0, offset: -1 }], group))).code).toBe(
      'INVALID_ARGUMENT',
    )
    expect((await errorOf(tx.sendOffsets([], undefined as never))).code).toBe('INVALID_ARGUMENT')
    await run(tx.commit())
  })

  test('a member that is none of the group is refused, and only an abort helps', async () => {
    const one = producer({ transactionalId: 'tx' })
    const tx = await run(one.begin())
    const group = { groupId: 'g', generationId: 3, memberId: 'nobody', groupInstanceId: null }
    void tx.sendOffsets([{ topic: 't', partition: 0, offset: 1 }], group)
    const error = await errorOf(tx.commit())
    expect(error.recovery).toBe('abort-transaction')
    await run(tx.abort())
  })
})

describe('close', () => {
  test('what was sent is stored; afterwards nothing is taken', async () => {
    const one = producer({ lingerMs: 60_000 })
    const sent = one.send('t', { value: 'a', partition: 0 })
    await run(one.close())
    expect((await sent).offset).toBe(0)
    expect((await errorOf(one.send('t', { value: 'b' }))).code).toBe('CLOSED')
    expect((await errorOf(one.init())).code).toBe('CLOSED')
    await run(one.close())
  })

  test('what does not come to its end in time fails with CLOSED', async () => {
    const one = producer()
    await run(one.send('t', { value: 'a', partition: 0 }))
    runtime.network.hold()
    const sent = errorOf(one.send('t', { value: 'b', partition: 0 }))
    const waiting = errorOf(one.send('other', { value: 'c' }))
    await run(one.close({ timeoutMs: 100 }))
    expect((await sent).code).toBe('CLOSED')
    expect((await waiting).code).toBe('CLOSED')
    runtime.network.release()
  })

  test('an open transaction is aborted', async () => {
    const one = producer({ transactionalId: 'tx' })
    const tx = await run(one.begin())
    await run(tx.send('t', { value: 'a', partition: 0 }))
    await run(tx.flush())
    await run(one.close())
    expect((await errorOf(tx.commit())).code).toMatch(/CLOSED|ILLEGAL_STATE/)
    await run(
      producer({ transactionalId: 'other' }).transaction(async (next) => next.send('t', { value: 'b', partition: 0 })),
    )
    expect(await values()).toEqual(['b'])
  })

  test('options of close are checked', async () => {
    expect(() => producer().close({ timeoutMs: -1 })).toThrow('timeoutMs is -1')
  })
})

test('flush waits for what was sent, and only for that', async () => {
  const one = producer({ lingerMs: 1_000 })
  const sent: RecordMetadata[] = []
  void one.send('t', { value: 'a', partition: 0 }).then((metadata) => sent.push(metadata))
  await run(one.flush())
  expect(sent).toHaveLength(1)
  expect(runtime.clock.monotonicMs()).toBeLessThan(1_000)
})

test('keys and values have the types of the topic', () => {
  const orders = topic('t', { key: serdes.string, value: serdes.json<{ total: number }>() })
  const one = producer()
  const typed = (): unknown => [
    one.send(orders, { key: 'k', value: { total: 1 } }),
    one.send(orders, [{ value: null }]),
    // @ts-expect-error: the value has no total
    one.send(orders, { value: { sum: 1 } }),
    // @ts-expect-error: keys are strings
    one.send(orders, { key: 5, value: { total: 1 } }),
    // @ts-expect-error: without serdes values are bytes or text
    one.send('t', { value: 5 }),
  ]
  expect(typed).toBeTypeOf('function')
  const single = () => one.send('t', { key: Buffer.from('k'), value: 'v' })
  const many = () => one.send('t', [{ value: 'v' }])
  expectTypeOf(single).returns.resolves.toEqualTypeOf<RecordMetadata>()
  expectTypeOf(many).returns.resolves.toEqualTypeOf<RecordMetadata[]>()
})
