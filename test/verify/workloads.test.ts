/** Each workload beside a real broker, for a moment: its history has what it should have, and every process that ended was done. */
import { describe, expect, test } from 'vitest'
import { bank } from '../../src/verify/workloads/bank.ts'
import { queue } from '../../src/verify/workloads/queue.ts'
import { count, runOnMemory, stuck, type TestRun } from './workload-kit.ts'

const TIMEOUT_MS = 60_000

/** What holds for all of them when nothing is done to anybody. */
function expectSound(run: TestRun): void {
  const { tables, plan } = run
  expect(stuck(run)).toEqual([])
  expect(count(run, 'processEnded', { cause: 'done' })).toBe(plan.roles.reduce((sum, { count: n }) => sum + n, 0))
  expect(count(run, 'processEnded')).toBe(count(run, 'processEnded', { cause: 'done' }))
  expect(count(run, 'phase')).toBe(5)
  expect(count(run, 'logScan')).toBe(plan.topics.reduce((sum, { partitions = 1 }) => sum + partitions, 0))
  expect(tables.watermarks.length).toBeGreaterThan(0)
  // Nothing was lost on the way, so whatever was begun has an end.
  expect(tables.transactionEnding.length).toBe(tables.transactionBegun.length)
  expect(tables.transactionEnded.length).toBe(tables.transactionEnding.length)
}

describe('queue', () => {
  test('sends, reads, aborts, and tells where plain values lie', { timeout: TIMEOUT_MS }, async () => {
    const run = await runOnMemory(queue)
    expectSound(run)
    expect(count(run, 'transactionEnded', { outcome: 'ok' })).toBe(run.tables.transactionEnded.length)
    expect(count(run, 'transactionEnding', { isCommit: 0 })).toBeGreaterThan(0)
    expect(count(run, 'transactionEnding', { isCommit: 1 })).toBeGreaterThan(50)
    expect(count(run, 'sendCompleted', { outcome: 'ok' })).toBe(run.tables.sendCompleted.length)
    expect(run.tables.sendCompleted.length).toBeGreaterThan(50)
    expect(run.tables.logRecord.length).toBe(run.tables.sendInvoked.length)
    expect(run.tables.read.length).toBeGreaterThan(run.tables.sendInvoked.length)
    expect(run.tables.offsetCommitInvoked.length).toBeGreaterThan(0)
    expect(run.tables.offsetFetched.length).toBeGreaterThan(0)
  })
})

describe('bank', () => {
  test('moves amounts that add up to nothing in each transaction', { timeout: TIMEOUT_MS }, async () => {
    const run = await runOnMemory(bank)
    expectSound(run)
    const { effect, sendInvoked } = run.tables
    expect(effect.length).toBe(sendInvoked.length)
    expect(effect.length).toBeGreaterThan(200)
    expect(effect.amount.subarray(0, effect.length).reduce((sum, amount) => sum + amount, 0)).toBe(0)
  })
})
