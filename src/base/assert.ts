/** A broken promise of our own, never a peer's mistake. Stops the partition, coordinator or client it belongs to. */
export class AssertionError extends Error {
  override name = 'AssertionError'
}

/** Stays on in production. State the condition positively, one per call; the message holds the actual values. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}
