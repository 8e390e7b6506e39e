/** One seed, run and judged: what a worker tells of it, small enough to be sent to another process. */
import { WORKLOADS, findWorkload } from '../../src/verify/workloads/workloads.ts'
import { type SeedResult, simulateSeed } from '../../src/testing/world/simulate-seed.ts'
import type { Workload } from '../../src/verify/workloads/workload.ts'

export interface Outcome {
  readonly seed: number
  readonly workload: string
  readonly virtualMs: number
  readonly realMs: number
  readonly events: number
  readonly sends: number
  readonly transactions: number
  readonly reads: number
  readonly faults: Readonly<Record<string, number>>
  /** Codes of what was found and is allowed. */
  readonly allowed: readonly string[]
  /** What is wrong, one line each. */
  readonly problems: readonly string[]
  /** The faults that are enough for it, when it was shrunk. */
  readonly neededFaults?: readonly number[]
}

export function workloadsOf(name: string | undefined): readonly Workload[] {
  const one = name === undefined ? undefined : findWorkload(name)
  return one === undefined ? WORKLOADS : [one]
}

/** What is wrong with a run, one line each; empty when nothing is. */
export function problemsOf({ verdict, failure }: SeedResult): string[] {
  const problems = verdict.anomalies
    .filter(({ isAllowed }) => !isAllowed)
    .map(({ code, name, count, summary }) => `${code} ${name}, ${count} times: ${summary}`)
  return failure === undefined ? problems : [failure, ...problems]
}

/**
 * Runs a seed, and again when `runs` is 2: both must leave the same trace.
 * @param rejections  errors that nobody has waited for, told since it was last asked
 */
export async function judgeSeed(
  seed: number,
  options: {
    readonly workload: string | undefined
    readonly runs: number
    readonly rejections: () => readonly string[]
  },
): Promise<Outcome> {
  const startedMs = performance.now()
  const workloads = workloadsOf(options.workload)
  const result = await simulateSeed({ seed, workloads })
  const problems = [...problemsOf(result), ...options.rejections()]
  const realMs = performance.now() - startedMs
  if (options.runs > 1) {
    const again = await simulateSeed({ seed, workloads })
    options.rejections()
    if (again.traceHash !== result.traceHash) {
      problems.push(
        `two runs differ: ${result.traceHash} after ${result.events} events, then ${again.traceHash} after ${again.events}`,
      )
    }
  }
  const { sendInvoked, transactionEnded, read } = result.history.tables
  return {
    seed,
    workload: result.workload,
    virtualMs: result.virtualMs,
    realMs,
    events: result.events,
    sends: sendInvoked.length,
    transactions: transactionEnded.length,
    reads: read.length,
    faults: Object.fromEntries(result.faultCounts),
    allowed: result.verdict.anomalies.filter(({ isAllowed }) => isAllowed).map(({ code }) => code),
    problems,
  }
}
