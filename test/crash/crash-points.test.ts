/**
 * A slice of `npm run crash`: power cuts at file operations of scripted workloads on a whole broker. A failure names the command that
 * runs its case alone.
 */
import { expect, test } from 'vitest'
import type { CrashWorkload } from '../../src/testing/crash/live-run.ts'
import { CRASH_WORKLOADS } from '../../src/testing/crash/workloads/index.ts'
import { plainAppends } from '../../src/testing/crash/workloads/plain-appends.ts'
import { transactionsV2 } from '../../src/testing/crash/workloads/transactions-v2.ts'
import { brokenPromises, countOf, LONG, run, SCALE } from './crash-slice.ts'

test.each(CRASH_WORKLOADS)('$name: whatever a power cut leaves, every promise is kept', LONG, async (workload) => {
  const summaries = await run(230, { harm: 'power-cut', workloads: [workload] })
  expect(brokenPromises(summaries)).toEqual([])
  expect(countOf(summaries, 'kept')).toBeGreaterThan(200 * SCALE)
  expect(summaries[0]?.points).toBeGreaterThan(200)
})

test('power cuts in the midst of starts after power cuts, three deep, break no promise', LONG, async () => {
  expect(brokenPromises(await run(280, { harm: 'power-cut', depth: 3 }))).toEqual([])
})

test('a broker that acknowledges before the flush is found out, with the command that shows it', LONG, async () => {
  const eager = (workload: CrashWorkload): CrashWorkload => ({
    ...workload,
    properties: { ...workload.properties, 'semel.durability': 'os' },
  })
  for (const workload of [plainAppends, transactionsV2]) {
    const broken = brokenPromises(await run(60, { harm: 'power-cut', workloads: [eager(workload)] }))
    expect(broken.join('\n')).toMatch(/was acknowledged|was there|ended at|was committed/)
    expect(broken[0]).toMatch(
      /npm run crash -- --harm power-cut --workload [\w-]+ --seed \d+ --point \d+ --damage \d+$/,
    )
  }
})
