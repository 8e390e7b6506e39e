/**
 * What the timeline shows: plain data, in columns, as it goes into the page.
 *
 * Times are whole ticks, tenths of a millisecond, from the beginning of the run; `NONE` where there is none. Rows of a
 * lane are in the order of their first time. How many rows a lane may have is decided by whoever makes it.
 */

export const TICKS_PER_MS = 10

export interface Timeline {
  readonly spanTicks: number
  readonly groups: readonly LaneGroup[]
}

export interface LaneGroup {
  readonly name: GroupName
  readonly title: string
  /** How to read it. */
  readonly hint: string
  readonly lanes: readonly Lane[]
  /** What is not shown here, and where it is. */
  readonly note?: string
}

export type GroupName = 'findings' | 'phases' | 'faults' | 'transactions' | 'processes' | 'partitions'

export type Lane = FindingLane | PhaseLane | FaultLane | TransactionLane | ProcessLane | PartitionLane

interface LaneHead {
  readonly label: string
  /** A few words under the label. */
  readonly detail: string
}

/** One mark for each example that has a place in time; `from` to `to` is what its slice spans. */
export interface FindingLane extends LaneHead {
  readonly kind: 'finding'
  readonly rows: number
  readonly row: readonly number[]
  readonly at: readonly number[]
  readonly from: readonly number[]
  readonly to: readonly number[]
  readonly isAllowed: readonly (0 | 1)[]
  readonly codes: readonly string[]
  readonly texts: readonly string[]
  /** The `id` of the example in the page. */
  readonly targets: readonly string[]
}

export interface PhaseLane extends LaneHead {
  readonly kind: 'phase'
  readonly from: readonly number[]
  readonly to: readonly number[]
  readonly names: readonly string[]
}

/** Faults of one kind. */
export interface FaultLane extends LaneHead {
  readonly kind: 'fault'
  readonly rows: number
  readonly row: readonly number[]
  readonly from: readonly number[]
  readonly to: readonly number[]
  /** How many faults it stands for. */
  readonly count: readonly number[]
  readonly targets: readonly string[]
  readonly details: readonly string[]
}

/**
 * - `committed`, `aborted`: it was asked for, and the answer said so. `refused`: a commit was refused for good, and it
 *   was aborted.
 * - `unknown`: nobody was told what became of it. `open`: it was not ended, and nothing after it shows that it is over.
 */
export const TRANSACTION_OUTCOMES = ['committed', 'aborted', 'refused', 'unknown', 'open'] as const
export type TransactionOutcome = (typeof TRANSACTION_OUTCOMES)[number]

/** Transactions of one transactional id. */
export interface TransactionLane extends LaneHead {
  readonly kind: 'transaction'
  readonly rows: number
  readonly row: readonly number[]
  readonly begun: readonly number[]
  /** When its end was asked for. */
  readonly ending: readonly number[]
  /** When its client was told, or knew no more. */
  readonly ended: readonly number[]
  /** By when the next producer shows that it is over, where its client was not told. */
  readonly over: readonly number[]
  /** An index of `TRANSACTION_OUTCOMES`. */
  readonly outcome: readonly number[]
  /** How many transactions it stands for: more than one is a stretch that was drawn together, without names. */
  readonly count: readonly number[]
  readonly number: readonly number[]
  readonly values: readonly number[]
  /** Into `writers` and `errors`. */
  readonly writer: readonly number[]
  readonly error: readonly number[]
  readonly writers: readonly string[]
  readonly errors: readonly string[]
}

/** Moments with how much happened at each. */
export interface Points {
  readonly at: readonly number[]
  readonly count: readonly number[]
}

/** One part that processes play, one after the other: their lives and what they did. */
export interface ProcessLane extends LaneHead {
  readonly kind: 'process'
  readonly from: readonly number[]
  /** The end of the run when it was not seen to end. */
  readonly to: readonly number[]
  /** 'done', 'killed', or what it died of; '': it was not seen to end. */
  readonly causes: readonly string[]
  readonly processes: readonly number[]
  readonly sends: Points
  readonly reads: Points
  /** Sends and polls that failed, or whose outcome is unknown. */
  readonly failures: Points
}

/** A step line: from `at` on it is `value`. */
export interface Steps {
  readonly at: readonly number[]
  readonly value: readonly number[]
}

export interface PartitionLane extends LaneHead {
  readonly kind: 'partition'
  readonly highWatermark: Steps
  readonly lastStableOffset: Steps
  /** High watermark less last stable offset. */
  readonly lag: Steps
  readonly offsetMax: number
  readonly lagMax: number
}
