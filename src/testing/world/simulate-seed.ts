/**
 * One seed: a world with a broker, a workload whose processes are harmed by the seed's faults, and the verdict over its history.
 *
 * Everything about the run is drawn from the seed: which workload, which faults, how long, which settings of the broker.
 */
import type { Logger } from '../../base/runtime.ts'
import { check, type Verdict } from '../../verify/check/check.ts'
import { HistoryTables } from '../../verify/history/columns.ts'
import type { History } from '../../verify/history/history.ts'
import { RunWorker } from '../../verify/run/run-worker.ts'
import { runWorkload } from '../../verify/run/run-workload.ts'
import type { Timeouts, Workload } from '../../verify/workloads/workload.ts'
import type { SimRandom } from '../sim-random.ts'
import { BrokerNode } from './broker-node.ts'
import { FAULT_KINDS, type FaultKind, type PlannedFault, planFaults } from './faults.ts'
import { SimStage } from './sim-stage.ts'
import { World } from './world.ts'

export interface SeedOptions {
  readonly seed: number
  /** Drawn from the seed among these. */
  readonly workloads: readonly Workload[]
  /** Of the planned faults, by their place in the plan; all unless given. */
  readonly onlyFaults?: readonly number[]
  readonly kinds?: readonly FaultKind[]
  readonly logger?: Logger
  readonly onTrace?: (line: string) => void
}

export interface SeedResult {
  readonly seed: number
  readonly workload: string
  readonly faults: readonly PlannedFault[]
  readonly faultCounts: ReadonlyMap<FaultKind, number>
  readonly history: History
  readonly verdict: Verdict
  /** Why the run came to an early end: a broker that refused to start, a hang, an error of our own. */
  readonly failure: string | undefined
  readonly traceHash: string
  readonly events: number
  readonly virtualMs: number
}

const PORT = 9092
const BROKER = 'broker'
/** Process number of whoever drives the run. */
const CONTROL_PROCESS = 1
const DURATIONS_MS: readonly number[] = [8_000, 30_000, 90_000]
/** Operations of each role in a run, about. */
const OPERATIONS: readonly number[] = [8, 25, 80]
/** Of virtual time, for everything; a healthy run takes a few minutes at most. */
const LIMIT_MS = 30 * 60_000
/** A broker refuses timestamps that are an hour ahead of its clock. */
const SKEW_MS = 25 * 60_000

const TIMEOUTS: Timeouts = { transactionMs: 6_000, sessionMs: 3_000, requestMs: 2_000, deliveryMs: 6_000 }

/** Never rejects but for a mistake in how it is called. */
export async function simulateSeed(options: SeedOptions): Promise<SeedResult> {
  const { seed, workloads, onTrace, logger, kinds = FAULT_KINDS } = options
  const world = new World(seed, { ...(onTrace && { onTrace }), ...(logger && { logger }) })
  const random = world.random()
  const workload = random.pick(workloads)
  const durationMs = random.pick(DURATIONS_MS)
  const transactionVersion = random.pick(['auto', 'auto', 1] as const)
  // With version 1 a transaction is told from the next by nothing (KAFKA-17754): no broker can do anything about strays.
  const possible = transactionVersion === 1 ? kinds.filter((kind) => kind !== 'stray-requests') : kinds
  const planned = planFaults(world.random(), durationMs, possible)
  const { onlyFaults } = options
  const faults = onlyFaults === undefined ? planned : planned.filter((_, at) => onlyFaults.includes(at))
  const broker = new BrokerNode(world, {
    name: BROKER,
    port: PORT,
    properties: brokerProperties(random),
    skewMs: random.pick([0, 0, 0, SKEW_MS, -SKEW_MS]),
  })
  const run = `s${seed}`
  const plan = workload.plan({
    run,
    random: world.random(),
    durationMs,
    rate: (random.pick(OPERATIONS) * 1_000) / durationMs,
    abortShare: random.pick([0, 0.1, 0.3]),
    replicationFactor: 1,
    timeouts: TIMEOUTS,
    producer: {
      transactionVersion,
      compression: random.pick(['none', 'none', 'none', 'gzip', 'lz4', 'zstd', 'snappy'] as const),
      batchSizeBytes: random.pick([0, 200, 16_384]),
      lingerMs: random.pick([0, 0, 5]),
    },
  })
  const history = new HistoryTables()
  const kafka = { brokers: [`${BROKER}:${PORT}`], requestTimeoutMs: TIMEOUTS.requestMs }
  const stage = new SimStage({ world, brokers: [broker], faults, history, kafka })
  const process = world.process('control')
  const control = new RunWorker({
    runtime: world.runtimeOf(process),
    history,
    process: CONTROL_PROCESS,
    index: 0,
    incarnation: 0,
    nowMs: () => world.clock.monotonicMs(),
    kafka,
  })
  broker.start()
  const working = runWorkload({ run, plan, stage, control, durationMs, timeouts: TIMEOUTS })
  const broken = broker.broken.then((reason) => {
    throw new Error(`the broker does not start: ${reason.message}`, { cause: reason })
  })
  const failure = await failureOf(world.run(Promise.race([working, broken]), LIMIT_MS))
  const complete: History = {
    info: { run, seed, workload: workload.name, target: 'simulation', expectations: plan.expectations },
    strings: history.strings.values,
    partitions: history.partitions.values,
    tables: history.tables,
  }
  return {
    seed,
    workload: workload.name,
    faults: planned,
    faultCounts: stage.faultCounts,
    history: complete,
    verdict: check(complete),
    failure,
    traceHash: world.trace.digest,
    events: world.trace.events,
    virtualMs: world.clock.monotonicMs(),
  }
}

async function failureOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    if (!(error instanceof Error)) return String(error)
    const cause = error.cause instanceof Error ? `\n${error.cause.stack}` : ''
    return `${error.stack ?? error.message}${cause}`
  }
}

/** Small files and short intervals, so that a run meets the ends of many; and sometimes the defaults. */
function brokerProperties(random: SimRandom): Readonly<Record<string, string>> {
  return {
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    'offsets.topic.num.partitions': String(random.pick([1, 2, 5])),
    'transaction.state.log.num.partitions': String(random.pick([1, 2, 5])),
    'auto.create.topics.enable': 'false',
    'semel.journal.file.bytes': String(random.pick([64, 256, 1_024]) * 1_024),
    'semel.checkpoint.bytes': String(random.pick([64, 256, 1_024]) * 1_024),
  }
}
