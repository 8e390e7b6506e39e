/**
 * Records that the core does not take yet: their topic is not known, or the memory is used up. They wait here in order, for
 * `maxBlockMs` at most.
 *
 * Invariants: records of one topic reach the core in the order in which they were sent; while memory is short nobody
 * overtakes those that wait; each record is accepted or failed exactly once.
 */
import type { Clock, Timer } from '../../base/runtime.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { RecordDraft } from '../core/producer/accumulator.ts'
import type { Barrier, SendCall } from '../core/producer/producer-batch.ts'
import type { AppendResult, ProducerCore } from '../core/producer/producer-core.ts'
import { KafkaError } from '../errors.ts'
import type { Partitioner } from './producer-options.ts'
import type { Acceptance } from './send-calls.ts'

interface Waiting {
  readonly topic: string
  readonly partition: number | undefined
  readonly record: RecordDraft
  readonly call: SendCall | undefined
  readonly acceptance: Acceptance
  readonly index: number
  readonly sentMs: number
  readonly barriers: Barrier[]
}

/** Records that wait at a time. Whoever never waits for a send must not fill the heap with them. */
const WAITING_MAX = 1_000_000

export class SendQueue {
  readonly #core: ProducerCore
  readonly #cluster: Cluster
  readonly #clock: Clock
  readonly #maxBlockMs: number
  readonly #partitioner: Partitioner | undefined
  readonly #onAccepted: () => void
  readonly #byTopic = new Map<string, Waiting[]>()
  readonly #lookups = new Set<string>()
  #count = 0
  #isFull = false
  #timer: Timer | undefined

  /** @param onAccepted  what waited has come to the core, which has to be polled */
  constructor(
    core: ProducerCore,
    cluster: Cluster,
    options: { readonly maxBlockMs: number; readonly partitioner: Partitioner | undefined },
    onAccepted: () => void,
  ) {
    this.#onAccepted = onAccepted
    this.#partitioner = options.partitioner
    this.#core = core
    this.#cluster = cluster
    this.#clock = cluster.runtime.clock
    this.#maxBlockMs = options.maxBlockMs
  }

  get size(): number {
    return this.#count
  }

  /** Hands the record to the core, now or when that takes it. */
  offer(
    topic: string,
    partition: number | undefined,
    record: RecordDraft,
    call: SendCall | undefined,
    acceptance: Acceptance,
    index: number,
    sentMs: number,
  ): void {
    if (!this.#isFull && !this.#byTopic.has(topic)) {
      const result = this.#append(topic, partition, record, call, index, sentMs)
      if (result === 'accepted') {
        acceptance.accepted()
        return
      }
      if (typeof result !== 'string') {
        acceptance.failed(index, 1, result)
        return
      }
      if (result === 'full') this.#setFull(true)
      else this.#lookUp(topic)
    }
    this.#wait({ topic, partition, record, call, acceptance, index, sentMs, barriers: [] })
  }

  /** Something has changed: memory was freed, metadata came, the producer failed. */
  retry(): void {
    if (this.#count === 0) return
    this.#setFull(false)
    for (const [topic, waiting] of [...this.#byTopic]) {
      if (!this.#retryTopic(topic, waiting)) return
    }
  }

  failAll(error: KafkaError): void {
    for (const waiting of [...this.#byTopic.values()]) for (const one of waiting) this.#fail(one, error)
    this.#byTopic.clear()
    this.#setFull(false)
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Told when everything that waits now has been accepted or has failed. */
  awaitAll(barrier: Barrier): void {
    if (this.#count === 0) {
      barrier.done()
      return
    }
    for (const waiting of this.#byTopic.values()) {
      for (const one of waiting) {
        barrier.pending += 1
        one.barriers.push(barrier)
      }
    }
  }

  #append(
    topic: string,
    given: number | undefined,
    record: RecordDraft,
    call: SendCall | undefined,
    index: number,
    sentMs: number,
  ): AppendResult {
    let partition = given
    if (partition === undefined && this.#partitioner !== undefined) {
      const partitionCount = this.#cluster.view.topic(topic)?.partitions.length ?? 0
      // Without metadata there is nothing to choose from yet; the core says so.
      const chosen = partitionCount === 0 ? undefined : choose(this.#partitioner, topic, record, partitionCount)
      if (chosen instanceof KafkaError) return chosen
      partition = chosen
    }
    return this.#core.append(topic, partition, record, call, index, sentMs)
  }

  #wait(one: Waiting): void {
    if (this.#count >= WAITING_MAX) {
      one.acceptance.failed(
        one.index,
        1,
        new KafkaError('BUFFER_EXHAUSTED', `${WAITING_MAX} records wait to be accepted`),
      )
      return
    }
    const waiting = this.#byTopic.get(one.topic)
    if (waiting === undefined) this.#byTopic.set(one.topic, [one])
    else waiting.push(one)
    this.#count += 1
    if (this.#timer === undefined) this.#arm(one.sentMs)
  }

  /** @returns false when the memory is used up */
  #retryTopic(topic: string, waiting: Waiting[]): boolean {
    let done = 0
    let result: AppendResult = 'accepted'
    for (const one of waiting) {
      result = this.#append(topic, one.partition, one.record, one.call, one.index, one.sentMs)
      if (result === 'full' || result === 'unknown-topic') break
      done += 1
      if (result === 'accepted') this.#accept(one)
      else this.#fail(one, result)
    }
    waiting.splice(0, done)
    if (waiting.length === 0) this.#byTopic.delete(topic)
    else if (result === 'unknown-topic') this.#lookUp(topic)
    if (result !== 'full') return true
    this.#setFull(true)
    return false
  }

  #lookUp(topic: string): void {
    if (this.#lookups.has(topic)) return
    this.#lookups.add(topic)
    this.#cluster.requireTopics([topic], { timeoutMs: Math.max(1, this.#maxBlockMs) }).then(
      ([view]) => {
        this.#lookups.delete(topic)
        if (view !== undefined && view.error === undefined && view.partitions.length === 0) {
          const error = new KafkaError('LEADER_NOT_AVAILABLE', `${topic} has no partitions`)
          for (const one of this.#byTopic.get(topic)?.splice(0) ?? []) this.#fail(one, error)
        }
        this.retry()
      },
      (error: unknown) => {
        this.#lookups.delete(topic)
        const failure =
          error instanceof KafkaError ? error : new KafkaError('INTERNAL', String(error), { cause: error })
        const nowMs = this.#clock.monotonicMs()
        // Those that came later may wait longer.
        this.#failLate(nowMs, topic, failure)
        if (this.#byTopic.has(topic)) this.retry()
      },
    )
  }

  #failLate(nowMs: number, topic: string, error: KafkaError): void {
    const waiting = this.#byTopic.get(topic)
    if (waiting === undefined) return
    const isLate = ({ sentMs }: Waiting): boolean =>
      sentMs + this.#maxBlockMs <= nowMs || error.recovery === 'restart-producer'
    let late = 0
    while (late < waiting.length && isLate(waiting[late]!)) late += 1
    for (const one of waiting.splice(0, late)) this.#fail(one, error)
    if (waiting.length === 0) this.#byTopic.delete(topic)
  }

  #accept(one: Waiting): void {
    this.#count -= 1
    one.acceptance.accepted()
    this.#onAccepted()
    pass(one)
  }

  #fail(one: Waiting, error: KafkaError): void {
    this.#count -= 1
    one.acceptance.failed(one.index, 1, error)
    pass(one)
  }

  #setFull(isFull: boolean): void {
    this.#isFull = isFull
    this.#core.isMemoryAwaited = isFull
  }

  /** Wakes for whoever has waited longest. */
  #arm(sentMs: number): void {
    const nowMs = this.#clock.monotonicMs()
    this.#timer = this.#clock.setTimer(Math.max(0, sentMs + this.#maxBlockMs - nowMs), () => this.#onTimer(), {
      keepsProcessAlive: true,
    })
  }

  #onTimer(): void {
    this.#timer = undefined
    const nowMs = this.#clock.monotonicMs()
    const waited = `within ${this.#maxBlockMs} ms`
    for (const topic of [...this.#byTopic.keys()]) {
      const isUnknown = this.#lookups.has(topic)
      // The look-up itself ends at the same moment, and knows more.
      if (isUnknown) continue
      this.#failLate(nowMs, topic, new KafkaError('BUFFER_EXHAUSTED', `no room in bufferMemoryBytes ${waited}`))
    }
    let oldestMs = Number.POSITIVE_INFINITY
    for (const [one] of this.#byTopic.values()) if (one !== undefined) oldestMs = Math.min(oldestMs, one.sentMs)
    if (this.#byTopic.size > 0) this.#arm(Math.max(oldestMs, nowMs - this.#maxBlockMs + 1))
  }
}

function pass({ barriers }: Waiting): void {
  for (const barrier of barriers) {
    barrier.pending -= 1
    if (barrier.pending === 0) barrier.done()
  }
}

/** The user's choice, or what is wrong with it. */
function choose(
  partitioner: Partitioner,
  topic: string,
  { key }: RecordDraft,
  partitionCount: number,
): number | undefined | KafkaError {
  let chosen: number | undefined
  try {
    chosen = partitioner({ topic, key, partitionCount })
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    return new KafkaError('USER_CODE_FAILED', `the partitioner failed: ${message}`, { cause })
  }
  if (chosen === undefined || (Number.isInteger(chosen) && chosen >= 0 && chosen < partitionCount)) return chosen
  return new KafkaError(
    'USER_CODE_FAILED',
    `the partitioner chose ${String(chosen)} of ${partitionCount} partitions of ${topic}`,
  )
}
