/**
 * Record batches of magic 2: the header as plain data, the few changes a broker makes in place, building and checking.
 *
 *     0 baseOffset i64 | 8 batchLength i32 | 12 partitionLeaderEpoch i32 | 16 magic i8 | 17 crc u32 | 21 attributes i16
 *     23 lastOffsetDelta i32 | 27 baseTimestamp i64 | 35 maxTimestamp i64 | 43 producerId i64 | 51 producerEpoch i16
 *     53 baseSequence i32 | 57 recordCount i32 | 61 records, compressed as a whole when the attributes say so
 *
 * The CRC-32C covers everything from the attributes on, so base offset and leader epoch are set without touching it.
 * Leaves to others: what is inside the records (record.ts), whether a batch may be appended (core/, broker/).
 *
 * Source: org.apache.kafka.common.record.DefaultRecordBatch, KIP-98.
 */
import { assert } from '../base/assert.ts'
import { asBuffer, DecodeError, readInt16, readInt32, readInt64, readUint32 } from '../base/bytes.ts'
import { ByteWriter, writeInt16, writeInt32, writeInt64 } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import type { Compression } from './compression/compression.ts'
import { compress, COMPRESSIONS, decompress } from './compression/compression.ts'
import type { DecodedRecord, RecordDraft } from './record.ts'
import { decodeRecords, iterateRecords as iterateBody, RECORD_BYTES_MIN, writeRecord } from './record.ts'

export type { Compression } from './compression/compression.ts'
export type { DecodedRecord, RecordDraft } from './record.ts'
export { RECORD_BYTES_MIN } from './record.ts'

/** Everything of a batch but its records. */
export const BATCH_OVERHEAD_BYTES = 61
/** baseOffset and batchLength, which batchLength does not count. */
const BATCH_LOG_OVERHEAD_BYTES = 12
const MAGIC = 2
export const NO_PRODUCER_ID = -1
export const NO_PRODUCER_EPOCH = -1
export const NO_SEQUENCE = -1
export const NO_LEADER_EPOCH = -1
export const NO_TIMESTAMP = -1
export const SEQUENCE_MAX = 0x7fffffff

const CRC_POSITION = 17
const ATTRIBUTES_POSITION = 21
const MAX_TIMESTAMP_POSITION = 35

const COMPRESSION_MASK = 0x07
const LOG_APPEND_TIME_BIT = 0x08
const TRANSACTIONAL_BIT = 0x10
const CONTROL_BIT = 0x20
const DELETE_HORIZON_BIT = 0x40

export type TimestampType = 'CreateTime' | 'LogAppendTime'

export interface BatchHeader {
  readonly baseOffset: number
  readonly batchLength: number
  readonly partitionLeaderEpoch: number
  readonly magic: number
  readonly crc: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  /** With hasDeleteHorizon, the moment from which tombstones and markers in here may go. */
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
  /** Size of the whole batch: batchLength and the 12 bytes it does not count. */
  readonly sizeBytes: number
  readonly lastOffset: number
  /** Wraps from 2^31 - 1 to 0; NO_SEQUENCE when baseSequence is. */
  readonly lastSequence: number
  /** 'unknown': a codec number that nobody has defined. */
  readonly compression: Compression | 'unknown'
  readonly timestampType: TimestampType
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly hasDeleteHorizon: boolean
}

/**
 * Reads the header at `position`; the records behind it need not be there yet. Throws DecodeError when fewer than 61 bytes
 * are left, the length is below a header's, the magic is not 2, or an int64 is not a safe integer. What the other
 * fields say is not judged: counts and deltas may be negative, and may not fit the records.
 */
export function readBatchHeader(bytes: Uint8Array, position = 0): BatchHeader {
  const left = bytes.length - position
  if (left < BATCH_OVERHEAD_BYTES) {
    // The magic byte comes before all else that differs between formats; an old message set may be shorter than a batch.
    if (left > 16) checkMagic(bytes, position)
    throw new DecodeError(`record batch at ${position}: ${left} bytes, a header has ${BATCH_OVERHEAD_BYTES}`)
  }
  checkMagic(bytes, position)
  const batchLength = readInt32(bytes, position + 8)
  if (batchLength < BATCH_OVERHEAD_BYTES - BATCH_LOG_OVERHEAD_BYTES) {
    throw new DecodeError(`record batch at ${position}: length ${batchLength} is less than a header`)
  }
  const attributes = readInt16(bytes, position + ATTRIBUTES_POSITION)
  const lastOffsetDelta = readInt32(bytes, position + 23)
  const baseOffset = readInt64(bytes, position)
  const baseSequence = readInt32(bytes, position + 53)
  return {
    baseOffset,
    batchLength,
    partitionLeaderEpoch: readInt32(bytes, position + 12),
    magic: MAGIC,
    crc: readUint32(bytes, position + CRC_POSITION),
    attributes,
    lastOffsetDelta,
    baseTimestamp: readInt64(bytes, position + 27),
    maxTimestamp: readInt64(bytes, position + MAX_TIMESTAMP_POSITION),
    producerId: readInt64(bytes, position + 43),
    producerEpoch: readInt16(bytes, position + 51),
    baseSequence,
    recordCount: readInt32(bytes, position + 57),
    sizeBytes: batchLength + BATCH_LOG_OVERHEAD_BYTES,
    lastOffset: baseOffset + lastOffsetDelta,
    lastSequence: baseSequence === NO_SEQUENCE ? NO_SEQUENCE : advanceSequence(baseSequence, lastOffsetDelta),
    compression: COMPRESSIONS[attributes & COMPRESSION_MASK] ?? 'unknown',
    timestampType: (attributes & LOG_APPEND_TIME_BIT) === 0 ? 'CreateTime' : 'LogAppendTime',
    isTransactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    isControl: (attributes & CONTROL_BIT) !== 0,
    hasDeleteHorizon: (attributes & DELETE_HORIZON_BIT) !== 0,
  }
}

function checkMagic(bytes: Uint8Array, position: number): void {
  const magic = bytes[position + 16]!
  if (magic !== MAGIC) throw new DecodeError(`record batch at ${position}: magic ${magic}, only ${MAGIC} is supported`)
}

/** The sequence `count` records after `sequence`; after 2^31 - 1 comes 0. */
export function advanceSequence(sequence: number, count: number): number {
  const sum = sequence + count
  return sum > SEQUENCE_MAX ? sum - SEQUENCE_MAX - 1 : sum
}

/** @param bytes  exactly one batch */
export function batchCrcMatches(bytes: Uint8Array): boolean {
  return crc32c(asBuffer(bytes).subarray(ATTRIBUTES_POSITION)) === readUint32(bytes, CRC_POSITION)
}

/** In place; the CRC does not cover it. */
export function setBaseOffset(bytes: Uint8Array, baseOffset: number): void {
  writeInt64(bytes, 0, baseOffset)
}

/** In place; the CRC does not cover it. */
export function setPartitionLeaderEpoch(bytes: Uint8Array, leaderEpoch: number): void {
  writeInt32(bytes, 12, leaderEpoch)
}

/** In place: marks the batch LogAppendTime, sets maxTimestamp and computes the CRC anew. */
export function setLogAppendTime(bytes: Uint8Array, timestampMs: number): void {
  writeInt16(bytes, ATTRIBUTES_POSITION, readInt16(bytes, ATTRIBUTES_POSITION) | LOG_APPEND_TIME_BIT)
  writeInt64(bytes, MAX_TIMESTAMP_POSITION, timestampMs)
  writeCrc(bytes)
}

function writeCrc(bytes: Uint8Array): void {
  writeInt32(bytes, CRC_POSITION, crc32c(asBuffer(bytes).subarray(ATTRIBUTES_POSITION)))
}

/** Batches one after the other, as views. Throws DecodeError at one that is malformed or ends past the bytes. */
export function* batches(bytes: Uint8Array): Generator<{ header: BatchHeader; bytes: Uint8Array }> {
  const buffer = asBuffer(bytes)
  let position = 0
  while (position < buffer.length) {
    const header = readBatchHeader(buffer, position)
    const end = position + header.sizeBytes
    if (end > buffer.length) {
      throw new DecodeError(`record batch at ${position}: ${header.sizeBytes} bytes, ${buffer.length - position} left`)
    }
    yield { header, bytes: buffer.subarray(position, end) }
    position = end
  }
}

/**
 * Walks the records of an uncompressed batch by their lengths alone. Compressed batches are not looked into.
 *
 * @param bytes  exactly one batch
 * @returns what is wrong: count and lengths must fill the batch exactly
 */
export function checkRecordLayout(bytes: Uint8Array, header: BatchHeader): string | undefined {
  if (header.compression !== 'none') return undefined
  const end = bytes.length
  if (header.recordCount < 0) return `record count ${header.recordCount}`
  if (header.recordCount * RECORD_BYTES_MIN > end - BATCH_OVERHEAD_BYTES) {
    return `${header.recordCount} records do not fit ${end - BATCH_OVERHEAD_BYTES} bytes`
  }
  let position = BATCH_OVERHEAD_BYTES
  for (let index = 0; index < header.recordCount; index++) {
    // A zigzag varint by hand: this loop runs over every record produced.
    let raw = 0
    let shift = 0
    for (;;) {
      if (position >= end || shift > 28) return `record ${index}: malformed length`
      const byte = bytes[position++]!
      raw |= (byte & 0x7f) << shift
      if (byte < 0x80) break
      shift += 7
    }
    const length = (raw >>> 1) ^ -(raw & 1)
    if (length < RECORD_BYTES_MIN - 1 || length > end - position) return `record ${index}: length ${length}`
    position += length
  }
  return position === end ? undefined : `${end - position} bytes after the last record`
}

export interface BatchOptions {
  readonly records: readonly RecordDraft[]
  /** 0 when absent. */
  readonly baseOffset?: number
  readonly partitionLeaderEpoch?: number
  readonly compression?: Compression
  readonly timestampType?: TimestampType
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
}

/** At least one record. baseTimestamp is that of the first record, offsets are consecutive. */
export function buildBatch(options: BatchOptions): Uint8Array {
  const { records, compression = 'none', timestampType = 'CreateTime' } = options
  assert(records.length > 0, 'a batch holds at least one record')
  const baseTimestamp = records[0]!.timestamp
  let maxTimestamp = baseTimestamp
  const body = new ByteWriter()
  for (const [offsetDelta, record] of records.entries()) {
    maxTimestamp = Math.max(maxTimestamp, record.timestamp)
    writeRecord(body, record, offsetDelta, baseTimestamp)
  }
  const payload = compression === 'none' ? body.toBytes() : compress(compression, body.toBytes())

  const attributes =
    COMPRESSIONS.indexOf(compression) |
    (timestampType === 'LogAppendTime' ? LOG_APPEND_TIME_BIT : 0) |
    (options.isTransactional === true ? TRANSACTIONAL_BIT : 0) |
    (options.isControl === true ? CONTROL_BIT : 0)
  const batch = Buffer.allocUnsafe(BATCH_OVERHEAD_BYTES + payload.length)
  writeInt64(batch, 0, options.baseOffset ?? 0)
  writeInt32(batch, 8, batch.length - BATCH_LOG_OVERHEAD_BYTES)
  writeInt32(batch, 12, options.partitionLeaderEpoch ?? NO_LEADER_EPOCH)
  batch[16] = MAGIC
  writeInt16(batch, ATTRIBUTES_POSITION, attributes)
  writeInt32(batch, 23, records.length - 1)
  writeInt64(batch, 27, baseTimestamp)
  writeInt64(batch, MAX_TIMESTAMP_POSITION, maxTimestamp)
  writeInt64(batch, 43, options.producerId ?? NO_PRODUCER_ID)
  writeInt16(batch, 51, options.producerEpoch ?? NO_PRODUCER_EPOCH)
  writeInt32(batch, 53, options.baseSequence ?? NO_SEQUENCE)
  writeInt32(batch, 57, records.length)
  batch.set(payload, BATCH_OVERHEAD_BYTES)
  writeCrc(batch)
  return batch
}

/**
 * Decodes all records of one batch; keys and values of an uncompressed one are views. The CRC is the caller's to check.
 *
 * Throws DecodeError when the records do not fill the batch exactly, or decompress to more than `maxDecompressedBytes`.
 */
export function readRecords(batch: Uint8Array, options: { readonly maxDecompressedBytes: number }): DecodedRecord[] {
  return decodeRecords(...openBatch(batch, options))
}

/** As readRecords, one record at a time: what is wrong with a record is thrown when it is reached. */
export function iterateRecords(
  batch: Uint8Array,
  options: { readonly maxDecompressedBytes: number },
): Generator<DecodedRecord> {
  return iterateBody(...openBatch(batch, options))
}

function openBatch(
  batch: Uint8Array,
  options: { readonly maxDecompressedBytes: number },
): [body: Uint8Array, header: BatchHeader] {
  const header = readBatchHeader(batch)
  if (header.sizeBytes !== batch.length) {
    throw new DecodeError(`record batch of ${header.sizeBytes} bytes in ${batch.length} bytes`)
  }
  if (header.recordCount < 0) throw new DecodeError(`record batch with a count of ${header.recordCount} records`)
  if (header.compression === 'unknown') throw new DecodeError('record batch with an unknown compression')
  const payload = asBuffer(batch).subarray(BATCH_OVERHEAD_BYTES)
  const body =
    header.compression === 'none' ? payload : decompress(header.compression, payload, options.maxDecompressedBytes)
  return [body, header]
}
