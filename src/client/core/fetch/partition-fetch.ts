/**
 * One assigned partition of a consumer: where it stands, what was fetched of it, and what has to be asked first.
 *
 * Owns the moves between states (SPEC.md), and that an answer to an older question changes nothing: each change of the
 * position from outside raises `version`, and answers carry the version of their request.
 */
import type { KafkaError } from '../../errors.ts'
import type { FetchedChunk, OpenBatch } from './fetched-chunk.ts'

/** Where reading begins when there is no committed offset, or it is out of range. */
export type StartFrom = 'earliest' | 'latest' | 'none'
/** What ListOffsets is asked for. */
export type ResetTo = 'earliest' | 'latest' | { readonly timestampMs: number }

export interface Position {
  /** The next offset to hand out. */
  readonly offset: number
  /** Of the record before it; -1 when it is not known. */
  readonly leaderEpoch: number
}

/**
 * - `NeedsCommitted`: the group must be asked for the committed offset.
 * - `NeedsReset`: ListOffsets must say where to begin.
 * - `NeedsValidation`: the leader changed; it must say whether its log still holds what was read.
 * - `Fetching`: the position is known and good.
 * - `Failed`: the error is handed to the consumer; a seek goes on.
 */
export type PartitionState =
  | { readonly state: 'NeedsCommitted' }
  | { readonly state: 'NeedsReset'; readonly resetTo: ResetTo }
  | { readonly state: 'NeedsValidation' }
  | { readonly state: 'Fetching' }
  | { readonly state: 'Failed'; readonly error: KafkaError }

export class PartitionFetch {
  readonly topic: string
  readonly partition: number
  readonly key: string
  state: PartitionState = { state: 'NeedsCommitted' }
  isPaused = false
  version = 0
  /** Nothing is asked about it before; monotonic, ms. */
  notBeforeMs = 0
  failures = 0
  isAsking = false
  highWatermark: number | undefined
  lastStableOffset: number | undefined
  logStartOffset: number | undefined
  /** Leader epoch that the position was last found good with. */
  validatedLeaderEpoch = -1
  bufferedBytes = 0
  readonly chunks: FetchedChunk[] = []
  open: OpenBatch | undefined
  #position: Position | undefined
  #fetchOffset = 0

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
    this.key = `${topic}/${partition}`
  }

  get position(): Position | undefined {
    return this.#position
  }

  /** Where the next Fetch begins: behind what is buffered. */
  get fetchOffset(): number {
    return this.#fetchOffset
  }

  get isFetching(): boolean {
    return this.state.state === 'Fetching'
  }

  /** The consumer goes elsewhere: whatever was asked or fetched before is void. */
  moveTo(position: Position): void {
    this.#begin(position)
    this.state = { state: 'Fetching' }
  }

  resetTo(resetTo: ResetTo): void {
    this.#forget()
    this.#position = undefined
    this.state = { state: 'NeedsReset', resetTo }
  }

  fail(error: KafkaError): void {
    this.version += 1
    this.state = { state: 'Failed', error }
  }

  needsValidation(): void {
    this.version += 1
    this.#dropBuffers()
    if (this.#position !== undefined) this.#fetchOffset = this.#position.offset
    this.state = { state: 'NeedsValidation' }
  }

  validated(leaderEpoch: number): void {
    this.validatedLeaderEpoch = leaderEpoch
    this.state = { state: 'Fetching' }
  }

  /** Records up to `offset` were handed out, or there is nothing for the consumer below it. */
  advance(offset: number, leaderEpoch: number): void {
    this.#position = { offset, leaderEpoch }
  }

  addChunk(chunk: FetchedChunk): void {
    this.#fetchOffset = chunk.nextOffset
    this.chunks.push(chunk)
    this.bufferedBytes += chunk.sizeBytes
  }

  dropFirstChunk(): void {
    const chunk = this.chunks.shift()
    if (chunk !== undefined) this.bufferedBytes -= chunk.sizeBytes
    this.open = undefined
  }

  #begin(position: Position): void {
    this.#forget()
    this.#position = position
    this.#fetchOffset = position.offset
  }

  #forget(): void {
    this.version += 1
    this.failures = 0
    this.notBeforeMs = 0
    this.isAsking = false
    this.#dropBuffers()
  }

  #dropBuffers(): void {
    this.chunks.length = 0
    this.bufferedBytes = 0
    this.open = undefined
  }
}
