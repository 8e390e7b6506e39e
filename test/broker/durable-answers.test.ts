/** No answer that says "stored" leaves before the flush it rests on, whoever asks, and however often. */
import { expect, test } from 'vitest'
import { endTxn } from '../../src/protocol/messages/end-txn.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import { TestBroker, TV1_PRODUCE } from './test-broker.ts'

const FLUSH_MS = 500

test('a repeated batch waits for the flush of the first, and EndTxn for that of its decision', async () => {
  let flushMs = 0
  const runtime = simRuntime(1, { diskLatencyMs: (operation) => (operation === 'sync' ? flushMs : 0) })
  await runtime.clock.runUntil(
    (async () => {
      await using broker = await TestBroker.start({ runtime, dataDir: '/data' })
      const [first, second] = [await broker.connect(), await broker.connect()]
      await first.createTopic('t')
      const plain = await first.initProducer(null)
      const producer = await first.initProducer('id')
      const { producerId, producerEpoch } = producer
      await first.produceIn('id', producer, 't', 0, 'in a transaction')
      flushMs = FLUSH_MS
      const answeredAfterMs = async (work: Promise<{ readonly errorCode: string }>) => {
        const beganMs = runtime.clock.nowMs()
        expect((await work).errorCode).toBe('NONE')
        return runtime.clock.nowMs() - beganMs
      }
      const batch = { values: ['plain'], producerId: plain.producerId, producerEpoch: 0, baseSequence: 0 }
      const ended = { transactionalId: 'id', producerId, producerEpoch, committed: true }
      const waits = await Promise.all([
        answeredAfterMs(first.produce('t', batch, { version: TV1_PRODUCE })),
        answeredAfterMs(second.produce('t', batch, { version: TV1_PRODUCE })),
      ])
      for (const waitMs of waits) expect(waitMs).toBeGreaterThanOrEqual(FLUSH_MS)
      expect(await first.values('t', 0)).toEqual(['in a transaction', 'plain'])
      expect(await answeredAfterMs(first.wire.request(endTxn, 5, ended))).toBeGreaterThanOrEqual(FLUSH_MS)
      flushMs = 0
    })(),
  )
})

test.each([
  [12, 5, 'INVALID_PRODUCER_EPOCH'],
  [11, 4, 'NOT_ENOUGH_REPLICAS'],
])(
  'B1.4 KAFKA-14884: a batch behind EndTxn does not join what is decided (Produce %i, EndTxn %i: %s)',
  async (version, end, expected) => {
    const runtime = simRuntime(2, { diskLatencyMs: (operation) => (operation === 'sync' ? 20 : 0) })
    await runtime.clock.runUntil(
      (async () => {
        await using broker = await TestBroker.start({ runtime, dataDir: '/data' })
        const client = await broker.connect()
        await client.createTopic('t')
        const producer = await client.initProducer('id')
        await client.produceIn('id', producer, 't', 0, 'in time')
        // Sent without waiting: the decision is made and not on disk when the batch arrives.
        const ended = client.endTxn('id', producer, true, end)
        const late = await client.produceIn('id', producer, 't', 1, 'late', { version })
        expect((await ended).errorCode).toBe('NONE')
        expect(late.errorCode).toBe(expected)
        expect(await client.values('t', 0)).toEqual(['in time'])
      })(),
    )
  },
)

test('the id of a producer that is not transactional waits for the flush of its block, that of a second one too', async () => {
  let flushMs = 0
  const runtime = simRuntime(3, { diskLatencyMs: (operation) => (operation === 'sync' ? flushMs : 0) })
  await runtime.clock.runUntil(
    (async () => {
      await using broker = await TestBroker.start({ runtime, dataDir: '/data' })
      const clients = [await broker.connect(), await broker.connect()]
      flushMs = FLUSH_MS
      const beganMs = runtime.clock.nowMs()
      const ids = await Promise.all(
        clients.map(async (client) => {
          const { producerId } = await client.initProducer(null)
          expect(runtime.clock.nowMs() - beganMs).toBeGreaterThanOrEqual(FLUSH_MS)
          return producerId
        }),
      )
      expect(new Set(ids).size).toBe(2)
      flushMs = 0
    })(),
  )
})
