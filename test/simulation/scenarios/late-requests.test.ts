/**
 * Requests of a transaction that arrive when it is over, or before it is known of: held on one connection while another goes on
 * (rows B1 1 to 6). What our own client does in that case, which with version 1 has to be its own care, is in test/client/scenarios.
 */
import { expect, test } from 'vitest'
import type { ErrorCode } from '../../../src/protocol/error-codes.ts'
import { RawProducer } from './raw-producer.ts'
import { inScene, VERSIONS } from './scene.ts'

test.each(['EndTxn', 'Produce', 'Produce elsewhere', 'TxnOffsetCommit'] as const)(
  'B1.1 KAFKA-17754, 18042: a late %s of one transaction does nothing to the next [version 2]',
  async (request) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, 2)
      expect(await producer.send('first')).toBe('NONE')
      const slow = await scene.connect()
      const release = scene.holdNewest()
      const late = {
        EndTxn: () => producer.end(true, { client: slow }),
        Produce: () => producer.produce('late', { client: slow }).then(({ errorCode }) => errorCode),
        'Produce elsewhere': () =>
          producer.produce('late', { client: slow, partition: 1 }).then(({ errorCode }) => errorCode),
        TxnOffsetCommit: () => producer.commitOffset(7, { client: slow }),
      }[request]()
      // The client has given the first try up and asks once more.
      expect(await producer.end(true)).toBe('NONE')
      expect(await producer.send('next')).toBe('NONE')
      if (request === 'TxnOffsetCommit') expect(await producer.stage(3)).toBe('NONE')
      const before = await scene.transaction('tx')
      release()
      expect(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']).toContain(await late)
      expect(before.transactionState).toBe('Ongoing')
      expect(await scene.transaction('tx')).toEqual(before)
      expect(await producer.end(false)).toBe('NONE')
      await scene.settled()
      expect(await scene.log()).toEqual(['committed 0: first', 'commit-marker 1', 'aborted 1: next', 'abort-marker 2'])
      expect(await scene.log('t', 1)).toEqual([])
      expect(await scene.offset()).toBe(-1)
    })
  },
)

test.each(VERSIONS)(
  'B1.2 KIP-890: a batch that arrives after the abort of its transaction opens none [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version, { timeoutMs: 2_000 })
      expect(await producer.send('early')).toBe('NONE')
      const slow = await scene.connect()
      const release = scene.holdNewest()
      const [late, elsewhere] = [
        producer.produce('late', { client: slow }),
        producer.produce('late', { client: slow, partition: 1 }),
      ]
      await scene.settled()
      release()
      expect((await late).errorCode).toBe('INVALID_PRODUCER_EPOCH')
      expect((await elsewhere).errorCode).not.toBe('NONE')
      expect(await scene.log()).toEqual(['aborted 0: early', 'abort-marker 1'])
      expect(await scene.log('t', 1)).toEqual([])
    })
  },
)

test.each([
  [3, 'INVALID_TXN_STATE'],
  [8, 'INVALID_TXN_STATE'],
  [10, 'INVALID_TXN_STATE'],
  [11, 'TRANSACTION_ABORTABLE'],
])(
  'B1.3 KIP-890: a batch for a partition that is not in the transaction is refused [Produce %i: %s]',
  async (produceVersion, expected) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, 1)
      const intrude = async (sequence: number, partition: number) => {
        const { client, current } = producer
        const where = { version: produceVersion, partition }
        return (await producer.despite(() => client.produceIn('tx', current, 't', sequence, 'intruder', where)))
          .errorCode
      }
      expect(await intrude(0, 0), 'before any transaction').toBe(expected)
      expect(await producer.send('mine')).toBe('NONE')
      expect(await intrude(0, 1), 'beside the one that is open').toBe(expected)
      expect(await producer.end(true)).toBe('NONE')
      await scene.settled()
      expect(await intrude(1, 0), 'where the last one was').toBe(expected)
      await scene.powerCut()
      producer.client = await scene.connect()
      expect(await intrude(1, 0), 'after a power cut').toBe(expected)
      expect(await scene.log()).toEqual(['committed 0: mine', 'commit-marker 0'])
      expect(await scene.log('t', 1)).toEqual([])
    })
  },
)

test.each(VERSIONS)(
  'B1.4 KAFKA-14884: a batch and the abort of its transaction, whichever comes first, leave nothing behind the marker [version %i]',
  async (version) => {
    const answers = new Set<ErrorCode>()
    for (let seed = 1; seed <= 16; seed++) {
      await inScene(
        async (scene) => {
          const producer = await RawProducer.start(scene, version)
          expect(await producer.send('early')).toBe('NONE')
          if (version === 1) expect(await producer.add(1)).toBe('NONE')
          const late = { client: await scene.connect(), producer: producer.current }
          // A flush takes some twenty milliseconds: so long the abort is decided and its markers are not written.
          scene.broker.slowDisk(50)
          const aborting = scene.pause(1.5).then(() => producer.endAtLast(false))
          await scene.pause(0.2 * seed * seed)
          const [known, added] = await Promise.all([
            producer.produce('late', { ...late, partition: 0, sequence: 1 }),
            producer.produce('late', { ...late, partition: 1, sequence: 0 }),
          ])
          answers.add(known.errorCode)
          expect(await aborting).toBe('NONE')
          expect(await scene.ended()).toBe('CompleteAbort')
          const marker = `abort-marker ${version === 1 ? 0 : 1}`
          const behind = known.errorCode === 'NONE' ? ['aborted 0: late'] : []
          expect(await scene.log('t', 0)).toEqual(['aborted 0: early', ...behind, marker])
          if (added.errorCode === 'NONE') expect(await scene.log('t', 1)).toEqual(['aborted 0: late', marker])
          else expect(await scene.log('t', 1)).toEqual(version === 1 ? [marker] : [])
        },
        { seed },
      )
    }
    // Both orders have been seen.
    expect(answers.has('NONE')).toBe(true)
    expect(answers.size).toBeGreaterThan(1)
  },
)

test('B1.5 KAFKA-14904, 14920: when the first of five in flight is not verified, none of the others overtakes it [version 1]', async () => {
  await inScene(async (scene) => {
    const producer = await RawProducer.start(scene, 1)
    expect(await producer.add(1)).toBe('NONE')
    const send = async (sequence: number) => (await producer.produce(`${sequence}`, { sequence })).errorCode
    const first = await send(0)
    expect(first).toBe('TRANSACTION_ABORTABLE')
    // The request that adds the partition was slow; now it is there, and the other four are.
    expect(await producer.add(0)).toBe('NONE')
    expect(await Promise.all([1, 2, 3, 4].map(send))).toEqual(Array(4).fill('OUT_OF_ORDER_SEQUENCE_NUMBER'))
    expect(await Promise.all([0, 1, 2, 3, 4].map(send))).toEqual(Array(5).fill('NONE'))
    expect(await producer.end(true)).toBe('NONE')
    await scene.settled()
    expect(await scene.committed()).toEqual(['0', '1', '2', '3', '4'])
  })
})

test.each(VERSIONS)(
  'B1.6 KAFKA-15449: offsets that arrive when their transaction is over, or that it does not know of, are refused [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version, { timeoutMs: 2_000 })
      if (version === 1) expect(await producer.commitOffset(5)).toBe('TRANSACTION_ABORTABLE')
      expect(await producer.stage(6)).toBe('NONE')
      expect(await producer.send('output')).toBe('NONE')
      const slow = await scene.connect()
      const release = scene.holdNewest()
      const late = producer.commitOffset(7, { client: slow })
      await scene.settled()
      const heir = await RawProducer.start(scene, version)
      expect(await heir.stage(3)).toBe('NONE')
      release()
      expect(await late).toBe('INVALID_PRODUCER_EPOCH')
      expect(await heir.end(true)).toBe('NONE')
      await scene.ended()
      expect(await scene.offset()).toBe(3)
    })
  },
)

test.each(VERSIONS)(
  'B1.6 KAFKA-15784: staged offsets count with their transaction or not at all, wherever the power goes [version %i]',
  async (version) => {
    for (let operation = 0; operation < 12; operation++) {
      await inScene(
        async (scene) => {
          const producer = await RawProducer.start(scene, version)
          const cut = scene.powerCutAt(operation)
          expect(await producer.despite(() => producer.stage(7))).toBe('NONE')
          expect(await producer.despite(() => producer.send('output'))).toBe('NONE')
          expect(await scene.offset('g', { requireStable: false })).toBe(-1)
          expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
          await scene.settled()
          expect(await scene.offset()).toBe(7)
          expect(await scene.committed()).toEqual(['output'])
          // Whatever was left of the operations: there is an end to it.
          const after = await RawProducer.start(scene, version, { id: 'after' })
          for (let more = 0; more <= operation; more++) {
            expect(await after.despite(() => after.stage(8 + more, { groupId: 'other' }))).toBe('NONE')
            await scene.pause(20)
          }
          expect(await after.despite(() => after.endAtLast(false))).toBe('NONE')
          await cut
        },
        { seed: operation + 1 },
      )
    }
  },
)
