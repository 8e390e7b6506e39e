/**
 * `kafka.pipeline(…)`: reads records, has them processed, writes the results, with a guarantee about what a failure does to
 * them. Owns the workers of one process and how they begin and end together; each worker's work is in worker.ts.
 */
import type { Runtime, Timer } from '../../base/runtime.ts'
import { KafkaError } from '../errors.ts'
import { checkOptions } from '../options.ts'
import type { AnyTopic, ConsumerRecord, Serde } from '../topic.ts'
import type { Delivery, Guarantee } from './delivery.ts'
import { atLeastOnce, atMostOnce, exactlyOnce } from './delivery.ts'
import type { CheckedPipelineOptions, PipelineOptions } from './pipeline-options.ts'
import { batchOptions, pipelineOptions, retryOptions } from './pipeline-options.ts'
import type { AssignmentListener, ConsumerPort, ProducerPort } from './ports.ts'
import { emptyStats, PipelineWorker, type WorkerParts, type WorkerSettings, type WorkerStats } from './worker.ts'

/** How a pipeline gets what it works with; the Kafka instance knows how. */
export interface PipelineMakers {
  readonly runtime: Runtime
  readonly consumer: (
    groupId: string,
    topics: readonly string[],
    listener: AssignmentListener,
    options: object,
  ) => ConsumerPort
  /** @param transactionalId  `undefined`: idempotent, without transactions */
  readonly producer: (
    transactionalId: string | undefined,
    transactionTimeoutMs: number,
    options: object,
  ) => ProducerPort
}

export interface PipelineStats extends Readonly<WorkerStats> {
  readonly workers: readonly Readonly<WorkerStats>[]
}

const DELIVERIES: Readonly<Record<Guarantee, (producer: ProducerPort, consumer: ConsumerPort) => Delivery>> = {
  exactly_once: exactlyOnce,
  at_least_once: atLeastOnce,
  at_most_once: atMostOnce,
}

const DEFAULT_STOP_DEADLINE_MS = 30_000
const RANDOM_ID_BYTES = 9

export class Pipeline<T extends AnyTopic = string> implements AsyncDisposable {
  readonly #makers: PipelineMakers
  readonly #makeWorkers: () => PipelineWorker[]
  #workers: readonly PipelineWorker[] = []
  #running: Promise<void> | undefined

  /** Throws INVALID_OPTION. Nothing is connected before `run`. */
  constructor(options: PipelineOptions<T>, makers: PipelineMakers) {
    const checked: CheckedPipelineOptions = checkOptions('PipelineOptions', options, pipelineOptions)
    this.#makers = makers
    const { from, process } = checked
    const topics: readonly AnyTopic[] = Array.isArray(from) ? from : [from as AnyTopic]
    if (topics.length === 0) throw new KafkaError('INVALID_OPTION', 'PipelineOptions: from names no topic')
    if (process === undefined) throw new KafkaError('INVALID_OPTION', 'PipelineOptions: process is missing')
    const batch = checkOptions('PipelineOptions.batch', checked.batch, batchOptions)
    const retry = checkOptions('PipelineOptions.retry', checked.retry, retryOptions)
    const { groupId, guarantee, onError, workers: count, transactionTimeoutMs } = checked
    const isTransactional = guarantee === 'exactly_once'
    const prefix = checked.transactionalId ?? `${groupId}-${randomId(makers.runtime)}`
    const consumerOptions = { ...checked.consumer }
    const producerOptions = { ...checked.producer }
    const names = topics.map((one) => (typeof one === 'string' ? one : one.name))
    const serdes = new Map(topics.flatMap((one) => (typeof one === 'string' ? [] : [[one.name, one] as const])))
    const makeWorker = (index: number): PipelineWorker => {
      const settings: WorkerSettings = {
        index,
        groupId,
        batch,
        retry,
        onError,
        repeatsBatches: guarantee !== 'at_most_once',
      }
      const parts: WorkerParts = {
        runtime: makers.runtime,
        makeConsumer: (listener) => makers.consumer(groupId, names, listener, consumerOptions),
        makeProducer: () =>
          makers.producer(isTransactional ? `${prefix}-${index}` : undefined, transactionTimeoutMs, producerOptions),
        makeDelivery: DELIVERIES[guarantee],
        decode: (record) => decode(record, serdes.get(record.topic)),
        process: process as WorkerParts['process'],
      }
      return new PipelineWorker(settings, parts)
    }
    this.#makeWorkers = () => Array.from({ length: count }, (_, index) => makeWorker(index))
  }

  /**
   * Works until `stop` is called or the signal is aborted (then it resolves, after the batches at hand are finished), or
   * until it cannot go on: then it rejects with a KafkaError. Runs once.
   */
  run(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#running !== undefined) {
      return Promise.reject(new KafkaError('ILLEGAL_STATE', 'a pipeline runs once; make another one'))
    }
    this.#workers = this.#makeWorkers()
    this.#running = this.#run(options.signal)
    return this.#running
  }

  /**
   * Takes no more records, finishes and commits the batches at hand, leaves the group. After `deadlineMs` what is not finished is
   * given up: its transaction is aborted, and its records are read again by whoever comes next. Resolves when all is closed;
   * what `run` rejects with is `run`'s caller's.
   */
  async stop(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    const { deadlineMs = DEFAULT_STOP_DEADLINE_MS } = options
    for (const worker of this.#workers) worker.stop()
    if (this.#running === undefined) {
      this.#running = Promise.resolve()
      return
    }
    const timer = this.#stopNowAfter(deadlineMs)
    await this.#running.catch(() => undefined)
    timer.cancel()
  }

  /** As `stop`. */
  close(): Promise<void> {
    return this.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Since `run`, of all workers together and of each. */
  stats(): PipelineStats {
    const workers = this.#workers.map(({ stats }) => ({ ...stats }))
    const total = emptyStats()
    for (const stats of workers) {
      for (const name of Object.keys(total) as (keyof WorkerStats)[]) total[name] += stats[name]
    }
    return { ...total, workers }
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    const stop = (): void => void this.stop()
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted === true) for (const worker of this.#workers) worker.stop()
    try {
      const results = await Promise.allSettled(
        this.#workers.map(async (worker) => {
          try {
            await worker.run()
          } catch (error) {
            // Half a pipeline is not what was asked for: the others finish what they have.
            for (const other of this.#workers) other.stop()
            throw error
          }
        }),
      )
      const failed = results.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  #stopNowAfter(deadlineMs: number): Timer {
    return this.#makers.runtime.clock.setTimer(
      deadlineMs,
      () => {
        for (const worker of this.#workers) worker.stopNow()
      },
      { keepsProcessAlive: true },
    )
  }
}

interface Serdes {
  readonly key: Serde<unknown> | undefined
  readonly value: Serde<unknown> | undefined
}

function decode(record: ConsumerRecord, serdes: Serdes | undefined): ConsumerRecord<unknown, unknown> {
  if (serdes === undefined) return record
  return {
    ...record,
    key: decodePart(record, record.key, serdes.key, 'key'),
    value: decodePart(record, record.value, serdes.value, 'value'),
  }
}

function decodePart(
  { topic, partition, offset }: ConsumerRecord,
  bytes: Buffer | null,
  serde: Serde<unknown> | undefined,
  part: 'key' | 'value',
): unknown {
  if (bytes === null || serde === undefined) return bytes
  try {
    return serde.deserialize(bytes, topic)
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause)
    throw new KafkaError(
      'DESERIALIZATION_FAILED',
      `the ${part} of ${topic}-${partition} at offset ${offset}: ${what}`,
      { cause },
    )
  }
}

function randomId(runtime: Runtime): string {
  const bytes = Buffer.alloc(RANDOM_ID_BYTES)
  runtime.random.fill(bytes)
  return bytes.toString('base64url')
}
