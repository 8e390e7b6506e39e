import { expect, test } from 'vitest'
import { SIM_EPOCH_MS, SimClock } from '../testing/sim-clock.ts'
import { ForwardClock } from './forward-clock.ts'

const DAY_MS = 86_400_000

test('it is the wall clock as long as that goes forward, also in steps', async () => {
  const wall = new SimClock()
  const clock = new ForwardClock(wall)
  expect(clock.nowMs()).toBe(SIM_EPOCH_MS)
  await wall.advance(1500)
  expect(clock.nowMs()).toBe(wall.nowMs())
  wall.stepWallClock(DAY_MS)
  expect(clock.nowMs()).toBe(wall.nowMs())
})

test('where the wall clock goes back it runs on, once and again', async () => {
  const wall = new SimClock()
  const clock = new ForwardClock(wall)
  await wall.advance(1000)
  wall.stepWallClock(-DAY_MS)
  expect(clock.nowMs()).toBe(SIM_EPOCH_MS + 1000)
  await wall.advance(500)
  expect(clock.nowMs()).toBe(SIM_EPOCH_MS + 1500)
  wall.stepWallClock(-DAY_MS)
  await wall.advance(500)
  expect(clock.nowMs()).toBe(SIM_EPOCH_MS + 2000)
  wall.stepWallClock(DAY_MS)
  expect(clock.nowMs()).toBe(SIM_EPOCH_MS + 2000 + DAY_MS)
})

test('it goes on from a moment that was reached before a restart', async () => {
  const wall = new SimClock()
  const clock = new ForwardClock(wall)
  clock.reach(SIM_EPOCH_MS - 5)
  expect(clock.nowMs()).toBe(SIM_EPOCH_MS)
  clock.reach(SIM_EPOCH_MS + DAY_MS)
  expect(clock.nowMs()).toBe(SIM_EPOCH_MS + DAY_MS)
  await wall.advance(10)
  expect(clock.nowMs()).toBe(SIM_EPOCH_MS + DAY_MS + 10)
})

test('it never goes back within the tolerance either', () => {
  const wall = new SimClock()
  const clock = new ForwardClock(wall)
  for (let step = 0; step < 100; step++) {
    const before = clock.nowMs()
    wall.stepWallClock(step % 2 === 0 ? -20 : 10)
    expect(clock.nowMs()).toBeGreaterThanOrEqual(before)
  }
})
