/** Places in logs: the first and the last offset, the last stable one, those of a time. */
import { listOffsets } from '../../protocol/messages/list-offsets.ts'
import type { TopicPartition } from '../topic.ts'
import { type AdminContext, byTopic } from './admin-call.ts'
import { askForEach, LEADER_FINAL_CODES, partitionKey, toLeaders } from './item-calls.ts'

/** A named place in a log, or the first record that is not older. */
export type OffsetSpec = 'earliest' | 'latest' | 'max-timestamp' | { readonly timestampMs: number }

export interface ListedOffset extends TopicPartition {
  /** `undefined`: no record is that young. */
  readonly offset: number | undefined
  readonly timestampMs: number | undefined
  readonly leaderEpoch: number
}

export type IsolationLevel = 'read_committed' | 'read_uncommitted'
export type WantedOffset = TopicPartition & { readonly at: OffsetSpec }

const NAMED = { latest: -1, earliest: -2, 'max-timestamp': -3 } as const
const MAX_TIMESTAMP_VERSION = 7

/** In the order of `wanted`. A partition may be asked for more than once. */
export async function offsetsOf(
  context: AdminContext,
  wanted: readonly WantedOffset[],
  isolationLevel: IsolationLevel,
): Promise<readonly ListedOffset[]> {
  // One request must not name a partition twice.
  const rounds: { readonly index: number; readonly one: WantedOffset }[][] = []
  const timesAsked = new Map<string, number>()
  for (const [index, one] of wanted.entries()) {
    const key = partitionKey(one)
    const round = timesAsked.get(key) ?? 0
    timesAsked.set(key, round + 1)
    const entry = { index, one }
    if (round < rounds.length) rounds[round]?.push(entry)
    else rounds.push([entry])
  }
  const found: ListedOffset[] = []
  const results = await Promise.allSettled(
    rounds.map(async (round) => {
      const offsets = await askOffsets(
        context,
        round.map(({ one }) => one),
        isolationLevel,
      )
      for (const [position, offset] of offsets.entries()) found[round[position]?.index as number] = offset
    }),
  )
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return found
}

/** The same place of each. */
export function offsetsAt(
  context: AdminContext,
  partitions: readonly TopicPartition[],
  at: OffsetSpec,
  isolationLevel: IsolationLevel,
): Promise<readonly ListedOffset[]> {
  return offsetsOf(
    context,
    partitions.map(({ topic, partition }) => ({ topic, partition, at })),
    isolationLevel,
  )
}

function askOffsets(
  context: AdminContext,
  wanted: readonly WantedOffset[],
  isolationLevel: IsolationLevel,
): Promise<readonly ListedOffset[]> {
  return askForEach(context, wanted, toLeaders<WantedOffset>(context), {
    api: listOffsets,
    ...(wanted.some(({ at }) => at === 'max-timestamp') ? { minVersion: MAX_TIMESTAMP_VERSION } : {}),
    keyOf: (one) => partitionKey(one),
    about: ({ topic, partition }) => ({ topic, partition }),
    finalCodes: LEADER_FINAL_CODES,
    body: (all) => ({
      replicaId: -1,
      isolationLevel: isolationLevel === 'read_committed' ? 1 : 0,
      topics: byTopic(all).map((topic) => ({
        name: topic.name,
        partitions: topic.all.map(({ partition, at }) => ({
          partitionIndex: partition,
          timestamp: typeof at === 'object' ? at.timestampMs : NAMED[at],
        })),
      })),
      timeoutMs: context.requestTimeoutMs,
    }),
    outcomes: ({ topics }) =>
      topics.flatMap(({ name: topic, partitions }) =>
        partitions.map(({ partitionIndex: partition, errorCode, offset, timestamp, leaderEpoch }) => ({
          key: partitionKey({ topic, partition }),
          code: errorCode,
          value: {
            topic,
            partition,
            offset: offset < 0 ? undefined : offset,
            timestampMs: timestamp < 0 ? undefined : timestamp,
            leaderEpoch,
          },
        })),
      ),
  })
}
