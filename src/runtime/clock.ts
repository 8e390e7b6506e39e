/** The clock of the machine. Owns nothing but the translation; a timer keeps a process alive only when it is asked to. */

import type { Clock, Timer } from '../base/runtime.ts'

/** The longest delay `setTimeout` takes; it turns anything longer into 1 ms. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1

export function nodeClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer(delayMs, callback, options): Timer {
      let handle: NodeJS.Timeout
      const arm = (leftMs: number): void => {
        const stepMs = Math.min(leftMs, TIMEOUT_MS_MAX)
        handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), stepMs)
        if (options?.keepsProcessAlive !== true) handle.unref()
      }
      arm(Math.max(0, delayMs))
      return { cancel: () => clearTimeout(handle) }
    },
  }
}
