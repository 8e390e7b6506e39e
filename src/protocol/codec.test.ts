import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AssertionError } from '../base/assert.ts'
import { ByteReader, ByteWriter, CHUNK_BYTES_MIN, DecodeError } from '../base/bytes.ts'
import { randomRecord, randomRequest, randomResponse } from '../testing/message-generator.ts'
import { SimRandom } from '../testing/sim-random.ts'
import { apis } from './apis.ts'
import {
  decodeRecord,
  decodeRecordBody,
  decodeRequest,
  decodeResponse,
  encodeRecord,
  encodeRequest,
  encodeResponse,
  isFlexible,
  parseVersionRange,
} from './codec.ts'
import { initProducerId } from './messages/init-producer-id.ts'
import type { Api, RequestDraftOf, RequestOf } from './schema.ts'
import {
  api,
  array,
  bool,
  bytes,
  errorCode,
  float64,
  int16,
  int32,
  int64,
  int8,
  records,
  storedRecord,
  string,
  struct,
  uint16,
  uint32,
  uuid,
  ZERO_UUID,
} from './schema.ts'

/** Everything the vocabulary has. Version 0 is not flexible, 1 and 2 are. */
const everything = api({
  key: 999,
  name: 'Everything',
  versions: '0-2',
  flexible: '1+',
  request: {
    flag: bool(),
    small: int8(),
    medium: uint16(),
    wide: uint32(),
    ratio: float64(),
    error: errorCode(),
    id: uuid(),
    name: string({ nullable: '1+' }),
    payload: bytes({ nullable: '0+' }),
    batches: records({ nullable: '0+' }),
    numbers: array(int32(), { nullable: '1+' }),
    cursor: struct({ topic: string(), partition: int32({ default: -1 }) }, { nullable: '0+', default: null }),
    later: int64({ versions: '2+', default: -1 }),
    gone: array(string(), { versions: '0', default: [] }),
    taggedText: string({ versions: '1+', tag: 0, nullable: '1+', default: null }),
    taggedList: array(struct({ nodeId: int32(), host: string() }), { versions: '1+', tag: 1, default: [] }),
    taggedStruct: struct(
      { epoch: int32({ default: -1 }), endOffset: int64({ default: -1 }) },
      { versions: '1+', tag: 2, default: { epoch: -1, endOffset: -1 } },
    ),
    taggedLater: int16({ versions: '0+', tag: 3, taggedVersions: '2+', default: 5 }),
  },
  response: {},
})
type Everything = RequestOf<typeof everything>

const MINIMAL = {
  flag: false,
  small: 0,
  medium: 0,
  wide: 0,
  ratio: 0,
  error: 'NONE',
  id: ZERO_UUID,
  name: '',
  payload: null,
  batches: null,
  numbers: [],
} as const

function encoded<A extends Api>(schema: A, version: number, draft: RequestDraftOf<A>): Uint8Array {
  const writer = new ByteWriter()
  encodeRequest(schema, version, draft, writer)
  return writer.toBytes()
}

function decoded<A extends Api>(schema: A, version: number, hex: string | Uint8Array): RequestOf<A> {
  return decodeRequest(schema, version, new ByteReader(typeof hex === 'string' ? Buffer.from(hex, 'hex') : hex))
}

function versionsOf(range: string): number[] {
  const { min, max } = parseVersionRange(range)!
  return Array.from({ length: max - min + 1 }, (_, index) => min + index)
}

describe('round trips', () => {
  const targets = [everything as Api, ...apis].flatMap((schema) =>
    versionsOf(schema.versions).map((version) => [schema.name, version, schema] as const),
  )

  test.each(targets)('%s v%i: any message reads back, request and response', (_name, version, schema) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new SimRandom(seed)
        const request = randomRequest(schema, version, random)
        const reader = new ByteReader(encoded(schema, version, request))
        expect(decodeRequest(schema, version, reader)).toEqual(request)
        expect(reader.remaining).toBe(0)

        const response = randomResponse(schema, version, random)
        const writer = new ByteWriter()
        encodeResponse(schema, version, response, writer)
        expect(decodeResponse(schema, version, new ByteReader(writer.toBytes()))).toEqual(response)
      }),
      { numRuns: 20 },
    )
  })

  test('a message cut at any byte is refused', () => {
    for (const version of [0, 1, 2]) {
      for (let seed = 0; seed < 20; seed++) {
        const whole = encoded(everything, version, randomRequest(everything, version, new SimRandom(seed)))
        for (let length = 0; length < whole.length; length++) {
          expect(() => decoded(everything, version, whole.subarray(0, length))).toThrow(DecodeError)
        }
      }
    }
  })
})

describe('golden bytes by hand from the protocol guide', () => {
  test('InitProducerId v1: int16 lengths, no tags', () => {
    const draft = { transactionalId: 'tx', transactionTimeoutMs: 60_000 }
    expect(Buffer.from(encoded(initProducerId, 1, draft)).toString('hex')).toBe('00027478' + '0000ea60')
  })

  test('InitProducerId v4: compact length, new fields, tag section', () => {
    const draft = { transactionalId: 'tx', transactionTimeoutMs: 60_000, producerId: 5, producerEpoch: 2 }
    const hex = '037478' + '0000ea60' + '0000000000000005' + '0002' + '00'
    expect(Buffer.from(encoded(initProducerId, 4, draft)).toString('hex')).toBe(hex)
    expect(decoded(initProducerId, 4, hex)).toEqual({ ...draft, enable2Pc: false, keepPreparedTxn: false })
  })

  test('nullable structs have a marker byte in every version (KIP-893)', () => {
    const cursor = struct({ n: int8() }, { nullable: '0+' })
    for (const [flexible, present] of [
      ['none', '0107'],
      ['0+', '0107' + '00' + '00'],
    ] as const) {
      const schema = api({ key: 1, name: 'Cursor', versions: '0', flexible, request: { cursor }, response: {} })
      expect(Buffer.from(encoded(schema, 0, { cursor: { n: 7 } })).toString('hex')).toBe(present)
      expect(decoded(schema, 0, present)).toEqual({ cursor: { n: 7 } })
      const absent = flexible === 'none' ? 'ff' : 'ff00'
      expect(Buffer.from(encoded(schema, 0, { cursor: null })).toString('hex')).toBe(absent)
      expect(decoded(schema, 0, absent)).toEqual({ cursor: null })
      expect(() => decoded(schema, 0, '0207')).toThrow(/struct marker 2/)
    }
  })

  test('tagged fields carry tag, size and value, in ascending order', () => {
    const schema = api({
      key: 1,
      name: 'Tags',
      versions: '0',
      flexible: '0+',
      request: {
        second: string({ tag: 7, default: '' }),
        first: array(int8(), { tag: 2, default: [] }),
      },
      response: {},
    })
    const hex = '02' + '02' + '03' + '030506' + '07' + '02' + '0261'
    expect(Buffer.from(encoded(schema, 0, { first: [5, 6], second: 'a' })).toString('hex')).toBe(hex)
    expect(decoded(schema, 0, hex)).toEqual({ first: [5, 6], second: 'a' })
  })
})

describe('defaults', () => {
  test('fields with a default may be left out, and come back with it', () => {
    expect(decoded(everything, 2, encoded(everything, 2, MINIMAL))).toEqual({
      ...MINIMAL,
      cursor: null,
      later: -1,
      gone: [],
      taggedText: null,
      taggedList: [],
      taggedStruct: { epoch: -1, endOffset: -1 },
      taggedLater: 5,
    })
  })

  test('a tagged field that equals its default is not sent', () => {
    const empty = encoded(everything, 2, MINIMAL)
    const same = { taggedText: null, taggedList: [], taggedStruct: { epoch: -1, endOffset: -1 }, taggedLater: 5 }
    expect(encoded(everything, 2, { ...MINIMAL, ...same })).toEqual(empty)
    expect(encoded(everything, 2, { ...MINIMAL, taggedStruct: {} })).toEqual(empty)
    const other = encoded(everything, 2, { ...MINIMAL, taggedStruct: { epoch: 4 } })
    expect(decoded(everything, 2, other).taggedStruct).toEqual({ epoch: 4, endOffset: -1 })
  })

  test('a field that is tagged in later versions only is in its place before', () => {
    expect(decoded(everything, 1, encoded(everything, 1, { ...MINIMAL, taggedLater: 9 })).taggedLater).toBe(9)
    expect(decoded(everything, 0, encoded(everything, 0, { ...MINIMAL, taggedLater: 9 })).taggedLater).toBe(9)
  })

  test('fields that a version does not carry are left out and decode to their default', () => {
    const draft = { ...MINIMAL, later: 7, gone: ['x'], taggedText: 'y' }
    expect(decoded(everything, 1, encoded(everything, 1, draft))).toMatchObject({
      later: -1,
      gone: [],
      taggedText: 'y',
    })
    expect(decoded(everything, 0, encoded(everything, 0, draft))).toMatchObject({
      later: -1,
      gone: ['x'],
      taggedText: null,
    })
  })

  test('decoded messages share no default with each other, and have their fields in the declared order', () => {
    const first: Everything = decoded(everything, 1, encoded(everything, 1, MINIMAL))
    first.gone.push('changed')
    first.taggedStruct.epoch = 99
    const second = decoded(everything, 1, encoded(everything, 1, MINIMAL))
    expect(second.gone).toEqual([])
    expect(second.taggedStruct.epoch).toBe(-1)
    expect(Object.keys(second)).toEqual(Object.keys(everything.request))
  })
})

describe('views and chunks', () => {
  test('decoded bytes and records are views of the input', () => {
    const input = encoded(everything, 1, { ...MINIMAL, payload: Uint8Array.of(1, 2), batches: Uint8Array.of(3, 4) })
    const message = decoded(everything, 1, input)
    expect(message.payload!.buffer).toBe(input.buffer)
    expect(message.batches!.buffer).toBe(input.buffer)
  })

  test('large record chunks are sent as they are, with the sum of their sizes in front', () => {
    const large = new Uint8Array(CHUNK_BYTES_MIN).fill(1)
    const small = Uint8Array.of(2, 3)
    const writer = new ByteWriter()
    encodeRequest(everything, 1, { ...MINIMAL, batches: [large, small] }, writer)
    const chunks = writer.finish()
    expect(chunks).toContain(large)
    const message = decoded(everything, 1, Buffer.concat(chunks))
    expect(Buffer.from(message.batches!).equals(Buffer.concat([large, small]))).toBe(true)
  })
})

describe('stored records', () => {
  const offset = storedRecord({
    name: 'Offset',
    versions: '0-1',
    flexible: '1+',
    fields: { offset: int64(), metadata: string({ versions: '1+', default: '' }) },
  })

  test('begin with their version', () => {
    expect(Buffer.from(encodeRecord(offset, 0, { offset: 258 })).toString('hex')).toBe('0000' + '0000000000000102')
    expect(decodeRecord(offset, Buffer.from('0001' + '0000000000000102' + '0261' + '00', 'hex'))).toEqual({
      offset: 258,
      metadata: 'a',
    })
  })

  test('read back in every version', () => {
    for (let seed = 0; seed < 50; seed++) {
      const record = randomRecord(offset, seed % 2, new SimRandom(seed))
      expect(decodeRecord(offset, encodeRecord(offset, seed % 2, record))).toEqual(record)
    }
  })

  test('of a version not known are refused, unless the reader chooses the version to read by', () => {
    const newer = Buffer.from('0005' + '0000000000000102' + '00', 'hex')
    expect(() => decodeRecord(offset, newer)).toThrow('Offset has versions 0-1, not 5')
    expect(decodeRecordBody(offset, 0, new ByteReader(newer.subarray(2))).offset).toBe(258)
    expect(() => decodeRecord(offset, Buffer.from('ffff', 'hex'))).toThrow(DecodeError)
    expect(() => decodeRecord(offset, Buffer.from('00', 'hex'))).toThrow(DecodeError)
  })
})

describe('versions', () => {
  test('ranges are read as Kafka writes them', () => {
    expect(parseVersionRange('3')).toEqual({ min: 3, max: 3 })
    expect(parseVersionRange('0-5')).toEqual({ min: 0, max: 5 })
    expect(parseVersionRange('2+')).toEqual({ min: 2, max: 32767 })
    expect(parseVersionRange('none')).toBeUndefined()
    expect(() => parseVersionRange('2-')).toThrow(AssertionError)
  })

  test('flexible holds for versions above the known ones, so that their header can be read', () => {
    expect([0, 1, 2, 99].map((version) => isFlexible(everything, version))).toEqual([false, true, true, true])
    expect(isFlexible({ flexible: 'none' }, 5)).toBe(false)
  })

  test('a version outside the schema is refused on decoding and asserted against on encoding', () => {
    expect(() => decoded(initProducerId, 7, '')).toThrow(DecodeError)
    expect(() => decoded(initProducerId, -1, '')).toThrow(DecodeError)
    expect(() => encoded(initProducerId, 7, { transactionalId: null, transactionTimeoutMs: 1 })).toThrow(AssertionError)
  })
})

/** One field alone, in a version that is not flexible (0) and one that is (1). */
function single(field: Parameters<typeof array>[0]): Api {
  return api({ key: 1, name: 'Single', versions: '0-1', flexible: '1+', request: { field }, response: {} })
}

describe('bad input: lengths and nulls', () => {
  const array32 = single(array(int32()))
  const text = single(string())
  const blob = single(bytes())
  test.each<[string, Api, number, string]>([
    ['compact array length 2^32 - 1', array32, 1, 'ffffffff0f'],
    ['compact array length with more than 32 bits', array32, 1, 'ffffffff7f'],
    ['array length 2^31 - 1', array32, 0, '7fffffff'],
    ['array length -2', single(array(int32(), { nullable: '0+' })), 0, 'fffffffe'],
    ['null array', array32, 0, 'ffffffff'],
    ['null compact array', array32, 1, '00'],
    ['string length past the end', text, 0, '000561'],
    ['compact string length past the end', text, 1, '0661'],
    ['compact string length 2^32 - 1', text, 1, 'ffffffff0f'],
    ['negative string length', single(string({ nullable: '0+' })), 0, '8000'],
    ['null string', text, 0, 'ffff'],
    ['null compact string', text, 1, '00'],
    ['invalid UTF-8', text, 0, '0002c328'],
    ['invalid UTF-8 in a compact string', text, 1, '03c32800'],
    ['negative bytes length', single(bytes({ nullable: '0+' })), 0, '80000000'],
    ['null bytes', blob, 0, 'ffffffff'],
    ['null compact bytes', blob, 1, '00'],
    ['bytes length past the end', blob, 0, '0000000401'],
    ['null records', single(records()), 1, '00'],
    ['a null in the elements', single(array(string())), 1, '020000'],
    ['overlong varint', array32, 1, '8080808080808080808000'],
  ])('%s is refused', (_name, schema, version, hex) => {
    expect(() => decoded(schema, version, hex)).toThrow(DecodeError)
  })

  test('a compact string above 32767 bytes is refused', () => {
    const writer = new ByteWriter()
    writer.uvarint(32768 + 1)
    writer.raw(Buffer.alloc(32768, 0x61))
    writer.uvarint(0)
    expect(() => decoded(text, 1, writer.toBytes())).toThrow('string of 32768 bytes')
  })

  test('NUL and text of 32767 bytes are legal', () => {
    expect(decoded(text, 0, '0003610062')).toEqual({ field: 'a\0b' })
    const long = 'x'.repeat(32767)
    expect(decoded(text, 1, encoded(text, 1, { field: long }))).toEqual({ field: long })
  })

  test('a huge count is refused before memory is taken, at any depth', () => {
    const nested = single(array(struct({ topic: string(), partitions: array(array(int64())) })))
    // Two million empty structs would fit the limit of elements, but not these five bytes.
    for (const hex of ['81897a', '0201ffffffff0f', '020102ffffffff0f']) {
      const heapBefore = process.memoryUsage().heapUsed
      for (let round = 0; round < 100; round++) expect(() => decoded(nested, 1, hex)).toThrow(DecodeError)
      expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(16 * 1024 * 1024)
    }
  })

  test('a frame full of the smallest elements is cut off at the limit of elements', () => {
    const flags = single(array(bool()))
    const writer = new ByteWriter()
    writer.uvarint(3_000_000 + 1)
    writer.raw(new Uint8Array(3_000_001))
    expect(() => decoded(flags, 1, writer.toBytes())).toThrow(/array elements in one message/)
  })

  test('a frame full of tiny structs is refused before it becomes many times its size in memory', () => {
    // Three bytes each: an empty name, one-byte metadata as in JoinGroup; the object takes some 200.
    const protocols = single(array(struct({ name: string(), metadata: bytes() })))
    const frame = (count: number) => {
      const writer = new ByteWriter()
      writer.uvarint(count + 1)
      for (let index = 0; index < count; index++) writer.raw(Uint8Array.of(1, 2, 7, 0))
      writer.uvarint(0)
      return writer.toBytes()
    }
    expect((decoded(protocols, 1, frame(10_000)) as { field: unknown[] }).field).toHaveLength(10_000)
    const heapBefore = process.memoryUsage().heapUsed
    expect(() => decoded(protocols, 1, frame(500_000))).toThrow(/times the memory/)
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(48 * 1024 * 1024)
  })

  test('a million partition numbers are a legal array', () => {
    const partitions = single(array(int32()))
    const writer = new ByteWriter()
    writer.uvarint(1_000_000 + 1)
    writer.raw(new Uint8Array(4_000_001))
    expect((decoded(partitions, 1, writer.toBytes()) as { field: unknown[] }).field).toHaveLength(1_000_000)
  })
})

describe('bad input: tagged fields', () => {
  const tagged = api({
    key: 1,
    name: 'Tagged',
    versions: '0',
    flexible: '0+',
    request: { number: int32({ tag: 1, default: 0 }), list: array(int8(), { tag: 3, default: [] }) },
    response: {},
  })
  test.each([
    ['duplicate tag', '02' + '010400000001' + '010400000002'],
    ['duplicate unknown tag', '02' + '0900' + '0900'],
    ['descending tags', '02' + '0900' + '0800'],
    ['size past the end', '01' + '090561'],
    ['size of a known tag past the end', '01' + '01ffffffff0f00000001'],
    ['size too large for the value', '01' + '01050000000100'],
    ['size too small for the value', '01' + '010300000001'],
    ['value longer than its size', '01' + '0302' + '0305060708'],
    ['more tags than bytes', 'ffffffff0f' + '0900'],
    ['tag of more than 32 bits', '01' + 'ffffffffff0f00'],
  ])('%s is refused', (_name, hex) => {
    expect(() => decoded(tagged, 0, hex)).toThrow(DecodeError)
  })

  test('unknown tags are skipped, before, between and after the known ones', () => {
    const hex = '05' + '0002aabb' + '010400000007' + '0200' + '0302' + '0205' + 'ffffffff0f01cc'
    expect(decoded(tagged, 0, hex)).toEqual({ number: 7, list: [5] })
  })

  test('a million unknown tags cost time, not memory', () => {
    const writer = new ByteWriter()
    writer.uvarint(1_000_000)
    for (let tag = 100; tag < 1_000_100; tag++) {
      writer.uvarint(tag)
      writer.uvarint(0)
    }
    const input = writer.toBytes()
    const heapBefore = process.memoryUsage().heapUsed
    expect(decoded(tagged, 0, input)).toEqual({ number: 0, list: [] })
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(16 * 1024 * 1024)
  })
})

test('what does not fit its field is asserted against on encoding', () => {
  const bad: [Api, unknown][] = [
    [single(string()), null],
    [single(string()), 'x'.repeat(32768)],
    [single(bytes()), null],
    [single(array(int8())), null],
    [single(array(int8())), [128]],
    [single(int64()), 2 ** 53],
    [single(int32()), 0.5],
    [single(int32()), undefined],
    [single(uuid()), 'not a uuid'],
  ]
  for (const [schema, field] of bad) {
    for (const version of [0, 1]) expect(() => encoded(schema, version, { field })).toThrow(AssertionError)
  }
})
