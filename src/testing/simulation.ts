/**
 * A world under virtual time for tests of one's own: brokers, clients and pipelines in this process, and everything that can go
 * wrong between them, as a function of a seed.
 *
 *     const sim = simulation(7)
 *     const broker = sim.broker()
 *     const shop = sim.client('shop')
 *     await sim.run(async () => {
 *       const producer = shop.kafka.producer()
 *       await producer.send('orders', { value: 'first' })
 *       broker.powerOff()
 *       await sim.pause(500)
 *       broker.start()
 *       await producer.send('orders', { value: 'second' })
 *     })
 */
import type { Logger } from '../base/runtime.ts'
import { Kafka, type KafkaOptions } from '../client/index.ts'
import type { SimClock } from './sim-clock.ts'
import type { SimNetwork } from './sim-network.ts'
import { BrokerNode } from './world/broker-node.ts'
import { World } from './world/world.ts'

export interface SimulationOptions {
  /** Gets the log lines of all processes, with `process` and `ms` (virtual time) among their fields. */
  readonly logger?: Logger
}

export interface SimulatedBrokerOptions {
  /** Also the host name that clients connect to; 'broker' unless given. */
  readonly name?: string
  /** 9092 and up unless given. */
  readonly port?: number
  /** Kafka's broker configuration by its names. */
  readonly properties?: Readonly<Record<string, string>>
}

/** A process with a client in it. */
export interface SimulatedClient {
  readonly name: string
  readonly kafka: Kafka
  /** Nothing happens in it until `resume`: a long garbage collection, SIGSTOP. */
  pause(): void
  resume(): void
  /** Nothing of it is ever heard again; what it had open stays open, as after SIGKILL. */
  kill(): void
  /** Its wall clock, not its durations. */
  stepWallClock(byMs: number): void
}

const FIRST_PORT = 9092
const LIMIT_MS = 24 * 3_600_000

export class Simulation {
  readonly #world: World
  readonly #brokers: BrokerNode[] = []

  constructor(seed: number, options: SimulationOptions = {}) {
    this.#world = new World(seed, options)
  }

  get clock(): SimClock {
    return this.#world.clock
  }

  /** To cut connections, to hold back, lose or slow down what passes. */
  get network(): SimNetwork {
    return this.#world.network
  }

  /** Changes with everything that happens: two runs of one seed that differ in it are not the same. */
  get traceHash(): string {
    return this.#world.trace.digest
  }

  /** A machine with a disk, and a broker that starts on it. */
  broker(options: SimulatedBrokerOptions = {}): BrokerNode {
    const count = this.#brokers.length
    const {
      name = count === 0 ? 'broker' : `broker-${count + 1}`,
      port = FIRST_PORT + count,
      properties = {},
    } = options
    const broker = new BrokerNode(this.#world, { name, port, properties })
    this.#brokers.push(broker)
    broker.start()
    return broker
  }

  /** A process that uses the first broker, unless `brokers` says another. */
  client(name: string, options: Partial<KafkaOptions> = {}): SimulatedClient {
    const process = this.#world.process(name)
    const first = this.#brokers[0]
    const brokers = options.brokers ?? [first === undefined ? `broker:${FIRST_PORT}` : `${first.name}:${first.port}`]
    const kafka = new Kafka({ ...options, brokers, runtime: this.#world.runtimeOf(process) })
    return {
      name,
      kafka,
      pause: () => process.pause(),
      resume: () => process.resume(),
      kill: () => process.kill(),
      stepWallClock: (byMs) => process.stepWallClock(byMs),
    }
  }

  /**
   * Lets virtual time pass until `work` is done. Rejects as it does, when a broker does not start again, and when nothing is left
   * that could ever finish it.
   */
  run<T>(work: () => Promise<T>, limitMs = LIMIT_MS): Promise<T> {
    const broken = this.#brokers.map(async (broker) => {
      const reason = await broker.broken
      throw new Error(`${broker.name} does not start: ${reason.message}`, { cause: reason })
    })
    return this.#world.run(Promise.race([work(), ...broken]), limitMs)
  }

  /** In virtual time. */
  pause(ms: number): Promise<void> {
    return this.#world.pause(ms)
  }
}

/** @param seed  any whole number; the same one gives the same run */
export function simulation(seed: number, options: SimulationOptions = {}): Simulation {
  return new Simulation(seed, options)
}
