/** The partitions of topics, by name. */
import type { NewTopic } from '../../client/index.ts'
import type { PartitionName } from '../history/tables.ts'

function partitionsOf(topic: string, count: number): readonly PartitionName[] {
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }))
}

export function allPartitions(topics: readonly NewTopic[]): readonly PartitionName[] {
  return topics.flatMap(({ topic, partitions = 1 }) => partitionsOf(topic, partitions))
}

/** By partition: the offset behind the last of these records, in the order of their first appearance. */
export function endsOf(
  records: readonly (PartitionName & { readonly offset: number })[],
): readonly (PartitionName & { readonly offset: number })[] {
  const ends = new Map<string, PartitionName & { readonly offset: number }>()
  for (const { topic, partition, offset } of records) {
    ends.set(`${topic}/${partition}`, { topic, partition, offset: offset + 1 })
  }
  return Array.from(ends.values())
}

/** By partition: its first of these records. */
export function startsOf(
  records: readonly (PartitionName & { readonly offset: number })[],
): readonly (PartitionName & { readonly offset: number })[] {
  const starts = new Map<string, PartitionName & { readonly offset: number }>()
  for (const { topic, partition, offset } of records) {
    const key = `${topic}/${partition}`
    if (!starts.has(key)) starts.set(key, { topic, partition, offset })
  }
  return Array.from(starts.values())
}
