/**
 * Whether a batch may be appended after what its producer has written before: append, duplicate or refuse.
 *
 * Works on the batch header alone and changes nothing. Source: kafka-eos.md C2, B.1-6 and B.1-7; KIP-98, KIP-360,
 * KIP-890, KIP-1228; ProducerAppendInfo, UnifiedLog.analyzeAndValidateProducerState. Invariants: SPEC.md.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { NO_PRODUCER_EPOCH, SEQUENCE_MAX } from '../../protocol/record-batch.ts'
import type { BatchHeader } from '../../protocol/record-batch.ts'
import { duplicateOf, lastSequenceOf } from './producer-entry.ts'
import type { ProducerEntry } from './producer-entry.ts'

export interface AppendContext {
  /** `coordinator`: offsets written in a transaction, which carry no sequence. */
  readonly origin: 'client' | 'coordinator'
  /** Of the request; 2 demands that a producer without state here begins at sequence 0. */
  readonly transactionVersion: number
  /**
   * The transaction coordinator has said, in this very tick, that the partition belongs to the producer's open
   * transaction. Not needed while the transaction is open here already.
   */
  readonly verified: boolean
}

export type AppendDecision =
  | { readonly kind: 'append' }
  /** Written already: answer success with these. */
  | {
      readonly kind: 'duplicate'
      readonly baseOffset: number
      readonly lastOffset: number
      readonly timestampMs: number
    }
  | { readonly kind: 'refuse'; readonly error: ErrorCode; readonly message: string }

/** A batch that was seen while its transaction was being verified, and may not have been appended. */
export interface PendingVerification {
  readonly producerEpoch: number
  readonly lowestSequence: number
  /** Milliseconds since the epoch. */
  readonly seenMs: number
}

export interface MarkerToCheck {
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  /** 2: the marker carries a raised epoch. 0 and 1: it carries that of the transaction. */
  readonly transactionVersion: number
}

/** Markers at this epoch are let through, so that a producer at the end of its epochs can finish. */
const LARGEST_EPOCH = 32_767

const APPEND: AppendDecision = { kind: 'append' }

/** @param entry  `undefined` when this partition knows nothing of the producer */
export function checkAppend(
  entry: ProducerEntry | undefined,
  pending: PendingVerification | undefined,
  header: BatchHeader,
  context: AppendContext,
): AppendDecision {
  if (entry !== undefined && context.origin === 'client') {
    const first = duplicateOf(entry, header)
    if (first !== undefined) {
      const { lastOffset, offsetDelta, timestampMs } = first
      return { kind: 'duplicate', baseOffset: lastOffset - offsetDelta, lastOffset, timestampMs }
    }
  }
  return (
    checkEpoch(entry, header) ??
    checkTransaction(entry, header, context) ??
    (context.origin === 'client' ? checkSequence(entry, pending, header, context) : undefined) ??
    APPEND
  )
}

/** 'NONE', or why the marker must not be appended. */
export function checkMarker(entry: ProducerEntry | undefined, marker: MarkerToCheck): ErrorCode {
  if (entry === undefined) return 'NONE'
  if (!isMarkerEpochValid(entry, marker)) return 'INVALID_PRODUCER_EPOCH'
  return marker.coordinatorEpoch < entry.coordinatorEpoch ? 'TRANSACTION_COORDINATOR_FENCED' : 'NONE'
}

function isMarkerEpochValid(entry: ProducerEntry, { producerEpoch, transactionVersion }: MarkerToCheck): boolean {
  if (transactionVersion < 2) return producerEpoch >= entry.producerEpoch
  if (producerEpoch > entry.producerEpoch) return true
  // A marker that is there already is written once more after a crash before its Complete record (KAFKA-19999).
  return (
    producerEpoch === entry.producerEpoch &&
    (entry.currentTransactionFirstOffset === undefined || producerEpoch === LARGEST_EPOCH)
  )
}

function checkEpoch(entry: ProducerEntry | undefined, header: BatchHeader): AppendDecision | undefined {
  if (entry === undefined || header.producerEpoch >= entry.producerEpoch) return undefined
  return refuse(
    'INVALID_PRODUCER_EPOCH',
    `producer ${header.producerId} is at epoch ${entry.producerEpoch}, the batch carries ${header.producerEpoch}`,
  )
}

function checkTransaction(
  entry: ProducerEntry | undefined,
  header: BatchHeader,
  { verified }: AppendContext,
): AppendDecision | undefined {
  const isOpen = entry?.currentTransactionFirstOffset !== undefined
  if (!header.isTransactional) {
    if (!isOpen) return undefined
    return refuse(
      'INVALID_TXN_STATE',
      `producer ${header.producerId} has a transaction open here; its batches must be transactional until it ends`,
    )
  }
  if ((isOpen && entry.producerEpoch === header.producerEpoch) || verified) return undefined
  return refuse('INVALID_TXN_STATE', `producer ${header.producerId} has no transaction open on this partition`)
}

function checkSequence(
  entry: ProducerEntry | undefined,
  pending: PendingVerification | undefined,
  { producerId, producerEpoch, baseSequence, isTransactional }: BatchHeader,
  { transactionVersion }: AppendContext,
): AppendDecision | undefined {
  const outOfOrder = (expected: string): AppendDecision =>
    refuse('OUT_OF_ORDER_SEQUENCE_NUMBER', `producer ${producerId} sent sequence ${baseSequence}; expected ${expected}`)

  const hasBatches = entry !== undefined && entry.batches.length > 0
  if (isTransactional && transactionVersion >= 2 && !hasBatches && baseSequence !== 0) {
    return outOfOrder('0, as there is no state of it (transaction version 2)')
  }
  // An earlier batch could not be verified and will come again: this one must not overtake it (KAFKA-14920).
  if (pending !== undefined && pending.producerEpoch === producerEpoch && baseSequence > pending.lowestSequence) {
    return outOfOrder(`${pending.lowestSequence}, which came before and is not written yet`)
  }
  if (entry === undefined || entry.producerEpoch === NO_PRODUCER_EPOCH) return undefined
  if (producerEpoch !== entry.producerEpoch) {
    return baseSequence === 0 ? undefined : outOfOrder(`0 at the new epoch ${producerEpoch}`)
  }
  const lastSequence = lastSequenceOf(entry)
  const next = lastSequence === SEQUENCE_MAX ? 0 : lastSequence + 1
  return baseSequence === next ? undefined : outOfOrder(String(next))
}

function refuse(error: ErrorCode, message: string): AppendDecision {
  return { kind: 'refuse', error, message }
}
