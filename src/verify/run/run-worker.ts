/** The `Worker` that a process hands to its role: its numbers, its clock, its client, and being told to stop. */
import type { Runtime } from '../../base/runtime.ts'
import { Kafka, type KafkaOptions } from '../../client/index.ts'
import type { HistorySink } from '../history/tables.ts'
import type { Worker } from '../workloads/workload.ts'

export interface RunWorkerOptions {
  readonly runtime: Runtime
  readonly history: HistorySink
  readonly process: number
  readonly index: number
  readonly incarnation: number
  readonly nowMs: () => number
  readonly kafka: KafkaOptions
}

/** Writers and readers of a process: their numbers begin with its own, so nobody has to be asked for them. */
const NUMBERS_PER_PROCESS = 0x1_0000

export class RunWorker implements Worker {
  readonly runtime: Runtime
  readonly history: HistorySink
  readonly process: number
  readonly index: number
  readonly incarnation: number
  readonly stopping: Promise<void>
  readonly nowMs: () => number
  readonly #kafka: KafkaOptions
  readonly #onStop: () => void
  readonly #pauses = new Set<() => void>()
  #isStopping = false
  #writers = 0
  #readers = 0

  constructor({ runtime, history, process, index, incarnation, nowMs, kafka }: RunWorkerOptions) {
    this.runtime = runtime
    this.history = history
    this.process = process
    this.index = index
    this.incarnation = incarnation
    this.nowMs = nowMs
    this.#kafka = kafka
    const { promise, resolve } = Promise.withResolvers<void>()
    this.stopping = promise
    this.#onStop = resolve
  }

  get isStopping(): boolean {
    return this.#isStopping
  }

  stop(): void {
    this.#isStopping = true
    this.#onStop()
    for (const wake of this.#pauses) wake()
  }

  newWriter(): number {
    this.#writers += 1
    return this.#numbered(this.#writers - 1)
  }

  newReader(): number {
    this.#readers += 1
    return this.#numbered(this.#readers - 1)
  }

  kafka(options: Partial<KafkaOptions> = {}): Kafka {
    return new Kafka({ ...this.#kafka, runtime: this.runtime, ...options })
  }

  async pause(ms: number): Promise<void> {
    if (this.#isStopping) return
    const over = Promise.withResolvers<void>()
    const timer = this.runtime.clock.setTimer(ms, over.resolve, { keepsProcessAlive: true })
    this.#pauses.add(over.resolve)
    await over.promise
    this.#pauses.delete(over.resolve)
    timer.cancel()
  }

  #numbered(count: number): number {
    if (count >= NUMBERS_PER_PROCESS) throw new RangeError(`a process has at most ${NUMBERS_PER_PROCESS} of a kind`)
    return this.process * NUMBERS_PER_PROCESS + count
  }
}
