import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AssertionError } from '../base/assert.ts'
import { ByteWriter, DecodeError, writeInt16, writeInt32, writeInt64 } from '../base/bytes.ts'
import { SimRandom } from '../testing/sim-random.ts'
import { COMPRESSIONS } from './compression/compression.ts'
import {
  advanceSequence,
  BATCH_OVERHEAD_BYTES,
  batchCrcMatches,
  batches,
  buildBatch,
  checkRecordLayout,
  NO_SEQUENCE,
  readBatchHeader,
  readRecords,
  setBaseOffset,
  setLogAppendTime,
  setPartitionLeaderEpoch,
} from './record-batch.ts'

const LIMIT = { maxDecompressedBytes: 1024 * 1024 }

/** Batches of kafka-clients 4.3.1 by name, made by test/fixtures/GoldenBytes.java. */
const golden = new Map(
  readFileSync(new URL('../../test/fixtures/batches-kafka-4.3.1.tsv', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t') as [string, string])
    .map(([name, hex]) => [name, Buffer.from(hex, 'hex')]),
)

const GOLDEN_RECORDS = [
  {
    timestamp: 1_700_000_000_000,
    key: Buffer.from('k1'),
    value: Buffer.from('value one value one value one value one'),
    headers: [
      { key: 'h', value: Buffer.from('x') },
      { key: 'n', value: null },
    ],
  },
  { timestamp: 1_700_000_000_005, key: null, value: Buffer.from('second'), headers: [] },
  { timestamp: 1_699_999_999_999, key: Buffer.from('k3'), value: null, headers: [] },
]

function sample(): Buffer {
  return Buffer.from(golden.get('none')!)
}

describe('batches of kafka-clients 4.3.1', () => {
  test.each(COMPRESSIONS)('with compression %s are read', (compression) => {
    const bytes = golden.get(compression)!
    expect(readBatchHeader(bytes)).toMatchObject({
      baseOffset: 1000,
      batchLength: bytes.length - 12,
      partitionLeaderEpoch: 9,
      magic: 2,
      lastOffsetDelta: 2,
      baseTimestamp: 1_700_000_000_000,
      maxTimestamp: 1_700_000_000_005,
      producerId: 77,
      producerEpoch: 3,
      baseSequence: 2_147_483_646,
      recordCount: 3,
      sizeBytes: bytes.length,
      lastOffset: 1002,
      lastSequence: 0,
      compression,
      timestampType: 'CreateTime',
      isTransactional: true,
      isControl: false,
      hasDeleteHorizon: false,
    })
    expect(batchCrcMatches(bytes)).toBe(true)
    expect(checkRecordLayout(bytes, readBatchHeader(bytes))).toBeUndefined()
    expect(readRecords(bytes, LIMIT)).toEqual(
      GOLDEN_RECORDS.map((record, index) => ({ ...record, offset: 1000 + index })),
    )
  })

  test('are built byte for byte', () => {
    const built = buildBatch({
      records: GOLDEN_RECORDS,
      baseOffset: 1000,
      partitionLeaderEpoch: 9,
      producerId: 77,
      producerEpoch: 3,
      baseSequence: 2_147_483_646,
      isTransactional: true,
    })
    expect(Buffer.from(built).toString('hex')).toBe(golden.get('none')!.toString('hex'))
  })

  test('with append time give it to every record', () => {
    const bytes = golden.get('log-append-time')!
    const header = readBatchHeader(bytes)
    expect(header.timestampType).toBe('LogAppendTime')
    expect(readRecords(bytes, LIMIT).map((record) => record.timestamp)).toEqual(Array(3).fill(header.maxTimestamp))
  })
})

describe('changes in place', () => {
  test('base offset and leader epoch leave the CRC valid', () => {
    const bytes = sample()
    setBaseOffset(bytes, 2 ** 40 + 7)
    setPartitionLeaderEpoch(bytes, 123)
    expect(readBatchHeader(bytes)).toMatchObject({
      baseOffset: 2 ** 40 + 7,
      lastOffset: 2 ** 40 + 9,
      partitionLeaderEpoch: 123,
    })
    expect(batchCrcMatches(bytes)).toBe(true)
  })

  test('the append time sets attribute and maximum and renews the CRC, whatever the compression', () => {
    for (const compression of COMPRESSIONS) {
      const bytes = Buffer.from(golden.get(compression)!)
      setLogAppendTime(bytes, 1_800_000_000_000)
      const header = readBatchHeader(bytes)
      expect(header).toMatchObject({ timestampType: 'LogAppendTime', maxTimestamp: 1_800_000_000_000, compression })
      expect(header.isTransactional).toBe(true)
      expect(batchCrcMatches(bytes)).toBe(true)
    }
  })

  test('any changed byte from the attributes on breaks the CRC', () => {
    for (let at = 17; at < sample().length; at++) {
      const bytes = sample()
      bytes[at]! ^= 0x10
      expect(batchCrcMatches(bytes)).toBe(false)
    }
  })
})

describe('sequences', () => {
  test('wrap from 2^31 - 1 to 0', () => {
    expect(advanceSequence(2 ** 31 - 1, 0)).toBe(2 ** 31 - 1)
    expect(advanceSequence(2 ** 31 - 1, 1)).toBe(0)
    expect(advanceSequence(2 ** 31 - 2, 5)).toBe(3)
    expect(advanceSequence(5, 5)).toBe(10)
  })

  test('a batch without a sequence has no last one', () => {
    const bytes = buildBatch({ records: GOLDEN_RECORDS })
    expect(readBatchHeader(bytes)).toMatchObject({ baseSequence: NO_SEQUENCE, lastSequence: NO_SEQUENCE })
  })
})

test('what is built reads back, in every compression', () => {
  const blob = fc.option(fc.uint8Array({ maxLength: 60 }))
  const record = fc.record({
    timestamp: fc.integer({ min: -1, max: 2 ** 45 }),
    key: blob,
    value: blob,
    headers: fc.array(fc.record({ key: fc.string({ unit: 'binary', maxLength: 8 }), value: blob }), { maxLength: 3 }),
  })
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 10 }),
      fc.constantFrom(...COMPRESSIONS),
      fc.nat(),
      fc.boolean(),
      (records, compression, baseOffset, isTransactional) => {
        const bytes = buildBatch({ records, compression, baseOffset, isTransactional, producerId: 5, producerEpoch: 0 })
        const header = readBatchHeader(bytes)
        expect(batchCrcMatches(bytes)).toBe(true)
        expect(header).toMatchObject({ recordCount: records.length, compression, isTransactional, baseOffset })
        expect(header.maxTimestamp).toBe(Math.max(...records.map(({ timestamp }) => timestamp)))
        expect(checkRecordLayout(bytes, header)).toBeUndefined()
        const expected = records.map((value, index) => ({ ...value, offset: baseOffset + index }))
        expect(plain(readRecords(bytes, LIMIT))).toEqual(plain(expected))
      },
    ),
  )
})

function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, part) => (part instanceof Uint8Array ? [...part] : part)),
    (_key, part) => (part?.type === 'Buffer' ? part.data : part),
  )
}

test('batches come one after the other as views', () => {
  const both = Buffer.concat([golden.get('none')!, golden.get('zstd')!])
  const found = [...batches(both)]
  expect(found.map(({ header }) => header.compression)).toEqual(['none', 'zstd'])
  expect(found[1]!.bytes.buffer).toBe(both.buffer)
  expect([...batches(new Uint8Array(0))]).toEqual([])
  expect(() => [...batches(both.subarray(0, -1))]).toThrow(DecodeError)
})

describe('headers that are refused', () => {
  const cases: [string, (bytes: Buffer) => Buffer][] = [
    ['fewer than 61 bytes', (bytes) => bytes.subarray(0, 60)],
    ['nothing', (bytes) => bytes.subarray(0, 0)],
    ['length -1', (bytes) => (writeInt32(bytes, 8, -1), bytes)],
    ['length below a header', (bytes) => (writeInt32(bytes, 8, 48), bytes)],
    ['magic 0', (bytes) => ((bytes[16] = 0), bytes)],
    ['magic 1', (bytes) => ((bytes[16] = 1), bytes)],
    ['magic 3', (bytes) => ((bytes[16] = 3), bytes)],
    ['a timestamp beyond 2^53', (bytes) => (writeInt32(bytes, 27, 0x7fffffff), bytes)],
    ['a base offset beyond 2^53', (bytes) => (writeInt32(bytes, 0, 0x7fffffff), bytes)],
  ]
  test.each(cases)('%s', (_name, damage) => {
    expect(() => readBatchHeader(damage(sample()))).toThrow(DecodeError)
  })

  test('the length may be more than what is there: only whole batches are asked for that', () => {
    expect(readBatchHeader(sample().subarray(0, BATCH_OVERHEAD_BYTES)).sizeBytes).toBe(sample().length)
  })

  test('counts, deltas and codecs are read as they are, for others to judge', () => {
    const bytes = sample()
    writeInt16(bytes, 21, 7)
    writeInt32(bytes, 23, -5)
    writeInt32(bytes, 57, -1)
    expect(readBatchHeader(bytes)).toMatchObject({ compression: 'unknown', lastOffsetDelta: -5, recordCount: -1 })
    expect(() => readRecords(bytes, LIMIT)).toThrow(DecodeError)
  })
})

describe('record layouts that are refused', () => {
  const cases: [string, (bytes: Buffer) => Buffer][] = [
    ['a count of 2^31 - 1 in a few bytes', (bytes) => (writeInt32(bytes, 57, 2 ** 31 - 1), bytes)],
    ['a negative count', (bytes) => (writeInt32(bytes, 57, -1), bytes)],
    ['a count below the records', (bytes) => (writeInt32(bytes, 57, 2), bytes)],
    ['a count above the records', (bytes) => (writeInt32(bytes, 57, 4), bytes)],
    ['bytes after the last record', (bytes) => resized(Buffer.concat([bytes, Buffer.alloc(3)]))],
    ['a record that is cut', (bytes) => resized(bytes.subarray(0, -1))],
    ['a negative record length', (bytes) => ((bytes[61] = 0x03), bytes)],
    ['a record length past the end', (bytes) => (bytes.fill(0xff, 61, 65), bytes)],
    ['an overlong record length', (bytes) => (bytes.fill(0xff, 61, 70), bytes)],
  ]
  test.each(cases)('%s', (_name, damage) => {
    const bytes = damage(sample())
    expect(checkRecordLayout(bytes, readBatchHeader(bytes))).toEqual(expect.any(String))
    expect(() => readRecords(bytes, LIMIT)).toThrow(DecodeError)
  })

  test('an empty batch, as compaction leaves it, is well formed', () => {
    const bytes = resized(sample().subarray(0, BATCH_OVERHEAD_BYTES))
    writeInt32(bytes, 57, 0)
    expect(checkRecordLayout(bytes, readBatchHeader(bytes))).toBeUndefined()
    expect(readRecords(bytes, LIMIT)).toEqual([])
  })

  test('a record whose length fits but whose inside does not is found by reading it', () => {
    const inside: [string, (body: ByteWriter) => void][] = [
      ['header count -1', (body) => body.varint(-1)],
      ['header count 2^31 - 1', (body) => body.varint(2 ** 31 - 1)],
      ['null header key', (body) => (body.varint(1), body.varint(-1), body.varint(-1))],
      [
        'header key that is not UTF-8',
        (body) => (body.varint(1), body.varint(1), body.raw(Buffer.from([0xff])), body.varint(0)),
      ],
      ['bytes left over', (body) => (body.varint(0), body.int8(0))],
      ['nothing', () => {}],
    ]
    for (const [name, write] of inside) {
      const body = new ByteWriter()
      body.raw(Buffer.from([0, 0, 0, 1, 1]))
      write(body)
      // At least a record's smallest size, so that the layout alone is fine.
      const record = new ByteWriter()
      record.varint(body.length)
      record.raw(body.toBytes())
      const bytes = resized(Buffer.concat([sample().subarray(0, BATCH_OVERHEAD_BYTES), record.toBytes()]))
      writeInt32(bytes, 57, 1)
      expect(() => readRecords(bytes, LIMIT), name).toThrow(DecodeError)
    }
  })

  test('an offset delta outside the batch is refused', () => {
    const bytes = sample()
    writeInt32(bytes, 23, 1)
    expect(() => readRecords(bytes, LIMIT)).toThrow(/offset delta 2/)
  })

  test('a compressed batch that unfolds beyond the limit is refused', () => {
    for (const compression of COMPRESSIONS.filter((name) => name !== 'none')) {
      const bytes = buildBatch({
        records: [{ timestamp: 0, key: null, value: Buffer.alloc(2 * LIMIT.maxDecompressedBytes) }],
        compression,
      })
      expect(bytes.length).toBeLessThan(200_000)
      expect(() => readRecords(bytes, LIMIT)).toThrow(DecodeError)
    }
  })
})

test('a base offset that is no safe integer is asserted against', () => {
  expect(() => setBaseOffset(sample(), 2 ** 53)).toThrow(AssertionError)
  expect(() => writeInt64(sample(), 0, 0.5)).toThrow(AssertionError)
  expect(() => buildBatch({ records: [] })).toThrow(AssertionError)
})

test('20000 damaged batches are read or refused, never anything else', () => {
  const seed = 20_250_919
  const random = new SimRandom(seed)
  const originals = [...golden.values()]
  for (let round = 0; round < 20_000; round++) {
    let bytes = Buffer.from(originals[round % originals.length]!)
    for (let count = 1 + (random.nextUint32() % 3); count > 0; count--) {
      bytes[random.nextUint32() % bytes.length] = random.nextUint32()
    }
    if (round % 4 === 0) bytes = bytes.subarray(0, random.nextUint32() % bytes.length)
    try {
      for (const batch of batches(bytes)) {
        checkRecordLayout(batch.bytes, batch.header)
        batchCrcMatches(batch.bytes)
        expect(readRecords(batch.bytes, LIMIT).length).toBe(batch.header.recordCount)
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw new Error(`seed ${seed}, round ${round}`, { cause: error })
    }
  }
})

/** A copy whose length field says its size. */
function resized(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes)
  writeInt32(copy, 8, copy.length - 12)
  return copy
}
