/**
 * A broker that answers what no broker should (reliability E.3, 27 and 28): counts and offsets that cannot be, answers without
 * what was asked for and with what was not, codes of the future. The client says what is the matter or waits for a better
 * answer; it never hangs, never stores or hands out anything twice, and goes on when the answers are right again.
 */
import { describe, expect, test } from 'vitest'
import type { Consumer } from '../../../src/client/consumer/consumer.ts'
import { KafkaError } from '../../../src/client/errors.ts'
import { buildBatch } from '../../../src/protocol/record-batch.ts'
import type { Message } from '../../../src/testing/wire-frames.ts'
import { GROUP, inScenario, type Scenario, type TransactionVersion } from './scenario-kit.ts'

const VALUES = ['a', 'b', 'c', 'd', 'e', 'f']
/** Strikes so often, then the broker behaves. */
const STRIKES = 3

type Change = (response: Message) => void

const eachPartition =
  (change: (partition: Message) => void): Change =>
  ({ responses }) => {
    for (const { partitions, partitionResponses } of responses) {
      for (const partition of partitions ?? partitionResponses) change(partition)
    }
  }

/** So many bytes behind the correlation id, the header's tags and the throttle time lies the error code of simple answers. */
const ERROR_AT = 9
const futureCode = (frame: Buffer): Buffer => {
  frame.writeInt16BE(31_999, ERROR_AT)
  return frame
}

describe('Produce', () => {
  test.each<[string, Change]>([
    ['without partitions', (response) => void (response.responses = [])],
    [
      'with partitions of others',
      ({ responses }) =>
        void responses.push({
          ...responses[0],
          partitionResponses: [{ ...responses[0].partitionResponses[0], index: 77 }],
        }),
    ],
    [
      'with its partition twice',
      ({ responses }) => void responses[0].partitionResponses.push(responses[0].partitionResponses[0]),
    ],
    ['with a negative partition', eachPartition((partition) => void (partition.index = -1))],
    ['with a negative offset', eachPartition((partition) => void (partition.baseOffset = -9))],
    [
      'with errors for records that were not sent',
      eachPartition(
        (partition) =>
          void (partition.recordErrors = [
            { batchIndex: -4, batchIndexErrorMessage: 'x' },
            { batchIndex: 99, batchIndexErrorMessage: null },
          ]),
      ),
    ],
    [
      'that sends it to a leader nobody knows',
      eachPartition((partition) =>
        Object.assign(partition, {
          errorCode: 'NOT_LEADER_OR_FOLLOWER',
          currentLeader: { leaderId: 999, leaderEpoch: 1 },
        }),
      ),
    ],
    ['that throttles for 24 days', (response) => void (response.throttleTimeMs = 2 ** 31 - 1)],
  ])('an answer %s: each record is stored once and in order', async (_, change) => {
    await inScenario(async (scenario) => {
      const producer = scenario.kafka.producer({ batchSizeBytes: 0, deliveryTimeoutMs: 600_000 })
      scenario.meddler.on({ api: 'Produce', skip: 1, times: STRIKES, action: { do: 'change response', change } })
      const sends = VALUES.map((value) => producer.send('t', { value, partition: 0 }))
      for (const outcome of await Promise.allSettled(sends)) expect(outcome.status).toBe('fulfilled')
      expect((await scenario.stored())[0]).toEqual(VALUES)
    })
  })
})

describe.each([1, 2] as const)('transactions of version %i', (version: TransactionVersion) => {
  const ROWS: readonly [api: string, name: string, change: Change][] = [
    ['InitProducerId', 'names no producer id', (response) => void (response.producerId = -1)],
    ['InitProducerId', 'names a negative epoch', (response) => void (response.producerEpoch = -7)],
    ['AddPartitionsToTxn', 'speaks of no partition', (response) => void (response.resultsByTopicV3AndBelow = [])],
    [
      'AddPartitionsToTxn',
      'speaks of others',
      ({ resultsByTopicV3AndBelow: [topic] }) =>
        void topic.resultsByPartition.push({ partitionIndex: -5, partitionErrorCode: 'NONE' }),
    ],
    ['TxnOffsetCommit', 'speaks of no partition', (response) => void (response.topics = [])],
    [
      'TxnOffsetCommit',
      'speaks of others',
      ({ topics: [topic] }) => void topic.partitions.push({ partitionIndex: 41, errorCode: 'NONE' }),
    ],
    [
      'TxnOffsetCommit',
      'speaks of one twice',
      ({ topics: [topic] }) => void topic.partitions.push(topic.partitions[0]),
    ],
    ['EndTxn', 'names no producer id', (response) => Object.assign(response, { producerId: -1, producerEpoch: -1 })],
    ['EndTxn', 'names a negative epoch', (response) => void (response.producerEpoch = -3)],
    ['EndTxn', 'names the id of somebody else', (response) => void (response.producerId = 123_456)],
    ['EndTxn', 'names an old epoch', (response) => void (response.producerEpoch = 0)],
    ['EndTxn', 'names an epoch of the future', (response) => void (response.producerEpoch = 32_000)],
    [
      'FindCoordinator',
      'leads elsewhere',
      ({ coordinators }) => coordinators.forEach((one: Message) => void (one.port = 1)),
    ],
    ['FindCoordinator', 'leads nowhere', ({ coordinators }) => void (coordinators.length = 0)],
  ]
  const OF_VERSION_1 = ['AddPartitionsToTxn', 'AddOffsetsToTxn']
  const hasRule = ([api, name]: readonly [string, string, ...unknown[]]): boolean =>
    version === 1 ? !(api === 'EndTxn' && name.startsWith('names')) : !OF_VERSION_1.includes(api)

  /** Commits each value in a transaction of its own, over two partitions, with a new producer whenever one has failed. */
  async function commitAll(scenario: Scenario): Promise<void> {
    const start = () => scenario.transactional(version, { maxBlockMs: 5_000, deliveryTimeoutMs: 5_000 })
    let producer = start()
    for (const [n, value] of VALUES.entries()) {
      for (let attempt = 0; ; attempt++) {
        expect(attempt, 'it goes on').toBeLessThan(8)
        try {
          await producer.transaction(async (tx) => {
            for (const partition of [0, 1]) await tx.send('t', { value, partition })
            await tx.sendOffsets([{ topic: 't', partition: 0, offset: n + 1 }], GROUP)
          })
          break
        } catch (error) {
          expect(error).toBeInstanceOf(KafkaError)
          const { code, recovery } = error as KafkaError
          expect(code, 'no commit is left in doubt').not.toBe('COMMIT_OUTCOME_UNKNOWN')
          expect(['abort-transaction', 'restart-producer', 'retry']).toContain(recovery)
          if (recovery === 'restart-producer') {
            await producer.close({ timeoutMs: 1_000 })
            producer = start()
          }
        }
      }
    }
    await producer.close()
    await scenario.settled()
    expect(await scenario.committed()).toEqual([VALUES, VALUES])
    expect(await scenario.committedOffset()).toBe(VALUES.length)
  }

  test.each(ROWS.filter(hasRule))('%s %s', async (api, _, change) => {
    await inScenario(async (scenario) => {
      scenario.meddler.on({ api, times: STRIKES, action: { do: 'change response', change } })
      await commitAll(scenario)
    })
  })

  test.each(['InitProducerId', 'EndTxn', 'AddOffsetsToTxn'].filter((api) => hasRule([api, ''])))(
    '%s is refused with a code of the future',
    async (api) => {
      await inScenario(async (scenario) => {
        const { meddler } = scenario
        meddler.on({ api, action: { do: 'change bytes', change: futureCode } })
        const producer = scenario.transactional(version, { maxBlockMs: 5_000 })
        const outcome: unknown = await producer
          .transaction(async (tx) => {
            await tx.send('t', { value: 'a', partition: 0 })
            await tx.sendOffsets([{ topic: 't', partition: 0, offset: 1 }], GROUP)
          })
          .then(
            () => 'committed',
            (error: unknown) => error,
          )
        await producer.close({ timeoutMs: 1_000 })
        await scenario.transactional(version).init()
        await scenario.settled()
        const stored = (await scenario.committed())[0]
        if (outcome === 'committed') expect(stored).toEqual(['a'])
        else {
          expect(outcome).toBeInstanceOf(KafkaError)
          // Of the end of a transaction such a code says nothing.
          if (api === 'EndTxn') expect((outcome as KafkaError).code).toBe('COMMIT_OUTCOME_UNKNOWN')
          else expect(stored).toEqual([])
        }
      })
    },
  )
})

/** Reads until all values are there, with a new consumer when one has failed for good; what it was told on the way. */
async function readAll(start: () => Consumer): Promise<{ read: string[]; errors: KafkaError[] }> {
  const read: string[] = []
  const errors: KafkaError[] = []
  let consumer = start()
  for (let polls = 0; read.length < VALUES.length; polls++) {
    expect(polls, `it goes on (${read.join()}; ${errors.map(({ message }) => message).join()})`).toBeLessThan(150)
    try {
      for (const { value } of await consumer.poll({ timeoutMs: 1_000 })) read.push(String(value))
    } catch (error) {
      expect(error).toBeInstanceOf(KafkaError)
      errors.push(error as KafkaError)
      if (errors.length % 5 === 0 && read.length === 0) {
        await consumer.close({ timeoutMs: 1_000 })
        consumer = start()
      }
      if ((error as KafkaError).code === 'CORRUPT_MESSAGE') consumer.seek({ topic: 't', partition: 0 }, read.length)
    }
  }
  expect((await consumer.poll({ timeoutMs: 3_000 })).map(({ value }) => String(value))).toEqual([])
  await consumer.close()
  return { read, errors }
}

async function fill({ admin }: Scenario): Promise<void> {
  for (const value of VALUES) await admin.produce('t', { values: [value] })
}

describe('reading partitions', () => {
  const batch = (baseOffset: number, count: number, change: (bytes: Buffer) => void = () => undefined): Buffer => {
    const records = Array.from({ length: count }, () => ({ timestamp: 0, key: null, value: Buffer.from('evil') }))
    const bytes = Buffer.from(buildBatch({ records }))
    bytes.writeBigInt64BE(BigInt(baseOffset), 0)
    change(bytes)
    return bytes
  }
  const withRecords = (records: Buffer): Change => eachPartition((partition) => void (partition.records = records))

  test.each<[string, string, Change]>([
    [
      'Fetch',
      'has negative watermarks',
      eachPartition((one) => Object.assign(one, { highWatermark: -5, lastStableOffset: -9, logStartOffset: -2 })),
    ],
    ['Fetch', 'has no partitions', (response) => void (response.responses = [])],
    [
      'Fetch',
      'has partitions of others',
      ({ responses }) =>
        responses.forEach(({ partitions }: Message) => partitions.push({ ...partitions[0], partitionIndex: 1_000 })),
    ],
    [
      'Fetch',
      'has topics of others',
      ({ responses }) => responses.forEach((one: Message) => void (one.topicId = 'BBBBBBBBBBBBBBBBBBBBBB')),
    ],
    [
      'Fetch',
      'has an offset that is too high for its leader',
      eachPartition((one) => void (one.errorCode = 'OFFSET_NOT_AVAILABLE')),
    ],
    ['Fetch', 'has garbage for records', withRecords(Buffer.alloc(300, 0x41))],
    ['Fetch', 'has a batch without end', withRecords(batch(0, 3, (bytes) => bytes.writeInt32BE(2 ** 31 - 1, 8)))],
    ['Fetch', 'has a batch of negative length', withRecords(batch(0, 3, (bytes) => bytes.writeInt32BE(-1, 8)))],
    ['Fetch', 'has a batch with a negative count', withRecords(batch(0, 3, (bytes) => bytes.writeInt32BE(-1, 57)))],
    [
      'Fetch',
      'has a batch with a count beyond its bytes',
      withRecords(batch(0, 3, (bytes) => bytes.writeInt32BE(2 ** 31 - 1, 57))),
    ],
    ['Fetch', 'has a batch of another magic', withRecords(batch(0, 3, (bytes) => bytes.writeInt8(7, 16)))],
    ['Fetch', 'has a wrong checksum', withRecords(batch(0, 3, (bytes) => bytes.writeUInt32BE(1, 17)))],
    ['Fetch', 'has batches that go backwards', withRecords(Buffer.concat([batch(4, 2), batch(0, 2)]))],
    ['Fetch', 'ends its session each time', (response) => void (response.sessionId = 0)],
    ['Fetch', 'has another session each time', (response) => void (response.sessionId += 1)],
    ['Fetch', 'throttles for 24 days', (response) => void (response.throttleTimeMs = 2 ** 31 - 1)],
    ['ListOffsets', 'has no partitions', ({ topics }) => void (topics.length = 0)],
    [
      'ListOffsets',
      'has a negative offset',
      ({ topics }) =>
        topics.forEach(({ partitions }: Message) => partitions.forEach((one: Message) => void (one.offset = -7))),
    ],
    [
      'Metadata',
      'knows no leader',
      ({ topics }) =>
        topics.forEach(({ partitions }: Message) => partitions.forEach((one: Message) => void (one.leaderId = -1))),
    ],
    [
      'Metadata',
      'names a leader that is no broker',
      ({ topics }) =>
        topics.forEach(({ partitions }: Message) => partitions.forEach((one: Message) => void (one.leaderId = 99))),
    ],
    ['Metadata', 'has gaps', ({ topics }) => topics.forEach(({ partitions }: Message) => void partitions.shift())],
    ['Metadata', 'knows no topic', ({ topics }) => void (topics.length = 0)],
    ['Metadata', 'knows no broker', ({ brokers }) => void (brokers.length = 0)],
  ])('%s %s: every record comes once and in order', async (api, _, change) => {
    await inScenario(async (scenario) => {
      await fill(scenario)
      scenario.meddler.on({ api, times: STRIKES, action: { do: 'change response', change } })
      const { read } = await readAll(() => scenario.kafka.consumer({ partitions: [{ topic: 't', partition: 0 }] }))
      expect(read).toEqual(VALUES)
    })
  })

  test('a bomb is told with its place, and a seek goes past it', async () => {
    await inScenario(async (scenario) => {
      const producer = scenario.kafka.producer({ compression: 'zstd' })
      await producer.send('t', { value: 'x'.repeat(900_000), partition: 0 })
      await producer.send('t', { value: 'behind', partition: 0 })
      const at = { topic: 't', partition: 0 }
      const consumer = scenario.kafka.consumer({ partitions: [at], maxDecompressedBytes: 10_000 })
      for (let n = 0; n < 3; n++) {
        await expect(consumer.poll({ timeoutMs: 1_000 })).rejects.toMatchObject({
          name: 'KafkaError',
          code: 'CORRUPT_MESSAGE',
        })
      }
      consumer.seek(at, 1)
      expect((await consumer.poll({ timeoutMs: 1_000 })).map(({ value }) => String(value))).toEqual(['behind'])
    })
  })
})

describe('groups', () => {
  test.each<[string, string, Change]>([
    ['JoinGroup', 'names no member', (response) => void (response.memberId = '')],
    ['JoinGroup', 'has a negative generation', (response) => void (response.generationId = -1)],
    ['JoinGroup', 'has a protocol nobody asked for', (response) => void (response.protocolName = 'evil')],
    ['SyncGroup', 'assigns garbage', (response) => void (response.assignment = Buffer.alloc(40, 0xee))],
    [
      'OffsetFetch',
      'has a negative offset',
      ({ groups }) =>
        groups.forEach(({ topics }: Message) =>
          topics.forEach(({ partitions }: Message) =>
            partitions.forEach((one: Message) => void (one.committedOffset = -33)),
          ),
        ),
    ],
    ['OffsetFetch', 'has no partitions', ({ groups }) => groups.forEach((group: Message) => void (group.topics = []))],
    ['OffsetFetch', 'has no group', ({ groups }) => void (groups.length = 0)],
    ['OffsetCommit', 'has no partitions', (response) => void (response.topics = [])],
    ['Heartbeat', 'throttles for 24 days', (response) => void (response.throttleTimeMs = 2 ** 31 - 1)],
  ])('%s %s: every record comes, and in order', async (api, _, change) => {
    await inScenario(
      async (scenario) => {
        await fill(scenario)
        const rule = scenario.meddler.on({ api, times: STRIKES, action: { do: 'change response', change } })
        const start = () =>
          scenario.kafka.consumer({ groupId: 'g', topics: ['t'], heartbeatIntervalMs: 500, autoCommitIntervalMs: 400 })
        const { read } = await readAll(start)
        expect(read).toEqual(VALUES)
        expect(rule.exchanges.length).toBeGreaterThan(0)
      },
      { partitions: 1 },
    )
  })

  test.each<[string, string, Change]>([
    [
      'JoinGroup',
      'has members with garbage',
      ({ members }) => members.forEach((one: Message) => void (one.metadata = Buffer.alloc(7, 0xff))),
    ],
    [
      'JoinGroup',
      'has a thousand members',
      ({ members }) =>
        void members.push(
          ...Array.from({ length: members.length === 0 ? 0 : 1_000 }, (_, n) => ({ ...members[0], memberId: `m${n}` })),
        ),
    ],
    ['SyncGroup', 'assigns nothing', (response) => void (response.assignment = Buffer.alloc(0))],
  ])('%s %s: the member waits for partitions, and another one gets them when it leaves', async (api, _, change) => {
    await inScenario(
      async (scenario) => {
        await fill(scenario)
        // The first JoinGroup is only told an id.
        const when = ({ response }: Message): boolean => response.errorCode === 'NONE'
        const rule = scenario.meddler.on({ api, when, action: { do: 'change response', change } })
        const start = () => scenario.kafka.consumer({ groupId: 'g', topics: ['t'] })
        const consumer = start()
        for (let n = 0; n < 5; n++) expect(await consumer.poll({ timeoutMs: 1_000 })).toEqual([])
        expect(rule.exchanges).toHaveLength(1)
        await consumer.close()
        expect((await readAll(start)).read).toEqual(VALUES)
      },
      { partitions: 1 },
    )
  })

  test('a heartbeat that is refused with a code of the future changes nothing for long', async () => {
    await inScenario(
      async (scenario) => {
        await fill(scenario)
        scenario.meddler.on({ api: 'Heartbeat', times: STRIKES, action: { do: 'change bytes', change: futureCode } })
        const { read } = await readAll(() =>
          scenario.kafka.consumer({ groupId: 'g', topics: ['t'], heartbeatIntervalMs: 500 }),
        )
        expect(read).toEqual(VALUES)
      },
      { partitions: 1 },
    )
  })
})
