/**
 * One member of a pipeline: gathers a batch, has it processed and finished, and deals with what goes wrong, one batch at a time.
 *
 * Owns the state of the one batch it is busy with. What a failure means and what comes next is decided in
 * core/pipeline/failure.ts; in which order things become durable, in delivery.ts. SPEC: ../core/pipeline/SPEC.md.
 *
 * Invariants (P1 to P8 there): offsets are committed only of batches that are finished; no batch is finished whose partitions
 * were given away; after an unknown outcome nothing is done before it is known.
 */
import type { Runtime } from '../../base/runtime.ts'
import type { NextStep, RetryPolicy } from '../core/pipeline/failure.ts'
import { classifyFailure, nextStep } from '../core/pipeline/failure.ts'
import { KafkaError } from '../errors.ts'
import type { ConsumerRecord, HeadersIn, TopicPartition } from '../topic.ts'
import { Batch, partitionKey } from './batch.ts'
import type { Attempt, Delivery } from './delivery.ts'
import { BatchFailure } from './delivery.ts'
import type { CheckedBatchOptions, ProcessContext } from './pipeline-options.ts'
import type { AssignmentListener, ConsumerPort, Output, ProducerPort } from './ports.ts'

export interface WorkerStats {
  /** Records of batches that are finished, those left out included. */
  recordsProcessed: number
  batchesFinished: number
  batchesFailed: number
  recordsSkipped: number
  recordsDeadLettered: number
  producersReplaced: number
  outcomesResolved: number
  /** Batches, or parts of them, that were dropped because their partitions went to another member. */
  batchesDropped: number
}

export function emptyStats(): WorkerStats {
  return {
    recordsProcessed: 0,
    batchesFinished: 0,
    batchesFailed: 0,
    recordsSkipped: 0,
    recordsDeadLettered: 0,
    producersReplaced: 0,
    outcomesResolved: 0,
    batchesDropped: 0,
  }
}

export interface WorkerSettings {
  readonly index: number
  readonly groupId: string
  readonly batch: CheckedBatchOptions
  readonly retry: RetryPolicy
  readonly onError: 'stop' | 'skip' | { readonly deadLetter: string }
  /** False: a failure after the offsets were committed is not made up for (at_most_once). */
  readonly repeatsBatches: boolean
}

export interface WorkerParts {
  readonly runtime: Runtime
  readonly makeConsumer: (listener: AssignmentListener) => ConsumerPort
  readonly makeProducer: () => ProducerPort
  readonly makeDelivery: (producer: ProducerPort, consumer: ConsumerPort) => Delivery
  /** Turns bytes into what the user gets; throws for what it cannot read. */
  readonly decode: (record: ConsumerRecord) => ConsumerRecord<unknown, unknown>
  readonly process: (
    records: readonly ConsumerRecord<unknown, unknown>[],
    output: Output,
    context: ProcessContext,
  ) => Promise<void> | void
}

/** How long a poll that finds nothing may take: how fast a stop is noticed does not depend on it. */
const IDLE_POLL_MS = 500
/** Positions past markers and aborted records alone are committed no more often than this. */
const IDLE_COMMIT_INTERVAL_MS = 1_000
const OUTCOME_RETRY_MS = 500

export class PipelineWorker implements AssignmentListener {
  readonly stats = emptyStats()
  readonly #settings: WorkerSettings
  readonly #parts: WorkerParts
  readonly #consumer: ConsumerPort
  #producer: ProducerPort
  #delivery: Delivery
  /** Partitions that were taken away since the batch at hand was complete, even if they came back. */
  readonly #lost = new Set<string>()
  /** What was polled for the next batch; loses what is taken away. */
  #gathered: ConsumerRecord[] = []
  /** The batch at hand: settles when it is finished or dropped. */
  #busy: Promise<void> | undefined
  #work = new AbortController()
  readonly #stopNow = new AbortController()
  #isStopping = false
  #wakeUp: (() => void) | undefined
  /** In a row, over batches. */
  #producerFailures = 0
  readonly #committed = new Map<string, number>()
  #lastIdleCommitMs = Number.NEGATIVE_INFINITY

  constructor(settings: WorkerSettings, parts: WorkerParts) {
    this.#settings = settings
    this.#parts = parts
    this.#consumer = parts.makeConsumer(this)
    this.#producer = parts.makeProducer()
    this.#delivery = parts.makeDelivery(this.#producer, this.#consumer)
  }

  /** Resolves after `stop`; rejects with a KafkaError when it cannot go on. Consumer and producer are closed either way. */
  async run(): Promise<void> {
    try {
      while (!this.#isStopping) {
        const batch = await this.#gather()
        if (batch === undefined) continue
        const busy: Promise<unknown> = this.#handle(batch)
        // Whoever takes our partitions away waits for it, and does not care how it ended.
        this.#busy = busy.then(
          () => undefined,
          () => undefined,
        )
        await busy
        this.#busy = undefined
      }
    } finally {
      await this.#close()
    }
  }

  /** Takes no more batches; the one at hand is finished, or given up when `stopNow` is called. */
  stop(): void {
    this.#isStopping = true
    this.#wakeUp?.()
  }

  stopNow(): void {
    this.stop()
    const reason = new KafkaError('CLOSED', 'the pipeline was told to stop, and the deadline for it is over')
    this.#stopNow.abort(reason)
    this.#work.abort(reason)
  }

  /** Lets the batch at hand be finished first: what is committed need not be done again by the next owner. */
  async onRevoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#busy
    this.#drop(partitions)
  }

  async onLost(partitions: readonly TopicPartition[]): Promise<void> {
    this.#drop(partitions)
  }

  #drop(partitions: readonly TopicPartition[]): void {
    const dropped = new Set(partitions.map(partitionKey))
    for (const key of dropped) this.#committed.delete(key)
    this.#gathered = this.#gathered.filter((record) => !dropped.has(partitionKey(record)))
    if (this.#busy === undefined) return
    for (const key of dropped) this.#lost.add(key)
    this.#work.abort(new KafkaError('REBALANCE_IN_PROGRESS', 'partitions of this batch were given to another member'))
  }

  async #gather(): Promise<Batch | undefined> {
    const { maxRecords, maxBytes, maxWaitMs } = this.#settings.batch
    const { clock } = this.#parts.runtime
    let bytes = 0
    let deadlineMs = Number.POSITIVE_INFINITY
    this.#lost.clear()
    this.#gathered = []
    while (!this.#isStopping && this.#gathered.length < maxRecords && bytes < maxBytes) {
      const leftMs = this.#gathered.length === 0 ? IDLE_POLL_MS : deadlineMs - clock.monotonicMs()
      if (leftMs <= 0) break
      const polled = await this.#poll(leftMs, maxRecords - this.#gathered.length)
      if (polled.length === 0) {
        if (this.#gathered.length > 0) continue
        await this.#commitIdlePositions()
        return undefined
      }
      if (this.#gathered.length === 0) deadlineMs = clock.monotonicMs() + maxWaitMs
      for (const record of polled) {
        this.#gathered.push(record)
        bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
      }
    }
    const records = this.#gathered
    this.#gathered = []
    const lastOffsets = new Map(records.map((record) => [partitionKey(record), record]))
    const ends = [...lastOffsets.values()].map(({ topic, partition, offset }) => ({
      topic,
      partition,
      offset: Math.max(offset + 1, this.#consumer.position({ topic, partition }) ?? 0),
    }))
    return records.length === 0 ? undefined : new Batch(records, ends)
  }

  /** Errors that pass by themselves are waited out; others end the worker. */
  async #poll(timeoutMs: number, maxRecords: number): Promise<readonly ConsumerRecord[]> {
    try {
      const wakeUp = Promise.withResolvers<readonly ConsumerRecord[]>()
      this.#wakeUp = () => wakeUp.resolve([])
      const polling = this.#consumer.poll({ timeoutMs, maxRecords })
      const records = await Promise.race([polling, wakeUp.promise])
      // Told to stop while it polls: what comes is not taken, and is read again by the next owner.
      if (this.#isStopping) polling.catch(() => undefined)
      const ours = new Set(this.#consumer.assignment().map(partitionKey))
      return records.filter((record) => ours.has(partitionKey(record)))
    } catch (error) {
      const kind = classifyFailure(error, 'begin')
      if (kind === 'fatal' || kind === 'record') throw error
      this.#parts.runtime.logger.warn('a pipeline cannot read at the moment', this.#fields({ error: messageOf(error) }))
      await this.#pause(this.#settings.retry.backoffMs)
      return []
    } finally {
      this.#wakeUp = undefined
    }
  }

  /** Markers and aborted records at the end of a partition have no batch that would carry the position past them. */
  async #commitIdlePositions(): Promise<void> {
    const nowMs = this.#parts.runtime.clock.monotonicMs()
    if (nowMs - this.#lastIdleCommitMs < IDLE_COMMIT_INTERVAL_MS) return
    const moved = this.#consumer.assignment().flatMap(({ topic, partition }) => {
      const offset = this.#consumer.position({ topic, partition })
      return offset === undefined || offset === this.#committed.get(partitionKey({ topic, partition }))
        ? []
        : [{ topic, partition, offset }]
    })
    if (moved.length === 0) return
    this.#lastIdleCommitMs = nowMs
    try {
      await this.#consumer.commit(moved)
      this.#noteCommitted(moved)
    } catch (error) {
      // Nothing depends on it: the next batch or the next idle moment commits again.
      if (classifyFailure(error, 'offsets') === 'fatal') throw error
    }
  }

  #noteCommitted(offsets: readonly (TopicPartition & { readonly offset: number })[]): void {
    for (const offset of offsets) this.#committed.set(partitionKey(offset), offset.offset)
  }

  /** @returns whether the batch is dealt with; otherwise what is still ours of it is read again */
  async #handle(first: Batch): Promise<boolean> {
    let batch = first
    const counts = { record: 0, transient: 0, membership: 0 }
    for (let attempt = 1; ; attempt += 1) {
      const failure = await this.#attempt(batch, this.#processOf(batch, attempt))
      if (failure === undefined) {
        this.#finished(batch)
        return true
      }
      const step = this.#stepAfter(failure, counts, batch, attempt)
      const rest = await this.#carryOut(step, batch, failure.cause)
      if (rest === 'done') return true
      if (rest === 'dropped') return false
      batch = rest
    }
  }

  #stepAfter(
    { step: at, cause }: BatchFailure,
    counts: { record: number; transient: number; membership: number },
    batch: Batch,
    attempt: number,
  ): NextStep {
    this.stats.batchesFailed += 1
    if (this.#stopNow.signal.aborted) throw this.#stopNow.signal.reason
    const kind = this.#lost.size > 0 && at !== 'commit' ? 'membership' : classifyFailure(cause, at)
    if (kind === 'record' || kind === 'transient' || kind === 'membership') counts[kind] += 1
    if (kind === 'producer') this.#producerFailures += 1
    const { retry: policy, onError, repeatsBatches } = this.#settings
    const step = nextStep(
      {
        kind,
        at,
        repeatsBatches,
        counts: { ...counts, producer: this.#producerFailures },
        recordCount: batch.records.length,
        mayGiveUpRecords: onError !== 'stop',
        policy,
      },
      this.#parts.runtime.random.nextUint32() / 2 ** 32,
    )
    this.#parts.runtime.logger[step.step === 'stop' ? 'error' : 'warn'](
      'a batch of a pipeline failed',
      this.#fields({ batch: batch.describe(), attempt, during: at, error: messageOf(cause), next: step.step }),
    )
    return step
  }

  /** @returns what is to be processed again of the batch; 'dropped': what is still ours of it is read again */
  async #carryOut(step: NextStep, batch: Batch, cause: unknown): Promise<Batch | 'done' | 'dropped'> {
    switch (step.step) {
      case 'retry':
        await this.#pause(step.pauseMs)
        return this.#oursOrDropped(batch)
      case 'rejoin':
        await this.#rewind(batch)
        await this.#pause(step.pauseMs)
        return 'dropped'
      case 'restart-producer':
        await this.#pause(step.pauseMs)
        await this.#replaceProducer()
        return this.#oursOrDropped(batch)
      case 'resolve-outcome':
        await this.#pause(step.pauseMs)
        await this.#replaceProducer()
        return this.#resolve(batch)
      case 'isolate':
        return this.#isolate(batch)
      case 'give-up-record':
        return (await this.#giveUp(batch, cause)) ? 'done' : 'dropped'
      case 'give-up-batch':
        this.#finished(batch)
        this.stats.recordsSkipped += batch.records.length
        return 'done'
      case 'stop':
        throw cause instanceof KafkaError
          ? cause
          : new KafkaError('USER_CODE_FAILED', `processing ${batch.describe()} failed: ${messageOf(cause)}`, { cause })
    }
  }

  /** Finds the record that fails by processing them one by one, each finished before the next: their order stays. */
  async #isolate(batch: Batch): Promise<'done' | 'dropped'> {
    const singles = batch.singles()
    for (const [index, single] of singles.entries()) {
      const isLost = single.offsets.some((partition) => this.#lost.has(partitionKey(partition)))
      if (!isLost && (await this.#handle(single))) continue
      // The later records of all partitions go back too, else they would come before this one.
      const rest = singles.slice(index).flatMap(({ records }) => records)
      await this.#rewind(new Batch(rest, batch.offsets))
      return 'dropped'
    }
    return 'done'
  }

  /** What is still ours of a batch that had no effect is read again, from its first record on. */
  async #rewind(batch: Batch): Promise<void> {
    this.stats.batchesDropped += 1
    const assigned = new Set(this.#consumer.assignment().map(partitionKey))
    for (const { topic, partition, offset } of batch.starts) {
      const key = partitionKey({ topic, partition })
      // Lost and come back: it begins at the committed offset by itself, which may be another's progress.
      if (this.#lost.has(key) || !assigned.has(key)) continue
      await this.#consumer.seek({ topic, partition }, offset)
    }
  }

  async #oursOrDropped(batch: Batch): Promise<Batch | 'dropped'> {
    if (!batch.offsets.some((partition) => this.#lost.has(partitionKey(partition)))) return batch
    await this.#rewind(batch)
    return 'dropped'
  }

  async #attempt(batch: Batch, process: (output: Output) => Promise<void>): Promise<BatchFailure | undefined> {
    this.#work = new AbortController()
    const assertHeld = (): void => {
      if (this.#stopNow.signal.aborted) throw this.#stopNow.signal.reason
      const lost = batch.offsets.find((partition) => this.#lost.has(partitionKey(partition)))
      if (lost === undefined) return
      throw new KafkaError('REBALANCE_IN_PROGRESS', `${lost.topic}-${lost.partition} was given to another member`)
    }
    const work: Attempt = { batch, process, assertHeld }
    try {
      assertHeld()
      await this.#delivery.run(work)
      return undefined
    } catch (error) {
      return error instanceof BatchFailure ? error : new BatchFailure('begin', error)
    }
  }

  #processOf(batch: Batch, attempt: number): (output: Output) => Promise<void> {
    return async (output) => {
      const records = batch.records.map((record) => this.#parts.decode(record))
      const context = { worker: this.#settings.index, attempt, offsets: batch.offsets, signal: this.#work.signal }
      // User code that does not heed its signal must not keep the worker when it has to stop now.
      const aborted = Promise.withResolvers<never>()
      const onAbort = (): void => aborted.reject(this.#stopNow.signal.reason)
      this.#stopNow.signal.addEventListener('abort', onAbort, { once: true })
      try {
        await Promise.race([Promise.resolve(this.#parts.process(records, output, context)), aborted.promise])
      } finally {
        this.#stopNow.signal.removeEventListener('abort', onAbort)
      }
    }
  }

  #finished(batch: Batch): void {
    this.#producerFailures = 0
    this.stats.batchesFinished += 1
    this.stats.recordsProcessed += batch.records.length
    this.#noteCommitted(batch.offsets)
  }

  /**
   * One record that fails for good leaves its place in the order, in a transaction like any other.
   * @returns whether it is done; otherwise the record is read again
   */
  async #giveUp(first: Batch, cause: unknown): Promise<boolean> {
    const { onError, repeatsBatches } = this.#settings
    const record = first.records[0]
    const send = async (output: Output): Promise<void> => {
      if (typeof onError !== 'object' || record === undefined) return
      const headers = deadLetterHeaders(record, cause, this.#settings.groupId)
      await output.send(onError.deadLetter, { key: record.key, value: record.value, headers })
    }
    let batch = first
    const counts = { record: 0, transient: 0, membership: 0 }
    for (let attempt = 1; ; attempt += 1) {
      const failure = await this.#attempt(batch, send)
      if (failure === undefined) break
      const step = this.#stepAfter(failure, counts, batch, attempt)
      // A record that not even the dead-letter topic takes ends the pipeline: leaving it out was not allowed.
      const isRefused = step.step === 'isolate' || step.step === 'give-up-record' || step.step === 'give-up-batch'
      const rest = await this.#carryOut(isRefused && repeatsBatches ? { step: 'stop' } : step, batch, failure.cause)
      if (rest === 'dropped') return false
      if (rest === 'done') break
      batch = rest
    }
    this.#finished(batch)
    if (typeof onError === 'object') this.stats.recordsDeadLettered += 1
    else this.stats.recordsSkipped += 1
    this.#parts.runtime.logger.warn(
      typeof onError === 'object' ? 'a record was sent to the dead-letter topic' : 'a record was skipped',
      this.#fields({ record: batch.describe(), error: messageOf(cause) }),
    )
    return true
  }

  /** A new producer of the same transactional id: once it has begun, the old one's transaction is over, one way or the other. */
  async #replaceProducer(): Promise<void> {
    this.stats.producersReplaced += 1
    const old = this.#producer
    this.#producer = this.#parts.makeProducer()
    this.#delivery = this.#parts.makeDelivery(this.#producer, this.#consumer)
    await old.close({ timeoutMs: 0 }).catch((error: unknown) => {
      this.#parts.runtime.logger.debug(
        'a producer that is replaced did not close cleanly',
        this.#fields({ error: messageOf(error) }),
      )
    })
    for (;;) {
      try {
        await this.#producer.init()
        return
      } catch (error) {
        const kind = classifyFailure(error, 'begin')
        if (kind === 'fatal' || this.#stopNow.signal.aborted) throw error
        await this.#pause(OUTCOME_RETRY_MS)
      }
    }
  }

  /**
   * What became of a batch whose commit was not answered: the committed offsets say so, as they are in the same transaction
   * as the results. Asks until somebody answers; without an answer nothing is done.
   */
  async #resolve(batch: Batch): Promise<Batch | 'done' | 'dropped'> {
    for (;;) {
      if (this.#stopNow.signal.aborted) throw this.#stopNow.signal.reason
      try {
        const committed = await this.#consumer.committed(batch.offsets)
        this.stats.outcomesResolved += 1
        // All or nothing: one partition tells for all.
        const isDone = batch.offsets.every(
          ({ topic, partition, offset }) => (committed.get(topic)?.get(partition)?.offset ?? -1) >= offset,
        )
        if (!isDone) return await this.#oursOrDropped(batch)
        this.#finished(batch)
        return 'done'
      } catch (error) {
        if (classifyFailure(error, 'offsets') === 'fatal') throw error
        await this.#pause(OUTCOME_RETRY_MS)
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    if (ms <= 0) return
    const over = Promise.withResolvers<void>()
    const timer = this.#parts.runtime.clock.setTimer(ms, over.resolve, { keepsProcessAlive: true })
    const signal = this.#stopNow.signal
    signal.addEventListener('abort', () => over.resolve(), { once: true })
    if (signal.aborted) over.resolve()
    await over.promise
    timer.cancel()
  }

  async #close(): Promise<void> {
    const timeoutMs = this.#stopNow.signal.aborted ? 1_000 : 10_000
    const results = await Promise.allSettled([this.#producer.close({ timeoutMs }), this.#consumer.close({ timeoutMs })])
    for (const result of results) {
      if (result.status === 'fulfilled') continue
      this.#parts.runtime.logger.warn(
        'closing a part of a pipeline failed',
        this.#fields({ error: messageOf(result.reason) }),
      )
    }
  }

  #fields(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    return { groupId: this.#settings.groupId, worker: this.#settings.index, ...fields }
  }
}

function deadLetterHeaders(record: ConsumerRecord, cause: unknown, groupId: string): HeadersIn {
  return [
    ...record.headers,
    { key: 'semel.deadletter.topic', value: record.topic },
    { key: 'semel.deadletter.partition', value: String(record.partition) },
    { key: 'semel.deadletter.offset', value: String(record.offset) },
    { key: 'semel.deadletter.group', value: groupId },
    { key: 'semel.deadletter.error', value: messageOf(cause) },
  ]
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
