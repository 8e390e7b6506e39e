/** Hands out what was fetched of one partition, and moves its position past it: past records, markers and aborted records alike. */
import type { DecodedRecord } from '../../../protocol/record-batch.ts'
import type { TopicPartition } from '../../topic.ts'
import type { PartitionFetch } from './partition-fetch.ts'

/** Records of one batch, in order; decoded, with keys and values as views of what was fetched. */
export interface FetchedRecords extends TopicPartition {
  readonly leaderEpoch: number
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly records: readonly DecodedRecord[]
}

/**
 * Adds to `taken`, one entry for each batch. Throws DecodeError for a batch that cannot be read, after what came before it.
 * @returns how many of `maxRecords` are left
 */
export function takeFrom(partition: PartitionFetch, maxRecords: number, taken: FetchedRecords[]): number {
  let left = maxRecords
  while (left > 0) {
    const chunk = partition.chunks[0]
    if (chunk === undefined) return left
    const open = partition.open ?? chunk.openNext(partition.position?.offset ?? 0)
    if (open === undefined) {
      // Nothing more of it is for the consumer: past markers, aborted records and emptied batches.
      const epoch = partition.position?.leaderEpoch ?? -1
      partition.advance(Math.max(chunk.nextOffset, partition.position?.offset ?? 0), epoch)
      partition.dropFirstChunk()
      continue
    }
    const count = Math.min(left, open.records.length - open.at)
    const { header } = open
    const isWhole = open.at + count >= open.records.length
    if (count > 0) {
      taken.push({
        topic: partition.topic,
        partition: partition.partition,
        leaderEpoch: header.partitionLeaderEpoch,
        timestampType: header.timestampType,
        records: open.at === 0 && isWhole ? open.records : open.records.slice(open.at, open.at + count),
      })
    }
    left -= count
    open.at += count
    if (isWhole) {
      partition.open = undefined
      partition.advance(header.lastOffset + 1, header.partitionLeaderEpoch)
      if (!chunk.isUsedUp) continue
      partition.advance(Math.max(chunk.nextOffset, header.lastOffset + 1), header.partitionLeaderEpoch)
      partition.dropFirstChunk()
    } else {
      partition.open = open
      partition.advance((open.records[open.at] as DecodedRecord).offset, header.partitionLeaderEpoch)
    }
  }
  return left
}
