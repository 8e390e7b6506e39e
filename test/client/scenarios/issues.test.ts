/**
 * What users of other clients suffer from (issues of kafkajs, @platformatic/kafka, librdkafka and its bindings), as
 * scenarios that ours must pass. Each names its issue.
 */
import { describe, expect, test } from 'vitest'
import { KafkaError } from '../../../src/client/errors.ts'
import { readBatchHeader } from '../../../src/protocol/record-batch.ts'
import type { Action } from '../../../src/testing/meddler-rules.ts'
import type { Message } from '../../../src/testing/wire-frames.ts'
import { GROUP, inScenario, type TransactionVersion } from './scenario-kit.ts'

const VERSIONS: readonly TransactionVersion[] = [1, 2]
const at = { topic: 't', partition: 0 }

const valuesOf = (records: readonly { readonly value: Buffer | null }[]): string[] =>
  records.map(({ value }) => String(value))

describe('librdkafka #3928: fenced although only one producer runs', () => {
  const LOST: readonly Action[] = [
    { do: 'cut after' },
    { do: 'drop response' },
    { do: 'delay response', ms: 2_500 },
    { do: 'cut before' },
  ]

  test.each(VERSIONS.flatMap((version) => LOST.map((action) => [version, action.do, action] as const)))(
    'version %i, InitProducerId with "%s": its repetition does not fence itself',
    async (version, _, action) => {
      await inScenario(async (scenario) => {
        scenario.meddler.on({ api: 'InitProducerId', times: 2, action })
        const producer = scenario.transactional(version)
        for (const value of ['a', 'b', 'c']) {
          await producer.transaction(async (tx) => tx.send('t', { value, partition: 0 }))
        }
        expect((await scenario.committed())[0]).toEqual(['a', 'b', 'c'])
      })
    },
  )

  test.each(VERSIONS)('version %i: a new epoch after an error, asked for twice', async (version) => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version, { batchSizeBytes: 0 })
      await producer.transaction(async (tx) => tx.send('t', { value: 'a', partition: 0 }))
      const error = (response: Message): void => {
        for (const { partitionResponses } of response.responses) {
          Object.assign(partitionResponses[0], { errorCode: 'OUT_OF_ORDER_SEQUENCE_NUMBER', baseOffset: -1 })
        }
      }
      scenario.meddler.on({ api: 'Produce', action: { do: 'change response', change: error } })
      if (version === 1) scenario.meddler.on({ api: 'InitProducerId', times: 2, action: { do: 'cut after' } })
      const tx = await producer.begin()
      await tx.send('t', { value: 'lost', partition: 0 })
      await expect(tx.commit()).rejects.toMatchObject({ recovery: 'abort-transaction' })
      await tx.abort()
      await producer.transaction(async (next) => next.send('t', { value: 'b', partition: 0 }))
      await scenario.settled()
      expect((await scenario.committed())[0]).toEqual(['a', 'b'])
    })
  })
})

test.each(VERSIONS)(
  'a process that starts again with the same transactional id goes on at once, version %i',
  async (version) => {
    await inScenario(async (scenario) => {
      for (const value of ['a', 'b', 'c']) {
        const producer = scenario.transactional(version)
        await producer.transaction(async (tx) => tx.send('t', { value, partition: 0 }))
        // Not ended: as by a process that dies.
        const tx = await producer.begin()
        await tx.send('t', { value: `${value} unfinished`, partition: 0 })
        await tx.flush()
      }
      const last = scenario.transactional(version)
      await last.init()
      await scenario.settled()
      expect((await scenario.committed())[0]).toEqual(['a', 'b', 'c'])
      // The first request of each names no id that it would expect (@platformatic/kafka sends 0, 0).
      const first = scenario.meddler.requestsOf('InitProducerId').filter(({ producerId }) => producerId === -1)
      expect(first.length).toBeGreaterThanOrEqual(4)
    })
  },
)

describe('platformatic #326, kafkajs #1005, #353: concurrent sends that are acknowledged and lost', () => {
  test.each<[string, Action]>([
    ['is lost', { do: 'cut after' }],
    ['is late', { do: 'delay response', ms: 2_500 }],
    ['never comes', { do: 'drop response' }],
  ])('an acknowledgement that %s does not let others take its place', async (_, action) => {
    await inScenario(async (scenario) => {
      const producer = scenario.kafka.producer({ batchSizeBytes: 0 })
      scenario.meddler.on({ api: 'Produce', skip: 1, action })
      scenario.meddler.on({ api: 'Produce', skip: 6, action })
      const values = Array.from({ length: 40 }, (_one, n) => `v${n}`)
      const sent = await Promise.all(values.map((value) => producer.send('t', { value, partition: 0 })))
      expect(sent.map(({ offset }) => offset)).toEqual(values.map((_one, n) => n))
      expect((await scenario.stored())[0]).toEqual(values)
    })
  })

  test('a record without a key stays in its partition when it is sent again', async () => {
    await inScenario(
      async (scenario) => {
        const producer = scenario.kafka.producer({ batchSizeBytes: 0 })
        scenario.meddler.on({ api: 'Produce', times: 5, action: { do: 'cut after' } })
        const values = Array.from({ length: 20 }, (_, n) => `v${n}`)
        await Promise.all(values.map((value) => producer.send('t', { value })))
        expect(new Set((await scenario.stored()).flat())).toEqual(new Set(values))
        expect((await scenario.stored()).flat()).toHaveLength(values.length)
      },
      { partitions: 6 },
    )
  })
})

describe('platformatic #309, kafkajs #598: a producer whose state the broker has lost goes on', () => {
  test('the log was deleted up to its end', async () => {
    await inScenario(async (scenario) => {
      const producer = scenario.kafka.producer()
      for (const value of ['a', 'b', 'c']) await producer.send('t', { value, partition: 0 })
      await scenario.deleteRecords(3)
      const after = ['d', 'e', 'f']
      for (const value of after) await producer.send('t', { value, partition: 0 })
      expect(valuesOf(await scenario.consumed('t', 1))).toEqual(after)
    })
  })

  test.each(['UNKNOWN_PRODUCER_ID', 'OUT_OF_ORDER_SEQUENCE_NUMBER'] as const)(
    '%s: what was not stored is sent under a new epoch of the same producer id, not a new one',
    async (errorCode) => {
      await inScenario(async (scenario) => {
        const producer = scenario.kafka.producer({ batchSizeBytes: 0 })
        await producer.send('t', { value: 'a', partition: 0 })
        scenario.meddler.on({
          api: 'Produce',
          action: {
            do: 'answer',
            response: ({ body }) => ({
              responses: body.topicData.map((topic: Message) => ({
                ...topic,
                partitionResponses: [
                  { index: 0, errorCode, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: 1, errorMessage: null },
                ],
              })),
            }),
          },
        })
        await Promise.all(['b', 'c', 'd'].map((value) => producer.send('t', { value, partition: 0 })))
        expect((await scenario.stored())[0]).toEqual(['a', 'b', 'c', 'd'])
        const headers = scenario.meddler
          .requestsOf('Produce')
          .map((body) => readBatchHeader(body.topicData[0].partitionData[0].records))
        expect(new Set(headers.map(({ producerId }) => producerId)).size).toBe(1)
        expect(headers.at(-1)?.producerEpoch).toBe(1)
        expect(scenario.meddler.requestsOf('InitProducerId')).toHaveLength(1)
      })
    },
  )
})

describe.each(VERSIONS)('kafkajs #296, #430, #1416, version %i', (version) => {
  test('a restart within the time of the open transaction does not meet CONCURRENT_TRANSACTIONS', async () => {
    await inScenario(async (scenario) => {
      const dead = scenario.transactional(version)
      const tx = await dead.begin()
      await tx.send('t', { value: 'unfinished', partition: 0 })
      await tx.sendOffsets([{ ...at, offset: 1 }], GROUP)
      await tx.flush()
      const producer = scenario.transactional(version)
      await producer.transaction(async (next) => {
        await next.send('t', { value: 'a', partition: 0 })
        await next.sendOffsets([{ ...at, offset: 2 }], GROUP)
      })
      await scenario.settled()
      expect((await scenario.committed())[0]).toEqual(['a'])
      expect(await scenario.committedOffset()).toBe(2)
      await expect(tx.commit()).rejects.toMatchObject({ recovery: 'restart-producer' })
    })
  })

  test('a broker that is away in the middle of a transaction leaves no "ongoing transaction" behind', async () => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version, { deliveryTimeoutMs: 3_000, maxBlockMs: 3_000 })
      const tx = await producer.begin()
      await tx.send('t', { value: 'a', partition: 0 })
      await tx.flush()
      const apis = [
        'Produce',
        'EndTxn',
        'AddPartitionsToTxn',
        'TxnOffsetCommit',
        'Metadata',
        'FindCoordinator',
        'ApiVersions',
      ]
      const away = scenario.meddler.on({ api: apis, times: Number.POSITIVE_INFINITY, action: { do: 'cut before' } })
      scenario.meddler.cut()
      await tx.send('t', { value: 'b', partition: 1 })
      await expect(tx.commit()).rejects.toMatchObject({ recovery: 'abort-transaction' })
      away.remove()
      await tx.abort()
      await producer.transaction(async (next) => next.send('t', { value: 'c', partition: 0 }))
      await scenario.settled()
      expect(await scenario.committed()).toEqual([['c'], []])
    })
  })

  test('an abort that the broker does not take in time is told, and the next transaction waits for it', async () => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version, { maxBlockMs: 2_000 })
      const tx = await producer.begin()
      await tx.send('t', { value: 'a', partition: 0 })
      await tx.flush()
      const away = scenario.meddler.on({ api: 'EndTxn', times: Number.POSITIVE_INFINITY, action: { do: 'cut before' } })
      await expect(tx.abort()).rejects.toMatchObject({ recovery: 'retry' })
      const waiting = producer.transaction(async (next) => next.send('t', { value: 'b', partition: 0 }))
      await scenario.sleep(500)
      away.remove()
      await waiting
      await scenario.settled()
      expect((await scenario.committed())[0]).toEqual(['b'])
    })
  })
})

describe.each(VERSIONS)('librdkafka #3348, #3013, node-rdkafka #1000, version %i', (version) => {
  test.each([
    'NOT_COORDINATOR',
    'COORDINATOR_LOAD_IN_PROGRESS',
    'COORDINATOR_NOT_AVAILABLE',
    'REQUEST_TIMED_OUT',
  ] as const)('offsets are taken when the coordinator of the group is ready again: %s', async (errorCode) => {
    await inScenario(async (scenario) => {
      scenario.meddler.on({
        api: 'TxnOffsetCommit',
        times: 4,
        action: {
          do: 'answer',
          response: ({ body }) => ({
            topics: body.topics.map(({ name, partitions }: Message) => ({
              name,
              partitions: partitions.map(({ partitionIndex }: Message) => ({ partitionIndex, errorCode })),
            })),
          }),
        },
      })
      const producer = scenario.transactional(version)
      await producer.transaction(async (tx) => {
        await tx.send('t', { value: 'a', partition: 0 })
        await tx.sendOffsets([{ ...at, offset: 7 }], GROUP)
      })
      expect(await scenario.committedOffset()).toBe(7)
      expect((await scenario.committed())[0]).toEqual(['a'])
    })
  })

  test('offsets that are never taken end the transaction in time, and the next one works', async () => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version, { maxBlockMs: 3_000 })
      const away = scenario.meddler.on({
        api: 'TxnOffsetCommit',
        times: Number.POSITIVE_INFINITY,
        action: { do: 'drop request' },
      })
      const tx = await producer.begin()
      await tx.send('t', { value: 'a', partition: 0 })
      const beganMs = scenario.runtime.clock.monotonicMs()
      await expect(tx.sendOffsets([{ ...at, offset: 7 }], GROUP)).rejects.toBeInstanceOf(KafkaError)
      expect(scenario.runtime.clock.monotonicMs() - beganMs).toBeLessThan(5_000)
      await expect(tx.commit()).rejects.toMatchObject({ recovery: 'abort-transaction' })
      await tx.abort()
      away.remove()
      await producer.transaction((next) => next.sendOffsets([{ ...at, offset: 8 }], GROUP))
      await scenario.settled()
      expect((await scenario.committed())[0]).toEqual([])
      expect(await scenario.committedOffset()).toBe(8)
    })
  })

  test('offsets of a member that has lost its partitions are refused, and only the transaction is lost', async () => {
    await inScenario(
      async (scenario) => {
        await scenario.admin.produce('t', { values: ['a'] })
        const options = { groupId: 'g', topics: ['t'], autoCommit: false } as const
        const zombie = scenario.kafka.consumer(options)
        expect(await zombie.poll({ timeoutMs: 5_000 })).toHaveLength(1)
        const metadata = zombie.groupMetadata()
        await zombie.close()
        const owner = scenario.kafka.consumer(options)
        expect(await owner.poll({ timeoutMs: 5_000 })).toHaveLength(1)
        const producer = scenario.transactional(version)
        const refused = producer.transaction(async (tx) => {
          await tx.send('t', { value: 'result of the zombie', partition: 0 })
          await tx.sendOffsets([{ ...at, offset: 1 }], metadata)
        })
        await expect(refused).rejects.toMatchObject({ recovery: 'abort-transaction' })
        await producer.transaction(async (tx) => {
          await tx.send('t', { value: 'result', partition: 0 })
          await tx.sendOffsets([{ ...at, offset: 1 }], owner.groupMetadata())
        })
        await scenario.settled()
        expect((await scenario.committed())[0]).toEqual(['a', 'result'])
        expect(await scenario.committedOffset()).toBe(1)
      },
      { partitions: 1 },
    )
  })
})

test.each(VERSIONS)('kafkajs: after a failed send a commit is refused, version %i', async (version) => {
  await inScenario(async (scenario) => {
    const producer = scenario.transactional(version)
    const tx = await producer.begin()
    await tx.send('t', { value: 'a', partition: 0 })
    await tx.flush()
    // Nobody looks at the outcome of this one.
    void tx.send('t', { value: 'x'.repeat(2_000_000), partition: 0 })
    await expect(tx.commit()).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE', recovery: 'abort-transaction' })
    await tx.abort()
    await scenario.settled()
    expect((await scenario.committed())[0]).toEqual([])
  })
})

test('kafkajs #1046, #1097, #592: a commit for partitions that are another member’s is refused', async () => {
  await inScenario(
    async (scenario) => {
      await scenario.admin.produce('t', { values: ['a', 'b'] })
      const options = {
        groupId: 'g',
        topics: ['t'],
        autoCommit: false,
        maxPollIntervalMs: 6_000,
        sessionTimeoutMs: 6_000,
      } as const
      const slow = scenario.kafka.consumer({ ...options, heartbeatIntervalMs: 1_000 })
      expect(await slow.poll({ timeoutMs: 5_000 })).toHaveLength(2)
      // It works for too long, and is heard of all the while.
      await scenario.sleep(7_000)
      const other = scenario.kafka.consumer({ ...options, heartbeatIntervalMs: 1_000 })
      let taken: string[] = []
      for (let n = 0; n < 20 && taken.length === 0; n++) taken = valuesOf(await other.poll({ timeoutMs: 1_000 }))
      expect(taken).toEqual(['a', 'b'])
      await other.commit([{ ...at, offset: 2 }])
      await expect(slow.commit([{ ...at, offset: 1 }])).rejects.toMatchObject({ recovery: 'refresh' })
      expect(await scenario.committedOffset()).toBe(2)
    },
    { partitions: 1 },
  )
})
