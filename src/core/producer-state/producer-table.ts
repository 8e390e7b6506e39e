/**
 * All producers that one partition remembers, and the batches it has seen but not yet appended.
 *
 * Owns the entries; append-check.ts decides by them, core/partition joins them with the log's offsets. `replay` is the
 * only way in which what was appended changes an entry. Source: kafka-eos.md C2, C3; ProducerStateManager.
 */
import type { StoredProducerState } from '../../protocol/stored-producer-state.ts'
import { NO_PRODUCER_EPOCH, NO_SEQUENCE } from '../../protocol/record-batch.ts'
import type { BatchHeader } from '../../protocol/record-batch.ts'
import type { PendingVerification } from './append-check.ts'
import { BATCHES_RETAINED, fromStored, newProducerEntry, toStored } from './producer-entry.ts'
import type { ProducerEntry } from './producer-entry.ts'

/**
 * Producers whose refused batches are remembered at a time; the oldest is forgotten for one more. Unlike entries these
 * are made by batches that nobody has accepted, so their number must not depend on who asks.
 */
export const PENDING_VERIFICATIONS_MAX = 10_000

export class ProducerTable {
  readonly #entries = new Map<number, ProducerEntry>()
  readonly #pending = new Map<number, PendingVerification>()

  get size(): number {
    return this.#entries.size
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#entries.get(producerId)
  }

  values(): IterableIterator<ProducerEntry> {
    return this.#entries.values()
  }

  pendingVerification(producerId: number): PendingVerification | undefined {
    return this.#pending.get(producerId)
  }

  /** Remembers the lowest sequence of what is about to be verified, until a batch of the producer is appended. */
  notePendingVerification(header: BatchHeader, nowMs: number): void {
    const { producerId, producerEpoch, baseSequence } = header
    const before = this.#pending.get(producerId)
    // A batch of an older epoch comes too late; it must not make the newer one forgotten.
    if (before !== undefined && producerEpoch < before.producerEpoch) return
    const isSameEpoch = before?.producerEpoch === producerEpoch
    const lowestSequence = isSameEpoch ? Math.min(before.lowestSequence, baseSequence) : baseSequence
    this.#pending.delete(producerId)
    this.#pending.set(producerId, { producerEpoch, lowestSequence, seenMs: nowMs })
    if (this.#pending.size > PENDING_VERIFICATIONS_MAX) this.#forgetOldestPending()
  }

  /** A data batch was appended. */
  replayBatch(header: BatchHeader): ProducerEntry {
    const entry = this.#entryOf(header.producerId)
    this.#pending.delete(header.producerId)
    if (entry.producerEpoch !== header.producerEpoch) this.#beginEpoch(entry, header.producerEpoch)
    if (header.baseSequence !== NO_SEQUENCE) {
      const { lastSequence, lastOffset, lastOffsetDelta, maxTimestamp } = header
      const batch = { lastSequence, lastOffset, offsetDelta: lastOffsetDelta, timestampMs: maxTimestamp }
      entry.batches = [...entry.batches.slice(-(BATCHES_RETAINED - 1)), batch]
    }
    entry.lastTimestampMs = header.maxTimestamp
    entry.silentSinceMs = undefined
    return entry
  }

  /** A marker was appended. A higher epoch on it makes the next batch begin at sequence 0. */
  replayMarker(header: BatchHeader, coordinatorEpoch: number): ProducerEntry {
    const entry = this.#entryOf(header.producerId)
    const pending = this.#pending.get(header.producerId)
    // A marker that raises the epoch to that of the waiting batch ends the transaction before it: the batch still waits.
    const isOfNextTransaction =
      header.producerEpoch > entry.producerEpoch && pending?.producerEpoch === header.producerEpoch
    if (!isOfNextTransaction) this.#pending.delete(header.producerId)
    if (entry.producerEpoch !== header.producerEpoch) this.#beginEpoch(entry, header.producerEpoch)
    entry.coordinatorEpoch = coordinatorEpoch
    entry.lastTimestampMs = header.maxTimestamp
    entry.silentSinceMs = undefined
    return entry
  }

  /**
   * Forgets producers without an open transaction that have been silent for `expirationMs`; one pass over all.
   *
   * Deviation: silence is counted from the first pass that finds nothing new, not from the timestamps of the records.
   * Those are the client's: whoever writes records of last year must not be forgotten while it writes, or a repeated
   * batch would be stored twice. Over a restart the timestamps have to do, until the producer writes again.
   */
  expire(nowMs: number, expirationMs: number): number {
    let count = 0
    for (const [producerId, entry] of this.#entries) {
      if (entry.currentTransactionFirstOffset !== undefined) continue
      // Also when the timestamps are ahead of the clock.
      if (entry.silentSinceMs === undefined || entry.silentSinceMs > nowMs) entry.silentSinceMs = nowMs
      if (nowMs - entry.silentSinceMs < expirationMs) continue
      this.#entries.delete(producerId)
      count += 1
    }
    for (const [producerId, { seenMs }] of this.#pending) {
      if (nowMs - seenMs >= expirationMs) this.#pending.delete(producerId)
    }
    return count
  }

  snapshot(): StoredProducerState[] {
    return Array.from(this.#entries.values(), toStored)
  }

  restore(states: readonly StoredProducerState[]): void {
    this.#entries.clear()
    this.#pending.clear()
    for (const state of states) this.#entries.set(state.producerId, fromStored(state))
  }

  #forgetOldestPending(): void {
    for (const producerId of this.#pending.keys()) {
      this.#pending.delete(producerId)
      return
    }
  }

  #entryOf(producerId: number): ProducerEntry {
    let entry = this.#entries.get(producerId)
    if (entry === undefined) this.#entries.set(producerId, (entry = newProducerEntry(producerId)))
    return entry
  }

  #beginEpoch(entry: ProducerEntry, producerEpoch: number): void {
    if (entry.producerEpoch !== NO_PRODUCER_EPOCH) entry.batches = []
    entry.producerEpoch = producerEpoch
  }
}
