/**
 * The read_committed filter against its oracle, for as many random logs as wanted:
 *
 *   node scripts/filter-hunt.ts [--cases 1000000] [--from 0] [--bytes]      prints how many, how long, how many mismatches
 *   node scripts/filter-hunt.ts --seed 17 [--bytes]                         one of them: what was seen, what should have been
 *
 * `--bytes` takes the whole path from encoded batches on. Exit code 1 at a mismatch.
 */
import { parseArgs } from 'node:util'
import { hunt, isRight, semelFilter } from '../src/client/core/fetch/filter-hunt.test-kit.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '1000000' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string' },
    bytes: { type: 'boolean', default: false },
  },
})
const filter = values.bytes ? 'bytes' : semelFilter
const suffix = values.bytes ? ' --bytes' : ''

if (values.seed !== undefined) {
  const result = hunt(Number(values.seed), filter)
  console.log(`seen:     ${result.seen.join(' ')}\nexpected: ${result.expected.join(' ')}`)
  process.exitCode = isRight(result) ? 0 : 1
} else {
  const startedMs = performance.now()
  const from = Number(values.from)
  const cases = Number(values.cases)
  let mismatches = 0
  let fetches = 0
  let records = 0
  for (let seed = from; seed < from + cases; seed += 1) {
    const result = hunt(seed, filter)
    fetches += result.fetches
    records += result.expected.length
    if (isRight(result)) continue
    mismatches += 1
    if (mismatches <= 10) console.log(`mismatch: node scripts/filter-hunt.ts --seed ${seed}${suffix}`)
  }
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
  console.log(
    `${cases} random logs from seed ${from}, ${fetches} fetches, ${records} committed records, ${mismatches} mismatches, ${seconds} s`,
  )
  process.exitCode = mismatches === 0 ? 0 : 1
}
