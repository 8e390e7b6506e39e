/** A stage of real processes: each player is a `node` of its own with a history file of its own, beside brokers that are processes too. */
import { join } from 'node:path'
import type { HistoryInfo, HistorySink, Player, Role, Stage } from '../../src/verify/index.ts'
import type { Broker } from '../runner/brokers.ts'
import { repositoryRoot } from '../runner/paths.ts'
import { Program } from '../runner/programs.ts'
import { type FaultCounts, Nemesis, type Victim } from './nemesis.ts'
import { type PlanTask, type PlayerTask, SOAK_TIMEOUTS } from './task.ts'
import { hearRows } from './told-rows.ts'

export interface ProcessStageOptions {
  readonly plan: PlanTask
  readonly info: HistoryInfo
  readonly parts: number
  readonly brokers: readonly Broker[]
  readonly directory: string
  /** Takes what the stage itself sees. */
  readonly history: HistorySink
  /** Takes what the players write down, as soon as they have. */
  readonly follower: HistorySink
  readonly nowMs: () => number
  readonly originNs: string
  readonly withFaults: boolean
}

const CONTROL_PROCESS = 0
/** Time enough for one that was killed to be back and do some work: a JVM takes longer. */
const BROKER_FAULT_INTERVAL_MS = { semel: 8_000, kafka: 20_000 } as const
/** Each part is killed about so often. */
const CRASH_EVERY_MS = 30_000
const PAUSE_INTERVAL_MS = 5_000
/** What `Program` makes of a signal. */
const SIGNALLED = 137

export class ProcessStage implements Stage {
  readonly historyFiles: string[] = []
  readonly #options: ProcessStageOptions
  readonly #players = new Map<number, Victim>()
  readonly #brokerProcesses = new Map<Broker, number>()
  readonly #nemesis: Nemesis
  #processes = CONTROL_PROCESS

  constructor(options: ProcessStageOptions) {
    this.#options = options
    const { history, nowMs, brokers, plan, parts } = options
    for (const broker of brokers) this.#brokerStarted(broker)
    this.#nemesis = new Nemesis({
      seed: plan.seed,
      history,
      nowMs,
      brokers,
      players: () => Array.from(this.#players.values()),
      onBrokerStarted: (broker) => this.#brokerStarted(broker),
      onBrokerEnded: (broker, cause) => this.#brokerEnded(broker, cause),
      brokerFaultIntervalMs: BROKER_FAULT_INTERVAL_MS[brokers[0]?.kind === 'kafka' ? 'kafka' : 'semel'],
      clientCrashIntervalMs: CRASH_EVERY_MS / parts,
      clientPauseIntervalMs: PAUSE_INTERVAL_MS,
      pauseMaxMs: SOAK_TIMEOUTS.sessionMs * 2,
    })
  }

  get faultCounts(): FaultCounts {
    return this.#nemesis.counts
  }

  start(role: Role, index: number, incarnation: number): Player {
    const { plan, info, brokers, directory, originNs } = this.#options
    this.#processes += 1
    const number = this.#processes
    const historyFile = join(directory, `${plan.run}-${number}.history`)
    this.historyFiles.push(historyFile)
    const task: PlayerTask = {
      plan,
      info,
      role: role.name,
      index,
      incarnation,
      process: number,
      brokers: brokers.map(({ address }) => address),
      historyFile,
      originNs,
    }
    const name = `${role.name} ${index}`
    const program = new Program({
      name,
      command: [process.execPath, join(import.meta.dirname, 'player.ts'), JSON.stringify(task)],
      cwd: repositoryRoot,
      keepsLines: false,
      onLine: (line) => hearRows(line, this.#options.follower),
    })
    let isKilled = false
    let isStopped = false
    const kill = (): void => {
      isKilled = true
      program.signal('SIGKILL')
    }
    this.#players.set(number, {
      name,
      process: number,
      kill,
      pause: () => program.signal('SIGSTOP'),
      resume: () => program.signal('SIGCONT'),
    })
    const ended = program.exited.then((code) => {
      this.#players.delete(number)
      if (isKilled) return 'killed'
      // One that is told to stop before it listens dies of the signal, with nothing begun.
      return code === 0 || (isStopped && code === SIGNALLED) ? 'done' : causeOf(program, code)
    })
    const stop = (): void => {
      isStopped = true
      program.signal('SIGTERM')
    }
    return { process: number, ended, stop, kill }
  }

  beginFaults(): void {
    if (this.#options.withFaults) this.#nemesis.begin()
  }

  heal(): Promise<void> {
    return this.#nemesis.end()
  }

  #brokerStarted(broker: Broker): void {
    this.#processes += 1
    this.#brokerProcesses.set(broker, this.#processes)
    this.#options.history.record('processStarted', {
      process: this.#processes,
      kind: 'broker',
      role: broker.address,
      at: this.#options.nowMs(),
    })
  }

  #brokerEnded(broker: Broker, cause: string): void {
    const process = this.#brokerProcesses.get(broker) ?? CONTROL_PROCESS
    this.#options.history.record('processEnded', { process, cause, at: this.#options.nowMs() })
  }
}

/** The line of its last words that names an error, if there is one. */
function causeOf({ tail }: Program, code: number): string {
  return tail.find((line) => /Error\b/.test(line)) ?? tail.at(-1) ?? `exit code ${code}`
}
