/**
 * A machine with a disk and a broker on it, over any number of lives: killed, without power, paused, out of disk, started again.
 *
 * Owns the supervisor's part (a broker that stops by itself is started again after a while, as a service manager does) and the
 * disk's history. A start that refuses although nothing damaged flushed data is a broken promise; it ends the run.
 */
import type { Clock } from '../../base/runtime.ts'
import { Broker } from '../../broker/broker.ts'
import { type CrashDamage, type DiskOperation, type Fault, SimDisk } from '../sim-disk.ts'
import type { SimRandom } from '../sim-random.ts'
import type { SimProcess } from './sim-process.ts'
import type { World } from './world.ts'

export interface BrokerNodeOptions {
  readonly name: string
  readonly port: number
  readonly properties: Readonly<Record<string, string>>
  readonly diskCapacityBytes?: number
  /** The wall clock when the machine starts, against the others'. */
  readonly skewMs?: number
}

const DATA_DIR = '/data'
/** Between two attempts of the service manager. */
const RESTART_MS = 500

/** Roughly a solid-state disk; a flush now and then takes long. */
const DISK_LATENCY_MS: Readonly<Record<DiskOperation, number>> = {
  read: 0.05,
  write: 0.03,
  truncate: 0.05,
  sync: 0.4,
  create: 0.05,
  rename: 0.05,
  remove: 0.05,
  makeDirectory: 0.05,
  syncDirectory: 0.4,
}
const SLOW_SHARE = 0.01
const SLOW_FACTOR = 40

export class BrokerNode {
  readonly name: string
  readonly port: number
  /** Settles, with the reason, when a start was refused or something inexplicable happened: the run is over. */
  readonly broken: Promise<Error>
  readonly #world: World
  readonly #options: BrokerNodeOptions
  readonly #random: SimRandom
  readonly #breaks = Promise.withResolvers<Error>()
  #disk: SimDisk
  #process: SimProcess | undefined
  #broker: Broker | undefined
  #latencyFactor = 1
  #wantsUp = false
  #diskFaults: readonly Fault[] = []
  #starts = 0
  #stops: string[] = []

  constructor(world: World, options: BrokerNodeOptions) {
    this.name = options.name
    this.port = options.port
    this.broken = this.#breaks.promise
    this.#world = world
    this.#options = options
    this.#random = world.random()
    const { diskCapacityBytes } = options
    this.#disk = new SimDisk({
      clock: this.#diskClock(),
      latencyMs: (operation) => this.#latencyOf(operation),
      trace: (line) => world.trace.addText(`${this.name} disk ${line}`),
      ...(diskCapacityBytes !== undefined && { capacityBytes: diskCapacityBytes }),
    })
  }

  /** How often a broker has begun to start here. */
  get starts(): number {
    return this.#starts
  }

  /** Why brokers stopped by themselves. */
  get stops(): readonly string[] {
    return this.#stops
  }

  get isRunning(): boolean {
    return this.#broker !== undefined
  }

  get disk(): SimDisk {
    return this.#disk
  }

  /** The service manager keeps a broker running from here on; one that is closing is let finish. */
  start(): void {
    this.#wantsUp = true
    if (this.#process === undefined) this.#launch()
  }

  /** SIGTERM: the broker closes what it has open, as well as its disk lets it. Nothing is started until `start`. */
  async stop(): Promise<void> {
    this.#wantsUp = false
    const [broker, process] = [this.#broker, this.#process]
    if (broker === undefined) this.#end('lost')
    else {
      const reason = await broker.close().then(
        () => undefined,
        (error: Error) => error,
      )
      if (this.#process !== process) return
      if (reason !== undefined) this.#stops.push(reason.message)
      this.#end(reason === undefined ? 'closed' : 'failed')
      if (this.#wantsUp) this.#relaunch()
    }
  }

  /** SIGKILL: the process is gone, what it had written is not. */
  kill(): void {
    this.#wantsUp = false
    this.#end('killed')
  }

  /** The machine is off: what was not flushed may be lost, and peers hear nothing until it is back. */
  powerOff(damage?: CrashDamage): void {
    this.#wantsUp = false
    this.#world.network.silence(this.name)
    this.#end('killed')
    this.#disk = damage === undefined ? this.#disk.crash(this.#random) : this.#disk.crash(this.#random, damage)
    this.#injectLasting()
  }

  pause(): void {
    this.#process?.pause()
  }

  resume(): void {
    this.#process?.resume()
  }

  stepWallClock(byMs: number): void {
    this.#process?.stepWallClock(byMs)
  }

  slowDisk(factor: number): void {
    this.#latencyFactor = factor
  }

  /** The disk fails; a broker that cannot start meanwhile is no surprise. @returns mends it */
  failDisk(fault: Fault): () => void {
    this.#diskFaults = [...this.#diskFaults, fault]
    this.#disk.inject(fault)
    return () => {
      this.#diskFaults = this.#diskFaults.filter((other) => other !== fault)
      if (this.#diskFaults.length === 0) this.#disk.clearFaults()
    }
  }

  #launch(): void {
    this.#world.network.restore(this.name)
    const process = this.#world.process(this.name)
    process.stepWallClock(this.#options.skewMs ?? 0)
    this.#process = process
    this.#starts += 1
    this.#world.trace.addText(`${this.name} starts`)
    Broker.start({
      runtime: this.#world.runtimeOf(process, this.#disk),
      dataDir: DATA_DIR,
      host: this.name,
      port: this.port,
      advertise: `${this.name}:${this.port}`,
      properties: this.#options.properties,
    }).then(
      (broker) => {
        if (process.isDead) return
        this.#broker = broker
        void broker.failed.then((reason) => this.#onFailed(process, reason))
      },
      (error: Error) => {
        if (process.isDead) return
        if (!isInjected(error)) this.#breaks.resolve(error)
        this.#onFailed(process, error)
      },
    )
  }

  #onFailed(process: SimProcess, reason: Error): void {
    if (process.isDead || this.#process !== process) return
    this.#stops.push(reason.message)
    this.#world.trace.addText(`${this.name} failed: ${reason.message}`)
    this.#end('failed')
    if (this.#wantsUp) this.#relaunch()
  }

  #relaunch(): void {
    this.#world.clock.setTimer(RESTART_MS, () => {
      if (this.#wantsUp && this.#process === undefined) this.#launch()
    })
  }

  #end(how: 'closed' | 'killed' | 'failed' | 'lost'): void {
    this.#world.trace.addText(`${this.name} ${how}`)
    this.#process?.kill()
    this.#process = undefined
    this.#broker = undefined
    // What a process had begun on the disk is done or not; what it had written is in the page cache.
    this.#disk = this.#disk.kill()
    this.#injectLasting()
  }

  /** A new process does not mend the disk. */
  #injectLasting(): void {
    for (const fault of this.#diskFaults) if (fault.isPermanent === true) this.#disk.inject({ ...fault, at: 1 })
  }

  /** Operations end in whatever process runs now; those of one that is dead never do. */
  #diskClock(): Pick<Clock, 'setTimer'> & Clock {
    const { clock } = this.#world
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) => {
        const process = this.#process
        return clock.setTimer(delayMs, () => process?.deliver(callback))
      },
    }
  }

  #latencyOf(operation: DiskOperation): number {
    const draw = this.#random.nextUint32() / 2 ** 32
    const slow = this.#random.chance(SLOW_SHARE) ? SLOW_FACTOR : 1
    return DISK_LATENCY_MS[operation] * (0.5 + draw) * slow * this.#latencyFactor
  }
}

/** Whether a fault of the simulated disk is at the bottom of an error; it may be over by the time it is told. */
function isInjected(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at.message.includes('injected fault')) return true
  return false
}
