/** ListTransactions and DescribeTransactions: questions about the coordinator's state (KIP-664, KIP-994, KIP-1152). */
import type { DescribeTransactionsResponseDraft } from '../../protocol/messages/describe-transactions.ts'
import type {
  ListTransactionsRequest,
  ListTransactionsResponseDraft,
} from '../../protocol/messages/list-transactions.ts'
import { NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_TIMESTAMP } from '../../protocol/record-batch.ts'
import { TRANSACTION_STATES } from './transaction-metadata.ts'
import type { TransactionMetadata, TransactionState } from './transaction-metadata.ts'

/** What the listing needs of the coordinator. */
interface TransactionDirectory {
  get(transactionalId: string): TransactionMetadata | undefined
  values(): Iterable<TransactionMetadata>
}

/** States that exist in Kafka and are never seen from outside: asked for, they are known and find nothing. */
const STATES_NEVER_SEEN: readonly string[] = ['Dead', 'PrepareEpochFence']

/**
 * @param matcherOf  compiles a pattern for whole ids; `undefined` when it is none
 */
export function listTransactions(
  transactions: TransactionDirectory,
  request: ListTransactionsRequest,
  matcherOf: (pattern: string) => ((transactionalId: string) => boolean) | undefined,
  nowMs: number,
): ListTransactionsResponseDraft {
  const { stateFilters, producerIdFilters, durationFilter, transactionalIdPattern: pattern } = request
  const isState = (name: string): name is TransactionState => (TRANSACTION_STATES as readonly string[]).includes(name)
  const unknownStateFilters = stateFilters.filter((name) => !isState(name) && !STATES_NEVER_SEEN.includes(name))
  const matches = pattern === null || pattern === '' ? () => true : matcherOf(pattern)
  if (matches === undefined) {
    return { errorCode: 'INVALID_REGULAR_EXPRESSION', unknownStateFilters: [], transactionStates: [] }
  }
  const states = new Set(stateFilters)
  const producerIds = new Set(producerIdFilters)
  const transactionStates: { transactionalId: string; producerId: number; transactionState: string }[] = []
  for (const { transactionalId, producerId, state, startTimestampMs } of transactions.values()) {
    if (stateFilters.length > 0 && !states.has(state)) continue
    if (producerIds.size > 0 && !producerIds.has(producerId)) continue
    if (durationFilter >= 0 && nowMs - startTimestampMs <= durationFilter) continue
    if (!matches(transactionalId)) continue
    transactionStates.push({ transactionalId, producerId, transactionState: state })
  }
  return { errorCode: 'NONE', unknownStateFilters, transactionStates }
}

export function describeTransactions(
  transactions: TransactionDirectory,
  transactionalIds: readonly string[],
): DescribeTransactionsResponseDraft {
  return {
    transactionStates: transactionalIds.map((transactionalId) => {
      const txn = transactions.get(transactionalId)
      if (txn === undefined) {
        return {
          errorCode: transactionalId === '' ? 'INVALID_REQUEST' : 'TRANSACTIONAL_ID_NOT_FOUND',
          transactionalId,
          transactionState: '',
          transactionTimeoutMs: 0,
          transactionStartTimeMs: NO_TIMESTAMP,
          producerId: NO_PRODUCER_ID,
          producerEpoch: NO_PRODUCER_EPOCH,
          topics: [],
        }
      }
      return {
        errorCode: 'NONE',
        transactionalId,
        transactionState: txn.state,
        transactionTimeoutMs: txn.timeoutMs,
        transactionStartTimeMs: txn.startTimestampMs,
        producerId: txn.producerId,
        producerEpoch: txn.producerEpoch,
        topics: Array.from(txn.partitions, ([topic, partitions]) => ({ topic, partitions: [...partitions] })),
      }
    }),
  }
}
