/** Nothing in a run waits for ever: what is not done in its time becomes a `stuck` row, and the run goes on. */
import { isExpected } from '../workloads/outcomes.ts'
import type { Worker } from '../workloads/workload.ts'

const RETRY_PAUSE_MS = 200

/** @returns `undefined` when it was not done in time. Rejects as `work` does. What is late is not heard any more. */
export async function within<T>(
  worker: Worker,
  what: string,
  limitMs: number,
  work: Promise<T>,
): Promise<T | undefined> {
  const startedMs = worker.nowMs()
  const late = Promise.withResolvers<undefined>()
  const timer = worker.runtime.clock.setTimer(
    limitMs,
    () => {
      noteStuck(worker, what, startedMs)
      late.resolve(undefined)
    },
    { keepsProcessAlive: true },
  )
  try {
    return await Promise.race([work, late.promise])
  } finally {
    timer.cancel()
  }
}

/** Tries again after errors that a cluster may give while it recovers. @returns `undefined` when it was not done in time */
export async function retrying<T>(
  worker: Worker,
  what: string,
  limitMs: number,
  work: () => Promise<T>,
): Promise<T | undefined> {
  const deadlineMs = worker.nowMs() + limitMs
  const keepTrying = async (): Promise<T> => {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        // One that is not in time is reported by the limit, with the same words.
        if (!isExpected(error) || worker.nowMs() > deadlineMs) throw error
      }
      await worker.pause(RETRY_PAUSE_MS)
    }
  }
  const trying = keepTrying()
  trying.catch(() => undefined)
  return within(worker, what, limitMs, trying)
}

export function noteStuck(worker: Worker, what: string, sinceMs: number): void {
  const at = worker.nowMs()
  worker.history.record('stuck', { what, forMs: at - sinceMs, at })
}
