/**
 * The checker of histories against random histories whose truth is known:
 *
 *   node scripts/checker-hunt.ts [--clean 10000] [--planted 100] [--from 0]   how many, how long, false alarms, what was missed
 *   node scripts/checker-hunt.ts --seed 17 [--plant NAME]                     one of them, told in full
 *
 * Exit code 1 when something was reported that is not there, or missed that is.
 */
import { parseArgs } from 'node:util'
import { formatVerdict } from '../src/verify/check/format-verdict.ts'
import { falseAlarms, planted } from '../src/verify/check/hunt.test-kit.ts'
import { type Plant, PLANTS } from '../src/verify/check/plants.test-kit.ts'

const { values } = parseArgs({
  options: {
    clean: { type: 'string', default: '10000' },
    planted: { type: 'string', default: '100' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string' },
    plant: { type: 'string' },
  },
})

/** Gives up on a plant for which so many histories in a row have no place. */
const WITHOUT_PLACE_MAX = 5_000

if (values.seed === undefined) hunt(Number(values.from), Number(values.clean), Number(values.planted))
else tell(Number(values.seed), values.plant)

function hunt(from: number, clean: number, each: number): void {
  const startedMs = performance.now()
  let wrong = 0
  for (let seed = from; seed < from + clean; seed += 1) {
    const alarms = falseAlarms(seed)
    if (alarms.length === 0) continue
    wrong += 1
    if (wrong <= 10) console.log(`false alarm: node scripts/checker-hunt.ts --seed ${seed}: ${alarms.join('; ')}`)
  }
  console.log(`${clean} clean histories from seed ${from}: ${wrong} false alarms, ${seconds(startedMs)}`)
  let missed = 0
  for (const plant of PLANTS) missed += huntPlant(plant, from, each)
  console.log(`${PLANTS.length} plants, ${each} times each: ${missed} mistakes, ${seconds(startedMs)}`)
  process.exitCode = wrong + missed === 0 ? 0 : 1
}

function huntPlant(plant: Plant, from: number, each: number): number {
  let count = 0
  let mistakes = 0
  let withoutPlace = 0
  for (let seed = from; count < each && withoutPlace < WITHOUT_PLACE_MAX; seed += 1) {
    const result = planted(seed, plant)
    withoutPlace = result === undefined ? withoutPlace + 1 : 0
    if (result === undefined) continue
    count += 1
    if (result.isFound && result.falseAlarms.length === 0) continue
    mistakes += 1
    const what = result.isFound ? result.falseAlarms.join('; ') : 'missed'
    if (mistakes <= 3) console.log(`${what}: node scripts/checker-hunt.ts --seed ${seed} --plant '${plant.name}'`)
  }
  if (count < each) console.log(`${plant.code} ${plant.name}: only ${count} histories have a place for it`)
  return mistakes
}

function tell(seed: number, name: string | undefined): void {
  const plant = PLANTS.find((one) => one.name === name)
  if (plant === undefined) {
    const alarms = falseAlarms(seed)
    console.log(alarms.length === 0 ? 'nothing is wrong' : alarms.join('\n'))
    process.exitCode = alarms.length === 0 ? 0 : 1
    return
  }
  const result = planted(seed, plant)
  console.log(result === undefined ? 'the history of this seed has no place for it' : formatVerdict(result.verdict))
  process.exitCode = result?.isFound === true && result.falseAlarms.length === 0 ? 0 : 1
}

function seconds(startedMs: number): string {
  return `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`
}
