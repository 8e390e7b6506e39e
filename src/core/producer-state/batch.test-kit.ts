/** Batch headers for tests of decisions that look at nothing else. */
import { NO_LEADER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, SEQUENCE_MAX } from '../../protocol/record-batch.ts'
import type { BatchHeader } from '../../protocol/record-batch.ts'

export interface BatchShape {
  readonly baseOffset?: number
  readonly recordCount?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly timestampMs?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
}

export function header(shape: BatchShape = {}): BatchHeader {
  const { baseOffset = 0, recordCount = 1, baseSequence = NO_SEQUENCE, timestampMs = 0 } = shape
  const lastSequence = baseSequence + recordCount - 1
  return {
    baseOffset,
    batchLength: 49 + recordCount,
    partitionLeaderEpoch: NO_LEADER_EPOCH,
    magic: 2,
    crc: 0,
    attributes: 0,
    lastOffsetDelta: recordCount - 1,
    baseTimestamp: timestampMs,
    maxTimestamp: timestampMs,
    producerId: shape.producerId ?? NO_PRODUCER_ID,
    producerEpoch: shape.producerEpoch ?? 0,
    baseSequence,
    recordCount,
    sizeBytes: 61 + recordCount,
    lastOffset: baseOffset + recordCount - 1,
    lastSequence:
      baseSequence === NO_SEQUENCE ? NO_SEQUENCE : lastSequence > SEQUENCE_MAX ? lastSequence - 2 ** 31 : lastSequence,
    compression: 'none',
    timestampType: 'CreateTime',
    isTransactional: shape.isTransactional ?? false,
    isControl: shape.isControl ?? false,
    hasDeleteHorizon: false,
  }
}

/** The control batch that ends a transaction on one partition. */
export function markerHeader(shape: Omit<BatchShape, 'isControl' | 'baseSequence'>): BatchHeader {
  return header({ ...shape, isTransactional: true, isControl: true })
}
