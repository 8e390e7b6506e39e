/**
 * Random valid messages for any declared schema and version, in decoded form: what the version carries is random, the rest
 * holds its default, so that decoding the encoded message gives back an equal one. Small on purpose: a fuzz
 * run makes hundreds of thousands.
 */
import type { Random } from '../base/runtime.ts'
import { uuidFromBytes } from '../base/uuid.ts'
import { ERROR_CODES } from '../protocol/error-codes.ts'
import { isFlexible } from '../protocol/codec.ts'
import { defaultStruct, defaultValue, fieldsInVersion } from '../protocol/field-layout.ts'
import type { Api, Field, Fields, StoredRecord } from '../protocol/schema.ts'
import type { RecordOf, RequestOf, ResponseOf } from '../protocol/schema.ts'

const ARRAY_ELEMENTS_MAX = 3
const STRING_CHARACTERS_MAX = 12
const BYTES_MAX = 40
/** Out of 8: how often a nullable value is null, and a tagged one is left at its default. */
const NULL_IN_8 = 2
const TAG_DEFAULT_IN_8 = 4
const CHARACTERS: readonly string[] = [
  'a',
  'b',
  'z',
  'Z',
  '0',
  '.',
  '-',
  '_',
  ' ',
  '\0',
  '\ufeff',
  'é',
  'ß',
  '漢',
  '😀',
]

export function randomRequest<A extends Api>(api: A, version: number, random: Random): RequestOf<A> {
  return randomFields(api.request, version, isFlexible(api, version), random) as RequestOf<A>
}

export function randomResponse<A extends Api>(api: A, version: number, random: Random): ResponseOf<A> {
  return randomFields(api.response, version, isFlexible(api, version), random) as ResponseOf<A>
}

export function randomRecord<R extends StoredRecord>(record: R, version: number, random: Random): RecordOf<R> {
  return randomFields(record.fields, version, isFlexible(record, version), random) as RecordOf<R>
}

/** Uniform over 0 … limit - 1. */
export function randomBelow(limit: number, random: Random): number {
  return random.nextUint32() % limit
}

function randomFields(fields: Fields, version: number, flexible: boolean, random: Random): Record<string, unknown> {
  const message = defaultStruct(fields)
  for (const { name, field, nullable, tag } of fieldsInVersion(fields, version, flexible)) {
    if (tag !== undefined && randomBelow(8, random) < TAG_DEFAULT_IN_8) message[name] = defaultValue(field)
    else if (nullable && randomBelow(8, random) < NULL_IN_8) message[name] = null
    else message[name] = randomValue(field, version, flexible, random)
  }
  return message
}

function randomValue(field: Field, version: number, flexible: boolean, random: Random): unknown {
  switch (field.kind) {
    case 'bool':
      return randomBelow(2, random) === 1
    case 'int8':
      return randomInteger(8, random) | 0
    case 'int16':
      return randomInteger(16, random) | 0
    case 'uint16':
      return randomInteger(16, random) & 0xffff
    case 'int32':
      return randomInteger(32, random) | 0
    case 'uint32':
      return randomInteger(32, random) >>> 0
    case 'int64':
      return randomInt64(random)
    case 'float64':
      return (random.nextUint32() - 0x8000_0000) / (1 + randomBelow(1000, random))
    case 'uuid': {
      const bytes = new Uint8Array(16)
      random.fill(bytes)
      return uuidFromBytes(bytes)
    }
    case 'errorCode':
      return ERROR_CODES[randomBelow(ERROR_CODES.length, random)]
    case 'string':
      return Array.from(
        { length: randomBelow(STRING_CHARACTERS_MAX + 1, random) },
        () => CHARACTERS[randomBelow(CHARACTERS.length, random)],
      ).join('')
    case 'bytes':
    case 'records': {
      const bytes = Buffer.alloc(randomBelow(BYTES_MAX + 1, random))
      random.fill(bytes)
      return bytes
    }
    case 'array': {
      const element = field.element!
      return Array.from({ length: randomBelow(ARRAY_ELEMENTS_MAX + 1, random) }, () =>
        randomValue(element, version, flexible, random),
      )
    }
    case 'struct':
      return randomFields(field.fields!, version, flexible, random)
  }
}

/** A signed integer of `bits` bits: an extreme, a small one, or any. */
function randomInteger(bits: 8 | 16 | 32, random: Random): number {
  const shift = 32 - bits
  switch (randomBelow(8, random)) {
    case 0:
      return -0x8000_0000 >> shift
    case 1:
      return 0x7fff_ffff >> shift
    case 2:
      return -1
    case 3:
      return 0
    case 4:
      return randomBelow(100, random)
    default:
      return (random.nextUint32() | 0) >> shift
  }
}

function randomInt64(random: Random): number {
  switch (randomBelow(8, random)) {
    case 0:
      return Number.MAX_SAFE_INTEGER
    case 1:
      return Number.MIN_SAFE_INTEGER
    case 2:
      return -1
    case 3:
      return 0
    default:
      return Math.max(randomInteger(32, random) * 0x20_0000 + randomBelow(0x20_0000, random), Number.MIN_SAFE_INTEGER)
  }
}
