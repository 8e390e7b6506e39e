/**
 * A wall clock that never goes back: where the one below it does, this one runs on from where it was.
 *
 * The coordinators count spans on it (transaction and session timeouts), whose ends are kept as wall-clock times because
 * they outlive the process. With a clock set back by a day, who has vanished would hold up everybody for a day. A clock
 * set forward is followed. The difference is gone with the next start, but for what `reach` was told.
 */
import type { Clock, Timer } from '../base/runtime.ts'

/** The two clocks below are read one after the other, and the wall clock counts whole milliseconds only. */
const TOLERANCE_MS = 50

export class ForwardClock implements Clock {
  readonly #clock: Clock
  #aheadMs = 0
  #lastNowMs: number
  #lastMonotonicMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#lastNowMs = clock.nowMs()
    this.#lastMonotonicMs = clock.monotonicMs()
  }

  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs()
    const wallMs = this.#clock.nowMs() + this.#aheadMs
    const leastMs = this.#lastNowMs + Math.floor(monotonicMs - this.#lastMonotonicMs)
    if (wallMs < leastMs - TOLERANCE_MS) {
      this.#aheadMs += leastMs - wallMs
      this.#anchor(leastMs, monotonicMs)
    } else if (wallMs > this.#lastNowMs) {
      this.#anchor(wallMs, monotonicMs)
    }
    return this.#lastNowMs
  }

  /** Goes on from this moment at least: it was read off a record that was written on this clock before a restart. */
  reach(timestampMs: number): void {
    const nowMs = this.nowMs()
    if (timestampMs <= nowMs) return
    this.#aheadMs += timestampMs - nowMs
    this.#anchor(timestampMs, this.#clock.monotonicMs())
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  setTimer(...timer: Parameters<Clock['setTimer']>): Timer {
    return this.#clock.setTimer(...timer)
  }

  #anchor(nowMs: number, monotonicMs: number): void {
    this.#lastNowMs = nowMs
    this.#lastMonotonicMs = monotonicMs
  }
}
