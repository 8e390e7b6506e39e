/** From a seed that fails to the few of its faults that are enough for it. */
import fc from 'fast-check'
import { simulateSeed } from '../../src/testing/world/simulate-seed.ts'
import { problemsOf, workloadsOf } from './judged-seed.ts'

const TRIES_MAX = 120

/** Indices into the seed's planned faults; `undefined` when the seed does not fail this time, or fails without any fault. */
export async function shrinkSeed(seed: number, workload: string | undefined): Promise<readonly number[] | undefined> {
  const workloads = workloadsOf(workload)
  const { faults } = await simulateSeed({ seed, workloads })
  const all = faults.map((_, at) => at)
  if (all.length === 0) return []
  let tries = 0
  const isRight = async (onlyFaults: readonly number[]): Promise<boolean> => {
    tries += 1
    // Out of tries everything counts as right, so that the smallest found so far is what is told.
    if (tries > TRIES_MAX) return true
    return problemsOf(await simulateSeed({ seed, workloads, onlyFaults })).length === 0
  }
  const some = fc.array(fc.constantFrom(...all), { maxLength: all.length })
  const details = await fc.check(
    fc.asyncProperty(some, (onlyFaults) => isRight(onlyFaults)),
    { examples: [[all]], numRuns: 1, seed },
  )
  return details.counterexample?.[0]?.toSorted((a, b) => a - b)
}
