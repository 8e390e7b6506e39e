/** The run of a workload under virtual time: its phases, who takes over from whom, what it does with what never ends. */
import { describe, expect, test } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import { type Column, HistoryTables } from '../../src/verify/history/columns.ts'
import { TABLE_NAMES } from '../../src/verify/history/tables.ts'
import { LocalStage } from '../../src/verify/run/local-stage.ts'
import { runWorkload } from '../../src/verify/run/run-workload.ts'
import { SeededRandom } from '../../src/verify/run/seeded-random.ts'
import { Participant } from '../../src/verify/workloads/participant.ts'
import { queue } from '../../src/verify/workloads/queue.ts'
import type { Role, Timeouts, WorkloadPlan } from '../../src/verify/workloads/workload.ts'

const TIMEOUTS: Timeouts = { transactionMs: 60_000, sessionMs: 6_000, requestMs: 2_000, deliveryMs: 5_000 }
const TIMEOUT_MS = 60_000
const RUN = 'r'

interface Options {
  readonly seed?: number
  readonly settleMs?: number
  readonly scansOften?: boolean
  readonly faults?: 'none' | 'clients'
  readonly planOf?: (seed: number) => WorkloadPlan
}

async function runInSim(roles: readonly Role[], options: Options = {}) {
  const { seed = 1, settleMs = 5_000, scansOften = false, faults = 'none', planOf } = options
  const runtime = simRuntime(seed, { networkLatencyMs: { min: 1, max: 3 } })
  const properties = { 'group.initial.rebalance.delay.ms': '0' }
  const broker = await runtime.clock.runUntil(Broker.start({ runtime, dataDir: '/data', port: 9092, properties }))
  const history = new HistoryTables()
  const kafka = { brokers: [broker.bootstrap] }
  const stage = new LocalStage({ runtime, history, kafka, seed, faults, faultIntervalMs: 500, pauseMaxMs: 9_000 })
  const plan = planOf?.(seed) ?? { topics: [{ topic: 't', partitions: 2 }], roles, expectations: { settleMs } }
  const running = runWorkload({
    run: RUN,
    plan,
    stage,
    control: stage.controlWorker(),
    durationMs: 3_000,
    timeouts: TIMEOUTS,
    scansOften,
  })
  await runtime.clock.runUntil(running)
  await runtime.clock.runUntil(broker.close())
  return history
}

function texts(history: HistoryTables, table: 'processEnded' | 'phase' | 'stuck', column: string): string[] {
  const rows = history.tables[table]
  const numbers = (rows as unknown as Readonly<Record<string, Column>>)[column]?.subarray(0, rows.length) ?? []
  return Array.from(numbers, (number) => history.strings.values[number] as string)
}

function roleOf(name: string, run: Role['run'], count = 1): Role {
  return { name, count, run }
}

describe('a run', () => {
  test('goes through its phases in order, and reads the logs as often as it is asked to', async () => {
    const idle = roleOf('idle', (worker) => worker.stopping, 2)
    const history = await runInSim([idle], { scansOften: true })
    expect(texts(history, 'phase', 'phase')).toEqual(['running', 'healed', 'settled', 'drained', 'scanned'])
    expect(texts(history, 'processEnded', 'cause')).toEqual(['done', 'done'])
    const { scan, length } = history.tables.logScan
    expect(Array.from(scan.subarray(0, length))).toEqual([0, 0, 1, 1, 2, 2])
    expect(texts(history, 'stuck', 'what')).toEqual([])
  })

  test('a role that dies is played anew by another process, which is told how many there were before', async () => {
    const seen: number[] = []
    const mortal = roleOf('mortal', async (worker) => {
      seen.push(worker.incarnation, worker.process)
      if (worker.incarnation < 2) throw new Error(`death ${worker.incarnation}`)
      await worker.stopping
    })
    const history = await runInSim([mortal])
    expect(seen).toEqual([0, 1, 1, 2, 2, 3])
    expect(texts(history, 'processEnded', 'cause')).toEqual(['death 0', 'death 1', 'done'])
  })

  test('a role that does not stop is written down and killed, and the run goes on', async () => {
    const deaf = roleOf('deaf', () => new Promise(() => undefined))
    const history = await runInSim([deaf])
    expect(texts(history, 'stuck', 'what')).toEqual(['roles that were told to stop', 'deaf 0 does not stop'])
    expect(texts(history, 'processEnded', 'cause')).toEqual(['killed'])
    expect(texts(history, 'phase', 'phase').at(-1)).toBe('scanned')
  })

  test('a transaction that stays open is written down where it holds the last stable offset', async () => {
    const forgetful = roleOf('forgetful', async (worker) => {
      const me = new Participant(worker, { run: RUN, timeouts: TIMEOUTS })
      const writer = await me.openWriter({ transactionalId: `${RUN}-x`, transactionTimeoutMs: 600_000 })
      const tx = await writer.begin()
      await tx.send({ topic: 't', partition: 1 })
      await worker.stopping
    })
    const history = await runInSim([forgetful])
    expect(texts(history, 'stuck', 'what')).toEqual([
      'last stable offset of t-1 is 0, high watermark 1',
      'r-x is Ongoing',
      'draining t-1 to 1',
    ])
    expect(history.tables.producerState.length).toBe(1)
    expect(history.tables.producerState.openTransactionOffset[0]).toBe(0)
    expect(history.strings.values[history.tables.coordinatorState.state[0] as number]).toBe('Ongoing')
  })

  test('on a cluster that is not there rejects with why', async () => {
    const runtime = simRuntime(1)
    const kafka = { brokers: ['127.0.0.1:1'] }
    const history = new HistoryTables()
    const stage = new LocalStage({
      ...{ runtime, history, kafka, seed: 1, faults: 'none', faultIntervalMs: 1, pauseMaxMs: 1 },
    })
    const plan = { topics: [{ topic: 't' }], roles: [], expectations: { settleMs: 1 } }
    const control = stage.controlWorker()
    const running = runWorkload({ run: RUN, plan, stage, control, durationMs: 1, timeouts: TIMEOUTS })
    await expect(runtime.clock.runUntil(running)).rejects.toThrow('127.0.0.1:1')
  })

  test('is a function of its seed, faults included', { timeout: TIMEOUT_MS }, async () => {
    const planOf = (seed: number): WorkloadPlan =>
      queue.plan({
        ...{ run: RUN, random: new SeededRandom(seed), durationMs: 3_000, rate: 10, abortShare: 0.2 },
        ...{ replicationFactor: 1, timeouts: { ...TIMEOUTS, transactionMs: 6_000 } },
      })
    const rowsOf = async (seed: number): Promise<string> => {
      const history = await runInSim([], { seed, faults: 'clients', planOf })
      expect(history.tables.fault.length).toBeGreaterThan(2)
      return JSON.stringify([
        history.strings.values,
        TABLE_NAMES.map((name) =>
          Object.values(history.tables[name]).map((column: number | Column) =>
            typeof column === 'number' ? column : Array.from(column.subarray(0, history.tables[name].length)),
          ),
        ),
      ])
    }
    const first = await rowsOf(3)
    expect(await rowsOf(3)).toBe(first)
    expect(await rowsOf(4)).not.toBe(first)
  })
})
