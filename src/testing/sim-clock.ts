/**
 * Virtual time: it moves only when told to, and a timer's callback runs at exactly its moment.
 *
 * Timers due at the same moment fire in the order they were set. Between two timers everything that was set off by the first
 * (promises and their followers) is let finish, so a run is a function of its seed alone.
 */

import type { Clock, Timer } from '../base/runtime.ts'

/** 2026-01-01T00:00:00Z */
export const SIM_EPOCH_MS = Date.UTC(2026, 0, 1)

interface PendingTimer {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
}

export class SimClock implements Clock {
  #elapsedMs = 0
  #wallOffsetMs: number
  #nextOrder = 0
  readonly #timers = new Set<PendingTimer>()

  constructor(startMs = SIM_EPOCH_MS) {
    this.#wallOffsetMs = startMs
  }

  nowMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#elapsedMs)
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: PendingTimer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#nextOrder, callback }
    this.#nextOrder += 1
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Moves the wall clock alone, as an administrator or a time server does; backwards too. */
  stepWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** Lets so much time pass, firing what falls due on the way. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms
    await this.settle()
    for (;;) {
      const timer = this.#next()
      if (timer === undefined || timer.dueMs > untilMs) break
      await this.#fire(timer)
    }
    this.#elapsedMs = untilMs
  }

  /**
   * Lets time pass until `promise` settles, and answers as it does.
   * @throws when nothing is left that could settle it, or after `limitMs` of virtual time
   */
  async runUntil<T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    const deadlineMs = this.#elapsedMs + limitMs
    let isSettled = false
    const mark = (): void => {
      isSettled = true
    }
    promise.then(mark, mark)
    await this.settle()
    while (!isSettled) {
      const timer = this.#next()
      if (timer === undefined) throw new Error('virtual time stands still: no timer is set and the promise is pending')
      if (timer.dueMs > deadlineMs) throw new Error(`the promise is pending after ${limitMs} ms of virtual time`)
      await this.#fire(timer)
    }
    return await promise
  }

  /** Lets everything finish that needs no time to pass. */
  settle(): Promise<void> {
    // All microtasks, however long their chain, run before the event loop's next turn.
    return new Promise((resolve) => setImmediate(resolve))
  }

  async #fire(timer: PendingTimer): Promise<void> {
    this.#timers.delete(timer)
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs)
    timer.callback()
    await this.settle()
  }

  #next(): PendingTimer | undefined {
    let next: PendingTimer | undefined
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) {
        next = timer
      }
    }
    return next
  }
}
