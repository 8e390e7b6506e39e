/** A broker on a simulated disk, alone in its world, with participants that write down what they learn. */
import type { Logger, Runtime } from '../../base/runtime.ts'
import { Broker } from '../../broker/broker.ts'
import { silentLogger } from '../../runtime/logger.ts'
import { SimClock } from '../sim-clock.ts'
import type { SimDisk } from '../sim-disk.ts'
import { SimEvents } from '../sim-events.ts'
import { SimNetwork } from '../sim-network.ts'
import { SimRandom } from '../sim-random.ts'
import { WireClient } from '../wire-client.ts'
import type { Fact } from './facts.ts'
import { Participant } from './participant.ts'

export const DATA_DIRECTORY = '/data'
const KIB = 1024
/** Small, so that a script of some dozens of requests meets rolls, drains, checkpoints and the ends of journal files. */
const PROPERTIES: Readonly<Record<string, string>> = {
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '2',
  'transaction.state.log.num.partitions': '2',
  'semel.journal.file.bytes': String(64 * KIB),
  'semel.checkpoint.bytes': String(64 * KIB),
  // An index of so few entries is soon full, and a full one ends its segment.
  'log.index.interval.bytes': '100',
  'log.index.size.max.bytes': '48',
}

/** What a start is given: a clock and a network that go on over restarts, and randomness. */
export interface World {
  readonly clock: SimClock
  readonly network: SimNetwork
  readonly random: SimRandom
  readonly logger?: Logger
}

export function newWorld(seed: number, startMs?: number): World {
  const random = new SimRandom(seed)
  const clock = new SimClock(startMs === undefined ? {} : { startMs })
  return { clock, network: new SimNetwork({ clock, random: random.fork() }), random }
}

export class CrashBroker {
  readonly broker: Broker
  readonly #world: World

  private constructor(broker: Broker, world: World) {
    this.broker = broker
    this.#world = world
  }

  static async start(
    world: World,
    disk: SimDisk,
    properties: Readonly<Record<string, string>> = {},
  ): Promise<CrashBroker> {
    const { clock, network, random, logger = silentLogger } = world
    const runtime: Runtime = { clock, network, random, logger, fileSystem: disk, events: new SimEvents() }
    const options = { runtime, port: 0, dataDir: DATA_DIRECTORY, properties: { ...PROPERTIES, ...properties } }
    return new CrashBroker(await Broker.start(options), world)
  }

  /** A connection without a client around it. */
  async connectWire(): Promise<WireClient> {
    const { host, port } = this.broker
    return await WireClient.connect(this.#world.network, { host, port })
  }

  async connect(facts: Fact[]): Promise<Participant> {
    const { clock, network } = this.#world
    const { host, port } = this.broker
    return await Participant.connect({ network, clock, address: { host, port }, facts })
  }
}
