/**
 * One transactional id as the coordinator holds it, its states, and the next value each event writes.
 *
 * The functions here build the stored value of a transition; which transition is legal is transaction-table.ts, who asks
 * for it transaction-coordinator.ts. Source: kafka-eos.md C5, C6; TransactionMetadata; KIP-98, KIP-360, KIP-890.
 */
import { assert } from '../../base/assert.ts'
import type { TransactionLogValue } from '../../protocol/messages/transaction-log-value.ts'
import { NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_TIMESTAMP } from '../../protocol/record-batch.ts'
import type { TransactionRecord } from './transaction-records.ts'

/** Kafka's names; the index is the number in the log. Dead and PrepareEpochFence are never logged, nor needed here. */
export const TRANSACTION_STATES = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
] as const

export type TransactionState = (typeof TRANSACTION_STATES)[number]

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface TransactionMetadata {
  readonly transactionalId: string
  readonly state: TransactionState
  readonly producerId: number
  /** NO_PRODUCER_EPOCH until the first InitProducerId is answered. */
  readonly producerEpoch: number
  /** The id before the last change of it; tells an EndTxn that is repeated over an epoch overflow. */
  readonly previousProducerId: number
  /** In Prepare*, when the epochs of the id are used up: what the producer goes on with. */
  readonly nextProducerId: number
  readonly lastProducerEpoch: number
  readonly timeoutMs: number
  /** Topic to partitions of the open transaction. */
  readonly partitions: ReadonlyMap<string, ReadonlySet<number>>
  /** Milliseconds since the epoch; NO_TIMESTAMP without a transaction. */
  readonly startTimestampMs: number
  readonly lastUpdateTimestampMs: number
  /** 2: completing raises nothing further, the Prepare record has raised the epoch. 0: the epoch stays. */
  readonly clientTransactionVersion: number
}

const LARGEST_EPOCH = 32_767

/** The last epoch is kept back, so that even an exhausted producer can be fenced once more. */
export function isEpochExhausted(producerEpoch: number): boolean {
  return producerEpoch >= LARGEST_EPOCH - 1
}

export function newTransactionMetadata(
  transactionalId: string,
  producerId: number,
  timeoutMs: number,
  nowMs: number,
): TransactionMetadata {
  return {
    transactionalId,
    state: 'Empty',
    producerId,
    producerEpoch: NO_PRODUCER_EPOCH,
    previousProducerId: NO_PRODUCER_ID,
    nextProducerId: NO_PRODUCER_ID,
    lastProducerEpoch: NO_PRODUCER_EPOCH,
    timeoutMs,
    partitions: new Map(),
    startTimestampMs: NO_TIMESTAMP,
    lastUpdateTimestampMs: nowMs,
    clientTransactionVersion: 0,
  }
}

export function partitionCountOf(txn: TransactionMetadata): number {
  let count = 0
  for (const indexes of txn.partitions.values()) count += indexes.size
  return count
}

export function containsPartition(txn: TransactionMetadata, { topic, partition }: TopicPartition): boolean {
  return txn.partitions.get(topic)?.has(partition) === true
}

/** The producer begins anew: InitProducerId on an id without an open transaction. */
export function withProducer(
  txn: TransactionMetadata,
  producer: { readonly producerId: number; readonly producerEpoch: number; readonly lastProducerEpoch: number },
  timeoutMs: number,
  nowMs: number,
): TransactionMetadata {
  return {
    ...txn,
    ...producer,
    state: 'Empty',
    previousProducerId: txn.producerId,
    nextProducerId: NO_PRODUCER_ID,
    timeoutMs,
    partitions: new Map(),
    startTimestampMs: NO_TIMESTAMP,
    lastUpdateTimestampMs: nowMs,
  }
}

export function withPartitions(
  txn: TransactionMetadata,
  added: readonly TopicPartition[],
  clientTransactionVersion: number,
  nowMs: number,
): TransactionMetadata {
  const partitions = new Map(Array.from(txn.partitions, ([topic, indexes]) => [topic, new Set(indexes)]))
  for (const { topic, partition } of added) {
    const indexes = partitions.get(topic)
    if (indexes === undefined) partitions.set(topic, new Set([partition]))
    else indexes.add(partition)
  }
  return {
    ...txn,
    state: 'Ongoing',
    previousProducerId: txn.producerId,
    partitions,
    startTimestampMs: txn.state === 'Ongoing' ? txn.startTimestampMs : nowMs,
    lastUpdateTimestampMs: nowMs,
    clientTransactionVersion,
  }
}

/**
 * The outcome is decided. With transaction version 2, and whenever the coordinator ends a transaction by itself, the
 * epoch is raised here, so that the marker itself fences whoever still writes with the old one.
 * @param nextProducerId  where the epochs are used up (version 2)
 */
export function withOutcome(
  txn: TransactionMetadata,
  outcome: 'PrepareCommit' | 'PrepareAbort',
  options: {
    readonly clientTransactionVersion: number
    readonly raisesEpoch: boolean
    readonly nextProducerId: number
    readonly nowMs: number
  },
): TransactionMetadata {
  const { clientTransactionVersion, raisesEpoch, nextProducerId, nowMs } = options
  const producerEpoch = raisesEpoch ? Math.min(txn.producerEpoch + 1, LARGEST_EPOCH) : txn.producerEpoch
  return {
    ...txn,
    state: outcome,
    producerEpoch,
    previousProducerId: txn.producerId,
    nextProducerId,
    lastProducerEpoch: raisesEpoch ? txn.producerEpoch : txn.lastProducerEpoch,
    // Version 2 may abort a transaction that was never begun here: it starts, and ends, now.
    startTimestampMs: txn.state === 'Ongoing' ? txn.startTimestampMs : nowMs,
    lastUpdateTimestampMs: nowMs,
    clientTransactionVersion,
  }
}

/** All markers are written. An exhausted producer goes on with its next id at epoch 0. */
export function withCompletion(txn: TransactionMetadata, nowMs: number): TransactionMetadata {
  assert(txn.state === 'PrepareCommit' || txn.state === 'PrepareAbort', `${txn.state} is completed by nothing`)
  const rotates = txn.nextProducerId !== NO_PRODUCER_ID
  return {
    ...txn,
    ...successorOf(txn),
    state: txn.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
    previousProducerId: txn.producerId,
    nextProducerId: NO_PRODUCER_ID,
    lastProducerEpoch: rotates ? LARGEST_EPOCH - 1 : txn.lastProducerEpoch,
    partitions: new Map(),
    lastUpdateTimestampMs: nowMs,
  }
}

/** What the producer goes on with once a decided transaction is complete. */
export function successorOf(txn: TransactionMetadata): { producerId: number; producerEpoch: number } {
  if (txn.nextProducerId === NO_PRODUCER_ID) return { producerId: txn.producerId, producerEpoch: txn.producerEpoch }
  return { producerId: txn.nextProducerId, producerEpoch: 0 }
}

/** @param level  the finalized transaction.version; from 1 on values are written in version 1 */
export function toRecord(txn: TransactionMetadata, level: number): TransactionRecord {
  const value: TransactionLogValue = {
    producerId: txn.producerId,
    previousProducerId: txn.previousProducerId,
    nextProducerId: txn.nextProducerId,
    producerEpoch: txn.producerEpoch,
    nextProducerEpoch: NO_PRODUCER_EPOCH,
    transactionTimeoutMs: txn.timeoutMs,
    transactionStatus: TRANSACTION_STATES.indexOf(txn.state),
    transactionPartitions:
      txn.state === 'Empty'
        ? null
        : Array.from(txn.partitions, ([topic, partitionIds]) => ({ topic, partitionIds: [...partitionIds] })),
    transactionLastUpdateTimestampMs: txn.lastUpdateTimestampMs,
    transactionStartTimestampMs: txn.startTimestampMs,
    clientTransactionVersion: txn.clientTransactionVersion,
  }
  // Only version 1 holds what a transaction of version 2 needs to be completed after a restart.
  const valueVersion = level >= 1 || txn.clientTransactionVersion >= 2 ? 1 : 0
  return { transactionalId: txn.transactionalId, value, valueVersion, lastProducerEpoch: txn.lastProducerEpoch }
}

/** @returns `undefined` for a status that is never logged */
export function fromRecord(record: TransactionRecord): TransactionMetadata | undefined {
  const { transactionalId, value, lastProducerEpoch = NO_PRODUCER_EPOCH } = record
  const state = TRANSACTION_STATES[value?.transactionStatus ?? -1]
  if (value === null || state === undefined) return undefined
  return {
    transactionalId,
    state,
    producerId: value.producerId,
    producerEpoch: value.producerEpoch,
    previousProducerId: value.previousProducerId,
    nextProducerId: value.nextProducerId,
    lastProducerEpoch,
    timeoutMs: value.transactionTimeoutMs,
    partitions: new Map(
      value.transactionPartitions?.map(({ topic, partitionIds }) => [topic, new Set(partitionIds)]) ?? [],
    ),
    startTimestampMs: value.transactionStartTimestampMs,
    lastUpdateTimestampMs: value.transactionLastUpdateTimestampMs,
    clientTransactionVersion: value.clientTransactionVersion,
  }
}
