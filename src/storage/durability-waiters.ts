/** Who waits for which LSN to be durable. Waiters of one LSN share a promise; promises resolve in the order of LSNs. */

interface Waiter {
  readonly lsn: number
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

const DONE = Promise.resolve()

export class DurabilityWaiters {
  /** Ascending by LSN. */
  #waiters: Waiter[] = []
  #durableLsn: number
  #failure: Error | undefined

  constructor(durableLsn: number) {
    this.#durableLsn = durableLsn
  }

  get durableLsn(): number {
    return this.#durableLsn
  }

  /** Rejects when the store fails before `lsn` is durable. */
  wait(lsn: number): Promise<void> {
    if (lsn <= this.#durableLsn) return DONE
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    let slot = this.#waiters.length
    while (slot > 0 && this.#waiters[slot - 1]!.lsn > lsn) slot -= 1
    const before = this.#waiters[slot - 1]
    if (before?.lsn === lsn) return before.promise
    const waiter = { lsn, ...Promise.withResolvers<void>() }
    this.#waiters.splice(slot, 0, waiter)
    return waiter.promise
  }

  advance(lsn: number): void {
    if (this.#failure !== undefined || lsn <= this.#durableLsn) return
    this.#durableLsn = lsn
    let count = 0
    while (count < this.#waiters.length && this.#waiters[count]!.lsn <= lsn) count += 1
    for (const waiter of this.#waiters.splice(0, count)) waiter.resolve()
  }

  /** Nothing becomes durable any more. */
  fail(error: Error): void {
    this.#failure = error
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error)
  }
}
