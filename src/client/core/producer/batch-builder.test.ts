import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COMPRESSIONS } from '../../../protocol/compression/compression.ts'
import { batchCrcMatches, buildBatch, readBatchHeader, readRecords } from '../../../protocol/record-batch.ts'
import type { BytesIn, HeaderDraft } from './batch-builder.ts'
import { BatchBuilder, bytesOf, headerBytesMax, RECORD_OVERHEAD_BYTES_MAX } from './batch-builder.ts'

interface Draft {
  readonly timestampMs: number
  readonly key: BytesIn | null
  readonly value: BytesIn | null
  readonly headers: readonly HeaderDraft[]
}

function fill(drafts: readonly Draft[], initialBytes = 64): BatchBuilder {
  const builder = new BatchBuilder(initialBytes)
  for (const { timestampMs, key, value, headers } of drafts) {
    const before = builder.sizeBytes
    builder.append(timestampMs, key, bytesOf(key), value, bytesOf(value), headers)
    const most =
      RECORD_OVERHEAD_BYTES_MAX + Math.max(0, bytesOf(key)) + Math.max(0, bytesOf(value)) + headerBytesMax(headers)
    expect(builder.sizeBytes - before).toBeLessThanOrEqual(most)
  }
  return builder
}

function asBytes(data: BytesIn | null): Uint8Array | null {
  return data === null ? null : Buffer.from(data as string)
}

const data = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.uint8Array({ maxLength: 300 }),
)
const draft = fc.record({
  timestampMs: fc.integer({ min: 0, max: 2 ** 42 }),
  key: data,
  value: data,
  headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 10 }), value: data }), { maxLength: 3 }),
})

describe('BatchBuilder', () => {
  test('writes the same bytes as buildBatch of the protocol, whatever the records are', () => {
    fc.assert(
      fc.property(
        fc.array(draft, { minLength: 1, maxLength: 20 }),
        fc.constantFrom(...COMPRESSIONS),
        fc.boolean(),
        (drafts, compression, isTransactional) => {
          const stamp = { producerId: 2 ** 40 + 1, producerEpoch: 7, baseSequence: 0x7fff_fff0, isTransactional }
          const encoded = fill(drafts).close(compression)
          encoded.stamp(stamp)
          const expected = buildBatch({
            ...stamp,
            compression,
            records: drafts.map(({ timestampMs, key, value, headers }) => ({
              timestamp: timestampMs,
              key: asBytes(key),
              value: asBytes(value),
              headers: headers.map((header) => ({ key: header.key, value: asBytes(header.value) })),
            })),
          })
          expect(Buffer.from(encoded.bytes).equals(expected)).toBe(true)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('bytes that were given out do not change when the batch is stamped anew', () => {
    const encoded = fill([{ timestampMs: 1, key: 'k', value: 'v', headers: [] }]).close('none')
    encoded.stamp({ producerId: 1, producerEpoch: 0, baseSequence: 5, isTransactional: true })
    const first = encoded.bytes
    const copy = Buffer.from(first)
    expect(encoded.bytes).toBe(first)
    encoded.stamp({ producerId: 1, producerEpoch: 1, baseSequence: 0, isTransactional: false })
    expect(copy.equals(first)).toBe(true)
    expect(readBatchHeader(encoded.bytes)).toMatchObject({ producerEpoch: 1, baseSequence: 0, isTransactional: false })
    expect(batchCrcMatches(encoded.bytes)).toBe(true)
    expect(readRecords(encoded.bytes, { maxDecompressedBytes: 1000 })).toHaveLength(1)
  })

  test('knows how small it became', () => {
    const builder = new BatchBuilder(64)
    const value = 'a'.repeat(10_000)
    builder.append(1, null, -1, value, value.length)
    const uncompressed = builder.sizeBytes
    const encoded = builder.close('gzip')
    expect(encoded.uncompressedBytes).toBe(uncompressed)
    expect(encoded.sizeBytes).toBeLessThan(uncompressed / 10)
  })
})
