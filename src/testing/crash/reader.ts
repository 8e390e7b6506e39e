/** Reads whole partitions as consumers of either isolation level do, several of them with one request. */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { fetch } from '../../protocol/messages/fetch.ts'
import { listOffsets } from '../../protocol/messages/list-offsets.ts'
import { batches, readRecords } from '../../protocol/record-batch.ts'
import type { WireClient } from '../wire-client.ts'
import type { Place } from './facts.ts'
import { nameOf } from './facts.ts'

const EARLIEST = -2
const DECOMPRESSED_BYTES_MAX = 1_000_000
const FETCH_BYTES_MAX = 50_000_000

export interface ReadPlace {
  readonly place: Place
  /** What an application is handed: markers and, with read_committed, aborted transactions are left out. */
  readonly records: Map<number, string>
  logStartOffset: number
  highWatermark: number
  lastStableOffset: number
  /** Why the rest could not be read. */
  error: ErrorCode
}

/** @param from  where each begins; a place whose log begins later is read from there */
export async function readAll(
  wire: WireClient,
  from: readonly { readonly place: Place; readonly offset: number }[],
  isolationLevel: 0 | 1,
): Promise<Map<string, ReadPlace>> {
  const found = new Map<string, ReadPlace>()
  let next = new Map(from.map((start) => [nameOf(start.place), start]))
  for (const { place } of from) {
    const unknown = { logStartOffset: -1, highWatermark: -1, lastStableOffset: -1, error: 'NONE' as const }
    found.set(nameOf(place), { place, records: new Map(), ...unknown })
  }
  const aborted = new Map<string, Set<number>>()
  while (next.size > 0) {
    const topics = Array.from(next.values(), ({ place, offset }) => ({
      topic: place.topic,
      partitions: [{ partition: place.partition, fetchOffset: offset, partitionMaxBytes: FETCH_BYTES_MAX }],
    }))
    const { responses } = await wire.request(fetch, 11, { maxWaitMs: 0, minBytes: 0, isolationLevel, topics })
    const again: typeof next = new Map()
    for (const { topic, partitions } of responses) {
      for (const partition of partitions) {
        const place = { topic, partition: partition.partitionIndex }
        const name = nameOf(place)
        const read = found.get(name) as ReadPlace
        if (partition.errorCode === 'OFFSET_OUT_OF_RANGE') {
          const start = next.get(name)?.offset ?? 0
          const offset = await startOf(wire, place)
          if (offset > start) {
            again.set(name, { place, offset })
            continue
          }
        }
        read.error = partition.errorCode
        if (partition.errorCode !== 'NONE') continue
        read.logStartOffset = partition.logStartOffset
        read.highWatermark = partition.highWatermark
        read.lastStableOffset = partition.lastStableOffset
        const skipped = aborted.get(name) ?? new Set()
        aborted.set(name, skipped)
        const offset = next.get(name)?.offset ?? 0
        const { records, nextOffset } = takeRecords(skipped, partition, offset)
        for (const [at, value] of records) read.records.set(at, value)
        if (nextOffset > offset) again.set(name, { place, offset: nextOffset })
      }
    }
    next = again
  }
  return found
}

interface FetchedPartition {
  readonly records: Uint8Array | null
  readonly abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[] | null
}

/**
 * What an application is handed of one answer: markers and, with read_committed, aborted transactions are left out.
 * @param aborted  of whom records are left out, over all answers for the partition
 */
export function takeRecords(
  aborted: Set<number>,
  fetched: FetchedPartition,
  from: number,
): { readonly records: (readonly [offset: number, value: string])[]; readonly nextOffset: number } {
  const records: [number, string][] = []
  const open = (fetched.abortedTransactions ?? []).toSorted((a, b) => a.firstOffset - b.firstOffset)
  let nextOffset = from
  for (const { header, bytes } of batches(fetched.records ?? new Uint8Array(0))) {
    while (open[0] !== undefined && open[0].firstOffset <= header.lastOffset) {
      aborted.add(open[0].producerId)
      open.shift()
    }
    nextOffset = header.lastOffset + 1
    if (header.isControl) {
      aborted.delete(header.producerId)
      continue
    }
    if (header.isTransactional && aborted.has(header.producerId)) continue
    for (const { offset, value } of readRecords(bytes, { maxDecompressedBytes: DECOMPRESSED_BYTES_MAX })) {
      if (offset >= from) records.push([offset, value === null ? '' : Buffer.from(value).toString()])
    }
  }
  return { records, nextOffset }
}

/** The log start offset. */
export async function startOf(wire: WireClient, { topic, partition }: Place): Promise<number> {
  const partitions = [{ partitionIndex: partition, timestamp: EARLIEST }]
  const draft = { replicaId: -1, isolationLevel: 0, topics: [{ name: topic, partitions }] }
  const { topics } = await wire.request(listOffsets, 6, draft)
  return topics[0]?.partitions[0]?.offset ?? -1
}
