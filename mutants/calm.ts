/**
 * Simulated runs in which nothing goes wrong, and nothing may: a checker of promises forgives whatever a fault could explain, so a
 * system that refuses half of its work passes it. Without faults there is no excuse: each operation has to succeed.
 *
 *   node mutants/calm.ts [--seeds N] [--seed FIRST]      exit code 3 when something failed
 *
 * The workloads are those in which nobody fights anybody and no transaction is meant to be too slow.
 */
import { parseArgs } from 'node:util'
import { type SeedResult, simulateSeed } from '../src/testing/world/simulate-seed.ts'
import { OUTCOMES } from '../src/verify/history/tables.ts'
import { WORKLOADS } from '../src/verify/workloads/workloads.ts'

const { values: flags } = parseArgs({
  options: { seeds: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } },
})

const FIGHTS: ReadonlySet<string> = new Set(['hijack', 'long'])
const WITH_OUTCOME = ['writerReady', 'sendCompleted', 'transactionEnded', 'poll', 'offsetCommitCompleted'] as const
const EXIT_FOUND = 3

/** What is wrong with a calm run, one line each. */
function problemsOf({ history, verdict, failure }: SeedResult): string[] {
  const { tables, strings } = history
  const problems = verdict.anomalies
    .filter(({ isAllowed }) => !isAllowed)
    .map(({ code, name, count, summary }) => `${code} ${name}, ${count} times: ${summary}`)
  if (failure !== undefined) problems.push(failure)
  for (const name of WITH_OUTCOME) {
    const { length, outcome, error } = tables[name]
    let failed = 0
    let why = ''
    for (let row = 0; row < length; row += 1) {
      if (OUTCOMES[outcome[row] as number] === 'ok') continue
      failed += 1
      why = strings[error[row] as number] as string
    }
    if (failed > 0) problems.push(`calm: ${failed} of ${length} times ${name} without success: ${why}`)
  }
  const { length, cause } = tables.processEnded
  for (let row = 0; row < length; row += 1) {
    const text = strings[cause[row] as number] as string
    if (text !== 'done') problems.push(`calm: a process ended with ${text}`)
  }
  return problems
}

const workloads = WORKLOADS.filter(({ name }) => !FIGHTS.has(name))
const first = Number(flags.seed)
for (let seed = first; seed < first + Number(flags.seeds); seed += 1) {
  const result = await simulateSeed({ seed, workloads, onlyFaults: [] })
  const problems = problemsOf(result)
  if (problems.length === 0) continue
  console.log(`seed ${seed} (${result.workload}) fails: node mutants/calm.ts --seeds 1 --seed ${seed}`)
  for (const problem of problems) console.log(`  ${problem}`)
  process.exitCode = EXIT_FOUND
  break
}
