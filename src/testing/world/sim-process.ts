/**
 * One process of a simulated world: everything that reaches it (a timer, bytes, the end of a file operation) comes through here, so
 * that it can be paused between any two of them, as a garbage collection or SIGSTOP does, and be killed, after which nothing of
 * it is ever heard again.
 *
 * Owns its clock: timers that end with it, a wall clock that may be off. Its promises that wait for something simply never settle.
 */
import type { Clock, Timer } from '../../base/runtime.ts'
import type { SimClock } from '../sim-clock.ts'
import type { SimRandom } from '../sim-random.ts'

export interface SimProcessOptions {
  readonly name: string
  readonly clock: SimClock
  readonly random: SimRandom
  /** Timers fire up to so much late, as they do in a process that is busy. */
  readonly timerLatenessMs?: number
}

export class SimProcess {
  readonly name: string
  readonly clock: Clock
  readonly #world: SimClock
  readonly #random: SimRandom
  #state: 'running' | 'paused' | 'dead' = 'running'
  /** What came while it was paused. */
  #backlog: (() => void)[] = []
  #wallSkewMs = 0
  readonly #onDeath: (() => void)[] = []

  constructor({ name, clock, random, timerLatenessMs = 0 }: SimProcessOptions) {
    this.name = name
    this.#world = clock
    this.#random = random
    this.clock = {
      nowMs: () => clock.nowMs() + this.#wallSkewMs,
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) => this.#setTimer(delayMs + this.#lateness(timerLatenessMs), callback),
    }
  }

  get isDead(): boolean {
    return this.#state === 'dead'
  }

  get isPaused(): boolean {
    return this.#state === 'paused'
  }

  /** Runs `action` in this process: now, when it goes on, or never. */
  deliver(action: () => void): void {
    if (this.#state === 'running') action()
    else if (this.#state === 'paused') this.#backlog.push(action)
  }

  /** Nothing happens in it until `resume`. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    const backlog = this.#backlog
    this.#backlog = []
    for (const action of backlog) this.#world.setTimer(0, () => this.deliver(action))
  }

  kill(): void {
    if (this.#state === 'dead') return
    this.#state = 'dead'
    this.#backlog = []
    for (const listener of this.#onDeath) listener()
  }

  onDeath(listener: () => void): void {
    this.#onDeath.push(listener)
  }

  /** Moves this process' wall clock; its durations stay right. */
  stepWallClock(byMs: number): void {
    this.#wallSkewMs += byMs
  }

  #setTimer(delayMs: number, callback: () => void): Timer {
    if (this.isDead) return { cancel: () => {} }
    let isCancelled = false
    const timer = this.#world.setTimer(delayMs, () =>
      this.deliver(() => {
        if (!isCancelled) callback()
      }),
    )
    return {
      cancel: () => {
        isCancelled = true
        timer.cancel()
      },
    }
  }

  #lateness(maxMs: number): number {
    return maxMs === 0 ? 0 : (this.#random.nextUint32() / 2 ** 32) * maxMs
  }
}
