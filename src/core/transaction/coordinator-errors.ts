/**
 * How an answer of the transaction coordinator reads in the reply of another API, by the version of the request.
 *
 * Source: kafka-eos.md B.1-4, C6-5; AddPartitionsToTxnManager, ReplicaManager, GroupCoordinatorService; KIP-588, KIP-890.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'

/** Produce from here on knows TRANSACTION_ABORTABLE. */
const FIRST_ABORTABLE_PRODUCE_VERSION = 11
/** Produce from here on adds partitions by itself, and asks again when the last transaction is still being ended. */
const FIRST_IMPLICIT_ADD_PRODUCE_VERSION = 12
const FIRST_ABORTABLE_TXN_OFFSET_COMMIT_VERSION = 4
const FIRST_IMPLICIT_ADD_TXN_OFFSET_COMMIT_VERSION = 5

/** For a partition of Produce. */
export function partitionErrorForProduce(error: ErrorCode, apiVersion: number): ErrorCode {
  switch (error) {
    case 'PRODUCER_FENCED':
      return 'INVALID_PRODUCER_EPOCH'
    case 'TRANSACTION_ABORTABLE':
      return apiVersion >= FIRST_ABORTABLE_PRODUCE_VERSION ? error : 'INVALID_TXN_STATE'
    case 'CONCURRENT_TRANSACTIONS':
      return apiVersion >= FIRST_IMPLICIT_ADD_PRODUCE_VERSION ? error : 'NOT_ENOUGH_REPLICAS'
    default:
      return error
  }
}

/** For every partition of TxnOffsetCommit. */
export function partitionErrorForTxnOffsetCommit(error: ErrorCode, apiVersion: number): ErrorCode {
  switch (error) {
    case 'PRODUCER_FENCED':
      return 'INVALID_PRODUCER_EPOCH'
    case 'TRANSACTION_ABORTABLE':
      return apiVersion >= FIRST_ABORTABLE_TXN_OFFSET_COMMIT_VERSION ? error : 'INVALID_TXN_STATE'
    case 'CONCURRENT_TRANSACTIONS':
      return apiVersion >= FIRST_IMPLICIT_ADD_TXN_OFFSET_COMMIT_VERSION ? error : 'COORDINATOR_NOT_AVAILABLE'
    default:
      return error
  }
}

/** The first version of each API of the coordinator that knows PRODUCER_FENCED; older ones say it in the old way. */
const FIRST_FENCED_VERSION = { InitProducerId: 4, AddPartitionsToTxn: 2, AddOffsetsToTxn: 2, EndTxn: 2 } as const

export function coordinatorErrorFor(
  api: keyof typeof FIRST_FENCED_VERSION,
  error: ErrorCode,
  apiVersion: number,
): ErrorCode {
  return error === 'PRODUCER_FENCED' && apiVersion < FIRST_FENCED_VERSION[api] ? 'INVALID_PRODUCER_EPOCH' : error
}
