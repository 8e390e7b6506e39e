import { describe, expect, test } from 'vitest'
import { CATALOGUE } from './catalogue.ts'
import { falseAlarms, planted } from './hunt.test-kit.ts'
import { PLANTS } from './plants.test-kit.ts'

const CLEAN = 500
const PLANTED_EACH = 20
/** Some things have a place in one history of a hundred only. */
const SEEDS_MAX = 4_000

test('nothing is found in histories in which nothing is wrong', () => {
  for (let seed = 0; seed < CLEAN; seed += 1) {
    expect(falseAlarms(seed), `node scripts/checker-hunt.ts --seed ${seed}`).toEqual([])
  }
})

describe('what is planted is found, and nothing else that fails', () => {
  test.each(PLANTS.map((plant) => [plant.code, plant.name, plant] as const))('%s: %s', (_code, name, plant) => {
    let count = 0
    for (let seed = 0; count < PLANTED_EACH && seed < SEEDS_MAX; seed += 1) {
      const result = planted(seed, plant)
      if (result === undefined) continue
      count += 1
      const again = `node scripts/checker-hunt.ts --seed ${seed} --plant '${name}'`
      expect({ isFound: result.isFound, others: result.falseAlarms }, again).toEqual({ isFound: true, others: [] })
    }
    expect(count).toBe(PLANTED_EACH)
  })
})

test('each kind that the checker judges by itself has a plant', () => {
  const judged = CATALOGUE.filter((entry) => !('judgedBy' in entry)).map(({ code }) => code)
  expect([...new Set(PLANTS.map(({ code }) => code))].toSorted()).toEqual(judged.toSorted())
})
