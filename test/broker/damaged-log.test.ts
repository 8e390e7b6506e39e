/** Bytes that rotted in the middle of an old segment: who asks for them is told, nobody is given them, the rest goes on. */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { TestBroker } from './test-broker.ts'

/** Enough that the damage lies well before the last index entry, which is where a start looks. */
const RECORDS = 40
const VALUE = 'x'.repeat(1000)

/** @param within  of the second batch */
async function flipByte(path: string, within: number): Promise<void> {
  const file = await open(path, 'r+')
  const length = Buffer.alloc(4)
  await file.read(length, 0, 4, 8)
  const position = 12 + length.readInt32BE(0) + within
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, position)
  byte.writeUInt8(byte.readUInt8(0) ^ 0x10, 0)
  await file.write(byte, 0, 1, position)
  await file.close()
}

test.each([
  ['in a record', 500],
  ['in the length of a batch', 10],
])('a byte that changed %s is not handed out', async (_, within) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'semel-damage-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  {
    await using broker = await TestBroker.start({ dataDir })
    const client = await broker.connect()
    for (const topic of ['rotten', 'sound']) {
      await client.createTopic(topic)
      for (let count = 0; count < RECORDS; count += 1) await client.produce(topic, { values: [VALUE] })
    }
  }
  await flipByte(join(dataDir, 'rotten-0', '00000000000000000000.log'), within)
  await using broker = await TestBroker.start({ dataDir })
  const client = await broker.connect()
  const damaged = await client.fetchRaw('rotten', 0)
  expect(damaged.errorCode).toBe('CORRUPT_MESSAGE')
  expect(damaged.records).toHaveLength(0)
  expect((await client.values('sound')).length).toBe(RECORDS)
  expect((await client.produce('rotten', { values: ['on'] })).errorCode).toBe('NONE')
  expect((await client.read('rotten', { from: RECORDS })).map(({ value }) => value)).toEqual(['on'])
  expect(broker.broker.failure).toBeUndefined()
})
