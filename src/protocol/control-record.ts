/**
 * Transaction markers: control batches with the one record that ends a transaction in a partition.
 *
 * Key {int16 version 0, int16 type: 0 ABORT, 1 COMMIT}, value {int16 version 0, int32 coordinatorEpoch}; the batch is
 * control and transactional, has no sequence and carries the producer's id and epoch.
 *
 * Source: org.apache.kafka.common.record.ControlRecordType and EndTransactionMarker, KIP-98.
 */
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts'
import { buildBatch, NO_SEQUENCE, readRecords } from './record-batch.ts'

export type MarkerType = 'ABORT' | 'COMMIT'

const CONTROL_RECORD_VERSION = 0
const TYPE_ABORT = 0
const TYPE_COMMIT = 1

export interface MarkerOptions {
  readonly markerType: MarkerType
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly timestampMs: number
  readonly baseOffset: number
  readonly partitionLeaderEpoch: number
}

export interface Marker {
  readonly markerType: MarkerType
  readonly coordinatorEpoch: number
}

export function buildMarkerBatch(options: MarkerOptions): Uint8Array {
  const key = new ByteWriter(4)
  key.int16(CONTROL_RECORD_VERSION)
  key.int16(options.markerType === 'COMMIT' ? TYPE_COMMIT : TYPE_ABORT)
  const value = new ByteWriter(6)
  value.int16(CONTROL_RECORD_VERSION)
  value.int32(options.coordinatorEpoch)
  return buildBatch({
    records: [{ timestamp: options.timestampMs, key: key.toBytes(), value: value.toBytes() }],
    baseOffset: options.baseOffset,
    partitionLeaderEpoch: options.partitionLeaderEpoch,
    producerId: options.producerId,
    producerEpoch: options.producerEpoch,
    baseSequence: NO_SEQUENCE,
    isTransactional: true,
    isControl: true,
  })
}

/**
 * @param batch  exactly one control batch
 * Throws DecodeError when it holds no transaction marker. Versions above 0 are read by what version 0 defines, as in Kafka.
 */
export function readMarker(batch: Uint8Array): Marker {
  const [record] = readRecords(batch, { maxDecompressedBytes: batch.length })
  if (record === undefined || record.key === null || record.value === null) {
    throw new DecodeError('a control batch without a control record')
  }
  const key = new ByteReader(record.key)
  readVersion(key)
  const type = key.int16()
  if (type !== TYPE_ABORT && type !== TYPE_COMMIT) {
    throw new DecodeError(`control record of type ${type} is no transaction marker`)
  }
  const value = new ByteReader(record.value)
  readVersion(value)
  return { markerType: type === TYPE_COMMIT ? 'COMMIT' : 'ABORT', coordinatorEpoch: value.int32() }
}

function readVersion(reader: ByteReader): void {
  const version = reader.int16()
  if (version < CONTROL_RECORD_VERSION) throw new DecodeError(`control record version ${version}`)
}
