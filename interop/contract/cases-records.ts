/** The contract of producing and consuming without groups and transactions. */
import { strict as assert } from 'node:assert'
import { serdes, topic as topicOf } from '../../src/client/index.ts'
import { type Case, numbers, rejects } from './context.ts'
import { FlakyLink } from './flaky-link.ts'

/** Kafka's own test values of its hash (UtilsTest.testMurmur2). */
const JAVA_MURMUR2: Readonly<Record<string, number>> = {
  '21': -973932308,
  foobar: -790332482,
  'a-little-bit-long-string': -985981536,
  'a-little-bit-longer-string': -1486304829,
  lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
  abc: 479470107,
}
const PLACES = 12

export const recordCases: readonly Case[] = [
  {
    name: 'a topic that is not there is told as such',
    async run({ kafka, admin }) {
      await rejects(admin.describeTopics(['no-such-topic']), 'UNKNOWN_TOPIC_OR_PARTITION')
      const producer = kafka.producer({ maxBlockMs: 2_000 })
      await rejects(
        producer.send('not/a/name', { value: 'x' }),
        'INVALID_TOPIC_EXCEPTION',
        'UNKNOWN_TOPIC_OR_PARTITION',
      )
    },
  },
  {
    name: 'records come back as they were sent: keys, nulls, headers, timestamps, every compression',
    async run(context) {
      const topic = await context.topic()
      for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
        const producer = context.kafka.producer({ compression })
        const sent = await producer.send(topic, [
          {
            key: 'k',
            value: `${compression} ${'x'.repeat(2_000)}`,
            headers: { h: compression, n: null },
            timestampMs: 1_700_000_000_000,
          },
          { key: null, value: compression },
          { key: Buffer.from([0, 0, 0, 0]), value: null },
        ])
        assert.deepEqual(
          sent.map(({ offset }) => offset - (sent[0]?.offset ?? 0)),
          [0, 1, 2],
        )
        await producer.close()
      }
      const records = await context.read(topic)
      assert.equal(records.length, 15)
      for (const [index, compression] of ['none', 'gzip', 'snappy', 'lz4', 'zstd'].entries()) {
        const [first, second, third] = records.slice(index * 3, index * 3 + 3)
        assert.equal(String(first?.key), 'k')
        assert.ok(String(first?.value).startsWith(compression))
        assert.deepEqual(
          first?.headers.map(({ key, value }) => [key, value === null ? null : String(value)]),
          [
            ['h', compression],
            ['n', null],
          ],
        )
        assert.equal(first?.timestampMs, 1_700_000_000_000)
        assert.equal(second?.key, null)
        assert.deepEqual(third?.key, Buffer.from([0, 0, 0, 0]))
        assert.equal(third?.value, null)
      }
    },
  },
  {
    name: 'serdes give types on both sides',
    async run(context) {
      const name = await context.topic()
      const orders = topicOf(name, { key: serdes.string, value: serdes.json<{ total: number }>() })
      const producer = context.kafka.producer()
      await producer.send(orders, { key: 'A', value: { total: 3 } })
      await rejects(
        producer.send(orders, { key: 'B', value: undefined as never }),
        'SERIALIZATION_FAILED',
        'INVALID_ARGUMENT',
      )
      await producer.send(name, { value: 'no json' })
      await producer.send(orders, { key: 'C', value: { total: 4 } })
      await producer.close()
      const consumer = context.kafka.consumer({ topics: [orders] })
      const [first] = await consumer.poll({ timeoutMs: 10_000 })
      assert.equal(first?.key, 'A')
      assert.equal(first?.value?.total, 3)
      const error = await rejects(consumer.poll({ timeoutMs: 10_000 }), 'DESERIALIZATION_FAILED')
      assert.match(error.message, /offset 1/)
      consumer.seek({ topic: name, partition: 0 }, 2)
      assert.equal((await consumer.poll({ timeoutMs: 10_000 }))[0]?.key, 'C')
    },
  },
  {
    name: 'a key lands where Java puts it',
    async run(context) {
      const topic = await context.topic(PLACES)
      const producer = context.kafka.producer()
      for (const [key, hash] of Object.entries(JAVA_MURMUR2)) {
        const partition = (hash & 0x7fffffff) % PLACES
        assert.equal((await producer.send(topic, { key, value: 'x' })).partition, partition, key)
      }
    },
  },
  {
    name: 'acks 0, 1 and all',
    async run(context) {
      const topic = await context.topic()
      for (const acks of [0, 1, 'all'] as const) {
        const producer = context.kafka.producer({ acks, idempotent: acks === 'all' })
        const { offset } = await producer.send(topic, { value: String(acks) })
        if (acks === 0) assert.equal(offset, -1)
        await producer.close()
      }
      assert.deepEqual((await context.values(topic)).toSorted(), ['0', '1', 'all'])
    },
  },
  {
    name: 'a record that is too large is refused alone, here and by the broker',
    async run(context) {
      const topic = await context.topic(1, { 'max.message.bytes': '20000' })
      const producer = context.kafka.producer()
      await rejects(producer.send(topic, { value: 'x'.repeat(2_000_000) }), 'MESSAGE_TOO_LARGE')
      await rejects(producer.send(topic, { value: 'x'.repeat(50_000) }), 'MESSAGE_TOO_LARGE')
      // Together too large for one batch, each small enough: split.
      await Promise.all(numbers(10).map((value) => producer.send(topic, { value: value.padEnd(5_000) })))
      await producer.close()
      assert.deepEqual(
        (await context.values(topic)).map((value) => value.trim()),
        numbers(10),
      )
    },
  },
  {
    name: '20,000 records with five requests in flight keep their order',
    async run(context) {
      const topic = await context.topic(3)
      const producer = context.kafka.producer({ batchSizeBytes: 4_000 })
      await Promise.all(numbers(20_000).map((value, index) => producer.send(topic, { partition: index % 3, value })))
      await producer.close()
      const records = await context.read(topic)
      assert.equal(records.length, 20_000)
      for (const partition of [0, 1, 2]) {
        const values = records
          .filter((record) => record.partition === partition)
          .map(({ value }) => Number(String(value)))
        assert.deepEqual(
          values,
          values.toSorted((a, b) => a - b),
        )
      }
    },
  },
  {
    name: 'connections that are cut again and again lose and repeat nothing',
    // Brokers tell their own addresses, so only a client that is told no other can be held to the link.
    on: ['semel', 'kafka1'],
    async run(context) {
      const topic = await context.topic(2)
      const node = context.target.nodes[0]
      assert.ok(node)
      const link = await FlakyLink.open(node.address)
      try {
        const { host, port } = { host: '127.0.0.1', port: Number(node.address.split(':')[1]) }
        const through = context.target.kafkaThrough({ host, port }, link.port)
        const producer = through.producer({ batchSizeBytes: 2_000, deliveryTimeoutMs: 60_000, requestTimeoutMs: 5_000 })
        const timer = setInterval(() => link.cut(), 40)
        try {
          for (let at = 0; at < 6_000; at += 500) {
            await Promise.all(
              Array.from({ length: 500 }, (_, index) =>
                producer.send(topic, { partition: (at + index) % 2, value: String(at + index) }),
              ),
            )
          }
        } finally {
          clearInterval(timer)
        }
        await producer.close()
        await through.close()
        const values = (await context.values(topic)).map(Number)
        assert.equal(values.length, 6_000)
        assert.equal(new Set(values).size, 6_000)
        return `${link.cuts} cuts`
      } finally {
        link.close()
      }
    },
  },
  {
    name: 'a consumer begins and goes on where it is told: first, last, a moment, an offset',
    async run(context) {
      const topic = await context.topic()
      const producer = context.kafka.producer()
      for (const [index, value] of numbers(10).entries()) {
        await producer.send(topic, { value, timestampMs: 1_700_000_000_000 + index * 1_000 })
      }
      const at = { topic, partition: 0 }
      const latest = context.kafka.consumer({ partitions: [at], startFrom: 'latest' })
      assert.deepEqual(await latest.poll({ timeoutMs: 1_000 }), [])
      await producer.send(topic, { value: 'new' })
      assert.equal(String((await latest.poll({ timeoutMs: 10_000 }))[0]?.value), 'new')
      const consumer = context.kafka.consumer({ partitions: [at] })
      const next = async (): Promise<string> =>
        String((await consumer.poll({ timeoutMs: 10_000, maxRecords: 1 }))[0]?.value)
      assert.equal(await next(), '0')
      consumer.seek(at, 7)
      assert.equal(await next(), '7')
      consumer.seek(at, { timestampMs: 1_700_000_003_500 })
      assert.equal(await next(), '4')
      consumer.seek(at, 'earliest')
      assert.equal(await next(), '0')
      consumer.pause([at])
      assert.deepEqual(await consumer.poll({ timeoutMs: 500 }), [])
      consumer.resume([at])
      assert.equal(await next(), '1')
      consumer.seek(at, 1_000)
      // Out of range: startFrom decides.
      assert.equal(await next(), '0')
    },
  },
]
