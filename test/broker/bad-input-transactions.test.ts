/** Transactional requests that are wrong (reliability.md E.3, groups 16 to 19 and 23). */
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import { addOffsetsToTxn } from '../../src/protocol/messages/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.ts'
import { deleteRecords } from '../../src/protocol/messages/delete-records.ts'
import { deleteTopics } from '../../src/protocol/messages/delete-topics.ts'
import { describeTransactions } from '../../src/protocol/messages/describe-transactions.ts'
import { endTxn } from '../../src/protocol/messages/end-txn.ts'
import { findCoordinator } from '../../src/protocol/messages/find-coordinator.ts'
import { initProducerId } from '../../src/protocol/messages/init-producer-id.ts'
import { joinGroup } from '../../src/protocol/messages/join-group.ts'
import { listTransactions } from '../../src/protocol/messages/list-transactions.ts'
import { offsetFetch } from '../../src/protocol/messages/offset-fetch.ts'
import { syncGroup } from '../../src/protocol/messages/sync-group.ts'
import { txnOffsetCommit } from '../../src/protocol/messages/txn-offset-commit.ts'
import { besideOthers, frameOf, RawPeer, uvarint } from './bad-input-kit.ts'
import { TV1_PRODUCE } from './test-broker.ts'
import type { Producer, TestClient } from './test-broker.ts'

const INT32_MAX = 2 ** 31 - 1

async function init(client: TestClient, transactionalId: string | null, transactionTimeoutMs = 60_000, version = 5) {
  return client.wire.request(initProducerId, version, { transactionalId, transactionTimeoutMs })
}

async function add(
  client: TestClient,
  producer: Producer,
  topics: { name: string; partitions: number[] }[],
  transactionalId = 'id',
): Promise<ErrorCode[]> {
  const { resultsByTopicV3AndBelow } = await client.wire.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: producer.producerId,
    v3AndBelowProducerEpoch: producer.producerEpoch,
    v3AndBelowTopics: topics,
  })
  return resultsByTopicV3AndBelow.flatMap((topic) => topic.resultsByPartition.map((each) => each.partitionErrorCode))
}

describe('16: InitProducerId', () => {
  test(
    'timeouts of 0, below 0 and above transaction.max.timeout.ms are refused',
    besideOthers(async ({ client }) => {
      for (const timeoutMs of [0, -1, -(2 ** 31), INT32_MAX, 900_001]) {
        for (const version of [0, 3, 5]) {
          const { errorCode } = await init(client, 'id', timeoutMs, version)
          expect(errorCode, `${timeoutMs} ms`).toBe('INVALID_TRANSACTION_TIMEOUT')
        }
      }
      expect((await init(client, 'id', 900_000)).errorCode).toBe('NONE')
      // Without a transactional id the timeout has no meaning.
      expect((await init(client, null, INT32_MAX)).errorCode).toBe('NONE')
    }),
  )

  test(
    'an empty transactional id is refused; emoji, NUL and 32,767 bytes are ids like any other, over a restart of it',
    besideOthers(async ({ client }) => {
      expect((await init(client, '')).errorCode).toBe('INVALID_REQUEST')
      for (const id of ['\u{1f600}\u{1f4a5}', 'a\0b', 'x'.repeat(32_767), ' ', '\u{feff}id']) {
        const producer = await init(client, id)
        expect(producer.errorCode).toBe('NONE')
        expect((await client.produceIn(id, producer, 't', 0, 'v')).errorCode).toBe('NONE')
        const { transactionStates } = await client.wire.request(describeTransactions, 0, { transactionalIds: [id] })
        expect(transactionStates[0]).toMatchObject({
          errorCode: 'NONE',
          transactionalId: id,
          transactionState: 'Ongoing',
        })
        expect((await client.endTxn(id, producer, true)).errorCode).toBe('NONE')
        const { coordinators } = await client.wire.request(findCoordinator, 4, { keyType: 1, coordinatorKeys: [id] })
        expect(coordinators[0]?.errorCode).toBe('NONE')
      }
      const { transactionStates } = await client.wire.request(listTransactions, 1, {
        stateFilters: [],
        producerIdFilters: [],
      })
      expect(transactionStates.length).toBe(5)
    }),
  )

  test(
    'a transactional id of more than 32,767 bytes closes the connection',
    besideOthers(async ({ broker }) => {
      using peer = await RawPeer.connect(broker)
      const id = 'x'.repeat(32_768)
      const body = Buffer.concat([uvarint(id.length + 1), Buffer.from(id), Buffer.alloc(4 + 8 + 2 + 1)])
      peer.write(frameOf(initProducerId.key, 4, body, { tags: uvarint(0) }))
      expect(await peer.frame()).toBeUndefined()
    }),
  )

  test(
    'a producer id or epoch without the other, and ones nobody has, are refused',
    besideOthers(async ({ client }) => {
      const producer = await client.initProducer('id')
      const resume = async (producerId: number, producerEpoch: number): Promise<ErrorCode> =>
        (
          await client.wire.request(initProducerId, 5, {
            transactionalId: 'id',
            transactionTimeoutMs: 60_000,
            producerId,
            producerEpoch,
          })
        ).errorCode
      expect(await resume(producer.producerId, -1)).toBe('INVALID_REQUEST')
      expect(await resume(-1, 0)).toBe('INVALID_REQUEST')
      expect(await resume(-7, -7)).toBe('PRODUCER_FENCED')
      expect(await resume(producer.producerId + 1000, 0)).toBe('PRODUCER_FENCED')
      expect(await resume(producer.producerId, 32_767)).toBe('PRODUCER_FENCED')
      expect(await resume(producer.producerId, producer.producerEpoch)).toBe('NONE')
    }),
  )

  test(
    'transactional ids have a limit; those that are there go on',
    besideOthers(
      async ({ client }) => {
        const errors = new Set<ErrorCode>()
        for (let index = 0; index < 30; index++) errors.add((await init(client, `id-${index}`)).errorCode)
        expect(errors.has('NONE')).toBe(true)
        expect(errors.size).toBe(2)
        expect(errors.has('UNKNOWN_SERVER_ERROR')).toBe(false)
        expect((await init(client, 'id-0')).errorCode).toBe('NONE')
      },
      { properties: { 'semel.max.transactional.ids': '20' } },
    ),
  )
})

describe('17: EndTxn', () => {
  test(
    'a wrong producer id, a future epoch, a second commit and a commit after an abort are refused',
    besideOthers(async ({ client }) => {
      const producer = await client.initProducer('id')
      await client.produceIn('id', producer, 't', 0, 'v')
      const end = async (given: Partial<Producer>, committed: boolean, version: number, id = 'id') =>
        (await client.wire.request(endTxn, version, { transactionalId: id, ...producer, ...given, committed }))
          .errorCode
      for (const version of [0, 3, 4, 5]) {
        expect(await end({ producerId: producer.producerId + 1 }, true, version)).toBe('INVALID_PRODUCER_ID_MAPPING')
        expect(await end({ producerId: -1 }, true, version)).toBe('INVALID_PRODUCER_ID_MAPPING')
        expect(await end({}, true, version, 'nobody')).toBe('INVALID_PRODUCER_ID_MAPPING')
        for (const producerEpoch of [producer.producerEpoch + 1, producer.producerEpoch + 5, 32_767, -1]) {
          const error = await end({ producerEpoch }, true, version)
          expect(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH'], `epoch ${producerEpoch}`).toContain(error)
        }
      }
      expect(await client.values('t', 1)).toEqual([])
      const next = await client.endTxn('id', producer, false)
      expect(next.errorCode).toBe('NONE')
      expect(['INVALID_TXN_STATE', 'PRODUCER_FENCED']).toContain((await client.endTxn('id', producer, true)).errorCode)
      expect((await client.endTxn('id', next, true)).errorCode).toBe('INVALID_TXN_STATE')
      expect(await client.values('t', 1)).toEqual([])
    }),
  )
})

describe('18: AddPartitionsToTxn', () => {
  test(
    'a million partitions of nowhere are refused one by one, within bounded memory',
    besideOthers(async ({ broker, client }) => {
      const producer = await client.initProducer('id')
      using peer = await RawPeer.connect(broker)
      const ask = async (partitions: number[]): Promise<Set<number>> => {
        peer.write(
          client.wire.frame(addPartitionsToTxn, 2, {
            v3AndBelowTransactionalId: 'id',
            v3AndBelowProducerId: producer.producerId,
            v3AndBelowProducerEpoch: producer.producerEpoch,
            v3AndBelowTopics: [{ name: 't', partitions }],
          }),
        )
        // Correlation id, throttle time, one topic 't', count; then index and error of each.
        const answer = (await peer.frame()) as Buffer
        expect(answer.readInt32BE(15)).toBe(partitions.length)
        return new Set(partitions.map((_, at) => answer.readInt16BE(19 + at * 6 + 4)))
      }
      const million = Array.from({ length: 1_000_000 }, (_, index) => index)
      expect(await ask(million)).toEqual(new Set([55, 3]))
      expect(await ask(million.fill(0))).toEqual(new Set([0]))
      const { transactionStates } = await client.wire.request(describeTransactions, 0, { transactionalIds: ['id'] })
      expect(transactionStates[0]?.topics).toMatchObject([{ topic: 't', partitions: [0] }])
    }),
  )

  test(
    'unknown and negative partitions refuse all, repeated ones count once, and a transaction has a limit of them',
    besideOthers(
      async ({ client }) => {
        const producer = await client.initProducer('id')
        expect(await add(client, producer, [{ name: 'nowhere', partitions: [0] }])).toEqual([
          'UNKNOWN_TOPIC_OR_PARTITION',
        ])
        expect(await add(client, producer, [{ name: 't', partitions: [0, -1] }])).toEqual([
          'OPERATION_NOT_ATTEMPTED',
          'UNKNOWN_TOPIC_OR_PARTITION',
        ])
        expect(await add(client, producer, [{ name: '', partitions: [0] }])).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
        expect(await add(client, producer, [])).toEqual([])
        await client.createTopic('wide', 20)
        const many = Array.from({ length: 20 }, (_, index) => index)
        const errors = new Set(await add(client, producer, [{ name: 'wide', partitions: many }]))
        expect(errors.has('NONE')).toBe(false)
        expect(errors.has('UNKNOWN_SERVER_ERROR')).toBe(false)
        const twice = [
          { name: 't', partitions: [0, 0] },
          { name: 't', partitions: [0] },
        ]
        expect(await add(client, producer, twice)).toEqual(['NONE', 'NONE', 'NONE'])
        expect((await client.produceIn('id', producer, 't', 0, 'v', { version: TV1_PRODUCE })).errorCode).toBe('NONE')
        expect((await client.endTxn('id', producer, true, 4)).errorCode).toBe('NONE')
        expect(await client.values('t', 1)).toEqual(['v'])
      },
      { properties: { 'semel.max.transaction.partitions': '10' } },
    ),
  )
})

describe('19: TxnOffsetCommit', () => {
  async function commit(
    client: TestClient,
    producer: Producer,
    offset: number,
    more: {
      metadata?: string
      generationId?: number
      memberId?: string
      groupInstanceId?: string
      topic?: string
    } = {},
  ): Promise<ErrorCode | undefined> {
    const { metadata = null, topic = 't', ...member } = more
    const { topics } = await client.wire.request(txnOffsetCommit, 3, {
      transactionalId: 'id',
      groupId: 'g',
      producerId: producer.producerId,
      producerEpoch: producer.producerEpoch,
      ...member,
      topics: [
        { name: topic, partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: metadata }] },
      ],
    })
    return topics[0]?.partitions[0]?.errorCode
  }

  async function committed(client: TestClient): Promise<number | undefined> {
    const { topics } = await client.wire.request(offsetFetch, 7, {
      groupId: 'g',
      topics: [{ name: 't', partitionIndexes: [0] }],
    })
    return topics[0]?.partitions[0]?.committedOffset
  }

  test(
    'negative offsets, long metadata, unknown topics and members that are not there leave no offset behind',
    besideOthers(async ({ client }) => {
      const producer = await client.initProducer('id')
      await client.wire.request(addOffsetsToTxn, 3, { transactionalId: 'id', groupId: 'g', ...producer })
      expect(await commit(client, producer, 7, { metadata: 'x'.repeat(4097) })).toBe('OFFSET_METADATA_TOO_LARGE')
      expect(await commit(client, producer, 7, { metadata: 'x'.repeat(32_767) })).toBe('OFFSET_METADATA_TOO_LARGE')
      expect(await commit(client, producer, 7, { topic: 'nowhere' })).toBe('UNKNOWN_TOPIC_OR_PARTITION')
      expect(await commit(client, producer, 7, { memberId: 'stranger', generationId: 1 })).not.toBe('NONE')
      expect(await commit(client, producer, 7, { generationId: 5 })).not.toBe('NONE')
      expect(await commit(client, { ...producer, producerEpoch: 5 }, 7)).not.toBe('NONE')
      expect(await commit(client, { ...producer, producerId: 4711 }, 7)).toBe('INVALID_PRODUCER_ID_MAPPING')
      expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
      expect(await committed(client)).toBe(-1)
    }),
  )

  test(
    'an offset of -5 does no harm to the group',
    besideOthers(async ({ client }) => {
      const producer = await client.initProducer('id')
      await client.wire.request(addOffsetsToTxn, 3, { transactionalId: 'id', groupId: 'g', ...producer })
      expect(await commit(client, producer, -5)).not.toBe('UNKNOWN_SERVER_ERROR')
      expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
      const next = await client.initProducer('id')
      await client.wire.request(addOffsetsToTxn, 3, { transactionalId: 'id', groupId: 'g', ...next })
      expect(await commit(client, next, 3, { metadata: 'x'.repeat(4096) })).toBe('NONE')
      expect((await client.endTxn('id', next, true)).errorCode).toBe('NONE')
      expect(await committed(client)).toBe(3)
    }),
  )

  test(
    'a wrong generation, member or instance of a group that has members is refused',
    besideOthers(async ({ client }) => {
      const join = (memberId: string) =>
        client.wire.request(joinGroup, 5, {
          groupId: 'g',
          sessionTimeoutMs: 30_000,
          rebalanceTimeoutMs: 30_000,
          memberId,
          groupInstanceId: 'instance',
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
        })
      const { memberId, generationId } = await join('')
      await client.wire.request(syncGroup, 3, {
        groupId: 'g',
        generationId,
        memberId,
        groupInstanceId: 'instance',
        assignments: [],
      })
      const producer = await client.initProducer('id')
      await client.wire.request(addOffsetsToTxn, 3, { transactionalId: 'id', groupId: 'g', ...producer })
      const right = { memberId, generationId, groupInstanceId: 'instance' }
      expect(await commit(client, producer, 1, { ...right, generationId: generationId + 1 })).toBe('ILLEGAL_GENERATION')
      expect(await commit(client, producer, 1, { generationId, memberId: 'stranger' })).toBe('UNKNOWN_MEMBER_ID')
      expect(await commit(client, producer, 1, { ...right, groupInstanceId: 'other' })).not.toBe('NONE')
      expect(await commit(client, producer, 1, { ...right, memberId: 'stranger' })).toBe('FENCED_INSTANCE_ID')
      expect(await commit(client, producer, 9, right)).toBe('NONE')
      expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
      expect(await committed(client)).toBe(9)
    }),
  )
})

describe('23: under an open transaction', () => {
  test(
    'a topic that is deleted takes its part of a transaction with it; the rest commits',
    besideOthers(async ({ client }) => {
      await client.createTopic('doomed')
      const producer = await client.initProducer('id')
      await client.produceIn('id', producer, 'doomed', 0, 'gone')
      await client.produceIn('id', producer, 't', 0, 'kept')
      const { responses } = await client.wire.request(deleteTopics, 6, {
        topics: [{ name: 'doomed' }],
        timeoutMs: 1000,
      })
      expect(responses[0]?.errorCode).toBe('NONE')
      expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
      expect(await client.values('t', 1)).toEqual(['kept'])
      await client.createTopic('doomed')
      expect(await client.values('doomed', 1)).toEqual([])
      expect((await client.produce('doomed', { values: ['new'] })).baseOffset).toBe(0)
    }),
  )

  test(
    'DeleteRecords may pass the last stable offset, not the high watermark',
    besideOthers(async ({ client }) => {
      const producer = await client.initProducer('id')
      await client.produceIn('id', producer, 't', 0, 'open')
      await client.produce('t', { values: ['behind'] })
      const below = async (offset: number, partitionIndex = 0, name = 't') => {
        const { topics } = await client.wire.request(deleteRecords, 2, {
          topics: [{ name, partitions: [{ partitionIndex, offset }] }],
          timeoutMs: 1000,
        })
        return topics[0]?.partitions[0]
      }
      expect(await below(3)).toMatchObject({ errorCode: 'OFFSET_OUT_OF_RANGE' })
      expect(await below(-2)).toMatchObject({ errorCode: 'OFFSET_OUT_OF_RANGE' })
      expect(await below(2 ** 53 - 1)).toMatchObject({ errorCode: 'OFFSET_OUT_OF_RANGE' })
      expect(await below(0, 99)).toMatchObject({ errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' })
      expect(await below(0, 0, '__consumer_offsets')).toMatchObject({ errorCode: 'INVALID_TOPIC_EXCEPTION' })
      expect(await below(2)).toMatchObject({ errorCode: 'NONE', lowWatermark: 2 })
      // What was open has no records left; its reader waits for nothing before the new start.
      expect(await client.fetchRaw('t', 2, { isolation: 1 })).toMatchObject({ errorCode: 'NONE', lastStableOffset: 2 })
      expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
      expect((await client.produce('t', { values: ['after'] })).baseOffset).toBe(3)
      expect((await client.read('t', { isolation: 1, from: 2 })).map(({ value }) => value)).toEqual(['after'])
    }),
  )
})
