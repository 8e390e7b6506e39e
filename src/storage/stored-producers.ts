/**
 * The producer table of a log inside a checkpoint: all of each producer's batches, unlike a `.snapshot` file.
 *
 *     count uvarint, then per producer:
 *       producerId varlong | producerEpoch varint | coordinatorEpoch varint | lastTimestampMs varlong |
 *       currentTransactionFirstOffset varlong (-1: none) | batch count uvarint, then per batch:
 *         lastSequence varint | lastOffset varlong | offsetDelta varint | timestampMs varlong
 */
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts'
import type { StoredProducerState } from '../protocol/stored-producer-state.ts'

const NONE = -1

/** An empty table. */
export const NO_PRODUCERS: Uint8Array = encodeStoredProducers([])

export function encodeStoredProducers(producers: readonly StoredProducerState[]): Uint8Array {
  const writer = new ByteWriter(16 + producers.length * 32)
  writer.uvarint(producers.length)
  for (const producer of producers) {
    writer.varlong(producer.producerId)
    writer.varint(producer.producerEpoch)
    writer.varint(producer.coordinatorEpoch)
    writer.varlong(producer.lastTimestampMs)
    writer.varlong(producer.currentTransactionFirstOffset ?? NONE)
    writer.uvarint(producer.batches.length)
    for (const batch of producer.batches) {
      writer.varint(batch.lastSequence)
      writer.varlong(batch.lastOffset)
      writer.varint(batch.offsetDelta)
      writer.varlong(batch.timestampMs)
    }
  }
  return writer.toBytes()
}

/** Throws DecodeError. */
export function decodeStoredProducers(bytes: Uint8Array): StoredProducerState[] {
  const reader = new ByteReader(bytes)
  const producers: StoredProducerState[] = []
  for (let left = reader.uvarint(); left > 0; left--) {
    const producerId = reader.varlong()
    const producerEpoch = reader.varint()
    const coordinatorEpoch = reader.varint()
    const lastTimestampMs = reader.varlong()
    const firstOffset = reader.varlong()
    const batches: { lastSequence: number; lastOffset: number; offsetDelta: number; timestampMs: number }[] = []
    for (let batchesLeft = reader.uvarint(); batchesLeft > 0; batchesLeft--) {
      const lastSequence = reader.varint()
      const lastOffset = reader.varlong()
      const offsetDelta = reader.varint()
      batches.push({ lastSequence, lastOffset, offsetDelta, timestampMs: reader.varlong() })
    }
    producers.push({
      producerId,
      producerEpoch,
      coordinatorEpoch,
      lastTimestampMs,
      currentTransactionFirstOffset: firstOffset === NONE ? undefined : firstOffset,
      batches,
    })
  }
  if (reader.remaining > 0) throw new DecodeError(`${reader.remaining} bytes after the last producer`)
  return producers
}
