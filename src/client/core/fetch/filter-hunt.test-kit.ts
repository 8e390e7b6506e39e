/** One random log, read from a random offset in random pieces to its end: what a filter let through, and what it should have. */
import { SimRandom } from '../../../testing/sim-random.ts'
import type { AbortedTransaction } from './aborted-filter.ts'
import { AbortedFilter } from './aborted-filter.ts'
import { type Draw, encodePiece, fetchPiece, type LogBatch, randomLog } from './filter-oracle.test-kit.ts'
import { FetchedChunk } from './fetched-chunk.ts'

/** Offsets that a reader of these batches would get. */
export type FilterUnderTest = (
  batches: readonly LogBatch[],
  aborted: readonly AbortedTransaction[],
) => readonly number[]

export const semelFilter: FilterUnderTest = (batches, aborted) => {
  const filter = new AbortedFilter(aborted)
  return batches.flatMap((batch) => {
    const { lastOffset, producerId, isTransactional, marker } = batch
    const isKept = filter.keeps({ lastOffset, producerId, isTransactional, isControl: marker !== undefined }, marker)
    return isKept && !batch.isEmptied ? batch.keys.map((_, index) => batch.baseOffset + index) : []
  })
}

export interface HuntResult {
  readonly seen: readonly number[]
  readonly expected: readonly number[]
  readonly fetches: number
}

export function drawOf(seed: number): Draw {
  const random = new SimRandom(seed)
  return (limit) => random.below(limit)
}

/** @param filter  what decides; the whole path from bytes on (decompression, positions) when it is 'bytes' */
export function hunt(seed: number, filter: FilterUnderTest | 'bytes'): HuntResult {
  const draw = drawOf(seed)
  const log = randomLog(draw)
  const start = draw(Math.max(1, log.lastStableOffset))
  const seen: number[] = []
  let position = start
  let fetches = 0
  while (position < log.lastStableOffset) {
    const piece = fetchPiece(log, position, draw)
    if (piece.batches.length === 0) break
    fetches += 1
    if (filter === 'bytes') {
      const chunk = FetchedChunk.of(encodePiece(piece, draw), position, piece.aborted, {
        checkCrcs: false,
        maxDecompressedBytes: 1_000_000,
        isolationLevel: 'read_committed',
      })
      for (let open = chunk.openNext(position); open !== undefined; open = chunk.openNext(position)) {
        for (const { offset } of open.records.slice(open.at)) seen.push(offset)
      }
      position = chunk.nextOffset
    } else {
      for (const offset of filter(piece.batches, piece.aborted)) if (offset >= position) seen.push(offset)
      position = (piece.batches.at(-1) as LogBatch).lastOffset + 1
    }
  }
  return { seen, expected: log.committed.filter((offset) => offset >= start), fetches }
}

export function isRight({ seen, expected }: HuntResult): boolean {
  return seen.length === expected.length && seen.every((offset, index) => offset === expected[index])
}
