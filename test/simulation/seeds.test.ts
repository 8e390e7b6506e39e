/**
 * Seeds of the whole system: a broker, the clients of a workload, faults, the verdict over the history, each run twice with the same
 * trace. `npm run sim -- --seeds N` runs more of them, on all cores.
 *
 * SEMEL_SEEDS (default 300) and SEMEL_SEED (the first, default 1) choose which.
 */
import { expect, test } from 'vitest'
import { FAULT_KINDS } from '../../src/testing/world/faults.ts'
import { WORKLOADS } from '../../src/verify/workloads/workloads.ts'
import { judgeSeed, type Outcome } from '../../scripts/sim/judged-seed.ts'

const FIRST = Number(process.env['SEMEL_SEED'] ?? 1)
const COUNT = Number(process.env['SEMEL_SEEDS'] ?? 300)
const AT_A_TIME = 25

const starts = Array.from({ length: Math.ceil(COUNT / AT_A_TIME) }, (_, at) => FIRST + at * AT_A_TIME)

const told: Outcome[] = []

test.each(starts)(
  '25 seeds from %i: exactly once holds, and every run can be repeated',
  { timeout: 300_000 },
  async (from) => {
    for (let seed = from; seed < Math.min(from + AT_A_TIME, FIRST + COUNT); seed += 1) {
      const outcome = await judgeSeed(seed, { workload: undefined, runs: 2, rejections: () => [] })
      told.push(outcome)
      expect(outcome.problems, `npm run sim -- --seed ${seed}`).toEqual([])
    }
  },
)

test('the seeds met every workload and every kind of fault, and got something done', () => {
  const workloads = new Set(told.map(({ workload }) => workload))
  const faults = new Set(told.flatMap((outcome) => Object.keys(outcome.faults)))
  const isWhole = COUNT >= 200
  if (isWhole) expect([...workloads].toSorted()).toEqual(WORKLOADS.map(({ name }) => name).toSorted())
  if (isWhole) expect([...faults].toSorted()).toEqual([...FAULT_KINDS].toSorted())
  expect(told.reduce((sum, { transactions }) => sum + transactions, 0)).toBeGreaterThan(10 * COUNT)
  expect(told.reduce((sum, { reads }) => sum + reads, 0)).toBeGreaterThan(100 * COUNT)
})
