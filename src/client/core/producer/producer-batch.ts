/**
 * A batch on its way from the first record to the last answer: its records' bytes, whom to tell, how often it was tried.
 *
 * Owns: telling each caller exactly once. Leaves to others: numbering (sequences.ts), whether to try again (produce-sender.ts).
 */
import { assert } from '../../../base/assert.ts'
import type { Compression } from '../../../protocol/compression/compression.ts'
import { NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, readRecords } from '../../../protocol/record-batch.ts'
import { KafkaError } from '../../errors.ts'
import type { BytesIn, EncodedBatch, HeaderDraft } from './batch-builder.ts'
import { BatchBuilder } from './batch-builder.ts'
import type { PartitionState } from './partition-state.ts'
import type { Sequenced } from './sequences.ts'

/**
 * One call of `send`, which may have records in several batches. A record is known by its index in the call; `index` and
 * `count` name several one after the other, which lie one after the other in the partition as well.
 */
export interface SendCall {
  /** @param baseOffset  of record `index`; -1: not known. @param logAppendTimeMs  -1 unless the topic stamps records itself */
  acknowledged(index: number, count: number, partition: number, baseOffset: number, logAppendTimeMs: number): void
  failed(index: number, count: number, error: KafkaError): void
}

/** Told when all batches that it was given to are done, however they ended. */
export interface Barrier {
  pending: number
  done(): void
}

export interface RecordError {
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string | null
}

const DECOMPRESSED_BYTES_MAX = 1 << 30

export class ProducerBatch implements Sequenced {
  readonly partition: PartitionState
  /** When the first record was sent; monotonic. */
  readonly createdMs: number
  /** By then it is acknowledged or has failed. */
  readonly deadlineMs: number
  readonly builder: BatchBuilder
  producerId = NO_PRODUCER_ID
  producerEpoch = NO_PRODUCER_EPOCH
  baseSequence = NO_SEQUENCE
  /** Requests that were made with it. */
  attempts = 0
  /** Not to be tried before; monotonic. */
  retryAtMs = 0
  /** Where it went last. */
  lastLeaderId: number | undefined
  /** In a request that has no reply. */
  isInFlight = false
  /** An attempt ended without it being known whether the broker has stored it. */
  mayBeStored = false
  /** The last error that did not end it. */
  lastError: KafkaError | undefined
  readonly barriers: Barrier[] = []
  /** Runs of records of one call: parallel arrays, so that a batch of thousands of sends costs no objects. */
  readonly #calls: (SendCall | undefined)[] = []
  readonly #firstIndexes: number[] = []
  readonly #counts: number[] = []
  #encoded: EncodedBatch | undefined
  #isDone = false

  constructor(partition: PartitionState, createdMs: number, deadlineMs: number, initialBytes: number) {
    this.partition = partition
    this.createdMs = createdMs
    this.deadlineMs = deadlineMs
    this.builder = new BatchBuilder(initialBytes)
  }

  get recordCount(): number {
    return this.builder.recordCount
  }

  get hasSequence(): boolean {
    return this.baseSequence !== NO_SEQUENCE
  }

  get isClosed(): boolean {
    return this.#encoded !== undefined
  }

  /** Its callers know how it ended. */
  get isDone(): boolean {
    return this.#isDone
  }

  get sizeBytes(): number {
    return this.#encoded?.sizeBytes ?? this.builder.sizeBytes
  }

  /** What it counts for in the memory of the producer. */
  get bufferedBytes(): number {
    return this.builder.sizeBytes
  }

  append(
    timestampMs: number,
    key: BytesIn | null,
    keyBytes: number,
    value: BytesIn | null,
    valueBytes: number,
    headers: readonly HeaderDraft[] | undefined,
    call: SendCall | undefined,
    index: number,
  ): void {
    this.builder.append(timestampMs, key, keyBytes, value, valueBytes, headers)
    const last = this.#calls.length - 1
    if (last >= 0 && this.#calls[last] === call) {
      const count = this.#counts[last]!
      if (call === undefined || this.#firstIndexes[last]! + count === index) {
        this.#counts[last] = count + 1
        return
      }
    }
    this.#calls.push(call)
    this.#firstIndexes.push(index)
    this.#counts.push(1)
  }

  close(compression: Compression): EncodedBatch {
    this.#encoded ??= this.builder.close(compression)
    return this.#encoded
  }

  get encoded(): EncodedBatch {
    assert(this.#encoded !== undefined, 'the batch was closed')
    return this.#encoded
  }

  /** @param baseOffset  -1: not known */
  complete(baseOffset: number, logAppendTimeMs: number): void {
    if (!this.#finish()) return
    let offset = baseOffset
    for (let run = 0; run < this.#calls.length; run++) {
      const count = this.#counts[run]!
      this.#calls[run]?.acknowledged(this.#firstIndexes[run]!, count, this.partition.partition, offset, logAppendTimeMs)
      if (offset >= 0) offset += count
    }
    this.#passBarriers()
  }

  /** @param recordErrors  which records were at fault, where the broker tells; the others failed with them */
  fail(error: KafkaError, recordErrors: readonly RecordError[] = []): void {
    if (!this.#finish()) return
    const details = new Map(recordErrors.map((one) => [one.batchIndex, one.batchIndexErrorMessage]))
    let inBatch = 0
    for (let run = 0; run < this.#calls.length; run++) {
      const call = this.#calls[run]
      const first = this.#firstIndexes[run]!
      const count = this.#counts[run]!
      if (details.size === 0) call?.failed(first, count, error)
      else {
        for (let index = 0; index < count; index++)
          call?.failed(first + index, 1, recordError(error, details, inBatch + index))
      }
      inBatch += count
    }
    this.#passBarriers()
  }

  /**
   * Batches of at most `targetBytes`, or of one record, with the same records, callers and deadline. This one is then done
   * without having told anybody.
   */
  split(targetBytes: number): ProducerBatch[] {
    assert(this.recordCount > 1, 'one record cannot be split')
    const records = readRecords(this.encoded.bytes, { maxDecompressedBytes: DECOMPRESSED_BYTES_MAX })
    const parts: ProducerBatch[] = []
    let run = 0
    let inRun = 0
    for (const record of records) {
      const keyBytes = record.key?.length ?? -1
      const valueBytes = record.value?.length ?? -1
      let part = parts.at(-1)
      if (
        part === undefined ||
        part.builder.sizeBytes + Math.max(0, keyBytes) + Math.max(0, valueBytes) > targetBytes
      ) {
        part = new ProducerBatch(this.partition, this.createdMs, this.deadlineMs, targetBytes)
        part.mayBeStored = this.mayBeStored
        for (const barrier of this.barriers) part.holdUp(barrier)
        parts.push(part)
      }
      const call = this.#calls[run]
      const index = this.#firstIndexes[run]! + inRun
      part.append(record.timestamp, record.key, keyBytes, record.value, valueBytes, record.headers, call, index)
      inRun += 1
      if (inRun === this.#counts[run]) {
        run += 1
        inRun = 0
      }
    }
    this.#isDone = true
    this.#passBarriers()
    return parts
  }

  /** The barrier waits for this batch. */
  holdUp(barrier: Barrier): void {
    barrier.pending += 1
    this.barriers.push(barrier)
  }

  #finish(): boolean {
    if (this.#isDone) return false
    this.#isDone = true
    return true
  }

  #passBarriers(): void {
    for (const barrier of this.barriers.splice(0)) {
      barrier.pending -= 1
      if (barrier.pending === 0) barrier.done()
    }
  }
}

function recordError(error: KafkaError, details: ReadonlyMap<number, string | null>, inBatch: number): KafkaError {
  const options = { recovery: error.recovery, ...(error.request !== undefined && { request: error.request }) }
  const detail = details.get(inBatch)
  if (detail === undefined) {
    const { code } = error
    return new KafkaError(code, 'the record is fine, but another one in its batch was refused; send it again', {
      ...options,
      recovery: 'retry',
      cause: error,
    })
  }
  return new KafkaError(error.code, detail ?? error.message, { ...options, cause: error })
}
