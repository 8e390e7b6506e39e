/** A workload on a broker, from the first start to the last stop, and through the restarts that it asks for. */
import type { SimDisk } from '../sim-disk.ts'
import { CrashBroker } from './crash-broker.ts'
import type { World } from './crash-broker.ts'
import type { Fact } from './facts.ts'
import type { Participant } from './participant.ts'
import { watch } from './watcher.ts'

/** What a workload acts on. */
export interface Stage {
  participant: Participant
  readonly world: World
  /** Stops the broker as an operator does, or ends its process, and starts it again. Producers have to be made anew. */
  restart(how: 'stop' | 'kill'): Promise<Participant>
}

export interface CrashWorkload {
  readonly name: string
  /** One sentence for lists. */
  readonly summary: string
  readonly properties?: Readonly<Record<string, string>>
  /** Prepares the disk before the first start; no place to crash. */
  prepare?(disk: SimDisk, world: World): Promise<void>
  run(stage: Stage): Promise<void>
}

export class LiveRun {
  readonly #workload: CrashWorkload
  readonly #world: World
  /** The one that the broker is on; another after a kill. */
  disk: SimDisk
  readonly facts: Fact[] = []
  #broker: CrashBroker | undefined
  #watchProblem: Error | undefined

  constructor(workload: CrashWorkload, world: World, disk: SimDisk) {
    this.#workload = workload
    this.#world = world
    this.disk = disk
  }

  /** Why the broker stopped by itself, if it did. */
  get failure(): Error | undefined {
    return this.#broker?.broker.failure
  }

  /** Everything to the end. Rejects when the broker does not start, or leaves its clients alone. */
  async run(): Promise<void> {
    const stage: Stage = {
      participant: await this.#start(),
      world: this.#world,
      restart: async (how) => {
        if (how === 'stop') await this.#broker?.broker.close()
        else {
          this.disk = this.disk.kill()
          this.#world.network.cut()
        }
        stage.participant = await this.#start()
        return stage.participant
      },
    }
    await this.#workload.run(stage)
    await this.#broker?.broker.close()
    if (this.#watchProblem !== undefined) throw this.#watchProblem
  }

  async close(): Promise<void> {
    await this.#broker?.broker.close()
  }

  async #start(): Promise<Participant> {
    this.#broker = await CrashBroker.start(this.#world, this.disk, this.#workload.properties)
    const participant = await this.#broker.connect(this.facts)
    await participant.noteLeaderEpoch()
    for (const isolationLevel of [0, 1] as const) {
      const wire = await this.#broker.connectWire()
      watch(wire, participant, isolationLevel).catch((error: unknown) => {
        this.#watchProblem ??= error instanceof Error ? error : new Error(String(error))
      })
    }
    return participant
  }
}
