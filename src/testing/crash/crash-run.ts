/** Many recoveries: all points of all workloads, so many damages at each; what broke, with the command that does it again. */
import { record } from './recording.ts'
import type { CrashWorkload } from './recording.ts'
import { recover } from './recovery.ts'

export interface CrashRunOptions {
  readonly workloads: readonly CrashWorkload[]
  readonly seed: number
  /** How often the power fails in each recovery; above 1 also in the midst of starts. */
  readonly depth: number
  /** About so many in all, spread evenly over the points; with fewer than points, over some of them. */
  readonly recoveries?: number
  /** Without `recoveries`: at each point. */
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
  readonly failures: readonly CrashFailure[]
}

export interface CrashFailure {
  readonly error: Error
  /** The operation that was the last. */
  readonly operation: string
  /** Runs this case and no other. */
  readonly command: string
}

const DAMAGES = 20

export async function crashRun(options: CrashRunOptions): Promise<readonly WorkloadSummary[]> {
  const { workloads, seed, recoveries } = options
  const counts: number[] = []
  for (const workload of workloads) counts.push((await record(workload, seed)).points.length)
  const points = counts.reduce((sum, count) => sum + count, 0)
  const perPoint = recoveries === undefined ? (options.damages ?? DAMAGES) : recoveries / points
  const summaries: WorkloadSummary[] = []
  for (const workload of workloads) {
    const summary = await runWorkload(workload, perPoint, options)
    options.onWorkload?.(summary)
    summaries.push(summary)
  }
  return summaries
}

async function runWorkload(
  workload: CrashWorkload,
  perPoint: number,
  { seed, depth, point: onlyPoint, damage: onlyDamage }: CrashRunOptions,
): Promise<WorkloadSummary> {
  const recording = await record(workload, seed)
  const failures: CrashFailure[] = []
  let recoveries = 0
  let due = 0
  for (const [point, { operation }] of recording.points.entries()) {
    if (onlyPoint !== undefined && point !== onlyPoint) continue
    // Fractions add up, so that few recoveries are spread over all points.
    due += perPoint
    const count = onlyPoint === undefined ? Math.floor(due) : Math.ceil(perPoint)
    due -= Math.floor(due)
    for (let number = 0; number < count; number += 1) {
      const damage = onlyDamage ?? number
      recoveries += 1
      try {
        await recover({ workload, recording, point, damage, seed, depth })
      } catch (error) {
        const command = `npm run crash -- --workload ${workload.name} --seed ${seed} --point ${point} --damage ${damage} --depth ${depth}`
        failures.push({ error: error as Error, operation, command })
      }
      if (onlyDamage !== undefined) break
    }
  }
  return { name: workload.name, points: recording.points.length, recoveries, failures }
}
