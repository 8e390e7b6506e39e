/**
 * Transactions over the wire, both versions. Bugs that Kafka itself had in transaction version 2 are named by their
 * number (kafka-eos.md C13, reliability.md B1).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { addOffsetsToTxn } from '../../src/protocol/messages/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.ts'
import { deleteTopics } from '../../src/protocol/messages/delete-topics.ts'
import { describeProducers } from '../../src/protocol/messages/describe-producers.ts'
import { describeTransactions } from '../../src/protocol/messages/describe-transactions.ts'
import { endTxn } from '../../src/protocol/messages/end-txn.ts'
import { listOffsets } from '../../src/protocol/messages/list-offsets.ts'
import { listTransactions } from '../../src/protocol/messages/list-transactions.ts'
import { offsetFetch } from '../../src/protocol/messages/offset-fetch.ts'
import { txnOffsetCommit } from '../../src/protocol/messages/txn-offset-commit.ts'
import { writeTxnMarkers } from '../../src/protocol/messages/write-txn-markers.ts'
import { TestBroker, TV1_END_TXN, TV1_PRODUCE } from './test-broker.ts'
import type { Producer, TestClient } from './test-broker.ts'

async function start(properties: Record<string, string> = {}) {
  const broker = await TestBroker.start({ properties })
  onTestFinished(() => broker[Symbol.asyncDispose]())
  const client = await broker.connect()
  await client.createTopic('t', 3)
  return { broker, client }
}

async function addPartitions(client: TestClient, id: string, producer: Producer, partitions: number[], topic = 't') {
  const { resultsByTopicV3AndBelow } = await client.wire.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: id,
    v3AndBelowProducerId: producer.producerId,
    v3AndBelowProducerEpoch: producer.producerEpoch,
    v3AndBelowTopics: [{ name: topic, partitions }],
  })
  return resultsByTopicV3AndBelow.flatMap((each) => each.resultsByPartition.map((one) => one.partitionErrorCode))
}

async function latest(client: TestClient, isolationLevel: 0 | 1, partition = 0): Promise<number> {
  const { topics } = await client.wire.request(listOffsets, 5, {
    replicaId: -1,
    isolationLevel,
    topics: [{ name: 't', partitions: [{ partitionIndex: partition, timestamp: -1 }] }],
  })
  return topics[0]?.partitions[0]?.offset ?? Number.NaN
}

describe('transaction version 2', () => {
  test('a committed transaction is read by everybody, an aborted one by read_uncommitted only', async () => {
    const { client } = await start()
    const first = await client.initProducer('id')
    expect(await client.produceIn('id', first, 't', 0, 'kept')).toMatchObject({ errorCode: 'NONE', baseOffset: 0 })
    const second = await client.endTxn('id', first, true)
    expect(second).toMatchObject({ errorCode: 'NONE', producerId: first.producerId, producerEpoch: 1 })
    await client.produceIn('id', second, 't', 0, 'dropped')
    expect(await client.endTxn('id', second, false)).toMatchObject({ errorCode: 'NONE', producerEpoch: 2 })
    expect(await client.values('t', 1)).toEqual(['kept'])
    expect(await client.values('t', 0)).toEqual(['kept', 'dropped'])
  })

  test('read_committed stops at the first open transaction, and so does ListOffsets', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    await client.produce('t', { values: ['plain'] })
    await client.produceIn('id', producer, 't', 0, 'open')
    await client.produce('t', { values: ['behind'] })
    expect(await client.values('t', 1)).toEqual(['plain'])
    expect(await latest(client, 1)).toBe(1)
    expect(await latest(client, 0)).toBe(3)
    await client.endTxn('id', producer, true)
    expect(await client.values('t', 1)).toEqual(['plain', 'open', 'behind'])
  })

  test('all partitions of a transaction become visible together', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    for (const partition of [0, 1, 2]) await client.produceIn('id', producer, 't', 0, `p${partition}`, { partition })
    await client.endTxn('id', producer, true)
    for (const partition of [0, 1, 2]) expect(await client.values('t', 1, partition)).toEqual([`p${partition}`])
  })

  test('C13 KAFKA-18401: a commit with nothing sent is refused, the producer goes on', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    expect((await client.endTxn('id', producer, true)).errorCode).toBe('INVALID_TXN_STATE')
    expect((await client.produceIn('id', producer, 't', 0, 'x')).errorCode).toBe('NONE')
    expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
  })

  test('C13 KAFKA-18464: an empty abort does not fence its producer', async () => {
    const { client } = await start()
    let producer: Producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'x')
    producer = await client.endTxn('id', producer, true)
    const aborted = await client.endTxn('id', producer, false)
    expect(aborted).toMatchObject({ errorCode: 'NONE', producerEpoch: producer.producerEpoch + 1 })
    expect((await client.produceIn('id', aborted, 't', 0, 'y')).errorCode).toBe('NONE')
    expect((await client.endTxn('id', aborted, true)).errorCode).toBe('NONE')
    expect(await client.values('t')).toEqual(['x', 'y'])
  })

  test('a repeated EndTxn is answered as the first one, and the other way round it is refused', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'x')
    const first = await client.endTxn('id', producer, true)
    expect(await client.endTxn('id', producer, true)).toEqual(first)
    expect((await client.endTxn('id', producer, false)).errorCode).toBe('INVALID_TXN_STATE')
  })

  test('C13 KAFKA-18575, 18654: the next transaction may begin the moment EndTxn is answered', async () => {
    const { client } = await start()
    let producer: Producer = await client.initProducer('id')
    for (let round = 0; round < 50; round += 1) {
      expect((await client.produceIn('id', producer, 't', 0, `r${round}`)).errorCode).toBe('NONE')
      const ended = await client.endTxn('id', producer, round % 3 !== 0)
      expect(ended.errorCode).toBe('NONE')
      producer = ended
    }
    const kept = Array.from({ length: 50 }, (_, round) => round).filter((round) => round % 3 !== 0)
    expect(await client.values('t')).toEqual(kept.map((round) => `r${round}`))
  })

  test('C13 KAFKA-18042: a late batch of an old epoch is refused and does not touch the open transaction', async () => {
    const { client } = await start()
    const first = await client.initProducer('id')
    await client.produceIn('id', first, 't', 0, 'x')
    const second = await client.endTxn('id', first, true)
    await client.produceIn('id', second, 't', 0, 'y')
    expect((await client.produceIn('id', first, 't', 1, 'late')).errorCode).toBe('INVALID_PRODUCER_EPOCH')
    await client.endTxn('id', second, true)
    expect(await client.values('t')).toEqual(['x', 'y'])
  })

  test('B1.1 KAFKA-17754: a late batch after the marker cannot begin or join a transaction', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'x')
    await client.endTxn('id', producer, false)
    expect((await client.produceIn('id', producer, 't', 1, 'late')).errorCode).toBe('INVALID_PRODUCER_EPOCH')
    expect(await latest(client, 1)).toBe(await latest(client, 0))
  })

  test('C13 KAFKA-18202: a first sequence other than 0 is refused where nothing is known of the producer', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    expect((await client.produceIn('id', producer, 't', 5, 'x')).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })

  test('C13 KAFKA-19367: a fenced transaction raises the epoch once', async () => {
    const { client } = await start()
    const first = await client.initProducer('id')
    await client.produceIn('id', first, 't', 0, 'x')
    const second = await client.initProducer('id')
    // One for the abort, one for the new instance.
    expect(second).toMatchObject({ errorCode: 'NONE', producerEpoch: first.producerEpoch + 2 })
  })

  test('a repeated batch is answered with its first offset while the transaction is open', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    const first = await client.produceIn('id', producer, 't', 0, 'x')
    expect(await client.produceIn('id', producer, 't', 0, 'x')).toEqual(first)
    await client.endTxn('id', producer, true)
    expect(await client.values('t')).toEqual(['x'])
  })
})

describe('transaction version 1', () => {
  test('partitions are added first; the epoch stays over the transactions', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id', { version: 1 })
    let sequence = 0
    for (const committed of [true, false, true]) {
      expect(await addPartitions(client, 'id', producer, [0])).toEqual(['NONE'])
      const options = { version: TV1_PRODUCE }
      expect((await client.produceIn('id', producer, 't', sequence, `${committed}`, options)).errorCode).toBe('NONE')
      sequence += 1
      expect((await client.endTxn('id', producer, committed, TV1_END_TXN)).errorCode).toBe('NONE')
    }
    expect(await client.values('t')).toEqual(['true', 'true'])
  })

  test('a batch for a partition that was not added is refused: 120, for older versions 48', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    await addPartitions(client, 'id', producer, [1])
    const refused = await client.produceIn('id', producer, 't', 0, 'x', { version: 11 })
    expect(refused.errorCode).toBe('TRANSACTION_ABORTABLE')
    const older = await client.produceIn('id', producer, 't', 0, 'x', { version: 8 })
    expect(older.errorCode).toBe('INVALID_TXN_STATE')
    expect(await latest(client, 0)).toBe(0)
  })

  test('B1.5 KAFKA-14920: after a refused first batch a later one in flight is refused too', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    expect((await client.produceIn('id', producer, 't', 0, 'a', { version: 11 })).errorCode).toBe(
      'TRANSACTION_ABORTABLE',
    )
    await addPartitions(client, 'id', producer, [0])
    const overtaking = await client.produceIn('id', producer, 't', 1, 'b', { version: 11 })
    expect(overtaking.errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect((await client.produceIn('id', producer, 't', 0, 'a', { version: 11 })).errorCode).toBe('NONE')
    expect((await client.produceIn('id', producer, 't', 1, 'b', { version: 11 })).errorCode).toBe('NONE')
  })

  test('one unknown partition refuses all, the others are told that nothing was attempted', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    const errors = await addPartitions(client, 'id', producer, [0, 7])
    expect(errors).toEqual(['OPERATION_NOT_ATTEMPTED', 'UNKNOWN_TOPIC_OR_PARTITION'])
  })

  test('versions alternate on one id, transaction by transaction', async () => {
    const { client } = await start()
    let producer: Producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'v2')
    producer = await client.endTxn('id', producer, true)
    await addPartitions(client, 'id', producer, [0])
    await client.produceIn('id', producer, 't', 0, 'v1', { version: 11 })
    expect((await client.endTxn('id', producer, true, TV1_END_TXN)).errorCode).toBe('NONE')
    expect((await client.produceIn('id', producer, 't', 1, 'v2 again')).errorCode).toBe('NONE')
    expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
    expect(await client.values('t')).toEqual(['v2', 'v1', 'v2 again'])
  })

  test('a marker with no data still raises the epoch of a fenced producer', async () => {
    const { client } = await start()
    const first = await client.initProducer('id')
    await addPartitions(client, 'id', first, [0])
    await client.initProducer('id')
    const { topics } = await client.wire.request(describeProducers, 0, {
      topics: [{ name: 't', partitionIndexes: [0] }],
    })
    expect(topics[0]?.partitions[0]?.activeProducers[0]).toMatchObject({ producerEpoch: first.producerEpoch + 1 })
  })
})

describe('fencing and timeouts', () => {
  test('a second instance fences the first everywhere', async () => {
    const { client } = await start()
    const zombie = await client.initProducer('id')
    await client.produceIn('id', zombie, 't', 0, 'zombie')
    const heir = await client.initProducer('id')
    expect((await client.produceIn('id', zombie, 't', 1, 'late')).errorCode).toBe('INVALID_PRODUCER_EPOCH')
    expect((await client.endTxn('id', zombie, true)).errorCode).toBe('PRODUCER_FENCED')
    expect((await client.endTxn('id', zombie, true, 1)).errorCode).toBe('INVALID_PRODUCER_EPOCH')
    expect((await client.initProducer('id', { resume: zombie })).errorCode).toBe('PRODUCER_FENCED')
    expect(await addPartitions(client, 'id', zombie, [1])).toEqual(['PRODUCER_FENCED'])
    await client.produceIn('id', heir, 't', 0, 'heir')
    await client.endTxn('id', heir, true)
    expect(await client.values('t')).toEqual(['heir'])
  })

  test('KIP-360: a resuming producer gets the next epoch, and the same again when it repeats itself', async () => {
    const { client } = await start()
    const first = await client.initProducer('id')
    const second = await client.initProducer('id', { resume: first })
    expect(second).toMatchObject({ errorCode: 'NONE', producerEpoch: first.producerEpoch + 1 })
    expect(await client.initProducer('id', { resume: first })).toEqual(second)
  })

  test('B1.14 KAFKA-6119: a producer that vanishes holds readers no longer than its timeout and one scan', async () => {
    const { client } = await start({ 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '50' })
    const producer = await client.initProducer('id', { timeoutMs: 200 })
    await client.produceIn('id', producer, 't', 0, 'lost')
    await client.produce('t', { values: ['behind'] })
    const waited = await client.fetchRaw('t', 0, { isolation: 1, maxWaitMs: 5000 })
    expect(waited.abortedTransactions).toEqual([{ producerId: producer.producerId, firstOffset: 0 }])
    expect(await client.values('t')).toEqual(['behind'])
    expect((await client.produceIn('id', producer, 't', 1, 'zombie')).errorCode).toBe('INVALID_PRODUCER_EPOCH')
  })

  test('an admin ends a hung transaction with the marker of its own epoch', async () => {
    const { client } = await start({ 'transaction.partition.verification.enable': 'false' })
    const producer = await client.initProducer('id')
    // Without verification a batch of version 1 gets in that no transaction knows of.
    await client.produceIn('id', producer, 't', 0, 'hung', { version: 11 })
    const { transactionStates } = await client.wire.request(describeTransactions, 0, { transactionalIds: ['id'] })
    expect(transactionStates[0]).toMatchObject({ transactionState: 'Empty', topics: [] })
    const described = await client.wire.request(describeProducers, 0, {
      topics: [{ name: 't', partitionIndexes: [0] }],
    })
    const hung = described.topics[0]?.partitions[0]?.activeProducers[0]
    expect(hung).toMatchObject({ currentTxnStartOffset: 0 })
    expect(await latest(client, 1)).toBe(0)
    const { markers } = await client.wire.request(writeTxnMarkers, 2, {
      markers: [
        {
          ...producer,
          transactionResult: false,
          coordinatorEpoch: hung?.coordinatorEpoch ?? 0,
          topics: [{ name: 't', partitionIndexes: [0] }],
        },
      ],
    })
    expect(markers[0]?.topics[0]?.partitions).toEqual([{ partitionIndex: 0, errorCode: 'NONE' }])
    expect(await latest(client, 1)).toBe(2)
    expect(await client.values('t')).toEqual([])
  })

  test('KAFKA-19446: a late marker of an earlier epoch is refused (KIP-1228)', async () => {
    const { client } = await start()
    const first = await client.initProducer('id')
    await client.produceIn('id', first, 't', 0, 'x')
    const second = await client.endTxn('id', first, true)
    await client.produceIn('id', second, 't', 0, 'y')
    const write = async (producerEpoch: number, transactionVersion: number) => {
      const { markers } = await client.wire.request(writeTxnMarkers, 2, {
        markers: [
          {
            producerId: first.producerId,
            producerEpoch,
            transactionVersion,
            coordinatorEpoch: 1,
            transactionResult: false,
            topics: [{ name: 't', partitionIndexes: [0] }],
          },
        ],
      })
      return markers[0]?.topics[0]?.partitions[0]?.errorCode
    }
    expect(await write(first.producerEpoch, 0)).toBe('INVALID_PRODUCER_EPOCH')
    expect(await write(second.producerEpoch, 2)).toBe('INVALID_PRODUCER_EPOCH')
    await client.endTxn('id', second, true)
    expect(await client.values('t')).toEqual(['x', 'y'])
  })

  test('KAFKA-5202: a topic deleted in the middle does not hang its transaction', async () => {
    const { client } = await start()
    await client.createTopic('gone')
    const producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'x')
    await client.produceIn('id', producer, 'gone', 0, 'y')
    await client.wire.request(deleteTopics, 6, {
      topics: [{ name: 'gone', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
      timeoutMs: 1000,
    })
    expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
    expect(await client.values('t')).toEqual(['x'])
    const { transactionStates } = await client.wire.request(describeTransactions, 0, { transactionalIds: ['id'] })
    expect(transactionStates[0]?.transactionState).toBe('CompleteCommit')
  })
})

describe('offsets in a transaction', () => {
  const commit = (client: TestClient, producer: Producer, committedOffset: number, version = 5) =>
    client.wire.request(txnOffsetCommit, version, {
      transactionalId: 'id',
      groupId: 'g',
      ...producer,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: '' }] }],
    })
  const fetchOffset = async (client: TestClient, requireStable = true) => {
    const { groups } = await client.wire.request(offsetFetch, 8, {
      groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }],
      requireStable,
    })
    return groups[0]?.topics[0]?.partitions[0]
  }

  test('they are committed with the transaction, and unstable until then', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    const { topics } = await commit(client, producer, 7)
    expect(topics[0]?.partitions[0]?.errorCode).toBe('NONE')
    expect(await fetchOffset(client)).toMatchObject({ errorCode: 'UNSTABLE_OFFSET_COMMIT' })
    expect(await fetchOffset(client, false)).toMatchObject({ errorCode: 'NONE', committedOffset: -1 })
    // KAFKA-17507: what EndTxn has answered is what OffsetFetch answers.
    await client.endTxn('id', producer, true)
    expect(await fetchOffset(client)).toMatchObject({ errorCode: 'NONE', committedOffset: 7 })
  })

  test('they are dropped with an abort', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    await commit(client, producer, 7)
    await client.endTxn('id', producer, false)
    expect(await fetchOffset(client)).toMatchObject({ errorCode: 'NONE', committedOffset: -1 })
  })

  test('a fenced producer adds none to those of its successor', async () => {
    const { client } = await start()
    const zombie = await client.initProducer('id')
    await commit(client, zombie, 7)
    await client.initProducer('id')
    const heir = await client.initProducer('id')
    await commit(client, heir, 3)
    const { topics } = await commit(client, zombie, 9)
    expect(topics[0]?.partitions[0]?.errorCode).toBe('INVALID_PRODUCER_EPOCH')
    await client.endTxn('id', heir, true)
    expect(await fetchOffset(client)).toMatchObject({ errorCode: 'NONE', committedOffset: 3 })
  })

  test('KAFKA-15449: version 3 and 4 are verified against the transaction', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    expect((await commit(client, producer, 7, 4)).topics[0]?.partitions[0]?.errorCode).toBe('TRANSACTION_ABORTABLE')
    expect((await commit(client, producer, 7, 3)).topics[0]?.partitions[0]?.errorCode).toBe('INVALID_TXN_STATE')
    const added = await client.wire.request(addOffsetsToTxn, 3, { transactionalId: 'id', groupId: 'g', ...producer })
    expect(added.errorCode).toBe('NONE')
    expect((await commit(client, producer, 7, 3)).topics[0]?.partitions[0]?.errorCode).toBe('NONE')
    await client.endTxn('id', producer, true, TV1_END_TXN)
    expect(await fetchOffset(client)).toMatchObject({ committedOffset: 7 })
  })

  test('a zombie cannot commit offsets', async () => {
    const { client } = await start()
    const zombie = await client.initProducer('id')
    await commit(client, zombie, 7)
    await client.initProducer('id')
    expect((await commit(client, zombie, 9)).topics[0]?.partitions[0]?.errorCode).toBe('INVALID_PRODUCER_EPOCH')
    expect(await fetchOffset(client)).toMatchObject({ committedOffset: -1 })
  })
})

describe('over a restart', () => {
  async function directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'semel-transactions-'))
    onTestFinished(() => rm(path, { recursive: true, force: true }))
    return path
  }

  test('an open transaction stays open, a decided one is complete, fencing holds', async () => {
    const dataDir = await directory()
    let open: Producer
    let done: Producer
    {
      await using broker = await TestBroker.start({ dataDir })
      const client = await broker.connect()
      await client.createTopic('t')
      done = await client.initProducer('done')
      await client.produceIn('done', done, 't', 0, 'done')
      done = await client.endTxn('done', done, true)
      open = await client.initProducer('open')
      await client.produceIn('open', open, 't', 0, 'open')
    }
    await using broker = await TestBroker.start({ dataDir })
    const client = await broker.connect()
    await expect.poll(() => client.values('t', 1)).toEqual(['done'])
    expect(await client.values('t', 0)).toEqual(['done', 'open'])
    const { transactionStates } = await client.wire.request(listTransactions, 1, {
      stateFilters: [],
      producerIdFilters: [],
    })
    expect(
      transactionStates.map(({ transactionalId, transactionState }) => [transactionalId, transactionState]),
    ).toEqual(
      expect.arrayContaining([
        ['done', 'CompleteCommit'],
        ['open', 'Ongoing'],
      ]),
    )
    expect((await client.produceIn('open', open, 't', 1, 'more')).errorCode).toBe('NONE')
    expect((await client.endTxn('open', open, true)).errorCode).toBe('NONE')
    expect((await client.produceIn('done', done, 't', 0, 'next')).errorCode).toBe('NONE')
    await client.endTxn('done', done, true)
    // The answer says that it is decided; readers see it once the markers are on disk.
    await expect.poll(() => client.values('t', 1)).toEqual(['done', 'open', 'more', 'next'])
  })

  test('B2.40 all five last batches of a producer are recognised', async () => {
    const dataDir = await directory()
    const batch = (baseSequence: number, producer: Producer) => ({
      values: [`${baseSequence}`],
      ...producer,
      baseSequence,
    })
    let producer: Producer
    const offsets: number[] = []
    {
      await using broker = await TestBroker.start({ dataDir })
      const client = await broker.connect()
      await client.createTopic('t')
      const { producerId, producerEpoch } = await client.initProducer(null)
      producer = { producerId, producerEpoch }
      for (let sequence = 0; sequence < 6; sequence += 1) {
        offsets.push((await client.produce('t', batch(sequence, producer))).baseOffset)
      }
    }
    await using broker = await TestBroker.start({ dataDir })
    const client = await broker.connect()
    for (let sequence = 1; sequence < 6; sequence += 1) {
      const repeated = await client.produce('t', batch(sequence, producer))
      expect(repeated).toMatchObject({ errorCode: 'NONE', baseOffset: offsets[sequence] })
    }
    expect((await client.produce('t', batch(0, producer))).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect((await client.produce('t', batch(6, producer))).errorCode).toBe('NONE')
    expect((await client.values('t')).length).toBe(7)
  })

  test('producer ids are never given twice', async () => {
    const dataDir = await directory()
    const ids = new Set<number>()
    for (let run = 0; run < 3; run += 1) {
      await using broker = await TestBroker.start({ dataDir })
      const client = await broker.connect()
      for (let count = 0; count < 5; count += 1) {
        const { producerId } = await client.initProducer(null)
        expect(ids.has(producerId)).toBe(false)
        ids.add(producerId)
      }
    }
  })
})

describe('misuse', () => {
  test.each([
    ['no such id', 'nobody', {}, 'INVALID_PRODUCER_ID_MAPPING'],
    ['an empty id', '', {}, 'INVALID_REQUEST'],
    ['a foreign producer id', 'id', { producerId: 4711 }, 'INVALID_PRODUCER_ID_MAPPING'],
    ['a future epoch (KAFKA-9600)', 'id', { producerEpoch: 1 }, 'PRODUCER_FENCED'],
  ] as const)('EndTxn with %s is answered %s %s %s', async (_, transactionalId, change, expected) => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'x')
    const { producerId, producerEpoch } = { ...producer, ...change }
    const reply = await client.wire.request(endTxn, 5, { transactionalId, producerId, producerEpoch, committed: true })
    expect(reply.errorCode).toBe(expected)
  })

  test.each([
    [0, 'INVALID_TRANSACTION_TIMEOUT'],
    [-1, 'INVALID_TRANSACTION_TIMEOUT'],
    [2 ** 31 - 1, 'INVALID_TRANSACTION_TIMEOUT'],
    [900_000, 'NONE'],
  ])('InitProducerId with a timeout of %i ms is answered %s', async (timeoutMs, expected) => {
    const { client } = await start()
    expect((await client.initProducer('id', { timeoutMs })).errorCode).toBe(expected)
  })

  test('a non-transactional batch of a producer with an open transaction is refused', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'x')
    const plain = await client.produce('t', { values: ['y'], ...producer, baseSequence: 1 })
    expect(plain.errorCode).toBe('INVALID_TXN_STATE')
  })
})
