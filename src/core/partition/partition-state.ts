/**
 * The decisions of one partition: what may be appended, and how far who may read.
 *
 * Owns the producers' state, the open transactions and the watermarks; leaves bytes to storage and waiting to the shell.
 * `replay` is the only method by which an append changes anything, live and in recovery alike. Invariants: SPEC.md.
 * Source: kafka-eos.md C2 to C4; UnifiedLog, ProducerStateManager.
 */
import { assert } from '../../base/assert.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { Marker } from '../../protocol/control-record.ts'
import type { StoredProducerState } from '../../protocol/stored-producer-state.ts'
import { NO_PRODUCER_ID } from '../../protocol/record-batch.ts'
import type { BatchHeader } from '../../protocol/record-batch.ts'
import { checkAppend, checkMarker } from '../producer-state/append-check.ts'
import type { AppendContext, AppendDecision, MarkerToCheck } from '../producer-state/append-check.ts'
import { lastSequenceOf } from '../producer-state/producer-entry.ts'
import { ProducerTable } from '../producer-state/producer-table.ts'
import { TransactionWatermark } from './transaction-watermark.ts'

export interface PartitionStateOptions {
  /** Producers remembered at a time; a batch of one more is refused with POLICY_VIOLATION. */
  readonly producerIdsMax: number
}

/** An entry of the transaction index. */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of the abort marker. */
  readonly lastOffset: number
  /** What the last stable offset is once this transaction no longer counts. */
  readonly lastStableOffset: number
}

/** A producer as DescribeProducers tells of it; -1 where there is nothing to tell. */
export interface ActiveProducer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  readonly currentTxnStartOffset: number
}

export interface PartitionDecisionContext extends AppendContext {
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

const APPEND: AppendDecision = { kind: 'append' }
const NOTHING_ABORTED: { readonly aborted?: AbortedTransaction } = {}
const NO_OFFSET = -1

export class PartitionState {
  readonly #options: PartitionStateOptions
  readonly #producers = new ProducerTable()
  readonly #transactions = new TransactionWatermark()
  #logStartOffset = 0
  #logEndOffset = 0
  #highWatermark = 0

  constructor(options: PartitionStateOptions) {
    this.#options = options
  }

  get logStartOffset(): number {
    return this.#logStartOffset
  }

  /** The offset the next record gets. */
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  /** Everything below is durable. */
  get highWatermark(): number {
    return this.#highWatermark
  }

  /** First offset of a transaction that is open, or whose marker is not durable; `undefined` when there is none. */
  get firstUnstableOffset(): number | undefined {
    const first = this.#transactions.firstOffset
    return first === undefined ? undefined : Math.max(first, this.#logStartOffset)
  }

  /** What read_committed may read: everything below is decided and durable. */
  get lastStableOffset(): number {
    return Math.min(this.firstUnstableOffset ?? Infinity, this.#highWatermark)
  }

  get producerCount(): number {
    return this.#producers.size
  }

  /** The epoch this partition knows of a producer; `undefined` when it knows nothing of it. */
  producerEpoch(producerId: number): number | undefined {
    return this.#producers.get(producerId)?.producerEpoch
  }

  hasOpenTransaction(producerId: number, producerEpoch: number): boolean {
    const entry = this.#producers.get(producerId)
    return entry?.currentTransactionFirstOffset !== undefined && entry.producerEpoch === producerEpoch
  }

  /** To be called before the coordinator is asked about a batch, so that a later one cannot overtake it if refused. */
  beginVerification(header: BatchHeader, nowMs: number): void {
    this.#producers.notePendingVerification(header, nowMs)
  }

  /** Whether a batch may be appended now. Changes nothing. */
  decide(header: BatchHeader, context: PartitionDecisionContext): AppendDecision {
    const { producerId } = header
    if (producerId === NO_PRODUCER_ID) return APPEND
    const entry = this.#producers.get(producerId)
    if (entry === undefined && this.#producers.size >= this.#options.producerIdsMax) {
      return {
        kind: 'refuse',
        error: 'POLICY_VIOLATION',
        message:
          `the partition remembers ${this.#producers.size} producers, its limit (semel.max.producer.ids); ` +
          'they are forgotten after producer.id.expiration.ms: reuse producers instead of opening new ones',
      }
    }
    return checkAppend(entry, this.#producers.pendingVerification(producerId), header, context)
  }

  /** 'NONE', or why the marker must not be appended. Changes nothing. */
  decideMarker(marker: MarkerToCheck): ErrorCode {
    const entry = this.#producers.get(marker.producerId)
    // There is nothing of this producer here to end, and no room to remember its epoch.
    if (entry === undefined && this.#producers.size >= this.#options.producerIdsMax) return 'POLICY_VIOLATION'
    return checkMarker(entry, marker)
  }

  /**
   * Applies an appended batch, whose offsets are final.
   * @param marker  of a control batch
   * @returns the aborted transaction that the marker ended, for the transaction index
   */
  replay(header: BatchHeader, marker?: Marker): { readonly aborted?: AbortedTransaction } {
    const { baseOffset, lastOffset } = header
    assert(
      baseOffset >= this.#logEndOffset,
      `batch at ${baseOffset} is appended behind the log end ${this.#logEndOffset}`,
    )
    this.#logEndOffset = lastOffset + 1
    if (header.producerId === NO_PRODUCER_ID) return NOTHING_ABORTED
    if (marker !== undefined) return this.#replayMarker(header, marker)
    const entry = this.#producers.replayBatch(header)
    if (header.isTransactional && entry.currentTransactionFirstOffset === undefined) {
      entry.currentTransactionFirstOffset = baseOffset
      this.#transactions.begin(header.producerId, baseOffset)
    }
    return NOTHING_ABORTED
  }

  /** Everything below `offset` has become durable. @returns whether the high watermark moved */
  advanceHighWatermark(offset: number): boolean {
    assert(offset <= this.#logEndOffset, `high watermark ${offset} is above the log end ${this.#logEndOffset}`)
    if (offset <= this.#highWatermark) return false
    this.#highWatermark = offset
    this.#transactions.becomeDurable(offset)
    assert(this.lastStableOffset <= this.#highWatermark, 'the last stable offset is not above the high watermark')
    return true
  }

  /** Records below are gone (DeleteRecords, retention). An open transaction may have begun below. */
  setLogStartOffset(offset: number): void {
    assert(offset <= this.#logEndOffset, `log start ${offset} is above the log end ${this.#logEndOffset}`)
    if (offset > this.#logStartOffset) this.#logStartOffset = offset
  }

  activeProducers(): ActiveProducer[] {
    return Array.from(this.#producers.values(), (entry) => ({
      producerId: entry.producerId,
      producerEpoch: entry.producerEpoch,
      lastSequence: lastSequenceOf(entry),
      lastTimestamp: entry.lastTimestampMs,
      coordinatorEpoch: entry.coordinatorEpoch,
      currentTxnStartOffset: entry.currentTransactionFirstOffset ?? NO_OFFSET,
    }))
  }

  /** The table as it is now, as of `logEndOffset`. */
  snapshot(): StoredProducerState[] {
    return this.#producers.snapshot()
  }

  /** Takes over a table as of `snapshotOffset`; batches from there on are to be replayed. */
  restore(states: readonly StoredProducerState[], offsets: { logStartOffset: number; snapshotOffset: number }): void {
    this.#producers.restore(states)
    this.#logStartOffset = offsets.logStartOffset
    this.#logEndOffset = offsets.snapshotOffset
    const open = states.flatMap(({ producerId, currentTransactionFirstOffset: firstOffset }) =>
      firstOffset === undefined ? [] : [{ producerId, firstOffset }],
    )
    this.#transactions.restore(open)
  }

  /** Forgets silent producers; answers how many. */
  expireProducers(nowMs: number, expirationMs: number): number {
    return this.#producers.expire(nowMs, expirationMs)
  }

  #replayMarker(header: BatchHeader, { markerType, coordinatorEpoch }: Marker): { aborted?: AbortedTransaction } {
    const entry = this.#producers.replayMarker(header, coordinatorEpoch)
    const firstOffset = entry.currentTransactionFirstOffset
    // Without an open transaction the marker only raises epochs.
    if (firstOffset === undefined) return NOTHING_ABORTED
    entry.currentTransactionFirstOffset = undefined
    const { producerId, lastOffset } = header
    this.#transactions.end(producerId, firstOffset, lastOffset)
    if (markerType === 'COMMIT') return NOTHING_ABORTED
    const lastStableOffset = this.#transactions.firstOpenOffset ?? lastOffset + 1
    return { aborted: { producerId, firstOffset, lastOffset, lastStableOffset } }
  }
}
