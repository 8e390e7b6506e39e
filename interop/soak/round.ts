/**
 * One round of the soak: a workload on brokers that are there, played by real processes that are killed and paused with their brokers,
 * and the verdict over all of their histories.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, KafkaError } from '../../src/client/index.ts'
import { openAppendFile } from '../../src/runtime/append-file.ts'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import {
  checkFiles,
  type FollowFinding,
  FollowingChecker,
  HistoryFileWriter,
  type HistoryInfo,
  RunWorker,
  runWorkload,
  SeededRandom,
  type Verdict,
} from '../../src/verify/index.ts'
import type { Broker } from '../runner/brokers.ts'
import type { FaultCounts } from './nemesis.ts'
import { ProcessStage } from './process-stage.ts'
import { type PlanTask, planOf, sharedClock, SOAK_TIMEOUTS } from './task.ts'
import { allOf } from './told-rows.ts'

export interface RoundOptions {
  readonly target: string
  readonly workload: string
  readonly seed: number
  readonly durationMs: number
  readonly rate: number
  readonly brokers: readonly Broker[]
  readonly directory: string
  readonly withFaults: boolean
  readonly onPhase: (phase: string) => void
}

export interface RoundResult {
  readonly workload: string
  readonly seed: number
  readonly seconds: number
  readonly checkSeconds: number
  readonly faults: FaultCounts
  readonly verdict: Verdict
  /** What was found on the way, before the histories were read as a whole. */
  readonly onTheWay: readonly FollowFinding[]
  readonly historyFiles: readonly string[]
}

/** Of the transactions. */
const ABORT_SHARE = 0.1
const CONTROL_PROCESS = 0

export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const { workload, seed, durationMs, rate, brokers, directory, withFaults, onPhase } = options
  const plan: PlanTask = {
    workload,
    seed,
    run: `soak${seed}`,
    durationMs,
    rate,
    abortShare: ABORT_SHARE,
    replicationFactor: brokers.length,
    timeouts: SOAK_TIMEOUTS,
    producer: {
      transactionVersion: seed % 3 === 0 ? 1 : 'auto',
      compression: seed % 5 === 0 ? 'zstd' : 'none',
      batchSizeBytes: seed % 4 === 0 ? 200 : 16_384,
    },
  }
  const planned = planOf(plan)
  const info: HistoryInfo = {
    run: plan.run,
    seed,
    workload,
    target: options.target,
    expectations: planned.expectations,
  }
  const originNs = String(process.hrtime.bigint())
  const nowMs = sharedClock(originNs)
  const controlFile = join(directory, `${plan.run}-${CONTROL_PROCESS}.history`)
  const file = new HistoryFileWriter(openAppendFile(controlFile), info)
  const follower = new FollowingChecker({
    lateMs: SOAK_TIMEOUTS.sessionMs * 4,
    graceMs: SOAK_TIMEOUTS.deliveryMs * 3,
    onFinding: ({ code, what, at }) => onPhase(`${code} on the way, ${at.toFixed(0)} ms: ${what}`),
  })
  const history = allOf(file, follower)
  const stage = new ProcessStage({
    plan,
    info,
    parts: planned.roles.reduce((sum, { count }) => sum + count, 0),
    brokers,
    directory,
    history,
    follower,
    nowMs,
    originNs,
    withFaults,
  })
  const nothing = (): void => undefined
  const runtime = nodeRuntime({ logger: { debug: nothing, info: nothing, warn: nothing, error: nothing } })
  const control = new RunWorker({
    runtime: { ...runtime, random: new SeededRandom(seed) },
    history,
    process: CONTROL_PROCESS,
    index: 0,
    incarnation: 0,
    nowMs,
    kafka: { brokers: brokers.map(({ address }) => address) },
  })
  await runWorkload({
    run: plan.run,
    plan: planned,
    stage,
    control,
    durationMs,
    timeouts: SOAK_TIMEOUTS,
    onPhase,
  })
  follower.finish()
  file.close()
  const seconds = nowMs() / 1_000
  // A process that was killed at once has left none.
  const historyFiles = [controlFile, ...stage.historyFiles].filter((path) => existsSync(path))
  const verdict = await checkFiles(runtime.fileSystem, historyFiles)
  const checkSeconds = nowMs() / 1_000 - seconds
  await removeTopics(
    brokers,
    planned.topics.map(({ topic }) => topic),
  )
  return {
    workload,
    seed,
    seconds,
    checkSeconds,
    faults: stage.faultCounts,
    verdict,
    onTheWay: follower.findings,
    historyFiles,
  }
}

/** What was judged is not needed any more. */
async function removeTopics(brokers: readonly Broker[], topics: readonly string[]): Promise<void> {
  await using kafka = new Kafka({ brokers: brokers.map(({ address }) => address) })
  try {
    await kafka.admin().deleteTopics(topics)
  } catch (error) {
    // They only take room; the next round has topics of its own.
    if (!(error instanceof KafkaError)) throw error
  }
}
