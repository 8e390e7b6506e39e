/**
 * Known bugs of consumers (rows 72 to 76 of the project's list, and of 54 to 56 what a client has in it), on the real
 * broker, against what the log holds. The filter alone meets its oracle in src/client/core/fetch/aborted-filter.test.ts.
 */
import { describe, expect, test } from 'vitest'
import type { ConsumerOptions } from '../../../src/client/consumer/consumer-options.ts'
import { SimRandom } from '../../../src/testing/sim-random.ts'
import type { Message } from '../../../src/testing/wire-frames.ts'
import type { Producer as Identity } from '../../broker/test-broker.ts'
import { GROUP, inScenario, type Scenario, type TransactionVersion } from './scenario-kit.ts'

/** A transactional id that writes to the partition, step by step, past the client. */
class Writer {
  readonly #scenario: Scenario
  readonly #id: string
  #identity: Identity = { producerId: -1, producerEpoch: -1 }
  #sequence = 0

  private constructor(scenario: Scenario, id: string) {
    this.#scenario = scenario
    this.#id = id
  }

  static async start(scenario: Scenario, id: string): Promise<Writer> {
    const writer = new Writer(scenario, id)
    writer.#identity = await scenario.admin.initProducer(id)
    return writer
  }

  async write(value: string, count = 1, more: object = {}): Promise<void> {
    const values = Array.from({ length: count }, (_, n) => (count === 1 ? value : `${value}${n}`))
    const batch = { values, ...this.#identity, baseSequence: this.#sequence, isTransactional: true, ...more }
    for (;;) {
      const { errorCode } = await this.#scenario.admin.produce('t', batch, { version: 12, transactionalId: this.#id })
      if (errorCode === 'NONE') break
      // The markers of the last one are being written.
      if (errorCode !== 'CONCURRENT_TRANSACTIONS') throw new Error(`Produce answered ${errorCode}`)
    }
    this.#sequence += count
  }

  async end(committed: boolean): Promise<void> {
    const { errorCode, ...identity } = await this.#scenario.admin.endTxn(this.#id, this.#identity, committed)
    if (errorCode !== 'NONE') throw new Error(`EndTxn answered ${errorCode}`)
    this.#identity = identity
    this.#sequence = 0
  }
}

/** What the client's consumer reads of partition 0 and what a reader that is known to be right sees. */
async function compare(
  scenario: Scenario,
  options: Partial<ConsumerOptions> = {},
  from = 0,
): Promise<(string | null)[]> {
  const { kafka, admin } = scenario
  await scenario.settled()
  const consumer = kafka.consumer({ partitions: [{ topic: 't', partition: 0 }], ...options })
  const read: (string | null)[] = []
  for (let quiet = 0; quiet < 2; ) {
    const records = await consumer.poll({ timeoutMs: 700 })
    read.push(...records.map(({ value }) => value?.toString() ?? null))
    quiet = records.length === 0 ? quiet + 1 : 0
  }
  const expected = await admin.read('t', { isolation: 1, from })
  expect(read).toEqual(expected.map(({ value }) => value))
  expect(consumer.lag().map(({ lag }) => lag)).toEqual([0])
  await consumer.close()
  return read
}

const ONE_BATCH = { fetchMaxPartitionBytes: 1, fetchMaxBytes: 1 } as const

describe('B5.72 @platformatic/kafka 1.35.0, kafkajs 2.2.4', () => {
  test('two aborted transactions of one producer in one response', async () => {
    await inScenario(async (scenario) => {
      const writer = await Writer.start(scenario, 'x')
      for (const value of ['a', 'b']) {
        await writer.write(value)
        await writer.end(false)
      }
      await writer.write('c')
      await writer.end(true)
      expect(await compare(scenario)).toEqual(['c'])
    })
  })

  test('abort, commit, abort', async () => {
    await inScenario(async (scenario) => {
      const writer = await Writer.start(scenario, 'x')
      for (const [value, isCommit] of [
        ['a', false],
        ['b', true],
        ['c', false],
        ['d', true],
      ] as const) {
        await writer.write(value)
        await writer.end(isCommit)
      }
      expect(await compare(scenario)).toEqual(['b', 'd'])
      expect(await compare(scenario, ONE_BATCH)).toEqual(['b', 'd'])
    })
  })

  test('the abort marker lies beyond the end of the fetch', async () => {
    await inScenario(async (scenario) => {
      const writer = await Writer.start(scenario, 'x')
      for (let n = 0; n < 10; n++) await writer.write(`aborted${n}.`, 5)
      await writer.end(false)
      await scenario.admin.produce('t', { values: ['plain'] })
      expect(await compare(scenario, ONE_BATCH)).toEqual(['plain'])
    })
  })

  test('reading begins inside two aborted transactions that overlap', async () => {
    await inScenario(async (scenario) => {
      const [x, y] = [await Writer.start(scenario, 'x'), await Writer.start(scenario, 'y')]
      for (let n = 0; n < 3; n++) {
        await x.write(`x${n}.`, 2)
        await y.write(`y${n}.`, 2)
      }
      await scenario.admin.produce('t', { values: ['plain'] })
      await y.end(false)
      await x.end(false)
      for (let from = 0; from < 14; from++) {
        const consumer = scenario.kafka.consumer({ partitions: [{ topic: 't', partition: 0 }], groupId: `g${from}` })
        consumer.seek({ topic: 't', partition: 0 }, from)
        const read = (await consumer.poll({ timeoutMs: 700 })).map(({ value }) => String(value))
        expect(read, `from ${from}`).toEqual(from <= 12 ? ['plain'] : [])
        await consumer.close()
      }
    })
  })

  test('a user key that looks like an abort marker is a key', async () => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(2, { batchSizeBytes: 0 })
      const marker = Buffer.from([0, 0, 0, 0])
      const tx = await producer.begin()
      await tx.send('t', { key: marker, value: 'a', partition: 0 })
      await tx.send('t', { key: 'k', value: 'b', partition: 0 })
      await tx.flush()
      await tx.abort()
      await producer.transaction(async (next) => {
        await next.send('t', { key: marker, value: 'c', partition: 0 })
        await next.send('t', { key: marker, value: 'd', partition: 0 })
      })
      await scenario.settled()
      expect(await compare(scenario)).toEqual(['c', 'd'])
    })
  })

  test.each([1, 2, 3, 4, 5, 6])('random logs of three producers in fetches of every size, seed %i', async (seed) => {
    await inScenario(
      async (scenario) => {
        const random = new SimRandom(seed)
        const writers = await Promise.all(['x', 'y', 'z'].map((id) => Writer.start(scenario, id)))
        const open = new Set<Writer>()
        for (let n = 0; n < 40; n++) {
          const writer = random.pick(writers)
          const step = random.below(6)
          if (step < 4) {
            await writer.write(`v${n}.`, 1 + random.below(4), random.chance(0.3) ? { compression: 'gzip' } : {})
            open.add(writer)
          } else if (step === 4) await scenario.admin.produce('t', { values: [`plain${n}`] })
          else if (open.delete(writer)) await writer.end(random.chance(0.5))
        }
        for (const writer of open) await writer.end(random.chance(0.5))
        await scenario.settled()
        for (const bytes of [1, 200, 1_000, 1_000_000]) {
          await compare(scenario, { fetchMaxPartitionBytes: bytes, maxPollRecords: 1 + random.below(20) })
        }
      },
      { seed },
    )
  })
})

describe('B5.73 librdkafka #3020, 1.7.0', () => {
  test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'aborted records are left out when compressed with %s',
    async (compression) => {
      await inScenario(async (scenario) => {
        const producer = scenario.transactional(2, { compression })
        const tx = await producer.begin()
        await tx.send(
          't',
          Array.from({ length: 50 }, () => ({ value: 'aborted', partition: 0 })),
        )
        await tx.flush()
        await tx.abort()
        await producer.transaction(async (next) => next.send('t', { value: 'committed', partition: 0 }))
        await scenario.settled()
        expect(await compare(scenario)).toEqual(['committed'])
      })
    },
  )

  test('an abort without data does not hide what is committed later', async () => {
    await inScenario(async (scenario) => {
      const writer = await Writer.start(scenario, 'x')
      await writer.write('aborted')
      await writer.end(false)
      await writer.write('committed')
      await writer.end(true)
      // Only the marker of the aborted transaction is left at the beginning.
      await scenario.deleteRecords(1)
      expect(await compare(scenario, {}, 1)).toEqual(['committed'])
    })
  })
})

/** Changes the lists of aborted transactions in every fetch. */
function meddleWithLists({ meddler }: Scenario, change: (list: Message[]) => Message[]) {
  return meddler.on({
    api: 'Fetch',
    times: Number.POSITIVE_INFINITY,
    when: ({ response }) =>
      response.responses.some(({ partitions }: Message) =>
        partitions.some(({ abortedTransactions }: Message) => abortedTransactions?.length > 0),
      ),
    action: {
      do: 'change response',
      change({ responses }) {
        for (const { partitions } of responses) {
          for (const partition of partitions) {
            partition.abortedTransactions = change(partition.abortedTransactions ?? [])
          }
        }
      },
    },
  })
}

describe('B5.74 franz-go 1.21, E.3 28', () => {
  test.each<[string, (list: Message[]) => Message[]]>([
    ['upside down', (list) => list.toReversed()],
    ['twice', (list) => [...list, ...list]],
    ['with producers that nobody knows', (list) => [{ producerId: 987_654, firstOffset: 0 }, ...list]],
  ])('the aborted list %s leaks nothing and hides nothing', async (_, change) => {
    await inScenario(async (scenario) => {
      const [x, y] = [await Writer.start(scenario, 'x'), await Writer.start(scenario, 'y')]
      for (let n = 0; n < 4; n++) {
        await x.write(`x${n}`)
        await y.write(`y${n}`)
        await (n % 2 === 0 ? x : y).end(n === 3)
      }
      await x.end(true)
      await scenario.settled()
      meddleWithLists(scenario, change)
      expect(await compare(scenario)).toEqual(['y2', 'x3', 'y3'])
      expect(await compare(scenario, ONE_BATCH)).toEqual(['y2', 'x3', 'y3'])
    })
  })

  test.each(['ListOffsets', 'Fetch', 'OffsetFetch'])('a seek is not undone by a late answer to %s', async (api) => {
    await inScenario(async (scenario) => {
      await scenario.admin.produce('t', { values: ['a', 'b', 'c', 'd'] })
      const late = scenario.meddler.on({ api, action: { do: 'delay response', ms: 900 } })
      const at = { topic: 't', partition: 0 }
      const consumer = scenario.kafka.consumer({
        partitions: [at],
        autoCommit: false,
        ...(api === 'OffsetFetch' && { groupId: 'g' }),
      })
      const polling = consumer.poll({ timeoutMs: 400 })
      await late.struck()
      consumer.seek(at, 2)
      const read = (await polling).map(({ value }) => String(value))
      while (read.length < 2)
        read.push(...(await consumer.poll({ timeoutMs: 1_000 })).map(({ value }) => String(value)))
      expect(read).toEqual(['c', 'd'])
      expect(await consumer.poll({ timeoutMs: 1_500 })).toEqual([])
      expect(consumer.position(at)).toBe(4)
    })
  })
})

test('B5.75 brod #659, kafka-go #1332, KoP #1283: a commit before an abort in one response', async () => {
  await inScenario(async (scenario) => {
    const [x, y] = [await Writer.start(scenario, 'x'), await Writer.start(scenario, 'y')]
    await x.write('x')
    await y.write('y')
    await x.end(true)
    await y.write('y')
    await y.end(false)
    await x.write('x')
    await x.end(false)
    expect(await compare(scenario)).toEqual(['x'])
  })
})

describe('B5.76 KAFKA-12980, Pinot #12318', () => {
  test('an aborted transaction of many fetches is passed, and the caller gets on', async () => {
    await inScenario(async (scenario) => {
      const writer = await Writer.start(scenario, 'x')
      for (let n = 0; n < 60; n++) await writer.write('x'.repeat(1_000), 3)
      await writer.end(false)
      const consumer = scenario.kafka.consumer({
        partitions: [{ topic: 't', partition: 0 }],
        fetchMaxPartitionBytes: 4_000,
      })
      expect(await consumer.poll({ timeoutMs: 5_000 })).toEqual([])
      expect(consumer.position({ topic: 't', partition: 0 })).toBe(181)
      expect(consumer.lag()).toMatchObject([{ lag: 0 }])
      await scenario.admin.produce('t', { values: ['after'] })
      expect((await consumer.poll({ timeoutMs: 1_000 })).map(({ value }) => String(value))).toEqual(['after'])
    })
  })

  test('a group commits a position behind what was aborted', async () => {
    await inScenario(async (scenario) => {
      const writer = await Writer.start(scenario, 'x')
      await scenario.admin.produce('t', { values: ['a'] })
      await writer.write('aborted', 5)
      await writer.end(false)
      const consumer = scenario.kafka.consumer({ groupId: 'g', partitions: [{ topic: 't', partition: 0 }] })
      expect(await consumer.poll({ timeoutMs: 1_000 })).toHaveLength(1)
      expect(await consumer.poll({ timeoutMs: 1_000 })).toEqual([])
      await consumer.commit()
      expect(await scenario.committedOffset()).toBe(7)
    })
  })
})

test.each([1, 2] as const)(
  'B3.54 KAFKA-16194, 16285: the membership is known when the first records after a rebalance are handed out, version %i',
  async (version: TransactionVersion) => {
    await inScenario(async (scenario) => {
      const { kafka, sleep } = scenario
      await scenario.admin.produce('t', { values: ['a'] })
      const producer = scenario.transactional(version)
      const consumer = kafka.consumer({ groupId: 'g', topics: ['t'], autoCommit: false, assignors: ['range'] })
      const other = kafka.consumer({ groupId: 'g', topics: ['t'], autoCommit: false, assignors: ['range'] })
      const commitInTransaction = async (offset: number): Promise<void> => {
        const metadata = consumer.groupMetadata()
        expect(metadata.memberId).not.toBe('')
        expect(metadata.generationId).toBeGreaterThan(0)
        await producer.transaction((tx) => tx.sendOffsets([{ topic: 't', partition: 0, offset }], metadata))
      }
      const poll = async (): Promise<number> => (await consumer.poll({ timeoutMs: 5_000 })).length
      expect(await poll()).toBe(1)
      await commitInTransaction(1)
      const joining = other.poll({ timeoutMs: 6_000 })
      for (let n = 0; n < 4; n++) {
        await consumer.poll({ timeoutMs: 1_000 })
        await sleep(500)
      }
      await joining
      expect(consumer.assignment()).toHaveLength(1)
      const mine = consumer.assignment()[0]!.partition
      await scenario.admin.produce('t', { values: ['b'] }, { partition: mine })
      expect(await poll()).toBe(1)
      await commitInTransaction(2)
    })
  },
)

test.each([1, 2] as const)(
  'B3.55 Redpanda 9571: offsets of a commit whose answer was lost are there for whoever reads them next, version %i',
  async (version: TransactionVersion) => {
    await inScenario(async (scenario) => {
      await scenario.admin.produce('t', { values: ['a', 'b', 'c'] })
      const producer = scenario.transactional(version, { maxBlockMs: 1_000 })
      scenario.meddler.on({ api: 'EndTxn', times: Number.POSITIVE_INFINITY, action: { do: 'cut after' } })
      const tx = await producer.begin()
      await tx.sendOffsets([{ topic: 't', partition: 0, offset: 2 }], GROUP)
      await expect(tx.commit()).rejects.toMatchObject({ code: 'COMMIT_OUTCOME_UNKNOWN' })
      const consumer = scenario.kafka.consumer({ groupId: 'g', partitions: [{ topic: 't', partition: 0 }] })
      const records = await consumer.poll({ timeoutMs: 2_000 })
      expect(records.map(({ value }) => String(value))).toEqual(['c'])
    })
  },
)

test('B3.55: while the commit is not decided, the offsets are waited for and not guessed', async () => {
  await inScenario(async (scenario) => {
    await scenario.admin.produce('t', { values: ['a', 'b', 'c'] })
    const producer = scenario.transactional(2)
    const tx = await producer.begin()
    await tx.sendOffsets([{ topic: 't', partition: 0, offset: 2 }], GROUP)
    const consumer = scenario.kafka.consumer({ groupId: 'g', partitions: [{ topic: 't', partition: 0 }] })
    expect(await consumer.poll({ timeoutMs: 3_000 })).toEqual([])
    await tx.commit()
    const records = await consumer.poll({ timeoutMs: 2_000 })
    expect(records.map(({ value }) => String(value))).toEqual(['c'])
  })
})

test.each([1, 2] as const)(
  'B3.56 KAFKA-6607: a committed position lies behind the markers at the end, version %i',
  async (version: TransactionVersion) => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version)
      await producer.transaction(async (tx) => tx.send('t', { value: 'a', partition: 0 }))
      await scenario.settled()
      const consumer = scenario.kafka.consumer({ groupId: 'g', topics: ['t'] })
      while ((await consumer.poll({ timeoutMs: 500 })).length === 0);
      await consumer.poll({ timeoutMs: 500 })
      expect(consumer.position({ topic: 't', partition: 0 })).toBe(2)
      await consumer.close()
      expect(await scenario.committedOffset()).toBe(2)
    })
  },
)
