/**
 * What partitions remember of producers, over expiry, deletion of records, checkpoints and power cuts (rows B2 35 to 38, 40,
 * 43 to 46 and 49): nothing is stored twice, nobody is refused who is in order, and who was fenced stays so.
 */
import { expect, test } from 'vitest'
import { deleteRecords } from '../../../src/protocol/messages/delete-records.ts'
import { writeTxnMarkers } from '../../../src/protocol/messages/write-txn-markers.ts'
import type { Producer, TestClient } from '../../broker/test-broker.ts'
import { RawProducer } from './raw-producer.ts'
import { inScene, type Scene, VERSIONS } from './scene.ts'

const SEQUENCE_MAX = 2 ** 31 - 1
const LARGE = 'x'.repeat(20_000)
/** Of producers that are silent for three seconds. */
const FORGETFUL = { 'producer.id.expiration.ms': '3000', 'producer.id.expiration.check.interval.ms': '500' }
const CHECKPOINTING = { 'semel.checkpoint.bytes': '65536' }

/** What may happen to a broker between two requests. */
const HARMS: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'a power cut': (scene) => scene.powerCut(),
  SIGKILL: (scene) => scene.kill(),
  async 'a clean stop'(scene) {
    await scene.broker.stop()
    scene.broker.start()
    await scene.answers()
  },
}
const HARM_NAMES = Object.keys(HARMS)

async function idempotent(scene: Scene): Promise<Producer> {
  const { producerId, producerEpoch } = await scene.ask((client) => client.initProducer(null))
  return { producerId, producerEpoch }
}

const deleteTo = (scene: Scene, offset: number): Promise<void> =>
  scene.ask(async ({ wire }) => {
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }]
    const reply = await wire.request(deleteRecords, 2, { topics, timeoutMs: 5_000 })
    expect(reply.topics[0]?.partitions[0]?.errorCode).toBe('NONE')
  })

test('B2.35 KAFKA-9144: a producer of old timestamps whose markers are young is not forgotten, nor the coordinator epoch it was fenced by [version 1]', async () => {
  await inScene(
    async (scene) => {
      // The second life of the broker: its markers carry a higher coordinator epoch than those of the first.
      await scene.powerCut()
      const producer = await RawProducer.start(scene, 1, { timeoutMs: 600_000 })
      const send = (sequence: number) => {
        const records = [{ timestamp: 1_000, key: null, value: Buffer.from(String(sequence)) }]
        const batch = { records, ...producer.current, baseSequence: sequence, isTransactional: true }
        return scene.ask((client) => client.produce('t', batch, { version: 11, transactionalId: 'tx' }))
      }
      for (let round = 0; round < 8; round++) {
        expect(await producer.add(0)).toBe('NONE')
        expect(await send(round)).toMatchObject({ errorCode: 'NONE', baseOffset: 2 * round })
        // Longer than the silence that makes a producer forgotten, were it not for the open transaction.
        if (round === 5) await scene.pause(5_000)
        expect(await producer.endAtLast(true)).toBe('NONE')
        await scene.ended()
        await scene.pause(1_500)
      }
      // Markers alone, for longer than that: each is a sign of life.
      for (let round = 0; round < 3; round++) {
        expect(await producer.add(0)).toBe('NONE')
        expect(await producer.endAtLast(true)).toBe('NONE')
        await scene.pause(2_000)
      }
      // A repetition would be stored again if its producer were unknown.
      expect(await producer.add(0)).toBe('NONE')
      expect(await send(7)).toMatchObject({ errorCode: 'NONE', baseOffset: 14 })
      expect((await send(9)).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
      const { markers } = await scene.ask(({ wire }) =>
        wire.request(writeTxnMarkers, 2, {
          markers: [
            {
              ...{ ...producer.current, transactionVersion: 0, transactionResult: true, coordinatorEpoch: 1 },
              topics: [{ name: 't', partitionIndexes: [0] }],
            },
          ],
        }),
      )
      expect(markers[0]?.topics[0]?.partitions[0]?.errorCode).toBe('TRANSACTION_COORDINATOR_FENCED')
      expect(await producer.endAtLast(false)).toBe('NONE')
    },
    {
      properties: FORGETFUL,
    },
  )
})

test('B2.35 KAFKA-9144: a producer without transactions that writes records of long ago is not forgotten while it writes', async () => {
  await inScene(
    async (scene) => {
      const producer = await idempotent(scene)
      const send = (baseSequence: number) => {
        const records = [{ timestamp: 1_000, key: null, value: Buffer.from(String(baseSequence)) }]
        return scene.ask((client) => client.produce('t', { records, ...producer, baseSequence }))
      }
      for (let sequence = 0; sequence < 8; sequence++) {
        expect(await send(sequence)).toMatchObject({ errorCode: 'NONE', baseOffset: sequence })
        await scene.pause(1_500)
        expect(await send(sequence)).toMatchObject({ errorCode: 'NONE', baseOffset: sequence })
      }
    },
    { properties: FORGETFUL },
  )
})

test.each(HARM_NAMES)(
  'B2.36 KAFKA-7190, 7298, KIP-360: producers whose records were all deleted go on in sequence after %s',
  async (harm) => {
    await inScene(async (scene) => {
      const plain = await idempotent(scene)
      const send = (baseSequence: number) => scene.ask((client) => client.produce('t', { ...plain, baseSequence }))
      for (const sequence of [0, 1, 2]) expect((await send(sequence)).errorCode).toBe('NONE')
      const producers = [
        await RawProducer.start(scene, 1, { id: 'v1' }),
        await RawProducer.start(scene, 2, { id: 'v2' }),
      ]
      for (const producer of producers) {
        expect(await producer.send('deleted')).toBe('NONE')
        expect(await producer.endAtLast(true)).toBe('NONE')
        await scene.ended(producer.id)
      }
      // All but the last marker, then that too.
      for (const offset of [6, -1]) {
        await deleteTo(scene, offset)
        await HARMS[harm]?.(scene)
        for (const producer of producers) {
          expect(await producer.despite(() => producer.send('kept'))).toBe('NONE')
          expect(await producer.endAtLast(true)).toBe('NONE')
          await scene.ended(producer.id)
        }
      }
      expect(await send(2)).toMatchObject({ errorCode: 'NONE', baseOffset: 2 })
      expect((await send(9)).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
      const first = await send(3)
      expect(first.errorCode).toBe('NONE')
      expect(await send(3)).toMatchObject({ errorCode: 'NONE', baseOffset: first.baseOffset })
      expect((await send(9)).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    })
  },
)

test.each(HARM_NAMES)(
  'B2.37 Redpanda 22670: an idempotent producer is remembered when the transactional ids are forgotten, after %s too',
  async (harm) => {
    await inScene(
      async (scene) => {
        const producer = await idempotent(scene)
        const send = (baseSequence: number) => scene.ask((client) => client.produce('t', { ...producer, baseSequence }))
        for (const sequence of [0, 1]) expect((await send(sequence)).errorCode).toBe('NONE')
        const transactional = await RawProducer.start(scene, 2)
        expect(await transactional.send('x')).toBe('NONE')
        expect(await transactional.endAtLast(true)).toBe('NONE')
        await scene.pause(20_000)
        expect((await scene.coordinatorLog('tx')).at(-1)).toBe('forgotten')
        await HARMS[harm]?.(scene)
        expect(await send(1)).toMatchObject({ errorCode: 'NONE', baseOffset: 1 })
        expect(await send(2)).toMatchObject({ errorCode: 'NONE', baseOffset: 4 })
      },
      {
        properties: {
          'transactional.id.expiration.ms': '5000',
          'transaction.remove.expired.transaction.cleanup.interval.ms': '1000',
          'producer.id.expiration.check.interval.ms': '1000',
        },
      },
    )
  },
)

test.each(HARM_NAMES)(
  'B2.38 KAFKA-7692, 7693, 5283: sequences that wrap inside of a batch are still known after %s',
  async (harm) => {
    await inScene(async (scene) => {
      const producer = await idempotent(scene)
      const send = (baseSequence: number, count: number) => {
        const batch = { ...producer, baseSequence, values: Array<string>(count).fill('x') }
        return scene.ask((client) => client.produce('t', batch))
      }
      expect(await send(SEQUENCE_MAX - 7, 5)).toMatchObject({ errorCode: 'NONE', baseOffset: 0 })
      expect(await send(SEQUENCE_MAX - 2, 5)).toMatchObject({ errorCode: 'NONE', baseOffset: 5 })
      await HARMS[harm]?.(scene)
      expect(await send(SEQUENCE_MAX - 7, 5)).toMatchObject({ errorCode: 'NONE', baseOffset: 0 })
      expect(await send(SEQUENCE_MAX - 2, 5)).toMatchObject({ errorCode: 'NONE', baseOffset: 5 })
      expect((await send(3, 1)).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
      expect(await send(2, 1)).toMatchObject({ errorCode: 'NONE', baseOffset: 10 })
      const other = await idempotent(scene)
      for (const [at, baseSequence] of [SEQUENCE_MAX, 0, 1].entries()) {
        const sent = await scene.ask((client) => client.produce('t', { ...other, baseSequence }, { partition: 1 }))
        expect(sent).toMatchObject({ errorCode: 'NONE', baseOffset: at })
        if (baseSequence !== 1) await HARMS[harm]?.(scene)
      }
    })
  },
)

test.each(HARM_NAMES)(
  'B2.40 each of five batches in flight is recognised after %s, and answered with its first offset',
  async (harm) => {
    await inScene(async (scene) => {
      const producer = await idempotent(scene)
      const send = (client: TestClient, baseSequence: number) =>
        client.produce('t', { ...producer, baseSequence, values: [`${baseSequence}`] })
      const client = await scene.connect()
      const first = await Promise.all([0, 1, 2, 3, 4, 5].map((sequence) => send(client, sequence)))
      // A checkpoint, then five more whose answers nobody hears.
      await HARMS['a clean stop']?.(scene)
      const deaf = await scene.connect()
      const lost = Promise.allSettled([6, 7, 8, 9, 10].map((sequence) => send(deaf, sequence)))
      await scene.pause(20)
      await HARMS[harm]?.(scene)
      await lost
      for (const [sequence, { baseOffset }] of first.entries()) expect(baseOffset).toBe(sequence)
      const again = await scene.connect()
      const repeated = await Promise.all([6, 7, 8, 9, 10].map((sequence) => send(again, sequence)))
      expect(repeated.map(({ errorCode, baseOffset }) => [errorCode, baseOffset])).toEqual(
        [6, 7, 8, 9, 10].map((offset) => ['NONE', offset]),
      )
      expect((await send(again, 5)).errorCode).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
      expect(await scene.committed()).toEqual(Array.from({ length: 11 }, (_, sequence) => `${sequence}`))
    })
  },
)

test.each(VERSIONS.flatMap((version) => HARM_NAMES.map((harm) => [harm, version] as const)))(
  'B2.43 KAFKA-13194: records deleted under an open transaction leave it open, and its end what it is, after %s [version %i]',
  async (harm, version) => {
    for (const committed of [true, false]) {
      await inScene(
        async (scene) => {
          const producer = await RawProducer.start(scene, version, { timeoutMs: 600_000 })
          for (let count = 0; count < 5; count++) expect(await producer.send(`old ${LARGE}`)).toBe('NONE')
          await scene.ask((client) => client.produce('t', { values: ['plain'] }))
          // Up to the last stable offset is what Kafka lets go; all of it is what an admin may ask for.
          await deleteTo(scene, 6)
          await HARMS[harm]?.(scene)
          const read = await scene.ask((client) => client.fetchRaw('t', 6, { isolation: 1 }))
          expect(read).toMatchObject({ errorCode: 'NONE', lastStableOffset: 6 })
          expect(await producer.despite(() => producer.send('new'))).toBe('NONE')
          await scene.ask((client) => client.produce('t', { values: ['behind'] }))
          expect((await scene.ask((client) => client.fetchRaw('t', 6, { isolation: 1 }))).lastStableOffset).toBe(6)
          await HARMS[harm]?.(scene)
          expect(await producer.despite(() => producer.endAtLast(committed))).toBe('NONE')
          await scene.ended()
          const values = await scene.ask((client) => client.read('t', { isolation: 1, from: 6 }))
          expect(values.map(({ value }) => value)).toEqual(committed ? ['new', 'behind'] : ['behind'])
        },
        { properties: CHECKPOINTING },
      )
    }
  },
)

test.each(HARM_NAMES)(
  'B2.44 Redpanda 30003: a transaction that is open without data, and a fence without data, survive %s [version 1]',
  async (harm) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, 1, { timeoutMs: 600_000 })
      expect(await producer.add(0)).toBe('NONE')
      const zombie = await RawProducer.start(scene, 1, { id: 'fenced' })
      expect(await zombie.add(0)).toBe('NONE')
      const heir = await RawProducer.start(scene, 1, { id: 'fenced' })
      await scene.ended('fenced')
      await HARMS[harm]?.(scene)
      expect((await producer.despite(() => producer.produce('kept'))).errorCode).toBe('NONE')
      // Plain batches of the producer id pass no coordinator: the partition itself has to know.
      const plain = await scene.ask((client) => client.produce('t', { ...zombie.current, baseSequence: 0 }))
      expect(plain.errorCode).toBe('INVALID_PRODUCER_EPOCH')
      await HARMS[harm]?.(scene)
      expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
      expect(await heir.despite(() => heir.send('heir'))).toBe('NONE')
      expect(await heir.endAtLast(true)).toBe('NONE')
      await scene.ended()
      await scene.ended('fenced')
      expect(await scene.committed()).toEqual(['kept', 'heir'])
    })
  },
)

test.each(VERSIONS)(
  'B2.45 Redpanda e52a56c, 4ee6b02: checkpoints under load hold the state of producers as of one moment [version %i]',
  async (version) => {
    for (let seed = 1; seed <= 4; seed++) {
      await inScene(
        async (scene) => {
          const kept = new Map<string, string[]>()
          let left = 4
          const write = async (id: string): Promise<void> => {
            const producer = await RawProducer.start(scene, version, { id, timeoutMs: 600_000 })
            const values: string[] = []
            kept.set(id, values)
            for (let round = 0; round < 10; round++) {
              const isKept = (round + id.length) % 3 !== 0
              for (const part of ['a', 'b']) {
                const value = `${id} ${round}${part} ${LARGE}`
                expect(await producer.despite(() => producer.sendAtLast(value))).toBe('NONE')
                if (isKept) values.push(value)
              }
              expect(await producer.despite(() => producer.endAtLast(isKept))).toBe('NONE')
            }
            left -= 1
          }
          const writing = Promise.all(['a', 'bb', 'ccc', 'dddd'].map(write))
          for (let cut = 0; left > 0; cut++) {
            await scene.pause(15 + 7 * cut)
            if (cut % 2 === 0) await scene.powerCut()
            else await scene.kill()
          }
          await writing
          for (const id of kept.keys()) await scene.ended(id)
          const committed = await scene.committed()
          for (const [id, values] of kept) {
            expect(committed.filter((value) => value?.startsWith(`${id} `))).toEqual(values)
          }
          expect(scene.broker.starts).toBeGreaterThan(3)
        },
        { seed, properties: CHECKPOINTING },
      )
    }
  },
)

test.each(['it is too large', 'the disk fails'] as const)(
  'B2.46 Redpanda def3776: what follows a batch in the pipeline that is not stored, because %s, is not stored either',
  async (why) => {
    await inScene(async (scene) => {
      const producer = await idempotent(scene)
      const client = await scene.connect()
      const send = (sequence: number, value = `${sequence}`) =>
        client
          .produce('t', { ...producer, baseSequence: sequence, values: [value] })
          .then(({ errorCode }) => errorCode)
          .catch(() => 'no answer')
      for (const sequence of [0, 1, 2, 3, 4]) expect(await send(sequence)).toBe('NONE')
      if (why === 'the disk fails') {
        scene.broker.failDisk({ operation: 'write', at: 1, code: 'EIO', path: 'journal', writtenShare: 0 })
      }
      const fifth = why === 'the disk fails' ? '5' : 'x'.repeat(1_100_000)
      const pipeline = await Promise.all([send(5, fifth), ...[6, 7, 8].map((sequence) => send(sequence))])
      expect(pipeline).toEqual(
        why === 'the disk fails'
          ? Array(4).fill('no answer')
          : ['MESSAGE_TOO_LARGE', ...Array<string>(3).fill('OUT_OF_ORDER_SEQUENCE_NUMBER')],
      )
      expect(await scene.committed()).toEqual(['0', '1', '2', '3', '4'])
      const again = await scene.connect()
      const repeated = await Promise.all(
        [5, 6, 7, 8].map((sequence) =>
          again.produce('t', { ...producer, baseSequence: sequence, values: [`${sequence}`] }),
        ),
      )
      expect(repeated.map(({ errorCode, baseOffset }) => [errorCode, baseOffset])).toEqual(
        [5, 6, 7, 8].map((offset) => ['NONE', offset]),
      )
    })
  },
)

test('B2.49 Redpanda 7057, 18198: producer ids without end fill a table of bounded size, and time makes room in it', async () => {
  await inScene(
    async (scene) => {
      const send = (producerId: number) =>
        scene.ask((client) => client.produce('t', { producerId, producerEpoch: 0, baseSequence: 0 }))
      const errors: string[] = []
      for (let id = 10_000; id < 10_120; id++) errors.push((await send(id)).errorCode)
      expect(errors).toEqual([...Array<string>(100).fill('NONE'), ...Array<string>(20).fill('POLICY_VIOLATION')])
      // Those that are in it go on, and so does who has no id; a restart makes no room.
      await scene.powerCut()
      expect((await send(10_007)).errorCode).toBe('NONE')
      expect((await scene.ask((client) => client.produce('t', { values: ['plain'] }))).errorCode).toBe('NONE')
      expect((await send(10_119)).errorCode).toBe('POLICY_VIOLATION')
      await scene.pause(15_000)
      expect((await send(10_119)).errorCode).toBe('NONE')
    },
    {
      properties: {
        'semel.max.producer.ids': '100',
        'producer.id.expiration.ms': '10000',
        'producer.id.expiration.check.interval.ms': '1000',
      },
    },
  )
})
