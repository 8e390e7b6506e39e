/**
 * Random logs of transactions, fetched in random pieces, and an oracle that knows how each transaction ended because it
 * wrote them: what a read_committed reader must see, to hold against what a filter lets through.
 *
 * A log has several producers with overlapping transactions that commit, abort, abort again, stay open, or hold nothing but
 * their marker; plain and idempotent records between them; keys that look like markers; batches that were emptied by compaction.
 * The list of aborted transactions is made as a broker makes it (all whose range touches what is returned), shuffled, and with
 * entries repeated.
 */
import { buildMarkerBatch } from '../../../protocol/control-record.ts'
import type { Compression } from '../../../protocol/record-batch.ts'
import { buildBatch, NO_PRODUCER_ID } from '../../../protocol/record-batch.ts'
import type { AbortedTransaction } from './aborted-filter.ts'

/** 0 … limit - 1. */
export type Draw = (limit: number) => number

export interface LogBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly producerId: number
  readonly isTransactional: boolean
  /** Of a marker; `undefined` for data. */
  readonly marker: 'COMMIT' | 'ABORT' | undefined
  /** Compaction has taken its records. */
  readonly isEmptied: boolean
  readonly keys: readonly (Uint8Array | null)[]
  /** Which transaction of its producer it belongs to; `undefined` outside one. */
  readonly transaction: LoggedTransaction | undefined
}

export interface LoggedTransaction {
  readonly producerId: number
  firstOffset: number | undefined
  /** Of its marker. */
  lastOffset: number | undefined
  outcome: 'COMMIT' | 'ABORT' | undefined
}

export interface RandomLog {
  readonly batches: readonly LogBatch[]
  readonly transactions: readonly LoggedTransaction[]
  readonly lastStableOffset: number
  /** What is to be seen, from the first offset on. */
  readonly committed: readonly number[]
}

const KEYS: readonly (Uint8Array | null)[] = [
  null,
  Buffer.from('key'),
  // What markers have as keys: version 0, ABORT and COMMIT.
  Buffer.from([0, 0, 0, 0]),
  Buffer.from([0, 0, 0, 1]),
]

export function randomLog(draw: Draw): RandomLog {
  const producers = Array.from({ length: 1 + draw(4) }, (_, index) => 1_000 + index)
  const open = new Map<number, LoggedTransaction>()
  const batches: LogBatch[] = []
  const transactions: LoggedTransaction[] = []
  let offset = draw(3)
  const add = (batch: Omit<LogBatch, 'baseOffset' | 'lastOffset'>, count: number): void => {
    batches.push({ ...batch, baseOffset: offset, lastOffset: offset + count - 1 })
    offset += count
    // Compaction leaves gaps.
    if (draw(12) === 0) offset += draw(4)
  }
  for (let step = 4 + draw(40); step > 0; step -= 1) {
    const producerId = producers[draw(producers.length)] as number
    const transaction = open.get(producerId)
    const kind = draw(10)
    if (kind < 5) {
      const current = transaction ?? { producerId, firstOffset: undefined, lastOffset: undefined, outcome: undefined }
      if (transaction === undefined) {
        open.set(producerId, current)
        transactions.push(current)
      }
      const count = 1 + draw(4)
      current.firstOffset ??= offset
      const keys = Array.from({ length: count }, () => KEYS[draw(KEYS.length)] as Uint8Array | null)
      add(
        { producerId, isTransactional: true, marker: undefined, isEmptied: draw(15) === 0, keys, transaction: current },
        count,
      )
    } else if (kind < 8) {
      // A marker may come for a transaction that wrote nothing here.
      const marker = draw(2) === 0 ? 'COMMIT' : 'ABORT'
      if (transaction !== undefined) {
        transaction.outcome = marker
        transaction.lastOffset = offset
        open.delete(producerId)
      }
      add({ producerId, isTransactional: true, marker, isEmptied: false, keys: [], transaction: undefined }, 1)
    } else {
      const isIdempotent = draw(2) === 0
      const count = 1 + draw(3)
      const keys = Array.from({ length: count }, () => KEYS[draw(KEYS.length)] as Uint8Array | null)
      const id = isIdempotent ? 2_000 + draw(2) : NO_PRODUCER_ID
      add(
        { producerId: id, isTransactional: false, marker: undefined, isEmptied: false, keys, transaction: undefined },
        count,
      )
    }
  }
  const firstOpen = Math.min(...[...open.values()].map(({ firstOffset }) => firstOffset ?? offset), offset)
  const committed = batches.flatMap((batch) => {
    const isSeen =
      batch.marker === undefined &&
      !batch.isEmptied &&
      batch.lastOffset < firstOpen &&
      (batch.transaction === undefined || batch.transaction.outcome === 'COMMIT')
    return isSeen ? batch.keys.map((_, index) => batch.baseOffset + index) : []
  })
  return { batches, transactions, lastStableOffset: firstOpen, committed }
}

export interface FetchedPiece {
  readonly batches: readonly LogBatch[]
  readonly aborted: readonly AbortedTransaction[]
}

/** Batches from the one that holds `fetchOffset` on, cut after any of them, and what a broker says about them. */
export function fetchPiece(log: RandomLog, fetchOffset: number, draw: Draw): FetchedPiece {
  const readable = log.batches.filter(
    ({ lastOffset }) => lastOffset >= fetchOffset && lastOffset < log.lastStableOffset,
  )
  const batches = readable.slice(0, 1 + draw(readable.length === 0 ? 1 : Math.min(readable.length, 8)))
  const end = (batches.at(-1)?.lastOffset ?? fetchOffset) + 1
  const aborted = log.transactions.flatMap(({ producerId, firstOffset, lastOffset, outcome }) =>
    outcome === 'ABORT' && firstOffset !== undefined && (lastOffset ?? 0) >= fetchOffset && firstOffset < end
      ? [{ producerId, firstOffset }]
      : [],
  )
  const repeated = aborted.filter(() => draw(4) === 0)
  return { batches, aborted: shuffled([...aborted, ...repeated], draw) }
}

function shuffled<T>(items: T[], draw: Draw): T[] {
  for (let index = items.length - 1; index > 0; index -= 1) {
    const other = draw(index + 1)
    ;[items[index], items[other]] = [items[other] as T, items[index] as T]
  }
  return items
}

const CODECS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** As it would come over the wire. */
export function encodePiece(piece: FetchedPiece, draw: Draw): Uint8Array {
  const encoded = piece.batches.map((batch) => {
    const { baseOffset, lastOffset, producerId, marker, isTransactional, isEmptied } = batch
    if (marker !== undefined) {
      return buildMarkerBatch({
        markerType: marker,
        producerId,
        producerEpoch: 0,
        coordinatorEpoch: 1,
        timestampMs: 0,
        baseOffset,
        partitionLeaderEpoch: 0,
      })
    }
    const bytes = buildBatch({
      records: batch.keys.map((key) => ({ timestamp: 0, key, value: Buffer.from('value') })),
      compression: CODECS[draw(CODECS.length)] as Compression,
      baseOffset,
      producerId,
      producerEpoch: producerId === NO_PRODUCER_ID ? -1 : 0,
      baseSequence: producerId === NO_PRODUCER_ID ? -1 : 0,
      isTransactional,
    })
    return isEmptied ? emptied(bytes, lastOffset - baseOffset) : bytes
  })
  return Buffer.concat(encoded)
}

/** The header alone, with a count of 0: what compaction leaves of a batch that must keep its place. */
function emptied(batch: Uint8Array, lastOffsetDelta: number): Uint8Array {
  const header = Buffer.from(batch.subarray(0, 61))
  header.writeInt32BE(61 - 12, 8)
  header.writeInt16BE(header.readInt16BE(21) & ~0x07, 21)
  header.writeInt32BE(lastOffsetDelta, 23)
  header.writeInt32BE(0, 57)
  return header
}
