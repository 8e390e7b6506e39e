import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AssertionError } from './assert.ts'
import {
  DECODED_BYTES_FREE,
  DECODED_BYTES_PER_BYTE_MAX,
  ByteReader,
  ByteWriter,
  CHUNK_BYTES_MIN,
  DecodeError,
  MESSAGE_ELEMENTS_MAX,
  uvarintBytes,
  varintBytes,
  varlongBytes,
} from './bytes.ts'

function roundTrip<T>(value: T, write: (writer: ByteWriter, value: T) => void, read: (reader: ByteReader) => T): void {
  const writer = new ByteWriter()
  write(writer, value)
  expect(writer.length).toBe(writer.toBytes().length)
  const reader = new ByteReader(writer.toBytes())
  expect(read(reader)).toBe(value)
  expect(reader.remaining).toBe(0)
}

function sizeOf(write: (writer: ByteWriter) => void): number {
  const writer = new ByteWriter()
  write(writer)
  return writer.length
}

function reading(...bytes: number[]): ByteReader {
  return new ByteReader(Uint8Array.from(bytes))
}

describe('what is written reads back', () => {
  const int64 = fc.oneof(
    fc.maxSafeInteger(),
    fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0, -1, 2 ** 32, -(2 ** 32), 63, 64, -64, -65),
  )
  const uint32 = fc.oneof(fc.nat({ max: 2 ** 32 - 1 }), fc.constantFrom(127, 128, 16383, 16384, 2 ** 31, 2 ** 32 - 1))
  const int32 = fc.oneof(fc.integer(), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 0, -1))

  test('int8, int16, uint16, int32, uint32 and int64', () => {
    fc.assert(
      fc.property(int32, int64, uint32, (signed, long, unsigned) => {
        roundTrip(
          (signed << 24) >> 24,
          (w, v) => w.int8(v),
          (r) => r.int8(),
        )
        roundTrip(
          (signed << 16) >> 16,
          (w, v) => w.int16(v),
          (r) => r.int16(),
        )
        roundTrip(
          signed & 0xffff,
          (w, v) => w.uint16(v),
          (r) => r.uint16(),
        )
        roundTrip(
          signed,
          (w, v) => w.int32(v),
          (r) => r.int32(),
        )
        roundTrip(
          unsigned,
          (w, v) => w.uint32(v),
          (r) => r.uint32(),
        )
        roundTrip(
          long,
          (w, v) => w.int64(v),
          (r) => r.int64(),
        )
      }),
    )
  })

  test('uvarint, varint and varlong', () => {
    fc.assert(
      fc.property(int32, int64, uint32, (signed, long, unsigned) => {
        roundTrip(
          unsigned,
          (w, v) => w.uvarint(v),
          (r) => r.uvarint(),
        )
        roundTrip(
          signed,
          (w, v) => w.varint(v),
          (r) => r.varint(),
        )
        roundTrip(
          long,
          (w, v) => w.varlong(v),
          (r) => r.varlong(),
        )
        expect(uvarintBytes(unsigned)).toBe(sizeOf((writer) => writer.uvarint(unsigned)))
        expect(varintBytes(signed)).toBe(sizeOf((writer) => writer.varint(signed)))
        expect(varlongBytes(long)).toBe(sizeOf((writer) => writer.varlong(long)))
      }),
    )
  })

  test('float64 and text', () => {
    fc.assert(
      fc.property(fc.double(), fc.string({ unit: 'binary' }), (number, text) => {
        roundTrip(
          number,
          (w, v) => w.float64(v),
          (r) => r.float64(),
        )
        const byteLength = Buffer.byteLength(text)
        roundTrip(
          text,
          (w, v) => w.utf8(v, byteLength),
          (r) => r.string(byteLength),
        )
      }),
    )
  })

  test('a text that begins with a byte order mark keeps it', () => {
    roundTrip(
      '\ufeffa',
      (w, v) => w.utf8(v, 4),
      (r) => r.string(4),
    )
  })
})

test('varints are laid out as in the protocol guide (by hand)', () => {
  const cases: [number, number[]][] = [
    [0, [0]],
    [-1, [1]],
    [1, [2]],
    [63, [0x7e]],
    [-64, [0x7f]],
    [64, [0x80, 0x01]],
    [300, [0xd8, 0x04]],
    [2 ** 31 - 1, [0xfe, 0xff, 0xff, 0xff, 0x0f]],
    [-(2 ** 31), [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ]
  for (const [value, bytes] of cases) {
    const writer = new ByteWriter()
    writer.varint(value)
    expect([...writer.toBytes()]).toEqual(bytes)
    expect(reading(...bytes).varlong()).toBe(value)
  }
})

describe('bad bytes', () => {
  test.each<[string, (reader: ByteReader) => unknown]>([
    ['int8', (r) => r.int8()],
    ['int16', (r) => r.int16()],
    ['uint16', (r) => r.uint16()],
    ['int32', (r) => r.int32()],
    ['uint32', (r) => r.uint32()],
    ['int64', (r) => r.int64()],
    ['float64', (r) => r.float64()],
    ['uvarint', (r) => r.uvarint()],
    ['varint', (r) => r.varint()],
    ['varlong', (r) => r.varlong()],
    ['bytes', (r) => r.bytes(1)],
    ['string', (r) => r.string(1)],
  ])('%s past the end is refused', (_name, read) => {
    expect(() => read(reading())).toThrow(DecodeError)
  })

  test('a varint is refused when it is overlong: 6, 11 or more bytes, or more than 32 bits', () => {
    expect(() => reading(0x80, 0x80, 0x80, 0x80, 0x80, 0x00).uvarint()).toThrow(DecodeError)
    expect(() => reading(0xff, 0xff, 0xff, 0xff, 0x1f).uvarint()).toThrow(/32 bits/)
    expect(() => reading(...Array<number>(11).fill(0x80), 0).varlong()).toThrow(/10 bytes/)
    expect(() => reading(...Array<number>(9).fill(0xff), 0x01).varlong()).toThrow(/safe-integer/)
  })

  test('an int64 outside the safe integers is refused, not rounded', () => {
    expect(() => reading(0x7f, 255, 255, 255, 255, 255, 255, 255).int64()).toThrow(DecodeError)
    expect(() => reading(0x80, 0, 0, 0, 0, 0, 0, 0).int64()).toThrow(DecodeError)
    expect(() => reading(0x00, 0x20, 0, 0, 0, 0, 0, 0).int64()).toThrow(DecodeError)
    expect(() => reading(0xff, 0xe0, 0, 0, 0, 0, 0, 0).int64()).toThrow(DecodeError)
    expect(reading(0xff, 0xe0, 0, 0, 0, 0, 0, 1).int64()).toBe(Number.MIN_SAFE_INTEGER)
  })

  test('negative and huge lengths are refused', () => {
    for (const length of [-1, -(2 ** 31), 2 ** 31 - 1, 2 ** 32 - 1]) {
      expect(() => reading(1, 2, 3).bytes(length)).toThrow(DecodeError)
      expect(() => reading(1, 2, 3).skip(length)).toThrow(DecodeError)
      expect(() => reading(1, 2, 3).string(length)).toThrow(DecodeError)
    }
  })

  test('malformed UTF-8 is refused, and NUL is text', () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]]) {
      expect(() => reading(...bytes).string(bytes.length)).toThrow(DecodeError)
    }
    expect(reading(0x61, 0x00).string(2)).toBe('a\0')
  })

  test('the message of an error says where', () => {
    const reader = reading(0, 1, 2)
    reader.int16()
    expect(() => reader.int32()).toThrow('4 bytes wanted, 1 are left (at byte 2 of 3)')
  })
})

describe('claimElements', () => {
  test('refuses a count that the bytes left cannot hold', () => {
    reading(0, 0, 0, 0).claimElements(2, 2, 8)
    expect(() => reading(0, 0, 0, 0).claimElements(3, 2, 8)).toThrow(DecodeError)
    expect(() => reading(0, 0, 0, 0).claimElements(2 ** 32 - 2, 1, 8)).toThrow(DecodeError)
  })

  test('refuses more elements in one message than the limit, over all its arrays', () => {
    const reader = new ByteReader(new Uint8Array(MESSAGE_ELEMENTS_MAX + 1))
    reader.claimElements(MESSAGE_ELEMENTS_MAX, 1, 8)
    expect(() => reader.claimElements(1, 1, 8)).toThrow(/array elements in one message/)
  })

  test('refuses elements that would take many times the memory of the message, over all its arrays', () => {
    const sizeBytes = 1_000_000
    const allowed = DECODED_BYTES_FREE + sizeBytes * DECODED_BYTES_PER_BYTE_MAX
    const reader = new ByteReader(new Uint8Array(sizeBytes))
    reader.claimElements(2, 1, allowed / 4)
    reader.claimElements(2, 1, allowed / 4)
    expect(() => reader.claimElements(1, 1, 1)).toThrow(/times the memory/)
  })
})

describe('ByteWriter', () => {
  test('takes big chunks by reference and copies small ones', () => {
    const big = new Uint8Array(CHUNK_BYTES_MIN).fill(7)
    const small = new Uint8Array(CHUNK_BYTES_MIN - 1).fill(8)
    const writer = new ByteWriter()
    writer.int16(1)
    writer.chunk(big)
    writer.chunk(small)
    writer.int16(2)
    expect(writer.length).toBe(4 + big.length + small.length)
    const chunks = writer.finish()
    expect(chunks.map((chunk) => chunk.length)).toEqual([2, big.length, small.length + 2])
    expect(chunks[1]).toBe(big)
    small.fill(9)
    expect(chunks[2]![0]).toBe(8)
  })

  test('grows without changing what it holds, whatever the order of small and big pieces', () => {
    const piece = fc.uint8Array({ minLength: 0, maxLength: 3 * CHUNK_BYTES_MIN, size: 'max' })
    fc.assert(
      fc.property(fc.array(fc.tuple(piece, fc.boolean()), { maxLength: 12 }), (pieces) => {
        const writer = new ByteWriter(1)
        for (const [bytes, byReference] of pieces) {
          if (byReference) writer.chunk(bytes)
          else writer.raw(bytes)
        }
        const expected = Buffer.concat(pieces.map(([bytes]) => bytes))
        expect(writer.length).toBe(expected.length)
        expect(Buffer.from(writer.toBytes()).equals(expected)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  test('every kind of value survives when it is the one that makes the buffer grow', () => {
    const writes: [string, (writer: ByteWriter) => void][] = [
      ['7f', (w) => w.int8(127)],
      ['7ffe', (w) => w.int16(0x7ffe)],
      ['fffe', (w) => w.uint16(0xfffe)],
      ['7ffffffe', (w) => w.int32(0x7ffffffe)],
      ['fffffffe', (w) => w.uint32(0xfffffffe)],
      ['000000000000abcd', (w) => w.int64(0xabcd)],
      ['3ff0000000000000', (w) => w.float64(1)],
      ['ac02', (w) => w.uvarint(300)],
      ['d804', (w) => w.varint(300)],
      ['d804', (w) => w.varlong(300)],
      ['0102', (w) => w.raw(Uint8Array.of(1, 2))],
      ['c3a961', (w) => w.utf8('éa', 3)],
    ]
    for (const [hex, write] of writes) {
      for (let filled = 0; filled <= 12; filled++) {
        const writer = new ByteWriter(12)
        writer.raw(new Uint8Array(filled).fill(0xee))
        write(writer)
        expect(Buffer.from(writer.toBytes()).toString('hex')).toBe('ee'.repeat(filled) + hex)
      }
    }
  })

  test('asserts that a value fits its width', () => {
    const writer = new ByteWriter()
    expect(() => writer.int8(128)).toThrow(AssertionError)
    expect(() => writer.int16(0x8000)).toThrow(AssertionError)
    expect(() => writer.uint16(-1)).toThrow(AssertionError)
    expect(() => writer.int32(2 ** 31)).toThrow(AssertionError)
    expect(() => writer.uint32(-1)).toThrow(AssertionError)
    expect(() => writer.int64(2 ** 53)).toThrow(AssertionError)
    expect(() => writer.uvarint(-1)).toThrow(AssertionError)
    expect(() => writer.varlong(2 ** 53)).toThrow(AssertionError)
    expect(() => writer.int32(Number.NaN)).toThrow(AssertionError)
  })
})
