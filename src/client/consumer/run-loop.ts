/**
 * `consumer.run(…)`: hands records or batches to a handler, partitions side by side, each in its order.
 *
 * Owns what happens around the handler: what counts as done, what is read again after it threw, how it ends. A partition that
 * is lost meanwhile is told by its signal, and the rest of its records is not handed out.
 */
import { KafkaError } from '../errors.ts'
import type { ConsumerRecord, TopicPartition } from '../topic.ts'

export interface HandlerContext extends TopicPartition {
  /** Aborted when the partition is no longer this consumer's, or the consumer has to close. */
  readonly signal: AbortSignal
}

export interface RecordBatch<K, V> extends TopicPartition {
  /** At least one, in order. */
  readonly records: readonly ConsumerRecord<K, V>[]
}

export interface RunOptions<K, V> {
  /** One record at a time. It counts as processed when the promise resolves. */
  readonly eachRecord?: (record: ConsumerRecord<K, V>, context: HandlerContext) => Promise<void> | void
  /** What one poll brought of one partition. All of it counts as processed when the promise resolves. */
  readonly eachBatch?: (batch: RecordBatch<K, V>, context: HandlerContext) => Promise<void> | void
  /** How many partitions are handled at the same time; 1 unless given. */
  readonly concurrency?: number
}

export interface RunPort<K, V> {
  readonly poll: () => Promise<ConsumerRecord<K, V>[]>
  readonly isOurs: (partition: TopicPartition) => boolean
  readonly signalOf: (partition: TopicPartition) => AbortSignal
  readonly markProcessed: (record: ConsumerRecord<K, V>) => void
  readonly markAllProcessed: () => void
  readonly rewind: (records: readonly ConsumerRecord<K, V>[]) => void
  readonly commitByTime: () => Promise<void>
  readonly commitProcessed: () => Promise<void>
}

const CONCURRENCY_MAX = 10_000

export class RunLoop<K, V> {
  readonly #options: RunOptions<K, V>
  readonly #port: RunPort<K, V>
  readonly #concurrency: number
  #isStopping = false
  #running: Promise<void> | undefined

  constructor(options: RunOptions<K, V>, port: RunPort<K, V>) {
    const { eachRecord, eachBatch, concurrency = 1 } = options
    if ((eachRecord === undefined) === (eachBatch === undefined)) {
      throw new KafkaError('INVALID_OPTION', 'RunOptions: give either eachRecord or eachBatch')
    }
    if (!Number.isSafeInteger(concurrency) || concurrency < 1 || concurrency > CONCURRENCY_MAX) {
      throw new KafkaError(
        'INVALID_OPTION',
        `RunOptions: concurrency is ${concurrency}, expected a whole number in 1 … ${CONCURRENCY_MAX}`,
      )
    }
    this.#options = options
    this.#port = port
    this.#concurrency = concurrency
  }

  run(): Promise<void> {
    this.#running = this.#run()
    return this.#running
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#running?.catch(() => undefined)
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      let records: ConsumerRecord<K, V>[]
      try {
        records = await this.#port.poll()
      } catch (error) {
        if (error instanceof KafkaError && error.code === 'CLOSED') return
        throw error
      }
      await this.#handleAll(records)
    }
  }

  async #handleAll(records: readonly ConsumerRecord<K, V>[]): Promise<void> {
    const queues = [...byPartition(records)]
    const unfinished: ConsumerRecord<K, V>[] = []
    let failure: { readonly cause: unknown; readonly at: TopicPartition } | undefined
    const work = async (): Promise<void> => {
      for (let queue = queues.shift(); queue !== undefined; queue = queues.shift()) {
        if (failure !== undefined || this.#isStopping) {
          unfinished.push(...queue)
          continue
        }
        try {
          unfinished.push(...(await this.#handle(queue, () => failure !== undefined)))
        } catch (error) {
          if (!(error instanceof HandlerFailure)) throw error
          failure ??= { cause: error.cause, at: error.rest[0] as TopicPartition }
          unfinished.push(...(error.rest as readonly ConsumerRecord<K, V>[]))
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(this.#concurrency, queues.length) }, work))
    if (unfinished.length > 0) this.#port.rewind(unfinished)
    else this.#port.markAllProcessed()
    if (failure === undefined) return
    const { cause, at } = failure
    // Best effort: what is not committed is processed again.
    await this.#port.commitProcessed().catch(() => undefined)
    const what = cause instanceof Error ? cause.message : String(cause)
    throw new KafkaError('USER_CODE_FAILED', `the handler failed at ${at.topic}-${at.partition}: ${what}`, { cause })
  }

  /** @returns what was not handed out */
  async #handle(
    records: readonly ConsumerRecord<K, V>[],
    mustEnd: () => boolean,
  ): Promise<readonly ConsumerRecord<K, V>[]> {
    const { eachRecord, eachBatch } = this.#options
    const { topic, partition } = records[0] as ConsumerRecord<K, V>
    const at = { topic, partition }
    if (!this.#port.isOurs(at)) return []
    const context: HandlerContext = { ...at, signal: this.#port.signalOf(at) }
    if (eachBatch !== undefined) {
      await calling(() => eachBatch({ ...at, records }, context), records)
      this.#port.markProcessed(records.at(-1) as ConsumerRecord<K, V>)
      await this.#port.commitByTime()
      return []
    }
    for (const [index, record] of records.entries()) {
      // Whoever has the partition now reads on from what was committed.
      if (context.signal.aborted) return []
      if (mustEnd() || this.#isStopping) return records.slice(index)
      await calling(() => eachRecord?.(record, context), records.slice(index))
      this.#port.markProcessed(record)
      await this.#port.commitByTime()
    }
    return []
  }
}

class HandlerFailure extends Error {
  override name = 'HandlerFailure'
  override readonly cause: unknown
  /** From the record that failed on. */
  readonly rest: readonly TopicPartition[]

  constructor(cause: unknown, rest: readonly TopicPartition[]) {
    super('a handler failed')
    this.cause = cause
    this.rest = rest
  }
}

async function calling(handler: () => Promise<void> | void, rest: readonly TopicPartition[]): Promise<void> {
  try {
    await handler()
  } catch (error) {
    throw new HandlerFailure(error, rest)
  }
}

function byPartition<K, V>(records: readonly ConsumerRecord<K, V>[]): Iterable<readonly ConsumerRecord<K, V>[]> {
  const queues = new Map<string, ConsumerRecord<K, V>[]>()
  let last: ConsumerRecord<K, V> | undefined
  let queue: ConsumerRecord<K, V>[] = []
  for (const record of records) {
    // Those of one partition come in a row, so the key is seldom made.
    if (last?.partition !== record.partition || last.topic !== record.topic) {
      const key = `${record.topic}/${record.partition}`
      const known = queues.get(key)
      queue = known ?? []
      if (known === undefined) queues.set(key, queue)
    }
    queue.push(record)
    last = record
  }
  return queues.values()
}
