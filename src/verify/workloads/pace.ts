/** Keeps a role at its rate: so many turns a second on average, catching up after a short delay but not after a long one. */
import type { Worker } from './workload.ts'

const CATCH_UP_MS = 1_000

export class Pace {
  readonly #worker: Worker
  readonly #everyMs: number
  #dueMs: number

  /** @param rate  turns a second, above 0 */
  constructor(worker: Worker, rate: number) {
    this.#worker = worker
    this.#everyMs = 1_000 / rate
    this.#dueMs = worker.nowMs()
  }

  /** Resolves when it is time for the next turn; false: the worker has to stop. */
  async next(): Promise<boolean> {
    const nowMs = this.#worker.nowMs()
    if (nowMs < this.#dueMs) await this.#worker.pause(this.#dueMs - nowMs)
    this.#dueMs = Math.max(this.#dueMs + this.#everyMs, nowMs - CATCH_UP_MS)
    return !this.#worker.isStopping
  }
}
