/**
 * What readers are shown while transactions end, disks fail and brokers recover (rows B2 28 to 34 and 47): nothing that may still
 * be taken back, nothing that was aborted, and everything else.
 */
import { expect, test } from 'vitest'
import { listOffsets } from '../../../src/protocol/messages/list-offsets.ts'
import { batches } from '../../../src/protocol/record-batch.ts'
import { RawProducer } from './raw-producer.ts'
import { inScene, type Scene, VERSIONS } from './scene.ts'

const LARGE = 'x'.repeat(20_000)

/** One answer to a read_committed Fetch, checked by itself. @returns the offset behind it */
async function fetchStable(
  scene: Scene,
  from: number,
  maxWaitMs = 0,
): Promise<{ next: number; lastStableOffset: number }> {
  const read = await scene.ask((client) => client.fetchRaw('t', from, { isolation: 1, maxWaitMs }))
  expect(read.errorCode).toBe('NONE')
  expect(read.lastStableOffset).toBeLessThanOrEqual(read.highWatermark)
  let next = from
  for (const { header } of batches(read.records ?? new Uint8Array(0))) {
    expect(header.lastOffset).toBeLessThan(read.lastStableOffset)
    next = header.lastOffset + 1
  }
  return { next, lastStableOffset: read.lastStableOffset }
}

test.each(VERSIONS)(
  'B2.28 KAFKA-9807: readers that ask all the time while transactions end are shown whole committed ones only [version %i]',
  async (version) => {
    for (let seed = 1; seed <= 4; seed++) {
      await inScene(
        async (scene) => {
          if (seed % 2 === 0) scene.broker.slowDisk(30)
          const kept: string[] = []
          let isDone = false
          const write = async (id: string): Promise<void> => {
            const producer = await RawProducer.start(scene, version, { id })
            for (let round = 0; round < 8; round++) {
              const isKept = (round + seed) % 2 === 0
              for (const part of ['a', 'b']) {
                const value = `${isKept ? 'kept' : 'dropped'} ${id} ${round}${part}`
                expect(await producer.despite(() => producer.sendAtLast(value))).toBe('NONE')
                if (isKept) kept.push(value)
              }
              expect(await producer.despite(() => producer.endAtLast(isKept))).toBe('NONE')
            }
          }
          const writing = Promise.all(['one', 'two', 'three'].map(write)).then(() => {
            isDone = true
          })
          const { kafka } = scene.sim.client('reader', { requestTimeoutMs: 2_000 })
          const consumer = kafka.consumer({ partitions: [{ topic: 't', partition: 0 }], startFrom: 'earliest' })
          const seen: string[] = []
          const following = (async () => {
            for (let quiet = 0; quiet < 3; ) {
              const records = await consumer.poll({ timeoutMs: 300 })
              seen.push(...records.map(({ value }) => String(value)))
              quiet = isDone && records.length === 0 ? quiet + 1 : 0
            }
          })()
          let [next, before] = [0, 0]
          for (let count = 0; !isDone; count++) {
            const read = await fetchStable(scene, next, 5)
            expect(read.lastStableOffset).toBeGreaterThanOrEqual(before)
            ;({ next, lastStableOffset: before } = read)
            if (count === 30) await scene.powerCut()
          }
          await writing
          await following
          await kafka.close()
          expect(new Set(seen)).toEqual(new Set(kept))
          expect(seen).toHaveLength(kept.length)
          expect(seen).toEqual(await scene.committed())
        },
        { seed },
      )
    }
  },
)

test.each(
  VERSIONS.flatMap((version) => (['its producer', 'its timeout'] as const).map((how) => [how, version] as const)),
)(
  'B2.29 KAFKA-5376: a fetch that waited while a transaction was aborted by %s names it [version %i]',
  async (how, version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version, { timeoutMs: 2_000 })
      expect(await producer.send('dropped')).toBe('NONE')
      await scene.ask((client) => client.produce('t', { values: ['behind'] }))
      scene.broker.slowDisk(30)
      const reader = await scene.connect()
      const waiting = reader.fetchRaw('t', 0, { isolation: 1, maxWaitMs: 20_000 })
      if (how === 'its producer') expect(await producer.endAtLast(false)).toBe('NONE')
      expect(await waiting).toMatchObject({
        lastStableOffset: 3,
        highWatermark: 3,
        abortedTransactions: [{ producerId: producer.current.producerId, firstOffset: 0 }],
      })
      expect(scene.sim.clock.monotonicMs()).toBeLessThan(8_000)
      expect(await scene.committed()).toEqual(['behind'])
    })
  },
)

test.each(VERSIONS)(
  'B2.30 Redpanda 3036, 10671, 28360, a56d0d9: the last stable offset is right at every moment of a recovery, and never goes back [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const done = await RawProducer.start(scene, version, { id: 'done' })
      const open = await RawProducer.start(scene, version, { id: 'open', timeoutMs: 600_000 })
      await scene.ask((client) => client.produce('t', { values: ['plain'] }))
      expect(await done.send('dropped')).toBe('NONE')
      expect(await done.endAtLast(false)).toBe('NONE')
      await scene.ended('done')
      // A transaction of one record that is aborted is all there is at the end, and does not hold it up.
      expect(await fetchStable(scene, 0)).toEqual({ next: 3, lastStableOffset: 3 })
      expect(await open.send('open')).toBe('NONE')
      for (let life = 0; life < 10; life++) {
        if (life % 3 === 0) scene.broker.kill()
        else scene.broker.powerOff()
        scene.broker.start()
        // As soon as there is anybody to ask.
        expect(await fetchStable(scene, 0)).toEqual({ next: 3, lastStableOffset: 3 })
        const latest = await scene.ask(async ({ wire }) => {
          const topics = [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }]
          const reply = await wire.request(listOffsets, 5, { replicaId: -1, isolationLevel: 1, topics })
          return reply.topics[0]?.partitions[0]?.offset
        })
        expect(latest).toBe(3)
        if (life < 4) continue
        expect((await open.despite(() => open.produce(`more ${life}`, { sequence: life - 3 }))).errorCode).toBe('NONE')
      }
      expect(await open.despite(() => open.endAtLast(true))).toBe('NONE')
      await scene.ended('open')
      expect(await scene.committed()).toEqual(['plain', 'open', ...[4, 5, 6, 7, 8, 9].map((life) => `more ${life}`)])
    })
  },
)

test.each(VERSIONS.flatMap((version) => [true, false].map((committed) => [committed, version] as const)))(
  'B2.31 KAFKA-5522: a look-up by time finds nothing of a transaction before it is over, after a power cut either [committed: %s, version %i]',
  async (committed, version) => {
    await inScene(async (scene) => {
      const lookUp = (timestamp: number, isolationLevel: 0 | 1) =>
        scene.ask(async ({ wire }) => {
          const topics = [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }]
          const reply = await wire.request(listOffsets, 7, { replicaId: -1, isolationLevel, topics })
          return reply.topics[0]?.partitions[0]?.offset
        })
      const record = (timestamp: number, value: string) => ({ timestamp, key: null, value: Buffer.from(value) })
      await scene.ask((client) => client.produce('t', { records: [record(1_000, 'old')] }))
      const producer = await RawProducer.start(scene, version, { timeoutMs: 600_000 })
      if (version === 1) expect(await producer.add(0)).toBe('NONE')
      const batch = { records: [record(2_000, 'open')], ...producer.current, baseSequence: 0, isTransactional: true }
      const where = { transactionalId: producer.id, version: version === 1 ? 11 : 12 }
      expect((await scene.ask((client) => client.produce('t', batch, where))).errorCode).toBe('NONE')
      const isHidden = async (): Promise<void> => {
        // 1,500 lies between the two; -3 asks for the largest timestamp.
        expect([await lookUp(1_500, 0), await lookUp(1_500, 1)]).toEqual([1, -1])
        expect([await lookUp(-3, 0), await lookUp(-3, 1)]).toEqual([1, 0])
      }
      await isHidden()
      await scene.powerCut()
      await isHidden()
      expect(await producer.despite(() => producer.endAtLast(committed))).toBe('NONE')
      await scene.ended()
      // Kafka finds records of aborted transactions too; who reads on from there leaves them out.
      expect(await lookUp(1_500, 1)).toBe(1)
      expect(await scene.committed()).toEqual(committed ? ['old', 'open'] : ['old'])
    })
  },
)

test.each(VERSIONS)(
  'B2.32 KAFKA-12153: a tail that is torn inside of an open transaction leaves it open where it began [version %i]',
  async (version) => {
    for (let operation = 0; operation < 10; operation++) {
      await inScene(
        async (scene) => {
          const older = await RawProducer.start(scene, version, { id: 'older', timeoutMs: 600_000 })
          const producer = await RawProducer.start(scene, version, { timeoutMs: 600_000 })
          await scene.ask((client) => client.produce('t', { values: ['plain'] }))
          expect(await older.send('older')).toBe('NONE')
          expect(await producer.send('begin')).toBe('NONE')
          const cut = scene.powerCutAt(operation, { writes: 'mixed', names: 'mixed', garbles: true })
          const values = Array.from({ length: 15 }, (_, at) => `${at} ${LARGE}`)
          for (let first = 0; first < values.length; first += 5) {
            // Five in flight: frames that are written together, and torn together.
            const answers = await producer.despite(() =>
              Promise.all(
                values
                  .slice(first, first + 5)
                  .map((value, at) => producer.produce(value, { sequence: 1 + first + at })),
              ),
            )
            expect(answers.map(({ errorCode }) => errorCode)).toEqual(Array(5).fill('NONE'))
            expect((await fetchStable(scene, 0)).lastStableOffset).toBe(1)
          }
          await cut
          expect((await fetchStable(scene, 0)).lastStableOffset).toBe(1)
          const committed = operation % 2 === 0
          expect(await producer.despite(() => producer.endAtLast(committed))).toBe('NONE')
          await scene.ended()
          expect((await fetchStable(scene, 0)).lastStableOffset).toBe(1)
          expect(await older.despite(() => older.endAtLast(true))).toBe('NONE')
          await scene.ended('older')
          expect(await scene.committed()).toEqual(['plain', 'older', ...(committed ? ['begin', ...values] : [])])
        },
        { seed: operation + 1 },
      )
    }
  },
)

test.each([
  ['.txnindex', 'ENOSPC'],
  ['.txnindex', 'EIO'],
  ['.index', 'ENOSPC'],
  ['.timeindex', 'ENOSPC'],
] as const)(
  'B2.33 KAFKA-7866: an index that cannot be written (%s, %s) gives no offset twice and hides no aborted transaction',
  async (path, code) => {
    await inScene(
      async (scene) => {
        const producer = await RawProducer.start(scene, 2)
        const mend = scene.broker.failDisk({ operation: 'write', at: 1, code, path, isPermanent: true })
        const mending = (async () => {
          while (scene.broker.stops.length === 0) await scene.pause(10)
          await scene.pause(3_000)
          mend()
        })()
        const kept: string[] = []
        for (let round = 0; round < 30; round++) {
          const value = `${round} ${LARGE}`
          expect(await producer.despite(() => producer.send(value))).toBe('NONE')
          expect(await producer.despite(() => producer.endAtLast(round % 2 === 0))).toBe('NONE')
          if (round % 2 === 0) kept.push(value)
        }
        await mending
        expect(scene.broker.stops.join()).toContain(code)
        await scene.ended()
        expect(await scene.committed()).toEqual(kept)
        await scene.broker.stop()
        scene.broker.start()
        expect(await scene.committed()).toEqual(kept)
      },
      // Checkpoints as often as can be: they are what writes indexes.
      { properties: { 'semel.checkpoint.bytes': '65536' } },
    )
  },
)

test.each(
  (['write', 'sync'] as const).flatMap((operation) =>
    (['EIO', 'ENOSPC'] as const).map((code) => [operation, code] as const),
  ),
)(
  'B2.34 KAFKA-10778: after a %s that failed with %s nothing is acknowledged that a restart does not find',
  async (operation, code) => {
    for (let at = 1; at <= 9; at += 2) {
      await inScene(
        async (scene) => {
          const { kafka } = scene.sim.client('shop', { requestTimeoutMs: 2_000, retryBackoffMs: 20 })
          const producer = kafka.producer()
          await producer.send('t', { value: 'first', partition: 0 })
          scene.broker.failDisk({ operation, at, code, path: 'journal' })
          const acknowledged: { value: string; offset: number }[] = []
          const send = async (value: string): Promise<void> => {
            const { offset } = await producer.send('t', { value, partition: 0 })
            acknowledged.push({ value, offset: Number(offset) })
          }
          for (let round = 0; round < 10; round++)
            await Promise.all(['a', 'b', 'c'].map((part) => send(`${round}${part}`)))
          expect(scene.broker.stops.join()).toContain(code)
          const stored = await scene.ask((client) => client.read('t', { from: 1 }))
          expect(stored.map(({ offset, value }) => ({ value, offset }))).toEqual(
            acknowledged.toSorted((a, b) => a.offset - b.offset),
          )
          await kafka.close()
        },
        { seed: at },
      )
    }
  },
)

test('B2.47 Redpanda 7043, 7819: reads from memory, from segments and across both have one list of aborted transactions', async () => {
  await inScene(
    async (scene) => {
      const producer = await RawProducer.start(scene, 2)
      const kept: { offset: number; value: string }[] = []
      const readable = async (): Promise<void> => {
        expect(await scene.committed()).toEqual(kept.map(({ value }) => value))
        // From the middle of transactions too, in answers of a few batches each.
        const { highWatermark } = await scene.ask((client) => client.fetchRaw('t', 0))
        for (let from = 0; from <= highWatermark; from += 7) {
          const read = await scene.ask((client) => client.read('t', { isolation: 1, from }))
          const expected = kept.filter(({ offset }) => offset >= from)
          expect(read.map(({ offset, value }) => ({ offset, value }))).toEqual(expected)
        }
      }
      for (let round = 0; round < 24; round++) {
        const isKept = round % 3 === 0
        for (const part of [0, 1]) {
          const value = `${round}.${part} ${LARGE}`
          expect(await producer.despite(() => producer.send(value))).toBe('NONE')
          // Two records and a marker each.
          if (isKept) kept.push({ offset: 3 * round + part, value })
        }
        expect(await producer.despite(() => producer.endAtLast(isKept))).toBe('NONE')
        if (round % 8 === 7) {
          await scene.ended()
          await readable()
        }
        if (round % 8 === 3) await scene.powerCut()
      }
      await scene.broker.stop()
      scene.broker.start()
      await readable()
    },
    { properties: { 'semel.checkpoint.bytes': '65536' } },
  )
})
