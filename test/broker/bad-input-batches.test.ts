/** Record batches that are wrong, damaged or unfold to too much (reliability.md E.3, groups 12 and 13). */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import type { Codec } from '../../src/protocol/compression/compression.ts'
import { compress } from '../../src/protocol/compression/compression.ts'
import { listOffsets } from '../../src/protocol/messages/list-offsets.ts'
import { produce } from '../../src/protocol/messages/produce.ts'
import { buildBatch } from '../../src/protocol/record-batch.ts'
import { AT, besideOthers, changed } from './bad-input-kit.ts'
import type { Scene } from './bad-input-kit.ts'
import { batchOf } from './test-broker.ts'
import type { TestClient } from './test-broker.ts'

const CODECS: readonly Codec[] = ['gzip', 'snappy', 'lz4', 'zstd']
const CODEC_NUMBERS: Readonly<Record<Codec, number>> = { gzip: 1, snappy: 2, lz4: 3, zstd: 4 }
const MIB = 1024 * 1024

async function produceRaw(client: TestClient, topic: string, records: Uint8Array | null, version = 11) {
  const { responses } = await client.wire.request(produce, version, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
  })
  const partition = responses[0]?.partitionResponses[0]
  if (partition === undefined) throw new Error('Produce answered nothing for the partition')
  return partition
}

async function errorOf(client: TestClient, records: Uint8Array | null, topic = 't'): Promise<ErrorCode> {
  return (await produceRaw(client, topic, records)).errorCode
}

/** A batch with `count` in its header and the payload given, whatever that holds. */
function compressedBatch(codec: Codec, payload: Uint8Array, count = 1): Buffer {
  const head = buildBatch({ records: [{ timestamp: Date.now(), key: null, value: null }] }).subarray(0, AT.records)
  return changed(Buffer.concat([head, payload]), (bytes) => {
    bytes.writeInt32BE(bytes.length - 12, AT.batchLength)
    bytes.writeInt16BE(CODEC_NUMBERS[codec], AT.attributes)
    bytes.writeInt32BE(count - 1, AT.lastOffsetDelta)
    bytes.writeInt32BE(count, AT.recordCount)
  })
}

/** One record whose value is zeros: well formed, and as compressible as can be. */
function zeros(sizeBytes: number): Buffer {
  const body = buildBatch({
    records: [{ timestamp: Date.now(), key: Buffer.from('k'), value: Buffer.alloc(sizeBytes) }],
  })
  return Buffer.from(body.subarray(AT.records))
}

async function withCompactedTopic({ client }: Scene): Promise<void> {
  await client.createTopic('compacted', 1, { 'cleanup.policy': 'compact' })
}

describe('12: batches that are not what they say', () => {
  const good = (): Buffer => Buffer.from(batchOf({ values: ['a', 'b'] }))
  const cases: readonly (readonly [string, () => Uint8Array | null, ErrorCode])[] = [
    ['nothing', () => null, 'INVALID_RECORD'],
    ['no bytes', () => Buffer.alloc(0), 'INVALID_RECORD'],
    ['10 bytes', () => good().subarray(0, 10), 'CORRUPT_MESSAGE'],
    ['a header without its last byte', () => good().subarray(0, 60), 'CORRUPT_MESSAGE'],
    ['a header without records', () => withLength(good().subarray(0, 61)), 'INVALID_RECORD'],
    ['a wrong CRC', () => edited(good(), (bytes) => bytes.writeInt32BE(1, AT.crc)), 'CORRUPT_MESSAGE'],
    ['a bit turned in a record', () => edited(good(), (bytes) => (bytes[65]! ^= 4)), 'CORRUPT_MESSAGE'],
    ['length -1', () => changed(good(), (bytes) => bytes.writeInt32BE(-1, AT.batchLength)), 'CORRUPT_MESSAGE'],
    ['length 0', () => changed(good(), (bytes) => bytes.writeInt32BE(0, AT.batchLength)), 'CORRUPT_MESSAGE'],
    ['length one short', () => lengthBy(-1), 'INVALID_RECORD'],
    ['length one long', () => lengthBy(1), 'CORRUPT_MESSAGE'],
    [
      'length 2^31-1',
      () => changed(good(), (bytes) => bytes.writeInt32BE(2 ** 31 - 1, AT.batchLength)),
      'CORRUPT_MESSAGE',
    ],
    ['magic 0', () => edited(good(), (bytes) => (bytes[AT.magic] = 0)), 'INVALID_RECORD'],
    ['magic 1', () => edited(good(), (bytes) => (bytes[AT.magic] = 1)), 'INVALID_RECORD'],
    ['magic 3', () => edited(good(), (bytes) => (bytes[AT.magic] = 3)), 'INVALID_RECORD'],
    ['base offset 5', () => edited(good(), (bytes) => bytes.writeBigInt64BE(5n, AT.baseOffset)), 'INVALID_RECORD'],
    [
      'base offset 2^63-1',
      () => edited(good(), (bytes) => bytes.writeBigInt64BE(2n ** 63n - 1n, 0)),
      'CORRUPT_MESSAGE',
    ],
    [
      'a last offset delta too small',
      () => changed(good(), (bytes) => bytes.writeInt32BE(0, AT.lastOffsetDelta)),
      'INVALID_RECORD',
    ],
    [
      'a last offset delta too large',
      () => changed(good(), (bytes) => bytes.writeInt32BE(9, AT.lastOffsetDelta)),
      'INVALID_RECORD',
    ],
    ['a negative last offset delta', () => counted(-5, -4), 'INVALID_RECORD'],
    ['count 0', () => counted(-1, 0), 'INVALID_RECORD'],
    ['count 2^31-1 in 60 bytes', () => counted(2 ** 31 - 2, 2 ** 31 - 1), 'INVALID_RECORD'],
    ['count 3 of 2 records', () => counted(2, 3), 'INVALID_RECORD'],
    ['count 1 of 2 records', () => counted(0, 1), 'INVALID_RECORD'],
    [
      'a base timestamp of -2',
      () => changed(good(), (bytes) => bytes.writeBigInt64BE(-2n, AT.baseTimestamp)),
      'INVALID_TIMESTAMP',
    ],
    [
      'a largest timestamp of -5',
      () => changed(good(), (bytes) => bytes.writeBigInt64BE(-5n, AT.maxTimestamp)),
      'INVALID_TIMESTAMP',
    ],
    [
      'a timestamp of -2^63',
      () => changed(good(), (bytes) => bytes.writeBigInt64BE(-(2n ** 63n), AT.baseTimestamp)),
      'CORRUPT_MESSAGE',
    ],
    ['codec 5', () => changed(good(), (bytes) => bytes.writeInt16BE(5, AT.attributes)), 'UNSUPPORTED_COMPRESSION_TYPE'],
    ['codec 7', () => changed(good(), (bytes) => bytes.writeInt16BE(7, AT.attributes)), 'UNSUPPORTED_COMPRESSION_TYPE'],
    ['a record length too large', () => changed(good(), (bytes) => (bytes[AT.records] = 0x7e)), 'INVALID_RECORD'],
    ['a record length too small', () => changed(good(), (bytes) => (bytes[AT.records] = 4)), 'INVALID_RECORD'],
    ['a negative record length', () => changed(good(), (bytes) => (bytes[AT.records] = 1)), 'INVALID_RECORD'],
    ['bytes after the records', () => withLength(Buffer.concat([good(), Buffer.alloc(3)])), 'INVALID_RECORD'],
    ['bytes after the batch', () => Buffer.concat([good(), Buffer.alloc(3)]), 'INVALID_RECORD'],
    ['two batches', () => Buffer.concat([good(), good()]), 'INVALID_RECORD'],
  ]

  function edited(bytes: Buffer, change: (bytes: Buffer) => unknown): Buffer {
    change(bytes)
    return bytes
  }

  function withLength(batch: Buffer): Buffer {
    return changed(batch, (bytes) => bytes.writeInt32BE(bytes.length - 12, AT.batchLength))
  }

  function lengthBy(difference: number): Buffer {
    return changed(good(), (bytes) => bytes.writeInt32BE(bytes.length - 12 + difference, AT.batchLength))
  }

  function counted(lastOffsetDelta: number, recordCount: number): Buffer {
    return changed(good(), (bytes) => {
      bytes.writeInt32BE(lastOffsetDelta, AT.lastOffsetDelta)
      bytes.writeInt32BE(recordCount, AT.recordCount)
    })
  }

  test(
    'each is refused with its error, and nothing of it is stored',
    besideOthers(async (scene) => {
      const { client } = scene
      await withCompactedTopic(scene)
      for (const [what, make, error] of cases) {
        expect(await errorOf(client, make()), what).toBe(error)
        expect(await errorOf(client, make(), 'compacted'), `${what}, compacted topic`).toBe(error)
      }
      expect(await client.values('t')).toEqual([])
      expect(await errorOf(client, good())).toBe('NONE')
      expect((await client.read('t')).map(({ offset }) => offset)).toEqual([0, 1])
    }),
  )

  test(
    'a topic that is compacted, whose records are looked into, refuses what is wrong inside of them',
    besideOthers(async (scene) => {
      const { client } = scene
      await withCompactedTopic(scene)
      const record = buildBatch({
        records: [{ timestamp: Date.now(), key: Buffer.from('k'), value: Buffer.from('v') }],
      })
      const inside = (offset: number, value: number): Buffer =>
        changed(record, (bytes) => (bytes[AT.records + offset] = value))
      // length, attributes, timestamp delta, offset delta, key length, k, value length, v, header count
      expect(record.length - AT.records).toBe(9)
      const wrong: Record<string, Buffer> = {
        'a header count of -1': inside(8, 1),
        'a header count of 50': inside(8, 100),
        'a key length of -2': inside(4, 3),
        'a key past the end': inside(4, 100),
        'a value past the end': inside(6, 100),
        'an offset delta of 9': inside(3, 18),
        'an offset delta of -1': inside(3, 1),
        'a timestamp delta that never ends': inside(2, 0x80),
      }
      for (const [what, batch] of Object.entries(wrong)) {
        expect(await errorOf(client, batch, 'compacted'), what).toBe('CORRUPT_MESSAGE')
      }
      expect(await errorOf(client, record, 'compacted')).toBe('NONE')
      expect(await errorOf(client, batchOf({ values: ['no key'] }), 'compacted')).toBe('INVALID_RECORD')
    }),
  )

  test(
    'a record count that nothing could unfold to is refused for compressed batches too, so that no offsets are lost',
    besideOthers(async ({ client }) => {
      for (const codec of CODECS) {
        const batch = compressedBatch(codec, compress(codec, zeros(10)), 2 ** 31 - 1)
        expect(await errorOf(client, batch), codec).toBe('INVALID_RECORD')
      }
      expect(await client.produce('t', {})).toMatchObject({ errorCode: 'NONE', baseOffset: 0 })
    }),
  )
})

describe('13: compressed batches that are bombs or damaged', () => {
  const bombs: Record<string, () => Buffer> = {
    'gzip 1000:1': () => compressedBatch('gzip', gzipSync(zeros(24 * MIB))),
    'gzip in gzip': () => compressedBatch('gzip', gzipSync(gzipSync(zeros(24 * MIB)))),
    'gzip members one after the other': () =>
      compressedBatch('gzip', Buffer.concat(Array<Buffer>(20).fill(gzipSync(zeros(2 * MIB))))),
    'zstd 10000:1': () => compressedBatch('zstd', zstdCompressSync(zeros(24 * MIB))),
    'zstd frames one after the other': () =>
      compressedBatch('zstd', Buffer.concat(Array<Buffer>(20).fill(zstdCompressSync(zeros(2 * MIB))))),
    'lz4 250:1': () => compressedBatch('lz4', compress('lz4', zeros(24 * MIB))),
    'snappy that states 4 GiB': () => compressedBatch('snappy', Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0)),
    'zstd with a window of 2 GiB': () =>
      compressedBatch('zstd', Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00)),
    'zstd that states 2^60 bytes': () =>
      compressedBatch('zstd', Buffer.from('28b52ffde00000000000000010010000', 'hex')),
  }
  const damaged: Record<string, () => Buffer> = {}
  for (const codec of CODECS) {
    const whole = (): Uint8Array => compress(codec, zeros(1000))
    damaged[`${codec} cut in the middle`] = () => compressedBatch(codec, whole().subarray(0, whole().length >>> 1))
    damaged[`${codec} of one byte`] = () => compressedBatch(codec, whole().subarray(0, 1))
    damaged[`${codec} of noise`] = () => compressedBatch(codec, Buffer.alloc(100, 0xa5))
    damaged[`${codec} of fewer records than counted`] = () => compressedBatch(codec, whole(), 2)
  }
  damaged['gzip with a wrong size in its trailer'] = () => {
    const payload = gzipSync(zeros(1000))
    payload.writeUInt32LE(5, payload.length - 4)
    return compressedBatch('gzip', payload)
  }
  const all = { ...bombs, ...damaged }

  test(
    'a compacted topic, where records are looked into, refuses them within bounded memory',
    besideOthers(
      async (scene) => {
        const { client } = scene
        await withCompactedTopic(scene)
        for (const [what, make] of Object.entries(all)) {
          expect(await errorOf(client, make(), 'compacted'), what).toBe('CORRUPT_MESSAGE')
        }
        for (const codec of CODECS) {
          expect(await errorOf(client, compressedBatch(codec, compress(codec, zeros(1000))), 'compacted')).toBe('NONE')
        }
      },
      { properties: { 'semel.max.decompressed.bytes': String(16 * MIB) } },
    ),
    60_000,
  )

  test(
    'elsewhere they are stored untouched; looking a time up in them answers with the batch as a whole',
    besideOthers(
      async ({ client }) => {
        const stored: Buffer[] = []
        for (const make of Object.values(all)) {
          const batch = make()
          if ((await errorOf(client, batch)) === 'NONE') stored.push(batch)
        }
        expect(stored.length).toBeGreaterThan(20)
        const timeOf = (batch: Buffer): number => Number(batch.readBigInt64BE(AT.maxTimestamp))
        const { baseOffset } = await client.produce('t', {
          records: [{ timestamp: Date.now() + 60_000, key: null, value: Buffer.from('later') }],
        })
        for (const timestamp of [0, timeOf(stored[0]!), Math.max(...stored.map(timeOf)), -3]) {
          const { topics } = await client.wire.request(listOffsets, 7, {
            replicaId: -1,
            isolationLevel: 0,
            topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }],
          })
          expect(topics[0]?.partitions[0]).toMatchObject({ errorCode: 'NONE' })
          expect(topics[0]?.partitions[0]?.offset).toBeGreaterThanOrEqual(0)
        }
        const { topics } = await client.wire.request(listOffsets, 7, {
          replicaId: -1,
          isolationLevel: 0,
          topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: Date.now() + 30_000 }] }],
        })
        expect(topics[0]?.partitions[0]).toMatchObject({ errorCode: 'NONE', offset: baseOffset })
        // What was stored is given out as it came.
        let next = 0
        for (const batch of stored) {
          const { records } = await client.fetchRaw('t', next, { maxBytes: 1 })
          expect(
            Buffer.from(records ?? [])
              .subarray(21)
              .equals(batch.subarray(21)),
          ).toBe(true)
          next += batch.readInt32BE(AT.recordCount)
        }
      },
      { properties: { 'semel.max.decompressed.bytes': String(16 * MIB), 'message.max.bytes': String(8 * MIB) } },
    ),
    60_000,
  )

  test(
    'a small batch that unfolds to a million records is looked into without keeping them',
    besideOthers(
      async (scene) => {
        const { client } = scene
        await withCompactedTopic(scene)
        const count = 1_000_000
        const millionOf = (record: Buffer): Buffer =>
          compressedBatch('gzip', gzipSync(Buffer.alloc(count * record.length, record)), count)
        // length, attributes, timestamp delta, offset delta, key length, (key,) value length, header count
        const keyed = millionOf(Buffer.of(14, 0, 0, 0, 2, 107, 1, 0))
        const keyless = millionOf(Buffer.of(12, 0, 0, 0, 1, 1, 0))
        expect(await errorOf(client, keyed, 'compacted')).toBe('NONE')
        const refused = await produceRaw(client, 'compacted', keyless)
        expect(refused.errorCode).toBe('INVALID_RECORD')
        expect(refused.recordErrors?.length).toBe(1000)
        expect(await errorOf(client, keyless)).toBe('NONE')
      },
      { properties: { 'semel.max.decompressed.bytes': String(16 * MIB) } },
    ),
  )
})
