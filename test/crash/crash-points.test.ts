/**
 * A slice of `npm run crash`: power cuts at file operations of scripted workloads on a whole broker. A failure names the command
 * that runs its case alone. SEMEL_CRASH_SCALE (default 1) multiplies the recoveries.
 */
import { expect, test } from 'vitest'
import { crashRun } from '../../src/testing/crash/crash-run.ts'
import type { WorkloadSummary } from '../../src/testing/crash/crash-run.ts'
import { CRASH_WORKLOADS } from '../../src/testing/crash/workloads/index.ts'

const SCALE = Number(process.env['SEMEL_CRASH_SCALE'] ?? 1)
const SEED = Number(process.env['SEMEL_SEED'] ?? 1)

function brokenPromises(summaries: readonly WorkloadSummary[]): string[] {
  return summaries.flatMap(({ failures }) => failures.map(({ error, command }) => `${error.message}\n${command}`))
}

test.each(CRASH_WORKLOADS)(
  '$name: whatever a power cut leaves, every promise is kept',
  {
    timeout: 300_000,
  },
  async (workload) => {
    const recoveries = Math.round(300 * SCALE)
    const summaries = await crashRun({ workloads: [workload], seed: SEED, depth: 1, recoveries })
    expect(brokenPromises(summaries)).toEqual([])
    expect(summaries[0]?.recoveries).toBeGreaterThan(recoveries * 0.9)
    expect(summaries[0]?.points).toBeGreaterThan(200)
  },
)

test('power cuts in the midst of starts after power cuts, three deep, change nothing of it', {
  timeout: 300_000,
}, async () => {
  const recoveries = Math.round(400 * SCALE)
  const summaries = await crashRun({ workloads: CRASH_WORKLOADS, seed: SEED, depth: 3, recoveries })
  expect(brokenPromises(summaries)).toEqual([])
})
