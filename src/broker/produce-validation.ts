/**
 * What a produced batch must look like before anybody is asked whether it may be appended (kafka-eos.md C1).
 *
 * Works on the 61 header bytes, the CRC and, for uncompressed batches, the lengths of the records; bodies are decoded
 * only for compacted topics, where a record without key must be refused.
 * Source: org.apache.kafka.storage.internals.log.LogValidator, UnifiedLog.analyzeAndValidateRecords.
 */
import { DecodeError } from '../base/bytes.ts'
import type { ErrorCode } from '../protocol/error-codes.ts'
import {
  batchCrcMatches,
  BATCH_OVERHEAD_BYTES,
  checkRecordLayout,
  iterateRecords,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  readBatchHeader,
  RECORD_BYTES_MIN,
  setLogAppendTime,
} from '../protocol/record-batch.ts'
import type { BatchHeader } from '../protocol/record-batch.ts'
import type { TopicConfig } from '../core/metadata/topic-config.ts'

export interface AcceptableBatch {
  readonly bytes: Uint8Array
  readonly header: BatchHeader
}

export interface RefusedBatch {
  readonly errorCode: ErrorCode
  readonly message: string
  /** Which records are to blame, where single records are. */
  readonly recordErrors?: { readonly batchIndex: number; readonly batchIndexErrorMessage: string }[]
}

/** zstd came with this version of Produce (KIP-110). */
const FIRST_ZSTD_VERSION = 7

/** Records that an answer blames by name; a small batch can unfold to millions. */
const RECORD_ERRORS_MAX = 1000

const refusal = (errorCode: ErrorCode, message: string): RefusedBatch => ({ errorCode, message })

/**
 * @param records  the `records` field of one partition; on success a view of it comes back, with the append time set
 *                 when the topic stamps records itself
 * @param maxDecompressedBytes  how much a compressed batch may unfold to
 */
export function validateBatch(
  records: Uint8Array | null,
  config: TopicConfig,
  apiVersion: number,
  nowMs: number,
  maxDecompressedBytes: number,
): AcceptableBatch | RefusedBatch {
  if (records === null || records.length === 0) {
    return refusal(
      'INVALID_RECORD',
      'a produce request holds exactly one record batch per partition; this one is empty',
    )
  }
  if (records.length > 16 && records[16] !== 2) {
    return refusal('INVALID_RECORD', `record format (magic) is ${records[16]}; only 2 is accepted`)
  }
  let header: BatchHeader
  try {
    header = readBatchHeader(records)
  } catch (error) {
    if (error instanceof DecodeError) return refusal('CORRUPT_MESSAGE', error.message)
    throw error
  }
  if (header.sizeBytes > records.length) {
    return refusal('CORRUPT_MESSAGE', `the batch says ${header.sizeBytes} bytes, ${records.length} are there`)
  }
  if (header.sizeBytes < records.length) {
    return refusal('INVALID_RECORD', 'a produce request holds exactly one record batch per partition; bytes follow it')
  }
  return (
    checkSize(header, config) ??
    checkHeader(header, apiVersion) ??
    (batchCrcMatches(records) ? undefined : refusal('CORRUPT_MESSAGE', 'the CRC of the batch does not match')) ??
    checkTimestamps(header, config, nowMs) ??
    checkRecords(records, header, config, maxDecompressedBytes) ??
    accept(records, header, config, nowMs)
  )
}

function checkSize(header: BatchHeader, config: TopicConfig): RefusedBatch | undefined {
  if (header.sizeBytes > config.maxMessageBytes) {
    return refusal(
      'MESSAGE_TOO_LARGE',
      `the batch has ${header.sizeBytes} bytes, max.message.bytes is ${config.maxMessageBytes}`,
    )
  }
  if (header.sizeBytes > config.segmentBytes) {
    return refusal(
      'RECORD_LIST_TOO_LARGE',
      `the batch has ${header.sizeBytes} bytes, segment.bytes is ${config.segmentBytes}`,
    )
  }
  return undefined
}

function checkHeader(header: BatchHeader, apiVersion: number): RefusedBatch | undefined {
  const { baseOffset, recordCount, lastOffsetDelta, producerId, producerEpoch, baseSequence } = header
  if (header.compression === 'unknown') {
    return refusal('UNSUPPORTED_COMPRESSION_TYPE', `compression type ${header.attributes & 7} is not known`)
  }
  if (header.compression === 'zstd' && apiVersion < FIRST_ZSTD_VERSION) {
    return refusal('UNSUPPORTED_COMPRESSION_TYPE', `zstd needs Produce version ${FIRST_ZSTD_VERSION} or above`)
  }
  if (baseOffset !== 0) return refusal('INVALID_RECORD', `the base offset of a produced batch is 0, not ${baseOffset}`)
  if (recordCount <= 0 || lastOffsetDelta !== recordCount - 1) {
    return refusal('INVALID_RECORD', `${recordCount} records do not fit a last offset delta of ${lastOffsetDelta}`)
  }
  if (header.isControl) return refusal('INVALID_RECORD', 'clients do not write control batches')
  const isIdempotent = producerId !== NO_PRODUCER_ID
  if (isIdempotent && (baseSequence < 0 || producerEpoch <= NO_PRODUCER_EPOCH || producerId < 0)) {
    return refusal(
      'INVALID_RECORD',
      `producer id ${producerId} needs an epoch and a sequence of 0 or more, not ${producerEpoch} and ${baseSequence}`,
    )
  }
  // A sequence without a producer id means nothing and is let be: kafkajs sends 0.
  if (!isIdempotent && header.isTransactional) {
    return refusal('INVALID_RECORD', 'a transactional batch needs a producer id')
  }
  return undefined
}

function checkTimestamps(header: BatchHeader, config: TopicConfig, nowMs: number): RefusedBatch | undefined {
  if (config.messageTimestampType === 'LogAppendTime') return undefined
  const { baseTimestamp, maxTimestamp } = header
  // -1 is "no timestamp" and always accepted.
  const isTooOld = baseTimestamp >= 0 && nowMs - baseTimestamp > config.messageTimestampBeforeMaxMs
  const isTooNew = maxTimestamp - nowMs > config.messageTimestampAfterMaxMs
  if (!isTooOld && !isTooNew && baseTimestamp >= -1 && maxTimestamp >= -1) return undefined
  return refusal(
    'INVALID_TIMESTAMP',
    `record timestamps ${baseTimestamp} … ${maxTimestamp} must be within ${config.messageTimestampBeforeMaxMs} ms before ` +
      `and ${config.messageTimestampAfterMaxMs} ms after the broker's clock (${nowMs})`,
  )
}

function checkRecords(
  bytes: Uint8Array,
  header: BatchHeader,
  config: TopicConfig,
  maxDecompressedBytes: number,
): RefusedBatch | undefined {
  const layoutFault = header.compression === 'none' ? checkRecordLayout(bytes, header) : undefined
  if (layoutFault !== undefined) return refusal('INVALID_RECORD', layoutFault)
  if (header.compression !== 'none') {
    if (header.sizeBytes === BATCH_OVERHEAD_BYTES) {
      return refusal('INVALID_RECORD', 'the batch announces records and holds none')
    }
    // Not opened, but believed no more than it could hold: the count uses up offsets.
    if (header.recordCount * RECORD_BYTES_MIN > maxDecompressedBytes) {
      return refusal('INVALID_RECORD', `${header.recordCount} records do not fit ${maxDecompressedBytes} bytes`)
    }
  }
  if (!config.cleanupPolicy.includes('compact')) return undefined
  try {
    const batchIndexErrorMessage = 'Compacted topic cannot accept message without key'
    const recordErrors: { batchIndex: number; batchIndexErrorMessage: string }[] = []
    let batchIndex = 0
    for (const { key } of iterateRecords(bytes, { maxDecompressedBytes })) {
      if (key === null && recordErrors.length < RECORD_ERRORS_MAX)
        recordErrors.push({ batchIndex, batchIndexErrorMessage })
      batchIndex += 1
    }
    if (recordErrors.length === 0) return undefined
    return {
      errorCode: 'INVALID_RECORD',
      message: 'One or more records have been rejected: a compacted topic takes no record without key',
      recordErrors,
    }
  } catch (error) {
    if (error instanceof DecodeError) return refusal('CORRUPT_MESSAGE', error.message)
    throw error
  }
}

function accept(bytes: Uint8Array, header: BatchHeader, config: TopicConfig, nowMs: number): AcceptableBatch {
  if (config.messageTimestampType !== 'LogAppendTime') return { bytes, header }
  setLogAppendTime(bytes, nowMs)
  return { bytes, header: readBatchHeader(bytes) }
}
