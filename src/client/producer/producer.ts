/**
 * The producer: `send` for records that stand alone, transactions for what belongs together.
 *
 * A thin shell around the core (core/producer/producer-core.ts), which decides. Owns promises, serializing, waiting for
 * memory and metadata, and closing.
 *
 *     await using producer = kafka.producer({ transactionalId: 'transfers-1' })
 *     await producer.transaction(async (tx) => {
 *       await tx.send('account-debits', { key: 'A', value: '-100' })
 *       await tx.send('account-credits', { key: 'B', value: '100' })
 *     })
 */
import { number, checkOptions, defineOptions } from '../options.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { CoreDriver } from '../core-driver.ts'
import type { RecordDraft } from '../core/producer/accumulator.ts'
import { ProducerCore } from '../core/producer/producer-core.ts'
import type { SendCall } from '../core/producer/producer-batch.ts'
import type { Operation } from '../core/producer/transaction-manager.ts'
import { KafkaError } from '../errors.ts'
import type { AnyTopic, KeyIn, RecordIn, RecordMetadata, ValueIn } from '../topic.ts'
import { type ProducerOptions, type ResolvedProducerOptions, resolveProducerOptions } from './producer-options.ts'
import { type OutTopic, outTopic, recordDraft } from './record-input.ts'
import { Accepting, type Acceptance, ManySends, SingleSend } from './send-calls.ts'
import { SendQueue } from './send-queue.ts'
import { Transaction } from './transaction.ts'

const HOUR_MS = 3_600_000

const closeOptions = defineOptions({
  timeoutMs: number({
    default: 30_000,
    min: 0,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'How long records that were sent, or the abort of an open transaction, may take; then they fail with CLOSED.',
  }),
})

type AnyRecord = RecordIn<unknown, unknown>

export class Producer implements AsyncDisposable {
  readonly #cluster: Cluster
  readonly #options: ResolvedProducerOptions
  readonly #core: ProducerCore
  readonly #driver: CoreDriver
  readonly #queue: SendQueue
  #transaction: Transaction | undefined
  #closing: Promise<void> | undefined
  #closed: KafkaError | undefined

  /** Made by `kafka.producer()`. Connects to nothing yet. Throws INVALID_OPTION. @param cluster  this producer's own */
  constructor(cluster: Cluster, options: ProducerOptions = {}) {
    this.#cluster = cluster
    this.#options = resolveProducerOptions(options, cluster.options)
    const { random } = cluster.runtime
    const { idempotent: isIdempotent } = this.#options
    this.#core = new ProducerCore({ ...this.#options, isIdempotent, random: () => random.nextUint32() }, cluster.view)
    this.#queue = new SendQueue(this.#core, cluster, this.#options, () => this.#driver.wake())
    this.#driver = new CoreDriver(this.#core, cluster, {
      onProgress: () => this.#onProgress(),
      onFailure: (cause) => this.#fail(new KafkaError('INTERNAL', String(cause), { cause })),
    })
  }

  /**
   * Resolves when the record is acknowledged (see `acks`), with where it lies. Of several records, in their order, when all
   * are; rejects when one failed, after all have come to their end.
   *
   * Rejects with KafkaError: SERIALIZATION_FAILED, MESSAGE_TOO_LARGE, BUFFER_EXHAUSTED, DELIVERY_TIMEOUT, what the broker
   * answered, ILLEGAL_STATE with a transactional producer, CLOSED.
   */
  send<T extends AnyTopic>(topic: T, record: RecordIn<KeyIn<T>, ValueIn<T>>): Promise<RecordMetadata>
  send<T extends AnyTopic>(topic: T, records: readonly RecordIn<KeyIn<T>, ValueIn<T>>[]): Promise<RecordMetadata[]>
  send(topic: AnyTopic, records: AnyRecord | readonly AnyRecord[]): Promise<RecordMetadata | RecordMetadata[]> {
    return new Promise<RecordMetadata | RecordMetadata[]>((resolve, reject) => {
      const refusal = this.#sendRefusal()
      if (refusal !== undefined) {
        reject(refusal)
        return
      }
      const to = outTopic(topic)
      if (Array.isArray(records)) this.#sendMany(to, records as readonly AnyRecord[], resolve, reject)
      else this.#sendOne(to, records as AnyRecord, resolve, reject)
    })
  }

  /** Resolves when everything sent before has come to its end, acknowledged or failed. */
  async flush(): Promise<void> {
    await this.#accepted()
    await this.#flushed()
  }

  /**
   * Gets the producer id. A transactional producer fences every other with its `transactionalId`, and what one of those left
   * open is aborted. Done by itself at first use.
   */
  init(): Promise<void> {
    return this.#operate((operation) => this.#core.init(operation, this.#nowMs()))
  }

  /**
   * Runs `work` in a transaction: commits when it resolves, aborts when it throws and throws the same.
   *
   * Rejects with KafkaError when the commit failed; see `Transaction.commit`.
   */
  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const tx = await this.begin()
    let result: T
    try {
      result = await work(tx)
    } catch (error) {
      await this.#abortAfter(tx)
      throw error
    }
    try {
      await tx.commit()
    } catch (error) {
      await this.#abortAfter(tx)
      throw error
    }
    return result
  }

  /** Begins a transaction, which has to be ended by its `commit` or `abort`. One at a time. */
  async begin(): Promise<Transaction> {
    this.#checkOpen()
    if (this.#options.transactionalId === undefined) {
      throw new KafkaError('ILLEGAL_STATE', 'a transaction needs a producer with a transactionalId')
    }
    const before = this.#transaction
    // An abort that was not confirmed in time is waited for.
    if (before?.fate === 'aborting') await before.abort()
    if (before !== undefined && !before.isFinished) {
      throw new KafkaError(
        'ILLEGAL_STATE',
        before.fate === 'unknown' || before.fate === 'committed'
          ? 'whether the last transaction was committed was not known; call its commit() again first'
          : 'a transaction is open; commit or abort it first',
      )
    }
    await this.init()
    const refusal = this.#core.begin()
    if (refusal !== undefined) throw refusal
    this.#transaction = new Transaction({
      core: this.#core,
      nowMs: () => this.#nowMs(),
      wake: () => this.#driver.wake(),
      accept: (topic, records) => this.#accept(topic, records as AnyRecord | readonly AnyRecord[]),
      accepted: () => this.#accepted(),
      flush: () => this.#flushed(),
      dropWaiting: (error) => this.#queue.failAll(error),
    })
    return this.#transaction
  }

  /**
   * Sends what was given, aborts an open transaction, and disconnects. What is not done after `timeoutMs` fails with CLOSED.
   * Calling it again waits for the first call.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(checkOptions('close', options, closeOptions).timeoutMs)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#closed = new KafkaError('CLOSED', 'the producer was closed')
    const ended = Promise.withResolvers<void>()
    const timer = this.#cluster.runtime.clock.setTimer(timeoutMs, ended.resolve, { keepsProcessAlive: true })
    try {
      await Promise.race([this.#wind(), ended.promise])
    } finally {
      timer.cancel()
      this.#shut(this.#closed)
      await this.#cluster.close()
    }
  }

  /** Brings to an end what was begun. */
  async #wind(): Promise<void> {
    const { state } = this.#core
    const tx = this.#transaction
    try {
      if (state === 'CommittingTransaction') await tx?.commit()
      else if (state === 'InTransaction' || state === 'AbortableError' || state === 'AbortingTransaction')
        await tx?.abort()
      else {
        await this.#accepted()
        await this.#flushed()
      }
    } catch (error) {
      // Whoever asked for the end has been told; here it only matters that nothing more can be done.
      this.#cluster.runtime.logger.warn('the transaction of a producer that is closed has no known end', { error })
    }
  }

  #shut(error: KafkaError): void {
    this.#core.close(error)
    this.#queue.failAll(error)
    this.#transaction?.check()
    this.#driver.close()
  }

  /** The core broke a promise of its own. */
  #fail(error: KafkaError): void {
    this.#closed ??= error
    this.#shut(error)
  }

  async #abortAfter(tx: Transaction): Promise<void> {
    if (tx.fate !== 'open') return
    try {
      await tx.abort()
    } catch (error) {
      // The error that led here is the one to throw. A transaction left open is aborted by the broker in time.
      this.#cluster.runtime.logger.warn('a transaction could not be aborted', { error })
    }
  }

  #onProgress(): void {
    if (this.#queue.size > 0) this.#queue.retry()
    this.#transaction?.check()
  }

  #sendRefusal(): KafkaError | undefined {
    if (this.#closed !== undefined) return this.#closed
    if (this.#options.transactionalId === undefined) return undefined
    return new KafkaError(
      'ILLEGAL_STATE',
      'a producer with a transactionalId sends in transactions: producer.transaction(…)',
    )
  }

  #sendOne(
    topic: OutTopic,
    record: AnyRecord,
    resolve: (metadata: RecordMetadata) => void,
    reject: (error: unknown) => void,
  ): void {
    const draft = recordDraft(topic, record, this.#cluster.runtime.clock.nowMs())
    const call = new SingleSend(topic.name, draft.timestampMs, resolve, reject)
    this.#queue.offer(topic.name, record.partition, draft, call, call, 0, this.#nowMs())
    this.#driver.wake()
  }

  #sendMany(
    topic: OutTopic,
    records: readonly AnyRecord[],
    resolve: (metadata: RecordMetadata[]) => void,
    reject: (error: unknown) => void,
  ): void {
    if (records.length === 0) {
      resolve([])
      return
    }
    const timestampsMs: number[] = []
    const call = new ManySends(topic.name, records.length, timestampsMs, resolve, reject)
    this.#offerAll(topic, records, call, call, timestampsMs)
  }

  /** `tx.send`. */
  #accept(topic: AnyTopic, records: AnyRecord | readonly AnyRecord[]): Promise<void> {
    const all = (Array.isArray(records) ? records : [records]) as readonly AnyRecord[]
    const accepting = new Accepting(all.length, (error) => this.#core.failTransaction(error))
    let to: OutTopic
    try {
      if (this.#closed !== undefined) throw this.#closed
      to = outTopic(topic)
    } catch (error) {
      accepting.failed(0, all.length, error as KafkaError)
      return accepting.promise
    }
    this.#offerAll(to, all, undefined, accepting)
    return accepting.promise
  }

  #offerAll(
    topic: OutTopic,
    records: readonly AnyRecord[],
    call: SendCall | undefined,
    acceptance: Acceptance,
    timestampsMs?: number[],
  ): void {
    const nowMs = this.#cluster.runtime.clock.nowMs()
    const sentMs = this.#nowMs()
    for (let index = 0; index < records.length; index++) {
      const record = records[index]!
      let draft: RecordDraft
      try {
        draft = recordDraft(topic, record, nowMs)
      } catch (error) {
        timestampsMs?.push(nowMs)
        acceptance.failed(index, 1, error as KafkaError)
        continue
      }
      timestampsMs?.push(draft.timestampMs)
      this.#queue.offer(topic.name, record.partition, draft, call, acceptance, index, sentMs)
    }
    this.#driver.wake()
  }

  #accepted(): Promise<void> {
    return new Promise((resolve) => this.#queue.awaitAll({ pending: 0, done: resolve }))
  }

  #flushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#core.flush({ pending: 0, done: resolve })
      this.#driver.wake()
    })
  }

  #operate(start: (operation: Operation) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#checkOpen()
      start({ succeeded: resolve, failed: reject })
      this.#driver.wake()
    })
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw this.#closed
  }

  #nowMs(): number {
    return this.#cluster.runtime.clock.monotonicMs()
  }
}
