/**
 * Power cuts at every file operation of scripted workloads on a whole broker, and a start with judgement after each:
 *
 *   npm run crash                                          every operation of every workload, 20 damages each
 *   npm run crash -- --recoveries 40000                    about so many, spread over all operations
 *   npm run crash -- --recoveries 5000 --depth 3           the power fails again while the broker starts, and again
 *   npm run crash -- --workload fencing [--point 17 [--damage 3]] [--seed 2]       some of it; a failure prints this line
 *   npm run crash -- --list
 *
 * Exit code 1 when a promise was broken.
 */
import { parseArgs } from 'node:util'
import { crashRun } from '../src/testing/crash/crash-run.ts'
import { CRASH_WORKLOADS } from '../src/testing/crash/workloads/index.ts'

const FAILURES_SHOWN = 5

const { values } = parseArgs({
  options: {
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

const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))

if (values.list) for (const { name, summary } of CRASH_WORKLOADS) console.log(`${name.padEnd(22)} ${summary}`)
else await run()

async function run(): Promise<void> {
  const { workload: only } = values
  const workloads = CRASH_WORKLOADS.filter(({ name }) => only === undefined || name === only)
  if (workloads.length === 0) throw new Error(`there is no workload ${only}; --list names them`)
  const options = Object.entries({
    recoveries: numberOf(values.recoveries),
    damages: numberOf(values.damages),
    point: numberOf(values.point),
    damage: numberOf(values.damage),
  }).filter(([, value]) => value !== undefined)
  const startedMs = performance.now()
  const summaries = await crashRun({
    workloads,
    seed: Number(values.seed),
    depth: Number(values.depth),
    ...Object.fromEntries(options),
    onWorkload: ({ name, points, recoveries, failures }) => {
      const end = failures.length === 0 ? '' : `, ${failures.length} BROKEN PROMISES`
      console.log(`${name.padEnd(22)} ${points} operations, ${recoveries} recoveries${end}`)
      for (const { error, operation, command } of failures.slice(0, FAILURES_SHOWN))
        console.log(`  ${error.message}\n    after operation ${operation}\n    ${command}`)
      if (values.damage !== undefined) for (const { error } of failures) console.log(error.stack)
    },
  })
  const recoveries = summaries.reduce((sum, each) => sum + each.recoveries, 0)
  const broken = summaries.reduce((sum, each) => sum + each.failures.length, 0)
  const elapsedMs = performance.now() - startedMs
  const { user, system } = process.cpuUsage()
  console.log(
    `${recoveries} recoveries, each after ${values.depth} power cut(s), ${broken} broken promises, ` +
      `${(elapsedMs / 1000).toFixed(1)} s, ${((user + system) / 1000 / recoveries).toFixed(1)} ms of one core each`,
  )
  process.exitCode = broken === 0 ? 0 : 1
}
