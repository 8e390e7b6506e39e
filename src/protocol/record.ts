/**
 * Single records inside a batch of magic 2.
 *
 *     length varint | attributes i8 (unused) | timestampDelta varlong | offsetDelta varint | keyLength varint, key
 *     | valueLength varint, value | headerCount varint | per header: keyLength varint, key | valueLength varint, value
 *
 * A length of -1 is null; header keys are never null. Source: org.apache.kafka.common.record.DefaultRecord.
 */
import type { ByteWriter } from '../base/bytes.ts'
import { ByteReader, DecodeError, varintBytes, varlongBytes } from '../base/bytes.ts'

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface RecordDraft {
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: readonly RecordHeader[]
}

export interface DecodedRecord {
  readonly offset: number
  /** Milliseconds since the epoch; the append time of the batch where the topic says so. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

/** Length, attributes, timestamp delta, offset delta, key length, value length and header count, one byte each. */
export const RECORD_BYTES_MIN = 7

/** Most records have none; one list is enough for all of them. */
const NO_HEADERS: readonly RecordHeader[] = []

/** What of a batch header the records are relative to. */
export interface RecordFrame {
  readonly baseOffset: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly recordCount: number
}

export function writeRecord(writer: ByteWriter, record: RecordDraft, offsetDelta: number, baseTimestamp: number): void {
  const timestampDelta = record.timestamp - baseTimestamp
  const headers = (record.headers ?? []).map((header) => ({ ...header, keyBytes: Buffer.byteLength(header.key) }))
  let length = 1 + varlongBytes(timestampDelta) + varintBytes(offsetDelta) + varintBytes(headers.length)
  length += nullableBytes(record.key) + nullableBytes(record.value)
  for (const { keyBytes, value } of headers) length += varintBytes(keyBytes) + keyBytes + nullableBytes(value)

  writer.varint(length)
  writer.int8(0)
  writer.varlong(timestampDelta)
  writer.varint(offsetDelta)
  writeBytes(writer, record.key)
  writeBytes(writer, record.value)
  writer.varint(headers.length)
  for (const { key, keyBytes, value } of headers) {
    writer.varint(keyBytes)
    writer.utf8(key, keyBytes)
    writeBytes(writer, value)
  }
}

/** The size of a length and what it counts. */
function nullableBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintBytes(bytes.length) + bytes.length
}

/** Throws DecodeError unless `recordCount` well-formed records fill `body` exactly. */
export function decodeRecords(body: Uint8Array, frame: RecordFrame): DecodedRecord[] {
  const reader = recordReader(body, frame)
  const records: DecodedRecord[] = []
  for (let index = 0; index < frame.recordCount; index++) records.push(decodeRecord(reader, frame))
  checkEnd(reader)
  return records
}

/** One record at a time, so that a batch of many small ones takes no more memory than its bytes. Throws as decodeRecords. */
export function* iterateRecords(body: Uint8Array, frame: RecordFrame): Generator<DecodedRecord> {
  const reader = recordReader(body, frame)
  for (let index = 0; index < frame.recordCount; index++) yield decodeRecord(reader, frame)
  checkEnd(reader)
}

function recordReader(body: Uint8Array, frame: RecordFrame): ByteReader {
  const reader = new ByteReader(body)
  // Tiny records are legal, and the size of a batch and of what it unfolds to has limits of its own.
  reader.claimElements(frame.recordCount, RECORD_BYTES_MIN, 0)
  return reader
}

function checkEnd(reader: ByteReader): void {
  if (reader.remaining > 0) throw new DecodeError(`${reader.remaining} bytes after the last record`)
}

function decodeRecord(reader: ByteReader, frame: RecordFrame): DecodedRecord {
  const length = reader.varint()
  const start = reader.position
  reader.int8()
  const timestampDelta = reader.varlong()
  const offsetDelta = reader.varint()
  if (offsetDelta < 0 || offsetDelta > frame.lastOffsetDelta) {
    throw new DecodeError(`record at ${start}: offset delta ${offsetDelta} of ${frame.lastOffsetDelta}`)
  }
  const timestamp = frame.timestampType === 'LogAppendTime' ? frame.maxTimestamp : frame.baseTimestamp + timestampDelta
  if (!Number.isSafeInteger(timestamp)) throw new DecodeError(`record at ${start}: timestamp out of range`)
  const key = readBytes(reader)
  const value = readBytes(reader)
  const headers = readHeaders(reader)
  if (reader.position - start !== length) {
    throw new DecodeError(`record at ${start}: ${reader.position - start} bytes, stated ${length}`)
  }
  return { offset: frame.baseOffset + offsetDelta, timestamp, key, value, headers }
}

function readHeaders(reader: ByteReader): readonly RecordHeader[] {
  const count = reader.varint()
  if (count === 0) return NO_HEADERS
  if (count < 0) throw new DecodeError(`header count ${count} at ${reader.position}`)
  reader.claimElements(count, 2, 0)
  const headers: RecordHeader[] = []
  for (let index = 0; index < count; index++) {
    const keyBytes = reader.varint()
    if (keyBytes < 0) throw new DecodeError(`header key of ${keyBytes} bytes at ${reader.position}`)
    const key = reader.string(keyBytes)
    headers.push({ key, value: readBytes(reader) })
  }
  return headers
}

function readBytes(reader: ByteReader): Uint8Array | null {
  const length = reader.varint()
  if (length === -1) return null
  if (length < -1) throw new DecodeError(`length ${length} at ${reader.position}`)
  return reader.bytes(length)
}

function writeBytes(writer: ByteWriter, bytes: Uint8Array | null): void {
  writer.varint(bytes === null ? -1 : bytes.length)
  if (bytes !== null) writer.chunk(bytes)
}
