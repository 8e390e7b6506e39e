/**
 * The producer's identity and its transaction: states, what the coordinator is asked next, what its answers lead to.
 *
 * Owns: producer id and epoch, the transaction version (1 or 2, chosen anew for each transaction), which partitions are in
 * the transaction, commit and abort. Leaves to others: batches and their sequences (produce-sender.ts), the legal moves
 * (transaction-table.ts), the shape of requests (transaction-requests.ts). SPEC.md has the invariants.
 *
 * One request to a coordinator at a time, as in Java: its order is what makes an EndTxn come last.
 */
import { assert } from '../../../base/assert.ts'
import { KafkaError } from '../../errors.ts'
import type { GroupMetadata, OffsetAndMetadata } from '../../topic.ts'
import type { ClusterView, CoreReply, CoreRequest, PollResult } from '../client-core.ts'
import { backoffMs } from './backoff.ts'
import type { PartitionState } from './partition-state.ts'
import { coordinatorVerdict, endMayHaveHappened } from './producer-errors.ts'
import { NO_IDENTITY, type ProducerIdentity } from './sequences.ts'
import { answerError, fenced, illegalState, onlyAbort, unknownOutcome, withCause } from './transaction-errors.ts'
import {
  type Answer,
  type CoordinatorWork,
  coordinatorRequest,
  readAnswer,
  type TransactionOffsets,
} from './transaction-requests.ts'
import { canBumpEpoch, supportsTransactionV2 } from './transaction-version.ts'
import { type InnerEvent, PRODUCER_TABLE, type ProducerState, type UserEvent } from './transaction-table.ts'

/** Somebody waits for the end of something. Told once. */
export interface Operation {
  succeeded(): void
  failed(error: KafkaError): void
}

export interface TransactionManagerOptions {
  /** `undefined`: an idempotent producer without transactions. */
  readonly transactionalId: string | undefined
  readonly transactionTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  /** How long a commit, an abort or offsets may take once they are asked of the coordinator. */
  readonly maxBlockMs: number
  readonly transactionVersion: 'auto' | 1
  /** Uniform over 0 … 2^32 - 1. */
  readonly random: () => number
}

/** What the manager has to know of, and to ask of, whoever holds the batches. */
export interface BatchHolder {
  /** Batches that are not done. */
  readonly hasIncomplete: boolean
  /** Produce requests without a reply. */
  readonly hasInFlight: boolean
  /** A new epoch begins everywhere at sequence 0; nothing is unfinished. */
  resetSequences(): void
  /** Gives up what is not on its way. @param numbered  also batches that have a sequence: a new epoch will follow */
  abandon(error: KafkaError, options: { readonly numbered: boolean }): void
}

interface PendingOffsets {
  readonly group: GroupMetadata
  readonly offsets: Map<string, Map<number, OffsetAndMetadata>>
  readonly operation: Operation
  readonly deadlineMs: number
  /** AddOffsetsToTxn was answered, or is not needed. */
  isAdded: boolean
}

const PRODUCER_EPOCH_MAX = 32_767

export class TransactionManager {
  readonly #options: TransactionManagerOptions
  readonly #cluster: ClusterView
  readonly #holder: BatchHolder
  #state: ProducerState = 'Uninitialized'
  /** Why the state is AbortableError or FatalError. */
  #error: KafkaError | undefined
  #identity: ProducerIdentity = NO_IDENTITY
  #isTransactionV2 = false
  /** A transaction was begun with the present epoch. */
  #epochWasUsed = false
  /** The transaction must be followed by InitProducerId with the present id and epoch (KIP-360, transaction version 1). */
  #needsNewEpoch = false
  /** Transaction version 1: an unanswered request of this epoch may still be on its way, and arrive in a later transaction (KAFKA-17754). */
  #hasStray = false
  /** The coordinator knows of the transaction, or may. */
  #isStarted = false
  readonly #newPartitions = new Set<PartitionState>()
  readonly #partitions = new Set<PartitionState>()
  readonly #offsets: PendingOffsets[] = []
  /** Who waits for an identity, for the commit, for the abort. */
  #waiters: Operation[] = []
  /** Until when `#waiters` wait; what they wait for goes on. */
  #waitDeadlineMs = Number.POSITIVE_INFINITY
  /** The last failure that led to another try. */
  #lastFailure: KafkaError | undefined
  /** An EndTxn may have been carried out without an answer. */
  #isEndInDoubt = false
  #request: { readonly id: number; readonly work: CoordinatorWork } | undefined
  /** Transaction version 1: may have been carried out, and is asked until there is an answer. */
  #inDoubt: CoordinatorWork | undefined
  #attempts = 0
  #retryAtMs = 0
  #coordinatorsToForget: { readonly of: 'group' | 'transaction'; readonly key: string }[] = []

  constructor(options: TransactionManagerOptions, cluster: ClusterView, holder: BatchHolder) {
    this.#options = options
    this.#cluster = cluster
    this.#holder = holder
  }

  get state(): ProducerState {
    return this.#state
  }

  get error(): KafkaError | undefined {
    return this.#error
  }

  get identity(): ProducerIdentity {
    return this.#identity
  }

  get hasIdentity(): boolean {
    return this.#identity.producerId >= 0
  }

  get isTransactional(): boolean {
    return this.#options.transactionalId !== undefined
  }

  get isTransactionV2(): boolean {
    return this.#isTransactionV2
  }

  get isCommitting(): boolean {
    return this.#state === 'CommittingTransaction'
  }

  get isAborting(): boolean {
    return this.#state === 'AbortingTransaction'
  }

  get isFatal(): boolean {
    return this.#state === 'FatalError'
  }

  /** Nobody can say whether the commit under way has happened. */
  get isCommitInDoubt(): boolean {
    return this.isCommitting && (this.#isEndInDoubt || this.#request?.work.api === 'EndTxn')
  }

  /** Whether the partition's batches may go out now. */
  maySendTo(partition: PartitionState): boolean {
    if (this.isFatal || !this.hasIdentity) return false
    return !this.isTransactional || this.#partitions.has(partition)
  }

  // --- What users ask for ----------------------------------------------------------------------------------------

  /** Succeeds when the next transaction can begin, or the first record be sent. */
  init(operation: Operation, nowMs: number): void {
    const refusal = this.#ask('init')
    if (refusal !== undefined) {
      operation.failed(refusal)
      return
    }
    if (this.#state === 'Ready' && (this.#mustUpgrade() || this.#hasStray)) this.#move('newEpoch')
    if (this.#state === 'Ready') {
      operation.succeeded()
      return
    }
    this.#waiters.push(operation)
    this.#waitDeadlineMs = nowMs + this.#options.maxBlockMs
  }

  /** @returns what is against it */
  begin(): KafkaError | undefined {
    const refusal = this.#ask('begin')
    if (refusal !== undefined) return refusal
    this.#isTransactionV2 = this.#supportsV2()
    this.#epochWasUsed = true
    return undefined
  }

  checkWrite(): KafkaError | undefined {
    return this.#ask('write')
  }

  /** A record was accepted for the partition. */
  addPartition(partition: PartitionState): void {
    if (!this.isTransactional || this.#partitions.has(partition)) return
    if (this.#isTransactionV2) {
      this.#partitions.add(partition)
      this.#isStarted = true
    } else this.#newPartitions.add(partition)
  }

  sendOffsets(offsets: TransactionOffsets, group: GroupMetadata, operation: Operation, nowMs: number): void {
    const refusal = this.#ask('write')
    if (refusal !== undefined) {
      operation.failed(refusal)
      return
    }
    const copy = new Map([...offsets].map(([topic, partitions]) => [topic, new Map(partitions)] as const))
    for (const [topic, partitions] of copy) if (partitions.size === 0) copy.delete(topic)
    if (copy.size === 0) {
      operation.succeeded()
      return
    }
    const deadlineMs = nowMs + this.#options.maxBlockMs
    this.#offsets.push({ group, offsets: copy, operation, deadlineMs, isAdded: this.#isTransactionV2 })
    if (this.#isTransactionV2) this.#isStarted = true
  }

  /** May be called again while the outcome is not known; then it is waited for once more. */
  commit(operation: Operation, nowMs: number): void {
    this.#end('commit', operation, nowMs)
  }

  abort(operation: Operation, nowMs: number): void {
    this.#end('abort', operation, nowMs)
  }

  // --- What happens to batches -----------------------------------------------------------------------------------

  /** A batch of the transaction has failed for good. @param leavesGap  its sequence numbers cannot be used again */
  batchFailed(error: KafkaError, leavesGap: boolean): void {
    if (!this.isTransactional || this.isFatal) return
    if (leavesGap && !this.#isTransactionV2 && !this.#canBumpEpoch()) {
      this.fatal(
        withCause(error, `${error.message}; the coordinator is too old to recover from this`, 'restart-producer'),
      )
      return
    }
    this.abortable(error, { needsNewEpoch: true })
  }

  /** Whether batches with a sequence are given up rather than tried again: the transaction is lost, and a new epoch follows. */
  get abandonsRetries(): boolean {
    return (this.#state === 'AbortableError' || this.isAborting) && this.#canDropNumbered()
  }

  /** A batch with a sequence was given up because of that. */
  abandonedNumbered(): void {
    if (!this.#isTransactionV2) this.#needsNewEpoch = true
  }

  /** The transaction can only be aborted. */
  abortable(error: KafkaError, { needsNewEpoch = false } = {}): void {
    if (needsNewEpoch && !this.#isTransactionV2 && this.#canBumpEpoch()) this.#needsNewEpoch = true
    if (!this.#move('abortable')) return
    this.#error = onlyAbort(error)
    this.#failWaiters(this.#error)
    this.#failOffsets(this.#error)
    this.#holder.abandon(this.#error, { numbered: this.#canDropNumbered() })
  }

  /** Nothing can be done with this producer any more. Batches are for the holder to fail. */
  fatal(error: KafkaError): void {
    const isInDoubt = this.isCommitInDoubt
    if (!this.#move('fatal')) return
    this.#error = error
    this.#failWaiters(isInDoubt ? unknownOutcome(error, 'restart-producer') : error)
    this.#failOffsets(error)
  }

  /** An idempotent producer begins a new epoch by itself, up to the last one; then it needs another id (KIP-360). */
  bumpEpoch(): void {
    assert(!this.isTransactional, 'the epochs of a transactional producer are given by its coordinator')
    const { producerId, producerEpoch } = this.#identity
    if (producerEpoch < PRODUCER_EPOCH_MAX) this.#identity = { producerId, producerEpoch: producerEpoch + 1 }
    else {
      this.#identity = NO_IDENTITY
      this.#move('newEpoch')
    }
  }

  // --- Requests and answers --------------------------------------------------------------------------------------

  poll(nowMs: number, nextId: () => number): PollResult {
    this.#checkDeadlines(nowMs)
    const forgetCoordinators = this.#coordinatorsToForget
    this.#coordinatorsToForget = []
    const requests: CoreRequest[] = []
    let work = this.#request === undefined ? this.#nextWork() : undefined
    if (work !== undefined && nowMs >= this.#retryAtMs) {
      const id = nextId()
      this.#request = { id, work }
      if (work.api === 'EndTxn' && this.#waitDeadlineMs === Number.POSITIVE_INFINITY) {
        this.#waitDeadlineMs = nowMs + this.#options.maxBlockMs
      }
      const { transactionalId, transactionTimeoutMs, requestTimeoutMs: timeoutMs } = this.#options
      const presently = { identity: this.#identity, isTransactionV2: this.#isTransactionV2 }
      requests.push(coordinatorRequest(work, { id, transactionalId, transactionTimeoutMs, timeoutMs, ...presently }))
      work = undefined
    }
    let nextPollMs = work === undefined ? Number.POSITIVE_INFINITY : this.#retryAtMs
    if (this.#waiters.length > 0) nextPollMs = Math.min(nextPollMs, this.#waitDeadlineMs)
    for (const { deadlineMs } of this.#offsets) nextPollMs = Math.min(nextPollMs, deadlineMs)
    return { requests, nextPollMs, forgetCoordinators }
  }

  /** @returns whether the reply was for a request of this manager */
  onReply(requestId: number, reply: CoreReply, nowMs: number): boolean {
    if (this.#request?.id !== requestId) return false
    const { work } = this.#request
    this.#request = undefined
    let answer: Answer
    let why: KafkaError | undefined
    if (reply.ok) {
      answer = readAnswer(work, reply.response)
      if (answer.verdict !== 'ok') why = answerError(work, answer, reply, this.#options.transactionalId)
    } else {
      why = reply.error
      answer = { verdict: coordinatorVerdict(work.api, why.code), code: undefined }
    }
    const mayHaveHappened = reply.ok
      ? answer.isIncomplete === true || (why !== undefined && endMayHaveHappened(why.code))
      : reply.mayHaveBeenSent
    const isRepeated = answer.verdict === 'retry' || answer.verdict === 'refresh'
    if (!reply.ok && reply.mayHaveBeenSent && work.api !== 'InitProducerId') {
      this.#hasStray = !this.#isTransactionV2 && this.#canBumpEpoch()
    }
    if (mayHaveHappened) this.#doubt(work, isRepeated)
    else if (this.#inDoubt === work && !isRepeated) this.#inDoubt = undefined
    if (why === undefined) this.#answered(work, answer)
    else this.#refused(work, answer, why, nowMs)
    return true
  }

  #end(event: 'commit' | 'abort', operation: Operation, nowMs: number): void {
    const refusal = this.#ask(event)
    if (refusal !== undefined) {
      operation.failed(refusal)
      return
    }
    this.#waiters.push(operation)
    // Asked again: waited for again, for as long as the first time.
    if (this.#waitDeadlineMs < Number.POSITIVE_INFINITY) this.#waitDeadlineMs = nowMs + this.#options.maxBlockMs
    if (event === 'commit') return
    this.#waitDeadlineMs = nowMs + this.#options.maxBlockMs
    this.#error = undefined
    const aborted = new KafkaError('TRANSACTION_ABORTED', 'the transaction was aborted before this was sent')
    this.#failOffsets(aborted)
    this.#newPartitions.clear()
    this.#holder.abandon(aborted, { numbered: this.#canDropNumbered() })
  }

  /** What is to be asked of a coordinator next. */
  #nextWork(): CoordinatorWork | undefined {
    switch (this.#state) {
      case 'Initializing':
        return { api: 'InitProducerId', current: this.#identity }
      case 'InTransaction':
      case 'CommittingTransaction': {
        if (this.#inDoubt !== undefined && this.#inDoubt.api !== 'EndTxn') return this.#inDoubt
        if (this.#newPartitions.size > 0) return { api: 'AddPartitionsToTxn', partitions: [...this.#newPartitions] }
        const offsets = this.#offsets[0]
        if (offsets !== undefined) {
          const { group } = offsets
          if (!offsets.isAdded) return { api: 'AddOffsetsToTxn', groupId: group.groupId }
          return { api: 'TxnOffsetCommit', group, offsets: offsets.offsets }
        }
        if (!this.isCommitting || this.#holder.hasIncomplete) return undefined
        return this.#endWork(true)
      }
      case 'AbortingTransaction':
        // Data on its way with this epoch must not land behind the marker (KAFKA-14053).
        if (this.#holder.hasInFlight || this.#holder.hasIncomplete) return undefined
        // With version 1 the coordinator refuses to end what it has not heard of, so that must be known.
        if (this.#inDoubt !== undefined && this.#inDoubt.api !== 'EndTxn') return this.#inDoubt
        return this.#endWork(false)
      default:
        return undefined
    }
  }

  /** EndTxn, unless the coordinator has not heard of the transaction: then it has ended. */
  #endWork(committed: boolean): CoordinatorWork | undefined {
    if (this.#isStarted) return { api: 'EndTxn', committed }
    this.#ended(undefined)
    return this.#nextWork()
  }

  #answered(work: CoordinatorWork, answer: Answer): void {
    this.#attempts = 0
    this.#retryAtMs = 0
    switch (work.api) {
      case 'InitProducerId': {
        if (!this.#move('initialized')) return
        assert(answer.identity !== undefined, 'InitProducerId without an error names an id')
        this.#identity = answer.identity
        this.#epochWasUsed = false
        this.#hasStray = false
        // A plain idempotent producer begins anew partition by partition, as batches of the old id are answered.
        if (this.isTransactional) this.#holder.resetSequences()
        this.#succeedWaiters()
        return
      }
      case 'AddPartitionsToTxn':
        this.#isStarted = true
        for (const partition of work.partitions) {
          this.#newPartitions.delete(partition)
          this.#partitions.add(partition)
        }
        return
      case 'AddOffsetsToTxn': {
        this.#isStarted = true
        const offsets = this.#offsets[0]
        if (offsets !== undefined) offsets.isAdded = true
        return
      }
      case 'TxnOffsetCommit':
        if (this.#offsets[0]?.offsets === work.offsets) this.#offsets.shift()?.operation.succeeded()
        return
      case 'EndTxn':
        this.#ended(answer.identity)
    }
  }

  #refused(work: CoordinatorWork, { verdict }: Answer, error: KafkaError, nowMs: number): void {
    switch (verdict) {
      case 'ok':
        assert(false, `${error.code} is an error`)
        return
      case 'refresh':
      case 'retry':
        if (verdict === 'refresh') this.#forgetCoordinator(work)
        this.#attempts += 1
        this.#lastFailure = error
        this.#retryAtMs = nowMs + backoffMs(this.#options, this.#attempts, error.code)
        return
      case 'refused': {
        if (!this.#move('initRefused')) return
        this.#failWaiters(error)
        this.#holder.abandon(error, { numbered: true })
        return
      }
      case 'abortable':
      case 'abortable-new-epoch':
        this.#attempts = 0
        this.#retryAtMs = 0
        if (work.api === 'EndTxn' && !work.committed) {
          // Aborting again would lead here again.
          this.fatal(withCause(error, `the transaction cannot even be aborted (${error.message})`, 'restart-producer'))
        } else if (verdict === 'abortable-new-epoch' && !this.#isTransactionV2 && !this.#canBumpEpoch()) {
          this.fatal(error)
        } else if (this.isCommitting && this.#isEndInDoubt) {
          // Who may have committed must not abort.
          this.fatal(error)
        } else this.abortable(error, { needsNewEpoch: verdict === 'abortable-new-epoch' })
        return
      case 'fenced':
        this.fatal(fenced(this.#options.transactionalId, error))
        return
      case 'fatal':
        this.fatal(error)
    }
  }

  #ended(identity: ProducerIdentity | undefined): void {
    const needsNewEpoch = this.isAborting && this.#needsNewEpoch && this.#isStartedOrNumbered()
    if (!this.#move(needsNewEpoch ? 'endedNeedsEpoch' : 'ended')) return
    if (identity !== undefined) {
      this.#identity = identity
      this.#epochWasUsed = false
      this.#holder.resetSequences()
    }
    this.#error = undefined
    this.#needsNewEpoch = false
    this.#isStarted = false
    this.#isEndInDoubt = false
    this.#inDoubt = undefined
    this.#newPartitions.clear()
    this.#partitions.clear()
    // After an abort that needs a new epoch, whoever waits for it waits for the epoch as well.
    if (!needsNewEpoch) this.#succeedWaiters()
  }

  /** Without anything sent or asked there is nothing that a new epoch would fence. */
  #isStartedOrNumbered(): boolean {
    return this.#isStarted || this.#partitions.size > 0
  }

  /** The work may have been done without an answer that says so. */
  #doubt(work: CoordinatorWork, isRepeated: boolean): void {
    switch (work.api) {
      case 'InitProducerId':
        return
      case 'EndTxn':
        this.#isEndInDoubt = true
        return
      case 'TxnOffsetCommit':
        // Offsets that land later must meet a newer epoch.
        if (!this.#isTransactionV2 && this.#canBumpEpoch()) this.#needsNewEpoch = true
        return
      case 'AddPartitionsToTxn':
      case 'AddOffsetsToTxn':
        this.#inDoubt = isRepeated ? work : undefined
        if (!isRepeated) this.#isStarted = true
    }
  }

  #checkDeadlines(nowMs: number): void {
    const late = this.#offsets[0]
    if (late !== undefined && nowMs >= late.deadlineMs && (this.#state === 'InTransaction' || this.isCommitting)) {
      this.abortable(
        this.#timeout(
          `the offsets of group ${late.group.groupId} were not accepted within ${this.#options.maxBlockMs} ms`,
        ),
      )
    }
    if (nowMs < this.#waitDeadlineMs || this.#waiters.length === 0) return
    const waited = `${this.#options.maxBlockMs} ms`
    if (this.isCommitInDoubt) this.#failWaiters(unknownOutcome(this.#lastFailure, 'retry', waited))
    else if (this.isCommitting)
      this.abortable(this.#timeout(`the coordinator did not take the commit within ${waited}`))
    else if (this.isAborting) {
      this.#failWaiters(this.#timeout(`the abort was not confirmed within ${waited}; it is still being asked for`))
    } else this.#failWaiters(this.#timeout(`no producer id was given within ${waited}; it is still being asked for`))
  }

  #timeout(message: string): KafkaError {
    const cause = this.#lastFailure
    const because = cause === undefined ? '' : ` (${cause.message})`
    return new KafkaError('REQUEST_TIMEOUT', `${message}${because}`, cause === undefined ? {} : { cause })
  }

  #supportsV2(): boolean {
    return this.#options.transactionVersion === 'auto' && supportsTransactionV2(this.#cluster)
  }

  /**
   * Partitions are added by writing to them in version 2, so what is still known there of a transaction of version 1 with
   * the same epoch would count as added: the first transaction of version 2 has an epoch of its own (KAFKA-18227).
   */
  #mustUpgrade(): boolean {
    return this.isTransactional && this.#epochWasUsed && !this.#isTransactionV2 && this.#supportsV2()
  }

  #canBumpEpoch(): boolean {
    return canBumpEpoch(this.#cluster)
  }

  /** A new epoch follows, so gaps in the sequences of this one do not matter. */
  #canDropNumbered(): boolean {
    return this.#isTransactionV2 || this.#canBumpEpoch()
  }

  /** @returns what is against it; `undefined` when the state has moved, or may stay as it is */
  #ask(event: UserEvent): KafkaError | undefined {
    const outcome = PRODUCER_TABLE[this.#state][event]
    switch (outcome) {
      case 'stay':
        return undefined
      case 'refuse':
        return illegalState(event, this.#state)
      case 'fail':
        assert(this.#error !== undefined, `${this.#state} has an error`)
        return this.#error
      case 'ignore':
      case 'impossible':
        return assert(false, `${event} cannot be ${outcome}`) as never
      default:
        this.#state = outcome
        return undefined
    }
  }

  /** @returns whether it is to be acted upon */
  #move(event: InnerEvent): boolean {
    const outcome = PRODUCER_TABLE[this.#state][event]
    assert(outcome !== 'impossible' && outcome !== 'refuse' && outcome !== 'fail', `${event} in state ${this.#state}`)
    if (outcome === 'ignore') return false
    if (outcome !== 'stay') this.#state = outcome
    return true
  }

  #succeedWaiters(): void {
    this.#waitDeadlineMs = Number.POSITIVE_INFINITY
    for (const waiter of this.#waiters.splice(0)) waiter.succeeded()
  }

  #failWaiters(error: KafkaError): void {
    for (const waiter of this.#waiters.splice(0)) waiter.failed(error)
  }

  #failOffsets(error: KafkaError): void {
    for (const { operation } of this.#offsets.splice(0)) operation.failed(error)
  }

  #forgetCoordinator(work: CoordinatorWork): void {
    if (work.api === 'TxnOffsetCommit') this.#coordinatorsToForget.push({ of: 'group', key: work.group.groupId })
    else if (this.#options.transactionalId !== undefined) {
      this.#coordinatorsToForget.push({ of: 'transaction', key: this.#options.transactionalId })
    }
  }
}
