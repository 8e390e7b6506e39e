/**
 * What clients of different versions are told, and what the change from one transaction version to the other may not do (row B1 23;
 * kafka-eos.md C13).
 */
import { expect, test } from 'vitest'
import type { ErrorCode } from '../../../src/protocol/error-codes.ts'
import { addOffsetsToTxn } from '../../../src/protocol/messages/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from '../../../src/protocol/messages/add-partitions-to-txn.ts'
import { endTxn } from '../../../src/protocol/messages/end-txn.ts'
import { initProducerId } from '../../../src/protocol/messages/init-producer-id.ts'
import { txnOffsetCommit } from '../../../src/protocol/messages/txn-offset-commit.ts'
import type { Producer, TestClient } from '../../broker/test-broker.ts'
import { RawProducer } from './raw-producer.ts'
import { inScene, VERSIONS } from './scene.ts'

type Ask = (client: TestClient, producer: Producer, version: number) => Promise<ErrorCode | undefined>

const ID = { transactionalId: 'tx' }

/** Each API that a transaction is made of, with the first and last version that names a producer. */
const APIS: Readonly<Record<string, { readonly versions: readonly [number, number]; readonly ask: Ask }>> = {
  InitProducerId: {
    versions: [3, 5],
    ask: async ({ wire }, producer, version) =>
      (await wire.request(initProducerId, version, { ...ID, transactionTimeoutMs: 5_000, ...producer })).errorCode,
  },
  AddPartitionsToTxn: {
    versions: [0, 3],
    async ask({ wire }, { producerId, producerEpoch }, version) {
      const { resultsByTopicV3AndBelow } = await wire.request(addPartitionsToTxn, version, {
        v3AndBelowTransactionalId: 'tx',
        v3AndBelowProducerId: producerId,
        v3AndBelowProducerEpoch: producerEpoch,
        v3AndBelowTopics: [{ name: 't', partitions: [1] }],
      })
      return resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode
    },
  },
  AddOffsetsToTxn: {
    versions: [0, 4],
    ask: async ({ wire }, producer, version) =>
      (await wire.request(addOffsetsToTxn, version, { ...ID, groupId: 'g', ...producer })).errorCode,
  },
  TxnOffsetCommit: {
    versions: [0, 5],
    async ask({ wire }, producer, version) {
      const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: null }]
      const topics = [{ name: 't', partitions }]
      const reply = await wire.request(txnOffsetCommit, version, { ...ID, groupId: 'g', ...producer, topics })
      return reply.topics[0]?.partitions[0]?.errorCode
    },
  },
  Produce: {
    versions: [3, 12],
    ask: async (client, producer, version) =>
      (await client.produceIn('tx', producer, 't', 1, 'x', { version, partition: 1 })).errorCode,
  },
  EndTxn: {
    versions: [0, 5],
    ask: async ({ wire }, producer, version) =>
      (await wire.request(endTxn, version, { ...ID, ...producer, committed: true })).errorCode,
  },
}

/** The first version of an API whose clients know an error; in older ones it would be fatal, or not be understood. */
const KNOWN_FROM: Readonly<Record<string, Readonly<Partial<Record<ErrorCode, number>>>>> = {
  InitProducerId: { PRODUCER_FENCED: 4 },
  AddPartitionsToTxn: { PRODUCER_FENCED: 2 },
  AddOffsetsToTxn: { PRODUCER_FENCED: 2 },
  EndTxn: { PRODUCER_FENCED: 2 },
  Produce: { PRODUCER_FENCED: 99, TRANSACTION_ABORTABLE: 11, CONCURRENT_TRANSACTIONS: 12 },
  TxnOffsetCommit: { PRODUCER_FENCED: 99, TRANSACTION_ABORTABLE: 4, CONCURRENT_TRANSACTIONS: 5 },
}

const EACH = Object.entries(APIS).flatMap(
  ([
    api,
    {
      versions: [first, last],
    },
  ]) => Array.from({ length: last - first + 1 }, (_, at) => [api, first + at] as const),
)

test.each(EACH)(
  'B1.23 KAFKA-14417, 16386: %s %i tells of refusals in words that its clients know',
  async (api, version) => {
    const { ask } = APIS[api] as (typeof APIS)[string]
    await inScene(async (scene) => {
      const told = new Set<ErrorCode | undefined>()
      const zombie = await RawProducer.start(scene, 1)
      const producer = await RawProducer.start(scene, 1)
      expect(await producer.send('x')).toBe('NONE')
      const other = await scene.connect()
      told.add(await ask(other, zombie.current, version))
      // What adds by itself, or is not about partitions, may be right.
      if (api === 'Produce' || api === 'TxnOffsetCommit') told.add(await ask(other, producer.current, version))
      const { transactionState } = await scene.transaction('tx')
      if (transactionState === 'Ongoing') {
        scene.broker.slowDisk(400)
        // Decided and not complete for as long as two flushes take.
        const ending = producer.end(true)
        await scene.pause(30)
        told.add(await ask(other, producer.current, version))
        expect(await ending).toBe('NONE')
        scene.broker.slowDisk(1)
      }
      const refusals = [...told].filter((error) => error !== 'NONE')
      expect(refusals.length).toBeGreaterThan(0)
      for (const error of refusals) {
        expect(error, 'a code of its own').not.toBe('UNKNOWN_SERVER_ERROR')
        expect(version, error).toBeGreaterThanOrEqual(KNOWN_FROM[api]?.[error as ErrorCode] ?? 0)
      }
    })
  },
)

test('C13 KAFKA-18227: what a client adds after its change to version 2 is in the next transaction, not in the last one', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    await inScene(
      async (scene) => {
        const producer = await RawProducer.start(scene, 1)
        expect(await producer.send('one')).toBe('NONE')
        const other = { client: await scene.connect(), producer: producer.current, partition: 1, sequence: 0 }
        scene.broker.slowDisk(50)
        const ending = producer.endAtLast(true)
        // On its way, decided, or complete; the epoch is the same in all three.
        await scene.pause(3 * seed)
        producer.version = 2
        const adding = producer.untilDecided(async () => (await producer.produce('two', other)).errorCode)
        expect(await ending).toBe('NONE')
        expect(await adding).toBe('NONE')
        expect(await producer.endAtLast(false)).toBe('NONE')
        await scene.ended()
        expect(await scene.log('t', 0)).toEqual(['committed 0: one', 'commit-marker 0'])
        expect(await scene.log('t', 1)).toEqual(['aborted 0: two', 'abort-marker 1'])
      },
      { seed },
    )
  }
})

test('C13 KAFKA-18227: a transaction that changes its version in the midst ends in all its partitions', async () => {
  for (const [first, last] of [
    [1, 2],
    [2, 1],
  ] as const) {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, first)
      expect(await producer.send('one', { partition: 0 })).toBe('NONE')
      producer.version = last
      expect(await producer.send('two', { partition: 1 })).toBe('NONE')
      expect(await producer.stage(7)).toBe('NONE')
      expect(await producer.endAtLast(true)).toBe('NONE')
      expect(await scene.ended()).toBe('CompleteCommit')
      expect([await scene.committed('t', 0), await scene.committed('t', 1)]).toEqual([['one'], ['two']])
      expect(await scene.offset()).toBe(7)
      expect(await producer.send('three')).toBe('NONE')
      expect(await producer.endAtLast(true)).toBe('NONE')
    })
  }
})

test.each(VERSIONS)(
  'C13 KAFKA-18401: a commit with nothing sent decides nothing, and its producer goes on [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version)
      expect(await producer.end(true)).toBe('INVALID_TXN_STATE')
      await scene.powerCut()
      expect(await producer.despite(() => producer.end(true))).toBe('INVALID_TXN_STATE')
      expect(await producer.send('x')).toBe('NONE')
      expect(await producer.endAtLast(true)).toBe('NONE')
      expect(await scene.ended()).toBe('CompleteCommit')
      // With version 1 a commit of the same epoch cannot be told from the first one, repeated.
      expect(await producer.end(true)).toBe(version === 1 ? 'NONE' : 'INVALID_TXN_STATE')
      const states = (await scene.coordinatorLog('tx')).map((line) => line.replace(/ .*/, ''))
      expect(states).toEqual(['Empty', 'Ongoing', 'PrepareCommit', 'CompleteCommit'])
      // Our own client does not ask at all.
      const shop = scene.sim.client('shop').kafka.producer({
        transactionalId: 'ours',
        transactionVersion: version === 1 ? 1 : 'auto',
      })
      for (const value of [undefined, 'y', undefined, 'z']) {
        await shop.transaction(async (tx) => {
          if (value !== undefined) await tx.send('t', { value, partition: 0 })
        })
      }
      await shop.close()
      await scene.ended('ours')
      expect(await scene.committed()).toEqual(['x', 'y', 'z'])
    })
  },
)

test('C13 KAFKA-18202: a first batch that is not the first of its producer is refused where nothing is known of it [version 2]', async () => {
  await inScene(async (scene) => {
    const producer = await RawProducer.start(scene, 2)
    const send = async (sequence: number) => (await producer.produce(`${sequence}`, { sequence })).errorCode
    // The connection of the first batch is held up; the second one overtakes it.
    const slow = await scene.connect()
    const release = scene.holdNewest()
    const first = producer.produce('0', { sequence: 0, client: slow })
    expect(await send(1)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    release()
    expect((await first).errorCode).toBe('NONE')
    expect(await send(1)).toBe('NONE')
    expect(await producer.endAtLast(true)).toBe('NONE')
    // The same at the beginning of the next transaction, and after a power cut.
    expect(await send(2)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    await scene.powerCut()
    producer.client = await scene.connect()
    expect(await send(2)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(await send(0)).toBe('NONE')
    expect(await producer.endAtLast(true)).toBe('NONE')
    await scene.ended()
    expect(await scene.committed()).toEqual(['0', '1', '0'])
  })
})
