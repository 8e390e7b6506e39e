/**
 * What an error says about whether something happened. When in doubt it is `unknown`: the log decides later, and a claim that is
 * too strong would blame the broker for what the client could not know.
 */
import { KafkaError } from '../../client/index.ts'
import type { Outcome } from '../history/tables.ts'

/** The record never left this process. */
const NEVER_SENT: ReadonlySet<string> = new Set([
  'SERIALIZATION_FAILED',
  'INVALID_ARGUMENT',
  'ILLEGAL_STATE',
  'BUFFER_EXHAUSTED',
  'TRANSACTION_ABORTED',
])

/**
 * Of a send that was rejected. What a broker answers to the last try says nothing about earlier tries whose answer was lost, so
 * only what was never sent has failed.
 */
export function outcomeOfSend(error: unknown): Outcome {
  return error instanceof KafkaError && NEVER_SENT.has(error.code) ? 'fail' : 'unknown'
}

/**
 * Of a commit that was rejected. The client promises for 'abort-transaction' that nothing becomes visible. Whoever is fenced cannot
 * know: the coordinator may have committed before (KAFKA-20785), and the epoch that is too old says no more than that.
 */
export function outcomeOfCommit(error: unknown): Outcome {
  if (!(error instanceof KafkaError)) return 'unknown'
  return error.recovery === 'abort-transaction' && error.code !== 'INVALID_PRODUCER_EPOCH' ? 'fail' : 'unknown'
}

/**
 * Of an offset commit outside transactions. A membership that is refused says nothing about an earlier try whose answer was lost: seed 5098
 * of queue found offsets that the last answer had refused and the first try had committed.
 */
export function outcomeOfOffsetCommit(error: unknown): Outcome {
  return error instanceof KafkaError && NEVER_SENT.has(error.code) ? 'fail' : 'unknown'
}

/** For the `error` columns, which hold texts that repeat: a code, or the first line of a message. */
export function errorText(error: unknown): string {
  if (error instanceof KafkaError) return error.code
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] as string
}

/** What a role lives with, whatever is done to it. Anything else ends its process. */
export function isExpected(error: unknown): boolean {
  return error instanceof KafkaError && error.recovery !== 'fix-configuration' && error.code !== 'INTERNAL'
}
