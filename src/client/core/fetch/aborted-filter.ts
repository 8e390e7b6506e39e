/**
 * Which batches of one fetched partition a read_committed consumer must not see.
 *
 * The broker returns batches and markers as they are stored, and beside them the aborted transactions that touch them. A
 * producer is *aborted* from the first batch that reaches the `firstOffset` of one of its entries until its ABORT marker.
 * Only control batches say where a transaction ends, never what a user's key looks like. The list may come in any order
 * (brokers write it in the order of markers), hold several transactions of one producer and repeat entries; a response may begin
 * and end in the middle of transactions.
 *
 * Source: KIP-98; org.apache.kafka.clients.consumer.internals.CompletedFetch.
 */
import type { MarkerType } from '../../../protocol/control-record.ts'
import type { BatchHeader } from '../../../protocol/record-batch.ts'
import { NO_PRODUCER_ID } from '../../../protocol/record-batch.ts'

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** What the filter looks at of a batch. */
export type FilteredBatch = Pick<BatchHeader, 'lastOffset' | 'producerId' | 'isControl' | 'isTransactional'>

export class AbortedFilter {
  /** By first offset, the earliest last: they are taken from the end. */
  readonly #waiting: AbortedTransaction[]
  readonly #abortedProducers = new Set<number>()

  /** @param aborted  null or empty: nothing is aborted (read_uncommitted, or a log without) */
  constructor(aborted: readonly AbortedTransaction[] | null) {
    this.#waiting = (aborted ?? []).toSorted((a, b) => b.firstOffset - a.firstOffset)
  }

  /**
   * To be asked for every batch, in the order of the log.
   *
   * @param markerType  of a control batch; `undefined` for a control record that is no transaction marker
   * @returns whether its records are for the consumer: those of control batches never are
   */
  keeps(batch: FilteredBatch, markerType?: MarkerType): boolean {
    if (batch.producerId !== NO_PRODUCER_ID) {
      this.#activateUpTo(batch.lastOffset)
      if (batch.isControl) {
        if (markerType === 'ABORT') this.#abortedProducers.delete(batch.producerId)
      } else if (batch.isTransactional && this.#abortedProducers.has(batch.producerId)) return false
    }
    return !batch.isControl
  }

  #activateUpTo(offset: number): void {
    for (
      let next = this.#waiting.at(-1);
      next !== undefined && next.firstOffset <= offset;
      next = this.#waiting.at(-1)
    ) {
      this.#abortedProducers.add(next.producerId)
      this.#waiting.pop()
    }
  }
}
