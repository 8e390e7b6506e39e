/** What a start makes of records that were deleted from the front after the last checkpoint: they are gone, what they meant is not. */
import { expect, test } from 'vitest'
import { deleteRecords } from '../../src/protocol/messages/delete-records.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import type { SimRuntime } from '../../src/testing/sim-runtime.ts'
import { TestBroker } from '../broker/test-broker.ts'
import type { Producer, TestClient } from '../broker/test-broker.ts'

/** Runs one life on a world, and the next after a power cut that finds everything. */
async function overPowerCut(
  before: (client: TestClient) => Promise<Producer>,
  after: (client: TestClient, producer: Producer) => Promise<void>,
): Promise<void> {
  const runtime = simRuntime(1)
  const lives = (world: SimRuntime) => TestBroker.start({ runtime: world, dataDir: '/data' })
  const producer = await runtime.clock.runUntil(
    (async () => {
      const broker = await lives(runtime)
      return await before(await broker.connect())
    })(),
  )
  const next = runtime.afterCrash({ writes: 'kept', names: 'kept', garbles: false })
  await next.clock.runUntil(
    (async () => {
      const broker = await lives(next)
      await after(await broker.connect(), producer)
    })(),
  )
}

async function deleteBelow(client: TestClient, offset: number): Promise<void> {
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }]
  const reply = await client.wire.request(deleteRecords, 2, { topics, timeoutMs: 1000 })
  expect(reply.topics[0]?.partitions[0]?.errorCode).toBe('NONE')
}

test.each([2, 3])(
  'a batch that is sent once more is recognised though records up to %i of 3 were deleted before the crash',
  async (deletedTo) => {
    await overPowerCut(
      async (client) => {
        await client.createTopic('t')
        const producer = await client.initProducer(null)
        for (const sequence of [0, 1, 2])
          await client.produce('t', { values: [`v${sequence}`], ...producer, baseSequence: sequence })
        await deleteBelow(client, deletedTo)
        return producer
      },
      async (client, producer) => {
        for (const sequence of [0, 1, 2]) {
          const again = await client.produce('t', { values: [`v${sequence}`], ...producer, baseSequence: sequence })
          expect(again).toMatchObject({ errorCode: 'NONE', baseOffset: sequence })
        }
        const { highWatermark, logStartOffset } = await client.fetchRaw('t', 3)
        expect({ highWatermark, logStartOffset }).toEqual({ highWatermark: 3, logStartOffset: deletedTo })
      },
    )
  },
)

test('a transaction whose records were all deleted before the crash is still open on its partition', async () => {
  await overPowerCut(
    async (client) => {
      await client.createTopic('t')
      const producer = await client.initProducer('tx')
      await client.produceIn('tx', producer, 't', 0, 'gone')
      await deleteBelow(client, 1)
      await client.produce('t', { values: ['after'] })
      return producer
    },
    async (client, producer) => {
      expect((await client.fetchRaw('t', 1, { isolation: 1 })).lastStableOffset).toBe(1)
      expect((await client.produceIn('tx', producer, 't', 1, 'more')).errorCode).toBe('NONE')
      expect((await client.endTxn('tx', producer, true)).errorCode).toBe('NONE')
      expect(await client.read('t', { isolation: 1, from: 1 })).toMatchObject([{ value: 'after' }, { value: 'more' }])
    },
  )
})
