/** How far behind a consumer is, from what its fetches said. */
import type { PartitionProgress } from '../core/fetch/fetcher.ts'
import type { TopicPartition } from '../topic.ts'

export interface PartitionLag extends TopicPartition {
  readonly position: number | undefined
  /** Offsets from the position to the end that may be read; 0 when all was read, markers included. `undefined`: not known yet. */
  readonly lag: number | undefined
  /** Offsets that wait for open transactions; 0 with read_uncommitted. */
  readonly blocked: number | undefined
}

export function lagOf(
  progress: readonly PartitionProgress[],
  isolationLevel: 'read_committed' | 'read_uncommitted',
): readonly PartitionLag[] {
  return progress.map(({ topic, partition, position, highWatermark, lastStableOffset }) => {
    if (position === undefined || highWatermark === undefined) {
      return { topic, partition, position, lag: undefined, blocked: undefined }
    }
    const end = isolationLevel === 'read_committed' ? (lastStableOffset ?? highWatermark) : highWatermark
    return { topic, partition, position, lag: Math.max(0, end - position), blocked: Math.max(0, highWatermark - end) }
  })
}
