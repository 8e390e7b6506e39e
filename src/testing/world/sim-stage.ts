/**
 * The stage of a simulation: each role in a process of a simulated world, and the faults of the seed.
 *
 * Owns the processes of clients and what is known of them in the history; brokers belong to whoever made them.
 */
import type { KafkaOptions } from '../../client/index.ts'
import type { HistorySink } from '../../verify/history/tables.ts'
import { RunWorker } from '../../verify/run/run-worker.ts'
import type { Player, Stage } from '../../verify/run/stage.ts'
import type { Role } from '../../verify/workloads/workload.ts'
import type { BrokerNode } from './broker-node.ts'
import { type FaultKind, inflict, type PlannedFault, type Victim } from './faults.ts'
import type { World } from './world.ts'

export interface SimStageOptions {
  readonly world: World
  readonly brokers: readonly BrokerNode[]
  readonly faults: readonly PlannedFault[]
  readonly history: HistorySink
  readonly kafka: KafkaOptions
}

/** The first number for clients; those below are the machines'. */
const FIRST_PROCESS = 100

export class SimStage implements Stage {
  readonly #options: SimStageOptions
  readonly #clients = new Map<number, Victim>()
  readonly #counts = new Map<FaultKind, number>()
  #nextProcess = FIRST_PROCESS
  #faulting: Promise<void> = Promise.resolve()

  constructor(options: SimStageOptions) {
    this.#options = options
  }

  /** How many faults of each kind there were. */
  get faultCounts(): ReadonlyMap<FaultKind, number> {
    return this.#counts
  }

  start(role: Role, index: number, incarnation: number): Player {
    const { world, history, kafka } = this.#options
    const number = this.#nextProcess
    this.#nextProcess += 1
    const name = `${role.name}-${index}`
    const process = world.process(name)
    const nowMs = (): number => world.clock.monotonicMs()
    const worker = new RunWorker({
      runtime: world.runtimeOf(process),
      history,
      process: number,
      index,
      incarnation,
      nowMs,
      kafka,
    })
    const ended = Promise.withResolvers<string>()
    const end = (cause: string): void => {
      if (!this.#clients.delete(number)) return
      world.trace.addText(`${name} ended: ${cause}`)
      process.kill()
      ended.resolve(cause)
    }
    const victim: Victim = {
      name,
      pause: () => process.pause(),
      resume: () => process.resume(),
      kill: () => end('killed'),
      stepWallClock: (byMs) => process.stepWallClock(byMs),
    }
    this.#clients.set(number, victim)
    world.trace.addText(`${name} starts`)
    role.run(worker).then(
      () => end('done'),
      (error: unknown) => end(error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
    )
    return {
      process: number,
      ended: ended.promise,
      stop: () => process.deliver(() => worker.stop()),
      kill: () => end('killed'),
    }
  }

  beginFaults(): void {
    const { world, brokers, faults, history } = this.#options
    this.#faulting = inflict(faults, {
      world,
      brokers,
      clients: () => [...this.#clients.values()],
      onFault: ({ kind, target, detail, atMs, untilMs }) => {
        this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
        history.record('fault', { kind, target, detail, at: atMs, until: untilMs })
      },
    })
  }

  async heal(): Promise<void> {
    await this.#faulting
    for (const broker of this.#options.brokers) {
      broker.slowDisk(1)
      broker.resume()
      broker.start()
    }
  }
}
