/**
 * ListOffsets: the offset of a moment, or of a named place, as far as the isolation level may see.
 * Source: kafka-eos.md C4; KIP-79, KIP-98, KIP-734, KIP-1005; UnifiedLog.fetchOffsetByTimestamp.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { listOffsets } from '../../protocol/messages/list-offsets.ts'
import type { ListOffsetsRequest, ListOffsetsResponseDraft } from '../../protocol/messages/list-offsets.ts'
import type { RecordPosition } from '../../storage/partition-log.ts'
import { isDamage, reportDamage } from '../damaged-log.ts'
import { defineHandler } from '../handler.ts'
import { checkLeaderEpoch } from '../leader-epoch.ts'
import type { Partition } from '../partition.ts'
import type { BrokerServices } from '../services.ts'

type PartitionDraft = ListOffsetsResponseDraft['topics'][number]['partitions'][number]

const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5
const EARLIEST_PENDING_UPLOAD = -6
/** The request version from which a named place is known. */
const FIRST_VERSION_OF: Readonly<Record<number, number>> = {
  [LATEST]: 1,
  [EARLIEST]: 1,
  [MAX_TIMESTAMP]: 7,
  [EARLIEST_LOCAL]: 8,
  [LATEST_TIERED]: 9,
  [EARLIEST_PENDING_UPLOAD]: 11,
}
/** A tool that wants the log end, durable or not. */
const DEBUGGING_REPLICA_ID = -2

export const listOffsetsHandler = defineHandler(listOffsets, {
  minVersion: 1,
  maxVersion: 11,
  async handle(broker, request, { apiVersion }) {
    const repeated = repeatedPartitions(request)
    const topics = await Promise.all(
      request.topics.map(async (topic) => ({
        name: topic.name,
        partitions: await Promise.all(
          topic.partitions.map(async (partition) => {
            const index = partition.partitionIndex
            if (repeated.has(`${topic.name}:${index}`)) return failed(index, 'INVALID_REQUEST')
            return listOne(broker, request, topic.name, partition, apiVersion)
          }),
        ),
      })),
    )
    return { topics }
  },
})

function repeatedPartitions(request: ListOffsetsRequest): Set<string> {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const topic of request.topics) {
    for (const { partitionIndex } of topic.partitions) {
      const key = `${topic.name}:${partitionIndex}`
      if (seen.has(key)) repeated.add(key)
      seen.add(key)
    }
  }
  return repeated
}

async function listOne(
  broker: BrokerServices,
  request: ListOffsetsRequest,
  topicName: string,
  { partitionIndex, currentLeaderEpoch, timestamp }: ListOffsetsRequest['topics'][number]['partitions'][number],
  apiVersion: number,
): Promise<PartitionDraft> {
  const partition = broker.partitions.get(topicName, partitionIndex)
  if (partition === undefined) return failed(partitionIndex, 'UNKNOWN_TOPIC_OR_PARTITION')
  const epochError = checkLeaderEpoch(currentLeaderEpoch, broker.partitions.leaderEpoch)
  if (epochError !== 'NONE') return failed(partitionIndex, epochError)
  const firstVersion = FIRST_VERSION_OF[timestamp] ?? (timestamp < 0 ? Infinity : 0)
  if (apiVersion < firstVersion) return failed(partitionIndex, 'UNSUPPORTED_VERSION')

  const isolationLevel = request.isolationLevel === 1 ? 'read_committed' : 'read_uncommitted'
  const limit =
    request.replicaId === DEBUGGING_REPLICA_ID ? partition.state.logEndOffset : partition.readLimit(isolationLevel)
  const { leaderEpoch } = broker.partitions
  const place = (offset: number): PartitionDraft => ({
    partitionIndex,
    errorCode: 'NONE',
    offset,
    leaderEpoch: leaderEpochAt(partition, offset) ?? leaderEpoch,
  })
  switch (timestamp) {
    case LATEST:
      return place(limit)
    case EARLIEST:
    case EARLIEST_LOCAL:
    // Nothing is tiered, so everything is still to be uploaded.
    case EARLIEST_PENDING_UPLOAD:
      return place(partition.state.logStartOffset)
    case LATEST_TIERED:
      return { partitionIndex, errorCode: 'NONE', offset: -1, leaderEpoch: -1 }
    default: {
      try {
        const found =
          timestamp === MAX_TIMESTAMP
            ? await partition.log.maxTimestamp(limit)
            : await partition.log.offsetForTimestamp(timestamp, limit)
        return { partitionIndex, errorCode: 'NONE', ...positionOf(found, limit) }
      } catch (error) {
        if (!isDamage(error)) throw error
        reportDamage(broker.runtime.logger, partition, partition.state.logStartOffset, error)
        return failed(partitionIndex, 'CORRUPT_MESSAGE')
      }
    }
  }
}

/** What lies at or beyond the limit is not there for this reader (KAFKA-5522). */
function positionOf(
  found: RecordPosition | undefined,
  limit: number,
): { timestamp: number; offset: number; leaderEpoch: number } {
  if (found === undefined || found.offset >= limit) return { timestamp: -1, offset: -1, leaderEpoch: -1 }
  return found
}

/** The epoch that wrote the record before `offset`, which is what a fetch position there has seen last. */
function leaderEpochAt(partition: Partition, offset: number): number | undefined {
  return partition.log.leaderEpochs.findLast(({ startOffset }) => startOffset <= offset)?.epoch
}

function failed(partitionIndex: number, errorCode: ErrorCode): PartitionDraft {
  return { partitionIndex, errorCode, offset: -1, timestamp: -1, leaderEpoch: -1 }
}
