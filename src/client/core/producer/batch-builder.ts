/**
 * One record batch while it is being filled, and its bytes once it is closed.
 *
 * Records are encoded as they come, into one buffer that grows, behind room for the header: closing an uncompressed batch
 * copies nothing. This is the hottest code of the producer, so it writes into the buffer itself instead of through ByteWriter.
 *
 * Invariants: bytes that were handed out never change, so every retry of a batch is byte-identical; stamping a batch anew
 * (which only sequences.ts may ask for) makes a copy.
 *
 * Layouts: record.ts and record-batch.ts of protocol/.
 */
import { assert } from '../../../base/assert.ts'
import { varintBytes, varlongBytes, writeInt16, writeInt32, writeInt64 } from '../../../base/bytes.ts'
import { crc32c } from '../../../base/crc32c.ts'
import type { Compression } from '../../../protocol/compression/compression.ts'
import { compress, COMPRESSIONS } from '../../../protocol/compression/compression.ts'
import { BATCH_OVERHEAD_BYTES, NO_LEADER_EPOCH } from '../../../protocol/record-batch.ts'

/** Text is written as UTF-8. */
export type BytesIn = string | Uint8Array

export interface HeaderDraft {
  readonly key: string
  readonly value: BytesIn | null
}

export interface Stamp {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly isTransactional: boolean
}

/** Most bytes that the fields of a record take besides key, value and headers: lengths, deltas, attributes, header count. */
export const RECORD_OVERHEAD_BYTES_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5
/** Most bytes that one header takes besides its key and value. */
const HEADER_OVERHEAD_BYTES_MAX = 5 + 5
const NULL_BYTES = -1
const BATCH_LENGTH_POSITION = 8
const BATCH_LOG_OVERHEAD_BYTES = 12
const CRC_POSITION = 17
const ATTRIBUTES_POSITION = 21
const TRANSACTIONAL_BIT = 0x10
const MAGIC = 2
/** Text up to this length is copied by hand, which is faster than a call into C++ for so little. */
const SHORT_TEXT = 24

/** -1 for null, as on the wire. */
export function bytesOf(data: BytesIn | null): number {
  if (data === null) return NULL_BYTES
  return typeof data === 'string' ? Buffer.byteLength(data) : data.length
}

/** At most; without the overhead of the record itself. */
export function headerBytesMax(headers: readonly HeaderDraft[]): number {
  let total = 0
  for (const { key, value } of headers) {
    total += HEADER_OVERHEAD_BYTES_MAX + Buffer.byteLength(key) + Math.max(0, bytesOf(value))
  }
  return total
}

const NO_HEADERS: readonly HeaderDraft[] = []

export class BatchBuilder {
  #buffer: Buffer
  #position = BATCH_OVERHEAD_BYTES
  #recordCount = 0
  #baseTimestampMs = 0
  #maxTimestampMs = 0

  /** @param initialBytes  what is likely to be needed */
  constructor(initialBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(initialBytes, 2 * BATCH_OVERHEAD_BYTES))
  }

  /** Uncompressed, with the header of the batch. */
  get sizeBytes(): number {
    return this.#position
  }

  get recordCount(): number {
    return this.#recordCount
  }

  /**
   * @param keyBytes  `bytesOf(key)`
   * @param valueBytes  `bytesOf(value)`
   */
  append(
    timestampMs: number,
    key: BytesIn | null,
    keyBytes: number,
    value: BytesIn | null,
    valueBytes: number,
    headers: readonly HeaderDraft[] = NO_HEADERS,
  ): void {
    const index = this.#recordCount
    if (index === 0) {
      this.#baseTimestampMs = timestampMs
      this.#maxTimestampMs = timestampMs
    } else if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs
    const timestampDelta = timestampMs - this.#baseTimestampMs

    let length = 1 + (timestampDelta === 0 ? 1 : varlongBytes(timestampDelta)) + varintBytes(index)
    length += keyBytes < 0 ? 1 : varintBytes(keyBytes) + keyBytes
    length += valueBytes < 0 ? 1 : varintBytes(valueBytes) + valueBytes
    length += varintBytes(headers.length)
    for (const header of headers) {
      const headerKeyBytes = Buffer.byteLength(header.key)
      const headerValueBytes = bytesOf(header.value)
      length += varintBytes(headerKeyBytes) + headerKeyBytes
      length += headerValueBytes < 0 ? 1 : varintBytes(headerValueBytes) + headerValueBytes
    }

    const end = this.#position + varintBytes(length) + length
    if (end > this.#buffer.length) this.#grow(end)
    const buffer = this.#buffer
    let at = putVarint(buffer, this.#position, length)
    buffer[at++] = 0
    if (timestampDelta === 0) buffer[at++] = 0
    else at = putVarlong(buffer, at, timestampDelta)
    at = putVarint(buffer, at, index)
    at = putBytes(buffer, at, key, keyBytes)
    at = putBytes(buffer, at, value, valueBytes)
    at = putVarint(buffer, at, headers.length)
    for (const header of headers) {
      at = putBytes(buffer, at, header.key, Buffer.byteLength(header.key))
      at = putBytes(buffer, at, header.value, bytesOf(header.value))
    }
    if (at !== end) wrongLength(at, end)
    this.#position = at
    this.#recordCount = index + 1
  }

  /** Compresses, and writes all of the header that is known without producer id and sequence. The builder is used up. */
  close(compression: Compression): EncodedBatch {
    assert(this.#recordCount > 0, 'a batch that is closed has records')
    const filled = this.#buffer.subarray(0, this.#position)
    let bytes = filled
    if (compression !== 'none') {
      const payload = compress(compression, filled.subarray(BATCH_OVERHEAD_BYTES))
      bytes = Buffer.allocUnsafeSlow(BATCH_OVERHEAD_BYTES + payload.length)
      bytes.set(payload, BATCH_OVERHEAD_BYTES)
    }
    writeInt64(bytes, 0, 0)
    writeInt32(bytes, BATCH_LENGTH_POSITION, bytes.length - BATCH_LOG_OVERHEAD_BYTES)
    writeInt32(bytes, 12, NO_LEADER_EPOCH)
    bytes[16] = MAGIC
    writeInt16(bytes, ATTRIBUTES_POSITION, COMPRESSIONS.indexOf(compression))
    writeInt32(bytes, 23, this.#recordCount - 1)
    writeInt64(bytes, 27, this.#baseTimestampMs)
    writeInt64(bytes, 35, this.#maxTimestampMs)
    writeInt32(bytes, 57, this.#recordCount)
    return new EncodedBatch(bytes, filled.length)
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#buffer.length, needed))
    this.#buffer.copy(larger, 0, 0, this.#position)
    this.#buffer = larger
  }
}

export class EncodedBatch {
  /** As if nothing were compressed. */
  readonly uncompressedBytes: number
  #bytes: Buffer
  #isStamped = false

  constructor(bytes: Buffer, uncompressedBytes: number) {
    this.#bytes = bytes
    this.uncompressedBytes = uncompressedBytes
  }

  get sizeBytes(): number {
    return this.#bytes.length
  }

  /** What goes over the wire, the same object at every try. */
  get bytes(): Uint8Array {
    assert(this.#isStamped, 'a batch is stamped before it is sent')
    return this.#bytes
  }

  /** Sets producer id, epoch and sequence, and the CRC. What an earlier stamp gave out stays as it is. */
  stamp(stamp: Stamp): void {
    if (this.#isStamped) this.#bytes = Buffer.from(this.#bytes)
    const bytes = this.#bytes
    const attributes = bytes[ATTRIBUTES_POSITION + 1]! & ~TRANSACTIONAL_BIT
    bytes[ATTRIBUTES_POSITION + 1] = stamp.isTransactional ? attributes | TRANSACTIONAL_BIT : attributes
    writeInt64(bytes, 43, stamp.producerId)
    writeInt16(bytes, 51, stamp.producerEpoch)
    writeInt32(bytes, 53, stamp.baseSequence)
    writeInt32(bytes, CRC_POSITION, crc32c(bytes.subarray(ATTRIBUTES_POSITION)))
    this.#isStamped = true
  }
}

function wrongLength(at: number, end: number): never {
  throw new RangeError(`a record of which the size was computed as ${end} ended at ${at}`)
}

function putVarint(buffer: Buffer, position: number, value: number): number {
  let at = position
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  while (rest >= 0x80) {
    buffer[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buffer[at++] = rest
  return at
}

function putVarlong(buffer: Buffer, position: number, value: number): number {
  let at = position
  const isNegative = value < 0
  const magnitude = isNegative ? -value - 1 : value
  let byte = (magnitude % 64) * 2 + (isNegative ? 1 : 0)
  let rest = Math.floor(magnitude / 64)
  while (rest > 0) {
    buffer[at++] = byte | 0x80
    byte = rest % 128
    rest = Math.floor(rest / 128)
  }
  buffer[at++] = byte
  return at
}

function putBytes(buffer: Buffer, position: number, data: BytesIn | null, length: number): number {
  let at = putVarint(buffer, position, length)
  if (data === null) return at
  if (typeof data !== 'string') {
    buffer.set(data, at)
    return at + length
  }
  // As many bytes as code units: all of it is ASCII.
  if (length === data.length && length <= SHORT_TEXT) {
    for (let index = 0; index < length; index++) buffer[at++] = data.charCodeAt(index)
    return at
  }
  return at + buffer.write(data, at, length, length === data.length ? 'latin1' : 'utf8')
}
