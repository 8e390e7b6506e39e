/** The clock of the machine. Owns nothing but the translation; timers are unref'd, so none keeps a process alive. */

import type { Clock, Timer } from '../base/runtime.ts'

/** The longest delay `setTimeout` takes; it turns anything longer into 1 ms. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1

export function nodeClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer(delayMs, callback): Timer {
      let handle: NodeJS.Timeout
      const arm = (leftMs: number): void => {
        const stepMs = Math.min(leftMs, TIMEOUT_MS_MAX)
        handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), stepMs)
        handle.unref()
      }
      arm(Math.max(0, delayMs))
      return { cancel: () => clearTimeout(handle) }
    },
  }
}
