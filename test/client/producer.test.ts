import { afterEach, describe, expect, test } from 'vitest'
import type { KafkaError } from '../../src/client/errors.ts'
import type { Producer } from '../../src/client/producer/producer.ts'
import type { ProducerOptions } from '../../src/client/producer/producer-options.ts'
import { batches } from '../../src/protocol/record-batch.ts'
import { serdes } from '../../src/client/serdes.ts'
import { topic } from '../../src/client/topic.ts'
import { TestBroker } from '../broker/test-broker.ts'
import { producerOf } from './producer-kit.ts'

const open: AsyncDisposable[] = []

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]()
})

async function start(properties: Record<string, string> = {}): Promise<TestBroker> {
  const broker = await TestBroker.start({ properties })
  open.push(broker)
  return broker
}

function producer(broker: TestBroker, options: ProducerOptions = {}): Producer {
  const made = producerOf(broker, options)
  open.push(made)
  return made
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: KafkaError) => error.code,
  )
}

describe('send', () => {
  test('records are stored in order, and each send says where', async () => {
    const broker = await start()
    const client = await broker.connect()
    await client.createTopic('t')
    const sender = producer(broker)
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, n) => sender.send('t', { key: null, value: `v${n}`, timestampMs: 1000 + n })),
    )
    expect(results.map(({ offset }) => offset)).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(results[7]).toEqual({ topic: 't', partition: 0, offset: 7, timestampMs: 1007 })
    expect(await client.values('t')).toEqual(Array.from({ length: 100 }, (_, n) => `v${n}`))
    const many = await sender.send('t', [{ value: 'a' }, { value: Buffer.from('b') }, { key: 'k', value: null }])
    expect(many.map(({ offset }) => offset)).toEqual([100, 101, 102])
    expect((await client.read('t', { from: 100 })).map(({ key, value }) => [key, value])).toEqual([
      [null, 'a'],
      [null, 'b'],
      ['k', null],
    ])
  })

  test('a topic with serdes and headers', async () => {
    const broker = await start()
    const client = await broker.connect()
    await client.createTopic('orders', 3)
    const orders = topic('orders', { key: serdes.string, value: serdes.json<{ total: number }>() })
    const sent = await producer(broker).send(orders, { key: 'A-1', value: { total: 3 }, headers: { h: 'x', n: null } })
    expect(await client.read('orders', { partition: sent.partition })).toEqual([
      { offset: 0, key: 'A-1', value: '{"total":3}' },
    ])
  })

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)('compression %s is read back', async (compression) => {
    const broker = await start()
    const client = await broker.connect()
    await client.createTopic('t')
    const sender = producer(broker, { compression })
    await sender.send(
      't',
      Array.from({ length: 500 }, (_, n) => ({ value: `value ${n}` })),
    )
    expect(await client.values('t')).toEqual(Array.from({ length: 500 }, (_, n) => `value ${n}`))
  })

  test.each([0, 1] as const)('acks %s', async (acks) => {
    const broker = await start()
    const client = await broker.connect()
    await client.createTopic('t')
    const sender = producer(broker, { acks, idempotent: false })
    const sent = await sender.send('t', { value: 'v' })
    expect(sent.offset).toBe(acks === 0 ? -1 : 0)
    await expect.poll(() => client.values('t')).toEqual(['v'])
  })
})

describe.each([1, 2])('transactions, transaction.version %s', (version) => {
  const options: ProducerOptions = { transactionalId: 'tx', transactionVersion: version === 1 ? 1 : 'auto' }

  test('commit shows all, abort nothing', async () => {
    const broker = await start()
    const client = await broker.connect()
    await client.createTopic('t', 2)
    const sender = producer(broker, options)
    await sender.transaction(async (tx) => {
      await tx.send('t', { value: 'a', partition: 0 })
      await tx.send('t', { value: 'b', partition: 1 })
    })
    const boom = new Error('boom')
    await expect(
      sender.transaction(async (tx) => {
        await tx.send('t', { value: 'c', partition: 0 })
        await tx.flush()
        throw boom
      }),
    ).rejects.toBe(boom)
    await sender.transaction(async (tx) => {
      await tx.send('t', { value: 'd', partition: 0 })
    })
    await expect.poll(() => client.values('t')).toEqual(['a', 'd'])
    expect(await client.values('t', 1, 1)).toEqual(['b'])
    expect(await client.values('t', 0)).toEqual(['a', 'c', 'd'])
  })

  test('version 2 raises the epoch with each transaction, version 1 does not', async () => {
    const broker = await start()
    const client = await broker.connect()
    await client.createTopic('t')
    const sender = producer(broker, options)
    for (let n = 0; n < 3; n++) await sender.transaction(async (tx) => tx.send('t', { value: `${n}` }))
    await expect.poll(() => client.values('t')).toHaveLength(3)
    const { records } = await client.fetchRaw('t', 0)
    const epochs = [...batches(records!)].flatMap(({ header }) => (header.isControl ? [] : [header.producerEpoch]))
    expect(epochs).toEqual(version === 1 ? [0, 0, 0] : [0, 1, 2])
  })

  test('a transaction without anything in it, and one after the other', async () => {
    const broker = await start()
    const client = await broker.connect()
    await client.createTopic('t')
    const sender = producer(broker, options)
    for (let n = 0; n < 20; n++) {
      await sender.transaction(async (tx) => {
        if (n % 3 > 0) await tx.send('t', { value: `${n}` })
      })
    }
    expect(await client.values('t', 0)).toEqual(
      Array.from({ length: 20 }, (_, n) => `${n}`).filter((_, n) => n % 3 > 0),
    )
  })

  test('offsets of a group go with it', async () => {
    const broker = await start()
    const client = await broker.connect()
    await client.createTopic('t')
    const sender = producer(broker, options)
    const group = { groupId: 'g', generationId: -1, memberId: '', groupInstanceId: null }
    await sender.transaction(async (tx) => {
      await tx.send('t', { value: 'x' })
      await tx.sendOffsets([{ topic: 't', partition: 0, offset: 5 }], group)
    })
    const tx = await sender.begin()
    await tx.sendOffsets(new Map([['t', new Map([[0, { offset: 9 }]])]]), group)
    await tx.abort()
  })

  test('a second instance fences the first', async () => {
    const broker = await start()
    const client = await broker.connect()
    await client.createTopic('t')
    const first = producer(broker, options)
    const tx = await first.begin()
    await tx.send('t', { value: 'zombie' })
    await tx.flush()
    const second = producer(broker, options)
    await second.transaction(async (other) => {
      await other.send('t', { value: 'heir' })
    })
    expect(await codeOf(tx.commit())).toMatch(/PRODUCER_FENCED|INVALID_PRODUCER_EPOCH/)
    expect(await codeOf(first.begin())).toMatch(/PRODUCER_FENCED|ILLEGAL_STATE/)
    expect(await client.values('t')).toEqual(['heir'])
  })
})
