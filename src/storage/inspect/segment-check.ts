/**
 * Checks the files of one segment against each other in one pass over its batches.
 *
 * A file is damaged when a start would refuse it or give wrong answers from it. Bytes behind what the checkpoint vouches
 * for are in the journal too, and are cut by a start: they are mentioned, not judged.
 */
import { DecodeError } from '../../base/bytes.ts'
import { readMarker } from '../../protocol/control-record.ts'
import type { Marker } from '../../protocol/control-record.ts'
import { checkRecordLayout } from '../../protocol/record-batch.ts'
import type { BatchHeader } from '../../protocol/record-batch.ts'
import { CorruptionError } from '../errors.ts'
import type { SegmentSuffix } from '../log-files.ts'
import { OFFSET_INDEX_ENTRY_BYTES, offsetIndexEntry, offsetIndexProblem } from '../offset-index.ts'
import type { Segment } from '../segment.ts'
import { TIME_INDEX_ENTRY_BYTES, timeIndexEntry, timeIndexProblem } from '../time-index.ts'
import { decodeAbortedTransactions, TRANSACTION_INDEX_ENTRY_BYTES } from '../transaction-index.ts'
import type { AbortedTransactionEntry } from '../transaction-index.ts'
import type { Inspection } from './data-directory.ts'
import { FileCheck } from './file-check.ts'
import { readPrefix } from './read-only.ts'
import { batchesOfSegment } from './stored-batches.ts'
import type { TransactionWalk, WalkedAbort } from './transaction-walk.ts'

export type CheckedSuffix = Exclude<SegmentSuffix, 'snapshot'>

export interface SegmentCheckOptions {
  readonly inspection: Inspection
  /** Its sizes are what is checked: those of the checkpoint, or those of the files. */
  readonly segment: Segment
  /** Whether the sizes are the checkpoint's, so that a file that is shorter has lost something. */
  readonly isVouchedFor: boolean
  readonly walk: TransactionWalk
  /** Aborts from this offset on may not be in the index yet: a start adds them. */
  readonly abortsIndexedBelow: number
}

const RESTORE = 'Acknowledged data is damaged: restore this data directory from a copy.'
const REBUILT =
  'Nothing is lost: remove the file while the broker is stopped, and the next start builds it anew from the segment.'
const ABORTS =
  'read_committed consumers would be given aborted records, or miss committed ones: restore this data directory from a copy.'

/** Larger than any index is made (Kafka: segment.index.bytes). */
const INDEX_BYTES_MAX = 64 * 1024 * 1024

export interface CheckedSegment {
  readonly files: ReadonlyMap<CheckedSuffix, FileCheck>
  readonly batchCount: number
  readonly recordCount: number
  /** Behind the last whole batch. */
  readonly endOffset: number
}

export async function checkSegment(options: SegmentCheckOptions): Promise<CheckedSegment> {
  const { inspection, segment } = options
  const files = new Map<CheckedSuffix, FileCheck>()
  const open = async (suffix: CheckedSuffix, sizeBytes: number, meaning: string): Promise<FileCheck | undefined> => {
    const path = segment.path(suffix)
    const foundBytes = (await inspection.fileSystem.stat(path))?.sizeBytes
    if (foundBytes === undefined && sizeBytes === 0) return undefined
    const check = new FileCheck(path, KINDS[suffix])
    files.set(suffix, check)
    check.details.sizeBytes = foundBytes ?? 0
    if (foundBytes === undefined) check.damaged(0, `the file is missing, ${sizeBytes} bytes had been flushed`, meaning)
    else if (foundBytes < sizeBytes) {
      check.damaged(foundBytes, `the file ends here, ${sizeBytes} bytes had been flushed`, meaning)
    } else if (foundBytes > sizeBytes) {
      // Behind what the checkpoint vouches for: in the journal too, a start cuts it off here.
      check.details.bytesAfterCheckpoint = foundBytes - sizeBytes
    }
    return check
  }
  const log = await open('log', segment.sizeBytes, RESTORE)
  const offsets = await open('index', segment.indexBytes, REBUILT)
  const times = await open('timeindex', segment.timeIndexBytes, REBUILT)
  const aborts = await open('txnindex', segment.transactionIndexBytes, ABORTS)

  const offsetIndex = new OffsetIndexCheck(offsets, segment, await load(inspection, offsets, segment.indexBytes))
  const timeIndex = new TimeIndexCheck(times, segment, await load(inspection, times, segment.timeIndexBytes))
  const abortIndex = new AbortIndexCheck(
    aborts,
    options,
    files,
    await load(inspection, aborts, segment.transactionIndexBytes),
  )

  let batchCount = 0
  let recordCount = 0
  let endOffset = segment.baseOffset
  if (log !== undefined && !log.isDamaged) {
    try {
      for await (const { header, bytes, position } of batchesOfSegment(
        segment,
        inspection.context.limits.scanChunkBytes,
      )) {
        const marker = readBatch(log, header, bytes, position ?? 0)
        const aborted = options.walk.add(header, marker)
        offsetIndex.add(header, position ?? 0)
        timeIndex.add(header)
        abortIndex.add(header, marker, aborted)
        batchCount += 1
        recordCount += header.recordCount
        endOffset = header.lastOffset + 1
      }
      if (options.isVouchedFor && endOffset !== segment.endOffset) {
        log.damaged(
          segment.sizeBytes,
          `the segment ends at offset ${endOffset}, the checkpoint says ${segment.endOffset}`,
          RESTORE,
        )
      }
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      log.damagedBy(error)
    }
  }
  const isWhole = log !== undefined && !log.isDamaged
  if (log !== undefined) Object.assign(log.details, { batches: batchCount, records: recordCount, endOffset })
  for (const check of [offsetIndex, timeIndex, abortIndex]) check.end(isWhole)
  return { files, batchCount, recordCount, endOffset }
}

const KINDS = { log: 'segment', index: 'offset-index', timeindex: 'time-index', txnindex: 'transaction-index' } as const

/** Answers the marker of a control batch. */
function readBatch(log: FileCheck, header: BatchHeader, bytes: Uint8Array, position: number): Marker | undefined {
  const problem =
    header.recordCount === header.lastOffsetDelta + 1
      ? checkRecordLayout(bytes, header)
      : `${header.recordCount} records for ${header.lastOffsetDelta + 1} offsets`
  const meaning = 'The checksum is right, so it was written like this: clients will refuse the batch.'
  if (problem !== undefined) log.damaged(position, problem, meaning)
  if (!header.isControl) return undefined
  try {
    return readMarker(bytes)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    log.damaged(position, error.message, meaning)
    return undefined
  }
}

async function load(
  { fileSystem }: Inspection,
  check: FileCheck | undefined,
  sizeBytes: number,
): Promise<Uint8Array | undefined> {
  if (check === undefined || check.isDamaged) return undefined
  if (sizeBytes <= INDEX_BYTES_MAX) return readPrefix(fileSystem, check.path, sizeBytes)
  check.damaged(INDEX_BYTES_MAX, `no index grows to ${sizeBytes} bytes`, REBUILT)
  return undefined
}

class OffsetIndexCheck {
  readonly #check: FileCheck | undefined
  readonly #segment: Segment
  readonly #entries: Uint8Array
  #slot = 0

  constructor(check: FileCheck | undefined, segment: Segment, entries: Uint8Array | undefined) {
    this.#check = check
    this.#segment = segment
    const problem = entries === undefined ? undefined : offsetIndexProblem(entries, segment.sizeBytes)
    if (problem !== undefined) check?.damaged(0, problem, REBUILT)
    this.#entries = entries === undefined || problem !== undefined ? new Uint8Array(0) : entries
    if (check !== undefined) check.details.entries = this.#entries.length / OFFSET_INDEX_ENTRY_BYTES
  }

  add({ lastOffset }: BatchHeader, position: number): void {
    for (; this.#slot * OFFSET_INDEX_ENTRY_BYTES < this.#entries.length; this.#slot++) {
      const entry = offsetIndexEntry(this.#entries, this.#segment.baseOffset, this.#slot)
      if (entry.position > position) return
      if (entry.position < position) {
        this.#damaged(`points to position ${entry.position}, where no batch begins`)
      } else if (entry.offset !== lastOffset) {
        this.#damaged(`says offset ${entry.offset}, the batch at position ${position} ends at ${lastOffset}`)
      }
    }
  }

  #damaged(problem: string): void {
    this.#check?.damaged(this.#slot * OFFSET_INDEX_ENTRY_BYTES, `entry ${this.#slot} ${problem}`, REBUILT)
  }

  end(isWhole: boolean): void {
    if (!isWhole) this.#check?.note('checked only as far as the segment can be read')
    else if (this.#slot * OFFSET_INDEX_ENTRY_BYTES < this.#entries.length) {
      this.#damaged('points behind the start of the last batch')
    }
  }
}

class TimeIndexCheck {
  readonly #check: FileCheck | undefined
  readonly #segment: Segment
  readonly #entries: Uint8Array
  #slot = 0
  #maxTimestamp = -1
  #maxTimestampOffset = -1

  constructor(check: FileCheck | undefined, segment: Segment, entries: Uint8Array | undefined) {
    this.#check = check
    this.#segment = segment
    const problem = entries === undefined ? undefined : timeIndexProblem(entries, segment.baseOffset, segment.endOffset)
    if (problem !== undefined) check?.damaged(0, problem, REBUILT)
    this.#entries = entries === undefined || problem !== undefined ? new Uint8Array(0) : entries
    if (check !== undefined) check.details.entries = this.#entries.length / TIME_INDEX_ENTRY_BYTES
  }

  add({ lastOffset, maxTimestamp }: BatchHeader): void {
    if (maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = maxTimestamp
      this.#maxTimestampOffset = lastOffset
    }
    for (; this.#slot * TIME_INDEX_ENTRY_BYTES < this.#entries.length; this.#slot++) {
      const entry = timeIndexEntry(this.#entries, this.#segment.baseOffset, this.#slot)
      if (entry.offset > lastOffset) return
      if (entry.offset !== this.#maxTimestampOffset || entry.timestamp !== this.#maxTimestamp) {
        this.#damaged(
          `says timestamp ${entry.timestamp} at offset ${entry.offset}, the largest up to there is ` +
            `${this.#maxTimestamp} at ${this.#maxTimestampOffset}`,
        )
      }
    }
  }

  #damaged(problem: string): void {
    this.#check?.damaged(this.#slot * TIME_INDEX_ENTRY_BYTES, `entry ${this.#slot} ${problem}`, REBUILT)
  }

  end(isWhole: boolean): void {
    if (!isWhole) this.#check?.note('checked only as far as the segment can be read')
    else if (this.#slot * TIME_INDEX_ENTRY_BYTES < this.#entries.length) {
      this.#damaged('names an offset behind the last batch')
    }
  }
}

class AbortIndexCheck {
  readonly #check: FileCheck | undefined
  readonly #options: SegmentCheckOptions
  readonly #files: Map<CheckedSuffix, FileCheck>
  #entries: readonly AbortedTransactionEntry[] = []
  #isReadable = true
  #slot = 0

  constructor(
    check: FileCheck | undefined,
    options: SegmentCheckOptions,
    files: Map<CheckedSuffix, FileCheck>,
    bytes: Uint8Array | undefined,
  ) {
    this.#check = check
    this.#options = options
    this.#files = files
    if (check?.isDamaged === true) this.#isReadable = false
    if (bytes === undefined) return
    try {
      this.#entries = decodeAbortedTransactions(bytes)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#isReadable = false
      check?.damaged(0, error.message, ABORTS)
    }
    if (check !== undefined) check.details.entries = this.#entries.length
  }

  add({ lastOffset }: BatchHeader, marker: Marker | undefined, aborted: WalkedAbort | undefined): void {
    if (!this.#isReadable) return
    for (let entry = this.#entries[this.#slot]; entry !== undefined && entry.lastOffset < lastOffset; ) {
      this.#damaged(`names offset ${entry.lastOffset}, where no marker aborts a transaction`)
      this.#slot += 1
      entry = this.#entries[this.#slot]
    }
    const entry = this.#entries[this.#slot]
    if (entry?.lastOffset === lastOffset) {
      if (marker?.markerType !== 'ABORT' || aborted === undefined) {
        this.#damaged(`names offset ${lastOffset}, where no marker aborts a transaction`)
      } else {
        const problem = difference(entry, aborted)
        if (problem !== undefined) this.#damaged(problem)
      }
      this.#slot += 1
    } else if (aborted?.firstOffset !== undefined) {
      this.#missing(aborted)
    }
  }

  #missing({ producerId, firstOffset, lastOffset }: WalkedAbort): void {
    const what = `no entry for the transaction of producer ${producerId} aborted at offset ${lastOffset} (from ${firstOffset})`
    if (lastOffset < this.#options.abortsIndexedBelow) {
      this.#fileOfMissing().damaged(this.#slot * TRANSACTION_INDEX_ENTRY_BYTES, what, ABORTS)
    } else {
      this.#check?.note(`${what}: not written yet, a start adds it`)
    }
  }

  #fileOfMissing(): FileCheck {
    if (this.#check !== undefined) return this.#check
    const existing = this.#files.get('txnindex')
    const check = existing ?? new FileCheck(this.#options.segment.path('txnindex'), KINDS.txnindex)
    this.#files.set('txnindex', check)
    return check
  }

  #damaged(problem: string): void {
    this.#check?.damaged(this.#slot * TRANSACTION_INDEX_ENTRY_BYTES, `entry ${this.#slot} ${problem}`, ABORTS)
  }

  end(isWhole: boolean): void {
    if (!this.#isReadable) return
    if (!isWhole) this.#check?.note('checked only as far as the segment can be read')
    else if (this.#slot < this.#entries.length) {
      this.#damaged(`names offset ${this.#entries[this.#slot]!.lastOffset}, which is not in the segment`)
    }
  }
}

function difference(entry: AbortedTransactionEntry, aborted: WalkedAbort): string | undefined {
  for (const field of ['producerId', 'firstOffset', 'lastStableOffset'] as const) {
    const expected = aborted[field]
    if (expected !== undefined && entry[field] !== expected) {
      return `has ${field} ${entry[field]}, the log says ${expected}`
    }
  }
  return undefined
}
