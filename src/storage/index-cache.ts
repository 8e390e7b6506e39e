/**
 * Loaded offset and time indexes of segments, bounded in bytes over all logs, least recently used out first.
 *
 * Files that cannot be trusted (short, not ascending, beyond the segment) are ignored, and the index is built in memory
 * from the segment. An index in memory may lack the newest entries of a segment that is being written: lookups then begin
 * further in front, never in a wrong place.
 */
import { OFFSET_INDEX_ENTRY_BYTES, offsetIndexProblem, writeOffsetIndexEntry } from './offset-index.ts'
import { TIME_INDEX_ENTRY_BYTES, timeIndexProblem, writeTimeIndexEntry } from './time-index.ts'
import type { FilePool } from './file-pool.ts'
import type { Segment } from './segment.ts'
import type { StorageLimits } from './storage-limits.ts'

/** Bytes that grow at the end without copying all each time. */
export class GrowingBytes {
  #buffer: Uint8Array
  #length: number

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#buffer = bytes
    this.#length = bytes.length
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Room for `count` more bytes; answers the view to write them to. */
  extend(count: number): Uint8Array {
    const length = this.#length + count
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length, 64))
      larger.set(this.bytes)
      this.#buffer = larger
    }
    const added = this.#buffer.subarray(this.#length, length)
    this.#length = length
    return added
  }
}

export interface SegmentIndexes {
  readonly offsets: GrowingBytes
  readonly times: GrowingBytes
  /** The files could not be trusted: these are from the batches. */
  readonly isRebuilt: boolean
}

export class IndexCache {
  readonly #files: FilePool
  readonly #limits: StorageLimits
  /** Least recently used first. */
  readonly #loaded = new Map<Segment, SegmentIndexes>()
  readonly #loading = new Map<Segment, Promise<SegmentIndexes>>()
  #bytes = 0

  constructor(files: FilePool, limits: StorageLimits) {
    this.#files = files
    this.#limits = limits
  }

  async of(segment: Segment): Promise<SegmentIndexes> {
    const indexes = this.#loaded.get(segment)
    if (indexes !== undefined) {
      this.#loaded.delete(segment)
      this.#loaded.set(segment, indexes)
      return indexes
    }
    let loading = this.#loading.get(segment)
    if (loading === undefined) {
      loading = this.#load(segment).finally(() => this.#loading.delete(segment))
      this.#loading.set(segment, loading)
    }
    return await loading
  }

  /** Adds entries just written to the files, when the segment's indexes are in memory. */
  append(segment: Segment, offsetEntries: Uint8Array, timeEntries: Uint8Array): void {
    const indexes = this.#loaded.get(segment)
    if (indexes === undefined) return
    indexes.offsets.extend(offsetEntries.length).set(offsetEntries)
    indexes.times.extend(timeEntries.length).set(timeEntries)
    this.#bytes += offsetEntries.length + timeEntries.length
  }

  forget(segment: Segment): void {
    const indexes = this.#loaded.get(segment)
    if (indexes === undefined) return
    this.#loaded.delete(segment)
    this.#bytes -= indexes.offsets.bytes.length + indexes.times.bytes.length
  }

  async #load(segment: Segment): Promise<SegmentIndexes> {
    // All numbers of one moment: the segment may grow while its files are read.
    const { endOffset, sizeBytes, indexBytes, timeIndexBytes } = segment
    const offsets = await this.#read(segment.path('index'), indexBytes)
    const times = await this.#read(segment.path('timeindex'), timeIndexBytes)
    const isTrusted =
      offsets !== undefined &&
      times !== undefined &&
      offsetIndexProblem(offsets, sizeBytes) === undefined &&
      timeIndexProblem(times, segment.baseOffset, endOffset) === undefined
    const indexes = isTrusted
      ? { offsets: new GrowingBytes(offsets), times: new GrowingBytes(times), isRebuilt: false }
      : await buildIndexes(segment, this.#limits)
    this.#loaded.set(segment, indexes)
    this.#bytes += indexes.offsets.bytes.length + indexes.times.bytes.length
    for (const oldest of this.#loaded.keys()) {
      if (this.#bytes <= this.#limits.loadedIndexBytes || oldest === segment) break
      this.forget(oldest)
    }
    return indexes
  }

  /** `undefined` when the file is missing or shorter than what was written to it. */
  async #read(path: string, sizeBytes: number): Promise<Uint8Array | undefined> {
    if (sizeBytes === 0) return new Uint8Array(0)
    const target = new Uint8Array(sizeBytes)
    try {
      const count = await this.#files.use(path, 'write', (file) => file.read(target, 0))
      return count === sizeBytes ? target : undefined
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return undefined
      throw error
    }
  }
}

/** Decides which batches get an index entry, as Kafka does: one as soon as an interval of bytes lies behind the last. */
export class IndexInterval {
  readonly #intervalBytes: number
  /** Bytes of batches since the last entry. */
  bytesSinceEntry: number

  constructor(intervalBytes: number, bytesSinceEntry = 0) {
    this.#intervalBytes = intervalBytes
    this.bytesSinceEntry = bytesSinceEntry
  }

  /** To be called for each batch in order; whether this one gets an entry. Source: LogSegment#append. */
  add(batchBytes: number): boolean {
    const isIndexed = this.bytesSinceEntry > this.#intervalBytes
    this.bytesSinceEntry = (isIndexed ? 0 : this.bytesSinceEntry) + batchBytes
    return isIndexed
  }
}

/** Both indexes, from the batches of the segment alone. Throws CorruptionError when these are damaged. */
export async function buildIndexes(segment: Segment, limits: StorageLimits): Promise<SegmentIndexes> {
  const builder = new IndexBuilder(segment.baseOffset)
  const interval = new IndexInterval(limits.indexIntervalBytes)
  for await (const { header, bytes, position } of segment.scan(0, limits.scanChunkBytes)) {
    builder.add(header, position, interval.add(bytes.length))
  }
  return builder.indexes
}

export class IndexBuilder {
  readonly indexes: SegmentIndexes = { offsets: new GrowingBytes(), times: new GrowingBytes(), isRebuilt: true }
  readonly #baseOffset: number
  #maxTimestamp = -1
  #maxTimestampOffset = -1
  #lastIndexedTimestamp = -1

  constructor(baseOffset: number) {
    this.#baseOffset = baseOffset
  }

  /** Continues the indexes of a segment that has batches already. */
  static after(segment: Segment): IndexBuilder {
    const builder = new IndexBuilder(segment.baseOffset)
    builder.#maxTimestamp = segment.maxTimestamp.timestamp
    builder.#maxTimestampOffset = segment.maxTimestamp.offset
    builder.#lastIndexedTimestamp = segment.lastIndexedTimestamp
    return builder
  }

  get lastIndexedTimestamp(): number {
    return this.#lastIndexedTimestamp
  }

  add(batch: { lastOffset: number; maxTimestamp: number }, position: number, isIndexed: boolean): void {
    if (batch.maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = batch.maxTimestamp
      this.#maxTimestampOffset = batch.lastOffset
    }
    if (!isIndexed) return
    const entry = this.indexes.offsets.extend(OFFSET_INDEX_ENTRY_BYTES)
    writeOffsetIndexEntry(entry, 0, this.#baseOffset, { offset: batch.lastOffset, position })
    this.addTimeEntry()
  }

  /** The largest timestamp so far, unless an entry says so already. */
  addTimeEntry(): void {
    if (this.#maxTimestamp <= this.#lastIndexedTimestamp) return
    const entry = this.indexes.times.extend(TIME_INDEX_ENTRY_BYTES)
    writeTimeIndexEntry(entry, 0, this.#baseOffset, {
      timestamp: this.#maxTimestamp,
      offset: this.#maxTimestampOffset,
    })
    this.#lastIndexedTimestamp = this.#maxTimestamp
  }
}
