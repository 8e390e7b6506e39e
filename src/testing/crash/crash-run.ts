/** Many cases of harm: all operations of all workloads, so many times each; what broke, with the command that does it again. */
import { afterLies, afterRot } from './damaged-media.ts'
import { afterFault, FAULT_KINDS } from './disk-faults.ts'
import type { FaultKind } from './disk-faults.ts'
import type { CrashWorkload } from './live-run.ts'
import { record } from './recording.ts'
import type { Recording } from './recording.ts'
import { recover } from './recovery.ts'

export const HARMS = ['power-cut', 'rot', 'lies', 'fault'] as const
/**
 * `power-cut`: what was not flushed is damaged. `rot`: bytes that were flushed are. `lies`: flushes were none, then a power cut.
 * `fault`: an operation fails under the running broker, once or for good.
 */
export type Harm = (typeof HARMS)[number]

export interface CrashRunOptions {
  readonly workloads: readonly CrashWorkload[]
  readonly harm: Harm
  readonly seed: number
  /** How often the power fails in each case of `power-cut`; above 1 also in the midst of starts. */
  readonly depth: number
  /** About so many cases in all, spread evenly over workloads and their operations; if there are fewer, over some of these. */
  readonly recoveries?: number
  /** Without `recoveries`: at each operation. */
  readonly damages?: number
  /** Only this one. */
  readonly point?: number
  readonly damage?: number
  /** Told of each workload that is done. */
  readonly onWorkload?: (summary: WorkloadSummary) => void
}

export interface WorkloadSummary {
  readonly name: string
  /** File operations, each of which is a place to crash. */
  readonly points: number
  readonly recoveries: number
  /** How many cases ended how. */
  readonly verdicts: ReadonlyMap<string, number>
  readonly failures: readonly CrashFailure[]
}

export interface CrashFailure {
  readonly error: Error
  /** The operation at which it happened. */
  readonly operation: string
  /** Runs this case and no other. */
  readonly command: string
}

interface Case {
  readonly workload: CrashWorkload
  readonly recording: Recording
  readonly point: number
  readonly damage: number
  readonly seed: number
}

const DAMAGES = 20
/** More than what sums of fractions are off by. */
const ROUNDING = 1e-6

export async function crashRun(options: CrashRunOptions): Promise<readonly WorkloadSummary[]> {
  const summaries: WorkloadSummary[] = []
  for (const workload of options.workloads) {
    const summary = await runWorkload(workload, options)
    options.onWorkload?.(summary)
    summaries.push(summary)
  }
  return summaries
}

async function runWorkload(workload: CrashWorkload, options: CrashRunOptions): Promise<WorkloadSummary> {
  const { seed, harm, depth, point: onlyPoint, damage: onlyDamage } = options
  const recording = await record(workload, seed, { lies: harm === 'lies' })
  const damages = options.damages ?? (harm === 'fault' ? FAULT_KINDS.length : DAMAGES)
  const share = (options.recoveries ?? 0) / options.workloads.length
  const perPoint = options.recoveries === undefined ? damages : share / recording.points.length
  const failures: CrashFailure[] = []
  const verdicts = new Map<string, number>()
  let recoveries = 0
  let due = 0
  for (const [point, { operation }] of recording.points.entries()) {
    if (onlyPoint !== undefined && point !== onlyPoint) continue
    // Fractions add up, so that few cases are spread over all points.
    due += perPoint
    const count = onlyDamage === undefined ? Math.floor(due + ROUNDING) : 1
    due -= count
    for (let number = 0; number < count; number += 1) {
      // Few cases must not all be the first of their point.
      const damage = onlyDamage ?? (perPoint < 1 ? recoveries : number)
      recoveries += 1
      try {
        const verdict = await runCase(harm, { workload, recording, point, damage, seed }, depth)
        verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
      } catch (error) {
        const place = `--workload ${workload.name} --seed ${seed} --point ${point} --damage ${damage}`
        const command = `npm run crash -- --harm ${harm} ${place}${depth === 1 ? '' : ` --depth ${depth}`}`
        failures.push({ error: error as Error, operation, command })
      }
    }
  }
  return { name: workload.name, points: recording.points.length, recoveries, verdicts, failures }
}

async function runCase(harm: Harm, options: Case, depth: number): Promise<string> {
  switch (harm) {
    case 'power-cut':
      await recover({ ...options, depth })
      return 'kept'
    case 'rot':
      return await afterRot(options)
    case 'lies':
      return await afterLies(options)
    case 'fault': {
      const fault = FAULT_KINDS[options.damage % FAULT_KINDS.length] as FaultKind
      return await afterFault({ ...options, operation: options.point, fault })
    }
  }
}
