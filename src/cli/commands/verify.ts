/**
 * `semel verify …`: a workload beside any cluster, and the verdict over what it saw.
 *
 * Exit codes: 0 nothing is wrong, 1 it could not be run or read, 2 wrong usage, 3 an anomaly that is not allowed.
 */
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Runtime } from '../../base/runtime.ts'
import type { Admin } from '../../client/index.ts'
import { nodeClock } from '../../runtime/clock.ts'
import { textLogger } from '../../runtime/logger.ts'
import { nodeRuntime } from '../../runtime/node-runtime.ts'
import {
  checkFiles,
  failureCount,
  findWorkload,
  formatVerdict,
  HistoryFileError,
  HistoryFileStream,
  type HistoryInfo,
  LocalStage,
  type Phase,
  runWorkload,
  SeededRandom,
  type Timeouts,
  type Verdict,
  type Workload,
  type WorkloadPlan,
  WORKLOADS,
} from '../../verify/index.ts'
import { durationMs, EXIT_FAILED, say, show, table, UsageError, wholeNumber, withAdmin } from '../session.ts'

export interface VerifyRunFlags {
  /** 'HOST:PORT,…' */
  readonly target: string
  readonly workload: string
  readonly duration: string
  readonly seed?: string
  readonly rate: string
  readonly faults: 'none' | 'clients'
  readonly out?: string
  readonly keepTopics?: boolean
  readonly format: 'text' | 'json'
}

export const EXIT_ANOMALIES = 3
const SEED_MAX = 0xffff_ffff
const RATE_MAX = 100_000
const DURATION_MAX_MS = 86_400_000
const ABORT_SHARE = 0.1
const REPLICATION_MAX = 3
const FAULT_INTERVAL_MS = 2_000
/** For the commands around the run: the cluster's brokers before it, its topics after it. */
const ADMIN_LIMIT_MS = '5000'

/** Sessions as short as a broker allows by default; everything else so that what goes wrong is over within a minute. */
const TIMEOUTS: Timeouts = { transactionMs: 10_000, sessionMs: 6_000, requestMs: 5_000, deliveryMs: 15_000 }

const PHASES: Readonly<Record<Phase, string>> = {
  topics: 'making topics',
  running: 'running',
  healed: 'faults are over, roles come to their end',
  settled: 'no transaction is open any more',
  drained: 'everything committed was read once more',
  scanned: 'the logs were read as they are stored',
}

interface Play {
  readonly run: string
  readonly seed: number
  readonly spanMs: number
  readonly plan: WorkloadPlan
}

export function verifyRun(flags: VerifyRunFlags): Promise<number> {
  const { target, format } = flags
  return withAdmin({ bootstrapServer: target, format, timeout: ADMIN_LIMIT_MS }, async (admin) => {
    const workload = workloadNamed(flags.workload)
    const spanMs = checkedDuration(flags.duration)
    const rate = wholeNumber('--rate', flags.rate, 1, RATE_MAX)
    const runtime = nodeRuntime({ logger: textLogger({ clock: nodeClock(), level: 'error' }) })
    const seed = flags.seed === undefined ? runtime.random.nextUint32() : wholeNumber('--seed', flags.seed, 0, SEED_MAX)
    // Topics of an earlier run with this seed may still be there.
    const run = `verify-${seed}-${runtime.clock.nowMs().toString(36)}`
    const path = flags.out === undefined ? join(tmpdir(), `${run}.history`) : resolve(flags.out)
    if ((await runtime.fileSystem.stat(path)) !== undefined)
      throw new UsageError(`--out ${flags.out}: there is a file of this name; choose another`)
    const replicationFactor = Math.min(REPLICATION_MAX, (await admin.describeCluster()).brokers.length)
    const plan = workload.plan({
      run,
      random: new SeededRandom(seed),
      durationMs: spanMs,
      rate,
      abortShare: ABORT_SHARE,
      replicationFactor,
      timeouts: TIMEOUTS,
    })
    say(`${workload.name} on ${target} for ${flags.duration}, faults: ${flags.faults}, seed ${seed}`)
    const info: HistoryInfo = { run, seed, workload: workload.name, target, expectations: plan.expectations }
    const stream = await HistoryFileStream.open(runtime.fileSystem, path, info)
    try {
      await play(runtime, flags, { run, seed, plan, spanMs }, stream)
    } finally {
      await stream.close()
    }
    const verdict = await checkFiles(runtime.fileSystem, [path])
    show<Verdict>(flags, verdict, formatVerdict)
    const isSound = failureCount(verdict) === 0
    if (isSound && flags.out === undefined) await runtime.fileSystem.remove(path)
    else say(`the history is in ${path}`)
    if (!isSound) say(`${repeatCommand(flags, seed)} does the same again; the topics of this run are kept`)
    if (isSound && flags.keepTopics !== true) await removeTopics(admin, plan)
    return isSound ? 0 : EXIT_ANOMALIES
  })
}

async function play(
  runtime: Runtime,
  { target, faults }: VerifyRunFlags,
  { run, seed, spanMs, plan }: Play,
  history: HistoryFileStream,
): Promise<void> {
  const stage = new LocalStage({
    runtime,
    history,
    kafka: { brokers: target.split(',') },
    seed,
    faults,
    faultIntervalMs: FAULT_INTERVAL_MS,
    // Some longer than a session, most not.
    pauseMaxMs: TIMEOUTS.sessionMs * 2,
  })
  await runWorkload({
    run,
    plan,
    stage,
    control: stage.controlWorker(),
    durationMs: spanMs,
    timeouts: TIMEOUTS,
    onPhase: (phase) => say(`${(stage.nowMs() / 1_000).toFixed(1).padStart(7)} s  ${PHASES[phase]}`),
  })
}

/** Judges histories that were written before. @param paths  the files of one run */
export async function verifyCheck(
  paths: readonly string[],
  flags: { readonly format: 'text' | 'json' },
): Promise<number> {
  try {
    const verdict = await checkFiles(
      nodeRuntime().fileSystem,
      paths.map((path) => resolve(path)),
    )
    show<Verdict>(flags, verdict, formatVerdict)
    return failureCount(verdict) === 0 ? 0 : EXIT_ANOMALIES
  } catch (error) {
    say(`semel: ${whyUnreadable(error)}`)
    return EXIT_FAILED
  }
}

/** Why files are no history. Throws what no file explains. */
export function whyUnreadable(error: unknown): string {
  if (error instanceof HistoryFileError)
    return `${error.message}; give it the files of one run, as 'semel verify run --out FILE' writes them`
  const { code, path, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return `there is no file ${path ?? ''}; 'semel verify run --out FILE' writes one`
  if (code !== undefined) return message
  throw error
}

export async function verifyWorkloads(flags: { readonly format: 'text' | 'json' }): Promise<number> {
  const all = WORKLOADS.map(({ name, summary }) => ({ name, summary }))
  show(flags, all, (rows) =>
    table(
      ['WORKLOAD', 'WHAT IT DOES'],
      rows.map(({ name, summary }) => [name, summary]),
    ),
  )
  return 0
}

function workloadNamed(name: string): Workload {
  const workload = findWorkload(name)
  if (workload !== undefined) return workload
  const names = WORKLOADS.map((one) => one.name).join(', ')
  throw new UsageError(`--workload ${name}: there is none of this name; choose one of ${names}`)
}

function checkedDuration(text: string): number {
  const spanMs = durationMs(text, '--duration')
  if (spanMs >= 1 && spanMs <= DURATION_MAX_MS) return spanMs
  throw new UsageError(`--duration ${text}: expected 1ms to 24h`)
}

function repeatCommand({ target, workload, duration, rate, faults }: VerifyRunFlags, seed: number): string {
  return (
    `semel verify run --target ${target} --workload ${workload} --duration ${duration} --rate ${rate} ` +
    `--faults ${faults} --seed ${seed}`
  )
}

/** What was judged and found well is not needed any more. */
async function removeTopics(admin: Admin, { topics }: WorkloadPlan): Promise<void> {
  await admin.deleteTopics(topics.map(({ topic }) => topic))
}
