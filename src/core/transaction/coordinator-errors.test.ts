import { expect, test } from 'vitest'
import {
  coordinatorErrorFor,
  partitionErrorForProduce,
  partitionErrorForTxnOffsetCommit,
} from './coordinator-errors.ts'

// KAFKA-14417, 16386: an error that an old client does not know must not reach it.
test.each([
  ['PRODUCER_FENCED', 8, 'INVALID_PRODUCER_EPOCH'],
  ['PRODUCER_FENCED', 12, 'INVALID_PRODUCER_EPOCH'],
  ['TRANSACTION_ABORTABLE', 10, 'INVALID_TXN_STATE'],
  ['TRANSACTION_ABORTABLE', 11, 'TRANSACTION_ABORTABLE'],
  ['CONCURRENT_TRANSACTIONS', 11, 'NOT_ENOUGH_REPLICAS'],
  ['CONCURRENT_TRANSACTIONS', 12, 'CONCURRENT_TRANSACTIONS'],
  ['INVALID_PRODUCER_ID_MAPPING', 12, 'INVALID_PRODUCER_ID_MAPPING'],
  ['NONE', 12, 'NONE'],
] as const)('KAFKA-14417: %s reads in Produce v%i as %s', (error, version, expected) => {
  expect(partitionErrorForProduce(error, version)).toBe(expected)
})

test.each([
  ['PRODUCER_FENCED', 5, 'INVALID_PRODUCER_EPOCH'],
  ['TRANSACTION_ABORTABLE', 3, 'INVALID_TXN_STATE'],
  ['TRANSACTION_ABORTABLE', 4, 'TRANSACTION_ABORTABLE'],
  ['CONCURRENT_TRANSACTIONS', 4, 'COORDINATOR_NOT_AVAILABLE'],
  ['CONCURRENT_TRANSACTIONS', 5, 'CONCURRENT_TRANSACTIONS'],
  ['INVALID_PRODUCER_ID_MAPPING', 5, 'INVALID_PRODUCER_ID_MAPPING'],
] as const)('KAFKA-14417: %s reads in TxnOffsetCommit v%i as %s', (error, version, expected) => {
  expect(partitionErrorForTxnOffsetCommit(error, version)).toBe(expected)
})

test.each([
  ['InitProducerId', 3, 4],
  ['AddPartitionsToTxn', 1, 2],
  ['AddOffsetsToTxn', 1, 2],
  ['EndTxn', 1, 2],
] as const)('%s knows PRODUCER_FENCED after v%i', (api, lastWithout, firstWith) => {
  expect(coordinatorErrorFor(api, 'PRODUCER_FENCED', lastWithout)).toBe('INVALID_PRODUCER_EPOCH')
  expect(coordinatorErrorFor(api, 'PRODUCER_FENCED', firstWith)).toBe('PRODUCER_FENCED')
  expect(coordinatorErrorFor(api, 'INVALID_TXN_STATE', lastWithout)).toBe('INVALID_TXN_STATE')
})
