/**
 * Markers that are late, lost with the power, or meant for a topic that is gone (rows B1 7 to 9, 17, 18, 22 and 26): every transaction
 * completes, once, and no marker does anything to the transaction after its own.
 */
import { expect, test } from 'vitest'
import type { ErrorCode } from '../../../src/protocol/error-codes.ts'
import { deleteTopics } from '../../../src/protocol/messages/delete-topics.ts'
import { writeTxnMarkers } from '../../../src/protocol/messages/write-txn-markers.ts'
import { RawProducer } from './raw-producer.ts'
import { inScene, type Scene, type TransactionVersion, VERSIONS } from './scene.ts'

/** Flushes that take some twenty milliseconds: what follows an answer comes long before the frame after it is durable. */
const SLOW = 50

/** The epoch after so many transactions. */
const epochAfter = (version: TransactionVersion, transactions: number): number => (version === 1 ? 0 : transactions)

test.each(VERSIONS)(
  'B1.7 KAFKA-16352: a marker that is late does not take away the next transaction’s entry [version %i]',
  async (version) => {
    for (let seed = 1; seed <= 6; seed++) {
      await inScene(
        async (scene) => {
          const ids = ['a', 'b', 'c', 'd', 'e']
          const values = ['one', 'two', 'three']
          scene.broker.slowDisk(SLOW)
          // Decisions of several ids wait for their flushes at a time, and each id goes on the moment it may.
          await Promise.all(
            ids.map(async (id) => {
              const producer = await RawProducer.start(scene, version, { id })
              for (const value of values) {
                for (const partition of [0, 1]) {
                  expect(await producer.sendAtLast(`${id} ${value}`, { partition })).toBe('NONE')
                }
                expect(await producer.endAtLast(true)).toBe('NONE')
              }
            }),
          )
          for (const id of ids) {
            expect(await scene.ended(id)).toBe('CompleteCommit')
            const completed = (await scene.coordinatorLog(id)).filter((line) => line.startsWith('Complete'))
            expect(completed).toEqual([1, 2, 3].map((count) => `CompleteCommit ${epochAfter(version, count)}`))
          }
          for (const partition of [0, 1]) {
            const committed = await scene.committed('t', partition)
            expect(committed).toHaveLength(ids.length * values.length)
            for (const id of ids) {
              expect(committed.filter((value) => value?.startsWith(id))).toEqual(
                values.map((value) => `${id} ${value}`),
              )
            }
          }
        },
        { seed },
      )
    }
  },
)

test.each(VERSIONS.flatMap((version) => (['kept', 'lost'] as const).map((writes) => [version, writes] as const)))(
  'B1.8 KAFKA-19999: after a power cut at a marker the transaction completes, and EndTxn is answered as before [version %i, unflushed writes %s]',
  async (version, writes) => {
    for (const operation of [0, 1, 2, 3, 4, 5]) {
      await inScene(
        async (scene) => {
          const producer = await RawProducer.start(scene, version)
          const first = producer.current
          for (const partition of [0, 1]) expect(await producer.send('x', { partition })).toBe('NONE')
          const cut = scene.powerCutAt(operation, { writes, names: 'kept', garbles: false })
          expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
          const next = producer.current
          await somethingIsWritten(scene)
          await cut
          producer.client = await scene.connect()
          expect(await producer.endAtLast(true, { producer: first })).toBe('NONE')
          expect(producer.current).toEqual(next)
          const log = ['committed 0: x', `commit-marker ${epochAfter(version, 1)}`]
          for (const partition of [0, 1]) expect(await scene.log('t', partition)).toEqual(log)
          expect(await producer.send('y')).toBe('NONE')
          expect(await producer.endAtLast(true)).toBe('NONE')
        },
        { seed: operation + 1 },
      )
    }
  },
)

test('B1.9 KAFKA-18575: the next transaction begins the moment EndTxn is answered, and is not drawn into the last one [version 2]', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    await inScene(
      async (scene) => {
        const producer = await RawProducer.start(scene, 2)
        scene.broker.slowDisk(SLOW)
        const kept: string[] = []
        for (let round = 0; round < 6; round++) {
          expect(await producer.sendAtLast(`${round}`, { partition: 0 })).toBe('NONE')
          // The second partition takes turns, so that each transaction differs from the one before.
          if (round % 2 === 1) expect(await producer.sendAtLast(`${round}`, { partition: 1 })).toBe('NONE')
          const isKept = round % 3 !== 1
          if (isKept) kept.push(`${round}`)
          expect(await producer.endAtLast(isKept)).toBe('NONE')
        }
        await scene.ended()
        expect(await scene.committed('t', 0)).toEqual(kept)
        expect(await scene.committed('t', 1)).toEqual(kept.filter((round) => Number(round) % 2 === 1))
      },
      { seed },
    )
  }
})

test('B1.9 KAFKA-18575: a batch of the next epoch that comes before the last transaction is complete is in the next one [version 2]', async () => {
  const answers = new Set<ErrorCode>()
  for (let seed = 1; seed <= 16; seed++) {
    await inScene(
      async (scene) => {
        const producer = await RawProducer.start(scene, 2)
        const { producerId, producerEpoch } = producer.current
        expect(await producer.send('first')).toBe('NONE')
        // It does not wait for the answer that tells it its epoch, and goes another way.
        const next = { producerId, producerEpoch: producerEpoch + 1 }
        const impatient = await scene.connect()
        scene.broker.slowDisk(SLOW)
        const ending = scene.pause(1.5).then(() => producer.endAtLast(true))
        await scene.pause(seed)
        const sent = await Promise.all(
          [0, 1].map((partition) =>
            producer.produce('next', { producer: next, sequence: 0, partition, client: impatient }),
          ),
        )
        expect(await ending).toBe('NONE')
        for (const { errorCode } of sent) answers.add(errorCode)
        expect(await producer.endAtLast(false)).toBe('NONE')
        await scene.ended()
        expect(await scene.committed('t', 0)).toEqual(['first'])
        expect(await scene.committed('t', 1)).toEqual([])
      },
      { seed },
    )
  }
  // Before the decision nobody has that epoch; after it, the batch waits for the markers.
  expect([...answers].sort()).toEqual(['INVALID_PRODUCER_EPOCH', 'NONE'])
})

test('B1.9 KAFKA-19446: a marker of the last transaction that comes late does not end the one that is open [version 2]', async () => {
  await inScene(async (scene) => {
    const producer = await RawProducer.start(scene, 2)
    expect(await producer.send('one')).toBe('NONE')
    expect(await producer.endAtLast(true)).toBe('NONE')
    expect(await producer.send('two')).toBe('NONE')
    const mark = async (producerEpoch: number, transactionVersion: number) => {
      const { producerId } = producer.current
      const { markers } = await scene.ask(({ wire }) =>
        wire.request(writeTxnMarkers, 2, {
          markers: [
            {
              ...{ producerId, producerEpoch, transactionVersion, transactionResult: true, coordinatorEpoch: 1 },
              topics: [{ name: 't', partitionIndexes: [0] }],
            },
          ],
        }),
      )
      return markers[0]?.topics[0]?.partitions[0]?.errorCode
    }
    // As the first transaction's marker once more, and as a marker of version 1 would have been.
    expect(await mark(1, 2)).toBe('INVALID_PRODUCER_EPOCH')
    expect(await mark(0, 2)).toBe('INVALID_PRODUCER_EPOCH')
    expect(await mark(0, 1)).toBe('INVALID_PRODUCER_EPOCH')
    expect(await scene.log()).toEqual(['committed 0: one', 'commit-marker 1', 'open 1: two'])
    expect(await producer.endAtLast(false)).toBe('NONE')
    await scene.ended()
    expect(await scene.committed()).toEqual(['one'])
  })
})

test('C13 KAFKA-18654: a transaction right after the last one is not held up by the end of that one [version 2]', async () => {
  await inScene(async (scene) => {
    const { clock } = scene.sim
    const producer = await RawProducer.start(scene, 2)
    const waitsMs: number[] = []
    for (let round = 0; round < 31; round++) {
      const beganMs = clock.monotonicMs()
      expect(await producer.send('x')).toBe('NONE')
      waitsMs.push(clock.monotonicMs() - beganMs)
      expect(await producer.end(true)).toBe('NONE')
    }
    // Two flushes and the way there and back; a client that is told to try again waits twenty milliseconds or more.
    expect(waitsMs.sort((a, b) => a - b)[15]).toBeLessThan(8)
  })
})

test.each(VERSIONS)(
  'B1.17 KAFKA-9777, 10080, 6131: a transaction over 50 partitions completes once, wherever the power goes [version %i]',
  async (version) => {
    for (const operation of [0, 1, 2, 3, 4, 6]) {
      await inScene(
        async (scene) => {
          const producer = await RawProducer.start(scene, version)
          const partitions = Array.from({ length: 50 }, (_, partition) => partition)
          for (const partition of partitions) expect(await producer.send('x', { partition })).toBe('NONE')
          const cut = scene.powerCutAt(operation)
          expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
          expect(await scene.ended()).toBe('CompleteCommit')
          const marker = `commit-marker ${epochAfter(version, 1)}`
          for (const partition of partitions) {
            expect(await scene.log('t', partition)).toEqual(['committed 0: x', marker])
          }
          const states = (await scene.coordinatorLog('tx')).map((line) => line.replace(/ .*/, ''))
          expect(states.filter((state) => state === 'CompleteCommit')).toHaveLength(1)
          await somethingIsWritten(scene)
          await cut
        },
        { seed: operation + 1, partitions: 50 },
      )
    }
  },
)

/** Until a power cut that waits for operations of the disk has come, and is over. */
async function somethingIsWritten(scene: Scene): Promise<void> {
  for (let count = 0; count < 8; count++) {
    await scene.ask((client) => client.initProducer('somebody'))
    await scene.pause(20)
  }
}

test.each(
  VERSIONS.flatMap((version) => (['write', 'sync'] as const).map((operation) => [operation, version] as const)),
)(
  'B1.18 KAFKA-9749: a %s that fails while markers are written leaves no transaction undecided [version %i]',
  async (operation, version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version)
      for (const partition of [0, 1]) expect(await producer.send('x', { partition })).toBe('NONE')
      // The first is that of the decision, which is answered.
      scene.broker.failDisk({ operation, at: 2, code: 'EIO', path: 'journal' })
      expect(await producer.end(true)).toBe('NONE')
      expect(await scene.ended()).toBe('CompleteCommit')
      expect(scene.broker.stops.join()).toContain('EIO')
      for (const partition of [0, 1]) expect(await scene.committed('t', partition)).toEqual(['x'])
    })
  },
)

test.each(VERSIONS)(
  'B1.22 KAFKA-5202: a topic that is deleted while its markers are due does not hold the others up [version %i]',
  async (version) => {
    for (let seed = 1; seed <= 10; seed++) {
      await inScene(
        async (scene) => {
          await scene.ask((client) => client.createTopic('doomed'))
          const producer = await RawProducer.start(scene, version)
          expect(await producer.send('gone', { topic: 'doomed' })).toBe('NONE')
          expect(await producer.send('stays')).toBe('NONE')
          const admin = await scene.connect()
          const ending = scene.pause(1.5).then(() => producer.endAtLast(true))
          await scene.pause(0.4 * seed)
          const deleted = await admin.wire.request(deleteTopics, 6, { topics: [{ name: 'doomed' }], timeoutMs: 5_000 })
          expect(deleted.responses[0]?.errorCode).toBe('NONE')
          expect(await ending).toBe('NONE')
          expect(await scene.ended()).toBe('CompleteCommit')
          expect(await scene.committed()).toEqual(['stays'])
          expect(await producer.send('next')).toBe('NONE')
          expect(await producer.endAtLast(true)).toBe('NONE')
        },
        { seed },
      )
    }
  },
)

test.each(VERSIONS)(
  'B1.26 Redpanda ff95615: a commit that is replayed after a restart does not commit the transaction behind it [version %i]',
  async (version) => {
    for (const operation of [0, 1, 2, 3, 4, 5]) {
      await inScene(
        async (scene) => {
          const producer = await RawProducer.start(scene, version)
          const first = producer.current
          expect(await producer.send('one')).toBe('NONE')
          const cut = scene.powerCutAt(operation, { writes: 'kept', names: 'kept', garbles: false })
          expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
          expect(await producer.despite(() => producer.sendAtLast('two'))).toBe('NONE')
          await somethingIsWritten(scene)
          await cut
          await scene.kill()
          producer.client = await scene.connect()
          if (version === 2) expect(await producer.endAtLast(true, { producer: first })).toBe('PRODUCER_FENCED')
          expect((await scene.transaction('tx')).transactionState).toBe('Ongoing')
          expect(await scene.committed()).toEqual(['one'])
          expect(await producer.endAtLast(false)).toBe('NONE')
          expect(await scene.ended()).toBe('CompleteAbort')
          expect(await scene.committed()).toEqual(['one'])
        },
        { seed: operation + 1 },
      )
    }
  },
)
