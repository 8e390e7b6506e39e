/**
 * What the client suite measures, and what its worker processes are told and answer. Plain data: it crosses a process border.
 */

export const SIDE_NAMES = ['semel', 'kafkajs', 'platformatic', 'confluent'] as const
export type SideName = (typeof SIDE_NAMES)[number]

export const CASE_KINDS = ['single', 'batch', 'consume', 'transaction', 'pipeline'] as const
export type CaseKind = (typeof CASE_KINDS)[number]

export const RECORDS_PER_BATCH = 100
/** Sends of one record that are unanswered at a time. */
export const SINGLE_OUTSTANDING = 1000
/** Sends of RECORDS_PER_BATCH records that are unanswered at a time. */
export const BATCH_OUTSTANDING = 50
export const TRANSACTION_MS = 100

export interface Run {
  readonly kind: CaseKind
  /** HOST:PORT */
  readonly broker: string
  /** Where records go, or come from. */
  readonly topic: string
  /** Of the pipeline: where records go. */
  readonly outTopic: string
  readonly valueBytes: number
  /** How long to produce. */
  readonly seconds: number
  /** How many records to read: as many as the topic holds. */
  readonly recordCount: number
  /** A new name for each run: group id, transactional id. */
  readonly name: string
}

export interface Outcome {
  /** Acknowledged, committed, or read. */
  readonly records: number
  readonly seconds: number
}

export interface Measured extends Outcome {
  readonly cpuSeconds: number
  /** The most that the process has ever taken, bytes. */
  readonly peakBytes: number
}

export interface Description {
  readonly package: string
  readonly version: string
  readonly config: string
}

/** Each side does a case with the calls that its own documentation recommends for speed. */
export interface Side {
  describe(kind: CaseKind): Description
  /** Made ready before the clock starts; `run` is called once. */
  prepare(run: Run): Promise<{ run(): Promise<Outcome>; close(): Promise<void> }>
}

export type ToWorker = { readonly describe: CaseKind } | { readonly run: Run }
export type FromWorker =
  | { readonly ready: true }
  | { readonly description: Description }
  | { readonly measured: Measured }
  | { readonly error: string }
