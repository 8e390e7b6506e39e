/**
 * Takes batches to the leaders of their partitions and decides what their answers mean: done, again, split, failed.
 *
 * Owns: requests under way, the order within a partition, gaps in its sequences. Leaves to others: filling batches
 * (accumulator.ts), producer id, epoch and transaction (transaction-manager.ts), what codes mean (producer-errors.ts).
 *
 * Invariants
 * - One batch of a partition per request; at most `maxInFlightRequests` requests per broker, and as many batches of a partition
 *   without an answer, which is what a broker remembers.
 * - With idempotence, a batch is tried again only when everything before it in its partition has its final answer.
 * - A batch that may have been stored is never sent under another id, epoch or sequence: it fails instead.
 *
 * - Until something is acknowledged in a partition under the present id and epoch, one batch at a time.
 *
 * Source: org.apache.kafka.clients.producer.internals.Sender and RecordAccumulator#drain.
 *
 * Deviation: Java's client numbers all batches of a partition anew when its epoch has to change, also those without an answer,
 * which can store them twice (KAFKA-14034). It also sends five batches at once to a broker that knows nothing of the producer,
 * which may take the second before the first.
 */
import { assert } from '../../../base/assert.ts'
import type { Compression } from '../../../protocol/compression/compression.ts'
import { produce } from '../../../protocol/messages/produce.ts'
import type { ProduceResponse } from '../../../protocol/messages/produce.ts'
import { NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE } from '../../../protocol/record-batch.ts'
import { ZERO_UUID } from '../../../protocol/schema.ts'
import { brokerError, KafkaError } from '../../errors.ts'
import type { ClusterView, CoreReply, CoreRequest, PollResult } from '../client-core.ts'
import type { Accumulator } from './accumulator.ts'
import { backoffMs } from './backoff.ts'
import type { PartitionState } from './partition-state.ts'
import type { ProducerBatch, RecordError } from './producer-batch.ts'
import { isFatalForProduce, isRetriableCode, isStaleMetadata, isSurelyNotStored } from './producer-errors.ts'
import type { BatchHolder, TransactionManager } from './transaction-manager.ts'
import { TV1_PRODUCE_MAX, TV2_PRODUCE_MIN } from './transaction-version.ts'

export interface SenderOptions {
  readonly transactionalId: string | undefined
  readonly isIdempotent: boolean
  readonly acks: 'all' | 1 | 0
  readonly maxInFlightRequests: number
  readonly maxRequestSizeBytes: number
  readonly requestTimeoutMs: number
  readonly deliveryTimeoutMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  readonly compression: Compression
  /** Uniform over 0 … 2^32 - 1. */
  readonly random: () => number
}

const ACKS = { all: -1, 1: 1, 0: 0 } as const
/** Below it a topic has no id on the wire. */
const NAMED_TOPICS_MAX = 12
const ZSTD_MIN = 7

interface ProduceInFlight {
  readonly nodeId: number
  readonly batches: readonly ProducerBatch[]
  /** By topic id as well, for answers that name topics so. */
  readonly topicNames: ReadonlyMap<string, string>
}

type PartitionResponse = ProduceResponse['responses'][number]['partitionResponses'][number]
interface Failure {
  readonly error: KafkaError
  readonly mayBeStored: boolean
  readonly logStartOffset?: number
  readonly recordErrors?: readonly RecordError[]
}

export class ProduceSender implements BatchHolder {
  readonly #options: SenderOptions
  readonly #cluster: ClusterView
  readonly #accumulator: Accumulator
  #manager: TransactionManager | undefined
  readonly #inFlight = new Map<number, ProduceInFlight>()
  readonly #inFlightByNode = new Map<number, number>()
  /** Partitions that used sequences since all were reset. */
  readonly #numbered = new Set<PartitionState>()
  /** Partitions that need a new epoch, or may. */
  readonly #troubled = new Set<PartitionState>()
  #needsMetadata = false
  #nextPollMs = Number.POSITIVE_INFINITY

  constructor(options: SenderOptions, cluster: ClusterView, accumulator: Accumulator) {
    this.#options = options
    this.#cluster = cluster
    this.#accumulator = accumulator
  }

  /** Each knows the other; the manager is made second. */
  attach(manager: TransactionManager): void {
    this.#manager = manager
  }

  get hasIncomplete(): boolean {
    return this.#accumulator.incomplete.size > 0
  }

  get hasInFlight(): boolean {
    return this.#inFlight.size > 0
  }

  resetSequences(): void {
    for (const partition of this.#numbered) partition.resetSequences()
    this.#numbered.clear()
    this.#troubled.clear()
  }

  abandon(error: KafkaError, { numbered }: { readonly numbered: boolean }): void {
    for (const batch of [...this.#accumulator.incomplete]) {
      if (batch.isInFlight || (batch.hasSequence && !numbered)) continue
      this.#accumulator.withdraw(batch)
      if (batch.hasSequence && this.#leaveGap(batch)) this.#manager?.abandonedNumbered()
      this.#end(batch, error)
    }
  }

  /** Everything that is not done fails; answers that still come do not matter. */
  failAll(error: KafkaError): void {
    for (const batch of [...this.#accumulator.incomplete]) {
      this.#accumulator.withdraw(batch)
      this.#end(batch, error)
    }
  }

  poll(nowMs: number, nextId: () => number): PollResult {
    this.#nextPollMs = Number.POSITIVE_INFINITY
    this.#expire(nowMs)
    this.#settleTroubled()
    const requests = this.#drain(nowMs, nextId)
    const refreshMetadata = this.#needsMetadata
    this.#needsMetadata = false
    return { requests, refreshMetadata, nextPollMs: Math.min(this.#nextPollMs, this.#accumulator.nextDeadlineMs) }
  }

  /** @returns whether the reply was for a request of this sender */
  onReply(requestId: number, reply: CoreReply, nowMs: number): boolean {
    const request = this.#inFlight.get(requestId)
    if (request === undefined) return false
    this.#inFlight.delete(requestId)
    this.#inFlightByNode.set(request.nodeId, this.#inFlightByNode.get(request.nodeId)! - 1)
    for (const batch of request.batches) {
      batch.isInFlight = false
      batch.partition.inFlightRequests -= 1
    }
    if (!reply.ok) {
      const failure = { error: reply.error, mayBeStored: reply.mayHaveBeenSent }
      for (const batch of request.batches) this.#attemptFailed(batch, failure, nowMs)
    } else if (this.#options.acks === 0) {
      for (const batch of request.batches) this.#stored(batch, -1, -1)
    } else this.#onResponse(request, reply.response as ProduceResponse, reply, nowMs)
    return true
  }

  // --- Sending ---------------------------------------------------------------------------------------------------

  #drain(nowMs: number, nextId: () => number): CoreRequest[] {
    const requests: CoreRequest[] = []
    const byLeader = new Map<number, PartitionState[]>()
    for (const partition of this.#accumulator.waitingPartitions) {
      const leaderId = this.#cluster.topic(partition.topic)?.partitions[partition.partition]?.leaderId
      if (leaderId === undefined) this.#needsMetadata = true
      else if (this.#mayTake(partition, leaderId, nowMs)) {
        const led = byLeader.get(leaderId)
        if (led === undefined) byLeader.set(leaderId, [partition])
        else led.push(partition)
      }
    }
    for (const [leaderId, partitions] of byLeader) {
      while ((this.#inFlightByNode.get(leaderId) ?? 0) < this.#options.maxInFlightRequests) {
        const batches = this.#collect(partitions, leaderId, nowMs)
        if (batches.length === 0) break
        requests.push(this.#request(nextId(), leaderId, batches))
      }
    }
    return requests
  }

  /** One batch of each partition that may send, up to the size of a request. */
  #collect(partitions: readonly PartitionState[], leaderId: number, nowMs: number): ProducerBatch[] {
    const batches: ProducerBatch[] = []
    let bytes = 0
    for (const partition of partitions) {
      const first = partition.queue[0]
      if (first === undefined || !this.#mayTake(partition, leaderId, nowMs)) continue
      if (batches.length > 0 && bytes + first.sizeBytes > this.#options.maxRequestSizeBytes) continue
      const batch = this.#accumulator.take(partition)
      this.#number(batch)
      batch.isInFlight = true
      batch.attempts += 1
      batch.lastLeaderId = leaderId
      partition.inFlightRequests += 1
      bytes += batch.sizeBytes
      batches.push(batch)
    }
    return batches
  }

  /** Whether the first batch in the partition's queue may be sent now; if it only has to wait, a poll is asked for. */
  #mayTake(partition: PartitionState, leaderId: number, nowMs: number): boolean {
    const batch = partition.queue[0]
    if (batch === undefined || partition.needsNewEpoch) return false
    const { maxInFlightRequests } = this.#options
    if (this.#manager === undefined) {
      // Without sequences only one at a time keeps the order.
      if (maxInFlightRequests === 1 && partition.inFlightRequests > 0) return false
    } else {
      if (!this.#manager.maySendTo(partition)) return false
      const { unfinished, isUnresolved, isEstablished } = partition.sequences
      if (batch.hasSequence) {
        if (unfinished[0] !== batch) return false
      } else {
        if (isUnresolved || unfinished.length >= maxInFlightRequests) return false
        if (unfinished.length > 0) {
          // Under a new epoch sequences begin at 0, which must not overtake what is left of the old one.
          if (!partition.sequences.isOf(this.#manager.identity)) return false
          // Where the broker would take any sequence the first goes alone. With transaction version 2 it takes only 0.
          if (!isEstablished && !this.#manager.isTransactionV2) return false
        }
      }
    }
    // Waiting is of no use where another broker leads by now.
    const retryMs = leaderId === batch.lastLeaderId ? batch.retryAtMs : 0
    const startMs = Math.max(retryMs, this.#accumulator.readyMs(partition))
    if (startMs <= nowMs) return true
    this.#nextPollMs = Math.min(this.#nextPollMs, startMs)
    return false
  }

  #number(batch: ProducerBatch): void {
    const { partition } = batch
    if (this.#manager === undefined) {
      if (batch.attempts > 0) return
      const none = { producerId: NO_PRODUCER_ID, producerEpoch: NO_PRODUCER_EPOCH, baseSequence: NO_SEQUENCE }
      batch.encoded.stamp({ ...none, isTransactional: false })
      return
    }
    if (batch.hasSequence) return
    const { identity } = this.#manager
    if (!partition.sequences.isOf(identity)) partition.sequences.startOver(identity)
    partition.sequences.assign(batch)
    this.#stamp(batch)
    this.#numbered.add(partition)
  }

  #stamp(batch: ProducerBatch): void {
    const { producerId, producerEpoch, baseSequence } = batch
    const isTransactional = this.#options.transactionalId !== undefined
    batch.encoded.stamp({ producerId, producerEpoch, baseSequence, isTransactional })
  }

  #request(id: number, nodeId: number, batches: readonly ProducerBatch[]): CoreRequest {
    const { acks, transactionalId, requestTimeoutMs, compression } = this.#options
    const topicNames = new Map<string, string>()
    const topics = new Map<
      string,
      { name: string; topicId: string; partitionData: { index: number; records: Uint8Array }[] }
    >()
    let hasIds = true
    for (const batch of batches) {
      const { topic: name, partition } = batch.partition
      let topic = topics.get(name)
      if (topic === undefined) {
        const topicId = this.#cluster.topic(name)?.topicId ?? ZERO_UUID
        if (topicId === ZERO_UUID) hasIds = false
        topic = { name, topicId, partitionData: [] }
        topics.set(name, topic)
        topicNames.set(name, name)
        topicNames.set(topicId, name)
      }
      topic.partitionData.push({ index: partition, records: batch.encoded.bytes })
    }
    this.#inFlight.set(id, { nodeId, batches, topicNames })
    this.#inFlightByNode.set(nodeId, (this.#inFlightByNode.get(nodeId) ?? 0) + 1)
    const isV1 = transactionalId !== undefined && this.#manager?.isTransactionV2 !== true
    const isV2 = transactionalId !== undefined && !isV1
    const minVersion = isV2 ? TV2_PRODUCE_MIN : compression === 'zstd' ? ZSTD_MIN : undefined
    const maxVersion = isV1 ? TV1_PRODUCE_MAX : hasIds ? undefined : NAMED_TOPICS_MAX
    return {
      id,
      destination: { kind: 'node', nodeId },
      api: produce,
      body: {
        transactionalId: transactionalId ?? null,
        acks: ACKS[acks],
        timeoutMs: requestTimeoutMs,
        topicData: [...topics.values()],
      },
      timeoutMs: requestTimeoutMs,
      lane: 'data',
      ...(minVersion !== undefined && { minVersion }),
      ...(maxVersion !== undefined && { maxVersion }),
      ...(acks === 0 && { expectsNoResponse: true }),
    } as unknown as CoreRequest
  }

  // --- Answers ---------------------------------------------------------------------------------------------------

  #onResponse(
    request: ProduceInFlight,
    response: ProduceResponse,
    reply: CoreReply & { ok: true },
    nowMs: number,
  ): void {
    const answers = new Map<string, PartitionResponse>()
    for (const { name, topicId, partitionResponses } of response.responses) {
      const topic = request.topicNames.get(name === '' ? topicId : name)
      for (const one of partitionResponses) if (topic !== undefined) answers.set(`${topic}-${one.index}`, one)
    }
    const { version, broker } = reply
    for (const batch of request.batches) {
      const { topic, partition } = batch.partition
      const info = { api: produce.name, version, broker, topic, partition }
      const answer = answers.get(batch.partition.name)
      if (answer === undefined) {
        const message = `Produce at ${broker} has no answer for ${batch.partition.name}`
        const error = new KafkaError('INVALID_RESPONSE', message, { request: info, recovery: 'retry' })
        this.#attemptFailed(batch, { error, mayBeStored: true }, nowMs)
        continue
      }
      const { errorCode, errorMessage, logStartOffset, recordErrors } = answer
      if (errorCode === 'NONE') this.#stored(batch, answer.baseOffset, answer.logAppendTimeMs)
      else if (errorCode === 'DUPLICATE_SEQUENCE_NUMBER') {
        // Stored long ago: the broker no longer knows where.
        this.#stored(batch, -1, -1)
      } else {
        const error = brokerError(errorCode, info, { detail: errorMessage })
        const mayBeStored = !isSurelyNotStored(errorCode)
        this.#attemptFailed(batch, { error, mayBeStored, logStartOffset, recordErrors }, nowMs)
      }
    }
  }

  #stored(batch: ProducerBatch, baseOffset: number, logAppendTimeMs: number): void {
    if (batch.hasSequence) batch.partition.sequences.acknowledged(batch)
    batch.complete(baseOffset, logAppendTimeMs)
    this.#accumulator.done(batch)
  }

  #attemptFailed(batch: ProducerBatch, failure: Failure, nowMs: number): void {
    const { error } = failure
    if (failure.mayBeStored) batch.mayBeStored = true
    batch.lastError = error
    if (isStaleMetadata(error.code)) this.#needsMetadata = true
    if (batch.isDone) {
      // Its time was up while it was on its way.
      if (batch.hasSequence && this.#leaveGap(batch) && this.#manager?.abandonsRetries === true) {
        this.#manager.abandonedNumbered()
      }
    } else if (error.code === 'MESSAGE_TOO_LARGE' && batch.recordCount > 1 && !this.#isLost()) {
      this.#split(batch)
    } else if (this.#mayRetry(batch, failure, nowMs)) {
      batch.retryAtMs = nowMs + backoffMs(this.#options, batch.attempts, error.code)
      this.#accumulator.putBack(batch)
    } else this.#fail(batch, nowMs < batch.deadlineMs ? error : timedOut(batch, this.#options), failure.recordErrors)
  }

  #mayRetry(batch: ProducerBatch, { error, logStartOffset = -1 }: Failure, nowMs: number): boolean {
    const { partition } = batch
    const manager = this.#manager
    if (nowMs >= batch.deadlineMs) return false
    if (manager === undefined) return isRetriableCode(error.code)
    if (this.#isLost()) return false
    const isLostState = error.code === 'UNKNOWN_PRODUCER_ID'
    if (error.code === 'OUT_OF_ORDER_SEQUENCE_NUMBER' || isLostState) {
      // What came before has no final answer yet, so this one could not be taken.
      if (partition.sequences.unfinished[0] !== batch) return true
      // The broker does not know where its log begins at the moment; when it does, it will say what is the matter.
      if (isLostState && logStartOffset < 0) return true
      // Something is missing for good, or the broker has lost its state. A transaction cannot go on without it.
      if (manager.isTransactional) return false
      this.#requireNewEpoch(partition)
      return true
    }
    return isRetriableCode(error.code)
  }

  #fail(batch: ProducerBatch, error: KafkaError, recordErrors: readonly RecordError[] = []): void {
    const manager = this.#manager
    if (manager === undefined) {
      this.#end(batch, error, recordErrors)
      return
    }
    if (manager.isFatal) {
      this.#end(batch, manager.error ?? error)
      return
    }
    const leavesGap = batch.hasSequence && this.#leaveGap(batch)
    // The partition has seen a newer one.
    if (error.code === 'INVALID_PRODUCER_EPOCH' && !manager.isTransactional) this.#requireNewEpoch(batch.partition)
    const isAbandoned = manager.abandonsRetries
    this.#end(batch, error, recordErrors)
    if (isFatalForProduce(error.code)) manager.fatal(error)
    else if (!isAbandoned) manager.batchFailed(error, leavesGap)
    else if (leavesGap) manager.abandonedNumbered()
  }

  /** @returns whether the numbers of the batch are lost */
  #leaveGap(batch: ProducerBatch): boolean {
    const { partition } = batch
    if (batch.mayBeStored) partition.sequences.gaveUp(batch)
    else {
      if (partition.sequences.takeBack(batch)) return false
      if (this.#manager?.isTransactional !== true) this.#requireNewEpoch(partition)
    }
    this.#troubled.add(partition)
    return true
  }

  #requireNewEpoch(partition: PartitionState): void {
    partition.needsNewEpoch = true
    this.#troubled.add(partition)
  }

  /** Nothing that was sent counts any more. */
  #isLost(): boolean {
    return this.#manager !== undefined && (this.#manager.isFatal || this.#manager.abandonsRetries)
  }

  #split(batch: ProducerBatch): void {
    const parts = this.#accumulator.split(batch)
    if (batch.hasSequence) {
      batch.partition.sequences.split(batch, parts)
      for (const part of parts) this.#stamp(part)
    }
    // From the last on: what has no sequence is put in front.
    for (const part of parts.toReversed()) this.#accumulator.putBack(part)
  }

  /** Tells the callers, and forgets the batch. */
  #end(batch: ProducerBatch, error: KafkaError, recordErrors: readonly RecordError[] = []): void {
    batch.fail(error, recordErrors)
    this.#accumulator.done(batch)
  }

  #expire(nowMs: number): void {
    for (const batch of this.#accumulator.expired(nowMs)) {
      if (batch.isDone) continue
      const error = timedOut(batch, this.#options)
      if (batch.isInFlight) {
        // Its sequence stays until the answer says what became of it.
        this.#end(batch, error)
        this.#manager?.batchFailed(error, true)
      } else {
        this.#accumulator.withdraw(batch)
        this.#fail(batch, error)
      }
    }
  }

  /** Begins a new epoch in partitions that cannot go on without, once all their answers are here. */
  #settleTroubled(): void {
    const manager = this.#manager
    if (manager === undefined || manager.isTransactional || manager.isFatal) return
    for (const partition of [...this.#troubled]) {
      const { sequences } = partition
      if (partition.inFlightRequests > 0) continue
      if (!partition.needsNewEpoch) {
        if (sequences.unfinished.length > 0) continue
        if (sequences.resolve()) {
          this.#troubled.delete(partition)
          continue
        }
      }
      if (manager.hasIdentity && sequences.isOf(manager.identity)) manager.bumpEpoch()
      // At the end of the epochs another id is needed first.
      if (!manager.hasIdentity) continue
      this.#renumber(partition, manager)
      this.#troubled.delete(partition)
    }
  }

  #renumber(partition: PartitionState, manager: TransactionManager): void {
    const batches = partition.sequences.takeUnfinished()
    partition.sequences.startOver(manager.identity)
    partition.needsNewEpoch = false
    for (const batch of batches) {
      assert(!batch.isInFlight, `a batch of ${partition.name} is on its way while its partition begins a new epoch`)
      if (batch.isDone) continue
      if (batch.mayBeStored) {
        this.#accumulator.withdraw(batch)
        this.#end(batch, batch.lastError ?? timedOut(batch, this.#options))
      } else {
        partition.sequences.assign(batch)
        this.#stamp(batch)
        batch.retryAtMs = 0
      }
    }
  }
}

function timedOut(batch: ProducerBatch, { deliveryTimeoutMs }: SenderOptions): KafkaError {
  const cause = batch.lastError
  const attempts = batch.attempts === 0 ? 'it was never sent' : `${batch.attempts} attempts`
  const stored = batch.mayBeStored || batch.isInFlight ? '; it may have been stored' : ''
  const because = cause === undefined ? '' : `, the last one ended with ${cause.message}`
  return new KafkaError(
    'DELIVERY_TIMEOUT',
    `${batch.recordCount} records for ${batch.partition.name} were not acknowledged within ${deliveryTimeoutMs} ms (${attempts}${because})${stored}`,
    cause === undefined ? {} : { cause, ...(cause.request !== undefined && { request: cause.request }) },
  )
}
