/**
 * What `semel log dump` says about each thing it finds, as plain objects: one of them is one line of `--format json`, so
 * their field names stay. Timestamps are milliseconds since the epoch, `null` is absence.
 */
import { DecodeError } from '../../base/bytes.ts'
import { describeInternalRecord } from '../../broker/internal-records.ts'
import { readRecords } from '../../protocol/record-batch.ts'
import type { DecodedRecord } from '../../protocol/record-batch.ts'
import { CorruptionError } from '../../storage/errors.ts'
import type { DumpedBatch, DumpedRow } from '../../storage/inspect/dump.ts'
import { shownBytes } from './shown-bytes.ts'
import type { ShownBytes } from './shown-bytes.ts'

export type Line = BatchLine | RecordLine | InternalRecordLine | RowLine

export interface BatchLine {
  readonly type: 'batch'
  readonly topic: string | null
  readonly partition: number | null
  readonly baseOffset: number
  readonly lastOffset: number
  readonly count: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  /** 'COMMIT' or 'ABORT' of a control batch. */
  readonly markerType: string | null
  readonly coordinatorEpoch: number | null
  readonly compression: string
  readonly timestampType: string
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly leaderEpoch: number
  readonly sizeBytes: number
  readonly file: string
  readonly position: number | null
  readonly lsn: number | null
  /** A batch with a wrong checksum ends the dump, so it is always true. */
  readonly crcOk: true
}

interface RecordPlace {
  readonly topic: string | null
  readonly partition: number | null
  readonly offset: number
  readonly timestamp: number
}

export interface RecordLine extends RecordPlace {
  readonly type: 'record'
  readonly key: ShownBytes
  readonly value: ShownBytes
  readonly headers: readonly { readonly key: string; readonly value: ShownBytes }[]
}

/** A record of an internal topic. */
export interface InternalRecordLine extends RecordPlace {
  readonly type: 'transaction' | 'offset-commit' | 'group' | 'catalogue'
  readonly key: Readonly<Record<string, unknown>>
  readonly value: Readonly<Record<string, unknown>> | null
}

export interface RowLine extends Readonly<Record<string, unknown>> {
  readonly type: DumpedRow['type']
}

export interface RecordOptions {
  readonly fromOffset: number
  readonly toOffset: number
  /** Longer keys and values are cut. */
  readonly maxValueBytes: number
}

const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

export function batchLine({ log, header, marker, file, position, lsn }: DumpedBatch): BatchLine {
  return {
    type: 'batch',
    topic: log?.topic ?? null,
    partition: log?.partition ?? null,
    baseOffset: header.baseOffset,
    lastOffset: header.lastOffset,
    count: header.recordCount,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    lastSequence: header.lastSequence,
    isTransactional: header.isTransactional,
    isControl: header.isControl,
    markerType: marker?.markerType ?? null,
    coordinatorEpoch: marker?.coordinatorEpoch ?? null,
    compression: header.compression,
    timestampType: header.timestampType,
    baseTimestamp: header.baseTimestamp,
    maxTimestamp: header.maxTimestamp,
    leaderEpoch: header.partitionLeaderEpoch,
    sizeBytes: header.sizeBytes,
    file,
    position: position ?? null,
    lsn: lsn ?? null,
    crcOk: true,
  }
}

export function rowLine({ type, fields }: DumpedRow): RowLine {
  return { type, ...fields }
}

/**
 * The records of a batch that are in the range; none of a control batch, whose one record is its marker.
 * @throws CorruptionError  they cannot be decoded
 */
export function* recordLines(batch: DumpedBatch, options: RecordOptions): Generator<RecordLine | InternalRecordLine> {
  if (batch.header.isControl) return
  try {
    for (const record of readRecords(batch.bytes, { maxDecompressedBytes: DECOMPRESSED_BYTES_MAX })) {
      if (record.offset < options.fromOffset || record.offset > options.toOffset) continue
      yield recordLine(batch, record, options)
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new CorruptionError(`The records of the batch at offset ${batch.header.baseOffset}: ${error.message}`, {
      file: batch.file,
      position: batch.position ?? 0,
      advice: 'The checksum of the batch is right, so it was written like this.',
    })
  }
}

function recordLine(
  { log }: DumpedBatch,
  record: DecodedRecord,
  { maxValueBytes }: RecordOptions,
): RecordLine | InternalRecordLine {
  const place = {
    topic: log?.topic ?? null,
    partition: log?.partition ?? null,
    offset: record.offset,
    timestamp: record.timestamp,
  }
  const internal = log === undefined ? undefined : describeInternalRecord(log.topic, record)
  if (internal !== undefined) {
    const { type, key, value } = internal
    return { type, ...place, key, value }
  }
  return {
    type: 'record',
    ...place,
    key: shownBytes(record.key, maxValueBytes),
    value: shownBytes(record.value, maxValueBytes),
    headers: record.headers.map(({ key, value }) => ({ key, value: shownBytes(value, maxValueBytes) })),
  }
}
