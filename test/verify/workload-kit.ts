/** Runs a workload for a moment of virtual time on a broker in memory, and counts what its history says. */
import { Broker } from '../../src/broker/broker.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import { type Column, HistoryTables, type Tables } from '../../src/verify/history/columns.ts'
import { OUTCOMES, type TableName } from '../../src/verify/history/tables.ts'
import { LocalStage } from '../../src/verify/run/local-stage.ts'
import { runWorkload } from '../../src/verify/run/run-workload.ts'
import { SeededRandom } from '../../src/verify/run/seeded-random.ts'
import type { Workload, WorkloadPlan } from '../../src/verify/workloads/workload.ts'

export interface TestRun {
  readonly history: HistoryTables
  readonly tables: Tables
  readonly plan: WorkloadPlan
}

export interface TestRunOptions {
  readonly durationMs?: number
  readonly rate?: number
  readonly abortShare?: number
  readonly faults?: 'none' | 'clients'
  readonly seed?: number
}

const TIMEOUTS = { transactionMs: 1_500, sessionMs: 1_500, requestMs: 2_000, deliveryMs: 5_000 }

export async function runOnMemory(workload: Workload, options: TestRunOptions = {}): Promise<TestRun> {
  const { durationMs = 1_500, rate = 40, abortShare = 0.2, faults = 'none', seed = 1 } = options
  const runtime = simRuntime(seed, { networkLatencyMs: { min: 0, max: 2 } })
  const { clock } = runtime
  const starting = Broker.start({
    dataDir: '/data',
    port: 9092,
    runtime,
    properties: {
      'group.initial.rebalance.delay.ms': '0',
      'group.min.session.timeout.ms': '500',
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200',
    },
  })
  const broker = await clock.runUntil(starting)
  try {
    const history = new HistoryTables()
    const stage = new LocalStage({
      runtime,
      history,
      kafka: { brokers: [broker.bootstrap] },
      seed,
      faults,
      faultIntervalMs: 200,
      pauseMaxMs: 2_500,
    })
    const run = `test${seed}`
    const plan = workload.plan({
      run,
      random: new SeededRandom(seed),
      durationMs,
      rate,
      abortShare,
      replicationFactor: 1,
      timeouts: TIMEOUTS,
    })
    const control = stage.controlWorker()
    await clock.runUntil(runWorkload({ run, plan, stage, control, durationMs, timeouts: TIMEOUTS }))
    return { history, tables: history.tables, plan }
  } finally {
    await clock.runUntil(broker.close())
  }
}

/** How many rows of a table have these values. Texts and outcomes are given as such. */
export function count(
  { history }: TestRun,
  table: TableName,
  where: Readonly<Record<string, string | number>> = {},
): number {
  const rows = history.tables[table] as unknown as { readonly length: number } & Readonly<Record<string, Column>>
  const wanted = Object.entries(where).map(
    ([column, value]) => [rows[column] as Column, numberOf(column, value)] as const,
  )
  let found = 0
  for (let at = 0; at < rows.length; at += 1) if (wanted.every(([column, value]) => column[at] === value)) found += 1
  return found

  function numberOf(column: string, value: string | number): number {
    if (typeof value === 'number') return value
    if (column === 'outcome') return OUTCOMES.indexOf(value as (typeof OUTCOMES)[number])
    return history.strings.find(value) ?? -1
  }
}

/** What did not end in its time. */
export function stuck({ history }: TestRun): readonly string[] {
  const { what, length } = history.tables.stuck
  return Array.from({ length }, (_, at) => history.strings.values[what[at] as number] as string)
}
