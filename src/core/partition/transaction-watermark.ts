/**
 * The transactions that hold back a partition's last stable offset: those that are open, and those that have ended with
 * a marker that is not durable yet. A reader must not see what a power cut could still make undecided.
 *
 * Source: kafka-eos.md C4; ProducerStateManager.ongoingTxns and unreplicatedTxns.
 */
import { assert } from '../../base/assert.ts'

interface EndedTransaction {
  readonly firstOffset: number
  readonly markerOffset: number
}

export class TransactionWatermark {
  /** By producer id, in the order of first offsets: a log only grows at its end. */
  readonly #open = new Map<number, number>()
  /** In the order of markers. */
  #ended: EndedTransaction[] = []

  /** First offset of the oldest transaction that is open. */
  get firstOpenOffset(): number | undefined {
    return this.#open.values().next().value
  }

  /** First offset of the oldest transaction that is open or ended without a durable marker. */
  get firstOffset(): number | undefined {
    let first = this.firstOpenOffset
    for (const { firstOffset } of this.#ended) if (first === undefined || firstOffset < first) first = firstOffset
    return first
  }

  begin(producerId: number, firstOffset: number): void {
    assert(!this.#open.has(producerId), `producer ${producerId} has one open transaction at most`)
    this.#open.set(producerId, firstOffset)
  }

  end(producerId: number, firstOffset: number, markerOffset: number): void {
    this.#open.delete(producerId)
    this.#ended.push({ firstOffset, markerOffset })
  }

  /** Everything below the high watermark is durable. */
  becomeDurable(highWatermark: number): void {
    if (this.#ended.length === 0) return
    this.#ended = this.#ended.filter(({ markerOffset }) => markerOffset >= highWatermark)
  }

  restore(open: readonly { readonly producerId: number; readonly firstOffset: number }[]): void {
    this.#open.clear()
    this.#ended = []
    const sorted = open.toSorted((a, b) => a.firstOffset - b.firstOffset)
    for (const { producerId, firstOffset } of sorted) this.#open.set(producerId, firstOffset)
  }
}
