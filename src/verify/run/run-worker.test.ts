import { expect, test } from 'vitest'
import { simRuntime } from '../../testing/sim-runtime.ts'
import { HistoryTables } from '../history/columns.ts'
import { RunWorker } from './run-worker.ts'
import { SeededRandom } from './seeded-random.ts'

function workerOf(process: number) {
  const runtime = simRuntime(1)
  const worker = new RunWorker({
    runtime,
    history: new HistoryTables(),
    process,
    index: 0,
    incarnation: 0,
    nowMs: () => runtime.clock.monotonicMs(),
    kafka: { brokers: ['nowhere:1'] },
  })
  return { worker, clock: runtime.clock }
}

test('numbers of writers and readers are those of no other process', () => {
  const [first, second] = [workerOf(0).worker, workerOf(1).worker]
  const numbers = [first, first, second, second].map((worker) => worker.newWriter())
  expect(new Set(numbers).size).toBe(4)
  expect([first.newReader(), second.newReader()]).toEqual([0, 65_536])
})

test('a process that asks for more numbers than it has is stopped before it takes those of another', () => {
  const { worker } = workerOf(2)
  for (let count = 0; count < 65_536; count += 1) worker.newWriter()
  expect(() => worker.newWriter()).toThrow('at most 65536')
})

test('a pause is over when its time is, or when the worker is told to stop; none begins afterwards', async () => {
  const { worker, clock } = workerOf(1)
  await clock.runUntil(worker.pause(50))
  expect(clock.monotonicMs()).toBe(50)
  const both = Promise.all([worker.pause(1_000), worker.pause(2_000)])
  clock.setTimer(10, () => worker.stop())
  await clock.runUntil(both)
  await clock.runUntil(worker.pause(1_000))
  await worker.stopping
  expect(worker.isStopping).toBe(true)
  expect(clock.monotonicMs()).toBe(60)
  expect(clock.pendingTimers).toBe(0)
})

test('seeded randomness repeats with its seed and stream, and differs with either', () => {
  const draws = (seed: number, stream?: number): string => {
    const random = new SeededRandom(seed, stream)
    return Array.from({ length: 8 }, () => random.nextUint32()).join()
  }
  expect(draws(7, 1)).toBe(draws(7, 1))
  expect(new Set([draws(7), draws(7, 1), draws(8), draws(8, 1)]).size).toBe(4)
})
