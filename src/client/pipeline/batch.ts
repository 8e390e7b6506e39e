/**
 * The records a worker is busy with: what was polled, whose partitions are still ours, up to where each would be committed.
 *
 * Owns that offsets and records belong together. A batch loses the records of a partition that was given to another member;
 * it never gets new ones. Keys and values stay bytes in here, so that a record that cannot be read can still be moved.
 */
import type { ConsumerRecord, TopicPartition } from '../topic.ts'

export interface BatchOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
}

export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

export class Batch {
  readonly records: readonly ConsumerRecord[]
  /** By partition: where reading goes on after this batch, past markers and aborted records. */
  readonly #ends: ReadonlyMap<string, BatchOffset>

  constructor(records: readonly ConsumerRecord[], ends: readonly BatchOffset[]) {
    this.records = records
    this.#ends = new Map(ends.map((end) => [partitionKey(end), end]))
  }

  get isEmpty(): boolean {
    return this.#ends.size === 0
  }

  get offsets(): readonly BatchOffset[] {
    return [...this.#ends.values()]
  }

  /** By partition: its first record. */
  get starts(): readonly BatchOffset[] {
    const starts = new Map<string, BatchOffset>()
    for (const { topic, partition, offset } of this.records) {
      const key = partitionKey({ topic, partition })
      if (!starts.has(key)) starts.set(key, { topic, partition, offset })
    }
    return [...starts.values()]
  }

  /** Without the partitions that are not ours any more. */
  without(isLost: (partition: TopicPartition) => boolean): Batch {
    const kept = this.offsets.filter((end) => !isLost(end))
    if (kept.length === this.#ends.size) return this
    return new Batch(
      this.records.filter((record) => !isLost(record)),
      kept,
    )
  }

  /** Its records one by one, in order; the last of a partition takes along what lies behind it. */
  singles(): readonly Batch[] {
    const lastOf = new Map(this.records.map((record) => [partitionKey(record), record]))
    const singles = this.records.map((record) => {
      const isLast = lastOf.get(partitionKey(record)) === record
      const end = this.#ends.get(partitionKey(record)) as BatchOffset
      return new Batch([record], [isLast ? end : { ...end, offset: record.offset + 1 }])
    })
    const withoutRecords = this.offsets.filter((end) => !lastOf.has(partitionKey(end)))
    return withoutRecords.length === 0 ? singles : [...singles, new Batch([], withoutRecords)]
  }

  /** 'orders-0 17…42, orders-3 8' */
  describe(): string {
    const ranges = new Map<string, { first: number; last: number; topic: string; partition: number }>()
    for (const { topic, partition, offset } of this.records) {
      const range = ranges.get(partitionKey({ topic, partition }))
      if (range === undefined)
        ranges.set(partitionKey({ topic, partition }), { first: offset, last: offset, topic, partition })
      else range.last = offset
    }
    return [...ranges.values()]
      .map(
        ({ topic, partition, first, last }) => `${topic}-${partition} ${first === last ? first : `${first}…${last}`}`,
      )
      .join(', ')
  }
}
