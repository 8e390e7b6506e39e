/** A slice of `npm run crash` as a test: SEMEL_CRASH_SCALE (default 1) multiplies the cases, SEMEL_SEED sets the seed. */
import { crashRun } from '../../src/testing/crash/crash-run.ts'
import type { CrashRunOptions, WorkloadSummary } from '../../src/testing/crash/crash-run.ts'
import { CRASH_WORKLOADS } from '../../src/testing/crash/workloads/index.ts'

export const SCALE = Number(process.env['SEMEL_CRASH_SCALE'] ?? 1)
const SEED = Number(process.env['SEMEL_SEED'] ?? 1)
export const LONG = { timeout: 300_000 }

export async function run(
  recoveries: number,
  options: Partial<CrashRunOptions> & Pick<CrashRunOptions, 'harm'>,
): Promise<readonly WorkloadSummary[]> {
  const defaults = { workloads: CRASH_WORKLOADS, seed: SEED, depth: 1 }
  return await crashRun({ ...defaults, ...options, recoveries: Math.round(recoveries * SCALE) })
}

export function brokenPromises(summaries: readonly WorkloadSummary[]): string[] {
  return summaries.flatMap(({ failures }) => failures.map(({ error, command }) => `${error.message}\n${command}`))
}

export function countOf(summaries: readonly WorkloadSummary[], verdict: string): number {
  return summaries.reduce((sum, { verdicts }) => sum + (verdicts.get(verdict) ?? 0), 0)
}
