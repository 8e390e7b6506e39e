/**
 * The whole system under simulation, seed after seed: a broker, the clients of a workload, faults, and the verdict over the history.
 *
 *   npm run sim -- --seeds 300 [--seed FIRST] [--workload NAME] [--jobs N]   exit code 3 when a seed shows what Kafka forbids
 *   npm run sim -- --seed 17 [--faults 0,3,7] [--log LEVEL] [--trace]       one of them, told in full
 *
 * --once runs each seed once (twice otherwise: both must leave the same trace). --stop ends at the first seed that fails. A seed that fails is
 * shrunk to the few faults it needs (--no-shrink leaves that out).
 */
import { parseArgs } from 'node:util'
import { WORKLOADS, findWorkload } from '../src/verify/workloads/workloads.ts'
import { ScriptFailure, main } from './run.ts'
import { Crew } from './sim/crew.ts'
import { tellSeed } from './sim/one-seed.ts'
import { Tally } from './sim/tally.ts'

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    workload: { type: 'string' },
    faults: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    once: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: true },
    log: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
  allowNegative: true,
})

const EXIT_ANOMALY = 3
const DEFAULT_SEEDS = 300

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) throw new ScriptFailure(`--${name} ${text}: not a whole number`)
  return number
}

function checkWorkload(): void {
  const { workload } = flags
  if (workload === undefined || findWorkload(workload) !== undefined) return
  throw new ScriptFailure(`--workload ${workload}: there are ${WORKLOADS.map(({ name }) => name).join(', ')}`)
}

async function manySeeds(): Promise<void> {
  const first = wholeNumber('seed', flags.seed ?? '1')
  const count = wholeNumber('seeds', flags.seeds ?? String(DEFAULT_SEEDS))
  const tally = new Tally(flags.workload)
  const crew = new Crew({
    jobs: wholeNumber('jobs', flags.jobs),
    workload: flags.workload,
    runs: flags.once ? 1 : 2,
    shrinks: flags.shrink,
  })
  await crew.work(first, count, (outcome) => {
    tally.add(outcome)
    return !(flags.stop && tally.failed > 0)
  })
  tally.print(first)
  if (tally.failed > 0) process.exitCode = EXIT_ANOMALY
}

await main(async () => {
  checkWorkload()
  if (flags.seeds !== undefined || flags.seed === undefined) {
    await manySeeds()
    return
  }
  const isRight = await tellSeed({
    seed: wholeNumber('seed', flags.seed),
    workload: flags.workload,
    ...(flags.faults !== undefined && {
      onlyFaults: flags.faults === '' ? [] : flags.faults.split(',').map((text) => wholeNumber('faults', text)),
    }),
    ...(flags.log !== undefined && { logLevel: flags.log }),
    traces: flags.trace,
  })
  if (!isRight) process.exitCode = EXIT_ANOMALY
})
