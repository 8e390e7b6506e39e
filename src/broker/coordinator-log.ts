/**
 * How the coordinators' records lie in `__transaction_state` and `__consumer_offsets`: typed record ↔ key and value
 * bytes ↔ record batch, in Kafka's own formats. Source: kafka-eos.md C5, C8; CoordinatorRecordSerde.
 */
import { DecodeError, readInt16 } from '../base/bytes.ts'
import type { GroupRecord } from '../core/group/group-records.ts'
import type { TransactionRecord } from '../core/transaction/transaction-records.ts'
import { decodeRecord, encodeRecord } from '../protocol/codec.ts'
import { groupMetadataKey } from '../protocol/messages/group-metadata-key.ts'
import { groupMetadataValue } from '../protocol/messages/group-metadata-value.ts'
import { legacyOffsetCommitKey } from '../protocol/messages/legacy-offset-commit-key.ts'
import { offsetCommitKey } from '../protocol/messages/offset-commit-key.ts'
import { offsetCommitValue } from '../protocol/messages/offset-commit-value.ts'
import { transactionLogKey } from '../protocol/messages/transaction-log-key.ts'
import { transactionLogValue } from '../protocol/messages/transaction-log-value.ts'
import { buildBatch } from '../protocol/record-batch.ts'
import type { DecodedRecord } from '../protocol/record-batch.ts'

export const TRANSACTION_STATE_TOPIC = '__transaction_state'
export const CONSUMER_OFFSETS_TOPIC = '__consumer_offsets'

/** A record as a log holds it. */
export interface KeyedRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

const TRANSACTION_KEY_VERSION = 0
const LEGACY_OFFSET_COMMIT_TYPE = 0
const OFFSET_COMMIT_TYPE = 1
const GROUP_METADATA_TYPE = 2

export function encodeTransactionRecord(record: TransactionRecord): KeyedRecord {
  const { transactionalId, value, valueVersion } = record
  return {
    key: encodeRecord(transactionLogKey, TRANSACTION_KEY_VERSION, { transactionalId }),
    value: value === null ? null : encodeRecord(transactionLogValue, valueVersion, value),
  }
}

/** `undefined`: a record of a kind that this version does not know, to be skipped. */
export function decodeTransactionRecord({ key, value }: DecodedRecord): TransactionRecord | undefined {
  if (key === null || key.length < 2 || readInt16(key, 0) !== TRANSACTION_KEY_VERSION) return undefined
  const { transactionalId } = decodeRecord(transactionLogKey, key)
  if (value === null) return { transactionalId, value: null, valueVersion: 0 }
  return { transactionalId, value: decodeRecord(transactionLogValue, value), valueVersion: readInt16(value, 0) }
}

export function encodeGroupRecord(record: GroupRecord): KeyedRecord {
  switch (record.type) {
    case 'OffsetCommit':
      return {
        key: encodeRecord(offsetCommitKey, OFFSET_COMMIT_TYPE, record.key),
        value: record.value === null ? null : encodeRecord(offsetCommitValue, record.valueVersion, record.value),
      }
    case 'GroupMetadata':
      return {
        key: encodeRecord(groupMetadataKey, GROUP_METADATA_TYPE, record.key),
        value: record.value === null ? null : encodeRecord(groupMetadataValue, record.valueVersion, record.value),
      }
  }
}

/** `undefined`: a record of a kind that this version does not know (consumer groups of KIP-848, say), to be skipped. */
export function decodeGroupRecord(
  { key, value }: DecodedRecord,
  transactional?: { readonly producerId: number; readonly producerEpoch: number },
): GroupRecord | undefined {
  if (key === null || key.length < 2) throw new DecodeError('a record of __consumer_offsets without a key')
  const type = readInt16(key, 0)
  const valueVersion = value === null ? 0 : readInt16(value, 0)
  switch (type) {
    case LEGACY_OFFSET_COMMIT_TYPE:
    case OFFSET_COMMIT_TYPE: {
      const decodedKey = decodeRecord(type === OFFSET_COMMIT_TYPE ? offsetCommitKey : legacyOffsetCommitKey, key)
      const record = {
        type: 'OffsetCommit',
        key: decodedKey,
        value: value === null ? null : decodeRecord(offsetCommitValue, value),
        valueVersion,
      } as const
      return transactional === undefined ? record : { ...record, transactional }
    }
    case GROUP_METADATA_TYPE:
      return {
        type: 'GroupMetadata',
        key: decodeRecord(groupMetadataKey, key),
        value: value === null ? null : decodeRecord(groupMetadataValue, value),
        valueVersion,
      }
    default:
      return undefined
  }
}

/** One batch of coordinator records; `producer` makes it transactional (offsets of a read-process-write transaction). */
export function coordinatorBatch(
  records: readonly KeyedRecord[],
  timestampMs: number,
  producer?: { readonly producerId: number; readonly producerEpoch: number },
): Uint8Array {
  return buildBatch({
    records: records.map(({ key, value }) => ({ key, value, timestamp: timestampMs })),
    ...(producer === undefined ? {} : { ...producer, isTransactional: true }),
  })
}
