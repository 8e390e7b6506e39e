/**
 * Single records inside a batch of magic 2.
 *
 *     length varint | attributes i8 (unused) | timestampDelta varlong | offsetDelta varint | keyLength varint, key
 *     | valueLength varint, value | headerCount varint | per header: keyLength varint, key | valueLength varint, value
 *
 * A length of -1 is null; header keys are never null. Source: org.apache.kafka.common.record.DefaultRecord.
 */
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts'

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
  const body = new ByteWriter(128)
  body.int8(0)
  body.varlong(record.timestamp - baseTimestamp)
  body.varint(offsetDelta)
  writeBytes(body, record.key)
  writeBytes(body, record.value)
  const headers = record.headers ?? []
  body.varint(headers.length)
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key)
    body.varint(keyBytes)
    body.utf8(header.key, keyBytes)
    writeBytes(body, header.value)
  }
  writer.varint(body.length)
  for (const chunk of body.finish()) writer.chunk(chunk)
}

/** Throws DecodeError unless `recordCount` well-formed records fill `body` exactly. */
export function decodeRecords(body: Uint8Array, frame: RecordFrame): DecodedRecord[] {
  const reader = new ByteReader(body)
  reader.claimElements(frame.recordCount, RECORD_BYTES_MIN)
  const records: DecodedRecord[] = []
  for (let index = 0; index < frame.recordCount; index++) records.push(decodeRecord(reader, frame))
  if (reader.remaining > 0) throw new DecodeError(`${reader.remaining} bytes after the last record`)
  return records
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
  if (count < 0) throw new DecodeError(`header count ${count} at ${reader.position}`)
  reader.claimElements(count, 2)
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
