/**
 * A user's own application through seeds of crashes: `simulate` runs it in processes that are killed and paused, on a network that
 * breaks, with a broker that loses power, and compares what comes out with what comes out of a run in which nothing goes wrong.
 *
 *     await simulate({
 *       topics: { orders: 3, invoices: 3 },
 *       input: orders.map((order) => ({ topic: 'orders', key: order.id, value: JSON.stringify(order) })),
 *       output: ['invoices'],
 *       application: ({ kafka }) => kafka.pipeline({ groupId: 'billing', from: 'orders', process: bill }),
 *     })
 */
import type { Kafka } from '../client/index.ts'
import { compareOutput, type OutputRecord } from './simulate-output.ts'
import { type InputRecord, runApplication } from './simulate-run.ts'
import { FAULT_KINDS, type FaultKind, planFaults, type PlannedFault } from './world/faults.ts'
import { SimRandom } from './sim-random.ts'

/** What an application is, seen from outside: as a `Pipeline` is. */
export interface Application {
  /** Works until it is stopped. Rejects with what it cannot go on with; its process ends then, and another one begins. */
  run(): Promise<void>
  stop(): Promise<void>
}

export interface ApplicationContext {
  /** In the simulated world: what it makes connects to the simulated broker. */
  readonly kafka: Kafka
  /** Which of the processes that run at a time this is, from 0. */
  readonly index: number
  /** In virtual time; what an application waits for has to come from here or from `kafka`. */
  readonly pause: (ms: number) => Promise<void>
}

export interface SimulateOptions {
  /** How many, from 1 on; 50 unless given. */
  readonly seeds?: number
  /** Only this one, as a failure names it. */
  readonly seed?: number
  /** Partitions of each topic. */
  readonly topics: Readonly<Record<string, number>>
  /** Written once each, in order within each partition, while the application runs. */
  readonly input: readonly InputRecord[]
  /** Topics whose committed records are judged. */
  readonly output: readonly string[]
  /** Called for each process that begins. */
  readonly application: (context: ApplicationContext) => Application
  /** How many processes run at a time; 2 unless given. */
  readonly processes?: number
  /** What has to come out, in any order; what an undisturbed run gives, unless given. */
  readonly expected?: readonly OutputRecord[]
  /** What may go wrong; everything unless given. */
  readonly faults?: readonly FaultKind[]
  /** How long things go wrong, in virtual time; 120,000 unless given. */
  readonly durationMs?: number
}

export interface SimulateReport {
  readonly seeds: number
  readonly virtualMs: number
  /** How many faults of each kind there were. */
  readonly faults: Readonly<Record<string, number>>
}

export interface SeedFailure {
  readonly seed: number
  readonly problems: readonly string[]
  readonly faults: readonly PlannedFault[]
}

/** Some seeds did not come out right; the message has the first and how to run it again. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure'
  readonly failures: readonly SeedFailure[]

  constructor(failures: readonly SeedFailure[], seeds: number) {
    const [first] = failures as readonly [SeedFailure]
    const kinds = first.faults.map(({ kind, atMs }) => `${kind} at ${atMs.toFixed(0)} ms`)
    super(
      [
        `${failures.length} of ${seeds} seeds went wrong. Seed ${first.seed}:`,
        ...first.problems.map((problem) => `  ${problem}`),
        `  faults: ${kinds.join(', ') || 'none'}`,
        `Run it alone with \`seed: ${first.seed}\`.`,
      ].join('\n'),
    )
    this.failures = failures
  }
}

const DEFAULT_SEEDS = 50
const DEFAULT_DURATION_MS = 120_000
const DEFAULT_PROCESSES = 2

/** Rejects with SimulationFailure when a seed goes wrong, and with what the undisturbed run rejects with. */
export async function simulate(options: SimulateOptions): Promise<SimulateReport> {
  const { durationMs = DEFAULT_DURATION_MS, processes = DEFAULT_PROCESSES, faults: kinds = FAULT_KINDS } = options
  const count = options.seeds ?? DEFAULT_SEEDS
  const seeds = options.seed === undefined ? Array.from({ length: count }, (_, at) => at + 1) : [options.seed]
  const expected = options.expected ?? (await undisturbed(options, processes))
  const failures: SeedFailure[] = []
  const counts: Record<string, number> = {}
  let virtualMs = 0
  for (const seed of seeds) {
    const faults = planFaults(new SimRandom(seed), durationMs, kinds)
    const result = await runApplication({ ...options, seed, processes, durationMs, faults })
    virtualMs += result.virtualMs
    for (const kind of result.inflicted) counts[kind] = (counts[kind] ?? 0) + 1
    const problems = [...result.problems, ...compareOutput(expected, result.output)]
    if (problems.length > 0) failures.push({ seed, problems, faults })
  }
  if (failures.length > 0) throw new SimulationFailure(failures, seeds.length)
  return { seeds: seeds.length, virtualMs, faults: counts }
}

async function undisturbed(options: SimulateOptions, processes: number): Promise<readonly OutputRecord[]> {
  const result = await runApplication({ ...options, seed: 0, processes, durationMs: 0, faults: [] })
  if (result.problems.length > 0)
    throw new Error(`the application does not work even when nothing goes wrong: ${result.problems.join('; ')}`)
  return result.output
}
