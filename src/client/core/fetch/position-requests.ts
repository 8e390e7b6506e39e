/** What a leader is asked about positions: where to begin (ListOffsets), and whether its log still holds what was read (KIP-320). */
import { listOffsets } from '../../../protocol/messages/list-offsets.ts'
import { offsetForLeaderEpoch } from '../../../protocol/messages/offset-for-leader-epoch.ts'
import type { CoreRequest } from '../client-core.ts'
import type { PartitionFetch, ResetTo } from './partition-fetch.ts'

/** A partition as it was when something was asked about it. */
export interface Asked {
  readonly partition: PartitionFetch
  readonly version: number
  readonly offset: number
  readonly leaderEpoch: number
}

export interface QuestionOptions {
  readonly isolationLevel: 'read_committed' | 'read_uncommitted'
  readonly requestTimeoutMs: number
}

const TIMESTAMPS = { latest: -1, earliest: -2 } as const

export function listOffsetsRequest(
  id: number,
  nodeId: number,
  asked: readonly Asked[],
  options: QuestionOptions,
): CoreRequest<typeof listOffsets> {
  return {
    id,
    destination: { kind: 'node', nodeId },
    api: listOffsets,
    body: {
      replicaId: -1,
      isolationLevel: options.isolationLevel === 'read_committed' ? 1 : 0,
      topics: byTopic(asked).map(([name, all]) => ({
        name,
        partitions: all.map(({ partition, leaderEpoch }) => ({
          partitionIndex: partition.partition,
          currentLeaderEpoch: leaderEpoch,
          timestamp: partition.state.state === 'NeedsReset' ? timestampOf(partition.state.resetTo) : TIMESTAMPS.latest,
        })),
      })),
      timeoutMs: options.requestTimeoutMs,
    },
    timeoutMs: options.requestTimeoutMs,
  }
}

export function leaderEpochsRequest(
  id: number,
  nodeId: number,
  asked: readonly Asked[],
  options: QuestionOptions,
): CoreRequest<typeof offsetForLeaderEpoch> {
  return {
    id,
    destination: { kind: 'node', nodeId },
    api: offsetForLeaderEpoch,
    body: {
      replicaId: -1,
      topics: byTopic(asked).map(([topic, all]) => ({
        topic,
        partitions: all.map(({ partition, leaderEpoch }) => ({
          partition: partition.partition,
          currentLeaderEpoch: leaderEpoch,
          leaderEpoch: partition.position?.leaderEpoch ?? -1,
        })),
      })),
    },
    timeoutMs: options.requestTimeoutMs,
  }
}

function timestampOf(resetTo: ResetTo): number {
  return typeof resetTo === 'object' ? resetTo.timestampMs : TIMESTAMPS[resetTo]
}

function byTopic(asked: readonly Asked[]): readonly [string, readonly Asked[]][] {
  const topics = new Map<string, Asked[]>()
  for (const one of asked) {
    const known = topics.get(one.partition.topic)
    if (known === undefined) topics.set(one.partition.topic, [one])
    else known.push(one)
  }
  return [...topics]
}
