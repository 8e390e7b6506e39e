/** What all seeds together come to, and how it is printed. */
import type { Outcome } from './judged-seed.ts'

const TOLD_MAX = 20

export class Tally {
  readonly #workload: string | undefined
  readonly #startedMs = performance.now()
  readonly #faults = new Map<string, number>()
  readonly #workloads = new Map<string, number>()
  readonly #allowed = new Map<string, number>()
  readonly #totals = { seeds: 0, virtualMs: 0, realMs: 0, events: 0, sends: 0, transactions: 0, reads: 0 }
  #failed = 0

  /** @param workload  the one that was asked for, if any: part of the command that repeats a seed */
  constructor(workload: string | undefined) {
    this.#workload = workload
  }

  get failed(): number {
    return this.#failed
  }

  add(outcome: Outcome): void {
    const totals = this.#totals
    totals.seeds += 1
    for (const key of ['virtualMs', 'realMs', 'events', 'sends', 'transactions', 'reads'] as const)
      totals[key] += outcome[key]
    count(this.#workloads, outcome.workload)
    for (const [kind, times] of Object.entries(outcome.faults)) count(this.#faults, kind, times)
    for (const code of outcome.allowed) count(this.#allowed, code)
    if (outcome.problems.length === 0) return
    this.#failed += 1
    if (this.#failed <= TOLD_MAX) this.#tell(outcome)
  }

  print(first: number): void {
    const { seeds, virtualMs, realMs, events, sends, transactions, reads } = this.#totals
    const seconds = (performance.now() - this.#startedMs) / 1_000
    console.log(
      [
        `seeds ${first} to ${first + seeds - 1}: ${seeds} in ${seconds.toFixed(1)} s, ${(seeds / seconds).toFixed(1)} a second`,
        `virtual time: ${(virtualMs / 3_600_000).toFixed(2)} hours, ${(virtualMs / 60_000 / seconds).toFixed(2)} hours a minute, ` +
          `${(virtualMs / realMs).toFixed(0)} times real time in each process`,
        `events: ${events}, sends ${sends}, transactions ${transactions}, reads ${reads}`,
        `workloads: ${listed(this.#workloads)}`,
        `faults: ${listed(this.#faults)}`,
        `allowed, as in Kafka: ${listed(this.#allowed) || 'none'}`,
        `${seeds - this.#failed} passed, ${this.#failed} failed`,
      ].join('\n'),
    )
  }

  #tell({ seed, workload, problems, neededFaults }: Outcome): void {
    const which = this.#workload === undefined ? '' : ` --workload ${this.#workload}`
    const faults = neededFaults === undefined ? '' : ` --faults ${neededFaults.join(',') || '""'}`
    console.log(`seed ${seed} (${workload}) fails: npm run sim -- --seed ${seed}${which}${faults}`)
    for (const problem of problems) console.log(`  ${problem.replaceAll('\n', '\n  ')}`)
  }
}

function count(counts: Map<string, number>, key: string, times = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + times)
}

function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, times]) => `${key} ${times}`)
    .join(', ')
}
