/**
 * The legal moves of a transaction, complete by type: what each request comes to in each state.
 *
 * In Prepare* the markers are being written: whoever asks is told to ask again, by which time the outcome is complete.
 * Source: kafka-eos.md C6; the tables in TransactionCoordinator.endTransaction; SPEC.md.
 */
import type { TransactionState } from './transaction-metadata.ts'

export type EndTxnOutcome =
  | 'prepare-commit'
  | 'prepare-abort'
  /** It has been done: answer success, change nothing. */
  | 'repeated'
  | 'INVALID_TXN_STATE'
  | 'CONCURRENT_TRANSACTIONS'
  | 'PRODUCER_FENCED'

/** EndTxn below version 5; the epoch is that of the transaction. */
export type EndTxnV1Event = 'commit' | 'abort'

export const END_TXN_V1: Readonly<Record<TransactionState, Readonly<Record<EndTxnV1Event, EndTxnOutcome>>>> = {
  Empty: { commit: 'INVALID_TXN_STATE', abort: 'INVALID_TXN_STATE' },
  Ongoing: { commit: 'prepare-commit', abort: 'prepare-abort' },
  PrepareCommit: { commit: 'CONCURRENT_TRANSACTIONS', abort: 'CONCURRENT_TRANSACTIONS' },
  PrepareAbort: { commit: 'CONCURRENT_TRANSACTIONS', abort: 'CONCURRENT_TRANSACTIONS' },
  CompleteCommit: { commit: 'repeated', abort: 'INVALID_TXN_STATE' },
  CompleteAbort: { commit: 'INVALID_TXN_STATE', abort: 'repeated' },
}

/**
 * EndTxn version 5 and above. `retry`: the epoch before the present one, so the same request came before. An abort at
 * the present epoch is taken even without a transaction: a producer whose Produce got no answer cannot know of one.
 */
export type EndTxnV2Event = 'commit' | 'commit-retry' | 'abort' | 'abort-retry'

export const END_TXN_V2: Readonly<Record<TransactionState, Readonly<Record<EndTxnV2Event, EndTxnOutcome>>>> = {
  Empty: {
    commit: 'INVALID_TXN_STATE',
    'commit-retry': 'PRODUCER_FENCED',
    abort: 'prepare-abort',
    'abort-retry': 'PRODUCER_FENCED',
  },
  Ongoing: {
    commit: 'prepare-commit',
    'commit-retry': 'PRODUCER_FENCED',
    abort: 'prepare-abort',
    'abort-retry': 'PRODUCER_FENCED',
  },
  PrepareCommit: {
    commit: 'CONCURRENT_TRANSACTIONS',
    'commit-retry': 'CONCURRENT_TRANSACTIONS',
    abort: 'CONCURRENT_TRANSACTIONS',
    'abort-retry': 'CONCURRENT_TRANSACTIONS',
  },
  PrepareAbort: {
    commit: 'CONCURRENT_TRANSACTIONS',
    'commit-retry': 'CONCURRENT_TRANSACTIONS',
    abort: 'CONCURRENT_TRANSACTIONS',
    'abort-retry': 'CONCURRENT_TRANSACTIONS',
  },
  CompleteCommit: {
    commit: 'INVALID_TXN_STATE',
    'commit-retry': 'repeated',
    abort: 'prepare-abort',
    'abort-retry': 'INVALID_TXN_STATE',
  },
  CompleteAbort: {
    commit: 'INVALID_TXN_STATE',
    // Deviation: INVALID_TXN_STATE in Kafka, as if the producer were at fault. It lost a race against the coordinator's
    // timeout, or against a newer instance of itself: it is fenced, as with version 1 (KAFKA-20785).
    'commit-retry': 'PRODUCER_FENCED',
    abort: 'prepare-abort',
    'abort-retry': 'repeated',
  },
}

/** What a new instance of a producer comes to. */
export type InitOutcome = 'begin' | 'fence' | 'CONCURRENT_TRANSACTIONS'

export const INIT_PRODUCER_ID: Readonly<Record<TransactionState, InitOutcome>> = {
  Empty: 'begin',
  Ongoing: 'fence',
  PrepareCommit: 'CONCURRENT_TRANSACTIONS',
  PrepareAbort: 'CONCURRENT_TRANSACTIONS',
  CompleteCommit: 'begin',
  CompleteAbort: 'begin',
}

/** Whether partitions may be added. */
export const ADD_PARTITIONS: Readonly<Record<TransactionState, 'add' | 'CONCURRENT_TRANSACTIONS'>> = {
  Empty: 'add',
  Ongoing: 'add',
  PrepareCommit: 'CONCURRENT_TRANSACTIONS',
  PrepareAbort: 'CONCURRENT_TRANSACTIONS',
  CompleteCommit: 'add',
  CompleteAbort: 'add',
}
