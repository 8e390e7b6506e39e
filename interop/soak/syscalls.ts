/**
 * The broker is killed, or told of a disk error, at one system call after the other: `npm run soak -- --syscalls N`.
 *
 * For each of them a broker starts under strace (often on data that the last one left), a short workload runs in this process, the
 * broker dies at the call and is started again without strace, and the history is checked. Calls that were not reached do not
 * count.
 */
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import {
  check,
  failureCount,
  findWorkload,
  formatVerdict,
  HistoryTables,
  LocalStage,
  type Player,
  type Role,
  runWorkload,
  SeededRandom,
  type Stage,
  type Timeouts,
  type Verdict,
} from '../../src/verify/index.ts'
import { sleep } from '../runner/programs.ts'
import { describeFault, SYSCALLS, type SyscallFault, TracedBroker } from './traced-broker.ts'

export interface SyscallOptions {
  /** How many calls have to be reached. */
  readonly points: number
  readonly seed: number
  readonly directory: string
}

const EXIT_ANOMALIES = 3
const DURATION_MS = 1_200
/** Under strace the broker meets what earlier ones left, recovery included; then it begins with nothing. */
const POINTS_PER_BROKER = 8
const NTH_MAX = { fdatasync: 150, pwrite64: 200, pwritev: 60, write: 600, rename: 6, ftruncate: 30, fsync: 25 } as const
const TIMEOUTS: Timeouts = { transactionMs: 1_500, sessionMs: 1_500, requestMs: 2_000, deliveryMs: 6_000 }
const LOOK_MS = 20
const WORKLOADS = ['queue', 'copier', 'bank'] as const

interface PointResult {
  readonly fault: SyscallFault
  readonly isReached: boolean
  readonly verdict: Verdict
  readonly values: number
}

export async function runSyscallFaults({ points, seed, directory }: SyscallOptions): Promise<number> {
  const random = new SeededRandom(seed)
  // Named beforehand, for a table in a fixed order.
  const kinds: readonly string[] = SYSCALLS.flatMap((name) => [`${name} kill`, `${name} EIO`])
  const reached = new Map<string, number>(kinds.map((kind) => [kind, 0]))
  let isSound = true
  let done = 0
  let values = 0
  let tries = 0
  let broker: TracedBroker | undefined
  console.log(`${points} system calls, seed ${seed}`)
  for (; done < points; tries += 1) {
    if (broker === undefined || tries % POINTS_PER_BROKER === 0) {
      broker?.remove()
      broker = await TracedBroker.make()
    }
    const workload = WORKLOADS[tries % WORKLOADS.length] as string
    const result = await runPoint(broker, drawFault(random), workload, seed + tries)
    const { fault, verdict } = result
    if (!result.isReached) continue
    done += 1
    values += result.values
    const kind = `${fault.syscall} ${fault.action}`
    reached.set(kind, (reached.get(kind) ?? 0) + 1)
    if (failureCount(verdict) > 0) {
      isSound = false
      console.log(`${describeFault(fault)}, ${workload}, seed ${seed + tries}:\n${formatVerdict(verdict)}`)
      writeFileSync(join(directory, `point-${tries}.json`), JSON.stringify({ fault, verdict }, undefined, 2))
      // What it stands on is evidence now.
      broker = undefined
    }
    if (done % 10 === 0) console.log(`${done} of ${points} calls reached in ${tries + 1} runs`)
  }
  broker?.remove()
  for (const [kind, count] of reached) if (count > 0) console.log(`${kind.padEnd(16)} ${count}`)
  console.log(`${done} system calls, ${values} values, ${isSound ? 'no anomalies' : 'ANOMALIES'}`)
  return isSound ? 0 : EXIT_ANOMALIES
}

function drawFault(random: SeededRandom): SyscallFault {
  const syscall = SYSCALLS[random.nextUint32() % SYSCALLS.length] as (typeof SYSCALLS)[number]
  // Threads wake each other by `write`: with an error in there it is Node that ends, and not the broker.
  const action = syscall === 'write' || random.nextUint32() % 3 > 0 ? 'kill' : 'EIO'
  // As many among the first ten as among the next hundred: a start makes few calls, and each of them matters.
  const nth = Math.floor(Math.exp((random.nextUint32() / 2 ** 32) * Math.log(NTH_MAX[syscall] + 1)))
  return { syscall, action, nth: Math.max(1, nth) }
}

async function runPoint(
  broker: TracedBroker,
  fault: SyscallFault,
  workloadName: string,
  seed: number,
): Promise<PointResult> {
  const workload = findWorkload(workloadName)
  if (workload === undefined) throw new Error(`there is no workload ${workloadName}`)
  const nothing = (): void => undefined
  const runtime = nodeRuntime({ logger: { debug: nothing, info: nothing, warn: nothing, error: nothing } })
  const history = new HistoryTables()
  const local = new LocalStage({
    runtime,
    history,
    kafka: { brokers: [broker.address] },
    seed,
    faults: 'none',
    faultIntervalMs: DURATION_MS,
    pauseMaxMs: DURATION_MS,
  })
  const run = `point${seed}`
  const plan = workload.plan({
    run,
    random: new SeededRandom(seed),
    durationMs: DURATION_MS,
    rate: 50,
    abortShare: 0.1,
    replicationFactor: 1,
    timeouts: TIMEOUTS,
  })
  const keeper = new BrokerKeeper(broker, fault)
  await keeper.start()
  try {
    await runWorkload({
      run,
      plan,
      stage: new KeptStage(local, keeper),
      control: local.controlWorker(),
      durationMs: DURATION_MS,
      timeouts: TIMEOUTS,
    })
  } finally {
    await keeper.stop()
  }
  const verdict = check({
    info: { run, seed, workload: workloadName, target: broker.address, expectations: plan.expectations },
    strings: history.strings.values,
    partitions: history.partitions.values,
    tables: history.tables,
  })
  return { fault, isReached: keeper.isReached, verdict, values: history.tables.sendInvoked.length }
}

/** Starts a broker under strace, and again without once it has died. */
class BrokerKeeper {
  readonly #broker: TracedBroker
  readonly #fault: SyscallFault
  #isStopping = false
  #watching: Promise<void> = Promise.resolve()
  isReached = false

  constructor(broker: TracedBroker, fault: SyscallFault) {
    this.#broker = broker
    this.#fault = fault
  }

  async start(): Promise<void> {
    this.#broker.fault = this.#fault
    try {
      await this.#broker.start()
    } catch {
      // The call came before it was ready; the next start has to succeed.
    }
    this.#watching = this.#watch()
    this.#watching.catch(() => undefined)
  }

  /** The broker lives without strace from here on. Rejects when it does not start. */
  async heal(): Promise<void> {
    this.#isStopping = true
    await this.#watching
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#watching.catch(() => undefined)
    await this.#broker.kill()
  }

  async #watch(): Promise<void> {
    while (this.#broker.alive && !this.#isStopping) await sleep(LOOK_MS)
    this.isReached = this.#broker.isFaultReached
    if (this.#broker.alive) await this.#broker.kill()
    this.#broker.fault = undefined
    await this.#broker.start()
  }
}

/** Players in this process, the broker in its keeper's hands. */
class KeptStage implements Stage {
  readonly #local: LocalStage
  readonly #keeper: BrokerKeeper

  constructor(local: LocalStage, keeper: BrokerKeeper) {
    this.#local = local
    this.#keeper = keeper
  }

  start(role: Role, index: number, incarnation: number): Player {
    return this.#local.start(role, index, incarnation)
  }

  beginFaults(): void {
    // The one fault was there from the beginning.
  }

  async heal(): Promise<void> {
    await this.#local.heal()
    await this.#keeper.heal()
  }
}
