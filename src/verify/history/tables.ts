/**
 * The vocabulary of a history: what those who took part in a run saw and did, one table for each kind of thing, one row for each
 * time it happened.
 *
 * An operation is a pair of rows, what was begun (`…Invoked`, `…Started`, `…Ending`) and what became of it (`…Completed`,
 * `…Ready`, `…Ended`); when the second is missing nobody was told, and the outcome is unknown. A row says only what its writer
 * knew when it was written; nothing is changed afterwards, so histories of processes that were killed are as good as others.
 *
 * Who is who:
 * - process: one life of a process. Numbers are given by whoever starts processes, each once in a run.
 * - writer: one life of a producer (one InitProducerId by intention). A value is named by its writer and a number that this writer
 *   counts from 0 without a gap; a transaction by its writer and a number that it counts from 1 (`NO_TRANSACTION`: outside).
 * - reader: one life of a consumer.
 *
 * Times are milliseconds, fractional, of one clock that all processes of the run share and that never steps.
 */

export type ColumnType =
  /** Unsigned. */
  | 'u8'
  | 'u16'
  | 'u32'
  /** Signed. */
  | 'i32'
  /** An integer of any size that a double holds: offsets, producer ids, timestamps. `NONE` (-1) where there is none. */
  | 'integer'
  /** Milliseconds, fractional. */
  | 'time'
  /** A short text that repeats. */
  | 'string'
  /** `{ topic, partition }`. */
  | 'partition'
  | 'outcome'

/**
 * - `ok`: the answer said that it happened. `fail`: it did not and never will. `unknown`: either may be true (a timeout, a lost
 *   connection, an answer that does not tell), now or later.
 */
export const OUTCOMES = ['ok', 'fail', 'unknown'] as const
export type Outcome = (typeof OUTCOMES)[number]

export const NONE = -1
export const NO_TRANSACTION = 0
/** Of a value that nobody can have sent: its bytes do not name a writer, or their checksum is wrong. */
export const NO_WRITER = 0xffff_ffff

export const READ_UNCOMMITTED = 0
export const READ_COMMITTED = 1

export const TABLES = {
  /** A process began. `role` is what the workload calls it, and `client` or `broker` its kind. */
  processStarted: { process: 'u16', kind: 'string', role: 'string', at: 'time' },
  /** `cause`: 'done', 'killed', or the message of what it died of. */
  processEnded: { process: 'u16', cause: 'string', at: 'time' },

  /** InitProducerId is asked for. `transactionalId`: '' for a producer that is idempotent only. */
  writerStarted: { writer: 'u32', process: 'u16', transactionalId: 'string', at: 'time' },
  /** `producerId` and `producerEpoch`: `NONE` where the client does not tell. */
  writerReady: {
    writer: 'u32',
    outcome: 'outcome',
    producerId: 'integer',
    producerEpoch: 'i32',
    error: 'string',
    at: 'time',
  },
  /** A value goes to a partition. */
  sendInvoked: { writer: 'u32', number: 'u32', transaction: 'u32', partition: 'partition', at: 'time' },
  /** Of a send outside transactions, and of one inside that was refused; what else became of those says their transaction. */
  sendCompleted: {
    writer: 'u32',
    number: 'u32',
    outcome: 'outcome',
    /** Where it lies, when the answer told. */
    offset: 'integer',
    error: 'string',
    at: 'time',
  },
  /** The value was made from the record that lies there. Written with its `sendInvoked`. */
  citation: { writer: 'u32', number: 'u32', partition: 'partition', offset: 'integer' },
  /** The value changes an account. Written with its `sendInvoked`. */
  effect: { writer: 'u32', number: 'u32', account: 'u32', amount: 'i32' },

  transactionBegun: { writer: 'u32', transaction: 'u32', at: 'time' },
  /** `isCommit`: 1 commit, 0 abort. Written once when it is asked for, also when that is then repeated. */
  transactionEnding: { writer: 'u32', transaction: 'u32', isCommit: 'u8', at: 'time' },
  /** `ok`: what was asked for is true. `fail`: a commit was refused for good. */
  transactionEnded: { writer: 'u32', transaction: 'u32', outcome: 'outcome', error: 'string', at: 'time' },

  /** `group`: '' without one. `isSubscribed`: 1 in a group that shares partitions out, 0 with partitions of its own. */
  readerStarted: { reader: 'u32', process: 'u16', group: 'string', isolation: 'u8', isSubscribed: 'u8', at: 'time' },
  readerEnded: { reader: 'u32', at: 'time' },
  /** `writer`, `transaction`: what was read here was used in that transaction (`NO_WRITER`, `NO_TRANSACTION`: in none). */
  poll: {
    reader: 'u32',
    poll: 'u32',
    outcome: 'outcome',
    error: 'string',
    writer: 'u32',
    transaction: 'u32',
    invokedAt: 'time',
    at: 'time',
  },
  /** One record of a poll, in the order in which it was handed out. Written before its `poll` row. */
  read: {
    reader: 'u32',
    poll: 'u32',
    partition: 'partition',
    offset: 'integer',
    writer: 'u32',
    number: 'u32',
    at: 'time',
  },
  /** `change`: 0 assigned, 1 revoked, 2 lost, 3 sought (`offset`: where reading goes on, `NONE` when not known). */
  assignment: {
    reader: 'u32',
    partition: 'partition',
    change: 'u8',
    generation: 'i32',
    offset: 'integer',
    at: 'time',
  },

  /** `commit` counts within its process. With a transaction, its end decides and there is no `offsetCommitCompleted` but for a refusal. */
  offsetCommitInvoked: {
    process: 'u16',
    commit: 'u32',
    reader: 'u32',
    group: 'string',
    partition: 'partition',
    offset: 'integer',
    generation: 'i32',
    writer: 'u32',
    transaction: 'u32',
    at: 'time',
  },
  offsetCommitCompleted: { process: 'u16', commit: 'u32', outcome: 'outcome', error: 'string', at: 'time' },
  /** What OffsetFetch with require_stable answered; `NONE`: nothing is committed. */
  offsetFetched: { group: 'string', partition: 'partition', offset: 'integer', invokedAt: 'time', at: 'time' },

  /** What the broker says of a partition. What was not told is `NONE`. */
  watermarks: {
    partition: 'partition',
    highWatermark: 'integer',
    lastStableOffset: 'integer',
    logStartOffset: 'integer',
    invokedAt: 'time',
    at: 'time',
  },
  /** ListOffsets by time with read_committed. `lastStableOffset`: learned later than the answer. */
  timeLookup: {
    partition: 'partition',
    timestampMs: 'integer',
    offset: 'integer',
    lastStableOffset: 'integer',
    at: 'time',
  },

  /** Something was done to the system, from `at` until `until` (the same for what takes no time). */
  fault: { kind: 'string', target: 'string', detail: 'string', at: 'time', until: 'time' },
  /** Where the run is: 'running', 'healed' (no faults from here on), 'settled', 'drained', 'scanned'. */
  phase: { phase: 'string', at: 'time' },
  /** Something that should have ended in time had not: what, for how long. */
  stuck: { what: 'string', forMs: 'time', at: 'time' },
  /** A transaction's state as the coordinator had it then. */
  transition: { transactionalId: 'string', producerId: 'integer', producerEpoch: 'i32', state: 'string', at: 'time' },

  /** Ground truth, read from the log as it is stored. `scan` counts the readings; the last one is at rest. */
  logScan: { scan: 'u16', partition: 'partition', from: 'integer', to: 'integer', at: 'time' },
  /** `control`: 0 data, 1 abort marker, 2 commit marker, 3 another control record. */
  logBatch: {
    scan: 'u16',
    partition: 'partition',
    baseOffset: 'integer',
    lastOffset: 'integer',
    producerId: 'integer',
    producerEpoch: 'i32',
    baseSequence: 'i32',
    isTransactional: 'u8',
    control: 'u8',
    coordinatorEpoch: 'i32',
  },
  logRecord: { scan: 'u16', partition: 'partition', offset: 'integer', writer: 'u32', number: 'u32' },

  /** Ground truth, from DescribeTransactions and DescribeProducers at rest. */
  coordinatorState: {
    transactionalId: 'string',
    state: 'string',
    producerId: 'integer',
    producerEpoch: 'i32',
    partitionCount: 'u32',
    at: 'time',
  },
  producerState: {
    partition: 'partition',
    producerId: 'integer',
    producerEpoch: 'i32',
    lastSequence: 'i32',
    coordinatorEpoch: 'i32',
    /** `NONE`: it has no open transaction here. */
    openTransactionOffset: 'integer',
    at: 'time',
  },
} as const satisfies Record<string, Record<string, ColumnType>>

export type TableName = keyof typeof TABLES
export const TABLE_NAMES = Object.keys(TABLES) as TableName[]

export interface PartitionName {
  readonly topic: string
  readonly partition: number
}

type Cell<T extends ColumnType> = T extends 'string'
  ? string
  : T extends 'partition'
    ? PartitionName
    : T extends 'outcome'
      ? Outcome
      : number

export type Row<T extends TableName> = {
  readonly [C in keyof (typeof TABLES)[T]]: (typeof TABLES)[T][C] extends ColumnType
    ? Cell<(typeof TABLES)[T][C]>
    : never
}

/** Takes what happens as it happens: a table in memory, a file, a checker that follows along. */
export interface HistorySink {
  record<T extends TableName>(table: T, row: Row<T>): void
  /** Returns when all rows so far outlive the process. Called before an effect that must not go unrecorded. */
  flush(): void
}

export const ASSIGNMENT_CHANGE = { assigned: 0, revoked: 1, lost: 2, sought: 3 } as const
export const CONTROL = { data: 0, abortMarker: 1, commitMarker: 2, other: 3 } as const
