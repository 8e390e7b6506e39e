/**
 * The producer without time, network and promises: takes records, answers `poll` with requests, is told of replies.
 *
 * Owns: which partition a record goes to, and what it takes to be accepted. Leaves to others: batches (accumulator.ts), Produce
 * (produce-sender.ts), identity and transactions (transaction-manager.ts), waiting and serializing (the shell).
 *
 * Invariant: every record that was accepted is told of exactly once, to the call it came with.
 */
import { BATCH_OVERHEAD_BYTES } from '../../../protocol/record-batch.ts'
import { isRetriable, KafkaError } from '../../errors.ts'
import type { GroupMetadata } from '../../topic.ts'
import type { ClientCore, ClusterView, CoreReply, PollResult } from '../client-core.ts'
import { Accumulator, type AccumulatorOptions, type RecordDraft, type TopicState } from './accumulator.ts'
import { partitionOfKey } from './partitioner.ts'
import type { Barrier, SendCall } from './producer-batch.ts'
import { ProduceSender, type SenderOptions } from './produce-sender.ts'
import type { ProducerIdentity } from './sequences.ts'
import { type Operation, TransactionManager, type TransactionManagerOptions } from './transaction-manager.ts'
import type { TransactionOffsets } from './transaction-requests.ts'
import type { ProducerState } from './transaction-table.ts'

export type ProducerCoreOptions = AccumulatorOptions & SenderOptions & TransactionManagerOptions

/**
 * `unknown-topic`: its partitions have to be looked up first. `full`: the memory is used up, for now.
 * An error: the record will never be accepted.
 */
export type AppendResult = 'accepted' | 'full' | 'unknown-topic' | KafkaError

const KEY_SCRATCH_BYTES = 256
const NOBODY: Operation = { succeeded: () => undefined, failed: () => undefined }

export class ProducerCore implements ClientCore {
  readonly #options: ProducerCoreOptions
  readonly #cluster: ClusterView
  readonly #accumulator: Accumulator
  readonly #sender: ProduceSender
  /** `undefined` without idempotence. */
  readonly #manager: TransactionManager | undefined
  /** Where text keys become bytes to be hashed. */
  #keyScratch = Buffer.allocUnsafeSlow(KEY_SCRATCH_BYTES)
  #lastId = 0
  #closed: KafkaError | undefined
  /** Sends wait for memory: what is there is sent without lingering. */
  isMemoryAwaited = false

  constructor(options: ProducerCoreOptions, cluster: ClusterView) {
    this.#options = options
    this.#cluster = cluster
    this.#accumulator = new Accumulator(options)
    this.#sender = new ProduceSender(options, cluster, this.#accumulator)
    if (options.isIdempotent) {
      this.#manager = new TransactionManager(options, cluster, this.#sender)
      this.#sender.attach(this.#manager)
    }
  }

  get bufferedBytes(): number {
    return this.#accumulator.bufferedBytes
  }

  get incompleteBatches(): number {
    return this.#accumulator.incomplete.size
  }

  /** 'Ready' without idempotence. */
  get state(): ProducerState {
    return this.#manager?.state ?? 'Ready'
  }

  /** Why the state is AbortableError or FatalError. */
  get error(): KafkaError | undefined {
    return this.#closed ?? this.#manager?.error
  }

  get identity(): ProducerIdentity | undefined {
    return this.#manager?.identity
  }

  get transactionVersion(): 1 | 2 {
    return this.#manager?.isTransactionV2 === true ? 2 : 1
  }

  /**
   * @param partition  `undefined`: chosen by the key, or so that batches fill
   * @param call  who is told; `undefined`: nobody but the transaction
   * @param index  of the record in the call
   * @param sentMs  when the caller gave the record; monotonic
   */
  append(
    topicName: string,
    partition: number | undefined,
    record: RecordDraft,
    call: SendCall | undefined,
    index: number,
    sentMs: number,
  ): AppendResult {
    const refusal = this.#refusal()
    if (refusal !== undefined) return refusal
    const view = this.#cluster.topic(topicName)
    if (view === undefined) return 'unknown-topic'
    if (view.error !== undefined && !isRetriable(view.error)) return view.error
    const { partitions } = view
    if (partitions.length === 0) return 'unknown-topic'
    if (partition !== undefined && partition >= partitions.length) {
      const last = partitions.length - 1
      return new KafkaError('INVALID_ARGUMENT', `${topicName} has no partition ${partition}, only 0 … ${last}`)
    }
    const bytesMax = this.#accumulator.recordBytesMax(record)
    if (BATCH_OVERHEAD_BYTES + bytesMax > this.#options.maxRequestSizeBytes) {
      const { maxRequestSizeBytes } = this.#options
      const message = `a record of up to ${bytesMax} bytes for ${topicName} does not fit maxRequestSizeBytes (${maxRequestSizeBytes})`
      return new KafkaError('MESSAGE_TOO_LARGE', message)
    }
    const topic = this.#accumulator.topic(topicName)
    const chosen = partition ?? this.#partitionFor(topic, record, partitions.length)
    const state = this.#accumulator.partition(topic, chosen)
    if (!this.#accumulator.append(topic, state, record, bytesMax, sentMs, call, index)) return 'full'
    if (partition === undefined && record.key === null) topic.sticky.wrote(bytesMax)
    this.#manager?.addPartition(state)
    return 'accepted'
  }

  /** Told when everything accepted so far is done, however it ended. */
  flush(barrier: Barrier): void {
    this.#accumulator.awaitAll(barrier)
  }

  /** Succeeds when the next transaction can begin; for a producer without transactions, when it has its id. */
  init(operation: Operation, nowMs: number): void {
    if (this.#closed !== undefined) operation.failed(this.#closed)
    else if (this.#manager === undefined) operation.succeeded()
    else this.#manager.init(operation, nowMs)
  }

  /** @returns what is against it */
  begin(): KafkaError | undefined {
    return this.#closed ?? this.#transactions().begin()
  }

  sendOffsets(offsets: TransactionOffsets, group: GroupMetadata, operation: Operation, nowMs: number): void {
    this.#transactions().sendOffsets(offsets, group, operation, nowMs)
  }

  commit(operation: Operation, nowMs: number): void {
    this.#transactions().commit(operation, nowMs)
  }

  abort(operation: Operation, nowMs: number): void {
    this.#transactions().abort(operation, nowMs)
  }

  /** Something that belonged to the transaction did not even get here: it must not be committed. */
  failTransaction(error: KafkaError): void {
    if (this.#manager?.state === 'InTransaction') this.#manager.abortable(error)
  }

  /** Everything that is not done fails with `error`, and nothing is accepted any more. */
  close(error: KafkaError): void {
    this.#closed = error
    this.#manager?.fatal(error)
    this.#sender.failAll(error)
  }

  poll(nowMs: number, _cluster: ClusterView): PollResult {
    const manager = this.#manager
    if (this.#closed !== undefined) return { requests: [], nextPollMs: undefined }
    this.#accumulator.isFlushing = this.isMemoryAwaited || manager?.isCommitting === true
    const needsIdentity = manager?.state === 'Uninitialized' && !manager.isTransactional
    if (needsIdentity && this.#accumulator.incomplete.size > 0) manager.init(NOBODY, nowMs)
    const nextId = (): number => (this.#lastId += 1)
    const sent = this.#sender.poll(nowMs, nextId)
    const asked = manager?.poll(nowMs, nextId)
    this.#settleFatal()
    const nextPollMs = Math.min(
      sent.nextPollMs ?? Number.POSITIVE_INFINITY,
      asked?.nextPollMs ?? Number.POSITIVE_INFINITY,
    )
    return {
      requests: asked === undefined ? sent.requests : [...asked.requests, ...sent.requests],
      nextPollMs: nextPollMs === Number.POSITIVE_INFINITY ? undefined : nextPollMs,
      ...(sent.refreshMetadata === true && { refreshMetadata: true }),
      ...(asked?.forgetCoordinators !== undefined && { forgetCoordinators: asked.forgetCoordinators }),
    }
  }

  onReply(requestId: number, reply: CoreReply, nowMs: number): void {
    if (this.#closed !== undefined) return
    if (this.#sender.onReply(requestId, reply, nowMs)) this.#settleFatal()
    else if (this.#manager?.onReply(requestId, reply, nowMs) === true) this.#settleFatal()
  }

  #transactions(): TransactionManager {
    if (this.#manager?.isTransactional !== true) {
      throw new KafkaError('ILLEGAL_STATE', 'a transaction needs a producer with a transactionalId')
    }
    return this.#manager
  }

  #refusal(): KafkaError | undefined {
    if (this.#closed !== undefined) return this.#closed
    const manager = this.#manager
    if (manager === undefined) return undefined
    return manager.isTransactional ? manager.checkWrite() : manager.isFatal ? manager.error : undefined
  }

  #partitionFor(topic: TopicState, { key }: RecordDraft, partitionCount: number): number {
    if (key === null) return topic.sticky.choose(this.#cluster.topic(topic.name)!.partitions)
    if (typeof key !== 'string') return partitionOfKey(key, key.length, partitionCount)
    // At most three bytes of UTF-8 for a code unit.
    const most = key.length * 3
    if (most > this.#keyScratch.length) this.#keyScratch = Buffer.allocUnsafeSlow(2 * most)
    return partitionOfKey(this.#keyScratch, this.#keyScratch.write(key, 0, most, 'utf8'), partitionCount)
  }

  /** After a fatal error nothing is left to be sent. */
  #settleFatal(): void {
    const manager = this.#manager
    if (manager?.isFatal === true && this.#sender.hasIncomplete) this.#sender.failAll(manager.error!)
  }
}
