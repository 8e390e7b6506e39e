/**
 * The transaction coordinator over failures and restarts: records that could not be written, ids that expire, loading that is cut
 * short, transactions with a power cut in their midst (rows B1 19 to 21, 24, 25 and 27).
 */
import { expect, test } from 'vitest'
import { listTransactions } from '../../../src/protocol/messages/list-transactions.ts'
import { RawProducer } from './raw-producer.ts'
import { inScene, type Scene, type TransactionVersion, VERSIONS } from './scene.ts'

const EXPIRING = {
  'transactional.id.expiration.ms': '3000',
  'transaction.remove.expired.transaction.cleanup.interval.ms': '500',
}

test.each(
  VERSIONS.flatMap((version) =>
    (['InitProducerId', 'the first batch', 'EndTxn'] as const).flatMap((step) =>
      (['write', 'sync'] as const).map((operation) => [operation, step, version] as const),
    ),
  ),
)(
  'B1.19 KAFKA-5351, 7519: after a %s that failed for %s the id is not concurrent with itself for ever [version %i]',
  async (operation, step, version) => {
    await inScene(async (scene) => {
      const fail = (): void => void scene.broker.failDisk({ operation, at: 1, code: 'EIO', path: 'journal' })
      await RawProducer.start(scene, version)
      if (step === 'InitProducerId') fail()
      const producer = await RawProducer.start(scene, version)
      if (step === 'the first batch') fail()
      expect(await producer.despite(() => producer.send('x'))).toBe('NONE')
      if (step === 'EndTxn') fail()
      expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
      expect(scene.broker.stops).toHaveLength(1)
      expect(await scene.ended()).toBe('CompleteCommit')
      expect(await scene.committed()).toEqual(['x'])
      // A moment is enough for everything: nobody waited for a timeout.
      expect(scene.sim.clock.monotonicMs()).toBeLessThan(4_000)
    })
  },
)

function idsIn(scene: Scene): Promise<string[]> {
  return scene.ask(async ({ wire }) => {
    const { transactionStates } = await wire.request(listTransactions, 1, { stateFilters: [], producerIdFilters: [] })
    return transactionStates.map(({ transactionalId }) => transactionalId)
  })
}

test('B1.20 KAFKA-14880: an id whose first InitProducerId could not be written does not stop the expiry of the others', async () => {
  await inScene(
    async (scene) => {
      await RawProducer.start(scene, 2, { id: 'other' })
      scene.broker.failDisk({ operation: 'write', at: 1, code: 'EIO', path: 'journal', writtenShare: 0 })
      const client = await scene.connect()
      await expect(client.initProducer('broken')).rejects.toThrow('closed the connection')
      expect(await idsIn(scene)).toEqual(['other'])
      await scene.pause(6_000)
      expect(await idsIn(scene)).toEqual([])
      expect((await scene.coordinatorLog('other')).at(-1)).toBe('forgotten')
      expect((await RawProducer.start(scene, 2, { id: 'broken' })).current.producerEpoch).toBe(0)
    },
    { properties: EXPIRING },
  )
})

test('B1.20 KAFKA-13099: thousands of ids that expire at once are forgotten, though their tombstones are more than a batch may hold', async () => {
  await inScene(
    async (scene) => {
      const client = await scene.connect()
      const ids = Array.from({ length: 2_000 }, (_, at) => `${at}-${'x'.repeat(1_000)}`)
      await Promise.all(ids.map((id) => client.initProducer(id)))
      const inUse = await RawProducer.start(scene, 2)
      for (let second = 0; second < 10; second++) {
        await scene.pause(1_000)
        expect(await inUse.send('x')).toBe('NONE')
        expect(await inUse.endAtLast(true)).toBe('NONE')
      }
      await scene.ended()
      expect(await idsIn(scene)).toEqual(['tx'])
      expect(scene.broker.stops).toEqual([])
      await scene.powerCut()
      expect(await idsIn(scene)).toEqual(['tx'])
    },
    { properties: EXPIRING },
  )
})

/** Ids in every state that lasts; the last one is decided and perhaps not complete when the power goes. */
async function everyState(scene: Scene, version: TransactionVersion): Promise<string[]> {
  const ids: string[] = []
  for (const state of ['empty', 'open', 'committed', 'aborted', 'again', 'decided']) {
    const producer = await RawProducer.start(scene, version, { id: state, timeoutMs: 60_000 })
    ids.push(state)
    if (state === 'empty') continue
    expect(await producer.send(state)).toBe('NONE')
    if (state === 'open') continue
    expect(await producer.endAtLast(state !== 'aborted')).toBe('NONE')
    if (state !== 'again') continue
    expect(await producer.send('once more', { partition: 1 })).toBe('NONE')
  }
  return ids
}

test.each(VERSIONS)(
  'B1.21 KAFKA-9065, 9307, 5600, 15468: loading that is cut short again and again ends with what was there [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const ids = await everyState(scene, version)
      const told = async (): Promise<unknown[]> => Promise.all(ids.map((id) => scene.transaction(id)))
      await scene.powerCut({ writes: 'lost', names: 'kept', garbles: false })
      expect(await scene.ended('decided')).toBe('CompleteCommit')
      const before = await told()
      for (let afterMs = 0; afterMs < 6; afterMs += 0.5) {
        if (Math.round(afterMs * 2) % 2 === 0) scene.broker.kill()
        else scene.broker.powerOff()
        scene.broker.start()
        await scene.pause(afterMs)
      }
      scene.broker.kill()
      scene.broker.start()
      expect(await told()).toEqual(before)
      // A second load of the same log, over a clean stop.
      await scene.broker.stop()
      scene.broker.start()
      expect(await told()).toEqual(before)
      expect(scene.broker.starts).toBeGreaterThan(12)
    })
  },
)

test.each(VERSIONS)(
  'B1.24 Redpanda 9c1f30a, 1a30165, 6018: the second half of a transaction does not commit alone, wherever the power went [version %i]',
  async (version) => {
    for (let operation = 0; operation < 12; operation++) {
      await inScene(
        async (scene) => {
          const producer = await RawProducer.start(scene, version, { timeoutMs: 30_000 })
          const values = Array.from({ length: 8 }, (_, at) => String(at))
          for (const value of values.slice(0, 2)) expect(await producer.send(value)).toBe('NONE')
          const cut = scene.powerCutAt(operation)
          for (const value of values.slice(2)) {
            expect(await producer.despite(() => producer.send(value))).toBe('NONE')
            expect(await producer.despite(() => producer.send(value, { partition: 1 }))).toBe('NONE')
          }
          await cut
          producer.client = await scene.connect()
          expect(await scene.committed()).toEqual([])
          expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
          await scene.ended()
          expect(await scene.committed('t', 0)).toEqual(values)
          expect(await scene.committed('t', 1)).toEqual(values.slice(2))
        },
        { seed: operation + 1 },
      )
    }
  },
)

test.each(VERSIONS)(
  'B1.25 Redpanda c50b68e, 39f2ec1, 3f92f12: many ids over many restarts keep their own transactions and producer ids [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const producers: RawProducer[] = []
      for (let at = 0; at < 60; at++) {
        producers.push(await RawProducer.start(scene, version, { id: `id-${at}`, timeoutMs: 60_000 }))
      }
      const expected: string[] = []
      for (let life = 0; life < 4; life++) {
        await Promise.all(
          producers.map(async (producer, at) => {
            expect(await producer.despite(() => producer.send(`${at}/${life}`))).toBe('NONE')
            // One in three stays open over the restart.
            if ((at + life) % 3 !== 0) expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
          }),
        )
        if (life % 2 === 0) await scene.powerCut()
        else await scene.kill()
        for (let at = 0; at < 60; at++) expected.push(`${at}/${life}`)
      }
      for (const producer of producers) await producer.despite(() => producer.endAtLast(true))
      for (const { id } of producers) expect(await scene.ended(id)).toBe('CompleteCommit')
      expect(new Set(await scene.committed())).toEqual(new Set(expected))
      expect(await scene.committed()).toHaveLength(expected.length)
      const heirs = await Promise.all(producers.map(({ id }) => RawProducer.start(scene, version, { id })))
      for (const [at, { current }] of heirs.entries()) {
        expect(current.producerId).toBe(producers[at]?.current.producerId)
        expect(current.producerEpoch).toBeGreaterThan(producers[at]?.current.producerEpoch ?? 0)
      }
      expect(new Set(heirs.map(({ current }) => current.producerId)).size).toBe(60)
    })
  },
)

test.each(VERSIONS)(
  'B1.27 Redpanda 8236, 18324: a transaction without data whose producer vanished ends by its timeout, over a power cut too [version %i]',
  async (version) => {
    for (const isCut of [false, true]) {
      await inScene(async (scene) => {
        const producer = await RawProducer.start(scene, version, { timeoutMs: 2_000 })
        // With version 2 a batch that is refused leaves its partition in the transaction.
        if (version === 1) expect(await producer.add(0)).toBe('NONE')
        else expect((await producer.produce('x', { sequence: 7 })).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
        if (version === 1) expect(await producer.addGroup()).toBe('NONE')
        expect((await scene.transaction('tx')).transactionState).toBe('Ongoing')
        await scene.ask((client) => client.produce('t', { values: ['behind'] }))
        if (isCut) await scene.powerCut()
        expect(await scene.ended()).toBe('CompleteAbort')
        expect(scene.sim.clock.monotonicMs()).toBeLessThan(8_000)
        expect(await scene.committed()).toEqual(['behind'])
        expect(await scene.log()).toEqual(['plain: behind', 'abort-marker 1'])
        expect(await scene.offset()).toBe(-1)
      })
    }
  },
)
