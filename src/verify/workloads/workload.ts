/**
 * What a workload is: topics, roles that processes play until they are told to stop, and what must hold afterwards.
 *
 * A workload knows neither where it runs nor what is done to it. In a simulation, in one process beside a cluster, and in many
 * real processes that are killed, the same roles run; a stage (stage.ts) gives them their process.
 */
import type { Random, Runtime } from '../../base/runtime.ts'
import type { Kafka, KafkaOptions, NewTopic, ProducerOptions } from '../../client/index.ts'
import type { Expectations } from '../history/history.ts'
import type { HistorySink } from '../history/tables.ts'

export interface Workload {
  readonly name: string
  /** One sentence for `--help` and the report. */
  readonly summary: string
  plan(options: PlanOptions): WorkloadPlan
}

export interface PlanOptions {
  /** Names the run; goes into topic names, groups, transactional ids and values. */
  readonly run: string
  readonly random: Random
  /** How long the roles work before the faults end. */
  readonly durationMs: number
  /** Operations a second that each role aims at; the roles pace themselves. */
  readonly rate: number
  /** Of transactions, which the workload itself aborts: 0 to 1. */
  readonly abortShare: number
  readonly replicationFactor: number
  /** Shorter than the defaults where faults have to be met within a short run. */
  readonly timeouts: Timeouts
  /** How all producers work, where it is not the default. */
  readonly producer?: ProducerTuning
}

/** None of it may change what is promised. */
export type ProducerTuning = Pick<
  ProducerOptions,
  'transactionVersion' | 'compression' | 'batchSizeBytes' | 'lingerMs' | 'maxInFlightRequests'
>

export interface Timeouts {
  readonly transactionMs: number
  readonly sessionMs: number
  readonly requestMs: number
  readonly deliveryMs: number
}

export interface WorkloadPlan {
  readonly topics: readonly NewTopic[]
  readonly expectations: Expectations
  readonly roles: readonly Role[]
}

export interface Role {
  readonly name: string
  /** How many processes play it at a time. */
  readonly count: number
  /**
   * Works until `worker.isStopping`, then resolves. Rejects with what it cannot go on with: the process ends, and the role is
   * played anew in another one. All it knows when it begins is what is in `worker` and in the cluster.
   */
  run(worker: Worker): Promise<void>
}

/** The process that plays a role. */
export interface Worker {
  /** Its own clock, network and randomness; ends with the process. */
  readonly runtime: Runtime
  readonly history: HistorySink
  /** Which process this is in the history. */
  readonly process: number
  /** Which of the `count` processes of the role, from 0: what a transactional id is made of. */
  readonly index: number
  /** How many processes have played this part before. */
  readonly incarnation: number
  readonly isStopping: boolean
  /** Resolves when the worker is told to stop. */
  readonly stopping: Promise<void>
  /** The clock that all processes of the run share, for times in the history. */
  nowMs(): number
  /** Numbers that no other process of the run is given. */
  newWriter(): number
  newReader(): number
  /** With addresses, timeouts and world filled in. */
  kafka(options?: Partial<KafkaOptions>): Kafka
  /** Resolves after so long, or when the worker is told to stop. */
  pause(ms: number): Promise<void>
}
