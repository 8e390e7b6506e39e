/** The contract of transactions. */
import { strict as assert } from 'node:assert'
import { KafkaError } from '../../src/client/index.ts'
import { sleep } from '../runner/programs.ts'
import { type Case, numbers, rejects, until } from './context.ts'

export const transactionCases: readonly Case[] = [
  {
    name: 'a commit shows all of it, an abort nothing, over many partitions',
    async run(context) {
      const topic = await context.topic(8)
      const producer = context.kafka.producer({ transactionalId: context.name('tx') })
      for (let round = 0; round < 6; round += 1) {
        const tx = await producer.begin()
        for (let partition = 0; partition < 8; partition += 1) await tx.send(topic, { partition, value: `${round}` })
        if (round % 2 === 0) await tx.commit()
        else await tx.abort()
      }
      await producer.close()
      const values = await context.values(topic)
      assert.equal(values.length, 24)
      assert.deepEqual([...new Set(values)].toSorted(), ['0', '2', '4'])
      assert.equal((await context.values(topic, 'read_uncommitted')).length >= 24, true)
    },
  },
  {
    name: 'an empty transaction commits and aborts, and a function that throws aborts',
    async run(context) {
      const topic = await context.topic()
      const producer = context.kafka.producer({ transactionalId: context.name('tx') })
      await producer.transaction(async () => undefined)
      await (await producer.begin()).abort()
      const thrown = new Error('no')
      await assert.rejects(
        producer.transaction(async (tx) => {
          await tx.send(topic, { value: 'never' })
          throw thrown
        }),
        (error) => error === thrown,
      )
      assert.equal(await producer.transaction(async (tx) => (await tx.send(topic, { value: 'seen' }), 42)), 42)
      await producer.close()
      assert.deepEqual(await context.values(topic), ['seen'])
    },
  },
  {
    name: 'one larger than a fetch is read whole, or not at all',
    async run(context) {
      const topic = await context.topic()
      const producer = context.kafka.producer({ transactionalId: context.name('tx'), batchSizeBytes: 50_000 })
      for (const isCommit of [false, true]) {
        const tx = await producer.begin()
        for (let index = 0; index < 400; index += 1) await tx.send(topic, { value: String(index).padEnd(10_000) })
        await (isCommit ? tx.commit() : tx.abort())
      }
      await producer.close()
      const consumer = context.kafka.consumer({
        topics: [topic],
        fetchMaxBytes: 100_000,
        fetchMaxPartitionBytes: 100_000,
        prefetchBytes: 200_000,
      })
      const values: number[] = []
      await until('400 records', async () => {
        values.push(...(await consumer.poll({ timeoutMs: 500 })).map(({ value }) => Number(String(value))))
        return values.length >= 400
      })
      assert.deepEqual(values, numbers(400).map(Number))
      await until('lag 0', async () => (await consumer.poll({ timeoutMs: 100 }), consumer.lag()[0]?.lag === 0))
    },
  },
  {
    name: 'nothing of an open transaction is seen, and nothing behind it',
    async run(context) {
      const topic = await context.topic()
      const producer = context.kafka.producer({ transactionalId: context.name('tx') })
      const plain = context.kafka.producer()
      const tx = await producer.begin()
      await tx.send(topic, { value: 'open' })
      await tx.flush()
      await plain.send(topic, { value: 'behind' })
      const consumer = context.kafka.consumer({ topics: [topic] })
      assert.deepEqual(await consumer.poll({ timeoutMs: 1_000 }), [])
      assert.equal(consumer.lag()[0]?.blocked, 2)
      await tx.commit()
      const seen: string[] = []
      await until('both', async () => {
        seen.push(...(await consumer.poll({ timeoutMs: 500 })).map(({ value }) => String(value)))
        return seen.length >= 2
      })
      assert.deepEqual(seen, ['open', 'behind'])
    },
  },
  {
    name: 'two producers whose transactions overlap end apart',
    async run(context) {
      const topic = await context.topic()
      const [one, two] = ['one', 'two'].map((name) => context.kafka.producer({ transactionalId: context.name(name) }))
      assert.ok(one !== undefined && two !== undefined)
      for (let round = 0; round < 5; round += 1) {
        const first = await one.begin()
        const second = await two.begin()
        await Promise.all([
          first.send(topic, { value: `keep ${round}` }),
          second.send(topic, { value: `drop ${round}` }),
        ])
        await Promise.all([first.flush(), second.flush()])
        await second.abort()
        await first.commit()
      }
      assert.deepEqual(
        await context.values(topic),
        numbers(5).map((round) => `keep ${round}`),
      )
    },
  },
  {
    name: 'a zombie is fenced: in its sends, in its commit, and for ever',
    async run(context) {
      const topic = await context.topic()
      const transactionalId = context.name('tx')
      const zombie = context.kafka.producer({ transactionalId })
      const open = await zombie.begin()
      await open.send(topic, { value: 'zombie' })
      await open.flush()
      const successor = context.kafka.producer({ transactionalId })
      await successor.transaction(async (tx) => tx.send(topic, { value: 'successor' }))
      const error = await rejects(open.commit(), 'PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH')
      await open.abort().catch((reason: unknown) => assert.ok(reason instanceof KafkaError))
      await rejects(zombie.begin(), 'PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH')
      await successor.transaction(async (tx) => tx.send(topic, { value: 'again' }))
      assert.deepEqual(await context.values(topic), ['successor', 'again'])
      return error.code
    },
  },
  {
    name: 'a transaction that took too long is aborted by the broker, and its producer goes on with the next',
    timeoutMs: 90_000,
    async run(context) {
      const topic = await context.topic()
      const producer = context.kafka.producer({ transactionalId: context.name('tx'), transactionTimeoutMs: 1_000 })
      const tx = await producer.begin()
      await tx.send(topic, { value: 'late' })
      await tx.flush()
      await sleep(5_000)
      const error = await tx.commit().then(
        () => undefined,
        (reason: unknown) => reason,
      )
      assert.ok(error instanceof KafkaError, 'a commit after the timeout is refused')
      await tx.abort().catch((reason: unknown) => assert.ok(reason instanceof KafkaError))
      // Fenced or abortable, as the version has it: a new producer of the same id goes on either way.
      const next =
        error.recovery === 'restart-producer'
          ? context.kafka.producer({ transactionalId: context.name('tx') })
          : producer
      await next.transaction(async (again) => again.send(topic, { value: 'in time' }))
      assert.deepEqual(await context.values(topic), ['in time'])
      return `${error.code}, ${error.recovery}`
    },
  },
  {
    name: 'a commit after a failed send is refused, and the producer can go on',
    async run(context) {
      const topic = await context.topic(1, { 'max.message.bytes': '10000' })
      const producer = context.kafka.producer({ transactionalId: context.name('tx') })
      const tx = await producer.begin()
      await tx.send(topic, { value: 'good' })
      await tx.send(topic, { value: 'x'.repeat(50_000) })
      await rejects(tx.commit(), 'MESSAGE_TOO_LARGE', 'TRANSACTION_ABORTED', 'TRANSACTION_ABORTABLE')
      await tx.abort()
      await producer.transaction(async (next) => next.send(topic, { value: 'next' }))
      assert.deepEqual(await context.values(topic), ['next'])
    },
  },
  {
    name: 'offsets move with the transaction, and not with an abort',
    async run(context) {
      const topic = await context.topic()
      await context.kafka.producer().send(
        topic,
        numbers(10).map((value) => ({ value })),
      )
      const consumer = context.kafka.consumer({ groupId: context.name('group'), topics: [topic], autoCommit: false })
      await until('records', async () => (await consumer.poll({ timeoutMs: 500 })).length > 0)
      const producer = context.kafka.producer({ transactionalId: context.name('tx') })
      const committed = async (): Promise<number | undefined> =>
        (await consumer.committed([{ topic, partition: 0 }])).get(topic)?.get(0)?.offset
      const aborted = await producer.begin()
      await aborted.sendOffsets([{ topic, partition: 0, offset: 3 }], consumer.groupMetadata())
      await aborted.abort()
      assert.equal(await committed(), undefined)
      await producer.transaction(async (tx) =>
        tx.sendOffsets([{ topic, partition: 0, offset: 5, metadata: 'here' }], consumer.groupMetadata()),
      )
      assert.equal(await committed(), 5)
    },
  },
  {
    name: 'offsets of a generation that is over are refused (KIP-447)',
    async run(context) {
      const topic = await context.topic(2)
      await context.kafka.producer().send(topic, [
        { partition: 0, value: 'a' },
        { partition: 1, value: 'b' },
      ])
      const groupId = context.name('group')
      const first = context.kafka.consumer({ groupId, topics: [topic], autoCommit: false })
      await until('an assignment', async () => (await first.poll({ timeoutMs: 500 }), first.assignment().length === 2))
      const stale = first.groupMetadata()
      const second = context.kafka.consumer({ groupId, topics: [topic], autoCommit: false })
      await until('a rebalance', async () => {
        await Promise.all([first.poll({ timeoutMs: 500 }), second.poll({ timeoutMs: 500 })])
        return first.assignment().length === 1 && second.assignment().length === 1
      })
      const producer = context.kafka.producer({ transactionalId: context.name('tx') })
      const tx = await producer.begin()
      await rejects(
        tx.sendOffsets([{ topic, partition: 0, offset: 1 }], stale),
        'ILLEGAL_GENERATION',
        'UNKNOWN_MEMBER_ID',
      )
      await tx.abort()
      assert.equal((await first.committed([{ topic, partition: 0 }])).get(topic)?.get(0), undefined)
    },
  },
]
