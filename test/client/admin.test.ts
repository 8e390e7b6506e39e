/** The admin where it needs something that no client does: a transaction that hangs. The rest is in the contract suite (interop/contract). */
import { expect, test } from 'vitest'
import { type GroupFilter, Kafka } from '../../src/client/index.ts'
import { addPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.ts'
import { TestBroker, TV1_PRODUCE } from '../broker/test-broker.ts'

test('a transaction that no coordinator knows of is found, with why, and aborted by a marker', async () => {
  // Without the check a batch of a transaction that was never begun gets into the log, as before Kafka 3.6.
  await using broker = await TestBroker.start({ properties: { 'transaction.partition.verification.enable': 'false' } })
  const client = await broker.connect()
  await client.createTopic('t')
  const raw = await client.initProducer('gone')
  await client.produceIn('gone', raw, 't', 0, 'hung', { version: TV1_PRODUCE })
  await using kafka = new Kafka({ brokers: [broker.broker.bootstrap] })
  const admin = kafka.admin()
  const plain = kafka.producer()
  await plain.send('t', { value: 'behind' })
  const consumer = kafka.consumer({ topics: ['t'] })
  expect(await consumer.poll({ timeoutMs: 300 })).toEqual([])
  expect(await admin.findHangingTransactions()).toEqual([])
  const [hanging, ...others] = await admin.findHangingTransactions({ topics: ['t'], olderThanMs: -1 })
  expect(others).toEqual([])
  expect(hanging).toMatchObject({
    topic: 't',
    partition: 0,
    openSinceOffset: 0,
    why: 'the partition is not in its transaction',
    transactionalId: 'gone',
  })
  expect(await admin.abortTransaction({ topic: 't', partition: 0, startOffset: 0 })).toEqual({ by: 'markers' })
  const [seen] = await consumer.poll({ timeoutMs: 5_000 })
  expect(String(seen?.value)).toBe('behind')
  expect(await admin.findHangingTransactions({ olderThanMs: -1 })).toEqual([])
})

test('a transaction whose coordinator is at another epoch, with the same partition in it, is hanging too', async () => {
  await using broker = await TestBroker.start({ properties: { 'transaction.partition.verification.enable': 'false' } })
  const client = await broker.connect()
  await client.createTopic('t')
  const old = await client.initProducer('moved')
  await client.produceIn('moved', old, 't', 0, 'old', { version: TV1_PRODUCE })
  // The next producer has the same partition in a transaction of its own, and leaves the old one as it is.
  const next = await client.initProducer('moved')
  expect(next).toMatchObject({ producerId: old.producerId })
  expect(next.producerEpoch).toBeGreaterThan(old.producerEpoch)
  const added = await client.wire.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'moved',
    v3AndBelowProducerId: next.producerId,
    v3AndBelowProducerEpoch: next.producerEpoch,
    v3AndBelowTopics: [{ name: 't', partitions: [0] }],
  })
  expect(added.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode).toBe('NONE')
  await using kafka = new Kafka({ brokers: [broker.broker.bootstrap] })
  const admin = kafka.admin()
  expect(await admin.describeTransaction('moved')).toMatchObject({
    state: 'Ongoing',
    producerEpoch: next.producerEpoch,
    partitions: [{ topic: 't', partition: 0 }],
  })
  expect(await admin.findHangingTransactions({ topics: ['t'], olderThanMs: -1 })).toMatchObject([
    { producerEpoch: old.producerEpoch, why: 'the coordinator is at another epoch' },
  ])
})

test('offsets that an open transaction holds are told as pending, and not as committed', async () => {
  await using broker = await TestBroker.start()
  await using kafka = new Kafka({ brokers: [broker.broker.bootstrap] })
  const admin = kafka.admin({ timeoutMs: 1_000 })
  await admin.createTopics([{ topic: 't', partitions: 2 }])
  await kafka.producer().send(
    't',
    [0, 1].map((partition) => ({ partition, value: 'x' })),
  )
  await admin.alterGroupOffsets(
    'g',
    [0, 1].map((partition) => ({ topic: 't', partition, offset: 0 })),
  )
  const producer = kafka.producer({ transactionalId: 'x' })
  const tx = await producer.begin()
  const group = { groupId: 'g', generationId: -1, memberId: '', groupInstanceId: null }
  await tx.sendOffsets([{ topic: 't', partition: 1, offset: 1 }], group)
  await tx.flush()
  const pendingOf = async () => (await admin.groupLag('g')).map(({ committed, isPending }) => [committed, isPending])
  expect(await pendingOf()).toEqual([
    [0, false],
    [0, true],
  ])
  await expect(admin.listGroupOffsets('g')).rejects.toMatchObject({ code: 'UNSTABLE_OFFSET_COMMIT' })
  expect(await admin.listGroupOffsets('g', { requireStable: false })).toHaveLength(2)
  await tx.commit()
  expect((await admin.listGroupOffsets('g')).map(({ offset }) => offset)).toEqual([0, 1])
  expect(await pendingOf()).toEqual([
    [0, false],
    [1, false],
  ])
})

test('groups are listed by state and by type', async () => {
  await using broker = await TestBroker.start()
  await using kafka = new Kafka({ brokers: [broker.broker.bootstrap] })
  const admin = kafka.admin()
  await admin.createTopics([{ topic: 't', partitions: 1 }])
  await admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 0 }])
  const names = async (filter: GroupFilter) => (await admin.listGroups(filter)).map(({ groupId }) => groupId)
  expect(await names({ states: ['Empty'], types: ['classic'] })).toEqual(['g'])
  expect(await names({ states: ['Stable'] })).toEqual([])
  expect(await names({ types: ['consumer'] })).toEqual([])
})

test('settings are set, appended to, subtracted from and deleted', async () => {
  await using broker = await TestBroker.start()
  await using kafka = new Kafka({ brokers: [broker.broker.bootstrap] })
  const admin = kafka.admin()
  await admin.createTopics([{ topic: 't', partitions: 1 }])
  const resource = { topic: 't' }
  const policy = async () => (await admin.describeConfigs(resource)).find(({ name }) => name === 'cleanup.policy')
  const change = (operation: 'set' | 'append' | 'subtract' | 'delete', value?: string) =>
    admin.alterConfigs(resource, [{ name: 'cleanup.policy', operation, ...(value === undefined ? {} : { value }) }])
  await change('append', 'compact')
  expect(await policy()).toMatchObject({ value: 'delete,compact', source: 'topic' })
  await change('subtract', 'delete')
  expect(await policy()).toMatchObject({ value: 'compact', source: 'topic' })
  await admin.alterConfigs(resource, [{ name: 'cleanup.policy', operation: 'set', value: 'delete' }], {
    validateOnly: true,
  })
  expect(await policy()).toMatchObject({ value: 'compact' })
  await change('delete')
  expect(await policy()).toMatchObject({ value: 'delete', source: 'default' })
})

test('a place in the log that no transaction begins at is refused, with the places where some do', async () => {
  await using broker = await TestBroker.start()
  await using kafka = new Kafka({ brokers: [broker.broker.bootstrap] })
  const admin = kafka.admin()
  await admin.createTopics([{ topic: 't', partitions: 1 }])
  await expect(admin.abortTransaction({ topic: 't', partition: 0, startOffset: 3 })).rejects.toThrow(
    /no open transaction begins at offset 3; no transaction is open there/,
  )
  await expect(admin.listTransactions({ states: ['Finished'] })).rejects.toThrow(
    /there is no transaction state Finished/,
  )
})
