/** The checker against histories whose truth is known: clean ones, and ones with a single thing wrong. Each is a function of its seed. */
import { SimRandom } from '../../testing/sim-random.ts'
import { check } from './check.ts'
import { Model } from './model.test-kit.ts'
import { Planting } from './planting.test-kit.ts'
import type { Plant } from './plants.test-kit.ts'
import type { Verdict } from './verdict.ts'

/** What the checker reports and should not; empty when it is right. */
export function falseAlarms(seed: number): string[] {
  return failures(check(new Model(seed, drawOf(seed)).run().draft.history()))
}

export interface Planted {
  readonly verdict: Verdict
  readonly isFound: boolean
  /** What was reported beside it and has nothing to do with it. */
  readonly falseAlarms: readonly string[]
}

/** `undefined`: the history of this seed has no place for it. */
export function planted(seed: number, plant: Plant): Planted | undefined {
  const draw = drawOf(seed)
  const model = new Model(seed, draw).run(plant.finale)
  if (!plant.plant(new Planting(model, draw))) return undefined
  const verdict = check(model.draft.history())
  const isFound = verdict.anomalies.some(({ code }) => code === plant.code)
  const related = [plant.code, ...(plant.follows ?? [])]
  const others = verdict.anomalies.filter(({ code }) => !related.includes(code))
  return { verdict, isFound, falseAlarms: failures({ ...verdict, anomalies: others }) }
}

function drawOf(seed: number): (limit: number) => number {
  const random = new SimRandom(seed)
  return (limit) => random.below(limit)
}

function failures({ anomalies }: Verdict): string[] {
  return anomalies.filter(({ isAllowed }) => !isAllowed).map(({ code, summary }) => `${code}: ${summary}`)
}
