/**
 * A world of any number of processes and machines under virtual time, as a function of a seed: who runs when, how long what takes,
 * and everything that is drawn.
 *
 * Owns the clock, the network and the trace; machines with disks are broker-node.ts, what goes wrong is faults.ts.
 */
import type { FileSystem, Logger, Runtime } from '../../base/runtime.ts'
import { MemoryFileSystem } from '../../runtime/memory-file-system.ts'
import { silentLogger } from '../../runtime/logger.ts'
import { SimClock } from '../sim-clock.ts'
import { SimEvents } from '../sim-events.ts'
import { SimNetwork } from '../sim-network.ts'
import { SimRandom } from '../sim-random.ts'
import { isConsequential, PastRequests } from './past-requests.ts'
import { SimProcess } from './sim-process.ts'
import { TraceHash } from './trace-hash.ts'

export interface WorldOptions {
  /** Gets the log lines of all processes, with `process` and `ms` (virtual time) among their fields. */
  readonly logger?: Logger
  /** Gets each event as a line. */
  readonly onTrace?: (line: string) => void
}

/** As between processes of one machine or of neighbours. */
const LATENCY_MS = { min: 0.05, max: 1.5 }
const TIMER_LATENESS_MS = 0.3

export class World {
  readonly seed: number
  readonly clock: SimClock
  readonly network: SimNetwork
  readonly trace: TraceHash
  /** Requests that changed something, the last of them. */
  readonly requests = new PastRequests()
  readonly #random: SimRandom
  readonly #arrivals = new Arrivals()
  readonly #logger: Logger

  constructor(seed: number, options: WorldOptions = {}) {
    this.seed = seed
    const { onTrace } = options
    this.trace = new TraceHash(
      onTrace === undefined ? undefined : (line) => onTrace(`${this.clock.monotonicMs().toFixed(3)} ${line}`),
    )
    this.#random = new SimRandom(seed)
    this.#logger = options.logger ?? silentLogger
    const order = this.#random.fork()
    this.clock = new SimClock({
      drawOrder: () => order.nextUint32(),
      onTimer: (nowMs) => this.trace.addTime(nowMs),
    })
    this.network = new SimNetwork({
      clock: this.clock,
      random: this.#random.fork(),
      latencyMs: LATENCY_MS,
      splits: true,
      onWrite: (direction, bytes) => this.requests.note(direction, bytes),
      onArrival: (from, to, bytes) => {
        this.trace.addBytes(`${from} > ${to}`, bytes)
        if (isConsequential(bytes)) this.#arrivals.note(from, to)
      },
    })
  }

  /** A generator of its own. The order of the calls matters, as everything does. */
  random(): SimRandom {
    return this.#random.fork()
  }

  /** A process begins. Several may have one name, one after the other: the lives of the same program on the same machine. */
  process(name: string): SimProcess {
    return new SimProcess({
      name,
      clock: this.clock,
      random: this.#random.fork(),
      timerLatenessMs: TIMER_LATENESS_MS,
    })
  }

  /** What a process sees of the world. @param fileSystem  one in memory, gone with the process, unless given */
  runtimeOf(process: SimProcess, fileSystem: FileSystem = new MemoryFileSystem()): Runtime {
    return {
      clock: process.clock,
      random: this.#random.fork(),
      fileSystem,
      network: this.network.of(process),
      logger: this.#loggerOf(process),
      events: new SimEvents(),
    }
  }

  /** Lets time pass until `work` settles; nothing of it may wait for the real world. */
  run<T>(work: Promise<T>, limitMs: number): Promise<T> {
    return this.clock.runUntil(work, limitMs)
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(ms, resolve))
  }

  /**
   * Resolves in the moment in which a request that changes something has reached the host, or one of it another, for the `count`-th
   * time from now: between what it set off at once and everything that follows. Without any, after `limitMs`.
   */
  async busyMoment(hostName: string, count: number, limitMs: number): Promise<void> {
    const moment = Promise.withResolvers<void>()
    const forget = this.#arrivals.await(hostName, count, moment.resolve)
    const timer = this.clock.setTimer(limitMs, moment.resolve)
    await moment.promise
    timer.cancel()
    forget()
  }

  #loggerOf(process: SimProcess): Logger {
    const logger = this.#logger
    if (logger === silentLogger) return logger
    const fields = () => ({ process: process.name, ms: Math.round(this.clock.monotonicMs()) })
    return {
      debug: (message, more) => logger.debug(message, { ...fields(), ...more }),
      info: (message, more) => logger.info(message, { ...fields(), ...more }),
      warn: (message, more) => logger.warn(message, { ...fields(), ...more }),
      error: (message, more) => logger.error(message, { ...fields(), ...more }),
    }
  }
}

interface ArrivalWait {
  readonly hostName: string
  left: number
  readonly done: () => void
}

/** Who waits for something to arrive somewhere. */
class Arrivals {
  readonly #waits = new Set<ArrivalWait>()

  note(from: string, to: string): void {
    for (const wait of this.#waits) {
      if (wait.hostName !== from && wait.hostName !== to) continue
      wait.left -= 1
      if (wait.left <= 0) wait.done()
    }
  }

  /** @returns ends it */
  await(hostName: string, count: number, done: () => void): () => void {
    const wait: ArrivalWait = { hostName, left: count, done }
    this.#waits.add(wait)
    return () => void this.#waits.delete(wait)
  }
}
