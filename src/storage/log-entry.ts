/**
 * What the store writes into a journal frame: a list of entries.
 *
 *     append      1 | logId uvarint | length uvarint | one record batch
 *     create-log  2 | logId uvarint | topicId 16 bytes | partition uvarint | segmentBytes uvarint | length uvarint | topic
 *     drop-log    3 | logId uvarint
 *     log-start   4 | logId uvarint | offset varlong
 *
 * Logs are named by small numbers that the store gives out and never uses again. All entries of a frame become durable
 * together or not at all. A batch carries its own base offset and CRC.
 */
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from '../base/uuid.ts'

export type LogEntry =
  | { readonly kind: 'append'; readonly logId: number; readonly batch: Uint8Array }
  | {
      readonly kind: 'create-log'
      readonly logId: number
      readonly topicId: string
      readonly topic: string
      readonly partition: number
      readonly segmentBytes: number
    }
  | { readonly kind: 'drop-log'; readonly logId: number }
  | { readonly kind: 'log-start'; readonly logId: number; readonly offset: number }

const ENTRY_CODE = { append: 1, 'create-log': 2, 'drop-log': 3, 'log-start': 4 } as const satisfies Record<
  LogEntry['kind'],
  number
>

/** The frame body in chunks; batches are referenced, not copied. */
export function encodeLogEntries(entries: readonly LogEntry[]): Uint8Array[] {
  const writer = new ByteWriter()
  for (const entry of entries) {
    writer.int8(ENTRY_CODE[entry.kind])
    writer.uvarint(entry.logId)
    switch (entry.kind) {
      case 'append':
        writer.uvarint(entry.batch.length)
        writer.chunk(entry.batch)
        break
      case 'create-log': {
        writer.raw(uuidToBytes(entry.topicId))
        writer.uvarint(entry.partition)
        writer.uvarint(entry.segmentBytes)
        const topicBytes = Buffer.byteLength(entry.topic)
        writer.uvarint(topicBytes)
        writer.utf8(entry.topic, topicBytes)
        break
      }
      case 'drop-log':
        break
      case 'log-start':
        writer.varlong(entry.offset)
        break
    }
  }
  return writer.finish()
}

/** Batches are views of `body`. Throws DecodeError when the body is not a list of entries. */
export function decodeLogEntries(body: Uint8Array): LogEntry[] {
  const reader = new ByteReader(body)
  const entries: LogEntry[] = []
  while (reader.remaining > 0) entries.push(decodeLogEntry(reader))
  return entries
}

function decodeLogEntry(reader: ByteReader): LogEntry {
  const code = reader.int8()
  const logId = reader.uvarint()
  switch (code) {
    case ENTRY_CODE.append:
      return { kind: 'append', logId, batch: reader.bytes(reader.uvarint()) }
    case ENTRY_CODE['create-log']: {
      const topicId = uuidFromBytes(reader.bytes(UUID_BYTES))
      const partition = reader.uvarint()
      const segmentBytes = reader.uvarint()
      const topic = reader.string(reader.uvarint())
      return { kind: 'create-log', logId, topicId, topic, partition, segmentBytes }
    }
    case ENTRY_CODE['drop-log']:
      return { kind: 'drop-log', logId }
    case ENTRY_CODE['log-start']:
      return { kind: 'log-start', logId, offset: reader.varlong() }
    default:
      throw new DecodeError(`journal entry of unknown kind ${code} (at byte ${reader.position})`)
  }
}
