/**
 * A transactional id near the end of its epochs, without the 32,000 requests that would bring it there: while the broker is
 * stopped, the epoch in the last record of its log becomes another.
 */
import assert from 'node:assert/strict'
import { partitionFor } from '../../../src/base/java-hash.ts'
import {
  decodeTransactionRecord,
  encodeTransactionRecord,
  TRANSACTION_STATE_TOPIC,
} from '../../../src/broker/coordinator-log.ts'
import { batches, buildBatch, readRecords } from '../../../src/protocol/record-batch.ts'
import type { RawProducer } from './raw-producer.ts'
import { type Scene, STATE_PARTITIONS } from './scene.ts'

/** Lets an id that has no transaction open, and has written nothing yet, be at `producerEpoch`, and `producer` go on as it. */
export async function ageTo(scene: Scene, producer: RawProducer, producerEpoch: number): Promise<void> {
  // Ends with a checkpoint, so that the record lies in its segment and nowhere else.
  await scene.broker.stop()
  const { disk } = scene.broker
  const directory = `${TRANSACTION_STATE_TOPIC}-${partitionFor(producer.id, STATE_PARTITIONS)}`
  const path = disk.files().find((file) => file.path.includes(directory) && file.path.endsWith('.log'))?.path
  assert(path !== undefined, `a segment of ${directory}`)
  let position = 0
  let last: { position: number; bytes: Uint8Array; batch: Uint8Array } | undefined
  for (const { header, bytes } of batches(disk.readFile(path))) {
    const [stored] = readRecords(bytes, { maxDecompressedBytes: bytes.length })
    assert(stored !== undefined)
    const record = decodeTransactionRecord(stored)
    if (record?.transactionalId === producer.id && record.value !== null) {
      const aged = encodeTransactionRecord({ ...record, value: { ...record.value, producerEpoch } })
      const { baseOffset, partitionLeaderEpoch } = header
      const records = [{ ...aged, timestamp: stored.timestamp }]
      last = { position, bytes, batch: buildBatch({ records, baseOffset, partitionLeaderEpoch }) }
    }
    position += bytes.length
  }
  assert(last !== undefined, `${producer.id} is in ${path}`)
  assert.equal(last.batch.length, last.bytes.length, 'the record keeps its length')
  disk.rot(path, last.position, last.batch)
  scene.broker.start()
  producer.client = await scene.connect()
  producer.become({ ...producer.current, producerEpoch })
}
