/**
 * Follows the producers and transactions of one log from batch header to batch header, as a reader who must believe
 * what is there: it refuses nothing and takes note of what is unusual. What a broker decides is core/partition.
 */
import type { Marker } from '../../protocol/control-record.ts'
import { advanceSequence, NO_PRODUCER_ID, NO_SEQUENCE } from '../../protocol/record-batch.ts'
import type { BatchHeader } from '../../protocol/record-batch.ts'

/** An aborted transaction as the walk saw it; `undefined` is what began before the walk did. */
export interface WalkedAbort {
  readonly producerId: number
  readonly firstOffset: number | undefined
  readonly lastOffset: number
  readonly lastStableOffset: number | undefined
}

interface WalkedProducer {
  producerEpoch: number
  /** NO_SEQUENCE: the next batch begins the epoch. */
  lastSequence: number
  firstOffset: number | undefined
  /** A transaction that this one has open began where the walk saw it: not so for the first one met on the way. */
  isSeenFromStart: boolean
}

/** Of each kind of oddity so many are told one by one. */
const TOLD_MAX = 5

export class TransactionWalk {
  /** Whether the walk began where the log did: then it knows of every transaction. */
  readonly #isComplete: boolean
  readonly #producers = new Map<number, WalkedProducer>()
  /** Open transactions by producer id, in the order of their first offsets. */
  readonly #open = new Map<number, { readonly firstOffset: number; readonly producerEpoch: number }>()
  readonly #gaps = new Told()
  readonly #idleMarkers = new Told()
  #endOffset = 0
  committed = 0
  aborted = 0

  constructor(isComplete: boolean) {
    this.#isComplete = isComplete
  }

  get producerCount(): number {
    return this.#producers.size
  }

  get openCount(): number {
    return this.#open.size
  }

  /** As far as the log was walked. */
  get lastStableOffset(): number {
    return this.#firstOpenOffset ?? this.#endOffset
  }

  get #firstOpenOffset(): number | undefined {
    return this.#open.values().next().value?.firstOffset
  }

  /** @returns the aborted transaction that this marker ends */
  add(header: BatchHeader, marker: Marker | undefined): WalkedAbort | undefined {
    this.#endOffset = header.lastOffset + 1
    if (header.producerId === NO_PRODUCER_ID) return undefined
    const producer = this.#producers.get(header.producerId)
    return marker === undefined ? this.#addData(header, producer) : this.#addMarker(header, marker, producer)
  }

  #addData(header: BatchHeader, producer: WalkedProducer | undefined): undefined {
    const { producerId, producerEpoch, baseSequence, baseOffset } = header
    if (baseSequence !== NO_SEQUENCE && producer !== undefined) {
      const isSameEpoch = producer.producerEpoch === producerEpoch
      const isFirst = !isSameEpoch || producer.lastSequence === NO_SEQUENCE
      const expected = isFirst ? 0 : advanceSequence(producer.lastSequence, 1)
      if (baseSequence !== expected) {
        this.#gaps.add(
          `producer ${producerId} epoch ${producerEpoch}: sequence ${baseSequence} at offset ${baseOffset}, ${expected} expected`,
        )
      }
    }
    const firstOffset = producer?.firstOffset ?? (header.isTransactional ? baseOffset : undefined)
    if (header.isTransactional && producer?.firstOffset === undefined) {
      this.#open.set(producerId, { firstOffset: baseOffset, producerEpoch })
    }
    const lastSequence = baseSequence === NO_SEQUENCE ? (producer?.lastSequence ?? NO_SEQUENCE) : header.lastSequence
    const isSeenFromStart = producer?.isSeenFromStart ?? this.#isComplete
    this.#producers.set(producerId, { producerEpoch, lastSequence, firstOffset, isSeenFromStart })
  }

  #addMarker(
    header: BatchHeader,
    { markerType }: Marker,
    producer: WalkedProducer | undefined,
  ): WalkedAbort | undefined {
    const { producerId, producerEpoch, lastOffset } = header
    const firstOffset = producer?.firstOffset
    const isSeenFromStart = producer?.isSeenFromStart ?? this.#isComplete
    const isSameEpoch = producer?.producerEpoch === producerEpoch
    this.#open.delete(producerId)
    const lastSequence = isSameEpoch ? producer.lastSequence : NO_SEQUENCE
    this.#producers.set(producerId, { producerEpoch, lastSequence, firstOffset: undefined, isSeenFromStart: true })
    if (firstOffset === undefined && isSeenFromStart) {
      this.#idleMarkers.add(`${markerType} of producer ${producerId} at offset ${lastOffset}`)
      return undefined
    }
    if (markerType === 'COMMIT') {
      this.committed += 1
      return undefined
    }
    this.aborted += 1
    const lastStableOffset = this.#isComplete ? (this.#firstOpenOffset ?? lastOffset + 1) : undefined
    return { producerId, firstOffset: isSeenFromStart ? firstOffset : undefined, lastOffset, lastStableOffset }
  }

  /** What somebody who looks for a fault wants to know, none of it damage. */
  notes(): string[] {
    const open = new Told()
    for (const [producerId, { firstOffset, producerEpoch }] of this.#open) {
      open.add(`producer ${producerId} epoch ${producerEpoch} since offset ${firstOffset}`)
    }
    return [
      ...open.notes('open transaction', 'read_committed consumers wait there until it ends or times out'),
      ...this.#idleMarkers.notes(
        'marker without records',
        'normal where a partition was added to a transaction and not written to',
      ),
      ...this.#gaps.notes(
        'sequence gap',
        'normal after the producer was forgotten (producer.id.expiration.ms) or records were deleted',
      ),
    ]
  }
}

class Told {
  readonly #first: string[] = []
  #count = 0

  add(what: string): void {
    this.#count += 1
    if (this.#first.length < TOLD_MAX) this.#first.push(what)
  }

  notes(name: string, meaning: string): string[] {
    if (this.#count === 0) return []
    const rest = this.#count > this.#first.length ? `; and ${this.#count - this.#first.length} more` : ''
    return [`${this.#count} ${name}${this.#count === 1 ? '' : 's'} (${meaning}): ${this.#first.join('; ')}${rest}`]
  }
}
