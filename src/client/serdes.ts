/**
 * Ready-made serdes. The binary ones are those of Kafka's Java client, so that both sides of a topic may be written in either.
 *
 * Their errors are plain; the producer and the consumer wrap them as SERIALIZATION_FAILED and DESERIALIZATION_FAILED.
 */
import { asBuffer, readInt32, readInt64, writeInt32, writeInt64 } from '../base/bytes.ts'
import type { Serde } from './topic.ts'

const INT32_BYTES = 4
const INT64_BYTES = 8
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8. Text with unpaired surrogates and bytes that are not UTF-8 are refused, not mended. */
const string: Serde<string> = {
  serialize(value) {
    if (typeof value !== 'string') throw new TypeError(`expected a string, got ${kindOf(value)}`)
    if (!value.isWellFormed()) throw new TypeError('the string holds half a surrogate pair')
    return Buffer.from(value, 'utf8')
  },
  deserialize: (bytes) => utf8.decode(bytes),
}

/** As they are; what is read is a copy. */
const bytes: Serde<Buffer> = {
  serialize(value) {
    if (!(value instanceof Uint8Array)) throw new TypeError(`expected bytes, got ${kindOf(value)}`)
    return value
  },
  deserialize: (input) => Buffer.from(input),
}

/** UTF-8 JSON. What JSON cannot express at the top (undefined, a function) is refused. */
function json<T>(): Serde<T> {
  return {
    serialize(value) {
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined) throw new TypeError(`${kindOf(value)} is no JSON`)
      return Buffer.from(text, 'utf8')
    },
    deserialize: (input) => JSON.parse(utf8.decode(input)) as T,
  }
}

/** Big-endian, as Java's IntegerSerializer. */
const int32: Serde<number> = {
  serialize(value) {
    if ((value | 0) !== value) throw new RangeError(`${String(value)} is no 32-bit integer`)
    const result = Buffer.allocUnsafe(INT32_BYTES)
    writeInt32(result, 0, value)
    return result
  },
  deserialize: (input) => readInt32(ofLength(input, INT32_BYTES), 0),
}

/** Big-endian, as Java's LongSerializer; only what a `number` holds exactly. */
const int64: Serde<number> = {
  serialize(value) {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${String(value)} is no safe integer`)
    const result = Buffer.allocUnsafe(INT64_BYTES)
    writeInt64(result, 0, value)
    return result
  },
  deserialize: (input) => readInt64(ofLength(input, INT64_BYTES), 0),
}

/** 64 bits, big-endian, as Java's DoubleSerializer. */
const double: Serde<number> = {
  serialize(value) {
    if (typeof value !== 'number') throw new TypeError(`expected a number, got ${kindOf(value)}`)
    const result = Buffer.allocUnsafe(INT64_BYTES)
    result.writeDoubleBE(value)
    return result
  },
  deserialize: (input) => asBuffer(ofLength(input, INT64_BYTES)).readDoubleBE(0),
}

export const serdes = { string, bytes, json, int32, int64, double } as const

function ofLength(input: Uint8Array, length: number): Uint8Array {
  if (input.length !== length) throw new RangeError(`${input.length} bytes, expected ${length}`)
  return input
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
}
