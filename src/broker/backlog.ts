/**
 * Holds back producers while more is appended than the disk has taken (`semel.pending.max.bytes`).
 *
 * With acks=all the requests in flight bound the backlog already; acks=1 and 0 are answered before the disk is asked, and
 * the memory tails of the logs are drained later than the journal is flushed. Whoever waits goes on in order.
 */
import type { Clock } from '../base/runtime.ts'
import type { LogStore } from '../storage/log-store.ts'

/** How often room is looked for while somebody waits. */
const CHECK_INTERVAL_MS = 2

export class Backlog {
  readonly #store: Pick<LogStore, 'pendingBytes' | 'failure'>
  readonly #clock: Clock
  readonly #limitBytes: () => number
  #waiting: (() => void)[] = []

  constructor(store: Pick<LogStore, 'pendingBytes' | 'failure'>, clock: Clock, limitBytes: () => number) {
    this.#store = store
    this.#clock = clock
    this.#limitBytes = limitBytes
  }

  /** True also while earlier ones still wait, so that nobody overtakes. */
  get isFull(): boolean {
    return this.#waiting.length > 0 || this.#store.pendingBytes >= this.#limitBytes()
  }

  hasRoom(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      if (this.#waiting.length === 1) this.#checkLater()
    })
  }

  #checkLater(): void {
    this.#clock.setTimer(CHECK_INTERVAL_MS, () => this.#check())
  }

  #check(): void {
    // After a failure everybody goes on, and is told by the append.
    if (this.#store.pendingBytes < this.#limitBytes() || this.#store.failure !== undefined) {
      const waiting = this.#waiting
      this.#waiting = []
      for (const resolve of waiting) resolve()
    } else {
      this.#checkLater()
    }
  }
}
