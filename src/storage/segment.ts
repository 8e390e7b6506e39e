/**
 * One segment of a log: its files, what is known about them, and finding a batch in them.
 *
 * `.log` holds record batches, one after the other, exactly as consumers get them. The numbers here describe what has been
 * written completely; bytes beyond `sizeBytes` belong to a write in progress and are never read. Batches read from disk are
 * checked (offset, length, CRC): damage is an error of the reader, never data. Writing is drain.ts.
 *
 * Invariant: the batches fill [0, sizeBytes) and cover the offsets [baseOffset, endOffset) without a gap.
 */
import { assert } from '../base/assert.ts'
import { DecodeError } from '../base/bytes.ts'
import { BATCH_OVERHEAD_BYTES, batchCrcMatches, readBatchHeader } from '../protocol/record-batch.ts'
import type { BatchHeader } from '../protocol/record-batch.ts'
import { CorruptionError } from './errors.ts'
import type { FilePool } from './file-pool.ts'
import type { IndexCache, SegmentIndexes } from './index-cache.ts'
import { segmentFileName } from './log-files.ts'
import type { SegmentSuffix } from './log-files.ts'
import { lookUpOffset } from './offset-index.ts'
import type { StorageLimits } from './storage-limits.ts'
import type { TimestampOffset } from './time-index.ts'

/** What all segments of a store share. */
export interface SegmentContext {
  readonly files: FilePool
  readonly indexes: IndexCache
  readonly limits: StorageLimits
}

/** The largest timestamp of a segment without any. Source: RecordBatch.NO_TIMESTAMP. */
export const NO_MAX_TIMESTAMP: TimestampOffset = { timestamp: -1, offset: -1 }

export interface SegmentNumbers {
  readonly baseOffset: number
  /** The offset after the last one in the segment. */
  endOffset: number
  sizeBytes: number
  indexBytes: number
  timeIndexBytes: number
  transactionIndexBytes: number
  /**
   * CRC-32C of those bytes, which carry none of their own: without them aborted records would be handed out.
   * `undefined` when the index was begun before checkpoints kept it.
   */
  transactionIndexCrc: number | undefined
  /** Largest timestamp, and the last offset of the first batch that reaches it. */
  maxTimestamp: TimestampOffset
  /** Timestamp of the last entry of the time index, -1 when there is none. */
  lastIndexedTimestamp: number
}

export interface LocatedBatch {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
  /** Where in the `.log` file it begins. */
  readonly position: number
}

export class Segment implements SegmentNumbers {
  readonly #context: SegmentContext
  readonly #directory: string
  readonly baseOffset: number
  endOffset: number
  sizeBytes: number
  indexBytes: number
  timeIndexBytes: number
  transactionIndexBytes: number
  transactionIndexCrc: number | undefined
  maxTimestamp: TimestampOffset
  lastIndexedTimestamp: number

  constructor(context: SegmentContext, directory: string, numbers: SegmentNumbers) {
    this.#context = context
    this.#directory = directory
    this.baseOffset = numbers.baseOffset
    this.endOffset = numbers.endOffset
    this.sizeBytes = numbers.sizeBytes
    this.indexBytes = numbers.indexBytes
    this.timeIndexBytes = numbers.timeIndexBytes
    this.transactionIndexBytes = numbers.transactionIndexBytes
    this.transactionIndexCrc = numbers.transactionIndexCrc
    this.maxTimestamp = numbers.maxTimestamp
    this.lastIndexedTimestamp = numbers.lastIndexedTimestamp
  }

  static empty(context: SegmentContext, directory: string, baseOffset: number): Segment {
    return new Segment(context, directory, {
      baseOffset,
      endOffset: baseOffset,
      sizeBytes: 0,
      indexBytes: 0,
      timeIndexBytes: 0,
      transactionIndexBytes: 0,
      transactionIndexCrc: 0,
      maxTimestamp: NO_MAX_TIMESTAMP,
      lastIndexedTimestamp: -1,
    })
  }

  numbers(): SegmentNumbers {
    const { baseOffset, endOffset, sizeBytes, indexBytes, timeIndexBytes, transactionIndexBytes } = this
    const { transactionIndexCrc, maxTimestamp, lastIndexedTimestamp } = this
    return {
      baseOffset,
      endOffset,
      sizeBytes,
      indexBytes,
      timeIndexBytes,
      transactionIndexBytes,
      transactionIndexCrc,
      maxTimestamp,
      lastIndexedTimestamp,
    }
  }

  path(suffix: SegmentSuffix): string {
    return `${this.#directory}/${segmentFileName(this.baseOffset, suffix)}`
  }

  /** The loaded indexes; read from their files, or built anew in memory when the files cannot be trusted. */
  indexes(): Promise<SegmentIndexes> {
    return this.#context.indexes.of(this)
  }

  /** Takes note of an appended batch for the largest timestamp. */
  noteTimestamp(maxTimestamp: number, lastOffset: number): void {
    if (maxTimestamp > this.maxTimestamp.timestamp) this.maxTimestamp = { timestamp: maxTimestamp, offset: lastOffset }
  }

  /** Position of a batch at or before the one that holds `offset`, at most an index interval away from it. */
  async positionBefore(offset: number): Promise<number> {
    // A batch inside the first interval has no entry before it: no need to load the index.
    if (this.indexBytes === 0) return 0
    const { offsets } = await this.indexes()
    return lookUpOffset(offsets.bytes, this.baseOffset, offset)?.position ?? 0
  }

  /**
   * Whole batches from the one that holds `fromOffset`, as far as the segment goes.
   *
   * @param upperOffset  batches that reach it are left out
   * @param maxBytes     sum of the batches, passed only by a first batch that is larger, and that only with `minOneBatch`
   */
  async read(fromOffset: number, upperOffset: number, maxBytes: number, minOneBatch: boolean): Promise<Uint8Array[]> {
    const position = await this.positionBefore(fromOffset)
    const chunkBytes = Math.min(
      maxBytes + 2 * this.#context.limits.indexIntervalBytes,
      this.#context.limits.scanChunkBytes,
    )
    const found: Uint8Array[] = []
    let foundBytes = 0
    for await (const batch of this.scan(position, chunkBytes)) {
      if (batch.header.lastOffset < fromOffset) continue
      if (batch.header.lastOffset >= upperOffset) break
      if (foundBytes + batch.bytes.length > maxBytes && !(minOneBatch && found.length === 0)) break
      found.push(batch.bytes)
      foundBytes += batch.bytes.length
      if (foundBytes >= maxBytes) break
    }
    return found
  }

  /**
   * Batches from `position` (where one must begin) to what is the end when the scan starts, read in pieces of
   * `chunkBytes` (more for a batch that is larger), all checked. Throws CorruptionError.
   */
  async *scan(position: number, chunkBytes: number): AsyncGenerator<LocatedBatch> {
    const sizeBytes = this.sizeBytes
    let expectedOffset = position === 0 ? this.baseOffset : undefined
    let at = position
    let wantedBytes = Math.max(chunkBytes, BATCH_OVERHEAD_BYTES)
    while (at < sizeBytes) {
      const chunk = await this.#readAt(at, Math.min(wantedBytes, sizeBytes - at))
      wantedBytes = Math.max(chunkBytes, BATCH_OVERHEAD_BYTES)
      let used = 0
      while (used < chunk.length) {
        const left = chunk.length - used
        const isLastChunk = at + chunk.length >= sizeBytes
        if (left < BATCH_OVERHEAD_BYTES && !isLastChunk) break
        const header = this.#header(chunk, used, at + used)
        if (header.sizeBytes > left) {
          if (at + used + header.sizeBytes > sizeBytes) {
            throw this.#corrupt(at + used, `a batch of ${header.sizeBytes} bytes, but the segment ends at ${sizeBytes}`)
          }
          wantedBytes = Math.max(wantedBytes, header.sizeBytes)
          break
        }
        const bytes = chunk.subarray(used, used + header.sizeBytes)
        if (expectedOffset !== undefined && header.baseOffset !== expectedOffset) {
          throw this.#corrupt(at + used, `a batch at offset ${header.baseOffset}, expected ${expectedOffset}`)
        }
        if (!batchCrcMatches(bytes)) throw this.#corrupt(at + used, 'a batch with a wrong checksum')
        yield { header, bytes, position: at + used }
        expectedOffset = header.lastOffset + 1
        used += header.sizeBytes
      }
      at += used
    }
  }

  async #readAt(position: number, sizeBytes: number): Promise<Uint8Array> {
    const target = Buffer.allocUnsafeSlow(sizeBytes)
    const count = await this.#context.files.use(this.path('log'), 'write', (file) => file.read(target, position))
    if (count < sizeBytes) throw this.#corrupt(position + count, `the file ends, ${this.sizeBytes} bytes were written`)
    return target
  }

  #header(chunk: Uint8Array, at: number, position: number): BatchHeader {
    try {
      return readBatchHeader(chunk, at)
    } catch (error) {
      if (error instanceof DecodeError) throw this.#corrupt(position, error.message)
      throw error
    }
  }

  #corrupt(position: number, problem: string): Error {
    assert(position >= 0, `position ${position}`)
    return new CorruptionError(`Damaged segment: ${problem}`, {
      file: this.path('log'),
      position,
      advice: 'The disk returned other bytes than were written to it: restore this data directory from a copy.',
    })
  }
}
