/**
 * Records that were accepted and are not done: batches by partition, the memory they take, when they are ready, when their
 * time is up.
 *
 * Leaves to others: sending (produce-sender.ts), waiting for memory (the shell), choosing partitions (partitioner.ts).
 *
 * Invariants
 * - `bufferedBytes` is the sum over all batches that are not done; what does not fit `bufferMemoryBytes` is refused, unless
 *   nothing is buffered at all.
 * - Records of one partition are in its queue in the order of their appends.
 *
 * Source: org.apache.kafka.clients.producer.internals.RecordAccumulator.
 */
import { BATCH_OVERHEAD_BYTES } from '../../../protocol/record-batch.ts'
import type { Compression } from '../../../protocol/compression/compression.ts'
import type { BytesIn, HeaderDraft } from './batch-builder.ts'
import { bytesOf, headerBytesMax, RECORD_OVERHEAD_BYTES_MAX } from './batch-builder.ts'
import { PartitionState } from './partition-state.ts'
import { StickyPartitioner } from './partitioner.ts'
import type { Barrier, SendCall } from './producer-batch.ts'
import { ProducerBatch } from './producer-batch.ts'

export interface AccumulatorOptions {
  readonly lingerMs: number
  readonly batchSizeBytes: number
  readonly bufferMemoryBytes: number
  readonly deliveryTimeoutMs: number
  readonly compression: Compression
  /** Uniform over 0 … 2^32 - 1. */
  readonly random: () => number
}

/** What is appended. `key` and `value` as they go over the wire. */
export interface RecordDraft {
  readonly timestampMs: number
  readonly key: BytesIn | null
  readonly value: BytesIn | null
  readonly headers: readonly HeaderDraft[] | undefined
}

/** How far below its uncompressed size a batch may be expected to come. */
const COMPRESSION_RATIO_MIN = 0.1
/** The estimate rises fast and falls slowly: a batch that is too large costs more than one that is too small. */
const RATIO_RISE = 0.05
const RATIO_FALL = 0.005
/** Buffers begin at this size until it is known how full batches of the partition become. */
const INITIAL_BYTES = 1024

export class TopicState {
  readonly name: string
  readonly partitions: PartitionState[] = []
  readonly sticky: StickyPartitioner
  /** Compressed by uncompressed size, as expected of the next batch. */
  compressionRatio = 1
  /** Of the last batch that was closed, as a guess for the next one. */
  lastBatchBytes = INITIAL_BYTES

  constructor(name: string, sticky: StickyPartitioner) {
    this.name = name
    this.sticky = sticky
  }
}

export class Accumulator {
  readonly #options: AccumulatorOptions
  readonly #topics = new Map<string, TopicState>()
  /** Partitions with batches in their queue. */
  readonly #waiting = new Set<PartitionState>()
  readonly #incomplete = new Set<ProducerBatch>()
  #bufferedBytes = 0
  #nextDeadlineMs = Number.POSITIVE_INFINITY
  /** Batches are ready whatever `lingerMs` says while somebody waits for them, or memory is used up. */
  isFlushing = false

  constructor(options: AccumulatorOptions) {
    this.#options = options
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  get waitingPartitions(): ReadonlySet<PartitionState> {
    return this.#waiting
  }

  get incomplete(): ReadonlySet<ProducerBatch> {
    return this.#incomplete
  }

  topic(name: string): TopicState {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = new TopicState(name, new StickyPartitioner(this.#options.batchSizeBytes, this.#options.random))
      this.#topics.set(name, topic)
    }
    return topic
  }

  partition(topic: TopicState, index: number): PartitionState {
    const known = topic.partitions[index]
    if (known !== undefined) return known
    for (let missing = topic.partitions.length; missing <= index; missing++) {
      topic.partitions.push(new PartitionState(topic.name, missing))
    }
    return topic.partitions[index]!
  }

  /** The most bytes that the record can take in a batch. */
  recordBytesMax({ key, value, headers }: RecordDraft): number {
    const keyBytes = Math.max(0, bytesOf(key))
    const headerBytes = headers === undefined ? 0 : headerBytesMax(headers)
    return RECORD_OVERHEAD_BYTES_MAX + keyBytes + Math.max(0, bytesOf(value)) + headerBytes
  }

  /**
   * @param bytesMax  `recordBytesMax(record)`
   * @param sentMs  when the caller gave the record; monotonic
   * @returns false when the memory is used up
   */
  append(
    topic: TopicState,
    partition: PartitionState,
    record: RecordDraft,
    bytesMax: number,
    sentMs: number,
    call: SendCall | undefined,
    index: number,
  ): boolean {
    if (this.#bufferedBytes + bytesMax > this.#options.bufferMemoryBytes && this.#bufferedBytes > 0) return false
    let batch = partition.queue.at(-1)
    if (batch === undefined || batch.isClosed || batch.builder.sizeBytes + bytesMax > this.#uncompressedMax(topic)) {
      batch = this.#newBatch(topic, partition, sentMs, bytesMax)
    }
    const before = batch.bufferedBytes
    const { key, value } = record
    batch.append(record.timestampMs, key, bytesOf(key), value, bytesOf(value), record.headers, call, index)
    this.#bufferedBytes += batch.bufferedBytes - before
    return true
  }

  /** When the first batch in the queue may be sent, as far as filling it is concerned; monotonic. */
  readyMs(partition: PartitionState): number {
    const batch = partition.queue[0]
    if (batch === undefined) return Number.POSITIVE_INFINITY
    if (this.isFlushing || batch.isClosed || batch.barriers.length > 0 || partition.queue.length > 1)
      return batch.createdMs
    if (batch.builder.sizeBytes >= this.#options.batchSizeBytes) return batch.createdMs
    return batch.createdMs + this.#options.lingerMs
  }

  /** Takes the first batch out of the queue, closed. */
  take(partition: PartitionState): ProducerBatch {
    const batch = partition.queue.shift()!
    if (partition.queue.length === 0) this.#waiting.delete(partition)
    if (!batch.isClosed) {
      const encoded = batch.close(this.#options.compression)
      const topic = this.topic(partition.topic)
      topic.lastBatchBytes = encoded.uncompressedBytes
      if (this.#options.compression !== 'none') this.#learnRatio(topic, encoded.sizeBytes / encoded.uncompressedBytes)
    }
    return batch
  }

  /** It will be tried again. */
  putBack(batch: ProducerBatch): void {
    batch.partition.requeue(batch)
    this.#waiting.add(batch.partition)
  }

  /** Takes a batch out of the queue that will not be tried again. */
  withdraw(batch: ProducerBatch): void {
    batch.partition.remove(batch)
    if (batch.partition.queue.length === 0) this.#waiting.delete(batch.partition)
  }

  /** After `complete`, `fail` or `split` of the batch. */
  done(batch: ProducerBatch): void {
    if (this.#incomplete.delete(batch)) this.#bufferedBytes -= batch.bufferedBytes
  }

  /** Puts the parts of a batch that was too large where it was. */
  split(batch: ProducerBatch): ProducerBatch[] {
    const { compression, batchSizeBytes } = this.#options
    const target = Math.min(batchSizeBytes, Math.ceil(batch.encoded.uncompressedBytes / 2))
    // What was estimated was too little.
    const topic = this.topic(batch.partition.topic)
    topic.compressionRatio = Math.max(1, batch.sizeBytes / batch.encoded.uncompressedBytes)
    const parts = batch.split(target)
    this.done(batch)
    for (const part of parts) {
      part.close(compression)
      this.#incomplete.add(part)
      this.#bufferedBytes += part.bufferedBytes
    }
    return parts
  }

  /** Batches whose time is up. Cheap while none is. */
  expired(nowMs: number): ProducerBatch[] {
    if (nowMs < this.#nextDeadlineMs) return []
    const expired: ProducerBatch[] = []
    let nextMs = Number.POSITIVE_INFINITY
    for (const batch of this.#incomplete) {
      if (batch.deadlineMs <= nowMs) expired.push(batch)
      else if (batch.deadlineMs < nextMs) nextMs = batch.deadlineMs
    }
    this.#nextDeadlineMs = nextMs
    return expired
  }

  get nextDeadlineMs(): number {
    return this.#incomplete.size === 0 ? Number.POSITIVE_INFINITY : this.#nextDeadlineMs
  }

  /** Told when all that is buffered now is done; at once when nothing is. */
  awaitAll(barrier: Barrier): void {
    if (this.#incomplete.size === 0) {
      barrier.done()
      return
    }
    for (const batch of this.#incomplete) batch.holdUp(barrier)
  }

  #newBatch(topic: TopicState, partition: PartitionState, sentMs: number, recordBytes: number): ProducerBatch {
    const deadlineMs = sentMs + this.#options.deliveryTimeoutMs
    const guess = Math.min(topic.lastBatchBytes + (topic.lastBatchBytes >> 2), this.#uncompressedMax(topic))
    const initialBytes = Math.max(guess, BATCH_OVERHEAD_BYTES + recordBytes)
    const batch = new ProducerBatch(partition, sentMs, deadlineMs, initialBytes)
    partition.queue.push(batch)
    this.#waiting.add(partition)
    this.#incomplete.add(batch)
    this.#bufferedBytes += batch.bufferedBytes
    if (deadlineMs < this.#nextDeadlineMs) this.#nextDeadlineMs = deadlineMs
    return batch
  }

  /** How far a batch may grow so that it comes to `batchSizeBytes` when compressed. */
  #uncompressedMax(topic: TopicState): number {
    const { batchSizeBytes, compression } = this.#options
    return compression === 'none' ? batchSizeBytes : batchSizeBytes / topic.compressionRatio
  }

  #learnRatio(topic: TopicState, observed: number): void {
    const { compressionRatio: expected } = topic
    topic.compressionRatio =
      observed > expected
        ? Math.max(expected + RATIO_RISE, observed)
        : Math.max(expected - RATIO_FALL, observed, COMPRESSION_RATIO_MIN)
  }
}
