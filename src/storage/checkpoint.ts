/**
 * What a checkpoint says: where the journal may begin, and for each log what its files hold at that point.
 *
 *   slot file   magic 'semelckp' | version u32 | crc u32 | generation i64 | body length u32 | body
 *   body        lsn | isClean i8 | nextLogId | count, dropped log ids | count, logs
 *   log         logId | topicId 16 bytes | length, topic | partition | segmentBytes |
 *               logStartOffset | logEndOffset | snapshotOffset | bytesSinceIndexEntry |
 *               count, leader epochs (epoch, startOffset) | count, segments | length, producers (stored-producers.ts)
 *   segment     baseOffset | endOffset | sizeBytes | indexBytes | timeIndexBytes | transactionIndexBytes |
 *               maxTimestamp | its offset | lastIndexedTimestamp | transactionIndexCrc (since version 2)
 *
 * Fixed-size numbers are big-endian; numbers of the body are varlongs (offsets, timestamps, LSN) or uvarints. `crc` is the
 * CRC-32C of all bytes but its own, up to the end of the body. Files are checkpoint-slots.ts.
 */
import { ByteReader, ByteWriter, DecodeError, readInt64, readUint32, writeInt32, writeInt64 } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from '../base/uuid.ts'
import type { LeaderEpochStart } from './log-files.ts'
import type { SegmentNumbers } from './segment.ts'

export const CHECKPOINT_VERSION = 2
const MAGIC = Buffer.from('semelckp', 'latin1')
const VERSION_POSITION = 8
const CRC_POSITION = 12
const GENERATION_POSITION = 16
const LENGTH_POSITION = 24
const HEADER_BYTES = 28
/** Of an index that was begun before checkpoints kept its checksum. */
const UNKNOWN_CRC = -1

export interface CheckpointLog {
  readonly logId: number
  readonly topicId: string
  readonly topic: string
  readonly partition: number
  readonly segmentBytes: number
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly snapshotOffset: number
  readonly bytesSinceIndexEntry: number
  readonly leaderEpochs: readonly LeaderEpochStart[]
  readonly segments: readonly Readonly<SegmentNumbers>[]
  readonly producerSnapshotBytes: Uint8Array
}

export interface Checkpoint {
  /** 1, 2, 3 …; the valid slot with the larger one counts. */
  readonly generation: number
  /** Frames up to this LSN are in the segments. */
  readonly lsn: number
  /** Written by `close`, after the last append. */
  readonly isClean: boolean
  readonly nextLogId: number
  /** Logs dropped while the checkpoint was taken: frames after `lsn` may still name them. */
  readonly droppedLogIds: readonly number[]
  readonly logs: readonly CheckpointLog[]
}

export type DecodedCheckpoint =
  | { readonly kind: 'valid'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'damaged'; readonly reason: string }

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const writer = new ByteWriter()
  writer.raw(new Uint8Array(HEADER_BYTES))
  writer.varlong(checkpoint.lsn)
  writer.int8(checkpoint.isClean ? 1 : 0)
  writer.uvarint(checkpoint.nextLogId)
  writer.uvarint(checkpoint.droppedLogIds.length)
  for (const logId of checkpoint.droppedLogIds) writer.uvarint(logId)
  writer.uvarint(checkpoint.logs.length)
  for (const log of checkpoint.logs) writeLog(writer, log)

  const bytes = writer.toBytes()
  bytes.set(MAGIC)
  writeInt32(bytes, VERSION_POSITION, CHECKPOINT_VERSION)
  writeInt64(bytes, GENERATION_POSITION, checkpoint.generation)
  writeInt32(bytes, LENGTH_POSITION, bytes.length - HEADER_BYTES)
  writeInt32(bytes, CRC_POSITION, checkpointCrc(bytes))
  return bytes
}

/** @param bytes  a slot file; what follows the body is left over from a longer checkpoint and ignored */
export function decodeCheckpoint(bytes: Uint8Array): DecodedCheckpoint {
  if (bytes.length < HEADER_BYTES) return { kind: 'damaged', reason: `${bytes.length} bytes are less than a header` }
  if (!MAGIC.equals(bytes.subarray(0, MAGIC.length))) return { kind: 'damaged', reason: 'it does not begin as one' }
  const end = HEADER_BYTES + readUint32(bytes, LENGTH_POSITION)
  if (end > bytes.length) return { kind: 'damaged', reason: `${end} bytes announced, ${bytes.length} there` }
  const whole = bytes.subarray(0, end)
  if (checkpointCrc(whole) !== readUint32(bytes, CRC_POSITION)) return { kind: 'damaged', reason: 'wrong checksum' }
  const version = readUint32(bytes, VERSION_POSITION)
  if (version > CHECKPOINT_VERSION) return { kind: 'newer', version }
  try {
    return {
      kind: 'valid',
      checkpoint: decodeBody(readInt64(bytes, GENERATION_POSITION), whole.subarray(HEADER_BYTES), version),
    }
  } catch (error) {
    if (error instanceof DecodeError) return { kind: 'damaged', reason: error.message }
    throw error
  }
}

function checkpointCrc(bytes: Uint8Array): number {
  return crc32c(bytes.subarray(GENERATION_POSITION), crc32c(bytes.subarray(0, CRC_POSITION)))
}

function decodeBody(generation: number, body: Uint8Array, version: number): Checkpoint {
  const reader = new ByteReader(body)
  const lsn = reader.varlong()
  const isClean = reader.int8() === 1
  const nextLogId = reader.uvarint()
  const droppedLogIds = list(reader, (element) => element.uvarint())
  const logs = list(reader, (element) => readLog(element, version))
  if (reader.remaining > 0) throw new DecodeError(`${reader.remaining} bytes after the last log`)
  return { generation, lsn, isClean, nextLogId, droppedLogIds, logs }
}

function list<T>(reader: ByteReader, readElement: (reader: ByteReader) => T): T[] {
  const elements: T[] = []
  for (let left = reader.uvarint(); left > 0; left--) elements.push(readElement(reader))
  return elements
}

function writeLog(writer: ByteWriter, log: CheckpointLog): void {
  writer.uvarint(log.logId)
  writer.raw(uuidToBytes(log.topicId))
  const topicBytes = Buffer.byteLength(log.topic)
  writer.uvarint(topicBytes)
  writer.utf8(log.topic, topicBytes)
  writer.uvarint(log.partition)
  writer.uvarint(log.segmentBytes)
  writer.varlong(log.logStartOffset)
  writer.varlong(log.logEndOffset)
  writer.varlong(log.snapshotOffset)
  writer.varlong(log.bytesSinceIndexEntry)
  writer.uvarint(log.leaderEpochs.length)
  for (const { epoch, startOffset } of log.leaderEpochs) {
    writer.varlong(epoch)
    writer.varlong(startOffset)
  }
  writer.uvarint(log.segments.length)
  for (const segment of log.segments) {
    writer.varlong(segment.baseOffset)
    writer.varlong(segment.endOffset)
    writer.varlong(segment.sizeBytes)
    writer.varlong(segment.indexBytes)
    writer.varlong(segment.timeIndexBytes)
    writer.varlong(segment.transactionIndexBytes)
    writer.varlong(segment.maxTimestamp.timestamp)
    writer.varlong(segment.maxTimestamp.offset)
    writer.varlong(segment.lastIndexedTimestamp)
    writer.varlong(segment.transactionIndexCrc ?? UNKNOWN_CRC)
  }
  writer.uvarint(log.producerSnapshotBytes.length)
  writer.chunk(log.producerSnapshotBytes)
}

function readLog(reader: ByteReader, version: number): CheckpointLog {
  return {
    logId: reader.uvarint(),
    topicId: uuidFromBytes(reader.bytes(UUID_BYTES)),
    topic: reader.string(reader.uvarint()),
    partition: reader.uvarint(),
    segmentBytes: reader.uvarint(),
    logStartOffset: reader.varlong(),
    logEndOffset: reader.varlong(),
    snapshotOffset: reader.varlong(),
    bytesSinceIndexEntry: reader.varlong(),
    leaderEpochs: list(reader, (element) => ({ epoch: element.varlong(), startOffset: element.varlong() })),
    segments: list(reader, (element) => readSegment(element, version)),
    // A copy, so that the log does not keep the whole checkpoint in memory.
    producerSnapshotBytes: new Uint8Array(reader.bytes(reader.uvarint())),
  }
}

function readSegment(reader: ByteReader, version: number): SegmentNumbers {
  const numbers = {
    baseOffset: reader.varlong(),
    endOffset: reader.varlong(),
    sizeBytes: reader.varlong(),
    indexBytes: reader.varlong(),
    timeIndexBytes: reader.varlong(),
    transactionIndexBytes: reader.varlong(),
    maxTimestamp: { timestamp: reader.varlong(), offset: reader.varlong() },
    lastIndexedTimestamp: reader.varlong(),
  }
  const transactionIndexCrc = version >= 2 ? reader.varlong() : UNKNOWN_CRC
  if (transactionIndexCrc !== UNKNOWN_CRC) return { ...numbers, transactionIndexCrc }
  return { ...numbers, transactionIndexCrc: numbers.transactionIndexBytes === 0 ? 0 : undefined }
}
