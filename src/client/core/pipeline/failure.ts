/**
 * What a failed batch of a pipeline means, and what comes next. Pure: the one table that `SPEC.md` beside it describes.
 *
 * Owns the classes of failures and the order of remedies. Leaves to others: carrying them out (client/pipeline).
 */
import { KafkaError, type KafkaErrorCode } from '../../errors.ts'

/** In which step of a batch the failure came up. */
export type Step = 'begin' | 'process' | 'offsets' | 'commit'

/**
 * - `record`: something in the batch cannot be processed, and would not be the next time either.
 * - `transient`: the cluster could not do it now; nothing of the batch has taken effect.
 * - `membership`: this worker is no longer the one that the group gave the partitions to.
 * - `producer`: this producer cannot go on: fenced, or its state is lost. Nothing of the batch has taken effect.
 * - `outcome-unknown`: the batch was committed or not, and nobody has said which.
 * - `fatal`: nothing will change until somebody changes options, permissions or topics.
 * - `stopped`: the pipeline was told to stop.
 */
export type FailureKind = 'record' | 'transient' | 'membership' | 'producer' | 'outcome-unknown' | 'fatal' | 'stopped'

/** Codes that speak of what was sent, not of the cluster. */
const RECORD_CODES: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'SERIALIZATION_FAILED',
  'DESERIALIZATION_FAILED',
  'INVALID_ARGUMENT',
  'INVALID_TOPIC_EXCEPTION',
])

const MEMBERSHIP_CODES: ReadonlySet<KafkaErrorCode> = new Set<KafkaErrorCode>([
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'FENCED_MEMBER_EPOCH',
  'STALE_MEMBER_EPOCH',
])

export function classifyFailure(error: unknown, step: Step): FailureKind {
  if (!(error instanceof KafkaError)) return step === 'process' ? 'record' : 'fatal'
  // An error of Kafka that hides behind another one counts as what it hides.
  const cause = error.cause instanceof KafkaError ? error.cause : undefined
  // A commit that is not refused outright may have been carried out, whatever else the error says.
  const isRefused = error.recovery === 'abort-transaction' || error.recovery === 'restart-producer'
  if (step === 'commit' && !isRefused && !isOneOf(RECORD_CODES, error, cause)) return 'outcome-unknown'
  if (isOneOf(RECORD_CODES, error, cause)) return 'record'
  if (isOneOf(MEMBERSHIP_CODES, error, cause)) return 'membership'
  if (error.code === 'USER_CODE_FAILED') return 'record'
  if (error.code === 'FENCED_INSTANCE_ID' || cause?.code === 'FENCED_INSTANCE_ID') return 'fatal'
  switch (error.recovery) {
    case 'retry':
    case 'refresh':
    case 'abort-transaction':
      return 'transient'
    case 'restart-producer':
      return 'producer'
    case 'fix-configuration':
      return 'fatal'
  }
}

function isOneOf(codes: ReadonlySet<KafkaErrorCode>, error: KafkaError, cause: KafkaError | undefined): boolean {
  return codes.has(error.code) || (cause !== undefined && codes.has(cause.code))
}

export interface RetryPolicy {
  /** How often a batch that fails by its records is processed again before `onError` decides. */
  readonly retries: number
  readonly backoffMs: number
  readonly backoffMaxMs: number
  /** How often in a row the producer may be replaced without a commit in between. */
  readonly producerRestartsMax: number
}

/** How often each kind has struck this batch so far, this time included. */
export interface FailureCounts {
  readonly record: number
  readonly transient: number
  readonly membership: number
  /** Since the last commit, over batches. */
  readonly producer: number
}

export type NextStep =
  /** Process the batch again after the pause. */
  | { readonly step: 'retry'; readonly pauseMs: number }
  /** Drop the batch, and read again what is still ours of it: the group decides anew who works on what. */
  | { readonly step: 'rejoin'; readonly pauseMs: number }
  /** Make a new producer of the same transactional id, then process again. */
  | { readonly step: 'restart-producer'; readonly pauseMs: number }
  /** Replace the producer, which ends its transaction one way or the other, and ask which way it was. */
  | { readonly step: 'resolve-outcome'; readonly pauseMs: number }
  /** The offsets are committed and must not be processed again: what is left of the batch is lost, as agreed. */
  | { readonly step: 'give-up-batch' }
  /** Process the records one by one, to find the one that fails. */
  | { readonly step: 'isolate' }
  /** Leave the record out, or send it to the dead-letter topic, as the options say. */
  | { readonly step: 'give-up-record' }
  | { readonly step: 'stop' }

export interface FailureContext {
  readonly kind: FailureKind
  readonly at: Step
  /** Whether a batch may be processed more than once; false with at_most_once, which has committed its offsets by then. */
  readonly repeatsBatches: boolean
  readonly counts: FailureCounts
  readonly recordCount: number
  /** Whether a record that fails for good may be left out (`onError` is not 'stop'). */
  readonly mayGiveUpRecords: boolean
  readonly policy: RetryPolicy
}

/** `random` in 0 … 1 spreads the pauses of workers that failed together. */
export function nextStep(context: FailureContext, random: number): NextStep {
  const { kind, at, repeatsBatches, counts, recordCount, mayGiveUpRecords, policy } = context
  const pauseMs = (attempt: number): number => backoffMs(policy, attempt, random)
  if (!repeatsBatches && at === 'process' && kind !== 'fatal' && kind !== 'stopped') {
    if (kind !== 'record') return { step: 'give-up-batch' }
    if (!mayGiveUpRecords) return { step: 'stop' }
    return recordCount > 1 ? { step: 'give-up-batch' } : { step: 'give-up-record' }
  }
  switch (kind) {
    case 'record':
      if (counts.record <= policy.retries) return { step: 'retry', pauseMs: pauseMs(counts.record) }
      if (!mayGiveUpRecords) return { step: 'stop' }
      return recordCount > 1 ? { step: 'isolate' } : { step: 'give-up-record' }
    case 'transient':
      return { step: 'retry', pauseMs: pauseMs(counts.transient) }
    case 'membership':
      return { step: 'rejoin', pauseMs: pauseMs(counts.membership) }
    case 'producer':
      if (counts.producer > policy.producerRestartsMax) return { step: 'stop' }
      // A producer that is fenced in its commit may have been so before or after the commit took effect (KAFKA-20785).
      return { step: at === 'commit' ? 'resolve-outcome' : 'restart-producer', pauseMs: pauseMs(counts.producer) }
    case 'outcome-unknown':
      return { step: 'resolve-outcome', pauseMs: 0 }
    case 'fatal':
    case 'stopped':
      return { step: 'stop' }
  }
}

/** Exponential, ± 20 %. @param attempt  1 for the first pause */
export function backoffMs(
  policy: Pick<RetryPolicy, 'backoffMs' | 'backoffMaxMs'>,
  attempt: number,
  random: number,
): number {
  const baseMs = Math.min(policy.backoffMaxMs, policy.backoffMs * 2 ** Math.min(attempt - 1, 20))
  return baseMs * (0.8 + 0.4 * random)
}
