/**
 * The nets that a seeded defect has to get past, the cheapest first: commands, and what their ends mean.
 *
 * A command ends with 0 when it found nothing, with 3 when a verdict says what was broken; any other code is an assertion of
 * our own, or a refusal to go on. One that does not end is a hang, provided that it ends well within its time without a defect.
 */

export interface Net {
  readonly name: string
  /** `crash` and `sim` look at the system from outside. `tests` are for what those cannot see; they do not count for the goal. */
  readonly kind: 'crash' | 'sim' | 'tests'
  readonly command: readonly string[]
  readonly timeoutMs: number
  /** Whether a change in this file can make a difference to it. */
  reaches(file: string): boolean
}

const NODE = process.execPath
const VITEST = 'node_modules/vitest/vitest.mjs'

/** Those that crash a broker speak to it with a client of their own. */
const isBroker = (file: string): boolean => !file.startsWith('src/client/')

const crash = (name: string, recoveries: number, seed: number, timeoutMs: number): Net => ({
  name,
  kind: 'crash',
  command: [NODE, 'scripts/crash.ts', '--recoveries', String(recoveries), '--seed', String(seed)],
  timeoutMs,
  reaches: isBroker,
})

/** Each seed once: whether two runs of it are alike is asked without a defect. */
const sim = (name: string, seeds: number, first: number, timeoutMs: number): Net => ({
  name,
  kind: 'sim',
  command: [
    NODE,
    ...['scripts/sim.ts', '--seeds', String(seeds), '--seed', String(first)],
    ...['--once', '--stop', '--no-shrink', '--jobs', '1'],
  ],
  timeoutMs,
  reaches: () => true,
})

export const NETS: readonly Net[] = [
  crash('crash 500', 500, 1, 120_000),
  sim('sim 20', 20, 1, 120_000),
  crash('crash 5,000', 5_000, 2, 600_000),
  sim('sim 200', 200, 1001, 600_000),
  {
    name: 'tests',
    kind: 'tests',
    command: [NODE, VITEST, 'run', '--bail', '1', 'src', 'test/broker', 'test/client', 'test/crash'],
    timeoutMs: 900_000,
    reaches: () => true,
  },
]

/** Exit code of a net that has found a broken promise and says which. */
export const FOUND = 3
