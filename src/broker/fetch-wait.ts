/** Waits until one of several partitions has news, time is up, or the one who asked is gone. */
import type { Clock } from '../base/runtime.ts'
import type { RequestContext } from './handler.ts'
import type { Partition } from './partition.ts'

export type News = 'moved' | 'time is up' | 'connection closed'

/** Node's timers overflow above this. */
const LONGEST_WAIT_MS = 0x7fffffff

/**
 * Watches from the moment of the call; what happened before is for the caller to check in the same tick.
 * @param deadlineMs  on the monotonic clock
 */
export function newsOf(
  clock: Clock,
  partitions: readonly (Partition | undefined)[],
  deadlineMs: number,
  context: Pick<RequestContext, 'onConnectionClosed'>,
): Promise<News> {
  return new Promise((resolve) => {
    let isSettled = false
    const undo: (() => void)[] = []
    const settle = (news: News): void => {
      isSettled = true
      for (const each of undo.splice(0)) each()
      resolve(news)
    }
    for (const partition of partitions) {
      if (partition !== undefined) undo.push(partition.watch(() => settle('moved')))
    }
    undo.push(context.onConnectionClosed(() => settle('connection closed')))
    if (isSettled) return
    const waitMs = Math.min(Math.max(0, deadlineMs - clock.monotonicMs()), LONGEST_WAIT_MS)
    const timer = clock.setTimer(waitMs, () => settle('time is up'))
    undo.push(() => timer.cancel())
  })
}
