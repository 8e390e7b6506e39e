/**
 * A reader that follows every partition while a workload runs and writes down what it is shown, the moment it is shown: none of it
 * may be taken back by a crash, whether or not anybody was told that it is stored.
 */
import { fetch } from '../../protocol/messages/fetch.ts'
import { ConnectionClosed } from '../wire-client.ts'
import type { WireClient } from '../wire-client.ts'
import type { Place } from './facts.ts'
import { nameOf } from './facts.ts'
import type { Participant } from './participant.ts'
import { startOf, takeRecords } from './reader.ts'

const WAIT_MS = 20
const FETCH_BYTES_MAX = 1_000_000

interface Watched {
  readonly place: Place
  readonly incarnation: number
  readonly aborted: Set<number>
  offset: number
  highWatermark: number
}

/** Ends when the connection does. @param participant  whose knowledge grows, and who says which topics there are */
export async function watch(wire: WireClient, participant: Participant, isolationLevel: 0 | 1): Promise<void> {
  const watched = new Map<string, Watched>()
  try {
    while (!wire.isClosed) {
      const current = placesOf(participant, watched)
      if (current.length === 0) await participant.pause(WAIT_MS)
      else await follow(wire, participant, current, isolationLevel)
    }
  } catch (error) {
    // The broker was stopped, or killed.
    if (!(error instanceof ConnectionClosed)) throw error
  }
}

function placesOf({ ledger }: Participant, watched: Map<string, Watched>): Watched[] {
  const places: Watched[] = []
  for (const { topic, state, incarnation, partitions } of ledger.topics.values()) {
    for (let partition = 0; state === 'there' && partition < partitions; partition += 1) {
      const place = { topic, partition }
      const key = `${nameOf(place)}@${incarnation}`
      const known = watched.get(key) ?? { place, incarnation, aborted: new Set(), offset: 0, highWatermark: 0 }
      watched.set(key, known)
      places.push(known)
    }
  }
  return places
}

async function follow(
  wire: WireClient,
  participant: Participant,
  places: readonly Watched[],
  isolationLevel: 0 | 1,
): Promise<void> {
  const topics = places.map(({ place, offset }) => ({
    topic: place.topic,
    partitions: [{ partition: place.partition, fetchOffset: offset, partitionMaxBytes: FETCH_BYTES_MAX }],
  }))
  const { responses } = await wire.request(fetch, 11, { maxWaitMs: WAIT_MS, minBytes: 1, isolationLevel, topics })
  let isStale = false
  for (const { topic, partitions } of responses) {
    for (const partition of partitions) {
      const known = places.find(({ place }) => place.topic === topic && place.partition === partition.partitionIndex)
      if (known === undefined) continue
      const now = participant.ledger.topics.get(topic)
      const isSame = now?.state === 'there' && now.incarnation === known.incarnation
      if (!isSame || partition.errorCode !== 'NONE') {
        if (partition.errorCode === 'OFFSET_OUT_OF_RANGE') known.offset = await startOf(wire, known.place)
        isStale = true
        continue
      }
      const { logStartOffset, highWatermark } = partition
      const { records, nextOffset } = takeRecords(known.aborted, partition, known.offset)
      if (records.length === 0 && highWatermark === known.highWatermark) continue
      Object.assign(known, { offset: nextOffset, highWatermark })
      const { place } = known
      const isCommitted = isolationLevel === 1
      participant.note({ kind: 'shown', place, isCommitted, records, logStartOffset, highWatermark })
    }
  }
  if (isStale) await participant.pause(WAIT_MS)
}
