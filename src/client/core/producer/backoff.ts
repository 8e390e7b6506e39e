/** How long a producer waits before it tries a request again. */
import type { KafkaErrorCode } from '../../errors.ts'

export interface BackoffOptions {
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  /** Uniform over 0 … 2^32 - 1. */
  readonly random: () => number
}

/** The coordinator is ending the transaction before: that takes it milliseconds. */
const CONCURRENT_BACKOFF_MS = 20
const DOUBLINGS_MAX = 20

/** Exponential, with a fifth of jitter either way. @param attempts  that were made, 1 or more */
export function backoffMs(options: BackoffOptions, attempts: number, code: KafkaErrorCode): number {
  const { retryBackoffMs, retryBackoffMaxMs, random } = options
  const firstMs = code === 'CONCURRENT_TRANSACTIONS' ? Math.min(CONCURRENT_BACKOFF_MS, retryBackoffMs) : retryBackoffMs
  const baseMs = Math.min(retryBackoffMaxMs, firstMs * 2 ** Math.min(attempts - 1, DOUBLINGS_MAX))
  return baseMs * (0.8 + 0.4 * (random() / 2 ** 32))
}
