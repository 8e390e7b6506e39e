/** Transactions and producers, as an admin sees them; hung ones found and ended (KIP-664). */
import { describeProducers } from '../../protocol/messages/describe-producers.ts'
import { describeTransactions } from '../../protocol/messages/describe-transactions.ts'
import { initProducerId } from '../../protocol/messages/init-producer-id.ts'
import { listTransactions } from '../../protocol/messages/list-transactions.ts'
import { writeTxnMarkers } from '../../protocol/messages/write-txn-markers.ts'
import { KafkaError } from '../errors.ts'
import type { TopicPartition } from '../topic.ts'
import { type AdminContext, allBrokers, ask, byLeader, byTopic } from './admin-call.ts'

export interface TransactionFilter {
  /** 'Ongoing', 'CompleteCommit' … */
  readonly states?: readonly string[]
  readonly producerIds?: readonly number[]
  /** Only those that have been open for longer; needs Kafka 3.8. */
  readonly olderThanMs?: number
  /** RE2, for the whole id; needs Kafka 4.1. */
  readonly pattern?: string
}

export interface TransactionListing {
  readonly transactionalId: string
  readonly coordinatorId: number
  readonly producerId: number
  readonly state: string
}

export interface TransactionDescription extends TransactionListing {
  readonly producerEpoch: number
  readonly timeoutMs: number
  /** Milliseconds since the epoch; `undefined` without an open transaction. */
  readonly startTimestampMs: number | undefined
  readonly partitions: readonly TopicPartition[]
}

export interface ActiveProducer extends TopicPartition {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastTimestampMs: number
  /** -1: no marker yet. */
  readonly coordinatorEpoch: number
  /** `undefined`: no open transaction here. */
  readonly openSinceOffset: number | undefined
}

export interface HangingTransaction extends ActiveProducer {
  readonly openSinceOffset: number
  /** Since its last write. */
  readonly idleMs: number
  readonly transactionalId: string | undefined
  readonly why:
    | 'no transactional id has this producer'
    | 'its transactional id is gone'
    | 'the partition is not in its transaction'
    | 'the coordinator is at another epoch'
}

const NO_OFFSET = -1
const PRODUCER_UNKNOWN = -1

export async function listTransactionsOf(
  context: AdminContext,
  filter: TransactionFilter,
): Promise<readonly TransactionListing[]> {
  const { states = [], producerIds = [], olderThanMs, pattern } = filter
  const minVersion = pattern !== undefined ? 2 : olderThanMs !== undefined ? 1 : 0
  const answers = await Promise.all(
    (await allBrokers(context)).map((nodeId) =>
      ask(
        context,
        { kind: 'node', nodeId },
        listTransactions,
        {
          stateFilters: states,
          producerIdFilters: producerIds,
          durationFilter: olderThanMs ?? -1,
          transactionalIdPattern: pattern ?? null,
        },
        { minVersion, errorOf: ({ errorCode }) => ({ code: errorCode }) },
      ),
    ),
  )
  const unknown = answers.flatMap(({ response }) => response.unknownStateFilters)
  if (unknown.length > 0)
    throw new KafkaError('INVALID_ARGUMENT', `there is no transaction state ${[...new Set(unknown)].join(', ')}`)
  return answers
    .flatMap(({ response, nodeId }) =>
      response.transactionStates.map(({ transactionalId, producerId, transactionState }) => ({
        transactionalId,
        coordinatorId: nodeId,
        producerId,
        state: transactionState,
      })),
    )
    .toSorted((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1))
}

/** Rejects with TRANSACTIONAL_ID_NOT_FOUND. */
export async function describeTransactionOf(
  context: AdminContext,
  transactionalId: string,
): Promise<TransactionDescription> {
  const { response, nodeId } = await ask(
    context,
    { kind: 'coordinator', of: 'transaction', key: transactionalId },
    describeTransactions,
    { transactionalIds: [transactionalId] },
    { errorOf: ({ transactionStates: [first] }) => first && { code: first.errorCode, about: { transactionalId } } },
  )
  const found = response.transactionStates[0]
  if (found === undefined)
    throw new KafkaError('INVALID_RESPONSE', `the answer does not speak of ${transactionalId}`, { recovery: 'retry' })
  return {
    transactionalId,
    coordinatorId: nodeId,
    producerId: found.producerId,
    producerEpoch: found.producerEpoch,
    state: found.transactionState,
    timeoutMs: found.transactionTimeoutMs,
    startTimestampMs: found.transactionStartTimeMs < 0 ? undefined : found.transactionStartTimeMs,
    partitions: found.topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition }))),
  }
}

export async function describeProducersOf(
  context: AdminContext,
  partitions: readonly TopicPartition[],
): Promise<readonly ActiveProducer[]> {
  const answers = await Promise.all(
    [...(await byLeader(context, partitions))].map(([nodeId, all]) =>
      ask(
        context,
        { kind: 'node', nodeId },
        describeProducers,
        {
          topics: byTopic(all).map((topic) => ({
            name: topic.name,
            partitionIndexes: topic.all.map(({ partition }) => partition),
          })),
        },
        {
          errorOf: (answer) => {
            for (const { name, partitions: described } of answer.topics) {
              const failed = described.find(({ errorCode }) => errorCode !== 'NONE')
              if (failed !== undefined) {
                return {
                  code: failed.errorCode,
                  about: { topic: name, partition: failed.partitionIndex },
                  detail: failed.errorMessage,
                }
              }
            }
            return undefined
          },
        },
      ),
    ),
  )
  return answers.flatMap(({ response }) =>
    response.topics.flatMap(({ name, partitions: described }) =>
      described.flatMap(({ partitionIndex, activeProducers }) =>
        activeProducers.map((one) => ({
          topic: name,
          partition: partitionIndex,
          producerId: one.producerId,
          producerEpoch: one.producerEpoch,
          lastSequence: one.lastSequence,
          lastTimestampMs: one.lastTimestamp,
          coordinatorEpoch: one.coordinatorEpoch,
          openSinceOffset: one.currentTxnStartOffset === NO_OFFSET ? undefined : one.currentTxnStartOffset,
        })),
      ),
    ),
  )
}

/**
 * Transactions that are open in a partition although no coordinator will ever end them there. Only those whose last write is
 * older than `maxTransactionTimeoutMs` are looked at: younger ones may just not be known yet.
 *
 * Source: TransactionsCommand find-hanging; comparing epochs is added.
 */
export async function findHangingOf(
  context: AdminContext,
  partitions: readonly TopicPartition[],
  maxTransactionTimeoutMs: number,
): Promise<readonly HangingTransaction[]> {
  const nowMs = context.cluster.runtime.clock.nowMs()
  const old = (await describeProducersOf(context, partitions)).flatMap((one) =>
    one.openSinceOffset !== undefined && nowMs - one.lastTimestampMs > maxTransactionTimeoutMs
      ? [{ ...one, openSinceOffset: one.openSinceOffset, idleMs: nowMs - one.lastTimestampMs }]
      : [],
  )
  if (old.length === 0) return []
  const ids = await listTransactionsOf(context, { producerIds: [...new Set(old.map(({ producerId }) => producerId))] })
  const idOf = new Map(ids.map(({ producerId, transactionalId }) => [producerId, transactionalId]))
  const descriptions = new Map<string, TransactionDescription>()
  for (const { transactionalId } of ids) {
    try {
      descriptions.set(transactionalId, await describeTransactionOf(context, transactionalId))
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code !== 'TRANSACTIONAL_ID_NOT_FOUND') throw error
    }
  }
  return old.flatMap((one): HangingTransaction[] => {
    const transactionalId = idOf.get(one.producerId)
    if (transactionalId === undefined)
      return [{ ...one, transactionalId, why: 'no transactional id has this producer' }]
    const known = descriptions.get(transactionalId)
    if (known === undefined) return [{ ...one, transactionalId, why: 'its transactional id is gone' }]
    if (!known.partitions.some(({ topic, partition }) => topic === one.topic && partition === one.partition)) {
      return [{ ...one, transactionalId, why: 'the partition is not in its transaction' }]
    }
    // With transaction version 2 a decided transaction is one epoch further, until its markers are written.
    const isOther = known.producerEpoch !== one.producerEpoch && known.state === 'Ongoing'
    return isOther ? [{ ...one, transactionalId, why: 'the coordinator is at another epoch' }] : []
  })
}

export interface AbortedHanging {
  /** 'markers': an ABORT marker was written into the partition. 'fence': the broker cannot, so the transactional id was fenced. */
  readonly by: 'markers' | 'fence'
}

/** Ends one transaction in one partition. Rejects with INVALID_ARGUMENT when none is open that began at this offset. */
export async function abortTransactionOf(
  context: AdminContext,
  at: TopicPartition & { readonly startOffset: number },
): Promise<AbortedHanging> {
  const { topic, partition, startOffset } = at
  const producers = await describeProducersOf(context, [{ topic, partition }])
  const open = producers.find(({ openSinceOffset }) => openSinceOffset === startOffset)
  if (open === undefined) {
    const starts = producers.flatMap(({ openSinceOffset }) => openSinceOffset ?? [])
    const there =
      starts.length === 0 ? 'no transaction is open there' : `open transactions begin at ${starts.join(', ')}`
    throw new KafkaError(
      'INVALID_ARGUMENT',
      `${topic}-${partition}: no open transaction begins at offset ${startOffset}; ${there}`,
    )
  }
  const leaders = await byLeader(context, [{ topic, partition }])
  const nodeId = [...leaders.keys()][0] as number
  try {
    await ask(
      context,
      { kind: 'node', nodeId },
      writeTxnMarkers,
      {
        markers: [
          {
            producerId: open.producerId,
            producerEpoch: open.producerEpoch,
            transactionResult: false,
            topics: [{ name: topic, partitionIndexes: [partition] }],
            coordinatorEpoch: Math.max(0, open.coordinatorEpoch),
            // The epoch of the open transaction itself: only version 0 lets a marker of the same epoch in.
            transactionVersion: 0,
          },
        ],
      },
      {
        errorOf: (answer) => {
          const code = answer.markers[0]?.topics[0]?.partitions[0]?.errorCode
          return code === undefined ? undefined : { code, about: { topic, partition } }
        },
      },
    )
    return { by: 'markers' }
  } catch (error) {
    if (!(error instanceof KafkaError) || error.code !== 'UNSUPPORTED_BY_BROKER') throw error
    const [listed] = await listTransactionsOf(context, { producerIds: [open.producerId] })
    if (listed === undefined) throw error
    await fenceProducerOf(context, listed.transactionalId)
    return { by: 'fence' }
  }
}

/** Aborts what is open under the id and shuts out whoever uses it now. @returns the identity that was taken for it */
export async function fenceProducerOf(
  context: AdminContext,
  transactionalId: string,
): Promise<{ readonly producerId: number; readonly producerEpoch: number }> {
  const { response } = await ask(
    context,
    { kind: 'coordinator', of: 'transaction', key: transactionalId },
    initProducerId,
    {
      transactionalId,
      // It never begins a transaction, so the timeout only has to be one that is allowed.
      transactionTimeoutMs: FENCE_TIMEOUT_MS,
      producerId: PRODUCER_UNKNOWN,
      producerEpoch: PRODUCER_UNKNOWN,
    },
    { errorOf: ({ errorCode }) => ({ code: errorCode, about: { transactionalId } }) },
  )
  return { producerId: response.producerId, producerEpoch: response.producerEpoch }
}

const FENCE_TIMEOUT_MS = 1_000
