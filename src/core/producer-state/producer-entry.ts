/**
 * What one partition knows of one producer: its epoch, its last five batches, its open transaction.
 *
 * Pure data and the questions asked of it; producer-table.ts holds the entries, append-check.ts decides by them.
 * Source: kafka-eos.md C2; org.apache.kafka.storage.internals.log.ProducerStateEntry.
 */
import type { StoredBatch, StoredProducerState } from '../../protocol/stored-producer-state.ts'
import { NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP } from '../../protocol/record-batch.ts'
import type { BatchHeader } from '../../protocol/record-batch.ts'

/** As many as a producer has requests in flight: each of them may be repeated (NUM_BATCHES_TO_RETAIN in Kafka). */
export const BATCHES_RETAINED = 5

const NO_COORDINATOR_EPOCH = -1

export interface ProducerEntry {
  readonly producerId: number
  producerEpoch: number
  /** Epoch of the coordinator that wrote the last marker. */
  coordinatorEpoch: number
  /** Of the last batch or marker, as stored in it; milliseconds since the epoch. */
  lastTimestampMs: number
  currentTransactionFirstOffset: number | undefined
  /** At most BATCHES_RETAINED, oldest first; all of `producerEpoch`. */
  batches: StoredBatch[]
  /** Nothing has come from it since then; `undefined` when something has since the last pass of the expiry. */
  silentSinceMs: number | undefined
}

export function newProducerEntry(producerId: number): ProducerEntry {
  return {
    producerId,
    producerEpoch: NO_PRODUCER_EPOCH,
    coordinatorEpoch: NO_COORDINATOR_EPOCH,
    lastTimestampMs: NO_TIMESTAMP,
    currentTransactionFirstOffset: undefined,
    batches: [],
    silentSinceMs: undefined,
  }
}

export function fromStored(stored: StoredProducerState): ProducerEntry {
  return { ...stored, batches: [...stored.batches], silentSinceMs: stored.lastTimestampMs }
}

export function toStored({ silentSinceMs: _, ...stored }: ProducerEntry): StoredProducerState {
  return { ...stored, batches: [...stored.batches] }
}

/** NO_SEQUENCE when no batch of the epoch is known: the next one has to begin at 0 then. */
export function lastSequenceOf(entry: ProducerEntry): number {
  return entry.batches.at(-1)?.lastSequence ?? NO_SEQUENCE
}

/** The retained batch that this one repeats: same epoch, and exactly the same first and last sequence. */
export function duplicateOf(entry: ProducerEntry, header: BatchHeader): StoredBatch | undefined {
  if (header.producerEpoch !== entry.producerEpoch) return undefined
  return entry.batches.find(
    (batch) => batch.lastSequence === header.lastSequence && batch.offsetDelta === header.lastOffsetDelta,
  )
}
