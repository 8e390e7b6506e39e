import { describe, expect, test } from 'vitest'
import { KafkaError } from '../../client/index.ts'
import { simRuntime } from '../../testing/sim-runtime.ts'
import { HistoryTables } from '../history/columns.ts'
import { RunWorker } from './run-worker.ts'
import { retrying, within } from './time-limits.ts'

function setup() {
  const runtime = simRuntime(1)
  const history = new HistoryTables()
  const worker = new RunWorker({
    runtime,
    history,
    process: 3,
    index: 0,
    incarnation: 0,
    nowMs: () => runtime.clock.monotonicMs(),
    kafka: { brokers: ['nowhere:1'] },
  })
  const stuck = () =>
    Array.from({ length: history.tables.stuck.length }, (_, row) => ({
      what: history.strings.values[history.tables.stuck.what[row] as number],
      forMs: history.tables.stuck.forMs[row],
    }))
  return { clock: runtime.clock, worker, stuck }
}

const never = new Promise<never>(() => undefined)
const busy = (): Promise<never> => Promise.reject(new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', 'not yet'))

describe('within a limit', () => {
  test('what is done in time is told, and nothing is written down', async () => {
    const { clock, worker, stuck } = setup()
    expect(
      await clock.runUntil(
        within(
          worker,
          'waiting',
          100,
          worker.pause(99).then(() => 'done'),
        ),
      ),
    ).toBe('done')
    await clock.advance(1_000)
    expect(stuck()).toEqual([])
  })

  test('what never ends becomes a row, with how long it was waited for', async () => {
    const { clock, worker, stuck } = setup()
    expect(await clock.runUntil(within(worker, 'waiting', 100, never))).toBeUndefined()
    expect(stuck()).toEqual([{ what: 'waiting', forMs: 100 }])
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('trying again', () => {
  test('goes on after errors of a cluster that recovers, and ends with the first answer', async () => {
    const { clock, worker, stuck } = setup()
    let tries = 0
    const work = (): Promise<string> => {
      tries += 1
      return tries < 4 ? busy() : Promise.resolve('done')
    }
    expect(await clock.runUntil(retrying(worker, 'asking', 10_000, work))).toBe('done')
    expect(tries).toBe(4)
    expect(stuck()).toEqual([])
  })

  test('ends with its limit, also when each try fails at once', async () => {
    const { clock, worker, stuck } = setup()
    expect(await clock.runUntil(retrying(worker, 'asking', 1_000, busy))).toBeUndefined()
    expect(stuck()).toEqual([{ what: 'asking', forMs: 1_000 }])
    await clock.advance(10_000)
    expect(clock.pendingTimers).toBe(0)
  })

  test('does not go on after a mistake of ours', async () => {
    const { clock, worker } = setup()
    const wrong = retrying(worker, 'asking', 1_000, () => Promise.reject(new TypeError('no such thing')))
    await expect(clock.runUntil(wrong)).rejects.toThrow('no such thing')
  })
})
