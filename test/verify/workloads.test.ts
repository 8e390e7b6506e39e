/** Each workload beside the broker, for a moment of virtual time: its history has what it should have, and every process that ended was done. */
import { describe, expect, test } from 'vitest'
import { abortPosition } from '../../src/verify/workloads/abort-position.ts'
import { bank } from '../../src/verify/workloads/bank.ts'
import { compact } from '../../src/verify/workloads/compact.ts'
import { copier } from '../../src/verify/workloads/copier.ts'
import { hijack } from '../../src/verify/workloads/hijack.ts'
import { long } from '../../src/verify/workloads/long.ts'
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
  expect(tables.transactionEnding.length).toBe(tables.transactionBegun.length)
}

/** Nothing was lost on the way, so whatever was begun has an end that somebody was told. */
function expectNoneUnknown({ tables }: TestRun): void {
  expect(tables.transactionEnded.length).toBe(tables.transactionEnding.length)
}

describe('queue', () => {
  test('sends, reads, aborts, and tells where plain values lie', { timeout: TIMEOUT_MS }, async () => {
    const run = await runOnMemory(queue)
    expectSound(run)
    expectNoneUnknown(run)
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
    expectNoneUnknown(run)
    const { effect, sendInvoked } = run.tables
    expect(effect.length).toBe(sendInvoked.length)
    expect(effect.length).toBeGreaterThan(200)
    expect(effect.amount.subarray(0, effect.length).reduce((sum, amount) => sum + amount, 0)).toBe(0)
  })
})

describe('copier', () => {
  test('copies what it passes, by hand and by pipeline', { timeout: TIMEOUT_MS }, async () => {
    const run = await runOnMemory(copier)
    expectSound(run)
    const { tables } = run
    expect(tables.citation.length).toBeGreaterThan(200)
    expect(tables.writerStarted.length).toBeGreaterThanOrEqual(6)
    // A pipeline tells nobody what became of its transactions; the others do.
    expect(tables.transactionEnded.length).toBeGreaterThan(0)
    expect(tables.transactionEnded.length).toBeLessThan(tables.transactionBegun.length)
    expect(tables.assignment.length).toBeGreaterThan(0)
    expect(tables.offsetFetched.length).toBeGreaterThanOrEqual(4)
  })
})

describe('hijack', () => {
  test('rivals fence each other again and again', { timeout: TIMEOUT_MS }, async () => {
    const run = await runOnMemory(hijack)
    expectSound(run)
    expect(run.tables.writerStarted.length).toBeGreaterThan(10)
    expect(count(run, 'transactionEnded', { outcome: 'ok' })).toBeGreaterThan(10)
    expect(run.tables.transactionEnded.length).toBeGreaterThan(count(run, 'transactionEnded', { outcome: 'ok' }))
  })
})

describe('long', () => {
  test('transactions outlive their timeout, records are deleted', { timeout: TIMEOUT_MS }, async () => {
    const run = await runOnMemory(long, { durationMs: 5_000 })
    expectSound(run)
    const { tables } = run
    expect(tables.transactionEnded.length).toBeGreaterThan(count(run, 'transactionEnded', { outcome: 'ok' }))
    const starts = tables.logScan.from.subarray(0, tables.logScan.length)
    expect(starts.filter((from) => from > 0).length).toBe(2)
  })
})

describe('abort-position', () => {
  test('aborts half of the transactions that read', { timeout: TIMEOUT_MS }, async () => {
    const run = await runOnMemory(abortPosition)
    expectSound(run)
    const { transactionEnding, read, offsetFetched } = run.tables
    const aborted = count(run, 'transactionEnding', { isCommit: 0 })
    expect(aborted).toBeGreaterThan(transactionEnding.length / 5)
    expect(read.length).toBeGreaterThan(100)
    expect(offsetFetched.length).toBeGreaterThan(2)
  })
})

describe('compact', () => {
  test('writes keys in transactions and without', { timeout: TIMEOUT_MS }, async () => {
    const run = await runOnMemory(compact)
    expectSound(run)
    expectNoneUnknown(run)
    expect(run.plan.expectations.shrinks).toEqual([run.plan.topics[0]?.topic])
    expect(count(run, 'sendInvoked', { transaction: 0 })).toBeGreaterThan(50)
    expect(run.tables.sendInvoked.length).toBeGreaterThan(2 * count(run, 'transactionBegun'))
  })
})
