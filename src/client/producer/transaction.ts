/**
 * One transaction of a producer: what is sent in it becomes visible together, or never.
 *
 * A thin shell: the core decides (core/producer/transaction-manager.ts). Owns what the user may still do with this
 * transaction, and what became of it.
 */
import type { ProducerCore } from '../core/producer/producer-core.ts'
import type { Operation } from '../core/producer/transaction-manager.ts'
import type { TransactionOffsets } from '../core/producer/transaction-requests.ts'
import { KafkaError } from '../errors.ts'
import type { AnyTopic, GroupMetadata, KeyIn, OffsetAndMetadata, RecordIn, ValueIn } from '../topic.ts'

/** What a transaction needs of its producer. */
export interface TransactionHost {
  readonly core: ProducerCore
  nowMs(): number
  wake(): void
  /** Takes records; resolves when they are in batches. */
  accept(topic: AnyTopic, records: unknown): Promise<void>
  /** Resolves when what waits to be accepted has been, or has failed. */
  accepted(): Promise<void>
  /** Fails what waits to be accepted: it must not get into the next transaction. */
  dropWaiting(error: KafkaError): void
  flush(): Promise<void>
}

/** An offset to commit with a transaction. */
export interface OffsetIn extends OffsetAndMetadata {
  readonly topic: string
  readonly partition: number
}

type Fate = 'open' | 'committing' | 'unknown' | 'aborting' | 'committed' | 'aborted' | 'failed'

export class Transaction {
  readonly #host: TransactionHost
  #fate: Fate = 'open'
  #error: KafkaError | undefined
  #controller: AbortController | undefined
  /** The outcome was not known, and the user has not asked again. */
  #isOwedAnswer = false

  /** Made by `producer.begin()` and `producer.transaction()`. */
  constructor(host: TransactionHost) {
    this.#host = host
  }

  /** Nothing can be done with it any more, and its end is known to the user. */
  get isFinished(): boolean {
    return !this.#isOwedAnswer && (this.#fate === 'committed' || this.#fate === 'aborted' || this.#fate === 'failed')
  }

  /** What became of it, as far as is known here. */
  get fate(): Fate {
    return this.#fate
  }

  /** Aborted, with the error as its reason, when the transaction can no longer commit. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    this.check()
    return this.#controller.signal
  }

  /**
   * Resolves when the records were accepted into the buffer; whether they are stored shows at `commit`, which refuses after
   * any send that failed. Its rejection may be ignored. Rejects with KafkaError: ILLEGAL_STATE after the end,
   * SERIALIZATION_FAILED, MESSAGE_TOO_LARGE, BUFFER_EXHAUSTED, and what led to the end of the transaction.
   */
  send<T extends AnyTopic>(
    topic: T,
    records: RecordIn<KeyIn<T>, ValueIn<T>> | readonly RecordIn<KeyIn<T>, ValueIn<T>>[],
  ): Promise<void> {
    if (this.#fate !== 'open') return quiet(Promise.reject(this.#over()))
    return this.#host.accept(topic, records)
  }

  /**
   * Commits offsets of a consumer group with the transaction. A member that has lost its partitions is refused: the
   * transaction can then only be aborted.
   *
   * @param offsets  the next offsets to read, by topic and partition or as a list
   * @param group  `consumer.groupMetadata()`
   */
  sendOffsets(
    offsets: ReadonlyMap<string, ReadonlyMap<number, OffsetAndMetadata>> | readonly OffsetIn[],
    group: GroupMetadata,
  ): Promise<void> {
    if (this.#fate !== 'open') return quiet(Promise.reject(this.#over()))
    return quiet(
      this.#operate((operation) => {
        checkGroup(group)
        this.#host.core.sendOffsets(checkedOffsets(offsets), group, operation, this.#host.nowMs())
      }),
    )
  }

  /** Resolves when everything sent so far was acknowledged; rejects when something failed. */
  async flush(): Promise<void> {
    await this.#host.accepted()
    await this.#host.flush()
    this.check()
    const { error } = this.#host.core
    if (error !== undefined) throw error
  }

  /**
   * Makes everything visible. Rejects with KafkaError; by its `recovery`:
   * `abort-transaction`: nothing of it will be visible; call `abort`.
   * `restart-producer`: this producer is fenced or has failed.
   * COMMIT_OUTCOME_UNKNOWN: nobody could say whether it happened; only `commit` may be called, again, to find out.
   */
  async commit(): Promise<void> {
    switch (this.#fate) {
      case 'committed':
        this.#isOwedAnswer = false
        return
      case 'failed':
        this.#isOwedAnswer = false
        throw this.#over()
      case 'aborting':
      case 'aborted':
        throw this.#over()
      default:
    }
    if (this.#fate === 'open') this.#fate = 'committing'
    await this.#host.accepted()
    this.check()
    try {
      await this.#operate((operation) => this.#host.core.commit(operation, this.#host.nowMs()))
    } catch (error) {
      this.#commitFailed(error as KafkaError)
      throw error
    }
    this.#isOwedAnswer = false
    this.#fate = 'committed'
  }

  /** Makes sure that nothing becomes visible. May be called at any time but after a commit. Rejects when that failed. */
  async abort(): Promise<void> {
    switch (this.#fate) {
      case 'aborted':
        return
      case 'committed':
      case 'committing':
      case 'unknown':
        throw this.#over()
      case 'failed':
        throw this.#over()
      default:
    }
    this.#fate = 'aborting'
    const aborted = new KafkaError('TRANSACTION_ABORTED', 'the transaction is being aborted')
    this.#controller?.abort(aborted)
    this.#host.dropWaiting(aborted)
    try {
      await this.#operate((operation) => this.#host.core.abort(operation, this.#host.nowMs()))
    } catch (error) {
      const { state } = this.#host.core
      if (state === 'FatalError') this.#fail(error as KafkaError)
      // It was aborted; the new epoch that must follow is not here yet, which is for the next transaction to wait for.
      const isOver = state === 'Uninitialized' || state === 'Initializing' || state === 'Ready'
      if (!isOver) throw error
    }
    this.#fate = 'aborted'
  }

  /** Looks whether it can still commit. */
  check(): void {
    const { core } = this.#host
    const isOpen = this.#fate === 'open' || this.#fate === 'committing' || this.#fate === 'unknown'
    const { error } = core
    if (!isOpen || error === undefined) return
    this.#controller?.abort(error)
    if (core.state === 'FatalError' && this.#fate === 'open') this.#fail(error)
  }

  #commitFailed(error: KafkaError): void {
    if (error.code === 'COMMIT_OUTCOME_UNKNOWN' && this.#host.core.state !== 'FatalError') {
      this.#isOwedAnswer = true
      if (this.#fate === 'unknown') return
      this.#fate = 'unknown'
      this.#watch()
    } else if (this.#host.core.state === 'FatalError') this.#fail(error)
    // It can be aborted, and nothing else.
    else this.#fate = 'open'
  }

  /** The core goes on asking; what it learns is kept for the user's next `commit`. */
  #watch(): void {
    const { core } = this.#host
    core.commit(
      {
        succeeded: () => {
          this.#fate = 'committed'
        },
        failed: (error) => {
          if (error.code === 'COMMIT_OUTCOME_UNKNOWN' && core.state !== 'FatalError') this.#watch()
          else this.#fail(error)
        },
      },
      this.#host.nowMs(),
    )
  }

  #fail(error: KafkaError): void {
    this.#fate = 'failed'
    this.#error = error
    this.#controller?.abort(error)
  }

  #over(): KafkaError {
    if (this.#error !== undefined) return this.#error
    const messages: Readonly<Record<Fate, string>> = {
      open: 'the transaction is open',
      committing: 'the transaction is being committed',
      unknown: 'whether the transaction was committed is not known; call commit() again',
      aborting: 'the transaction is being aborted',
      committed: 'the transaction was committed',
      aborted: 'the transaction was aborted',
      failed: 'the transaction has failed',
    }
    return new KafkaError('ILLEGAL_STATE', messages[this.#fate])
  }

  #operate(start: (operation: Operation) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      start({ succeeded: resolve, failed: reject })
      this.#host.wake()
    })
  }
}

/** What becomes of it is the transaction's, so nobody has to wait for it. */
function quiet(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined)
  return promise
}

function checkGroup(group: GroupMetadata): void {
  if (typeof group?.groupId === 'string' && group.groupId !== '') return
  throw new KafkaError('INVALID_ARGUMENT', 'sendOffsets needs the metadata of a group: consumer.groupMetadata()')
}

function checkedOffsets(
  given: ReadonlyMap<string, ReadonlyMap<number, OffsetAndMetadata>> | readonly OffsetIn[],
): TransactionOffsets {
  const result = new Map<string, Map<number, OffsetAndMetadata>>()
  const add = (topic: string, partition: number, one: OffsetAndMetadata): void => {
    const isFine = typeof topic === 'string' && Number.isInteger(partition) && partition >= 0
    if (!isFine || !Number.isSafeInteger(one.offset) || one.offset < 0) {
      throw new KafkaError(
        'INVALID_ARGUMENT',
        `offset ${String(one?.offset)} for ${String(topic)}-${String(partition)}`,
      )
    }
    const partitions = result.get(topic)
    if (partitions === undefined) result.set(topic, new Map([[partition, one]]))
    else partitions.set(partition, one)
  }
  if (Array.isArray(given)) {
    for (const one of given as readonly OffsetIn[]) add(one.topic, one.partition, one)
  } else {
    for (const [topic, partitions] of given as TransactionOffsets) {
      for (const [partition, one] of partitions) add(topic, partition, one)
    }
  }
  return result
}
