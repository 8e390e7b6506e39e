/**
 * The end of one log that is in memory: batches not yet in a segment, and before them batches that already are but are kept
 * for consumers at the tail.
 *
 *     first ... recent ...  | undrained ...  logEndOffset
 *
 * Batches are contiguous in offset. They leave at the front only, and only once drained. Kept by reference until drained;
 * then a batch that pins a much larger buffer is copied out of it.
 */
import { assert } from '../base/assert.ts'

export interface WindowBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly maxTimestamp: number
  readonly lsn: number
  /** Its segment gets an index entry for it. */
  readonly isIndexed: boolean
  /** It begins a new segment. */
  readonly startsSegment: boolean
  /** Contents of the new segment's `.snapshot` file, when there is to be one. */
  readonly producerSnapshot: Uint8Array | undefined
  bytes: Uint8Array
}

/** Removed slots at the front are cut off when they are this many and the larger part. */
const COMPACT_FROM = 64

export class BatchWindow {
  #batches: WindowBatch[] = []
  #first = 0
  #firstUndrained = 0
  #undrainedBytes = 0

  get isEmpty(): boolean {
    return this.#first === this.#batches.length
  }

  /** `undefined` when nothing is in memory. */
  get firstOffset(): number | undefined {
    return this.#batches[this.#first]?.baseOffset
  }

  get hasUndrained(): boolean {
    return this.#firstUndrained < this.#batches.length
  }

  get undrainedBytes(): number {
    return this.#undrainedBytes
  }

  push(batch: WindowBatch): void {
    const last = this.#batches.at(-1)
    assert(
      this.isEmpty || last?.lastOffset === batch.baseOffset - 1,
      `batch at ${batch.baseOffset} after ${last?.lastOffset}`,
    )
    this.#batches.push(batch)
    this.#undrainedBytes += batch.bytes.length
  }

  /** Whether the batch that holds `offset` is in memory. */
  holds(offset: number): boolean {
    return (
      !this.isEmpty && offset >= this.#batches[this.#first]!.baseOffset && offset <= this.#batches.at(-1)!.lastOffset
    )
  }

  /** Batches from the one that holds `offset` on. */
  *from(offset: number): Generator<WindowBatch> {
    for (let slot = this.#slotOf(offset); slot < this.#batches.length; slot++) yield this.#batches[slot]!
  }

  /** As `PartitionLog.read`; `fromOffset` must be held. */
  read(fromOffset: number, upperOffset: number, maxBytes: number, minOneBatch: boolean): Uint8Array[] {
    const found: Uint8Array[] = []
    let foundBytes = 0
    for (let slot = this.#slotOf(fromOffset); slot < this.#batches.length; slot++) {
      const { lastOffset, bytes } = this.#batches[slot]!
      if (lastOffset >= upperOffset) break
      if (foundBytes + bytes.length > maxBytes && !(minOneBatch && found.length === 0)) break
      found.push(bytes)
      foundBytes += bytes.length
    }
    return found
  }

  /**
   * The next batches to write with one write: at most about `maxBytes`, none above `upToLsn`, all of one segment. Only the
   * first can be one that starts a segment.
   */
  nextUndrained(maxBytes: number, upToLsn: number): WindowBatch[] {
    const group: WindowBatch[] = []
    let groupBytes = 0
    for (let slot = this.#firstUndrained; slot < this.#batches.length; slot++) {
      const batch = this.#batches[slot]!
      if (batch.lsn > upToLsn) break
      if (group.length > 0 && (batch.startsSegment || groupBytes + batch.bytes.length > maxBytes)) break
      group.push(batch)
      groupBytes += batch.bytes.length
    }
    return group
  }

  /** The first `count` undrained batches are in a segment now. */
  markDrained(count: number): void {
    for (const end = this.#firstUndrained + count; this.#firstUndrained < end; this.#firstUndrained++) {
      const batch = this.#batches[this.#firstUndrained]!
      this.#undrainedBytes -= batch.bytes.length
      if (batch.bytes.buffer.byteLength > 2 * batch.bytes.length) batch.bytes = new Uint8Array(batch.bytes)
    }
  }

  /** Forgets the first batch, if it is drained, and answers its size. */
  evictFirst(): number | undefined {
    if (this.#first === this.#firstUndrained) return undefined
    const { bytes } = this.#batches[this.#first]!
    this.#first += 1
    if (this.#first >= COMPACT_FROM && this.#first * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first)
      this.#firstUndrained -= this.#first
      this.#first = 0
    }
    return bytes.length
  }

  /** Forgets everything; answers the bytes that were still undrained. */
  clear(): number {
    const undrainedBytes = this.#undrainedBytes
    this.#batches = []
    this.#first = 0
    this.#firstUndrained = 0
    this.#undrainedBytes = 0
    return undrainedBytes
  }

  #slotOf(offset: number): number {
    let low = this.#first
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#batches[middle]!.lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/**
 * Which batches may stay in memory after their drain: the most recently drained of all logs, up to a number of bytes.
 */
export class RecentBatches {
  readonly #bytesMax: number
  /** The window of each batch kept, in the order of draining. */
  #windows: BatchWindow[] = []
  #first = 0
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** `count` batches of `window`, together `bytes`, have just been drained. */
  add(window: BatchWindow, count: number, bytes: number): void {
    for (let index = 0; index < count; index++) this.#windows.push(window)
    this.#bytes += bytes
    while (this.#bytes > this.#bytesMax) this.#evict()
    if (this.#first >= COMPACT_FROM && this.#first * 2 > this.#windows.length) {
      this.#windows = this.#windows.slice(this.#first)
      this.#first = 0
    }
  }

  /** Forgets the drained batches of a window that is going away. */
  remove(window: BatchWindow): void {
    for (;;) {
      const bytes = window.evictFirst()
      if (bytes === undefined) break
      this.#bytes -= bytes
    }
    this.#windows = this.#windows.slice(this.#first).filter((other) => other !== window)
    this.#first = 0
  }

  #evict(): void {
    const window = this.#windows[this.#first]
    assert(window !== undefined, `${this.#bytes} recent bytes without a batch`)
    this.#first += 1
    const bytes = window.evictFirst()
    assert(bytes !== undefined, 'a recent batch is not in its window')
    this.#bytes -= bytes
  }
}
