/**
 * `%020d.snapshot`: the producer table in Kafka's format, for Kafka's tools. semel itself recovers from its checkpoint.
 *
 *     version i16 = 1 | crc u32 | count i32 | entries of 46 bytes (protocol/messages/producer-snapshot.ts)
 *
 * `crc` is the CRC-32C of everything after it. Only the newest of a producer's batches is in it, which is why the checkpoint
 * (all five) is what counts. Source: ProducerStateManager.
 */
import { DecodeError, readUint32, writeInt32 } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import { decodeRecord, encodeRecord } from '../protocol/codec.ts'
import { producerSnapshot } from '../protocol/messages/producer-snapshot.ts'
import type { StoredProducerState } from '../protocol/stored-producer-state.ts'

const SNAPSHOT_VERSION = 1
const CRC_POSITION = 2
const CHECKED_FROM = 6
const NONE = -1

export function encodeProducerSnapshot(producers: readonly StoredProducerState[]): Uint8Array {
  const bytes = encodeRecord(producerSnapshot, SNAPSHOT_VERSION, {
    crc: 0,
    producerEntries: producers.map((producer) => {
      const last = producer.batches.at(-1)
      return {
        producerId: producer.producerId,
        epoch: producer.producerEpoch,
        lastSequence: last?.lastSequence ?? NONE,
        lastOffset: last?.lastOffset ?? NONE,
        offsetDelta: last?.offsetDelta ?? 0,
        timestamp: producer.lastTimestampMs,
        coordinatorEpoch: producer.coordinatorEpoch,
        currentTxnFirstOffset: producer.currentTransactionFirstOffset ?? NONE,
      }
    }),
  })
  writeInt32(bytes, CRC_POSITION, crc32c(bytes.subarray(CHECKED_FROM)))
  return bytes
}

/** Throws DecodeError on a wrong version, checksum or length. */
export function decodeProducerSnapshot(bytes: Uint8Array): StoredProducerState[] {
  if (bytes.length < CHECKED_FROM) throw new DecodeError(`producer snapshot of ${bytes.length} bytes`)
  if (readUint32(bytes, CRC_POSITION) !== crc32c(bytes.subarray(CHECKED_FROM))) {
    throw new DecodeError('producer snapshot with a wrong checksum')
  }
  return decodeRecord(producerSnapshot, bytes).producerEntries.map((entry) => ({
    producerId: entry.producerId,
    producerEpoch: entry.epoch,
    coordinatorEpoch: entry.coordinatorEpoch,
    lastTimestampMs: entry.timestamp,
    currentTransactionFirstOffset: entry.currentTxnFirstOffset === NONE ? undefined : entry.currentTxnFirstOffset,
    batches:
      entry.lastOffset === NONE
        ? []
        : [
            {
              lastSequence: entry.lastSequence,
              lastOffset: entry.lastOffset,
              offsetDelta: entry.offsetDelta,
              timestampMs: entry.timestamp,
            },
          ],
  }))
}
