/**
 * One partition's log: the newest batches in memory, all drained ones in segments behind them.
 *
 *     logStartOffset ... segments ... | recent (also in segments) | undrained ... logEndOffset
 *
 * Owns offsets, the decision when a segment is full, reading at an offset and finding by timestamp. Leaves to others:
 * durability (log-store.ts), writing segments (drain.ts), who may see how far (callers give an upper offset).
 *
 * Invariants: offsets are dense; what is not in `segments` is in `window`; a batch once appended never changes.
 */
import { assert } from '../base/assert.ts'
import { DecodeError } from '../base/bytes.ts'
import { iterateRecords, readBatchHeader } from '../protocol/record-batch.ts'
import type { BatchHeader } from '../protocol/record-batch.ts'
import type { StoredProducerState } from '../protocol/stored-producer-state.ts'
import { BatchWindow } from './batch-window.ts'
import { IndexInterval } from './index-cache.ts'
import { partitionDirectory, partitionDirectoryName } from './log-files.ts'
import type { LeaderEpochStart } from './log-files.ts'
import { OFFSET_INDEX_ENTRY_BYTES } from './offset-index.ts'
import type { Segment, SegmentContext } from './segment.ts'
import { decodeStoredProducers, NO_PRODUCERS } from './stored-producers.ts'
import { lookUpMaxTimestamp, lookUpTimestamp } from './time-index.ts'
import { AbortedTransactions } from './transaction-index.ts'
import type { AbortedTransactionEntry } from './transaction-index.ts'

export type { LeaderEpochStart } from './log-files.ts'
export type { AbortedTransactionEntry } from './transaction-index.ts'

export interface RecordPosition {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

/** The offset asked for is below logStartOffset or above logEndOffset. */
export class OffsetOutOfRange extends Error {
  override name = 'OffsetOutOfRange'
}

/** Kafka's limit for offsets relative to a segment's base, and for positions in it. */
const INT32_MAX = 2 ** 31 - 1

/** Where the next batch will go: the segment that is filled, which the drain may not have reached yet. */
export interface AppendCursor {
  readonly baseOffset: number
  sizeBytes: number
  indexEntries: number
  readonly interval: IndexInterval
}

export interface PartitionLogOptions {
  readonly logId: number
  readonly topicId: string
  readonly topic: string
  readonly partition: number
  readonly segmentBytes: number
  readonly dataDirectory: string
  readonly context: SegmentContext
}

/** What a checkpoint knows about a log; a new log is empty. */
export interface PartitionLogState {
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly leaderEpochs: readonly LeaderEpochStart[]
  readonly snapshotOffset: number
  /** As `encodeStoredProducers` writes them. */
  readonly producerSnapshotBytes: Uint8Array
  readonly segments: readonly Segment[]
  /** Bytes of batches in the last segment since its last index entry. */
  readonly bytesSinceIndexEntry: number
}

export class PartitionLog {
  /** Names the log in the journal. */
  readonly logId: number
  readonly topicId: string
  readonly topic: string
  readonly partition: number
  /** May be set; holds from the next batch on. */
  segmentBytes: number
  /** Path of the directory, which exists after the first drain. */
  readonly directory: string
  readonly #context: SegmentContext

  #logStartOffset = 0
  #logEndOffset = 0
  #undrainedAndSegmentBytes = 0
  #leaderEpochs: LeaderEpochStart[] = []
  #cursor: AppendCursor | undefined
  #producerSnapshotBytes: Uint8Array = NO_PRODUCERS
  #snapshotOffset = 0

  // For the store and its drain only.
  readonly window = new BatchWindow()
  readonly aborted = new AbortedTransactions()
  /** Ascending, without gaps; the last one is the one being written. */
  segments: Segment[] = []
  /** Marker offset of the last aborted transaction that is in a `.txnindex` file. */
  lastAbortedWritten = -1
  /** How many leader epochs the file has. */
  leaderEpochsWritten = 0
  hasDirectory = false
  isDropped = false
  /** Set by the store: there is something to drain besides batches. */
  onDirty: (log: PartitionLog) => void = () => {}

  constructor(options: PartitionLogOptions, state?: PartitionLogState) {
    this.logId = options.logId
    this.topicId = options.topicId
    this.topic = options.topic
    this.partition = options.partition
    this.segmentBytes = options.segmentBytes
    this.directory = partitionDirectory(options.dataDirectory, options.topic, options.partition)
    this.#context = options.context
    if (state === undefined) return
    this.#logStartOffset = state.logStartOffset
    this.#logEndOffset = state.logEndOffset
    this.#leaderEpochs = [...state.leaderEpochs]
    this.leaderEpochsWritten = state.leaderEpochs.length
    this.#producerSnapshotBytes = state.producerSnapshotBytes
    this.#snapshotOffset = state.snapshotOffset
    this.segments = [...state.segments]
    for (const segment of state.segments) this.#undrainedAndSegmentBytes += segment.sizeBytes
    const last = state.segments.at(-1)
    if (last !== undefined) {
      this.#cursor = {
        baseOffset: last.baseOffset,
        sizeBytes: last.sizeBytes,
        indexEntries: last.indexBytes / OFFSET_INDEX_ENTRY_BYTES,
        interval: new IndexInterval(options.context.limits.indexIntervalBytes, state.bytesSinceIndexEntry),
      }
    }
  }

  get logStartOffset(): number {
    return this.#logStartOffset
  }

  /** The offset that the next record gets. */
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  /** Bytes of all batches held, drained or not. */
  get sizeBytes(): number {
    return this.#undrainedAndSegmentBytes
  }

  /** Leader epochs and the first offset that each wrote, ascending. */
  get leaderEpochs(): readonly LeaderEpochStart[] {
    return this.#leaderEpochs
  }

  /** The producer table as of `snapshotOffset`, as the last checkpoint kept it. Replaying the log from there completes it. */
  get producerSnapshot(): StoredProducerState[] {
    return decodeStoredProducers(this.#producerSnapshotBytes)
  }

  get producerSnapshotBytes(): Uint8Array {
    return this.#producerSnapshotBytes
  }

  get snapshotOffset(): number {
    return this.#snapshotOffset
  }

  /** End of what is in the segments. */
  get drainedEndOffset(): number {
    return this.segments.at(-1)?.endOffset ?? 0
  }

  get name(): string {
    return partitionDirectoryName(this.topic, this.partition)
  }

  /**
   * For the store: adds a batch that has been given to the journal.
   *
   * @param snapshotProducers  contents of the `.snapshot` file, asked for when the batch begins a new segment
   */
  appendBatch(
    header: BatchHeader,
    bytes: Uint8Array,
    lsn: number,
    snapshotProducers: () => Uint8Array | undefined,
  ): void {
    assert(
      header.baseOffset === this.#logEndOffset,
      `${this.name}: batch at ${header.baseOffset}, end ${this.#logEndOffset}`,
    )
    const startsSegment = this.#needsNewSegment(header)
    let producerSnapshot: Uint8Array | undefined
    if (startsSegment || this.#cursor === undefined) {
      if (header.baseOffset > 0) producerSnapshot = snapshotProducers()
      const interval = new IndexInterval(this.#context.limits.indexIntervalBytes)
      this.#cursor = { baseOffset: header.baseOffset, sizeBytes: 0, indexEntries: 0, interval }
    }
    const isIndexed = this.#cursor.interval.add(bytes.length)
    this.#cursor.sizeBytes += bytes.length
    if (isIndexed) this.#cursor.indexEntries += 1
    const { baseOffset, lastOffset, maxTimestamp, partitionLeaderEpoch } = header
    this.window.push({
      baseOffset,
      lastOffset,
      maxTimestamp,
      lsn,
      isIndexed,
      startsSegment,
      producerSnapshot,
      bytes,
    })
    if (partitionLeaderEpoch > (this.#leaderEpochs.at(-1)?.epoch ?? -1)) {
      this.#leaderEpochs.push({ epoch: partitionLeaderEpoch, startOffset: baseOffset })
    }
    this.#undrainedAndSegmentBytes += bytes.length
    this.#logEndOffset = lastOffset + 1
  }

  /** Source: LogSegment#shouldRoll. A first batch always makes a segment, even one that is larger than segmentBytes. */
  #needsNewSegment(header: BatchHeader): boolean {
    const cursor = this.#cursor
    if (cursor === undefined) return true
    const sizeBytesMax = Math.min(this.segmentBytes, INT32_MAX)
    return (
      cursor.sizeBytes + header.sizeBytes > sizeBytesMax ||
      header.lastOffset - cursor.baseOffset > INT32_MAX ||
      // The time index is never longer in entries; its last slot stays free for the entry written when the segment ends.
      (cursor.indexEntries + 1) * OFFSET_INDEX_ENTRY_BYTES > this.#context.limits.indexBytesMax
    )
  }

  /** For the store: bytes of batches in the segment being filled since its last index entry. */
  get bytesSinceIndexEntry(): number {
    return this.#cursor?.interval.bytesSinceEntry ?? 0
  }

  /** For the store: the offset was journaled. */
  applyLogStartOffset(offset: number): void {
    assert(offset >= this.#logStartOffset, `${this.name}: log start ${offset} below ${this.#logStartOffset}`)
    assert(offset <= this.#logEndOffset, `${this.name}: log start ${offset} above end ${this.#logEndOffset}`)
    this.#logStartOffset = offset
    // The epoch in force at the start is kept, the ones before it have no records any more.
    while (this.#leaderEpochs.length > 1 && this.#leaderEpochs[1]!.startOffset <= offset) this.#leaderEpochs.shift()
    this.leaderEpochsWritten = -1
    this.onDirty(this)
  }

  /** For the store: a checkpoint keeps this producer table. */
  setProducerSnapshot(offset: number, producerSnapshotBytes: Uint8Array): void {
    this.#snapshotOffset = offset
    this.#producerSnapshotBytes = producerSnapshotBytes
  }

  /** For the store: takes out the segments that lie wholly below `offset`; the last one stays. */
  takeSegmentsBelow(offset: number): Segment[] {
    assert(offset <= this.#logStartOffset, `${this.name}: segments below ${offset}, log start ${this.#logStartOffset}`)
    let count = 0
    while (count < this.segments.length - 1 && this.segments[count]!.endOffset <= offset) count += 1
    if (count === 0) return []
    const removed = this.segments.splice(0, count)
    for (const segment of removed) this.#undrainedAndSegmentBytes -= segment.sizeBytes
    this.aborted.dropBelow(this.segments[0]!.baseOffset)
    return removed
  }

  /**
   * Adds an aborted transaction to the index. To be called in the tick in which its marker was appended, in marker order,
   * and again for markers met while loading: one that is known already is ignored.
   */
  appendAborted(entry: AbortedTransactionEntry): void {
    assert(entry.lastOffset < this.#logEndOffset, `${this.name}: abort marker at ${entry.lastOffset} is not in the log`)
    if (entry.lastOffset <= this.aborted.lastOffset) return
    this.aborted.add(entry)
    this.onDirty(this)
  }

  /** Aborted transactions with records or marker in [fetchOffset, upperOffset). */
  abortedTransactions(fetchOffset: number, upperOffset: number): { producerId: number; firstOffset: number }[] {
    return this.aborted.overlapping(fetchOffset, upperOffset)
  }

  /**
   * Whole batches from the one that holds `fromOffset` (it may begin below), in order, synchronously when they are in memory.
   *
   * @param upperOffset   batches that reach it are left out
   * @param maxBytes      sum of the batches
   * @param minOneBatch   the first batch is given even when it is larger than maxBytes
   * Throws, or rejects with, OffsetOutOfRange and, for damaged segments, CorruptionError.
   */
  read(
    fromOffset: number,
    upperOffset: number,
    maxBytes: number,
    minOneBatch: boolean,
  ): Uint8Array[] | Promise<Uint8Array[]> {
    this.#checkRange(fromOffset)
    const limit = Math.min(upperOffset, this.#logEndOffset)
    if (fromOffset >= limit) return []
    if (this.window.holds(fromOffset)) return this.window.read(fromOffset, limit, maxBytes, minOneBatch)
    return this.#readSegment(fromOffset, limit, maxBytes, minOneBatch)
  }

  async #readSegment(fromOffset: number, limit: number, maxBytes: number, minOneBatch: boolean): Promise<Uint8Array[]> {
    try {
      const found = await this.#segmentOf(fromOffset).read(fromOffset, limit, maxBytes, minOneBatch)
      // A log dropped meanwhile: the files may already be those of a new topic of the same name.
      this.#checkRange(fromOffset)
      return found
    } catch (error) {
      // Files removed meanwhile explain any error of reading them.
      this.#checkRange(fromOffset)
      throw error
    }
  }

  #checkRange(offset: number): void {
    if (this.isDropped) throw new OffsetOutOfRange(`${this.name} has been deleted`)
    if (offset < this.#logStartOffset || offset > this.#logEndOffset) {
      throw new OffsetOutOfRange(
        `${this.name}: offset ${offset} is not in ${this.#logStartOffset} to ${this.#logEndOffset}`,
      )
    }
  }

  /** Headers of the batches from the one that holds `fromOffset` to what is the end now; below the start: from the start. */
  async *batchHeaders(fromOffset: number): AsyncGenerator<BatchHeader> {
    for await (const { header } of this.#scan(Math.max(fromOffset, this.#logStartOffset))) yield header
  }

  /** As `batchHeaders`, the whole batches. */
  async *readBatches(fromOffset: number): AsyncGenerator<Uint8Array> {
    for await (const { bytes } of this.#scan(Math.max(fromOffset, this.#logStartOffset))) yield bytes
  }

  /**
   * As `readBatches`, and those below the start too that are still stored: what a batch means for its producer and its
   * transaction does not go with its records. Files of them go at a checkpoint, which keeps the producer table of its moment.
   */
  async *storedBatches(fromOffset: number): AsyncGenerator<Uint8Array> {
    const firstOffset = this.segments[0]?.baseOffset ?? this.window.firstOffset ?? this.#logEndOffset
    for await (const { bytes } of this.#scan(Math.max(fromOffset, firstOffset))) yield bytes
  }

  /** @param fromOffset  of a batch that is stored, or the end */
  async *#scan(fromOffset: number): AsyncGenerator<{ header: BatchHeader; bytes: Uint8Array }> {
    const endOffset = this.#logEndOffset
    let offset = fromOffset
    while (offset < endOffset) {
      const before = offset
      if (this.window.holds(offset)) {
        // A copy of the list: the window moves while the consumer of this iteration works.
        for (const { bytes, lastOffset } of [...this.window.from(offset)]) {
          if (offset >= endOffset) break
          yield { header: readBatchHeader(bytes), bytes }
          offset = lastOffset + 1
        }
      } else {
        const segment = this.#segmentOf(offset)
        const position = await segment.positionBefore(offset)
        for await (const { header, bytes } of segment.scan(position, this.#context.limits.scanChunkBytes)) {
          if (header.lastOffset < offset) continue
          if (offset >= endOffset) break
          yield { header, bytes }
          offset = header.lastOffset + 1
        }
      }
      assert(offset > before, `${this.name}: no batch holds offset ${before}`)
    }
  }

  /** The first record at or after `timestampMs`, of those from logStartOffset to below `upperOffset`. */
  async offsetForTimestamp(timestampMs: number, upperOffset: number): Promise<RecordPosition | undefined> {
    const limit = Math.min(upperOffset, this.#logEndOffset)
    let offset = this.#logStartOffset
    while (offset < limit) {
      const segment = this.#drainedSegmentOf(offset)
      let nextOffset = limit
      if (segment !== undefined) {
        nextOffset = segment.endOffset
        if (segment.maxTimestamp.timestamp < timestampMs) {
          offset = nextOffset
          continue
        }
        if (segment.timeIndexBytes > 0) {
          const { times } = await segment.indexes()
          const entry = lookUpTimestamp(times.bytes, segment.baseOffset, timestampMs)
          if (entry !== undefined) offset = Math.max(offset, entry.offset)
        }
      }
      for await (const { header, bytes } of this.#scan(offset)) {
        if (header.baseOffset >= nextOffset) break
        if (header.maxTimestamp < timestampMs) continue
        const found = this.#recordInBatch(header, bytes, (timestamp) => timestamp >= timestampMs)
        if (found === 'unreadable') return firstOf(header, this.#logStartOffset)
        if (found !== undefined) return found.offset < limit ? found : undefined
      }
      offset = nextOffset
    }
    return undefined
  }

  /** The first record with the largest timestamp, of those from logStartOffset in batches that end below `upperOffset`. */
  async maxTimestamp(upperOffset: number): Promise<RecordPosition | undefined> {
    const limit = Math.min(upperOffset, this.#logEndOffset)
    let best = { timestamp: -1, offset: -1 }
    let offset = this.#logStartOffset
    while (offset < limit) {
      const segment = this.#drainedSegmentOf(offset)
      if (segment !== undefined && segment.baseOffset >= offset) {
        const { endOffset, maxTimestamp } = segment
        if (endOffset <= limit) {
          if (maxTimestamp.timestamp > best.timestamp) best = maxTimestamp
          offset = endOffset
          continue
        }
        if (segment.timeIndexBytes > 0) {
          const { times } = await segment.indexes()
          const entry = lookUpMaxTimestamp(times.bytes, segment.baseOffset, limit)
          if (entry !== undefined) {
            if (entry.timestamp > best.timestamp) best = entry
            offset = entry.offset + 1
          }
        }
      }
      const nextOffset = Math.min(limit, segment?.endOffset ?? limit)
      for await (const header of this.batchHeaders(offset)) {
        if (header.baseOffset >= nextOffset || header.lastOffset >= limit) break
        if (header.maxTimestamp > best.timestamp) best = { timestamp: header.maxTimestamp, offset: header.lastOffset }
      }
      offset = nextOffset
    }
    if (best.offset < 0) return undefined
    for await (const { header, bytes } of this.#scan(best.offset)) {
      const found = this.#recordInBatch(header, bytes, (timestamp) => timestamp === header.maxTimestamp)
      return found === undefined || found === 'unreadable' ? firstOf(header, this.#logStartOffset) : found
    }
    return undefined
  }

  /**
   * The first record of a batch, from logStartOffset on, whose timestamp is wanted. Compressed batches are stored as
   * producers sent them, so one may turn out to be unreadable, or to unfold to too much, only here.
   */
  #recordInBatch(
    header: BatchHeader,
    bytes: Uint8Array,
    isWanted: (timestamp: number) => boolean,
  ): RecordPosition | 'unreadable' | undefined {
    const maxDecompressedBytes = this.#context.limits.decompressedBatchBytes
    try {
      for (const { offset, timestamp } of iterateRecords(bytes, { maxDecompressedBytes })) {
        if (offset < this.#logStartOffset || !isWanted(timestamp)) continue
        return { offset, timestamp, leaderEpoch: header.partitionLeaderEpoch }
      }
      return undefined
    } catch (error) {
      if (error instanceof DecodeError) return 'unreadable'
      throw error
    }
  }

  #drainedSegmentOf(offset: number): Segment | undefined {
    return offset < this.drainedEndOffset ? this.#segmentOf(offset) : undefined
  }

  #segmentOf(offset: number): Segment {
    let low = 0
    let high = this.segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.segments[middle]!.endOffset <= offset) low = middle + 1
      else high = middle
    }
    const segment = this.segments[low]
    assert(segment !== undefined && segment.baseOffset <= offset, `${this.name}: no segment holds offset ${offset}`)
    return segment
  }
}

/** A batch whose records say nothing of their time answers as a whole, so that it hides nothing that comes after it. */
function firstOf(header: BatchHeader, logStartOffset: number): RecordPosition {
  return {
    offset: Math.max(header.baseOffset, logStartOffset),
    timestamp: header.maxTimestamp,
    leaderEpoch: header.partitionLeaderEpoch,
  }
}
