/** The consumer as users hold it, on a broker of this process: loops, handlers, rebalances, commits, the end. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import {
  type Consumer,
  type ConsumerRecord,
  Kafka,
  KafkaError,
  serdes,
  topic as topicOf,
} from '../../src/client/index.ts'
import { silentLogger } from '../../src/runtime/logger.ts'

let broker: Broker
let kafka: Kafka
let names = 0

beforeAll(async () => {
  broker = await Broker.start({
    memory: true,
    port: 0,
    properties: { 'group.initial.rebalance.delay.ms': '0', 'group.min.session.timeout.ms': '500' },
  })
  kafka = new Kafka({ brokers: [broker.bootstrap], logger: silentLogger })
})

afterAll(async () => {
  await kafka.close()
  await broker.close()
})

async function newTopic(partitions: number, values: readonly string[] = []): Promise<string> {
  names += 1
  const topic = `topic-${names}`
  await kafka.admin().createTopics([{ topic, partitions }])
  const producer = kafka.producer()
  await producer.send(
    topic,
    values.map((value, index) => ({ value, partition: index % partitions })),
  )
  return topic
}

const newGroup = (): string => {
  names += 1
  return `group-${names}`
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index))

async function committedOf(groupId: string): Promise<number> {
  return (await kafka.admin().listGroupOffsets(groupId)).reduce((sum, { offset }) => sum + offset, 0)
}

async function until(isSo: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error('not in time')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

describe('a loop', () => {
  test('a record counts as processed when the next one is asked for', async () => {
    const topic = await newTopic(1, numbers(10))
    const groupId = newGroup()
    const consumer = kafka.consumer({ groupId, topics: [topic] })
    const seen: string[] = []
    for await (const { value } of consumer) {
      seen.push(String(value))
      if (seen.length === 4) break
    }
    await consumer.close()
    // The fourth was left in its middle.
    expect(await committedOf(groupId)).toBe(3)
    const next = kafka.consumer({ groupId, topics: [topic] })
    for await (const { value } of next) {
      seen.push(String(value))
      if (value?.toString() === '9') break
    }
    expect(seen).toEqual(['0', '1', '2', '3', '3', '4', '5', '6', '7', '8', '9'])
    await next.close()
  })

  test('ends when the consumer is closed, or told to stop, without an error', async () => {
    const topic = await newTopic(1, ['x'])
    for (const end of ['close', 'stop'] as const) {
      const consumer = kafka.consumer({ topics: [topic] })
      let seen = 0
      for await (const record of consumer) {
        seen += record.value === null ? 0 : 1
        void consumer[end]()
      }
      expect(seen).toBe(1)
      await consumer.close()
    }
  })

  test('an error inside it leaves the record for the next time', async () => {
    const topic = await newTopic(1, numbers(3))
    const groupId = newGroup()
    const consumer = kafka.consumer({ groupId, topics: [topic] })
    const boom = async (): Promise<void> => {
      for await (const { value } of consumer) if (String(value) === '1') throw new Error('boom')
    }
    await expect(boom()).rejects.toThrow('boom')
    expect(String((await consumer.poll({ timeoutMs: 5_000 }))[0]?.value)).toBe('1')
    await consumer.close()
  })
})

describe('a handler', () => {
  test('gets the records of each partition in order, partitions side by side', async () => {
    const topic = await newTopic(4, numbers(200))
    const consumer = kafka.consumer({ topics: [topic], maxPollRecords: 50 })
    const seen = new Map<number, number[]>()
    let atOnce = 0
    let most = 0
    let count = 0
    const running = consumer.run({
      concurrency: 3,
      async eachRecord({ partition, offset }) {
        atOnce += 1
        most = Math.max(most, atOnce)
        await new Promise((resolve) => setImmediate(resolve))
        seen.set(partition, [...(seen.get(partition) ?? []), offset])
        atOnce -= 1
        count += 1
      },
    })
    await until(() => count === 200)
    await consumer.stop()
    await running
    expect(most).toBe(3)
    for (const offsets of seen.values()) expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
    await consumer.close()
  })

  test('that throws ends `run` with what it threw; what was done is committed, the rest is read again', async () => {
    const topic = await newTopic(1, numbers(6))
    const groupId = newGroup()
    const consumer = kafka.consumer({ groupId, topics: [topic] })
    const cause = new Error('not four')
    const error = await consumer
      .run({
        eachRecord: ({ value }) => {
          if (String(value) === '4') throw cause
        },
      })
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(KafkaError)
    expect(error).toMatchObject({ code: 'USER_CODE_FAILED', cause })
    expect(await committedOf(groupId)).toBe(4)
    const rest: string[] = []
    const again = consumer.run({
      eachBatch: ({ records }) => {
        rest.push(...records.map(({ value }) => String(value)))
      },
    })
    await until(() => rest.length === 2)
    await consumer.close()
    await again
    expect(rest).toEqual(['4', '5'])
    expect(await committedOf(groupId)).toBe(6)
  })

  test('only one at a time, and nobody polls beside it', async () => {
    const topic = await newTopic(1)
    const consumer = kafka.consumer({ topics: [topic] })
    const running = consumer.run({ eachRecord: () => undefined })
    await expect(consumer.run({ eachRecord: () => undefined })).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
    await consumer.close()
    await running
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('what is read', () => {
  test('topics that match a pattern as a whole, and no internal ones', async () => {
    const [one, two] = [await newTopic(1, ['a']), await newTopic(1, ['b'])]
    const consumer = kafka.consumer({ topics: [new RegExp(`${one}|${two}`), /__.*/, /opic-/] })
    const seen: string[] = []
    await until(async () => {
      seen.push(...(await consumer.poll({ timeoutMs: 200 })).map(({ value }) => String(value)))
      return seen.length === 2
    })
    expect(new Set(consumer.assignment().map(({ topic }) => topic))).toEqual(new Set([one, two]))
    await consumer.close()
  })

  test('topics with serdes give their types, each its own', async () => {
    const [a, b] = [await newTopic(1), await newTopic(1)]
    const orders = topicOf(a, { key: serdes.string, value: serdes.json<{ total: number }>() })
    const notes = topicOf(b, { value: serdes.string })
    const producer = kafka.producer()
    await producer.send(orders, { key: 'k', value: { total: 7 } })
    await producer.send(notes, { value: 'note' })
    const consumer = kafka.consumer({ topics: [orders, notes] })
    const records: ConsumerRecord<string | Buffer, { total: number } | string>[] = []
    await until(async () => {
      records.push(...(await consumer.poll({ timeoutMs: 200 })))
      return records.length === 2
    })
    expect(records.find(({ topic }) => topic === a)).toMatchObject({ key: 'k', value: { total: 7 } })
    expect(records.find(({ topic }) => topic === b)).toMatchObject({ value: 'note' })
    await consumer.close()
  })

  test('a topic that is not there, where none may be made, is an error that names it', async () => {
    const consumer = kafka.consumer({ topics: ['not-there'], autoCreateTopics: false, requestTimeoutMs: 300 })
    await expect(consumer.poll({ timeoutMs: 300 })).rejects.toThrow(/UNKNOWN_TOPIC_OR_PARTITION.*not-there/)
    await consumer.close()
  })

  test("without a committed offset and with startFrom 'none' it is an error", async () => {
    const topic = await newTopic(1, ['x'])
    const consumer = kafka.consumer({ groupId: newGroup(), topics: [topic], startFrom: 'none' })
    await expect(until(async () => (await consumer.poll({ timeoutMs: 500 })).length > 0)).rejects.toMatchObject({
      code: 'NO_OFFSET',
    })
    await consumer.close()
  })
})

describe('a group', () => {
  test('partitions that are given up are committed first, so that nothing comes twice (kafkajs #1046, #558)', async () => {
    const topic = await newTopic(4, numbers(100))
    const groupId = newGroup()
    const seen: string[] = []
    const revoked: number[] = []
    const join = (): Consumer =>
      kafka.consumer({
        groupId,
        topics: [topic],
        maxPollRecords: 7,
        heartbeatIntervalMs: 50,
        sessionTimeoutMs: 5_000,
        onRevoked: (partitions) => void revoked.push(partitions.length),
      })
    const first = join()
    const take = async (consumer: Consumer): Promise<void> => {
      seen.push(...(await consumer.poll({ timeoutMs: 100 })).map(({ value }) => String(value)))
    }
    await until(async () => (await take(first), seen.length > 20))
    const second = join()
    await until(async () => {
      await Promise.all([take(first), take(second)])
      return seen.length >= 100 && second.assignment().length === 2
    })
    expect(revoked).toContain(4)
    expect(seen.toSorted()).toEqual(numbers(100).toSorted())
    await Promise.all([first.close(), second.close()])
    expect(await committedOf(groupId)).toBe(100)
  })

  test('a listener that throws ends the consumer with what it threw', async () => {
    const topic = await newTopic(1)
    const consumer = kafka.consumer({
      groupId: newGroup(),
      topics: [topic],
      onAssigned: () => {
        throw new Error('no, thanks')
      },
    })
    await expect(until(async () => (await consumer.poll({ timeoutMs: 500 }), false))).rejects.toThrow(
      /USER_CODE_FAILED.*no, thanks/,
    )
    await consumer.close()
  })

  test('onAssigned may seek before anything is read', async () => {
    const topic = await newTopic(1, numbers(10))
    const consumer: Consumer = kafka.consumer({
      groupId: newGroup(),
      topics: [topic],
      onAssigned: (partitions) => {
        for (const partition of partitions) consumer.seek(partition, 8)
      },
    })
    const seen: string[] = []
    await until(async () => {
      seen.push(...(await consumer.poll({ timeoutMs: 200 })).map(({ value }) => String(value)))
      return seen.length >= 2
    })
    expect(seen).toEqual(['8', '9'])
    await consumer.close()
  })

  test('lag reaches 0 behind markers and aborted records, and what waits is told apart', async () => {
    const topic = await newTopic(1)
    const producer = kafka.producer({ transactionalId: newGroup() })
    await producer.transaction((tx) => tx.send(topic, { value: 'x' }))
    const aborted = await producer.begin()
    await aborted.send(
      topic,
      numbers(50).map((value) => ({ value })),
    )
    await aborted.abort()
    const groupId = newGroup()
    const consumer = kafka.consumer({ groupId, topics: [topic] })
    await until(async () => (await consumer.poll({ timeoutMs: 100 }), consumer.lag()[0]?.lag === 0))
    const open = await producer.begin()
    await open.send(topic, { value: 'open' })
    await open.flush()
    await until(async () => (await consumer.poll({ timeoutMs: 100 }), consumer.lag()[0]?.blocked === 1))
    await consumer.close()
    // The position moved past the markers: 1 record, 1 marker, 50 records, 1 marker.
    expect(await committedOf(groupId)).toBe(53)
    await open.abort()
  })

  test('closing leaves at once: the next member does not wait for a session', async () => {
    const topic = await newTopic(1, ['x'])
    const groupId = newGroup()
    const first = kafka.consumer({ groupId, topics: [topic] })
    await until(async () => (await first.poll({ timeoutMs: 200 })).length > 0)
    await first.close()
    const startedMs = Date.now()
    const second = kafka.consumer({ groupId, topics: [topic] })
    await until(async () => (await second.poll({ timeoutMs: 100 }), second.assignment().length === 1))
    expect(Date.now() - startedMs).toBeLessThan(5_000)
    await second.close()
  })
})
