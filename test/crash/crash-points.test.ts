/**
 * A slice of `npm run crash`: harm at file operations of scripted workloads on a whole broker. A failure names the command that
 * runs its case alone. SEMEL_CRASH_SCALE (default 1) multiplies the cases; SEMEL_SEED sets the seed.
 */
import { expect, test } from 'vitest'
import { crashRun } from '../../src/testing/crash/crash-run.ts'
import type { CrashRunOptions, WorkloadSummary } from '../../src/testing/crash/crash-run.ts'
import type { CrashWorkload } from '../../src/testing/crash/live-run.ts'
import { CRASH_WORKLOADS } from '../../src/testing/crash/workloads/index.ts'
import { plainAppends } from '../../src/testing/crash/workloads/plain-appends.ts'
import { transactionsV2 } from '../../src/testing/crash/workloads/transactions-v2.ts'

const SCALE = Number(process.env['SEMEL_CRASH_SCALE'] ?? 1)
const SEED = Number(process.env['SEMEL_SEED'] ?? 1)
const LONG = { timeout: 300_000 }

async function run(
  recoveries: number,
  options: Partial<CrashRunOptions> & Pick<CrashRunOptions, 'harm'>,
): Promise<readonly WorkloadSummary[]> {
  const defaults = { workloads: CRASH_WORKLOADS, seed: SEED, depth: 1 }
  return await crashRun({ ...defaults, ...options, recoveries: Math.round(recoveries * SCALE) })
}

function brokenPromises(summaries: readonly WorkloadSummary[]): string[] {
  return summaries.flatMap(({ failures }) => failures.map(({ error, command }) => `${error.message}\n${command}`))
}

function countOf(summaries: readonly WorkloadSummary[], verdict: string): number {
  return summaries.reduce((sum, { verdicts }) => sum + (verdicts.get(verdict) ?? 0), 0)
}

test.each(CRASH_WORKLOADS)('$name: whatever a power cut leaves, every promise is kept', LONG, async (workload) => {
  const summaries = await run(280, { harm: 'power-cut', workloads: [workload] })
  expect(brokenPromises(summaries)).toEqual([])
  expect(countOf(summaries, 'kept')).toBeGreaterThan(250 * SCALE)
  expect(summaries[0]?.points).toBeGreaterThan(200)
})

test('power cuts in the midst of starts after power cuts, three deep, break no promise', LONG, async () => {
  expect(brokenPromises(await run(350, { harm: 'power-cut', depth: 3 }))).toEqual([])
})

test(
  'bytes that rot after they were flushed are refused with a reason, or their end is missing; never are they handed out',
  LONG,
  async () => {
    const summaries = await run(350, { harm: 'rot' })
    expect(brokenPromises(summaries)).toEqual([])
    expect(countOf(summaries, 'refused')).toBeGreaterThan(80 * SCALE)
  },
)

test(
  'a disk that lies about flushes makes a start refuse with a reason, or miss the end and nothing but the end',
  LONG,
  async () => {
    const summaries = await run(350, { harm: 'lies' })
    expect(brokenPromises(summaries)).toEqual([])
    expect(countOf(summaries, 'shorter')).toBeGreaterThan(80 * SCALE)
  },
)

test(
  'an operation that fails, once or for good, stops the broker with a reason, and a start keeps what was acknowledged',
  LONG,
  async () => {
    const summaries = await run(60, { harm: 'fault' })
    expect(brokenPromises(summaries)).toEqual([])
    expect(countOf(summaries, 'stopped')).toBeGreaterThan(50 * SCALE)
  },
)

test('a broker that acknowledges before the flush is found out, with the command that shows it', LONG, async () => {
  const eager = (workload: CrashWorkload): CrashWorkload => ({
    ...workload,
    properties: { ...workload.properties, 'semel.durability': 'os' },
  })
  for (const workload of [plainAppends, transactionsV2]) {
    const broken = brokenPromises(await run(100, { harm: 'power-cut', workloads: [eager(workload)] }))
    expect(broken.join('\n')).toMatch(/was acknowledged|was there|ended at|was committed/)
    expect(broken[0]).toMatch(
      /npm run crash -- --harm power-cut --workload [\w-]+ --seed \d+ --point \d+ --damage \d+$/,
    )
  }
})
