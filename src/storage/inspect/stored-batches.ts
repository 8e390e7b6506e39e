/**
 * The batches of a log or of one segment file, in order and with the place where each lies. Read in pieces of a mebibyte;
 * damage ends the reading with a CorruptionError that says where.
 */
import type { BatchHeader } from '../../protocol/record-batch.ts'
import { readBatchHeader } from '../../protocol/record-batch.ts'
import { CorruptionError } from '../errors.ts'
import type { PartitionLog } from '../partition-log.ts'
import { NO_MAX_TIMESTAMP, Segment } from '../segment.ts'
import type { SegmentContext } from '../segment.ts'

export interface StoredBatch {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
  /** The segment, or the journal's directory for a batch that is not in a segment yet. */
  readonly file: string
  /** In the segment. */
  readonly position: number | undefined
  /** Of the journal frame that holds it. */
  readonly lsn: number | undefined
}

/** What a start would make of the log: segments as far as the checkpoint vouches for them, then the journal. */
export async function* batchesOfLog(
  log: PartitionLog,
  journalDirectory: string,
  chunkBytes: number,
): AsyncGenerator<StoredBatch> {
  for (const segment of log.segments) yield* batchesOfSegment(segment, chunkBytes)
  yield* batchesOfTail(log, journalDirectory)
}

export function* batchesOfTail(log: PartitionLog, journalDirectory: string): Generator<StoredBatch> {
  for (const { bytes, lsn } of log.window.from(log.drainedEndOffset)) {
    yield { header: readBatchHeader(bytes), bytes, file: journalDirectory, position: undefined, lsn }
  }
}

export async function* batchesOfSegment(segment: Segment, chunkBytes: number): AsyncGenerator<StoredBatch> {
  const file = segment.path('log')
  try {
    for await (const { header, bytes, position } of segment.scan(0, chunkBytes)) {
      yield { header, bytes, file, position, lsn: undefined }
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error
    throw new CorruptionError('A segment is missing', {
      file,
      position: 0,
      advice: `Its ${segment.sizeBytes} bytes had been flushed: restore this data directory from a copy.`,
    })
  }
}

/** A segment of which nothing is known but its file: all of it is taken for written. */
export function unknownSegment(
  context: SegmentContext,
  directory: string,
  baseOffset: number,
  sizes: { readonly log: number; readonly index: number; readonly timeindex: number; readonly txnindex: number },
): Segment {
  return new Segment(context, directory, {
    baseOffset,
    endOffset: Number.MAX_SAFE_INTEGER,
    sizeBytes: sizes.log,
    indexBytes: sizes.index,
    timeIndexBytes: sizes.timeindex,
    transactionIndexBytes: sizes.txnindex,
    transactionIndexCrc: undefined,
    maxTimestamp: NO_MAX_TIMESTAMP,
    lastIndexedTimestamp: -1,
  })
}
