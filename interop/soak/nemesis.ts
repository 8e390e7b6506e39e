/**
 * Does harm to processes at times and in an order that a seed gives: players are killed and paused, brokers killed, started again
 * and paused, one at a time. Writes down what it did.
 */
import { type HistorySink, SeededRandom } from '../../src/verify/index.ts'
import type { Broker } from '../runner/brokers.ts'

export interface Victim {
  readonly name: string
  readonly process: number
  kill(): void
  pause(): void
  resume(): void
}

export interface NemesisOptions {
  readonly seed: number
  readonly history: HistorySink
  readonly nowMs: () => number
  readonly players: () => readonly Victim[]
  readonly brokers: readonly Broker[]
  /** A broker's life has begun. */
  readonly onBrokerStarted: (broker: Broker) => void
  readonly onBrokerEnded: (broker: Broker, cause: string) => void
  /** On average. */
  readonly brokerFaultIntervalMs: number
  readonly clientCrashIntervalMs: number
  readonly clientPauseIntervalMs: number
  readonly pauseMaxMs: number
}

export type FaultCounts = Record<'client crash' | 'client pause' | 'broker crash' | 'broker pause', number>

const NEMESIS_STREAM = 0x2_0000
const BROKER_CRASH_SHARE = 0.7
const BROKER_DOWN_MAX_MS = 1_500

export class Nemesis {
  readonly counts: FaultCounts = { 'client crash': 0, 'client pause': 0, 'broker crash': 0, 'broker pause': 0 }
  readonly #options: NemesisOptions
  readonly #over = new AbortController()
  #loops: Promise<unknown> = Promise.resolve()

  constructor(options: NemesisOptions) {
    this.#options = options
  }

  begin(): void {
    const { brokerFaultIntervalMs, clientCrashIntervalMs, clientPauseIntervalMs, seed } = this.#options
    this.#loops = Promise.all([
      this.#loop(new SeededRandom(seed, NEMESIS_STREAM), brokerFaultIntervalMs, (random) => this.#harmBroker(random)),
      this.#loop(new SeededRandom(seed, NEMESIS_STREAM + 1), clientCrashIntervalMs, (random) => this.#crash(random)),
      this.#loop(new SeededRandom(seed, NEMESIS_STREAM + 2), clientPauseIntervalMs, (random) => this.#pause(random)),
    ])
    // Reported by `end`, which everybody calls.
    this.#loops.catch(() => undefined)
  }

  /** Resolves when all that was paused goes on and all brokers are up. Rejects when one did not start again or died by itself. */
  async end(): Promise<void> {
    this.#over.abort()
    await this.#loops
    for (const broker of this.#options.brokers) this.#checkAlive(broker)
  }

  async #loop(random: SeededRandom, intervalMs: number, harm: (random: SeededRandom) => Promise<void>): Promise<void> {
    for (;;) {
      await this.#sleep(intervalMs * (0.5 + fraction(random)))
      if (this.#over.signal.aborted) return
      await harm(random)
    }
  }

  async #crash(random: SeededRandom): Promise<void> {
    const victim = drawn(random, this.#options.players())
    if (victim === undefined) return
    const at = this.#options.nowMs()
    victim.kill()
    this.#note('client crash', victim.name, `process ${victim.process}`, at)
  }

  async #pause(random: SeededRandom): Promise<void> {
    const victim = drawn(random, this.#options.players())
    if (victim === undefined) return
    const at = this.#options.nowMs()
    victim.pause()
    await this.#sleep(this.#options.pauseMaxMs * fraction(random))
    victim.resume()
    this.#note('client pause', victim.name, `process ${victim.process}`, at)
  }

  async #harmBroker(random: SeededRandom): Promise<void> {
    const { brokers, nowMs, pauseMaxMs, onBrokerStarted, onBrokerEnded } = this.#options
    const broker = drawn(random, brokers)
    if (broker === undefined) return
    this.#checkAlive(broker)
    const at = nowMs()
    if (fraction(random) < BROKER_CRASH_SHARE) {
      await broker.kill()
      onBrokerEnded(broker, 'killed')
      await this.#sleep(BROKER_DOWN_MAX_MS * fraction(random))
      await broker.start()
      onBrokerStarted(broker)
      this.#note('broker crash', broker.address, '', at)
    } else {
      broker.pause()
      await this.#sleep(pauseMaxMs * fraction(random))
      broker.resume()
      this.#note('broker pause', broker.address, '', at)
    }
  }

  #checkAlive(broker: Broker): void {
    if (broker.alive) return
    this.#options.onBrokerEnded(broker, 'died by itself')
    throw new Error(`the broker ${broker.address} died by itself:\n${broker.tail.join('\n')}`)
  }

  #note(kind: keyof FaultCounts, target: string, detail: string, at: number): void {
    this.counts[kind] += 1
    this.#options.history.record('fault', { kind, target, detail, at, until: this.#options.nowMs() })
  }

  /** Shorter when it is over. */
  #sleep(ms: number): Promise<void> {
    const { signal } = this.#over
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, signal.aborted ? 0 : ms)
      signal.addEventListener('abort', done, { once: true })
    })
  }
}

function fraction(random: SeededRandom): number {
  return random.nextUint32() / 2 ** 32
}

function drawn<T>(random: SeededRandom, choices: readonly T[]): T | undefined {
  return choices[Math.floor(fraction(random) * choices.length)]
}
