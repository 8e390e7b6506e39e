/**
 * Where markers go that nobody should be able to send there: into the coordinator's own topic, from an admin that claims
 * to be a later coordinator, to a topic that took the name of a deleted one.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { addPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.ts'
import { createPartitions } from '../../src/protocol/messages/create-partitions.ts'
import { deleteTopics } from '../../src/protocol/messages/delete-topics.ts'
import { describeProducers } from '../../src/protocol/messages/describe-producers.ts'
import { describeTransactions } from '../../src/protocol/messages/describe-transactions.ts'
import { produce } from '../../src/protocol/messages/produce.ts'
import { writeTxnMarkers } from '../../src/protocol/messages/write-txn-markers.ts'
import { batchOf, TestBroker, TV1_END_TXN } from './test-broker.ts'
import type { Producer, TestClient } from './test-broker.ts'

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'semel-markers-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

async function addPartition(client: TestClient, version: number, producer: Producer, topic: string) {
  const topics = [{ name: topic, partitions: [0] }]
  const reply = await client.wire.request(
    addPartitionsToTxn,
    version,
    version < 4
      ? {
          v3AndBelowTransactionalId: 'id',
          v3AndBelowProducerId: producer.producerId,
          v3AndBelowProducerEpoch: producer.producerEpoch,
          v3AndBelowTopics: topics,
        }
      : { transactions: [{ transactionalId: 'id', ...producer, verifyOnly: false, topics }] },
  )
  const [result] = version < 4 ? reply.resultsByTopicV3AndBelow : (reply.resultsByTransaction[0]?.topicResults ?? [])
  return result?.resultsByPartition[0]?.partitionErrorCode
}

async function writeMarker(
  client: TestClient,
  topic: string,
  { producerId, producerEpoch }: Producer,
  options: { readonly coordinatorEpoch?: number; readonly committed?: boolean } = {},
) {
  const { coordinatorEpoch = 0, committed = false } = options
  const marker = { producerId, producerEpoch, coordinatorEpoch, transactionResult: committed, transactionVersion: 0 }
  const { markers } = await client.wire.request(writeTxnMarkers, 2, {
    markers: [{ ...marker, topics: [{ name: topic, partitionIndexes: [0] }] }],
  })
  return markers[0]?.topics[0]?.partitions[0]?.errorCode
}

test('no marker gets into the topics of the broker, and it starts again', async () => {
  const dataDir = await directory()
  {
    await using broker = await TestBroker.start({ dataDir })
    const client = await broker.connect()
    const { producerId, producerEpoch } = await client.initProducer('id')
    const producer = { producerId, producerEpoch }
    for (const version of [0, 3]) {
      expect(await addPartition(client, version, producer, '__transaction_state')).toBe('TOPIC_AUTHORIZATION_FAILED')
      expect(await addPartition(client, version, producer, '__consumer_offsets')).toBe('TOPIC_AUTHORIZATION_FAILED')
    }
    for (const version of [4, 5]) {
      expect(await addPartition(client, version, producer, '__transaction_state')).toBe('TOPIC_AUTHORIZATION_FAILED')
    }
    expect(await writeMarker(client, '__transaction_state', producer)).toBe('INVALID_TOPIC_EXCEPTION')
    expect(await writeMarker(client, '__transaction_state', producer, { committed: true })).not.toBe('NONE')
    expect(await writeMarker(client, '__cluster_metadata', producer)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  }
  await using broker = await TestBroker.start({ dataDir })
  const client = await broker.connect()
  expect(await client.initProducer('id')).toMatchObject({ errorCode: 'NONE', producerEpoch: 1 })
})

test.each([0, 0x7fffffff])(
  'an admin that calls its coordinator epoch %d does not keep the coordinator from ending later transactions',
  async (coordinatorEpoch) => {
    await using broker = await TestBroker.start()
    const client = await broker.connect()
    await client.createTopic('t')
    const first = await client.initProducer('id')
    await client.produceIn('id', first, 't', 0, 'hung')
    expect(await writeMarker(client, 't', first, { coordinatorEpoch })).toBe('NONE')
    const second = await client.endTxn('id', first, false)
    await client.produceIn('id', second, 't', 0, 'kept')
    await client.endTxn('id', second, true)
    await expect.poll(() => client.values('t', 1)).toEqual(['kept'])
    const { topics } = await client.wire.request(describeProducers, 0, {
      topics: [{ name: 't', partitionIndexes: [0] }],
    })
    expect(topics[0]?.partitions[0]?.activeProducers[0]?.currentTxnStartOffset).toBe(-1)
  },
)

test('a batch of an epoch that the partition has seen passed does not begin a transaction', async () => {
  await using broker = await TestBroker.start()
  const client = await broker.connect()
  await client.createTopic('t')
  const producer = await client.initProducer('id')
  expect(await writeMarker(client, 't', { ...producer, producerEpoch: producer.producerEpoch + 3 })).toBe('NONE')
  expect((await client.produceIn('id', producer, 't', 0, 'late')).errorCode).toBe('INVALID_PRODUCER_EPOCH')
  const { transactionStates } = await client.wire.request(describeTransactions, 0, { transactionalIds: ['id'] })
  expect(transactionStates[0]?.transactionState).toBe('Empty')
})

test('transactional batches of two producers in one request are refused, both of them', async () => {
  await using broker = await TestBroker.start()
  const client = await broker.connect()
  await client.createTopic('t', 2)
  const [a, b] = [await client.initProducer('id'), await client.initProducer('other')]
  const batchBy = (producer: Producer) =>
    batchOf({ producerId: producer.producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true })
  const { responses } = await client.wire.request(produce, 12, {
    transactionalId: 'id',
    acks: -1,
    timeoutMs: 1000,
    topicData: [
      {
        name: 't',
        partitionData: [
          { index: 0, records: batchBy(a) },
          { index: 1, records: batchBy(b) },
        ],
      },
    ],
  })
  const errors = responses[0]?.partitionResponses.map(({ errorCode }) => errorCode)
  expect(errors).toEqual(['INVALID_PRODUCER_ID_MAPPING', 'INVALID_PRODUCER_ID_MAPPING'])
  expect(await client.values('t', 0)).toEqual([])
})

test('a topic created under the name of one that was in the transaction gets a marker that changes nothing', async () => {
  await using broker = await TestBroker.start()
  const client = await broker.connect()
  await client.createTopic('t')
  await client.createTopic('other')
  const producer = await client.initProducer('id')
  await client.produceIn('id', producer, 't', 0, 'gone')
  await client.produceIn('id', producer, 'other', 0, 'stays')
  await client.wire.request(deleteTopics, 6, { topics: [{ name: 't' }], timeoutMs: 1000 })
  await client.createTopic('t')
  const next = await client.endTxn('id', producer, true)
  await expect.poll(() => client.values('other', 1)).toEqual(['stays'])
  expect(await client.values('t', 1)).toEqual([])
  expect(await client.values('t', 0)).toEqual([])
  expect((await client.produceIn('id', next, 't', 0, 'new')).errorCode).toBe('NONE')
  await client.endTxn('id', next, true)
  await expect.poll(() => client.values('t', 1)).toEqual(['new'])
})

test('partitions created in the middle of a transaction join it, in both versions', async () => {
  await using broker = await TestBroker.start()
  const client = await broker.connect()
  await client.createTopic('t')
  const producer = await client.initProducer('id')
  await client.produceIn('id', producer, 't', 0, 'before')
  await client.wire.request(createPartitions, 3, {
    topics: [{ name: 't', count: 2, assignments: null }],
    timeoutMs: 1000,
    validateOnly: false,
  })
  expect((await client.produceIn('id', producer, 't', 0, 'after', { partition: 1 })).errorCode).toBe('NONE')
  expect((await client.endTxn('id', producer, true, TV1_END_TXN)).errorCode).toBe('NONE')
  await expect.poll(() => client.values('t', 1, 1)).toEqual(['after'])
  expect(await client.values('t', 1, 0)).toEqual(['before'])
})
