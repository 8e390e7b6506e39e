/** The index of aborted transactions decides what consumers may see, and Kafka's format has no checksum for it. */
import { expect, test } from 'vitest'
import { CorruptionError } from '../../src/storage/errors.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import { TestBroker } from '../broker/test-broker.ts'

const INDEX = '/data/t-0/00000000000000000000.txnindex'
const ENTRY_BYTES = 34

test('any rotten byte of an index of aborted transactions is refused at the start', async () => {
  const runtime = simRuntime(1)
  const { clock } = runtime
  await clock.runUntil(
    (async () => {
      await using broker = await TestBroker.start({ runtime, dataDir: '/data' })
      const client = await broker.connect()
      await client.createTopic('t')
      let producer = await client.initProducer('tx')
      for (const value of ['a', 'b']) {
        await client.produceIn('tx', producer, 't', 0, value)
        producer = { ...producer, ...(await client.endTxn('tx', producer, false)) }
      }
    })(),
  )
  const before = runtime.fileSystem.readFile(INDEX)
  expect(before.length).toBe(2 * ENTRY_BYTES)
  for (let position = 0; position < before.length; position += 1) {
    const found = runtime.afterKill()
    found.fileSystem.rot(INDEX, position, Uint8Array.of((before[position] as number) ^ 0x04))
    const start = TestBroker.start({ runtime: found, dataDir: '/data' })
    const refusal: unknown = await clock.runUntil(start.catch((error: unknown) => error))
    expect(refusal, `byte ${position}`).toBeInstanceOf(CorruptionError)
    expect((refusal as CorruptionError).file).toBe(INDEX)
  }
})
