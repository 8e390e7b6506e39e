/**
 * Harm at every file operation of scripted workloads on a whole broker, and a start with judgement after each:
 *
 *   npm run crash                                          the power fails: every operation of every workload, 20 damages each
 *   npm run crash -- --recoveries 40000                    about so many, spread over all operations
 *   npm run crash -- --recoveries 5000 --depth 3           the power fails again while the broker starts, and again
 *   npm run crash -- --harm rot|lies|fault                 bytes rot, the disk lies about flushes, an operation fails
 *   npm run crash -- --workload fencing [--point 17 [--damage 3]] [--seed 2]       some of it; a failure prints this line
 *   npm run crash -- --list
 *
 * Exit code 1 when a promise was broken.
 */
import { parseArgs } from 'node:util'
import { crashRun, HARMS } from '../src/testing/crash/crash-run.ts'
import type { WorkloadSummary } from '../src/testing/crash/crash-run.ts'
import { CRASH_WORKLOADS } from '../src/testing/crash/workloads/index.ts'

const FAILURES_SHOWN = 5

const { values } = parseArgs({
  options: {
    harm: { type: 'string', default: 'power-cut' },
    recoveries: { type: 'string' },
    damages: { type: 'string' },
    workload: { type: 'string' },
    point: { type: 'string' },
    damage: { type: 'string' },
    seed: { type: 'string', default: '1' },
    depth: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
  },
})

if (values.list) for (const { name, summary } of CRASH_WORKLOADS) console.log(`${name.padEnd(22)} ${summary}`)
else await run()

async function run(): Promise<void> {
  const workloads = CRASH_WORKLOADS.filter(({ name }) => values.workload === undefined || name === values.workload)
  if (workloads.length === 0) throw new Error(`there is no workload ${values.workload}; --list names them`)
  const harm = HARMS.find((name) => name === values.harm)
  if (harm === undefined) throw new Error(`--harm is one of ${HARMS.join(', ')}`)
  const startedMs = performance.now()
  const summaries = await crashRun({
    workloads,
    harm,
    seed: Number(values.seed),
    depth: Number(values.depth),
    ...numbers(['recoveries', 'damages', 'point', 'damage']),
    onWorkload: print,
  })
  const recoveries = summaries.reduce((sum, each) => sum + each.recoveries, 0)
  const broken = summaries.reduce((sum, each) => sum + each.failures.length, 0)
  const { user, system } = process.cpuUsage()
  const seconds = (performance.now() - startedMs) / 1000
  const times = harm === 'power-cut' ? `, the power cut ${values.depth} time(s) in each` : ''
  console.log(
    `${recoveries} cases of ${harm}${times}: ${broken} broken promises; ` +
      `${seconds.toFixed(1)} s, ${((user + system) / 1000 / recoveries).toFixed(1)} ms of one core each`,
  )
  process.exitCode = broken === 0 ? 0 : 1
}

function print({ name, points, recoveries, verdicts, failures }: WorkloadSummary): void {
  const ends = Array.from(verdicts, ([verdict, count]) => `${count} ${verdict}`)
  if (failures.length > 0) ends.push(`${failures.length} BROKEN PROMISES`)
  console.log(`${name.padEnd(22)} ${points} operations, ${recoveries} cases: ${ends.join(', ')}`)
  for (const { error, operation, command } of failures.slice(0, FAILURES_SHOWN))
    console.log(`  ${error.message}\n    at operation ${operation}\n    ${command}`)
  if (values.damage !== undefined) for (const { error } of failures) console.log(error.stack)
}

/** Those of the options that were given, as numbers. */
function numbers(names: readonly ('recoveries' | 'damages' | 'point' | 'damage')[]): Record<string, number> {
  const given = names.flatMap((name) => (values[name] === undefined ? [] : [[name, Number(values[name])] as const]))
  return Object.fromEntries(given)
}
