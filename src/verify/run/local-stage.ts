/**
 * A stage within one process, beside any cluster: each player has a world of its own (local-process.ts) and the brokers are left
 * alone. Faults, when they are asked for, are those of clients: crashes, pauses, broken connections, at times that the seed
 * gives.
 */
import type { Runtime, Timer } from '../../base/runtime.ts'
import type { KafkaOptions } from '../../client/index.ts'
import type { HistorySink } from '../history/tables.ts'
import { between, pick } from '../workloads/dice.ts'
import { errorText } from '../workloads/outcomes.ts'
import type { Role, Worker } from '../workloads/workload.ts'
import { LocalProcess } from './local-process.ts'
import { RunWorker } from './run-worker.ts'
import { SeededRandom } from './seeded-random.ts'
import type { Player, Stage } from './stage.ts'

export interface LocalStageOptions {
  readonly runtime: Runtime
  readonly history: HistorySink
  readonly kafka: KafkaOptions
  readonly seed: number
  readonly faults: 'none' | 'clients'
  /** Between two faults, about; and how long a pause lasts at most. */
  readonly faultIntervalMs: number
  readonly pauseMaxMs: number
}

const CONTROL_PROCESS = 0
const FAULT_STREAM = 0x1_0000
const KINDS = ['crash', 'pause', 'cut'] as const

interface LocalPlayer {
  readonly name: string
  readonly player: Player
  readonly process: LocalProcess
}

export class LocalStage implements Stage {
  readonly #options: LocalStageOptions
  readonly #random: SeededRandom
  /** By process, in the order of their start. */
  readonly #players = new Map<number, LocalPlayer>()
  readonly #originMs: number
  #processes = CONTROL_PROCESS
  #timer: Timer | undefined
  #pauses: (() => void)[] = []

  constructor(options: LocalStageOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed, FAULT_STREAM)
    this.#originMs = options.runtime.clock.monotonicMs()
  }

  /** The clock of the run: milliseconds since the stage was made. */
  readonly nowMs = (): number => this.#options.runtime.clock.monotonicMs() - this.#originMs

  /** The process that drives the run; see `runWorkload`. */
  controlWorker(): Worker {
    const { runtime, history, kafka } = this.#options
    return new RunWorker({
      runtime,
      history,
      process: CONTROL_PROCESS,
      index: 0,
      incarnation: 0,
      nowMs: this.nowMs,
      kafka,
    })
  }

  start(role: Role, index: number, incarnation: number): Player {
    const { runtime, history, kafka, seed } = this.#options
    this.#processes += 1
    const number = this.#processes
    const process = new LocalProcess(runtime, history, new SeededRandom(seed, number))
    const worker = new RunWorker({
      runtime: process.runtime,
      history: process.history,
      process: number,
      index,
      incarnation,
      nowMs: this.nowMs,
      kafka: { ...kafka, clientId: `${role.name}-${index}` },
    })
    const { promise: ended, resolve: end } = Promise.withResolvers<string>()
    const over = (cause: string): void => {
      this.#players.delete(number)
      end(cause)
    }
    const player: Player = {
      process: number,
      ended,
      stop: () => worker.stop(),
      kill: () => {
        process.kill()
        over('killed')
      },
    }
    this.#players.set(number, { name: `${role.name} ${index}`, player, process })
    // What a killed one still does goes nowhere.
    role.run(worker).then(
      () => over('done'),
      (error: unknown) => over(errorText(error)),
    )
    return player
  }

  beginFaults(): void {
    if (this.#options.faults === 'clients') this.#schedule()
  }

  async heal(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const resume of this.#pauses.splice(0)) resume()
  }

  #schedule(): void {
    const { runtime, faultIntervalMs } = this.#options
    const delayMs = between(this.#random, Math.ceil(faultIntervalMs / 2), Math.ceil(faultIntervalMs * 1.5))
    this.#timer = runtime.clock.setTimer(
      delayMs,
      () => {
        this.#injectOne()
        this.#schedule()
      },
      { keepsProcessAlive: true },
    )
  }

  #injectOne(): void {
    const running = Array.from(this.#players.values()).filter(({ process }) => process.state === 'running')
    if (running.length === 0) return
    const target = pick(this.#random, running)
    const kind = pick(this.#random, KINDS)
    const at = this.nowMs()
    switch (kind) {
      case 'crash':
        target.player.kill()
        break
      case 'cut':
        target.process.cut()
        break
      case 'pause':
        this.#pause(target, at)
        return
    }
    this.#note(kind, target, at)
  }

  #pause(target: LocalPlayer, at: number): void {
    const { runtime, pauseMaxMs } = this.#options
    target.process.pause()
    const resume = (): void => {
      timer.cancel()
      this.#pauses = this.#pauses.filter((one) => one !== resume)
      target.process.resume()
      this.#note('pause', target, at)
    }
    const timer = runtime.clock.setTimer(between(this.#random, 1, pauseMaxMs), resume, { keepsProcessAlive: true })
    this.#pauses.push(resume)
  }

  #note(kind: string, { name, player }: LocalPlayer, at: number): void {
    const detail = `process ${player.process}`
    this.#options.history.record('fault', { kind: `client ${kind}`, target: name, detail, at, until: this.nowMs() })
  }
}
