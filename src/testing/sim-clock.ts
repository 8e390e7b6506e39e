/**
 * Virtual time: it moves only when told to, and a timer's callback runs at exactly its moment.
 *
 * Timers due at the same moment fire in the order they were set, or in an order that a seed draws. Between two timers everything
 * that was set off by the first (promises and their followers) is let finish, so a run is a function of its seed alone.
 */

import type { Clock, Timer } from '../base/runtime.ts'

/** 2026-01-01T00:00:00Z */
export const SIM_EPOCH_MS = Date.UTC(2026, 0, 1)

/** Turns of the event loop that are asked for at a time: asking for each by itself costs eight times as much. */
const TURNS_AT_A_TIME = 64

interface PendingTimer {
  readonly dueMs: number
  readonly order: number
  callback: (() => void) | undefined
}

export interface SimClockOptions {
  readonly startMs?: number
  /** Draws the order of timers that are due at the same moment: the smaller number first. */
  readonly drawOrder?: () => number
  /** Told of each timer that fires, before it does. */
  readonly onTimer?: (nowMs: number) => void
}

export class SimClock implements Clock {
  readonly #options: SimClockOptions
  #elapsedMs = 0
  #wallOffsetMs: number
  #timersSet = 0
  #pendingTimers = 0
  /** A binary heap, the next to fire first; those that were cancelled stay in it without a callback. */
  readonly #heap: PendingTimer[] = []

  constructor(options: SimClockOptions = {}) {
    this.#options = options
    this.#wallOffsetMs = options.startMs ?? SIM_EPOCH_MS
  }

  nowMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#elapsedMs)
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const order = this.#options.drawOrder?.() ?? this.#timersSet
    const timer: PendingTimer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order, callback }
    this.#timersSet += 1
    this.#pendingTimers += 1
    this.#push(timer)
    return {
      cancel: () => {
        if (timer.callback === undefined) return
        timer.callback = undefined
        this.#pendingTimers -= 1
      },
    }
  }

  get pendingTimers(): number {
    return this.#pendingTimers
  }

  /** Moves the wall clock alone, as an administrator or a time server does; backwards too. */
  stepWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** Lets so much time pass, firing what falls due on the way. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms
    await this.settle()
    await turns(() => {
      const timer = this.#next()
      if (timer === undefined || timer.dueMs > untilMs) return false
      this.#fire(timer)
      return true
    })
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
    await turns(() => {
      if (isSettled) return false
      const timer = this.#next()
      if (timer === undefined) throw new Error('virtual time stands still: no timer is set and the promise is pending')
      if (timer.dueMs > deadlineMs) throw new Error(`the promise is pending after ${limitMs} ms of virtual time`)
      this.#fire(timer)
      return true
    })
    return await promise
  }

  /** Lets everything finish that needs no time to pass. */
  settle(): Promise<void> {
    // All microtasks, however long their chain, run before the event loop's next turn.
    return new Promise((resolve) => setImmediate(resolve))
  }

  #fire(timer: PendingTimer): void {
    this.#pop()
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs)
    const { callback } = timer
    timer.callback = undefined
    this.#pendingTimers -= 1
    this.#options.onTimer?.(this.#elapsedMs)
    callback?.()
  }

  /** Skips those that were cancelled. */
  #next(): PendingTimer | undefined {
    for (;;) {
      const timer = this.#heap[0]
      if (timer === undefined || timer.callback !== undefined) return timer
      this.#pop()
    }
  }

  #push(timer: PendingTimer): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(timer)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as PendingTimer
      if (!isBefore(timer, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = timer
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as PendingTimer
    const { length } = heap
    if (length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= length) break
      const right = left + 1
      const child = right < length && isBefore(heap[right] as PendingTimer, heap[left] as PendingTimer) ? right : left
      if (!isBefore(heap[child] as PendingTimer, last)) break
      heap[at] = heap[child] as PendingTimer
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: PendingTimer, b: PendingTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}

/** Takes one step in each turn of the event loop, so that what a step set off is over before the next, until one answers false. */
function turns(step: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false
    const turn = (): void => {
      if (isOver) return
      try {
        if (step()) return
        isOver = true
        resolve()
      } catch (error) {
        isOver = true
        reject(error)
      }
    }
    const next = (): void => {
      if (isOver) return
      for (let count = 0; count < TURNS_AT_A_TIME; count += 1) setImmediate(turn)
      setImmediate(next)
    }
    next()
  })
}
