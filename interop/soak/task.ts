/** What a player process is told, and the clock that all processes of a run share. */
import type { HistoryInfo, PlanOptions, Timeouts, WorkloadPlan } from '../../src/verify/index.ts'
import { findWorkload, SeededRandom } from '../../src/verify/index.ts'

/** A plan as it goes over a command line: the same everywhere, as its randomness comes from its seed. */
export type PlanTask = Omit<PlanOptions, 'random'> & { readonly workload: string; readonly seed: number }

export interface PlayerTask {
  readonly plan: PlanTask
  readonly info: HistoryInfo
  readonly role: string
  readonly index: number
  readonly incarnation: number
  readonly process: number
  readonly brokers: readonly string[]
  readonly historyFile: string
  readonly originNs: string
}

/** So that faults are met within a minute: everything that times out does so in seconds. */
export const SOAK_TIMEOUTS: Timeouts = {
  transactionMs: 6_000,
  sessionMs: 3_000,
  requestMs: 3_000,
  deliveryMs: 10_000,
}

export function planOf({ workload: name, seed, ...options }: PlanTask): WorkloadPlan {
  const workload = findWorkload(name)
  if (workload === undefined) throw new Error(`there is no workload ${name}`)
  return workload.plan({ ...options, random: new SeededRandom(seed) })
}

/** Milliseconds since `originNs` on the system's monotonic clock, which is one for all processes. */
export function sharedClock(originNs: string): () => number {
  const origin = BigInt(originNs)
  return () => Number(process.hrtime.bigint() - origin) / 1e6
}
