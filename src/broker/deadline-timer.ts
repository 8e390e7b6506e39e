/** Runs a coordinator's deadlines: asks when the next one is, sleeps, and calls back. */
import type { Clock, Timer } from '../base/runtime.ts'

/** Node's timers overflow above 2^31 - 1 ms and would fire at once. */
const LONGEST_SLEEP_MS = 0x7fffffff

export class DeadlineTimer {
  readonly #clock: Clock
  readonly #nextDeadlineMs: () => number | undefined
  readonly #onDeadline: (nowMs: number) => void
  #timer: Timer | undefined
  #timerDeadlineMs = Infinity
  #isStopped = false

  /** @param nextDeadlineMs  wall-clock milliseconds of the earliest deadline, `undefined` when there is none */
  constructor(clock: Clock, nextDeadlineMs: () => number | undefined, onDeadline: (nowMs: number) => void) {
    this.#clock = clock
    this.#nextDeadlineMs = nextDeadlineMs
    this.#onDeadline = onDeadline
  }

  /** To be called whenever deadlines may have changed. */
  reschedule(): void {
    if (this.#isStopped) return
    const deadlineMs = this.#nextDeadlineMs()
    if (deadlineMs === undefined || deadlineMs >= this.#timerDeadlineMs) return
    this.#timer?.cancel()
    this.#timerDeadlineMs = deadlineMs
    const sleepMs = Math.min(Math.max(deadlineMs - this.#clock.nowMs(), 0), LONGEST_SLEEP_MS)
    this.#timer = this.#clock.setTimer(sleepMs, () => this.#fire())
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #fire(): void {
    this.#timerDeadlineMs = Infinity
    const nowMs = this.#clock.nowMs()
    const deadlineMs = this.#nextDeadlineMs()
    if (deadlineMs !== undefined && deadlineMs <= nowMs) this.#onDeadline(nowMs)
    this.reschedule()
  }
}
