/**
 * One partition's log: a tail in memory, segments behind it.
 */
import type { BatchHeader } from '../protocol/record-batch.ts'
import type { StoredProducerState } from '../protocol/stored-producer-state.ts'

export interface RecordPosition {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

export interface LeaderEpochStart {
  readonly epoch: number
  readonly startOffset: number
}

export interface AbortedTransactionEntry {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of the abort marker. */
  readonly lastOffset: number
  /** The log's last stable offset once this transaction is complete. */
  readonly lastStableOffset: number
}

/** The offset asked for is below logStartOffset or above logEndOffset. */
export declare class OffsetOutOfRange extends Error {}

export declare class PartitionLog {
  readonly topicId: string
  readonly topic: string
  readonly partition: number
  /** May be set; holds from the next roll decision on. */
  segmentBytes: number
  get logStartOffset(): number
  get logEndOffset(): number
  get sizeBytes(): number
  /** Leader epochs and the first offset each wrote, ascending (OffsetForLeaderEpoch). */
  get leaderEpochs(): readonly LeaderEpochStart[]
  /** The producer table as of `snapshotOffset`, as the last checkpoint kept it. */
  get producerSnapshot(): readonly StoredProducerState[]
  get snapshotOffset(): number
  appendAborted(entry: AbortedTransactionEntry): void
  abortedTransactions(fetchOffset: number, upperOffset: number): { producerId: number; firstOffset: number }[]
  read(
    fromOffset: number,
    upperOffset: number,
    maxBytes: number,
    minOneBatch: boolean,
  ): Uint8Array[] | Promise<Uint8Array[]>
  batchHeaders(fromOffset: number): AsyncIterable<BatchHeader>
  readBatches(fromOffset: number): AsyncIterable<Uint8Array>
  offsetForTimestamp(timestampMs: number, upperOffset: number): Promise<RecordPosition | undefined>
  maxTimestamp(upperOffset: number): Promise<RecordPosition | undefined>
}
