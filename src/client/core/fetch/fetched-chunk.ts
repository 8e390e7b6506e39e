/**
 * What one Fetch brought of one partition: the batches that are for the consumer, decoded one at a time as they are taken,
 * and where reading goes on behind them.
 *
 * Owns the checks of what a broker may send: whole batches in ascending order, CRC, bounded decompression. Batches of aborted
 * transactions, markers and emptied batches are passed over; the position moves past them.
 */
import { asBuffer, DecodeError } from '../../../base/bytes.ts'
import { readMarker } from '../../../protocol/control-record.ts'
import type { BatchHeader, DecodedRecord } from '../../../protocol/record-batch.ts'
import { BATCH_OVERHEAD_BYTES, batchCrcMatches, readBatchHeader, readRecords } from '../../../protocol/record-batch.ts'
import type { AbortedTransaction } from './aborted-filter.ts'
import { AbortedFilter } from './aborted-filter.ts'

export interface ChunkOptions {
  readonly checkCrcs: boolean
  /** Of one batch. */
  readonly maxDecompressedBytes: number
  readonly isolationLevel: 'read_committed' | 'read_uncommitted'
}

interface WaitingBatch {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
}

/** Decoded records of one batch. */
export interface OpenBatch {
  readonly header: BatchHeader
  readonly records: readonly DecodedRecord[]
  /** Index of the next record to be taken. */
  at: number
}

export class FetchedChunk {
  /** Of the response; given back when the chunk is used up. */
  readonly sizeBytes: number
  /** Where the next Fetch goes on: behind the last whole batch. */
  readonly nextOffset: number
  readonly #options: ChunkOptions
  readonly #batches: readonly WaitingBatch[]
  readonly #fetchOffset: number
  #next = 0

  private constructor(
    options: ChunkOptions,
    batches: readonly WaitingBatch[],
    fetchOffset: number,
    nextOffset: number,
    sizeBytes: number,
  ) {
    this.#options = options
    this.#batches = batches
    this.#fetchOffset = fetchOffset
    this.nextOffset = nextOffset
    this.sizeBytes = sizeBytes
  }

  /**
   * Looks at the headers alone. A batch that is cut off at the end is left for the next Fetch.
   * Throws DecodeError when what was sent is no log: malformed, going backwards, or above the size of one batch and not whole.
   */
  static of(
    bytes: Uint8Array,
    fetchOffset: number,
    aborted: readonly AbortedTransaction[] | null,
    options: ChunkOptions,
  ): FetchedChunk {
    const filter = new AbortedFilter(options.isolationLevel === 'read_committed' ? aborted : null)
    const buffer = asBuffer(bytes)
    const batches: WaitingBatch[] = []
    let nextOffset = fetchOffset
    let position = 0
    while (buffer.length - position >= BATCH_OVERHEAD_BYTES) {
      const header = readBatchHeader(buffer, position)
      const end = position + header.sizeBytes
      if (end > buffer.length) break
      if (header.lastOffsetDelta < 0 || header.recordCount < 0) {
        throw new DecodeError(
          `batch at offset ${header.baseOffset} with ${header.recordCount} records up to ${header.lastOffset}`,
        )
      }
      const batch = buffer.subarray(position, end)
      position = end
      // What lies below the offset asked for begins a batch that reaches it; whole batches below it are nothing we need.
      if (header.lastOffset < fetchOffset) continue
      if (header.lastOffset < nextOffset) {
        throw new DecodeError(`batch up to offset ${header.lastOffset} after offset ${nextOffset - 1}`)
      }
      nextOffset = header.lastOffset + 1
      // A marker decides about records of other batches, so it must be what was written.
      if (header.isControl && options.checkCrcs) checkCrc(header, batch)
      const markerType = header.isControl ? markerTypeOf(batch) : undefined
      if (filter.keeps(header, markerType) && header.recordCount > 0) batches.push({ header, bytes: batch })
    }
    return new FetchedChunk(options, batches, fetchOffset, nextOffset, bytes.length)
  }

  get isUsedUp(): boolean {
    return this.#next >= this.#batches.length
  }

  /**
   * Decodes the next batch; `undefined` when there is none. Throws DecodeError for one that cannot be read, and again each
   * time it is asked: it is passed over only by a seek.
   */
  openNext(position: number): OpenBatch | undefined {
    for (;;) {
      const batch = this.#batches[this.#next]
      if (batch === undefined) return undefined
      // After a seek within the chunk.
      if (batch.header.lastOffset < position) {
        this.#next += 1
        continue
      }
      const { header, bytes } = batch
      if (this.#options.checkCrcs) checkCrc(header, bytes)
      const records = readRecords(bytes, this.#options)
      this.#next += 1
      const from = Math.max(position, this.#fetchOffset)
      let at = 0
      while (at < records.length && (records[at] as DecodedRecord).offset < from) at += 1
      return { header, records, at }
    }
  }
}

function checkCrc(header: BatchHeader, bytes: Uint8Array): void {
  if (batchCrcMatches(bytes)) return
  throw new DecodeError(`the checksum of the batch at offset ${header.baseOffset} does not match its bytes`)
}

/** A control record that is no marker (a newer kind) ends nothing, and is not for the consumer either. */
function markerTypeOf(batch: Uint8Array): 'ABORT' | 'COMMIT' | undefined {
  try {
    return readMarker(batch).markerType
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
