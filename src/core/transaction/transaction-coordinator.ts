/**
 * The transaction coordinator: producer ids and epochs, open transactions, their outcome, and the markers to write.
 *
 * Pure. A handler reads state and answers `{ records, reply }`; the shell appends the records and replays them in the
 * same tick, and lets the reply go when they are durable. `replay` is the only method that changes what is stored.
 * Both transaction versions at once, chosen per request: version 1 keeps the epoch over a transaction, version 2
 * (KIP-890) raises it with each. Source: kafka-eos.md C5 to C7, B.1; TransactionCoordinator. Invariants: SPEC.md.
 */
import { assert } from '../../base/assert.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponseDraft,
} from '../../protocol/messages/add-offsets-to-txn.ts'
import type {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponseDraft,
} from '../../protocol/messages/add-partitions-to-txn.ts'
import type { EndTxnRequest, EndTxnResponseDraft } from '../../protocol/messages/end-txn.ts'
import type { InitProducerIdRequest, InitProducerIdResponseDraft } from '../../protocol/messages/init-producer-id.ts'
import { NO_PRODUCER_EPOCH, NO_PRODUCER_ID } from '../../protocol/record-batch.ts'
import type { CoordinatorShard } from '../coordinator-shard.ts'
import { coordinatorErrorFor } from './coordinator-errors.ts'
import { addTopicsV3AndBelow, addTransactionsV4 } from './add-partitions.ts'
import {
  containsPartition,
  fromRecord,
  isEpochExhausted,
  newTransactionMetadata,
  partitionCountOf,
  successorOf,
  toRecord,
  withCompletion,
  withOutcome,
  withPartitions,
  withProducer,
} from './transaction-metadata.ts'
import type { TopicPartition, TransactionMetadata, TransactionState } from './transaction-metadata.ts'
import type { TransactionRecord } from './transaction-records.ts'
import { ADD_PARTITIONS, END_TXN_V1, END_TXN_V2, INIT_PRODUCER_ID } from './transaction-table.ts'
import type { EndTxnOutcome } from './transaction-table.ts'

export interface TransactionCoordinatorOptions {
  /** Grows with every start of the broker; fences markers of earlier runs. */
  readonly coordinatorEpoch: number
  /** transaction.max.timeout.ms */
  readonly maxTimeoutMs: number
  /** transactional.id.expiration.ms */
  readonly expirationMs: number
  readonly timeoutScanIntervalMs: number
  readonly expirationScanIntervalMs: number
  readonly limits: TransactionLimits
  /** An id that nobody has had, reserved in the journal before anything that can carry it. */
  readonly nextProducerId: () => number
  /** The finalized transaction.version. */
  readonly transactionVersion: () => 0 | 1 | 2
  readonly partitionExists: (topic: string, partition: number) => boolean
}

export interface TransactionLimits {
  /** Transactional ids known at a time; InitProducerId of one more is answered POLICY_VIOLATION. */
  readonly transactionalIdsMax: number
  /** Partitions of one transaction; one more is answered POLICY_VIOLATION. */
  readonly partitionsMax: number
}

export interface TransactionResult<Reply> {
  readonly records: readonly TransactionRecord[]
  readonly reply: Reply
}

export interface AddOrVerifyRequest {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
  readonly partitions: readonly TopicPartition[]
  /** `add`: transaction version 2. `verify`: the client has to have added them. */
  readonly mode: 'add' | 'verify'
}

/** A decided transaction whose markers are to be written, and its Complete record after them. */
export interface MarkerIntent {
  readonly transactionalId: string
  readonly producerId: number
  /** Of the marker. */
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly committed: boolean
  readonly transactionVersion: number
  readonly partitions: readonly TopicPartition[]
}

export interface MarkerOutcome extends TopicPartition {
  readonly errorCode: ErrorCode
}

/** Tombstones written by one pass of the expiry: they share a journal frame (KAFKA-13099). */
const EXPIRED_IDS_PER_PASS_MAX = 10_000
const FIRST_EPOCH_RAISING_END_TXN_VERSION = 5

export class TransactionCoordinator implements CoordinatorShard<TransactionRecord> {
  readonly #options: TransactionCoordinatorOptions
  readonly #transactions = new Map<string, TransactionMetadata>()
  /** Ids with an open transaction: what a timeout scan looks at. */
  readonly #ongoing = new Set<string>()
  /** Ids in Prepare* whose markers have not been handed out, in the order of their decision. */
  readonly #decided = new Set<string>()
  #nextTimeoutScanMs: number | undefined
  #nextExpirationScanMs: number | undefined

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#transactions.size
  }

  stateOf(transactionalId: string): TransactionState | undefined {
    return this.#transactions.get(transactionalId)?.state
  }

  /** By transactional id, for ListTransactions and DescribeTransactions. */
  get(transactionalId: string): TransactionMetadata | undefined {
    return this.#transactions.get(transactionalId)
  }

  values(): IterableIterator<TransactionMetadata> {
    return this.#transactions.values()
  }

  /**
   * Gives a producer its id and epoch, and fences whoever had them before.
   * Errors: INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT, TRANSACTIONAL_ID_AUTHORIZATION_FAILED (two-phase commit is
   * off), CONCURRENT_TRANSACTIONS (an earlier transaction is being ended: ask again), PRODUCER_FENCED, POLICY_VIOLATION.
   * Source: KIP-98, KIP-360, KIP-588. Invariants: SPEC.md I1, I2, I6.
   */
  initProducerId(
    request: InitProducerIdRequest,
    apiVersion: number,
    nowMs: number,
  ): TransactionResult<InitProducerIdResponseDraft> {
    const refuse = (error: ErrorCode): TransactionResult<InitProducerIdResponseDraft> => ({
      records: [],
      reply: {
        errorCode: coordinatorErrorFor('InitProducerId', error, apiVersion),
        producerId: NO_PRODUCER_ID,
        producerEpoch: NO_PRODUCER_EPOCH,
      },
    })
    const { transactionalId, producerId, producerEpoch, transactionTimeoutMs: timeoutMs } = request
    const isResuming = producerId !== NO_PRODUCER_ID
    if (transactionalId === '' || isResuming !== (producerEpoch !== NO_PRODUCER_EPOCH)) return refuse('INVALID_REQUEST')
    if (transactionalId === null) {
      return {
        records: [],
        reply: { errorCode: 'NONE', producerId: this.#options.nextProducerId(), producerEpoch: 0 },
      }
    }
    if (request.keepPreparedTxn) return refuse('UNSUPPORTED_VERSION')
    if (request.enable2Pc) return refuse('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
    if (timeoutMs <= 0 || timeoutMs > this.#options.maxTimeoutMs) return refuse('INVALID_TRANSACTION_TIMEOUT')

    const known = this.#transactions.get(transactionalId)
    if (known === undefined && this.#transactions.size >= this.#options.limits.transactionalIdsMax) {
      return refuse('POLICY_VIOLATION')
    }
    const txn = known ?? newTransactionMetadata(transactionalId, this.#options.nextProducerId(), timeoutMs, nowMs)
    if (isResuming && !isKnownProducer(txn, producerId, producerEpoch)) return refuse('PRODUCER_FENCED')
    const outcome = INIT_PRODUCER_ID[txn.state]
    switch (outcome) {
      case 'CONCURRENT_TRANSACTIONS':
        return refuse(outcome)
      case 'fence':
        // The epoch given out next is above that of the abort, which nobody is told (KAFKA-19367: it is raised once).
        return { ...refuse('CONCURRENT_TRANSACTIONS'), records: [this.#abortByCoordinator(txn, nowMs)] }
      case 'begin': {
        const next = this.#nextProducer(txn, isResuming ? producerEpoch : undefined)
        if (next === undefined) return refuse('PRODUCER_FENCED')
        const record = this.#record(withProducer(txn, next, timeoutMs, nowMs))
        return {
          records: [record],
          reply: { errorCode: 'NONE', producerId: next.producerId, producerEpoch: next.producerEpoch },
        }
      }
    }
  }

  /**
   * Adds partitions on behalf of a producer (v0 to v3, all or none), or of several transactions (v4 and above).
   * Errors per partition: UNKNOWN_TOPIC_OR_PARTITION, OPERATION_NOT_ATTEMPTED (another was refused), and what
   * `addOrVerifyPartitions` says.
   */
  addPartitionsToTxn(
    request: AddPartitionsToTxnRequest,
    apiVersion: number,
    nowMs: number,
  ): TransactionResult<AddPartitionsToTxnResponseDraft> {
    const { partitionExists } = this.#options
    const ask = (asked: AddOrVerifyRequest, clientTransactionVersion: 0 | 2 = 2) =>
      this.addOrVerifyPartitions(asked, nowMs, clientTransactionVersion)
    return apiVersion < 4
      ? addTopicsV3AndBelow(request, apiVersion, partitionExists, ask)
      : addTransactionsV4(request, apiVersion, partitionExists, ask)
  }

  /** Adds the offsets partition of a group. Errors as `addOrVerifyPartitions`. */
  addOffsetsToTxn(
    request: AddOffsetsToTxnRequest,
    offsets: TopicPartition,
    apiVersion: number,
    nowMs: number,
  ): TransactionResult<AddOffsetsToTxnResponseDraft> {
    const { transactionalId, producerId, producerEpoch } = request
    const result = this.addOrVerifyPartitions(
      { transactionalId, producerId, producerEpoch, partitions: [offsets], mode: 'add' },
      nowMs,
      0,
    )
    const errorCode = coordinatorErrorFor('AddOffsetsToTxn', result.reply[0] ?? 'NONE', apiVersion)
    return { records: result.records, reply: { errorCode } }
  }

  /**
   * Makes sure that partitions belong to the producer's open transaction.
   * @param clientTransactionVersion  what the transaction becomes when something is added
   * @returns one error per partition: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED,
   *          CONCURRENT_TRANSACTIONS, POLICY_VIOLATION (too many), TRANSACTION_ABORTABLE (verify: not in it)
   */
  addOrVerifyPartitions(
    request: AddOrVerifyRequest,
    nowMs: number,
    clientTransactionVersion: 0 | 2 = 2,
  ): TransactionResult<readonly ErrorCode[]> {
    const { transactionalId, producerId, producerEpoch, partitions, mode } = request
    const all = (error: ErrorCode) => ({ records: [], reply: partitions.map(() => error) })
    if (transactionalId === '') return all('INVALID_REQUEST')
    const txn = this.#transactions.get(transactionalId)
    if (txn === undefined) return all('INVALID_PRODUCER_ID_MAPPING')
    const move = ADD_PARTITIONS[txn.state]
    // First, because the producer may already use the id that it gets when its epochs are used up.
    if (mode === 'add' && move === 'CONCURRENT_TRANSACTIONS') return all(move)
    if (txn.producerId !== producerId) return all('INVALID_PRODUCER_ID_MAPPING')
    if (txn.producerEpoch !== producerEpoch) return all('PRODUCER_FENCED')
    if (move === 'CONCURRENT_TRANSACTIONS') return all(move)
    if (mode === 'verify') {
      const isOngoing = txn.state === 'Ongoing'
      const reply = partitions.map(
        (each): ErrorCode => (isOngoing && containsPartition(txn, each) ? 'NONE' : 'TRANSACTION_ABORTABLE'),
      )
      return { records: [], reply }
    }
    if (txn.state === 'Ongoing' && partitions.every((each) => containsPartition(txn, each))) return all('NONE')
    const next = withPartitions(txn, partitions, clientTransactionVersion, nowMs)
    if (partitionCountOf(next) > this.#options.limits.partitionsMax) return all('POLICY_VIOLATION')
    return { records: [this.#record(next)], reply: partitions.map(() => 'NONE' as const) }
  }

  /**
   * Decides a transaction. The Prepare record is the decision; what is answered (v5 and above) is what the producer
   * goes on with. Errors: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS,
   * INVALID_TXN_STATE. Source: KIP-98, KIP-890 part 2. Invariants: SPEC.md I3, I4, I5.
   */
  endTxn(request: EndTxnRequest, apiVersion: number, nowMs: number): TransactionResult<EndTxnResponseDraft> {
    const refuse = (error: ErrorCode): TransactionResult<EndTxnResponseDraft> => ({
      records: [],
      reply: { errorCode: coordinatorErrorFor('EndTxn', error, apiVersion) },
    })
    if (request.transactionalId === '') return refuse('INVALID_REQUEST')
    const txn = this.#transactions.get(request.transactionalId)
    if (txn === undefined) return refuse('INVALID_PRODUCER_ID_MAPPING')
    const raisesEpoch = apiVersion >= FIRST_EPOCH_RAISING_END_TXN_VERSION
    const outcome = raisesEpoch ? outcomeOfEndTxnV2(txn, request) : outcomeOfEndTxnV1(txn, request)
    switch (outcome) {
      case 'prepare-commit':
      case 'prepare-abort': {
        const decided = withOutcome(txn, outcome === 'prepare-commit' ? 'PrepareCommit' : 'PrepareAbort', {
          clientTransactionVersion: raisesEpoch ? 2 : 0,
          raisesEpoch,
          nextProducerId: raisesEpoch && isEpochExhausted(txn.producerEpoch) ? this.#options.nextProducerId() : -1,
          nowMs,
        })
        return { records: [this.#record(decided)], reply: { errorCode: 'NONE', ...successorOf(decided) } }
      }
      case 'repeated':
        return {
          records: [],
          reply: { errorCode: 'NONE', producerId: txn.producerId, producerEpoch: txn.producerEpoch },
        }
      default:
        return refuse(outcome)
    }
  }

  /**
   * Everything is durable that these transactions need before their markers: hands each decided one out once, in the
   * order of the decisions. After a restart these are the ones whose Complete record is missing.
   */
  takeMarkerIntents(): MarkerIntent[] {
    const intents: MarkerIntent[] = []
    for (const transactionalId of this.#decided) {
      const txn = this.#transactions.get(transactionalId)
      assert(txn !== undefined, `${transactionalId} is decided, so it is known`)
      intents.push({
        transactionalId,
        producerId: txn.producerId,
        producerEpoch: txn.producerEpoch,
        coordinatorEpoch: this.#options.coordinatorEpoch,
        committed: txn.state === 'PrepareCommit',
        transactionVersion: txn.clientTransactionVersion,
        partitions: Array.from(txn.partitions, ([topic, indexes]) =>
          Array.from(indexes, (partition) => ({ topic, partition })),
        ).flat(),
      })
    }
    this.#decided.clear()
    return intents
  }

  /**
   * The Complete record that goes into the same frame as the markers.
   *
   * A partition that refused its marker does not hold the transaction up: it was deleted, or a newer epoch has written
   * there, which is a decision of its own. Deviation: Kafka leaves the transaction in Prepare* where a newer epoch is
   * met, for another coordinator to finish; there is no other one here.
   */
  markersWritten(
    { transactionalId, producerId }: MarkerIntent,
    _outcomes: readonly MarkerOutcome[],
    nowMs: number,
  ): { readonly records: readonly TransactionRecord[] } {
    const txn = this.#transactions.get(transactionalId)
    assert(txn !== undefined && txn.producerId === producerId, `${transactionalId} waits for its markers`)
    return { records: [this.#record(withCompletion(txn, nowMs))] }
  }

  /** Applies one record, live or while loading; the newest of an id counts. */
  replay(record: TransactionRecord): void {
    const { transactionalId } = record
    const txn = fromRecord(record)
    this.#ongoing.delete(transactionalId)
    this.#decided.delete(transactionalId)
    if (txn === undefined) {
      this.#transactions.delete(transactionalId)
      return
    }
    this.#transactions.set(transactionalId, txn)
    if (txn.state === 'Ongoing') this.#ongoing.add(transactionalId)
    if (txn.state === 'PrepareCommit' || txn.state === 'PrepareAbort') this.#decided.add(transactionalId)
  }

  /** After the log has been replayed: scans begin to count. */
  onLoaded(nowMs: number): void {
    this.#nextTimeoutScanMs = nowMs + this.#options.timeoutScanIntervalMs
    this.#nextExpirationScanMs = nowMs + this.#options.expirationScanIntervalMs
  }

  nextDeadlineMs(): number | undefined {
    if (this.#nextTimeoutScanMs === undefined || this.#nextExpirationScanMs === undefined) return undefined
    return Math.min(this.#nextTimeoutScanMs, this.#nextExpirationScanMs)
  }

  /** Aborts transactions past their timeout; forgets ids that nobody uses. */
  onDeadline(nowMs: number): { readonly records: readonly TransactionRecord[] } {
    const records: TransactionRecord[] = []
    if (this.#nextTimeoutScanMs !== undefined && nowMs >= this.#nextTimeoutScanMs) {
      this.#nextTimeoutScanMs = nowMs + this.#options.timeoutScanIntervalMs
      for (const transactionalId of this.#ongoing) {
        const txn = this.#transactions.get(transactionalId)
        if (txn !== undefined && txn.startTimestampMs + txn.timeoutMs < nowMs) {
          records.push(this.#abortByCoordinator(txn, nowMs))
        }
      }
    }
    if (this.#nextExpirationScanMs !== undefined && nowMs >= this.#nextExpirationScanMs) {
      const expired = this.#expired(nowMs)
      records.push(...expired)
      // More may have expired than one pass takes: then the next pass follows at once.
      const waitMs = expired.length < EXPIRED_IDS_PER_PASS_MAX ? this.#options.expirationScanIntervalMs : 0
      this.#nextExpirationScanMs = nowMs + waitMs
    }
    return { records }
  }

  #expired(nowMs: number): TransactionRecord[] {
    const records: TransactionRecord[] = []
    for (const { transactionalId, state, lastUpdateTimestampMs } of this.#transactions.values()) {
      const isIdle = state === 'Empty' || state === 'CompleteCommit' || state === 'CompleteAbort'
      if (!isIdle || lastUpdateTimestampMs > nowMs - this.#options.expirationMs) continue
      records.push({ transactionalId, value: null, valueVersion: 0 })
      if (records.length === EXPIRED_IDS_PER_PASS_MAX) break
    }
    return records
  }

  /** The next id and epoch of an idle producer; `undefined` when the epoch it gives is outdated. */
  #nextProducer(
    txn: TransactionMetadata,
    givenEpoch: number | undefined,
  ): { producerId: number; producerEpoch: number; lastProducerEpoch: number } | undefined {
    const { producerId, producerEpoch, lastProducerEpoch } = txn
    if (isEpochExhausted(producerEpoch) && (givenEpoch === undefined || givenEpoch === producerEpoch)) {
      const kept = givenEpoch === undefined ? NO_PRODUCER_EPOCH : producerEpoch
      return { producerId: this.#options.nextProducerId(), producerEpoch: 0, lastProducerEpoch: kept }
    }
    if (givenEpoch === undefined) {
      return { producerId, producerEpoch: producerEpoch + 1, lastProducerEpoch: NO_PRODUCER_EPOCH }
    }
    if (producerEpoch === NO_PRODUCER_EPOCH || givenEpoch === producerEpoch) {
      return { producerId, producerEpoch: producerEpoch + 1, lastProducerEpoch: producerEpoch }
    }
    // The answer to the first try was lost: the same answer again (KIP-360).
    if (givenEpoch === lastProducerEpoch) return { producerId, producerEpoch, lastProducerEpoch }
    return undefined
  }

  /** A transaction that its producer will not end; raising the epoch fences that producer. */
  #abortByCoordinator(txn: TransactionMetadata, nowMs: number): TransactionRecord {
    const isVersion2 = this.#options.transactionVersion() >= 2
    const aborted = withOutcome(txn, 'PrepareAbort', {
      clientTransactionVersion: isVersion2 ? 2 : 0,
      raisesEpoch: true,
      nextProducerId: isVersion2 && isEpochExhausted(txn.producerEpoch) ? this.#options.nextProducerId() : -1,
      nowMs,
    })
    // With version 2 the producer may resume by the epoch it had, while nobody has taken its place; who takes it leaves no
    // last epoch. With version 1 it may not.
    return this.#record(isVersion2 ? aborted : { ...aborted, lastProducerEpoch: NO_PRODUCER_EPOCH })
  }

  #record(txn: TransactionMetadata): TransactionRecord {
    return toRecord(txn, this.#options.transactionVersion())
  }
}

/** Whether a resuming producer may be the present one; or one that missed the change of its id. */
function isKnownProducer(txn: TransactionMetadata, producerId: number, producerEpoch: number): boolean {
  return (
    txn.producerEpoch === NO_PRODUCER_EPOCH ||
    txn.producerId === producerId ||
    (txn.previousProducerId === producerId && isEpochExhausted(producerEpoch))
  )
}

function outcomeOfEndTxnV1(
  txn: TransactionMetadata,
  { producerId, producerEpoch, committed }: EndTxnRequest,
): EndTxnOutcome | 'INVALID_PRODUCER_ID_MAPPING' {
  if (txn.producerId !== producerId) return 'INVALID_PRODUCER_ID_MAPPING'
  if (txn.producerEpoch !== producerEpoch) return 'PRODUCER_FENCED'
  return END_TXN_V1[txn.state][committed ? 'commit' : 'abort']
}

function outcomeOfEndTxnV2(
  txn: TransactionMetadata,
  { producerId, producerEpoch, committed }: EndTxnRequest,
): EndTxnOutcome | 'INVALID_PRODUCER_ID_MAPPING' {
  const isDecided = txn.state === 'PrepareCommit' || txn.state === 'PrepareAbort'
  // First, because the producer may already use the id that it gets when its epochs are used up.
  if (isDecided) return 'CONCURRENT_TRANSACTIONS'
  const isRetryOverOverflow =
    txn.previousProducerId === producerId &&
    txn.producerId !== producerId &&
    producerEpoch === 32_766 &&
    txn.producerEpoch === 0
  if (txn.producerId !== producerId && !isRetryOverOverflow) return 'INVALID_PRODUCER_ID_MAPPING'
  const isRetry = isRetryOverOverflow || txn.producerEpoch === producerEpoch + 1
  if (!isRetry && txn.producerEpoch !== producerEpoch) return 'PRODUCER_FENCED'
  if (isRetry) return END_TXN_V2[txn.state][committed ? 'commit-retry' : 'abort-retry']
  return END_TXN_V2[txn.state][committed ? 'commit' : 'abort']
}
