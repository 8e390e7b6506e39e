/** Produce requests that are wrong as a whole, or in what they say of their producer (reliability.md E.3, 14 and 15). */
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import { metadata } from '../../src/protocol/messages/metadata.ts'
import { produce } from '../../src/protocol/messages/produce.ts'
import type { BatchOptions } from '../../src/protocol/record-batch.ts'
import { AT, besideOthers, changed } from './bad-input-kit.ts'
import { batchOf } from './test-broker.ts'
import type { TestClient } from './test-broker.ts'

interface Line {
  readonly topic?: string
  readonly index?: number
  readonly records: Uint8Array
}

async function send(
  client: TestClient,
  lines: readonly Line[],
  options: { readonly transactionalId?: string | null; readonly acks?: number; readonly version?: number } = {},
): Promise<ErrorCode[]> {
  const { transactionalId = null, acks = -1, version = 11 } = options
  const { responses } = await client.wire.request(produce, version, {
    transactionalId,
    acks,
    timeoutMs: 1000,
    topicData: lines.map(({ topic = 't', index = 0, records }) => ({
      name: topic,
      partitionData: [{ index, records }],
    })),
  })
  return responses.flatMap(({ partitionResponses }) => partitionResponses.map(({ errorCode }) => errorCode))
}

async function isEmpty(client: TestClient, partition = 0): Promise<boolean> {
  return (await client.values('t', 0, partition)).length === 0
}

describe('14: what a batch says of its producer', () => {
  test(
    'combinations of producer id, epoch and sequence that cannot be are refused',
    besideOthers(async ({ client }) => {
      const { producerId } = await client.initProducer(null)
      const cases: readonly (readonly [string, Partial<BatchOptions>])[] = [
        ['base sequence -2', { producerId, producerEpoch: 0, baseSequence: -2 }],
        ['base sequence -1', { producerId, producerEpoch: 0, baseSequence: -1 }],
        ['base sequence -2^31', { producerId, producerEpoch: 0, baseSequence: -(2 ** 31) }],
        ['epoch -1', { producerId, producerEpoch: -1, baseSequence: 0 }],
        ['epoch -2', { producerId, producerEpoch: -2, baseSequence: 0 }],
        ['producer id -2', { producerId: -2, producerEpoch: 0, baseSequence: 0 }],
        ['transactional without producer id', { isTransactional: true }],
      ]
      for (const [what, options] of cases) {
        const [error] = await send(client, [{ records: batchOf(options) }], { transactionalId: 'id' })
        expect(error, what).toBe('INVALID_RECORD')
      }
      const beyond = changed(batchOf({}), (bytes) => bytes.writeBigInt64BE(2n ** 62n, AT.producerId))
      expect(await send(client, [{ records: beyond }])).toEqual(['CORRUPT_MESSAGE'])
      expect(await isEmpty(client)).toBe(true)
      // Without a producer id the rest means nothing.
      const plain = batchOf({ values: ['plain'], baseSequence: 7, producerEpoch: 3 })
      expect(await send(client, [{ records: plain }, { index: 1, records: plain }])).toEqual(['NONE', 'NONE'])
      expect(await client.values('t')).toEqual(['plain'])
    }),
  )

  test(
    'control batches of clients are refused, transactional or not',
    besideOthers(async ({ client }) => {
      const producer = await client.initProducer('id')
      for (const isTransactional of [true, false]) {
        const records = batchOf({ ...producer, baseSequence: 0, isControl: true, isTransactional })
        expect(await send(client, [{ records }], { transactionalId: 'id', version: 12 })).toEqual(['INVALID_RECORD'])
      }
      expect(await isEmpty(client)).toBe(true)
    }),
  )

  test(
    'a transactional batch without transactional id in the request is refused',
    besideOthers(async ({ client }) => {
      const producer = await client.initProducer('id')
      const records = batchOf({ ...producer, baseSequence: 0, isTransactional: true })
      for (const version of [9, 11, 12]) {
        const [error] = await send(client, [{ records }], { version })
        expect(error, `version ${version}`).not.toBe('NONE')
        expect(error).not.toBe('UNKNOWN_SERVER_ERROR')
      }
      expect(await isEmpty(client)).toBe(true)
      expect(await send(client, [{ records }], { transactionalId: 'id', version: 12 })).toEqual(['NONE'])
    }),
  )

  test(
    'two producers, or transactional and plain batches, in one request: the wrong ones are refused or all are',
    besideOthers(async ({ client }) => {
      const one = await client.initProducer('one')
      const two = await client.initProducer('two')
      const of = (producer: typeof one, isTransactional: boolean, index: number): Line => ({
        index,
        records: batchOf({ ...producer, baseSequence: 0, isTransactional }),
      })
      const strangers = await send(client, [of(one, true, 0), of(two, true, 1)], {
        transactionalId: 'one',
        version: 12,
      })
      expect(strangers[1]).not.toBe('NONE')
      expect(await isEmpty(client, 1)).toBe(true)
      const mixed = await send(client, [of(two, true, 1), { index: 2, records: batchOf({}) }], {
        transactionalId: 'two',
        version: 12,
      })
      expect(mixed).not.toContain('UNKNOWN_SERVER_ERROR')
      for (const [id, producer] of [
        ['one', one],
        ['two', two],
      ] as const) {
        expect((await client.endTxn(id, producer, false)).errorCode).toBe('NONE')
      }
      expect(await client.values('t', 1, 1)).toEqual([])
    }),
  )

  test(
    'two batches for one partition in one request: the second is refused',
    besideOthers(async ({ client }) => {
      const twice = [{ records: batchOf({ values: ['first'] }) }, { records: batchOf({ values: ['second'] }) }]
      expect(await send(client, twice)).toEqual(['NONE', 'INVALID_REQUEST'])
      expect(await client.values('t')).toEqual(['first'])
    }),
  )

  test(
    'a wrong batch does not harm the others of its request',
    besideOthers(async ({ client }) => {
      const wrong = batchOf({ values: ['wrong'] })
      wrong[wrong.length - 1]! ^= 1
      const lines = [
        { index: 0, records: batchOf({ values: ['good'] }) },
        { index: 1, records: wrong },
        { index: 9, records: batchOf({}) },
        { index: -1, records: batchOf({}) },
        { topic: 'nowhere', records: batchOf({}) },
      ]
      expect(await send(client, lines)).toEqual([
        'NONE',
        'CORRUPT_MESSAGE',
        'UNKNOWN_TOPIC_OR_PARTITION',
        'UNKNOWN_TOPIC_OR_PARTITION',
        'UNKNOWN_TOPIC_OR_PARTITION',
      ])
      expect(await client.values('t')).toEqual(['good'])
    }),
  )
})

describe('15: acks and topics', () => {
  test(
    'acks that are not -1, 0 or 1 are refused',
    besideOthers(async ({ client }) => {
      for (const acks of [2, -2, 32_767, -32_768]) {
        expect(await send(client, [{ records: batchOf({}) }], { acks })).toEqual(['INVALID_REQUIRED_ACKS'])
      }
      expect(await isEmpty(client)).toBe(true)
    }),
  )

  test(
    'acks=0: what is good is written, what is not closes the connection, as there is no answer to say it with',
    besideOthers(async ({ broker, client }) => {
      const fireAndForget = (other: TestClient, topic: string): void =>
        other.wire.send(produce, 9, {
          transactionalId: null,
          acks: 0,
          timeoutMs: 1000,
          topicData: [{ name: topic, partitionData: [{ index: 0, records: batchOf({ values: [topic] }) }] }],
        })
      const wrong = await broker.connect()
      fireAndForget(wrong, 'nowhere')
      await wrong.wire.closed
      const good = await broker.connect()
      fireAndForget(good, 't')
      await good.fetchRaw('t', 0, { maxWaitMs: 5000 })
      expect(await good.values('t')).toEqual(['t'])
      expect(client.wire.isClosed).toBe(false)
    }),
  )

  test(
    'names that no topic has, or may have, are unknown; internal topics are written by the broker only',
    besideOthers(async ({ client }) => {
      for (const topic of ['.', '..', '../x', 'a/b', 'x'.repeat(250), 'x'.repeat(32_767), '\u{1f600}', 'a\0b']) {
        expect(await send(client, [{ topic, records: batchOf({}) }]), topic).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
        const { topics } = await client.wire.request(metadata, 12, {
          topics: [{ name: topic }],
          allowAutoTopicCreation: true,
        })
        expect(topics[0]?.errorCode, topic).toBe('INVALID_TOPIC_EXCEPTION')
      }
      const [empty] = await send(client, [{ topic: '', records: batchOf({}) }])
      expect(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID']).toContain(empty)
      for (const topic of ['__consumer_offsets', '__transaction_state']) {
        expect(await send(client, [{ topic, records: batchOf({}) }])).toEqual(['INVALID_TOPIC_EXCEPTION'])
      }
      expect(await send(client, [{ topic: '__cluster_metadata', records: batchOf({}) }])).toEqual([
        'UNKNOWN_TOPIC_OR_PARTITION',
      ])
    }),
  )

  test(
    'a topic that demands more replicas than there are takes acks=1 only',
    besideOthers(async ({ client }) => {
      await client.createTopic('careful', 1, { 'min.insync.replicas': '2' })
      expect(await send(client, [{ topic: 'careful', records: batchOf({}) }])).toEqual(['NOT_ENOUGH_REPLICAS'])
      expect(await send(client, [{ topic: 'careful', records: batchOf({}) }], { acks: 1 })).toEqual(['NONE'])
    }),
  )
})
