/**
 * Bugs that other brokers had in partitions and transactions, over the wire, each by its number: rows of
 * ../shared/reference/reliability.md B1 and B2, and of product.md 1.2.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { deleteRecords } from '../../src/protocol/messages/delete-records.ts'
import { describeTransactions } from '../../src/protocol/messages/describe-transactions.ts'
import { addPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.ts'
import { listOffsets } from '../../src/protocol/messages/list-offsets.ts'
import { listTransactions } from '../../src/protocol/messages/list-transactions.ts'
import { batches } from '../../src/protocol/record-batch.ts'
import { TestBroker } from './test-broker.ts'
import type { Producer, TestClient } from './test-broker.ts'

const SEQUENCE_MAX = 2 ** 31 - 1

async function start(properties: Record<string, string> = {}) {
  const broker = await TestBroker.start({ properties })
  onTestFinished(() => broker[Symbol.asyncDispose]())
  const client = await broker.connect()
  await client.createTopic('t', 2)
  return { broker, client }
}

async function offsetAt(client: TestClient, timestamp: number, isolationLevel: 0 | 1) {
  const { topics } = await client.wire.request(listOffsets, 7, {
    replicaId: -1,
    isolationLevel,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }],
  })
  return topics[0]?.partitions[0]?.offset
}

async function deleteTo(client: TestClient, offset: number): Promise<void> {
  const { topics } = await client.wire.request(deleteRecords, 2, {
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }],
    timeoutMs: 1000,
  })
  expect(topics[0]?.partitions[0]?.errorCode).toBe('NONE')
}

const fast = { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '50' }

describe('B1: coordinator and markers', () => {
  test('B1.12 KAFKA-20785: a commit that lost the race against the timeout is told that it is fenced', async () => {
    const { client } = await start(fast)
    for (const version of [4, 5]) {
      const id = `id-${version}`
      const producer = await client.initProducer(id, { timeoutMs: 50 })
      const { baseOffset } = await client.produceIn(id, producer, 't', 0, 'late', { partition: 1 })
      await client.produce('t', { values: ['behind'] }, { partition: 1 })
      await client.fetchRaw('t', baseOffset, { partition: 1, isolation: 1, maxWaitMs: 10_000 })
      const { errorCode } = await client.endTxn(id, producer, true, version)
      expect(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']).toContain(errorCode)
    }
    expect(await client.values('t', 1, 1)).toEqual(['behind', 'behind'])
  })

  test('B1.2: a produce that comes after the abort marker of its transaction opens nothing', async () => {
    const { client } = await start(fast)
    const producer = await client.initProducer('id', { timeoutMs: 50 })
    await client.produceIn('id', producer, 't', 0, 'in time')
    await client.fetchRaw('t', 0, { isolation: 1, maxWaitMs: 10_000 })
    for (const version of [11, 12]) {
      expect((await client.produceIn('id', producer, 't', 1, 'late', { version })).errorCode).not.toBe('NONE')
    }
    expect((await client.produce('t', { values: ['plain'] })).errorCode).toBe('NONE')
    expect(await client.values('t', 1)).toEqual(['plain'])
  })

  test('B1.27 Redpanda 18324: a transaction of a partition without data ends by its timeout', async () => {
    const { client } = await start(fast)
    const producer = await client.initProducer('id', { timeoutMs: 50 })
    await client.wire.request(addPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: 'id',
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: [{ name: 't', partitions: [0] }],
    })
    // The marker is what shows that it has ended.
    const read = await client.fetchRaw('t', 0, { isolation: 1, maxWaitMs: 10_000 })
    expect(read.lastStableOffset).toBe(1)
    const { transactionStates } = await client.wire.request(describeTransactions, 0, { transactionalIds: ['id'] })
    expect(transactionStates[0]?.transactionState).toBe('CompleteAbort')
  })

  test('kfake 1398: a new instance aborts what the old one left, and does not commit it with its own', async () => {
    const { client } = await start()
    const old = await client.initProducer('id')
    await client.produceIn('id', old, 't', 0, 'abandoned')
    const next = await client.initProducer('id')
    await client.produceIn('id', next, 't', 0, 'mine')
    expect((await client.endTxn('id', next, true)).errorCode).toBe('NONE')
    expect(await client.values('t', 1)).toEqual(['mine'])
    expect(await client.values('t', 0)).toEqual(['abandoned', 'mine'])
  })

  test('Redpanda 11947: transactions are listed and described before there is one', async () => {
    const { client } = await start()
    const listed = await client.wire.request(listTransactions, 1, { stateFilters: [], producerIdFilters: [] })
    expect(listed).toMatchObject({ errorCode: 'NONE', transactionStates: [] })
    const { transactionStates } = await client.wire.request(describeTransactions, 0, { transactionalIds: ['id'] })
    expect(transactionStates[0]?.errorCode).toBe('TRANSACTIONAL_ID_NOT_FOUND')
  })
})

describe('B2: log and last stable offset', () => {
  test('B2.28 KAFKA-9807: a read_committed fetch while transactions end gives nothing above its last stable offset', async () => {
    const { broker, client } = await start()
    const reader = await broker.connect()
    let isDone = false
    const writing = (async () => {
      let producer: Producer = await client.initProducer('id')
      for (let round = 0; round < 100; round++) {
        await client.produceIn('id', producer, 't', 0, `${round}`)
        producer = await client.endTxn('id', producer, round % 2 === 0)
      }
      isDone = true
    })()
    let next = 0
    let markers = 0
    while (markers < 100) {
      const read = await reader.fetchRaw('t', next, { isolation: 1, maxWaitMs: isDone ? 0 : 5 })
      expect(read.lastStableOffset).toBeLessThanOrEqual(read.highWatermark)
      const aborted = new Set(read.abortedTransactions?.map(({ firstOffset }) => firstOffset))
      for (const { header } of batches(read.records ?? new Uint8Array(0))) {
        expect(header.lastOffset).toBeLessThan(read.lastStableOffset)
        // Each transaction is one record and its marker; the odd ones are aborted, and every answer says so.
        if (header.isControl) markers += 1
        else
          expect(aborted.has(header.baseOffset), `offset ${header.baseOffset}`).toBe((header.baseOffset / 2) % 2 === 1)
        next = header.lastOffset + 1
      }
    }
    await writing
  })

  test('B2.29 KAFKA-5376: a fetch that waited for the end of a transaction gives the aborted list', async () => {
    const { broker, client } = await start()
    const producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'dropped')
    const waiting = (await broker.connect()).fetchRaw('t', 0, { isolation: 1, maxWaitMs: 20_000 })
    await client.endTxn('id', producer, false)
    expect(await waiting).toMatchObject({
      lastStableOffset: 2,
      abortedTransactions: [{ producerId: producer.producerId, firstOffset: 0 }],
    })
  })

  test('B2.30 Redpanda 3036: an aborted transaction of one record at the tail is dropped, and shown to read_uncommitted', async () => {
    const { client } = await start()
    await client.produce('t', { values: ['plain'] })
    const producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'dropped')
    await client.endTxn('id', producer, false)
    expect(await client.values('t', 1)).toEqual(['plain'])
    expect(await client.values('t', 0)).toEqual(['plain', 'dropped'])
    expect(await client.fetchRaw('t', 3, { isolation: 1 })).toMatchObject({ errorCode: 'NONE', lastStableOffset: 3 })
  })

  test('B2.31 KAFKA-5522: a look-up by time stops at the last stable offset', async () => {
    const { client } = await start()
    await client.produce('t', { records: [{ timestamp: 1000, key: null, value: Buffer.from('old') }] })
    const producer = await client.initProducer('id')
    const transactional = { ...producer, baseSequence: 0, isTransactional: true }
    await client.produce(
      't',
      { ...transactional, records: [{ timestamp: 2000, key: null, value: Buffer.from('open') }] },
      { version: 12, transactionalId: 'id' },
    )
    expect([await offsetAt(client, 1500, 0), await offsetAt(client, 1500, 1)]).toEqual([1, -1])
    expect([await offsetAt(client, -3, 0), await offsetAt(client, -3, 1)]).toEqual([1, 0])
    await client.endTxn('id', producer, true)
    expect(await offsetAt(client, 1500, 1)).toBe(1)
  })

  test('B2.36 KAFKA-7190: a producer whose records were all deleted goes on in sequence', async () => {
    const { client } = await start()
    const plain = await client.initProducer(null)
    for (const baseSequence of [0, 1, 2]) await client.produce('t', { ...plain, baseSequence })
    let producer: Producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'x')
    producer = await client.endTxn('id', producer, true)
    await deleteTo(client, -1)
    expect(await client.produce('t', { ...plain, baseSequence: 3 })).toMatchObject({ errorCode: 'NONE', baseOffset: 5 })
    expect(await client.produce('t', { ...plain, baseSequence: 3 })).toMatchObject({ errorCode: 'NONE', baseOffset: 5 })
    expect((await client.produce('t', { ...plain, baseSequence: 9 })).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect((await client.produceIn('id', producer, 't', 0, 'y')).errorCode).toBe('NONE')
    expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
  })

  test('B2.38 KAFKA-7692, 5283: sequences wrap from 2^31 - 1 to 0, inside of a batch and between two', async () => {
    const { client } = await start()
    const producer = await client.initProducer(null)
    const send = (baseSequence: number, count: number) =>
      client.produce('t', { ...producer, baseSequence, values: Array<string>(count).fill('x') })
    // A producer that nothing is known of may begin anywhere.
    expect(await send(SEQUENCE_MAX - 7, 5)).toMatchObject({ errorCode: 'NONE', baseOffset: 0 })
    expect(await send(SEQUENCE_MAX - 2, 5)).toMatchObject({ errorCode: 'NONE', baseOffset: 5 })
    expect(await send(SEQUENCE_MAX - 2, 5)).toMatchObject({ errorCode: 'NONE', baseOffset: 5 })
    expect((await send(3, 1)).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(await send(2, 1)).toMatchObject({ errorCode: 'NONE', baseOffset: 10 })
    const other = await client.initProducer(null)
    await client.produce('t', { ...other, baseSequence: SEQUENCE_MAX }, { partition: 1 })
    expect((await client.produce('t', { ...other, baseSequence: 0 }, { partition: 1 })).errorCode).toBe('NONE')
  })

  test('B2.39 KAFKA-5494: each of the last five batches is answered with its first offset, the sixth is out of order', async () => {
    const { client } = await start()
    const producer = await client.initProducer(null)
    for (let sequence = 0; sequence < 6; sequence++) await client.produce('t', { ...producer, baseSequence: sequence })
    for (let sequence = 1; sequence < 6; sequence++) {
      const again = await client.produce('t', { ...producer, baseSequence: sequence })
      expect(again).toMatchObject({ errorCode: 'NONE', baseOffset: sequence })
    }
    expect((await client.produce('t', { ...producer, baseSequence: 0 })).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    // A part of a batch is none.
    const overlapping = { ...producer, baseSequence: 5, values: ['x', 'y'] }
    expect((await client.produce('t', overlapping)).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect((await client.values('t')).length).toBe(6)
  })

  test('B2.46 Redpanda def3776: what follows a refused batch in the pipeline is refused with it', async () => {
    const { client } = await start()
    const producer = await client.initProducer(null)
    await client.produce('t', { ...producer, baseSequence: 0 })
    // Sequence 1 is lost on the way: nothing behind it may get in before it comes again.
    const pipeline = await Promise.all(
      [2, 3, 4].map((baseSequence) => client.produce('t', { ...producer, baseSequence })),
    )
    expect(pipeline.map(({ errorCode }) => errorCode)).toEqual(Array(3).fill('OUT_OF_ORDER_SEQUENCE_NUMBER'))
    const resent = await Promise.all(
      [1, 2, 3, 4].map((baseSequence) => client.produce('t', { ...producer, baseSequence })),
    )
    expect(resent.map(({ baseOffset }) => baseOffset)).toEqual([1, 2, 3, 4])
  })

  test('B2.37 Redpanda 22670: an idempotent producer is not forgotten with the transactional ids', async () => {
    const { client } = await start({
      'transactional.id.expiration.ms': '1',
      'transaction.remove.expired.transaction.cleanup.interval.ms': '10',
    })
    await client.initProducer('id')
    const producer = await client.initProducer(null)
    for (const baseSequence of [0, 1]) await client.produce('t', { ...producer, baseSequence })
    for (;;) {
      const { transactionStates } = await client.wire.request(listTransactions, 1, {
        stateFilters: [],
        producerIdFilters: [],
      })
      if (transactionStates.length === 0) break
    }
    expect(await client.produce('t', { ...producer, baseSequence: 1 })).toMatchObject({
      errorCode: 'NONE',
      baseOffset: 1,
    })
    expect(await client.produce('t', { ...producer, baseSequence: 2 })).toMatchObject({
      errorCode: 'NONE',
      baseOffset: 2,
    })
  })

  test('B2.49 Redpanda 7057: a producer id for each request leaves a table of bounded size', async () => {
    const { client } = await start({ 'semel.max.producer.ids': '100' })
    const errors = new Set<string>()
    for (let id = 0; id < 300; id++) {
      errors.add((await client.produce('t', { producerId: id, producerEpoch: 0, baseSequence: 0 })).errorCode)
    }
    expect(errors.has('UNKNOWN_SERVER_ERROR')).toBe(false)
    expect((await client.produce('t', { values: ['plain'] })).errorCode).toBe('NONE')
  })

  test('B2.44 Redpanda 30003: a producer fenced by a marker alone stays fenced over a restart', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'semel-regressions-'))
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
    let zombie: Producer
    {
      await using broker = await TestBroker.start({ dataDir })
      const client = await broker.connect()
      await client.createTopic('t')
      zombie = await client.initProducer('id')
      await client.produceIn('id', zombie, 't', 0, 'dropped')
      await client.initProducer('id')
    }
    await using broker = await TestBroker.start({ dataDir })
    const client = await broker.connect()
    for (const version of [11, 12]) {
      expect((await client.produceIn('id', zombie, 't', 1, 'late', { version })).errorCode).not.toBe('NONE')
    }
    expect((await client.produce('t', { ...zombie, baseSequence: 1 })).errorCode).toBe('INVALID_PRODUCER_EPOCH')
    expect(await client.values('t', 1)).toEqual([])
  })

  test('Nisshi: a fetch from inside a batch gets the batch, and a look-up by time the record', async () => {
    const { client } = await start()
    const records = [10, 20, 30].map((timestamp) => ({ timestamp, key: null, value: Buffer.from(`${timestamp}`) }))
    await client.produce('t', { records })
    expect((await client.read('t', { from: 1 })).map(({ value }) => value)).toEqual(['20', '30'])
    const found: (number | undefined)[] = []
    for (const timestamp of [0, 10, 11, 30, 31]) found.push(await offsetAt(client, timestamp, 0))
    expect(found).toEqual([0, 0, 1, 2, -1])
  })

  test('kafkajs 598: batches of one producer for several partitions may come in parallel', async () => {
    const { client } = await start()
    const producer = await client.initProducer(null)
    const sent = await Promise.all(
      [0, 1, 2, 3, 4].flatMap((baseSequence) =>
        [0, 1].map((partition) => client.produce('t', { ...producer, baseSequence }, { partition })),
      ),
    )
    expect(sent.map(({ errorCode }) => errorCode)).toEqual(Array(10).fill('NONE'))
  })
})
