/** Epochs that run out, are raised twice or not at all, and who is fenced by them (rows B1 10 to 12 and 14 to 16). */
import { expect, test } from 'vitest'
import { endTxn } from '../../../src/protocol/messages/end-txn.ts'
import { ageTo } from './aged-id.ts'
import { RawProducer } from './raw-producer.ts'
import { inScene, type Scene, VERSIONS } from './scene.ts'

const LARGEST_EPOCH = 32_767

test.each([true, false])(
  'B1.10 KAFKA-18660: transactions through the end of the epochs go on under a new producer id [version 2, committed: %s]',
  async (committed) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, 2)
      await ageTo(scene, producer, LARGEST_EPOCH - 3)
      const { producerId } = producer.current
      const values: string[] = []
      for (const value of ['a', 'b', 'c', 'd', 'e']) {
        expect(await producer.send(value)).toBe('NONE')
        expect(await producer.endAtLast(committed)).toBe('NONE')
        if (committed) values.push(value)
      }
      await scene.ended()
      // 32,764, 32,765 and 32,766 of the first id, then 0 and 1 of the next.
      expect(producer.current.producerId).not.toBe(producerId)
      expect(producer.current.producerEpoch).toBe(2)
      expect(await scene.committed()).toEqual(values)
      const markers = (await scene.log()).filter((line) => line.includes('marker')).map((line) => line.split(' ')[1])
      expect(markers).toEqual(['32765', '32766', '32767', '1', '2'])
    })
  },
)

test.each(VERSIONS)(
  'B1.10 KAFKA-19367, 20090: a timeout at the last epoch neither goes beyond it nor leaves the id stuck [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version, { timeoutMs: 1_000 })
      await ageTo(scene, producer, LARGEST_EPOCH - 1)
      const zombie = producer.current
      expect(await producer.send('late')).toBe('NONE')
      expect(await scene.ended()).toBe('CompleteAbort')
      expect(await scene.log()).toEqual(['aborted 32766: late', 'abort-marker 32767'])
      const heir = await RawProducer.start(scene, version)
      expect(heir.current.producerId).not.toBe(zombie.producerId)
      expect(heir.current.producerEpoch).toBeLessThan(3)
      expect(await heir.send('kept')).toBe('NONE')
      expect(await heir.endAtLast(true)).toBe('NONE')
      expect(['PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING']).toContain(
        await producer.endAtLast(true, { producer: zombie }),
      )
      expect((await producer.produce('zombie', { producer: zombie, sequence: 1 })).errorCode).not.toBe('NONE')
      await scene.ended()
      expect(await scene.committed()).toEqual(['kept'])
    })
  },
)

test.each(VERSIONS)(
  'B1.10 KAFKA-18660: a new instance at the last epoch gets a producer id of its own [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version)
      await ageTo(scene, producer, LARGEST_EPOCH - 1)
      expect(await producer.send('abandoned')).toBe('NONE')
      const heir = await RawProducer.start(scene, version)
      expect(heir.current.producerId).not.toBe(producer.current.producerId)
      expect(await heir.send('kept')).toBe('NONE')
      expect(await heir.endAtLast(true)).toBe('NONE')
      await scene.ended()
      expect(await scene.log()).toEqual([
        'aborted 32766: abandoned',
        'abort-marker 32767',
        `committed ${heir.current.producerEpoch - (version === 1 ? 0 : 1)}: kept`,
        expect.stringContaining('commit-marker'),
      ])
    })
  },
)

test('C13 KAFKA-20310: the producer id after the last epoch survives a power cut anywhere in the transaction’s end [version 2]', async () => {
  for (let operation = 0; operation < 7; operation++) {
    await inScene(
      async (scene) => {
        const producer = await RawProducer.start(scene, 2)
        await ageTo(scene, producer, LARGEST_EPOCH - 1)
        const last = producer.current
        expect(await producer.send('x')).toBe('NONE')
        const cut = scene.powerCutAt(operation)
        const answered: unknown[] = []
        const end = async (): Promise<void> => {
          expect(await producer.despite(() => producer.endAtLast(true, { producer: last }))).toBe('NONE')
          answered.push(producer.current)
        }
        await end()
        for (let count = 0; count < 8; count++) {
          await scene.ask((client) => client.initProducer('somebody'))
          await scene.pause(20)
        }
        await cut
        // What was promised once is said again, and is what holds.
        await end()
        expect(answered[1]).toEqual(answered[0])
        expect(answered[0]).toMatchObject({ producerEpoch: 0 })
        expect(await producer.send('y')).toBe('NONE')
        expect(await producer.endAtLast(true)).toBe('NONE')
        await scene.ended()
        expect(await scene.committed()).toEqual(['x', 'y'])
      },
      { seed: operation + 1 },
    )
  }
})

test('B1.11 KAFKA-18464: a commit and then an abort of nothing, repeated and over a power cut, do not fence their producer [version 2]', async () => {
  await inScene(async (scene) => {
    const producer = await RawProducer.start(scene, 2)
    for (const harm of [undefined, () => scene.powerCut(), () => scene.kill()]) {
      expect(await producer.send('kept')).toBe('NONE')
      expect(await producer.endAtLast(true)).toBe('NONE')
      await harm?.()
      const before = producer.current
      expect(await producer.despite(() => producer.endAtLast(false))).toBe('NONE')
      const after = producer.current
      expect(after).toEqual({ ...before, producerEpoch: before.producerEpoch + 1 })
      // Its answer was lost.
      await harm?.()
      expect(await producer.despite(() => producer.endAtLast(false, { producer: before }))).toBe('NONE')
      expect(producer.current).toEqual(after)
    }
    expect(await scene.committed()).toEqual(['kept', 'kept', 'kept'])
  })
})

test.each([
  [4, 'PRODUCER_FENCED'],
  [5, 'PRODUCER_FENCED'],
  [1, 'INVALID_PRODUCER_EPOCH'],
])(
  'B1.12 KAFKA-20785: a commit that is held until the timeout has aborted its transaction is told that it is fenced [EndTxn %i: %s]',
  async (apiVersion, expected) => {
    await inScene(async (scene) => {
      const version = apiVersion < 5 ? 1 : 2
      const producer = await RawProducer.start(scene, version, { timeoutMs: 1_000 })
      expect(await producer.send('late')).toBe('NONE')
      const slow = await scene.connect()
      const release = scene.holdNewest()
      const commit = slow.wire.request(endTxn, apiVersion, {
        transactionalId: 'tx',
        ...producer.current,
        committed: true,
      })
      expect(await scene.ended()).toBe('CompleteAbort')
      release()
      expect((await commit).errorCode).toBe(expected)
      expect(await scene.committed()).toEqual([])
    })
  },
)

/** How a producer comes to be one that may do nothing more. */
const REPLACED: Readonly<Record<string, (scene: Scene, zombie: RawProducer) => Promise<unknown>>> = {
  'is aborted for its age': (scene) => scene.ended(),
  'is replaced in a transaction': (scene, zombie) => RawProducer.start(scene, zombie.version),
  async 'is replaced between two'(scene, zombie) {
    expect(await zombie.endAtLast(false)).toBe('NONE')
    return await RawProducer.start(scene, zombie.version)
  },
}

test.each(VERSIONS.flatMap((version) => Object.keys(REPLACED).map((how) => [how, version] as const)))(
  'B1.14 KAFKA-6119, 5231: a producer that %s can do nothing more, over a power cut either [version %i]',
  async (how, version) => {
    await inScene(async (scene) => {
      const zombie = await RawProducer.start(scene, version, { timeoutMs: 1_000 })
      expect(await zombie.send('early')).toBe('NONE')
      await REPLACED[how]?.(scene, zombie)
      const goOn = async (): Promise<void> => {
        for (const [partition, sequence] of [
          [0, 1],
          [1, 0],
        ] as const) {
          const { errorCode } = await zombie.despite(() => zombie.produce('late', { partition, sequence }))
          expect(errorCode).not.toBe('NONE')
        }
        expect(await zombie.despite(() => zombie.add(1))).toBe('PRODUCER_FENCED')
        expect(await zombie.despite(() => zombie.commitOffset(7))).not.toBe('NONE')
        expect(await zombie.despite(() => zombie.endAtLast(true))).toBe('PRODUCER_FENCED')
      }
      await goOn()
      await scene.powerCut()
      await goOn()
      const heir = await RawProducer.start(scene, version)
      expect(await heir.send('kept')).toBe('NONE')
      await goOn()
      expect(await heir.endAtLast(true)).toBe('NONE')
      await scene.ended()
      await goOn()
      expect(await scene.committed()).toEqual(['kept'])
      expect(await scene.committed('t', 1)).toEqual([])
    })
  },
)

test.each(VERSIONS)(
  'B1.15 KAFKA-9600: an EndTxn with an epoch that was never given out decides nothing [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version)
      const { current } = producer
      expect(await producer.send('mine')).toBe('NONE')
      for (const producerEpoch of [current.producerEpoch + 1, current.producerEpoch + 2, LARGEST_EPOCH]) {
        for (const committed of [true, false]) {
          expect(await producer.end(committed, { producer: { ...current, producerEpoch } })).toBe('PRODUCER_FENCED')
        }
      }
      expect((await scene.transaction('tx')).transactionState).toBe('Ongoing')
      expect(await producer.endAtLast(true)).toBe('NONE')
      await scene.ended()
      expect(await scene.committed()).toEqual(['mine'])
    })
  },
)

test('B1.16 KAFKA-9666: a disk that is full while instances come and come uses up no epochs', async () => {
  await inScene(async (scene) => {
    const first = await RawProducer.start(scene, 2)
    const mend = scene.broker.failDisk({
      operation: 'write',
      at: 1,
      code: 'ENOSPC',
      writtenShare: 0,
      isPermanent: true,
    })
    const coming = Array.from({ length: 5 }, () => RawProducer.start(scene, 2))
    await scene.pause(20_000)
    expect(scene.broker.stops.length).toBeGreaterThan(5)
    mend()
    const epochs = (await Promise.all(coming)).map(({ current }) => current.producerEpoch)
    expect(epochs.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5].map((more) => first.current.producerEpoch + more))
  })
})
