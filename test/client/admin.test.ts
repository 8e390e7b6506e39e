/** The admin where it needs something that no client does: a transaction that hangs. The rest is in the contract suite (interop/contract). */
import { expect, test } from 'vitest'
import { Kafka } from '../../src/client/index.ts'
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

test('a transaction whose coordinator is at another epoch is hanging too', async () => {
  await using broker = await TestBroker.start({ properties: { 'transaction.partition.verification.enable': 'false' } })
  const client = await broker.connect()
  await client.createTopic('t')
  const old = await client.initProducer('moved')
  await client.produceIn('moved', old, 't', 0, 'old', { version: TV1_PRODUCE })
  await using kafka = new Kafka({ brokers: [broker.broker.bootstrap] })
  // The next producer has the same partition in a transaction of its own, and leaves the old one as it is.
  const next = await client.initProducer('moved')
  expect(next.producerEpoch).toBeGreaterThan(old.producerEpoch)
  const hanging = await kafka.admin().findHangingTransactions({ topics: ['t'], olderThanMs: -1 })
  expect(hanging).toHaveLength(1)
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
