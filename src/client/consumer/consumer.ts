/**
 * What users hold to read records: `poll`, `for await`, or `run` with a handler; with a group or without.
 *
 * A shell: what is read is decided by the fetcher (core/fetch), who reads it by the group member (core/group). Owns the order in
 * which the consumer gives up and takes over partitions, what counts as processed, and what is committed when.
 *
 * Invariants: at most one poll at a time; partitions change hands inside a poll only, apart from those that are lost;
 * what is committed has been processed, and under the membership of now.
 */
import type { Timer } from '../../base/runtime.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { CoreDriver } from '../core-driver.ts'
import { Fetcher, type ResetTo } from '../core/fetch/fetcher.ts'
import { GroupMember, type MemberTask } from '../core/group/group-member.ts'
import { KafkaError } from '../errors.ts'
import type { AnyTopic, ConsumerRecord, GroupMetadata, TopicPartition } from '../topic.ts'
import type { CheckedConsumerOptions, ConsumerOptions, PartitionsListener } from './consumer-options.ts'
import { checkConsumerOptions } from './consumer-options.ts'
import { type CallLimits, type CommittedOffsets, fetchCommitted, type OffsetToCommit } from './group-offsets.ts'
import { ProcessedOffsets } from './processed-offsets.ts'
import { lagOf, type PartitionLag } from './partition-lag.ts'
import { RecordDecoder } from './record-decoder.ts'
import { RunLoop, type RunOptions } from './run-loop.ts'
import { matchingTopics } from './topic-patterns.ts'

export interface PollOptions {
  /** How long to wait when there is nothing; 1,000 unless given. */
  readonly timeoutMs?: number
  /** `maxPollRecords` unless given. */
  readonly maxRecords?: number
}

const DEFAULT_POLL_TIMEOUT_MS = 1_000
const DEFAULT_CLOSE_TIMEOUT_MS = 30_000
const CALL_TIMEOUT_MS = 60_000
/** Between two looks for topics that match patterns. */
const PATTERN_INTERVAL_MS = 30_000

export class Consumer<K = Buffer, V = Buffer> implements AsyncDisposable, AsyncIterable<ConsumerRecord<K, V>> {
  readonly #cluster: Cluster
  readonly #options: CheckedConsumerOptions
  readonly #decoder: RecordDecoder<K, V>
  readonly #fetcher: Fetcher
  readonly #member: GroupMember | undefined
  readonly #fetchDriver: CoreDriver
  readonly #memberDriver: CoreDriver | undefined
  readonly #requestTimeoutMs: number
  readonly #retryBackoffMs: number
  /** Aborted when a partition is lost or given up, or the consumer is closed in a hurry. */
  readonly #signals = new Map<string, AbortController>()
  readonly #offsets: ProcessedOffsets
  #isPolling = false
  #wake: (() => void) | undefined
  #failure: KafkaError | undefined
  #isClosed = false
  #closing: Promise<void> | undefined
  #isLoadingCommitted = false
  #listeners: Promise<void> = Promise.resolve()
  #run: RunLoop<K, V> | undefined
  #isSubscribed = false
  #patternTimer: Timer | undefined
  #stopRequested = false
  /** The last records went to a caller of `poll`, who is done with them when it closes. */
  #isPolledByHand = false

  constructor(cluster: Cluster, options: ConsumerOptions) {
    this.#cluster = cluster
    this.#options = checkConsumerOptions(options)
    const { topics, partitions, groupId, groupInstanceId, assignors } = this.#options
    this.#requestTimeoutMs = this.#options.requestTimeoutMs ?? cluster.options.requestTimeoutMs
    this.#retryBackoffMs = cluster.options.retryBackoffMs
    const { retryBackoffMs, retryBackoffMaxMs } = cluster.options
    this.#decoder = new RecordDecoder(topics ?? [])
    this.#fetcher = new Fetcher({
      ...this.#options,
      requestTimeoutMs: this.#requestTimeoutMs,
      retryBackoffMs,
      retryBackoffMaxMs,
    })
    const hooks = {
      onProgress: () => this.#onProgress(),
      onFailure: (cause: unknown) => {
        this.#failure = new KafkaError('INTERNAL', `the consumer stopped: ${messageOf(cause)}`, { cause })
        this.#wake?.()
      },
    }
    this.#fetchDriver = new CoreDriver(this.#fetcher, cluster, hooks)
    if (groupId !== undefined && topics !== undefined) {
      this.#member = new GroupMember({
        groupId,
        groupInstanceId: groupInstanceId ?? null,
        assignors,
        sessionTimeoutMs: this.#options.sessionTimeoutMs,
        rebalanceTimeoutMs: this.#options.maxPollIntervalMs,
        heartbeatIntervalMs: this.#options.heartbeatIntervalMs,
        maxPollIntervalMs: this.#options.maxPollIntervalMs,
        requestTimeoutMs: this.#requestTimeoutMs,
        retryBackoffMs,
        retryBackoffMaxMs,
      })
      this.#memberDriver = new CoreDriver(this.#member, cluster, hooks)
    }
    this.#offsets = new ProcessedOffsets(cluster, this.#fetcher, {
      groupId,
      isAutomatic: this.#options.autoCommit,
      intervalMs: this.#options.autoCommitIntervalMs,
      limits: () => this.#limits(),
      membership: () => this.groupMetadata(),
      isMember: this.#member !== undefined,
      onRefused: (error) => {
        this.#member?.onCommitRefused(error.code, error)
        this.#memberDriver?.wake()
        this.#dropLost()
      },
    })
    if (partitions !== undefined) this.#take(partitions)
  }

  /**
   * Waits until there are records or the time is over. What was returned last counts as processed from here on. Rebalances
   * happen in here, `onRevoked` and `onAssigned` with them. Rejects with KafkaError: what the group or a partition cannot go on with; after an error about a record
   * (DESERIALIZATION_FAILED, CORRUPT_MESSAGE) the position stays, and `seek` goes past it.
   */
  async poll(options: PollOptions = {}): Promise<ConsumerRecord<K, V>[]> {
    if (this.#run !== undefined)
      throw new KafkaError('ILLEGAL_STATE', 'the consumer is running a handler; do not poll beside it')
    this.#offsets.markAllProcessed()
    this.#isPolledByHand = true
    return this.#poll(options)
  }

  /** One by one. A record counts as processed when the next is asked for. Ends when the consumer is closed or stopped. */
  async *[Symbol.asyncIterator](): AsyncIterator<ConsumerRecord<K, V>> {
    this.#isPolledByHand = false
    for (;;) {
      let records: ConsumerRecord<K, V>[]
      try {
        records = await this.#poll({ timeoutMs: this.#options.maxPollIntervalMs / 2 })
      } catch (error) {
        if (error instanceof KafkaError && error.code === 'CLOSED' && this.#closing !== undefined) return
        throw error
      }
      if (this.#stopRequested && records.length === 0) return
      for (const [index, record] of records.entries()) {
        // Lost since it was fetched: whoever has it now reads it.
        if (!this.#fetcher.isAssigned(record)) continue
        let isDone = false
        try {
          yield record
          isDone = true
        } finally {
          // The loop was left in the middle: this record and those behind it are read again.
          if (!isDone) this.#rewind(records.slice(index))
        }
        this.#offsets.markProcessed(record)
        this.#member?.beginPoll(this.#nowMs)
        this.#member?.endPoll(this.#nowMs)
        await this.#offsets.commitByTime()
      }
      this.#offsets.markAllProcessed()
    }
  }

  /**
   * Calls a handler for each record or batch, in order within each partition, until `stop` or `close`; then it resolves. Rejects with
   * USER_CODE_FAILED (`cause`) when a handler throws, after what was processed is committed and the position is back at what was not.
   */
  async run(options: RunOptions<K, V>): Promise<void> {
    this.#checkOpen()
    if (this.#run !== undefined) throw new KafkaError('ILLEGAL_STATE', 'the consumer runs a handler already')
    const loop = new RunLoop<K, V>(options, {
      poll: () => this.#poll({}),
      isOurs: (partition) => this.#fetcher.isAssigned(partition),
      signalOf: (partition) => this.#signalOf(partition),
      markProcessed: (record) => this.#offsets.markProcessed(record),
      markAllProcessed: () => this.#offsets.markAllProcessed(),
      rewind: (records) => this.#rewind(records),
      commitByTime: () => this.#offsets.commitByTime(),
      commitProcessed: () => this.#offsets.commitProcessed(),
    })
    this.#run = loop
    this.#isPolledByHand = false
    try {
      await loop.run()
    } finally {
      this.#run = undefined
    }
  }

  /** Lets `run` or a `for await` loop end after the records at hand. Resolves when a `run` has. */
  async stop(): Promise<void> {
    this.#stopRequested = true
    this.#wake?.()
    await this.#run?.stop()
  }

  /**
   * Commits offsets, or everything that was processed when none are given. Rejects with `refresh` errors (ILLEGAL_GENERATION …) when
   * the partitions may be another member's; an earlier try that nobody answered may have committed all the same.
   */
  async commit(offsets?: readonly OffsetToCommit[]): Promise<void> {
    this.#checkOpen()
    if (this.#options.groupId === undefined) throw new KafkaError('ILLEGAL_STATE', 'commit needs a groupId')
    if (offsets === undefined) {
      await this.#offsets.commitProcessed()
      return
    }
    for (const { topic, partition, offset } of offsets) {
      if (Number.isSafeInteger(offset) && offset >= 0) continue
      throw new KafkaError('INVALID_ARGUMENT', `the offset ${offset} of ${topic}-${partition} is no offset`)
    }
    await this.#offsets.commit(offsets)
  }

  /** Committed offsets by topic and partition; those without one are left out. Waits for transactions that are being ended. */
  async committed(partitions: readonly TopicPartition[]): Promise<CommittedOffsets> {
    this.#checkOpen()
    const { groupId } = this.#options
    if (groupId === undefined) throw new KafkaError('ILLEGAL_STATE', 'committed needs a groupId')
    return fetchCommitted(this.#cluster, groupId, partitions, this.#limits())
  }

  /** The next offset that is handed out; `undefined` while it is being found out. */
  position(partition: TopicPartition): number | undefined {
    return this.#fetcher.position(partition)?.offset
  }

  assignment(): readonly TopicPartition[] {
    return this.#fetcher.assignment
  }

  /** The membership to commit offsets with in a transaction (KIP-447). */
  groupMetadata(): GroupMetadata {
    const { groupId, groupInstanceId } = this.#options
    if (groupId === undefined) throw new KafkaError('ILLEGAL_STATE', 'groupMetadata needs a groupId')
    return (
      this.#member?.metadata ?? { groupId, generationId: -1, memberId: '', groupInstanceId: groupInstanceId ?? null }
    )
  }

  /** Of everything that is assigned; as far as fetches have told. */
  lag(): readonly PartitionLag[] {
    return lagOf(this.#fetcher.progress(), this.#options.isolationLevel)
  }

  /** Hands out nothing of these until `resume`; what is fetched is kept. Throws ILLEGAL_STATE for one that is not assigned. */
  pause(partitions: readonly TopicPartition[]): void {
    this.#fetcher.pause(partitions)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#fetcher.resume(partitions)
    this.#fetchDriver.wake()
  }

  paused(): readonly TopicPartition[] {
    return this.#fetcher.paused.map(({ topic, partition }) => ({ topic, partition }))
  }

  /** Goes on at an offset, at the first or last one, or at the first record that is not older. Throws ILLEGAL_STATE when not assigned. */
  seek(partition: TopicPartition, to: number | ResetTo): void {
    if (typeof to === 'number' && (!Number.isSafeInteger(to) || to < 0)) {
      throw new KafkaError('INVALID_ARGUMENT', `cannot seek ${partition.topic}-${partition.partition} to ${to}`)
    }
    this.#fetcher.seek(partition, to)
    this.#offsets.onSeek(partition)
    this.#fetchDriver.wake()
  }

  /**
   * Lets handlers finish, commits what was processed (with `poll`: all that was returned), leaves the group. After `timeoutMs` (30,000) it does without. Never rejects because of the
   * cluster: what could not be committed is processed again.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #nowMs(): number {
    return this.#cluster.runtime.clock.monotonicMs()
  }

  #limits(): CallLimits {
    return { requestTimeoutMs: this.#requestTimeoutMs, timeoutMs: CALL_TIMEOUT_MS }
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new KafkaError('CLOSED', 'the consumer was closed')
    if (this.#failure !== undefined) throw this.#failure
    const fatal = this.#member?.error
    if (fatal !== undefined) throw fatal
  }

  async #poll({
    timeoutMs = DEFAULT_POLL_TIMEOUT_MS,
    maxRecords = this.#options.maxPollRecords,
  }: PollOptions): Promise<ConsumerRecord<K, V>[]> {
    if (this.#isPolling)
      throw new KafkaError('ILLEGAL_STATE', 'the consumer is polled already; await one poll before the next')
    this.#checkOpen()
    if (this.#closing !== undefined) throw new KafkaError('CLOSED', 'the consumer is being closed')
    this.#isPolling = true
    const deadlineMs = this.#nowMs + timeoutMs
    this.#member?.beginPoll(this.#nowMs)
    this.#memberDriver?.wake()
    try {
      if (!this.#isSubscribed) await this.#subscribe(timeoutMs)
      await this.#offsets.commitByTime()
      for (;;) {
        await this.#doTasks()
        this.#checkOpen()
        this.#loadCommitted()
        const fetched = this.#fetcher.take(maxRecords)
        if (fetched.length > 0) {
          this.#fetchDriver.wake()
          const { records, failure } = this.#decoder.decode(fetched)
          if (failure === undefined) return records
          for (const { topic, partition, offset } of failure.rewindTo) this.#fetcher.seek({ topic, partition }, offset)
          if (records.length === 0) throw failure.error
          return records
        }
        const leftMs = deadlineMs - this.#nowMs
        if (leftMs <= 0 || this.#stopRequested || this.#closing !== undefined) return []
        await this.#progress(leftMs)
      }
    } finally {
      this.#isPolling = false
      this.#member?.endPoll(this.#nowMs)
      // Its deadline for the next poll begins now.
      this.#memberDriver?.wake()
    }
  }

  /** Until the cores have something to say, somebody stops us, or the time is over. */
  async #progress(timeoutMs: number): Promise<void> {
    const progress = Promise.withResolvers<void>()
    this.#wake = progress.resolve
    const timer = this.#cluster.runtime.clock.setTimer(timeoutMs, progress.resolve, { keepsProcessAlive: true })
    this.#onProgress()
    await progress.promise
    timer.cancel()
    this.#wake = undefined
  }

  #onProgress(): void {
    this.#dropLost()
    if (this.#wake === undefined) return
    const { needCommitted, hasData } = this.#fetcher
    const mustLoad = needCommitted.length > 0 && !this.#isLoadingCommitted
    if (hasData || mustLoad || this.#member?.hasTask === true || this.#member?.error !== undefined) this.#wake()
  }

  async #subscribe(timeoutMs: number): Promise<void> {
    const { topics } = this.#options
    this.#isSubscribed = true
    if (topics === undefined) return
    try {
      const names = await matchingTopics(this.#cluster, topics, Math.max(timeoutMs, this.#requestTimeoutMs))
      if (this.#member !== undefined) this.#member.subscribe(names)
      else await this.#takeWholeTopics(names, timeoutMs)
    } catch (error) {
      this.#isSubscribed = false
      throw error
    }
    this.#memberDriver?.wake()
    const isClosing = this.#closing !== undefined
    if (!isClosing && topics.some((topic) => topic instanceof RegExp)) this.#watchPatterns(topics)
  }

  #watchPatterns(topics: readonly (AnyTopic | RegExp)[]): void {
    const { clock, logger } = this.#cluster.runtime
    this.#patternTimer = clock.setTimer(PATTERN_INTERVAL_MS, () => {
      matchingTopics(this.#cluster, topics, this.#requestTimeoutMs).then(
        async (names) => {
          if (this.#closing !== undefined) return
          if (this.#member !== undefined) this.#member.subscribe(names)
          else await this.#takeWholeTopics(names, this.#requestTimeoutMs)
          this.#memberDriver?.wake()
          this.#watchPatterns(topics)
        },
        (error: unknown) => {
          if (this.#closing !== undefined) return
          logger.warn('topics could not be listed for the patterns of a consumer', { error: messageOf(error) })
          this.#watchPatterns(topics)
        },
      )
    })
  }

  /** Without a group everything is ours. */
  async #takeWholeTopics(names: readonly string[], timeoutMs: number): Promise<void> {
    const views = await this.#cluster.requireTopics(names, { timeoutMs: Math.max(timeoutMs, this.#requestTimeoutMs) })
    const failed = views.find(({ error }) => error !== undefined)
    if (failed?.error !== undefined) throw failed.error
    this.#take(views.flatMap(({ name, partitions }) => partitions.map(({ partition }) => ({ topic: name, partition }))))
  }

  #take(partitions: readonly TopicPartition[]): void {
    this.#fetcher.assign(partitions)
    for (const partition of partitions) {
      if (!this.#signals.has(keyOf(partition))) this.#signals.set(keyOf(partition), new AbortController())
    }
    this.#fetchDriver.wake()
  }

  #drop(partitions: readonly TopicPartition[], why: KafkaError): void {
    const dropped = new Set(partitions.map(keyOf))
    for (const key of dropped) {
      this.#signals.get(key)?.abort(why)
      this.#signals.delete(key)
    }
    this.#offsets.forget(partitions)
    this.#fetcher.assign(this.#fetcher.assignment.filter((partition) => !dropped.has(keyOf(partition))))
    this.#fetchDriver.wake()
  }

  /** In the order in which the group wants them. */
  async #doTasks(): Promise<void> {
    for (let task = this.#member?.nextTask(); task !== undefined; task = this.#member?.nextTask()) {
      await this.#doTask(task)
      this.#memberDriver?.wake()
    }
    await this.#listeners
  }

  async #doTask(task: MemberTask): Promise<void> {
    const { onAssigned, onRevoked } = this.#options
    switch (task.kind) {
      case 'revoke': {
        if (this.#options.autoCommit) await this.#offsets.commitQuietly()
        await this.#listen(onRevoked, task.partitions)
        this.#drop(
          task.partitions,
          new KafkaError('REBALANCE_IN_PROGRESS', 'the partition was given to another member'),
        )
        this.#member?.revoked()
        return
      }
      case 'lost':
        this.#lose(task.partitions, task.why)
        return
      case 'assign':
        this.#take(task.all)
        await this.#listen(onAssigned, task.added)
        return
    }
  }

  /** What is lost is lost at once, whatever the handler is doing. */
  #dropLost(): void {
    const member = this.#member
    if (member === undefined || this.#isPolling) return
    const task = member.takeLost()
    if (task !== undefined) this.#lose(task.partitions, task.why)
  }

  #lose(partitions: readonly TopicPartition[], why: KafkaError): void {
    this.#cluster.runtime.logger.warn('partitions of a consumer were lost', {
      groupId: this.#options.groupId,
      partitions: partitions.length,
      reason: why.message,
    })
    this.#drop(partitions, why)
    this.#listeners = this.#listeners.then(() =>
      this.#listen(this.#options.onLost ?? this.#options.onRevoked, partitions),
    )
  }

  /** Waits for a listener, but no longer than the group does. What it throws ends the consumer. */
  async #listen(listener: PartitionsListener | undefined, partitions: readonly TopicPartition[]): Promise<void> {
    if (listener === undefined) return
    const { clock } = this.#cluster.runtime
    const over = Promise.withResolvers<void>()
    const timer = clock.setTimer(this.#options.maxPollIntervalMs, over.resolve)
    try {
      await Promise.race([listener(partitions), over.promise])
    } catch (cause) {
      this.#failure = new KafkaError('USER_CODE_FAILED', `a listener of the consumer failed: ${messageOf(cause)}`, {
        cause,
      })
    } finally {
      timer.cancel()
    }
  }

  /** In the background, as long as partitions wait for it. */
  #loadCommitted(): void {
    const partitions = this.#fetcher.needCommitted.map(({ topic, partition }) => ({ topic, partition }))
    if (partitions.length === 0 || this.#isLoadingCommitted) return
    const { groupId } = this.#options
    if (groupId === undefined) {
      for (const partition of partitions) this.#fetcher.setCommitted(partition, undefined)
      this.#fetchDriver.wake()
      return
    }
    this.#isLoadingCommitted = true
    const generationId = this.#member?.metadata.generationId
    fetchCommitted(this.#cluster, groupId, partitions, this.#limits())
      .then(
        (committed) => {
          // Asked for another generation: offsets may have moved on since.
          if (this.#member !== undefined && this.#member.metadata.generationId !== generationId) return undefined
          for (const { topic, partition } of partitions) {
            const offset = committed.get(topic)?.get(partition)
            this.#fetcher.setCommitted({ topic, partition }, offset)
            if (offset !== undefined) this.#offsets.noteCommitted({ topic, partition, offset: offset.offset })
          }
          return undefined
        },
        (error: unknown) => {
          if (this.#isClosed) return undefined
          if (error instanceof KafkaError && error.recovery !== 'fix-configuration') {
            this.#cluster.runtime.logger.warn('committed offsets could not be read, trying again', {
              groupId,
              error: error.message,
            })
            return this.#cluster.sleep(this.#retryBackoffMs)
          }
          this.#failure =
            error instanceof KafkaError ? error : new KafkaError('INTERNAL', messageOf(error), { cause: error })
          return undefined
        },
      )
      .catch(() => undefined)
      .finally(() => {
        this.#isLoadingCommitted = false
        this.#fetchDriver.wake()
        this.#wake?.()
      })
  }

  #signalOf(partition: TopicPartition): AbortSignal {
    return this.#signals.get(keyOf(partition))?.signal ?? AbortSignal.abort()
  }

  /** Back to the first of these records in each partition. */
  #rewind(records: readonly ConsumerRecord<K, V>[]): void {
    const seen = new Set<string>()
    for (const { topic, partition, offset } of records) {
      const key = keyOf({ topic, partition })
      if (seen.has(key) || !this.#fetcher.isAssigned({ topic, partition })) continue
      seen.add(key)
      this.#fetcher.seek({ topic, partition }, offset)
    }
    this.#fetchDriver.wake()
  }

  async #close(timeoutMs: number): Promise<void> {
    const deadlineMs = this.#nowMs + timeoutMs
    this.#patternTimer?.cancel()
    this.#wake?.()
    if (this.#run !== undefined) await this.#until(this.#run.stop(), deadlineMs)
    const gone = new KafkaError('CLOSED', 'the consumer is being closed')
    for (const controller of this.#signals.values()) controller.abort(gone)
    while (this.#isPolling && this.#nowMs < deadlineMs) {
      this.#wake?.()
      await this.#until(undefined, Math.min(deadlineMs, this.#nowMs + 1))
    }
    if (this.#isPolledByHand) this.#offsets.markAllProcessed()
    if (this.#options.autoCommit && this.#run === undefined)
      await this.#until(this.#offsets.commitQuietly(), deadlineMs)
    const member = this.#member
    if (member !== undefined) {
      const owned = this.#fetcher.assignment
      if (owned.length > 0 && member.error === undefined)
        await this.#until(this.#listen(this.#options.onRevoked, owned), deadlineMs)
      member.leave()
      this.#memberDriver?.wake()
      while (!member.hasLeft && this.#nowMs < deadlineMs)
        await this.#until(undefined, Math.min(deadlineMs, this.#nowMs + 5))
    }
    this.#isClosed = true
    this.#fetcher.assign([])
    this.#fetchDriver.close()
    this.#memberDriver?.close()
    await this.#cluster.close()
  }

  /** For `work`, or for a moment. */
  async #until(work: Promise<void> | undefined, deadlineMs: number): Promise<void> {
    const over = Promise.withResolvers<void>()
    const timer = this.#cluster.runtime.clock.setTimer(Math.max(0, deadlineMs - this.#nowMs), over.resolve, {
      keepsProcessAlive: true,
    })
    await Promise.race([work?.catch(() => undefined) ?? over.promise, over.promise])
    timer.cancel()
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
