/**
 * The aborted transactions of one log, and the `.txnindex` files that keep them.
 *
 *     entry, 34 bytes:  version i16 = 0 | producerId i64 | firstOffset i64 | lastOffset i64 | lastStableOffset i64
 *
 * Aborts only, in the order of their markers; an entry lies with the segment that holds the marker (`lastOffset`). All
 * entries of a log are kept in memory, 32 bytes each, because a fetch must know them together with the batches.
 * Invariant: `lastOffset` ascends strictly. Source: TransactionIndex, AbortedTxn.
 */
import { assert } from '../base/assert.ts'
import { DecodeError, readInt16, readInt64, writeInt16, writeInt64 } from '../base/bytes.ts'

export const TRANSACTION_INDEX_ENTRY_BYTES = 34
const ENTRY_VERSION = 0

export interface AbortedTransactionEntry {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of the abort marker. */
  readonly lastOffset: number
  /** The log's last stable offset once this transaction is complete. */
  readonly lastStableOffset: number
}

export function encodeAbortedTransactions(entries: readonly AbortedTransactionEntry[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(entries.length * TRANSACTION_INDEX_ENTRY_BYTES)
  let at = 0
  for (const entry of entries) {
    writeInt16(bytes, at, ENTRY_VERSION)
    writeInt64(bytes, at + 2, entry.producerId)
    writeInt64(bytes, at + 10, entry.firstOffset)
    writeInt64(bytes, at + 18, entry.lastOffset)
    writeInt64(bytes, at + 26, entry.lastStableOffset)
    at += TRANSACTION_INDEX_ENTRY_BYTES
  }
  return bytes
}

/** Throws DecodeError when an entry cannot be one. */
export function decodeAbortedTransactions(bytes: Uint8Array): AbortedTransactionEntry[] {
  const entries: AbortedTransactionEntry[] = []
  for (let at = 0; at < bytes.length; at += TRANSACTION_INDEX_ENTRY_BYTES) {
    const version = at + TRANSACTION_INDEX_ENTRY_BYTES > bytes.length ? undefined : readInt16(bytes, at)
    if (version !== ENTRY_VERSION) throw new DecodeError(`aborted transaction at byte ${at}: version ${version}`)
    const entry = {
      producerId: readInt64(bytes, at + 2),
      firstOffset: readInt64(bytes, at + 10),
      lastOffset: readInt64(bytes, at + 18),
      lastStableOffset: readInt64(bytes, at + 26),
    }
    const previous = entries.at(-1)?.lastOffset ?? -1
    if (entry.firstOffset < 0 || entry.lastOffset < entry.firstOffset || entry.lastOffset <= previous) {
      throw new DecodeError(
        `aborted transaction at byte ${at}: ${entry.firstOffset} to ${entry.lastOffset} after ${previous}`,
      )
    }
    entries.push(entry)
  }
  return entries
}

const COLUMNS = 4

/** All aborted transactions of a log, in the order of their markers. Costs nothing while there are none. */
export class AbortedTransactions {
  #columns = new Float64Array(0)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Offset of the last abort marker known, -1 when there is none. */
  get lastOffset(): number {
    return this.#count === 0 ? -1 : this.#columns[(this.#count - 1) * COLUMNS + 2]!
  }

  add(entry: AbortedTransactionEntry): void {
    assert(entry.lastOffset > this.lastOffset, `abort marker at ${entry.lastOffset} after one at ${this.lastOffset}`)
    if (this.#columns.length === this.#count * COLUMNS) {
      const larger = new Float64Array(Math.max(4 * COLUMNS, this.#columns.length * 2))
      larger.set(this.#columns)
      this.#columns = larger
    }
    this.#columns.set(
      [entry.producerId, entry.firstOffset, entry.lastOffset, entry.lastStableOffset],
      this.#count * COLUMNS,
    )
    this.#count += 1
  }

  /** Those whose records or marker lie in [fromOffset, upperOffset). */
  overlapping(fromOffset: number, upperOffset: number): { producerId: number; firstOffset: number }[] {
    const found: { producerId: number; firstOffset: number }[] = []
    for (let slot = this.#firstAtOrAbove(fromOffset); slot < this.#count; slot++) {
      const entry = this.#entry(slot)
      if (entry.firstOffset < upperOffset) found.push({ producerId: entry.producerId, firstOffset: entry.firstOffset })
      // Whatever completes later began at or above this point.
      if (entry.lastStableOffset >= upperOffset) break
    }
    return found
  }

  /** Entries whose marker lies in [fromOffset, upperOffset). */
  between(fromOffset: number, upperOffset: number): AbortedTransactionEntry[] {
    const found: AbortedTransactionEntry[] = []
    for (let slot = this.#firstAtOrAbove(fromOffset); slot < this.#count; slot++) {
      const entry = this.#entry(slot)
      if (entry.lastOffset >= upperOffset) break
      found.push(entry)
    }
    return found
  }

  /** Forgets those whose marker lies below `offset`. */
  dropBelow(offset: number): void {
    const first = this.#firstAtOrAbove(offset)
    if (first === 0) return
    this.#columns = this.#columns.slice(first * COLUMNS, this.#count * COLUMNS)
    this.#count -= first
  }

  #firstAtOrAbove(offset: number): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#columns[middle * COLUMNS + 2]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #entry(slot: number): AbortedTransactionEntry {
    const at = slot * COLUMNS
    return {
      producerId: this.#columns[at]!,
      firstOffset: this.#columns[at + 1]!,
      lastOffset: this.#columns[at + 2]!,
      lastStableOffset: this.#columns[at + 3]!,
    }
  }
}
