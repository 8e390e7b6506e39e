/**
 * Bounded reading and growing writing of big-endian bytes and varints.
 *
 * Owns every bounds check: a read outside the bytes, an overlong varint, an int64 that a `number` cannot hold or text that
 * is not UTF-8 throws `DecodeError`, never anything else. Knows no message; lengths that are nullable or compact are the
 * codec's. Reading gives views of the input, so whoever keeps bytes beyond the life of the frame copies them.
 */
import { AssertionError } from './assert.ts'

/** The bytes of a peer or a file are not what they should be. The message says what was met and where. */
export class DecodeError extends Error {
  override name = 'DecodeError'
}

/** Array elements that one message may hold, over all its arrays. */
export const MESSAGE_ELEMENTS_MAX = 2_000_000

/**
 * How much memory the decoded arrays of one message may take for each byte of it. The shortest encoding of a struct is
 * a few bytes and the object some hundred; a frame made of nothing else is refused, while real ones stay below 8.
 */
export const DECODED_BYTES_PER_BYTE_MAX = 16
/** What every message may take, however small it is. */
export const DECODED_BYTES_FREE = 4 * 1024 * 1024

/** Writers take payloads from this size on by reference; below it a copy is cheaper than one more chunk to send. */
export const CHUNK_BYTES_MIN = 1024

const TWO_32 = 0x1_0000_0000
const SAFE_HIGH_MAX = 0x1f_ffff
const SAFE_HIGH_MIN = -0x20_0000
const WRITER_INITIAL_BYTES = 512

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function readInt16(bytes: Uint8Array, position: number): number {
  return ((bytes[position]! << 24) >> 16) | bytes[position + 1]!
}

export function readInt32(bytes: Uint8Array, position: number): number {
  return (bytes[position]! << 24) | (bytes[position + 1]! << 16) | (bytes[position + 2]! << 8) | bytes[position + 3]!
}

export function readUint32(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position) >>> 0
}

/** Throws DecodeError when the value is not a safe integer: an offset is refused, never rounded. */
export function readInt64(bytes: Uint8Array, position: number): number {
  const high = readInt32(bytes, position)
  const low = readUint32(bytes, position + 4)
  const value = high * TWO_32 + low
  // -2^53 has a safe high half, but is not a safe integer itself.
  if (high > SAFE_HIGH_MAX || high < SAFE_HIGH_MIN || !Number.isSafeInteger(value)) {
    throw new DecodeError(`int64 at ${position} is outside the safe-integer range`)
  }
  return value
}

export function writeInt16(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 8
  bytes[position + 1] = value
}

export function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24
  bytes[position + 1] = value >>> 16
  bytes[position + 2] = value >>> 8
  bytes[position + 3] = value
}

export function writeInt64(bytes: Uint8Array, position: number, value: number): void {
  if (!Number.isSafeInteger(value)) outOfRange('int64', value)
  writeInt32(bytes, position, Math.floor(value / TWO_32))
  writeInt32(bytes, position + 4, value >>> 0)
}

/** Apart from the conditions, so that no message is put together while all is well: these checks are on every write. */
function outOfRange(kind: string, value: number): never {
  throw new AssertionError(`${kind} out of range: ${value}`)
}

/** The size of `value` (0 … 2^32 - 1) as a uvarint. */
export function uvarintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5
}

/** The size of an int32 as a varint. */
export function varintBytes(value: number): number {
  return uvarintBytes(((value << 1) ^ (value >> 31)) >>> 0)
}

/** The size of a safe integer as a varlong. */
export function varlongBytes(value: number): number {
  let rest = Math.floor((value < 0 ? -value - 1 : value) / 64)
  let count = 1
  for (; rest > 0; count++) rest = Math.floor(rest / 128)
  return count
}

/** Reads front to back. Every method throws DecodeError instead of reading past the end. */
export class ByteReader {
  readonly #bytes: Buffer
  #position = 0
  #elementsLeft = MESSAGE_ELEMENTS_MAX
  #decodedBytesLeft: number

  constructor(bytes: Uint8Array) {
    this.#bytes = asBuffer(bytes)
    this.#decodedBytesLeft = DECODED_BYTES_FREE + bytes.length * DECODED_BYTES_PER_BYTE_MAX
  }

  get position(): number {
    return this.#position
  }

  get remaining(): number {
    return this.#bytes.length - this.#position
  }

  int8(): number {
    const at = this.#take(1)
    return (this.#bytes[at]! << 24) >> 24
  }

  int16(): number {
    return readInt16(this.#bytes, this.#take(2))
  }

  uint16(): number {
    return readInt16(this.#bytes, this.#take(2)) & 0xffff
  }

  int32(): number {
    return readInt32(this.#bytes, this.#take(4))
  }

  uint32(): number {
    return readInt32(this.#bytes, this.#take(4)) >>> 0
  }

  /** A safe integer, or DecodeError. */
  int64(): number {
    return readInt64(this.#bytes, this.#take(8))
  }

  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8))
  }

  /** Unsigned, at most 5 bytes and 32 bits. */
  uvarint(): number {
    const bytes = this.#bytes
    const start = this.#position
    // Most are a single byte: record fields above all.
    const first = bytes[start]
    if (first !== undefined && first < 0x80) {
      this.#position = start + 1
      return first
    }
    let value = 0
    for (let index = 0; index < 5; index++) {
      if (start + index >= bytes.length) return this.#fail('varint past the end')
      const byte = bytes[start + index]!
      if (byte < 0x80) {
        if (index === 4 && byte > 0x0f) return this.#fail('varint of more than 32 bits')
        this.#position = start + index + 1
        return (value | (byte << (7 * index))) >>> 0
      }
      value |= (byte & 0x7f) << (7 * index)
    }
    return this.#fail('varint of more than 5 bytes')
  }

  /** Zigzag int32. */
  varint(): number {
    const value = this.uvarint()
    return (value >>> 1) ^ -(value & 1)
  }

  /** Zigzag int64 in at most 10 bytes; a safe integer, or DecodeError. */
  varlong(): number {
    const bytes = this.#bytes
    const start = this.#position
    const first = bytes[start]
    if (first !== undefined && first < 0x80) {
      this.#position = start + 1
      return (first >>> 1) ^ -(first & 1)
    }
    let negative = false
    let magnitude = 0
    let scale = 1
    for (let index = 0; index < 10; index++) {
      if (start + index >= bytes.length) return this.#fail('varint past the end')
      const byte = bytes[start + index]!
      if (index === 0) {
        negative = (byte & 1) === 1
        magnitude = (byte & 0x7f) >>> 1
        scale = 64
      } else {
        // Beyond 2^53 this rounds, but stays beyond, so the check below still refuses it.
        magnitude += (byte & 0x7f) * scale
        scale *= 128
      }
      if (byte < 0x80) {
        const value = negative ? -magnitude - 1 : magnitude
        if (!Number.isSafeInteger(value)) return this.#fail('varint outside the safe-integer range')
        this.#position = start + index + 1
        return value
      }
    }
    return this.#fail('varint of more than 10 bytes')
  }

  /** A view of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count)
    return this.#bytes.subarray(at, at + count)
  }

  skip(count: number): void {
    this.#take(count)
  }

  /** The next `count` bytes as UTF-8; malformed text is refused. */
  string(count: number): string {
    const at = this.#take(count)
    const end = at + count
    const bytes = this.#bytes
    for (let index = at; index < end; index++) {
      if (bytes[index]! >= 0x80) {
        try {
          return utf8.decode(bytes.subarray(at, end))
        } catch {
          // The only failure of a fatal decoder is malformed input.
          throw new DecodeError(`text at ${at} is not UTF-8`)
        }
      }
    }
    return bytes.toString('latin1', at, end)
  }

  /**
   * To be called before an array is read: refuses a count that the bytes left cannot hold.
   *
   * @param elementBytesMin  size of the smallest encoding of one element, 1 or more
   * @param decodedBytes  about what one element takes in memory, without what its own arrays hold
   */
  claimElements(count: number, elementBytesMin: number, decodedBytes: number): void {
    if (count * elementBytesMin > this.remaining) {
      this.#fail(`array of ${count} elements, but ${this.remaining} bytes are left`)
    }
    this.#elementsLeft -= count
    if (this.#elementsLeft < 0) this.#fail(`more than ${MESSAGE_ELEMENTS_MAX} array elements in one message`)
    this.#decodedBytesLeft -= count * decodedBytes
    if (this.#decodedBytesLeft < 0) {
      this.#fail(`decoding would take more than ${DECODED_BYTES_PER_BYTE_MAX} times the memory of the message`)
    }
  }

  #take(count: number): number {
    const at = this.#position
    // One comparison for both: a negative count becomes a huge unsigned one. Counts come from at most 32-bit lengths.
    if (count >>> 0 > this.#bytes.length - at) this.#fail(`${count} bytes wanted, ${this.#bytes.length - at} are left`)
    this.#position = at + count
    return at
  }

  #fail(problem: string): never {
    throw new DecodeError(`${problem} (at byte ${this.#position} of ${this.#bytes.length})`)
  }
}

/** The same bytes, not a copy, as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Appends to a buffer that grows. Values out of range are our own mistake: an assertion. */
export class ByteWriter {
  #buffer: Buffer
  /** Where the part of `#buffer` begins that is not yet in `#chunks`. */
  #start = 0
  #position = 0
  #chunks: Uint8Array[] = []
  #chunkBytes = 0

  constructor(initialBytes = WRITER_INITIAL_BYTES) {
    this.#buffer = Buffer.allocUnsafe(initialBytes)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#chunkBytes + this.#position - this.#start
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) outOfRange('int8', value)
    // Reserving may replace the buffer, so it comes before the buffer is looked at.
    const at = this.#reserve(1)
    this.#buffer[at] = value
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) outOfRange('int16', value)
    const at = this.#reserve(2)
    writeInt16(this.#buffer, at, value)
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) outOfRange('uint16', value)
    const at = this.#reserve(2)
    writeInt16(this.#buffer, at, value)
  }

  int32(value: number): void {
    if ((value | 0) !== value) outOfRange('int32', value)
    const at = this.#reserve(4)
    writeInt32(this.#buffer, at, value)
  }

  uint32(value: number): void {
    if (value >>> 0 !== value) outOfRange('uint32', value)
    const at = this.#reserve(4)
    writeInt32(this.#buffer, at, value)
  }

  int64(value: number): void {
    const at = this.#reserve(8)
    writeInt64(this.#buffer, at, value)
  }

  float64(value: number): void {
    const at = this.#reserve(8)
    this.#buffer.writeDoubleBE(value, at)
  }

  uvarint(value: number): void {
    if (value >>> 0 !== value) outOfRange('uvarint', value)
    let at = this.#reserve(5)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#buffer[at++] = rest
    this.#position = at
  }

  varint(value: number): void {
    if ((value | 0) !== value) outOfRange('varint', value)
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  varlong(value: number): void {
    if (!Number.isSafeInteger(value)) outOfRange('varlong', value)
    const negative = value < 0
    const magnitude = negative ? -value - 1 : value
    let at = this.#reserve(10)
    let byte = (magnitude % 64) * 2 + (negative ? 1 : 0)
    let rest = Math.floor(magnitude / 64)
    while (rest > 0) {
      this.#buffer[at++] = byte | 0x80
      byte = rest % 128
      rest = Math.floor(rest / 128)
    }
    this.#buffer[at++] = byte
    this.#position = at
  }

  /** Copies. */
  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length)
    this.#buffer.set(bytes, at)
  }

  /** Takes by reference when it is worth it (CHUNK_BYTES_MIN): the bytes must not change until they are sent. */
  chunk(bytes: Uint8Array): void {
    if (bytes.length < CHUNK_BYTES_MIN) {
      this.raw(bytes)
      return
    }
    this.#cut()
    this.#chunks.push(bytes)
    this.#chunkBytes += bytes.length
  }

  /** Writes UTF-8 without a length; `byteLength` must be `Buffer.byteLength(text)`. */
  utf8(text: string, byteLength: number): void {
    const at = this.#reserve(byteLength)
    if (byteLength === text.length && byteLength < 32) {
      for (let index = 0; index < byteLength; index++) this.#buffer[at + index] = text.charCodeAt(index)
    } else {
      this.#buffer.write(text, at, byteLength, 'utf8')
    }
  }

  /** Everything written, in order. The writer must not be used afterwards. */
  finish(): Uint8Array[] {
    this.#cut()
    return this.#chunks
  }

  /** Everything written as one piece. The writer must not be used afterwards. */
  toBytes(): Uint8Array {
    const chunks = this.finish()
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  }

  #cut(): void {
    if (this.#position === this.#start) return
    this.#chunks.push(this.#buffer.subarray(this.#start, this.#position))
    this.#chunkBytes += this.#position - this.#start
    this.#start = this.#position
  }

  #reserve(count: number): number {
    const at = this.#position
    if (at + count > this.#buffer.length) return this.#grow(count)
    this.#position = at + count
    return at
  }

  /** Moves the unfinished part to a larger buffer; finished chunks keep the old one. */
  #grow(count: number): number {
    const unfinished = this.#position - this.#start
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, unfinished + count, WRITER_INITIAL_BYTES))
    this.#buffer.copy(larger, 0, this.#start, this.#position)
    this.#buffer = larger
    this.#start = 0
    this.#position = unfinished + count
    return unfinished
  }
}
