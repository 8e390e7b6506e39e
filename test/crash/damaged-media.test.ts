/** Media that break their word under scripted workloads on a whole broker: a slice of `npm run crash -- --harm rot|lies|fault`. */
import { expect, test } from 'vitest'
import { brokenPromises, countOf, LONG, run, SCALE } from './crash-slice.ts'

test(
  'bytes that rot after they were flushed are refused with a reason, or their end is missing; never are they handed out',
  LONG,
  async () => {
    const summaries = await run(250, { harm: 'rot' })
    expect(brokenPromises(summaries)).toEqual([])
    expect(countOf(summaries, 'refused')).toBeGreaterThan(50 * SCALE)
  },
)

test(
  'a disk that lies about flushes makes a start refuse with a reason, or miss the end and nothing but the end',
  LONG,
  async () => {
    const summaries = await run(250, { harm: 'lies' })
    expect(brokenPromises(summaries)).toEqual([])
    expect(countOf(summaries, 'shorter')).toBeGreaterThan(50 * SCALE)
  },
)

test(
  'an operation that fails, once or for good, stops the broker with a reason, and a start keeps what was acknowledged',
  LONG,
  async () => {
    const summaries = await run(28, { harm: 'fault' })
    expect(brokenPromises(summaries)).toEqual([])
    expect(countOf(summaries, 'stopped')).toBeGreaterThan(20 * SCALE)
  },
)
