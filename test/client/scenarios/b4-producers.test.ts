/**
 * Known bugs of producers (rows 57 to 71 of the project's list, and those of row 1 that a client can cause), provoked on the
 * real producer and the real broker, and judged by what the log holds. What a core alone can show is in
 * src/client/core/producer/kafka-bugs.test.ts.
 */
import { describe, expect, test } from 'vitest'
import { KafkaError, type KafkaErrorCode } from '../../../src/client/errors.ts'
import type { Producer } from '../../../src/client/producer/producer.ts'
import type { ProducerOptions } from '../../../src/client/producer/producer-options.ts'
import type { RecordMetadata } from '../../../src/client/topic.ts'
import type { ErrorCode } from '../../../src/protocol/error-codes.ts'
import { readBatchHeader } from '../../../src/protocol/record-batch.ts'
import type { Action, Exchange } from '../../../src/testing/meddler-rules.ts'
import type { Message } from '../../../src/testing/wire-frames.ts'
import { GROUP, inScenario, type Scenario, type TransactionVersion } from './scenario-kit.ts'

const VERSIONS: readonly TransactionVersion[] = [1, 2]

async function failure(work: Promise<unknown>): Promise<KafkaError> {
  const reason: unknown = await work.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  )
  expect(reason).toBeInstanceOf(KafkaError)
  return reason as KafkaError
}

/** 'ok' or the code of the error. */
async function outcome(work: Promise<unknown>): Promise<KafkaErrorCode | 'ok'> {
  return work.then(
    () => 'ok' as const,
    (error: KafkaError) => error.code,
  )
}

/** The broker does not see the Produce; every partition is answered with the code. */
function refuse(errorCode: ErrorCode): Action {
  return {
    do: 'answer',
    response: ({ body }) => ({
      responses: body.topicData.map(({ name, topicId, partitionData }: Message) => ({
        name,
        topicId,
        partitionResponses: partitionData.map(({ index }: Message) => ({
          index,
          errorCode,
          baseOffset: -1,
          logAppendTimeMs: -1,
          logStartOffset: 0,
          errorMessage: null,
        })),
      })),
    }),
  }
}

/** The broker has carried the Produce out; every partition is answered with the code. */
function deny(errorCode: ErrorCode): Action {
  return {
    do: 'change response',
    change({ responses }) {
      for (const { partitionResponses } of responses) {
        for (const partition of partitionResponses) Object.assign(partition, { errorCode, baseOffset: -1 })
      }
    },
  }
}

/** One record a request, and one that was acknowledged before: so that five may be on their way. */
async function warm({ kafka }: Scenario, options: ProducerOptions = {}): Promise<Producer> {
  const producer = kafka.producer({ batchSizeBytes: 0, requestTimeoutMs: 2_000, ...options })
  await producer.send('t', { value: 'warm', partition: 0 })
  await producer.send('t', { value: 'warm', partition: 1 })
  return producer
}

function sendAll(producer: Producer, values: readonly string[], partition = 0): Promise<RecordMetadata>[] {
  return values.map((value) => producer.send('t', { value, partition }))
}

const ofPartition =
  (partition: number) =>
  ({ body }: Exchange): boolean =>
    body.topicData.some(({ partitionData }: Message) => partitionData.some(({ index }: Message) => index === partition))

const ofValue =
  (value: string) =>
  ({ body }: Exchange): boolean =>
    Buffer.from(body.topicData[0].partitionData[0].records).includes(value)

/** What was acknowledged is stored once, where it was said to be; nothing else twice. */
async function judge(scenario: Scenario, values: readonly string[], results: readonly Promise<RecordMetadata>[]) {
  await Promise.allSettled(results)
  const stored = (await scenario.stored()).map((all) => all.filter((value) => value !== 'warm'))
  const count = (value: string): number => stored.flat().filter((one) => one === value).length
  for (const [at, result] of results.entries()) {
    const value = values[at]!
    const metadata = await result.catch(() => undefined)
    if (metadata === undefined) expect(count(value), `${value} was refused`).toBeLessThanOrEqual(1)
    else {
      expect(count(value), `${value} was acknowledged`).toBe(1)
      const { partition, offset } = metadata
      const read = await scenario.admin.read('t', { partition, from: offset })
      expect(read[0], `${value} lies where it was said to`).toMatchObject({ offset, value })
    }
  }
  return stored
}

describe.each(VERSIONS)('B1.1 KAFKA-17754, transaction version %i: a request that is late', (version) => {
  test.each(['Produce', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'TxnOffsetCommit', 'EndTxn'])(
    '%s of one transaction changes nothing in the next',
    async (api) => {
      const isOfVersion1 = api === 'AddPartitionsToTxn' || api === 'AddOffsetsToTxn'
      if (isOfVersion1 && version === 2) return
      await inScenario(async (scenario) => {
        const producer = scenario.transactional(version)
        await producer.init()
        const held = scenario.meddler.on({ api, action: { do: 'hold request' } })
        await producer.transaction(async (tx) => {
          await tx.send('t', { value: 'first', partition: 0 })
          await tx.sendOffsets([{ topic: 't', partition: 0, offset: 1 }], GROUP)
        })
        const tx = await producer.begin()
        await tx.send('t', { value: 'second', partition: 0 })
        await tx.send('t', { value: 'second', partition: 1 })
        await tx.sendOffsets([{ topic: 't', partition: 0, offset: 2 }], GROUP)
        await tx.flush()
        expect(held.exchanges).toHaveLength(1)
        held.release()
        await scenario.sleep(50)
        expect(await scenario.committed(), 'the second is not committed yet').toEqual([['first'], []])
        await tx.send('t', { value: 'second', partition: 0 })
        expect(await outcome(tx.commit())).toBe('ok')
        await scenario.settled()
        expect(await scenario.committed()).toEqual([['first', 'second', 'second'], ['second']])
        expect(await scenario.committedOffset()).toBe(2)
        const third = await producer.begin()
        await third.send('t', { value: 'third', partition: 1 })
        await third.abort()
        await scenario.settled()
        expect((await scenario.committed())[1]).toEqual(['second'])
      })
    },
  )
})

test.each(['AddPartitionsToTxn', 'AddOffsetsToTxn', 'TxnOffsetCommit', 'EndTxn'])(
  'B1.1 KAFKA-17754: a late %s that comes between two transactions of version 1 opens none',
  async (api) => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(1)
      await producer.init()
      const held = scenario.meddler.on({ api, action: { do: 'hold request' } })
      await producer.transaction(async (tx) => {
        await tx.send('t', { value: 'first', partition: 0 })
        await tx.sendOffsets([{ topic: 't', partition: 0, offset: 1 }], GROUP)
      })
      held.release()
      await scenario.sleep(50)
      await producer.transaction(async (tx) => {
        await tx.send('t', { value: 'second', partition: 1 })
        await tx.sendOffsets([{ topic: 't', partition: 0, offset: 2 }], GROUP)
      })
      await scenario.settled()
      expect(await scenario.committed()).toEqual([['first'], ['second']])
      expect(await scenario.committedOffset()).toBe(2)
      // Long before a transaction that nobody ends would time out.
      expect(scenario.runtime.clock.monotonicMs()).toBeLessThan(30_000)
    })
  },
)

test('B4.57 KAFKA-13574: NOT_LEADER may follow an applied write, which is then not repeated', async () => {
  await inScenario(async (scenario) => {
    const producer = await warm(scenario)
    scenario.meddler.on({ api: 'Produce', times: 3, action: deny('NOT_LEADER_OR_FOLLOWER') })
    const values = ['a', 'b', 'c', 'd']
    const results = sendAll(producer, values)
    expect((await judge(scenario, values, results))[0]).toEqual(values)
    expect(await Promise.all(results)).toMatchObject([{ offset: 1 }, { offset: 2 }, { offset: 3 }, { offset: 4 }])
  })
})

test.each(VERSIONS)('B4.57 KAFKA-13574: the same in a transaction of version %i', async (version) => {
  await inScenario(async (scenario) => {
    const producer = scenario.transactional(version, { batchSizeBytes: 0 })
    scenario.meddler.on({ api: 'Produce', times: 2, action: deny('NOT_LEADER_OR_FOLLOWER') })
    await producer.transaction(async (tx) => {
      await tx.send(
        't',
        ['a', 'b', 'c'].map((value) => ({ value, partition: 0 })),
      )
    })
    expect((await scenario.committed())[0]).toEqual(['a', 'b', 'c'])
    expect((await scenario.stored())[0]).toEqual(['a', 'b', 'c'])
  })
})

test.each<[string, Action, Action]>([
  ['timed out after it was stored', deny('REQUEST_TIMED_OUT'), refuse('UNKNOWN_SERVER_ERROR')],
  ['timed out before it was stored', refuse('REQUEST_TIMED_OUT'), refuse('UNKNOWN_SERVER_ERROR')],
  ['timed out, the second stored all the same', deny('REQUEST_TIMED_OUT'), deny('UNKNOWN_SERVER_ERROR')],
])('B4.58 KAFKA-14034: two in flight, the first %s, the second refused for good', async (_, first, second) => {
  await inScenario(async (scenario) => {
    const producer = await warm(scenario)
    const values = ['first', 'second', 'third', 'fourth']
    scenario.meddler.on({ api: 'Produce', when: ofValue('first'), action: first })
    scenario.meddler.on({ api: 'Produce', when: ofValue('second'), action: second })
    const results = sendAll(producer, values)
    await judge(scenario, values, results)
    expect(await outcome(results[0]!)).toBe('ok')
    expect(await outcome(results[1]!)).toBe('UNKNOWN_SERVER_ERROR')
    const later = sendAll(producer, ['e', 'f'])
    expect(await Promise.all(later.map((one) => outcome(one)))).toEqual(['ok', 'ok'])
    await judge(scenario, ['e', 'f'], later)
  })
})

test('B4.59 KAFKA-12152: after a new epoch for one partition, the sequences of idle ones begin anew too', async () => {
  await inScenario(async (scenario) => {
    const producer = await warm(scenario)
    scenario.meddler.on({ api: 'Produce', when: ofPartition(0), action: refuse('OUT_OF_ORDER_SEQUENCE_NUMBER') })
    const values = ['a', 'b']
    const results = sendAll(producer, values)
    await Promise.all(results)
    const idle = sendAll(producer, ['x', 'y', 'z'], 1)
    await Promise.all(idle)
    expect((await judge(scenario, values, results))[0]).toEqual(values)
    expect((await judge(scenario, ['x', 'y', 'z'], idle))[1]).toEqual(['x', 'y', 'z'])
    const last = scenario.meddler.requestsOf('Produce').at(-1)
    expect(readBatchHeader(last.topicData[0].partitionData[0].records)).toMatchObject({
      producerEpoch: 1,
      baseSequence: 2,
    })
  })
})

test.each(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH'] as const)(
  'B4.60 KAFKA-8483, 8484, 13794: %s with five in flight keeps the order',
  async (code) => {
    for (let skip = 0; skip < 5; skip++) {
      await inScenario(async (scenario) => {
        const producer = await warm(scenario)
        scenario.meddler.on({ api: 'Produce', skip, action: refuse(code) })
        const values = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
        const results = sendAll(producer, values)
        const [stored] = await judge(scenario, values, results)
        // Some may be refused, none may be overtaken.
        expect(stored).toEqual(stored?.toSorted())
        const after = sendAll(producer, ['h', 'i'])
        expect(await Promise.all(after.map((one) => outcome(one)))).toEqual(['ok', 'ok'])
      })
    }
  },
)

test.each(VERSIONS.flatMap((version) => [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => [version, seed] as const)))(
  'B4.61 KAFKA-14830, 14831, 16217, 13412, 13782: answers late, lost or refused at every API, version %i, seed %i',
  async (version, seed) => {
    await inScenario(
      async (scenario) => {
        const { meddler, runtime, sleep } = scenario
        const producer = scenario.transactional(version, { deliveryTimeoutMs: 4_000, maxBlockMs: 6_000 })
        const apis = ['Produce', 'InitProducerId', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'TxnOffsetCommit', 'EndTxn']
        const actions: readonly Action[] = [
          { do: 'cut before' },
          { do: 'cut after' },
          { do: 'delay request', ms: 300 },
          { do: 'delay response', ms: 900 },
          { do: 'drop response' },
          { do: 'duplicate', on: 'same' },
        ]
        const draw = (chance: number) => (): boolean => runtime.random.chance(chance)
        for (const api of apis) {
          for (const action of actions) meddler.on({ api, when: draw(0.04), times: 100, action })
        }
        const committed: string[] = []
        const unknown = new Set<string>()
        let current = producer
        for (let n = 0; n < 25; n++) {
          const value = String(n).padStart(2, '0')
          try {
            await current.transaction(async (tx) => {
              for (const partition of [0, 1]) void tx.send('t', { value, partition })
              if (n % 2 === 0) await tx.sendOffsets([{ topic: 't', partition: 0, offset: n }], GROUP)
              if (n % 3 === 0) await sleep(200)
              if (n % 5 === 4)
                throw new KafkaError('ABORTED', 'the user gives it up', { recovery: 'abort-transaction' })
            })
            committed.push(value)
          } catch (error) {
            const { code, recovery } = error as KafkaError
            if (code === 'COMMIT_OUTCOME_UNKNOWN') unknown.add(value)
            if (recovery === 'abort-transaction' && code !== 'COMMIT_OUTCOME_UNKNOWN') continue
            // Fenced by an InitProducerId of its own that was late, or lost for another reason: a new one goes on.
            await current.close({ timeoutMs: 1_000 })
            current = scenario.transactional(version, { deliveryTimeoutMs: 4_000, maxBlockMs: 6_000 })
          }
        }
        meddler.calm()
        await current.close()
        await scenario.settled()
        const [zero, one] = await scenario.committed()
        expect(one, 'whole transactions').toEqual(zero)
        expect(zero, 'in order').toEqual(zero?.toSorted())
        const expected = zero?.filter((value) => !unknown.has(String(value)))
        expect(expected).toEqual(committed.filter((value) => !unknown.has(value)))
      },
      { seed },
    )
  },
)

test.each(VERSIONS)(
  'B4.62 KAFKA-14053: a batch that lands after its transaction was aborted stays out of the log, version %i',
  async (version) => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version, { deliveryTimeoutMs: 1_500, requestTimeoutMs: 1_000 })
      await producer.transaction(async (tx) => tx.send('t', { value: 'before', partition: 0 }))
      const held = scenario.meddler.on({ api: 'Produce', times: 9, action: { do: 'hold request' } })
      const tx = await producer.begin()
      await tx.send('t', { value: 'lost', partition: 0 })
      expect((await failure(tx.commit())).recovery).toBe('abort-transaction')
      await tx.abort()
      expect(held.exchanges.length).toBeGreaterThan(0)
      held.remove()
      await scenario.sleep(100)
      await scenario.settled()
      await producer.transaction(async (next) => next.send('t', { value: 'after', partition: 0 }))
      await scenario.settled()
      expect(await scenario.committed()).toEqual([['before', 'after'], []])
    })
  },
)

describe.each(VERSIONS)('B4.63 KAFKA-9274, version %i', (version) => {
  test('a commit whose answer is lost is asked again, and counts once', async () => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version)
      const lost = scenario.meddler.on({ api: 'EndTxn', times: 3, action: { do: 'cut after' } })
      await producer.transaction(async (tx) => tx.send('t', { value: 'a', partition: 0 }))
      expect(lost.exchanges).toHaveLength(3)
      await producer.transaction(async (tx) => tx.send('t', { value: 'b', partition: 0 }))
      expect((await scenario.committed())[0]).toEqual(['a', 'b'])
    })
  })

  test.each<[string, Action, string[]]>([
    ['was carried out', { do: 'cut after' }, ['a', 'b']],
    ['was not carried out', { do: 'cut before' }, ['a', 'b']],
  ])(
    'a commit that %s and stays without an answer is unknown, and can be asked for again',
    async (_, action, values) => {
      await inScenario(async (scenario) => {
        const producer = scenario.transactional(version, { maxBlockMs: 3_000 })
        const lost = scenario.meddler.on({ api: 'EndTxn', times: Number.POSITIVE_INFINITY, action })
        const tx = await producer.begin()
        await tx.send('t', { value: 'a', partition: 0 })
        expect(await failure(tx.commit())).toMatchObject({ code: 'COMMIT_OUTCOME_UNKNOWN', recovery: 'retry' })
        expect(await outcome(tx.abort()), 'who may have committed must not abort').toBe('ILLEGAL_STATE')
        expect(await outcome(producer.begin()), 'nor begin').toBe('ILLEGAL_STATE')
        lost.remove()
        await tx.commit()
        await producer.transaction(async (next) => next.send('t', { value: 'b', partition: 0 }))
        await scenario.settled()
        expect((await scenario.committed())[0]).toEqual(values)
      })
    },
  )
})

test.each(VERSIONS)(
  'B4.64 KAFKA-5340: a batch that must be split stays in its transaction, version %i',
  async (version) => {
    await inScenario(async (scenario) => {
      await scenario.admin.createTopic('small', 1, { 'max.message.bytes': '2000' })
      const producer = scenario.transactional(version)
      const values = Array.from({ length: 12 }, (_, n) => String(n).padStart(3, '0').repeat(150))
      await producer.transaction(async (tx) =>
        tx.send(
          'small',
          values.map((value) => ({ value, partition: 0 })),
        ),
      )
      expect(await scenario.committed('small', 1)).toEqual([values])
      const tx = await producer.begin()
      await tx.send(
        'small',
        values.map((value) => ({ value, partition: 0 })),
      )
      await tx.flush()
      await tx.abort()
      await scenario.settled('small', 1)
      expect(await scenario.committed('small', 1)).toEqual([values])
    })
  },
)

test('B4.65 librdkafka 1.9.0: a topic that vanishes from the metadata and comes back loses nothing', async () => {
  await inScenario(
    async (scenario) => {
      const producer = await warm(scenario)
      const gone = scenario.meddler.on({
        api: 'Metadata',
        times: Number.POSITIVE_INFINITY,
        action: {
          do: 'change response',
          change({ topics }) {
            for (const topic of topics)
              Object.assign(topic, { errorCode: 'UNKNOWN_TOPIC_OR_PARTITION', partitions: [] })
          },
        },
      })
      // Something outdated makes it look.
      scenario.meddler.on({ api: 'Produce', action: refuse('NOT_LEADER_OR_FOLLOWER') })
      const values = ['a', 'b', 'c']
      const results = sendAll(producer, values)
      await gone.struck(3)
      const more = sendAll(producer, ['d', 'e'])
      gone.remove()
      expect((await judge(scenario, [...values, 'd', 'e'], [...results, ...more]))[0]).toEqual([
        'a',
        'b',
        'c',
        'd',
        'e',
      ])
    },
    { kafka: { metadataMaxAgeMs: 1_000 } },
  )
})

test.each(VERSIONS)(
  'B4.66 librdkafka #3575: OUT_OF_ORDER inside a transaction loses all of it or nothing, version %i',
  async (version) => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version, { batchSizeBytes: 0 })
      scenario.meddler.on({ api: 'Produce', skip: 1, action: refuse('OUT_OF_ORDER_SEQUENCE_NUMBER') })
      const tx = await producer.begin()
      await tx.send('t', { value: 'early', partition: 0 })
      await tx.flush()
      await tx.send('t', { value: 'late', partition: 0 })
      expect(await failure(tx.commit())).toMatchObject({ recovery: 'abort-transaction' })
      await tx.abort()
      await producer.transaction(async (next) => {
        await next.send('t', { value: 'early', partition: 0 })
        await next.send('t', { value: 'late', partition: 0 })
      })
      await scenario.settled()
      expect((await scenario.committed())[0]).toEqual(['early', 'late'])
    })
  },
)

test.each(VERSIONS)(
  'B4.67 librdkafka 1.5.2, franz-go 1.21: a transaction is not committed without a record that timed out, version %i',
  async (version) => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version, { deliveryTimeoutMs: 1_500, requestTimeoutMs: 1_000 })
      const refused = scenario.meddler.on({
        api: 'Produce',
        when: ofPartition(1),
        times: Number.POSITIVE_INFINITY,
        action: refuse('NOT_ENOUGH_REPLICAS'),
      })
      const tx = await producer.begin()
      await tx.send('t', { value: 'a', partition: 0 })
      await tx.send('t', { value: 'b', partition: 1 })
      await scenario.sleep(3_000)
      expect(tx.signal.aborted).toBe(true)
      expect(await failure(tx.commit())).toMatchObject({ code: 'DELIVERY_TIMEOUT', recovery: 'abort-transaction' })
      await tx.abort()
      refused.remove()
      await scenario.settled()
      expect(await scenario.committed()).toEqual([[], []])
    })
  },
)

test.each<[string, Action]>([
  ['the connection is lost after it was stored', { do: 'cut after' }],
  ['the connection is lost before', { do: 'cut before' }],
  ['the leader says that it is none', deny('NOT_LEADER_OR_FOLLOWER')],
])('B4.68 librdkafka #4438, #4736, #4953, #4972: a repetition is byte-identical when %s', async (_, action) => {
  await inScenario(async (scenario) => {
    const producer = await warm(scenario)
    const rule = scenario.meddler.on({ api: 'Produce', action })
    const values = ['a', 'b', 'c', 'd', 'e']
    const results = sendAll(producer, values)
    expect((await judge(scenario, values, results))[0]).toEqual(values)
    const [lost] = rule.exchanges
    const bytesOf = (body: Message): string => Buffer.from(body.topicData[0].partitionData[0].records).toString('hex')
    const copies = scenario.meddler.requestsOf('Produce').filter((body) => bytesOf(body) === bytesOf(lost!.body))
    expect(copies.length).toBeGreaterThanOrEqual(2)
    expect(new Set(scenario.meddler.requestsOf('Produce').map(bytesOf)).size, 'no batch has two forms').toBe(7)
  })
})

test('B4.69 franz-go #1217: a time-out that was stored does not swallow what is sent next', async () => {
  await inScenario(async (scenario) => {
    const producer = await warm(scenario, { deliveryTimeoutMs: 1_000, requestTimeoutMs: 1_000 })
    const denied = scenario.meddler.on({
      api: 'Produce',
      times: Number.POSITIVE_INFINITY,
      action: deny('REQUEST_TIMED_OUT'),
    })
    const [given] = sendAll(producer, ['given up'])
    expect(await outcome(given!)).toBe('DELIVERY_TIMEOUT')
    denied.remove()
    const values = ['next', 'and next']
    const results = sendAll(producer, values)
    expect(await Promise.all(results.map((one) => outcome(one)))).toEqual(['ok', 'ok'])
    const stored = await judge(scenario, ['given up', ...values], [given!, ...results])
    expect(stored[0]).toEqual(['given up', 'next', 'and next'])
  })
})

describe.each(VERSIONS)('B4.70 franz-go, version %i', (version) => {
  test('what is sent while a commit is under way is refused, and gets into neither transaction', async () => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version)
      const slow = scenario.meddler.on({ api: 'EndTxn', action: { do: 'delay response', ms: 300 } })
      const tx = await producer.begin()
      await tx.send('t', { value: 'a', partition: 0 })
      const committing = tx.commit()
      await slow.struck()
      expect(await outcome(tx.send('t', { value: 'too late', partition: 0 }))).toBe('ILLEGAL_STATE')
      await committing
      expect(await outcome(tx.send('t', { value: 'too late', partition: 0 }))).toBe('ILLEGAL_STATE')
      await producer.transaction(async (next) => next.send('t', { value: 'b', partition: 0 }))
      await scenario.settled()
      expect((await scenario.stored())[0]).toEqual(['a', 'b'])
    })
  })

  test.each<[string, Action['do']]>([
    ['was carried out', 'change response'],
    ['was not', 'answer'],
  ])('UNKNOWN_SERVER_ERROR for a commit that %s is no success by itself', async (_, how) => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version)
      const error = { errorCode: 'UNKNOWN_SERVER_ERROR', producerId: -1, producerEpoch: -1 }
      const action: Action =
        how === 'answer'
          ? { do: 'answer', response: () => error }
          : { do: 'change response', change: (response) => void Object.assign(response, error) }
      scenario.meddler.on({ api: 'EndTxn', action })
      const told = await producer
        .transaction(async (tx) => tx.send('t', { value: 'a', partition: 0 }))
        .then(
          () => 'committed',
          (reason: KafkaError) => reason.code,
        )
      await producer.close({ timeoutMs: 1_000 })
      await scenario.transactional(version).init()
      await scenario.settled()
      const isThere = (await scenario.committed())[0]?.length === 1
      // Whoever cannot know must say so; whoever says that it was committed must be right.
      if (told === 'committed') expect(isThere).toBe(true)
      else expect(told).toBe('COMMIT_OUTCOME_UNKNOWN')
    })
  })

  test('a partition that cannot be added does not drop those that were', async () => {
    if (version === 2) return
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version)
      scenario.meddler.on({
        api: 'AddPartitionsToTxn',
        skip: 1,
        action: {
          do: 'answer',
          response: ({ body }) => ({
            resultsByTopicV3AndBelow: body.v3AndBelowTopics.map(({ name, partitions }: Message) => ({
              name,
              resultsByPartition: partitions.map((partitionIndex: number) => ({
                partitionIndex,
                partitionErrorCode: 'CONCURRENT_TRANSACTIONS',
              })),
            })),
          }),
        },
      })
      await producer.transaction(async (tx) => {
        await tx.send('t', { value: 'a', partition: 0 })
        await tx.flush()
        await tx.send('t', { value: 'b', partition: 1 })
      })
      expect(await scenario.committed()).toEqual([['a'], ['b']])
    })
  })
})

describe('B4.71 kafkajs #1050, #1172, #1388, #299', () => {
  test('concurrent sends get sequences of their own, also when answers are lost', async () => {
    await inScenario(async (scenario) => {
      const producer = await warm(scenario)
      scenario.meddler.on({ api: 'Produce', skip: 2, action: { do: 'cut after' } })
      scenario.meddler.on({ api: 'Produce', skip: 9, action: { do: 'cut before' } })
      const values = Array.from({ length: 60 }, (_, n) => `v${n}`)
      const results = sendAll(producer, values)
      expect((await judge(scenario, values, results))[0]).toEqual(values)
      expect(new Set((await Promise.all(results)).map(({ offset }) => offset)).size).toBe(60)
    })
  })

  test.each(VERSIONS)('an empty transaction commits and aborts without an error, version %i', async (version) => {
    await inScenario(async (scenario) => {
      const producer = scenario.transactional(version)
      for (let n = 0; n < 3; n++) {
        await (await producer.begin()).commit()
        await (await producer.begin()).abort()
      }
      await producer.transaction(async (tx) => tx.send('t', { value: 'a', partition: 0 }))
      expect((await scenario.committed())[0]).toEqual(['a'])
    })
  })

  test.each(VERSIONS)('CONCURRENT_TRANSACTIONS is waited out, version %i', async (version) => {
    await inScenario(async (scenario) => {
      const refuseIt: Action = {
        do: 'answer',
        response: () => ({ errorCode: 'CONCURRENT_TRANSACTIONS', producerId: -1, producerEpoch: -1 }),
      }
      const apis = version === 1 ? ['InitProducerId', 'EndTxn', 'AddOffsetsToTxn'] : ['InitProducerId', 'EndTxn']
      for (const api of apis) scenario.meddler.on({ api, times: 3, action: refuseIt })
      if (version === 2) scenario.meddler.on({ api: 'Produce', times: 3, action: refuse('CONCURRENT_TRANSACTIONS') })
      const producer = scenario.transactional(version)
      await producer.transaction(async (tx) => {
        await tx.send('t', { value: 'a', partition: 0 })
        await tx.sendOffsets([{ topic: 't', partition: 0, offset: 1 }], GROUP)
      })
      expect((await scenario.committed())[0]).toEqual(['a'])
    })
  })
})
