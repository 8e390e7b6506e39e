/**
 * OffsetForLeaderEpoch: where the records of a leader epoch end, so that a consumer can tell whether its position is
 * still on this log. Here an epoch is one run of the broker. Source: KIP-101, KIP-320, LeaderEpochFileCache.endOffsetFor.
 */
import { offsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.ts'
import { defineHandler } from '../handler.ts'
import { checkLeaderEpoch } from '../leader-epoch.ts'
import type { Partition } from '../partition.ts'

const UNDEFINED_EPOCH = -1
const UNDEFINED_OFFSET = -1

export const offsetForLeaderEpochHandler = defineHandler(offsetForLeaderEpoch, {
  minVersion: 2,
  maxVersion: 4,
  handle(broker, request) {
    return {
      topics: request.topics.map((topic) => ({
        topic: topic.topic,
        partitions: topic.partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
          const partition = broker.partitions.get(topic.topic, index)
          const errorCode =
            partition === undefined
              ? 'UNKNOWN_TOPIC_OR_PARTITION'
              : checkLeaderEpoch(currentLeaderEpoch, broker.partitions.leaderEpoch)
          if (partition === undefined || errorCode !== 'NONE') {
            return { partition: index, errorCode, leaderEpoch: UNDEFINED_EPOCH, endOffset: UNDEFINED_OFFSET }
          }
          return { partition: index, errorCode, ...endOf(partition, leaderEpoch, broker.partitions.leaderEpoch) }
        }),
      })),
    }
  },
})

/** The newest epoch at or below the one asked for, and the offset at which a later one begins. */
function endOf(
  partition: Partition,
  leaderEpoch: number,
  currentLeaderEpoch: number,
): { leaderEpoch: number; endOffset: number } {
  const { logEndOffset, highWatermark, logStartOffset } = partition.state
  if (leaderEpoch === currentLeaderEpoch) return { leaderEpoch, endOffset: highWatermark }
  const starts = partition.log.leaderEpochs
  if (leaderEpoch < 0 || leaderEpoch > currentLeaderEpoch) {
    return { leaderEpoch: UNDEFINED_EPOCH, endOffset: UNDEFINED_OFFSET }
  }
  const next = starts.findIndex(({ epoch }) => epoch > leaderEpoch)
  const endOffset = next === -1 ? logEndOffset : (starts[next]?.startOffset ?? logEndOffset)
  const own = next === -1 ? starts.at(-1) : starts[next - 1]
  // Asked for an epoch older than all that is left: it ended where the log begins.
  if (own === undefined)
    return { leaderEpoch, endOffset: next === -1 ? endOffset : Math.max(endOffset, logStartOffset) }
  return { leaderEpoch: own.epoch, endOffset }
}
