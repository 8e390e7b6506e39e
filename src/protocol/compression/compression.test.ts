import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { describe, expect, test } from 'vitest'
import { DecodeError } from '../../base/bytes.ts'
import { SimRandom } from '../../testing/sim-random.ts'
import type { Codec } from './compression.ts'
import { compress, COMPRESSIONS, decompress } from './compression.ts'

const CODECS = COMPRESSIONS.filter((name) => name !== 'none')
const MAX_BYTES = 8 * 1024 * 1024
const text = Buffer.from(JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ id, name: `order ${id % 7}` }))))
/** Compresses 50:1 and better, and is larger than one block of snappy or lz4. */
const zeros = Buffer.alloc(4 * 1024 * 1024)

describe.each(CODECS)('%s', (codec: Codec) => {
  test('what was compressed comes back, empty input too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 300 }), (unit, repeats) => {
        const bytes = Buffer.concat(Array<Uint8Array>(repeats).fill(unit))
        expect(Buffer.from(decompress(codec, compress(codec, bytes), MAX_BYTES)).equals(bytes)).toBe(true)
      }),
      { numRuns: 50 },
    )
    expect(decompress(codec, compress(codec, new Uint8Array(0)), MAX_BYTES)).toHaveLength(0)
    expect(Buffer.from(decompress(codec, compress(codec, zeros), zeros.length)).equals(zeros)).toBe(true)
  })

  test('a result of exactly the limit passes, one byte more is refused', () => {
    const compressed = compress(codec, text)
    expect(decompress(codec, compressed, text.length)).toHaveLength(text.length)
    expect(() => decompress(codec, compressed, text.length - 1)).toThrow(DecodeError)
    expect(() => decompress(codec, compressed, 0)).toThrow(DecodeError)
  })

  test('a bomb is refused without being unfolded', () => {
    const bomb = compress(codec, Buffer.alloc(64 * 1024 * 1024))
    const residentBefore = process.memoryUsage().rss
    for (let round = 0; round < 20; round++) expect(() => decompress(codec, bomb, 1024 * 1024)).toThrow(DecodeError)
    expect(process.memoryUsage().rss - residentBefore).toBeLessThan(48 * 1024 * 1024)
  })

  test('a frame that is cut anywhere is refused or gives less than the whole', () => {
    const compressed = compress(codec, text)
    for (let length = 0; length < compressed.length; length += 1 + Math.floor(length / 50)) {
      try {
        expect(decompress(codec, compressed.subarray(0, length), MAX_BYTES).length).toBeLessThan(text.length)
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
    }
  })

  test('no garbage is a frame', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (garbage) => {
        try {
          expect(decompress(codec, garbage, MAX_BYTES).length).toBeLessThanOrEqual(MAX_BYTES)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
    )
  })
})

test('thousands of damaged frames harm no codec: after each hundred a good one still comes back', {
  timeout: 60_000,
}, () => {
  const seed = 20_250_918
  const random = new SimRandom(seed)
  const framesOf = {
    gzip: [gzipSync(text)],
    snappy: [compress('snappy', text), compressSync(text)],
    lz4: [
      compress('lz4', text),
      compressFrameSync(text, { contentChecksum: true, blockChecksums: true }),
      compress('lz4', zeros.subarray(0, 100_000)),
    ],
    zstd: [zstdCompressSync(text)],
  }
  for (let round = 0; round < 20_000; round++) {
    const codec = CODECS[round % CODECS.length]!
    const frames = framesOf[codec]
    let damaged = Buffer.from(frames[random.nextUint32() % frames.length]!)
    for (let count = 1 + (random.nextUint32() % 4); count > 0; count--) {
      // Half of the damage goes to the front, where the headers are.
      const range = random.nextUint32() % 2 === 0 ? Math.min(32, damaged.length) : damaged.length
      if (range > 0) damaged[random.nextUint32() % range] = random.nextUint32()
    }
    if (round % 5 === 0) damaged = damaged.subarray(0, random.nextUint32() % damaged.length)
    try {
      expect(decompress(codec, damaged, MAX_BYTES).length).toBeLessThanOrEqual(MAX_BYTES)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw new Error(`seed ${seed}, round ${round}, ${codec}`, { cause: error })
    }
    if (round % 100 === 0) {
      for (const good of CODECS) expect(text.equals(decompress(good, compress(good, text), MAX_BYTES))).toBe(true)
    }
  }
})

describe('snappy', () => {
  test('raw framing is read as well as xerial', () => {
    expect(text.equals(decompress('snappy', compressSync(text), MAX_BYTES))).toBe(true)
  })

  test('a stated size that its input cannot have is refused before anything is allocated', () => {
    // 4 GiB - 1, as in a known attack; then 7 MiB, below the limit, out of 8 bytes.
    expect(() => decompress('snappy', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0]), MAX_BYTES)).toThrow(
      DecodeError,
    )
    expect(() => decompress('snappy', Buffer.from([0x80, 0x80, 0xc0, 0x03, 0, 0, 0, 0]), MAX_BYTES)).toThrow(/states/)
  })

  test('the limit holds over all xerial blocks together', () => {
    const framed = compress('snappy', Buffer.alloc(200 * 1024))
    expect(() => decompress('snappy', framed, 100 * 1024)).toThrow(DecodeError)
  })
})

describe('lz4', () => {
  test('content checksums, block checksums and blocks stored as they are, are read', () => {
    const random = Buffer.alloc(100_000)
    new SimRandom(7).fill(random)
    for (const bytes of [text, random, zeros]) {
      for (const contentChecksum of [false, true]) {
        for (const blockChecksums of [false, true]) {
          const frame = compressFrameSync(bytes, { contentChecksum, blockChecksums })
          expect(bytes.equals(decompress('lz4', frame, MAX_BYTES))).toBe(true)
        }
      }
    }
  })

  test('a frame with something after it is refused', () => {
    expect(() => decompress('lz4', Buffer.concat([compress('lz4', text), Buffer.alloc(4)]), MAX_BYTES)).toThrow(
      DecodeError,
    )
  })
})

test('zstd that asks for a window above the limit is refused', () => {
  // Magic, a frame header without content size, window log 10 + 21 = 31, then an empty last block.
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00])
  expect(() => decompress('zstd', frame, MAX_BYTES)).toThrow(/memory/i)
})
