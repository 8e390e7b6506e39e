/**
 * The nets that a seeded defect has to get past, the cheapest first: commands, and what their ends mean.
 *
 * A command ends with 0 when it found nothing. Otherwise it has found a broken promise and says which, or a program in it has
 * stopped by itself. One that does not end is a hang, provided that it ends well within its time without a defect.
 */

export interface Net {
  readonly name: string
  /** `crash` and `sim` look at the system from outside. `tests` are for what those cannot see; they do not count for the goal. */
  readonly kind: 'crash' | 'sim' | 'tests'
  readonly command: readonly string[]
  readonly timeoutMs: number
  /** Of what it prints when it has found something: the line that names the broken promise. */
  readonly verdict: RegExp
  /** Whether a change in this file can make a difference to it. */
  readonly reaches: (file: string) => boolean
}

const NODE = process.execPath
const VITEST = 'node_modules/vitest/vitest.mjs'

/** Those that crash a broker speak to it with a client of their own. */
const isBroker = (file: string): boolean => !file.startsWith('src/client/')

/** @param more  what happens to the disk, unless the power fails once */
const crash = (name: string, recoveries: number, more: readonly string[], timeoutMs: number): Net => ({
  name,
  kind: 'crash',
  command: [NODE, 'scripts/crash-points.ts', '--recoveries', String(recoveries), ...more],
  timeoutMs,
  verdict: /(?<=BROKEN PROMISES\n).*/,
  reaches: isBroker,
})

/** Disks that fail are met by what writes to them. */
const disk = (name: string, recoveries: number, more: readonly string[], timeoutMs: number): Net => ({
  ...crash(name, recoveries, more, timeoutMs),
  reaches: (file) => file.startsWith('src/storage/'),
})

/** Each seed once: whether two runs of it are alike is asked without a defect. */
const sim = (name: string, seeds: number, first: number, timeoutMs: number, workload?: string): Net => ({
  name,
  kind: 'sim',
  command: [
    NODE,
    ...['scripts/sim.ts', '--seeds', String(seeds), '--seed', String(first)],
    ...['--once', '--stop', '--no-shrink', '--jobs', '1'],
    ...(workload === undefined ? [] : ['--workload', workload]),
  ],
  timeoutMs,
  verdict: /^ *A\d{1,2} .*/m,
  reaches: () => true,
})

/** Those that lie beside the place of the defect, and what is built on it. */
const tests = (name: string, places: RegExp, files: readonly string[]): Net => ({
  name,
  kind: 'tests',
  command: [NODE, VITEST, 'run', '--bail', '1', '--maxWorkers', '1', ...files],
  timeoutMs: 300_000,
  verdict: /(?<=^ *FAIL +).*/m,
  reaches: (file) => places.test(file),
})

/** Seeds without a fault, in which nothing may fail. */
const calm = (name: string, seeds: number, timeoutMs: number): Net => ({
  name,
  kind: 'sim',
  command: [NODE, 'mutants/calm.ts', '--seeds', String(seeds)],
  timeoutMs,
  verdict: /^ *(?:A\d{1,2}|calm:) .*/m,
  reaches: () => true,
})

export const NETS: readonly Net[] = [
  calm('calm 10', 10, 300_000),
  crash('crash 500', 500, ['--seed', '1'], 300_000),
  sim('sim 20', 20, 1, 300_000),
  {
    ...sim('copier 40', 40, 2001, 600_000, 'copier'),
    reaches: (file) => /group|pipeline|consumer|fetch/.test(file),
  },
  disk('crash fault 300', 300, ['--harm', 'fault', '--seed', '3'], 300_000),
  disk('crash rot 300', 300, ['--harm', 'rot'], 300_000),
  disk('crash thrice 300', 300, ['--depth', '3'], 300_000),
  crash('crash 5000', 5_000, ['--seed', '2'], 900_000),
  sim('sim 150', 150, 1001, 1_500_000),
  tests('tests of storage', /^src\/storage\//, [
    'src/storage',
    ...['broker-crash', 'deleted-records', 'disk-failure', 'log-store-crash'].map(
      (name) => `test/crash/${name}.test.ts`,
    ),
  ]),
  tests('tests of the core', /^src\/core\//, ['src/core', 'test/broker/regressions-groups.test.ts']),
  tests('tests of the broker', /^src\/(?:broker|core)\//, ['src/broker', 'test/broker']),
  tests('tests of producers', /^src\/client\/core\/producer\//, [
    'src/client/core/producer',
    ...['b4-producers', 'ambiguous-answers', 'b1-timeouts'].map((name) => `test/client/scenarios/${name}.test.ts`),
  ]),
  tests('tests of pipelines', /pipeline/, [
    'src/client/pipeline',
    'src/client/core/pipeline',
    'test/client/pipeline.test.ts',
  ]),
  tests('tests of consumers', /^src\/client\/(?:consumer|core\/(?:fetch|group))\//, [
    ...['src/client/core/fetch', 'src/client/core/group', 'src/client/consumer'],
    ...['test/client/consumer.test.ts', 'test/client/scenarios/b5-consumers.test.ts'],
  ]),
]
