/** docs/internals/scenarios.md says which known bug is provoked by which test, and leaves none out. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { root } from '../../scripts/run.ts'
import { type NamedTest, namedTestsIn, TEST_PATHS, testsOf } from '../../scripts/scenario-table/named-tests.ts'
import { renderScenarioTable } from '../../scripts/scenario-table/render.ts'
import { SCENARIO_SECTIONS } from '../../scripts/scenario-table/rows.ts'
import { readTree } from '../tidy/tree.ts'

/** First and last row of B1 to B6 of reliability.md. */
const NUMBERS = [
  [1, 27],
  [28, 49],
  [50, 56],
  [57, 71],
  [72, 76],
  [77, 82],
] as const

/** The bugs of kafka-eos.md C13. */
const KAFKA_BUGS = [
  ...['18401', '18464', '18575', '18654', '18660', '20090', '18227', '18042'],
  ...['18202', '19367', '19446', '19999', '20310', '19163', '17507'],
]

const tests = namedTestsIn(readTree(root, TEST_PATHS))
const rows = SCENARIO_SECTIONS.flatMap((section) => section.rows)

test('docs/internals/scenarios.md is up to date (npm run docs:scenarios)', () => {
  const expected = renderScenarioTable(SCENARIO_SECTIONS, tests)
  expect(readFileSync(join(root, 'docs/internals/scenarios.md'), 'utf8')).toBe(expected)
})

test('every known bug has its row, in order', () => {
  const numbered = NUMBERS.flatMap(([first, last], section) =>
    Array.from({ length: last - first + 1 }, (_, at) => `B${section + 1}.${first + at}`),
  )
  expect(rows.map(({ id }) => id)).toEqual([...numbered, ...KAFKA_BUGS.map((issue) => `C13.${issue}`)])
})

test('every row is held by a test that names it, or says why there is none', () => {
  const unheld = rows.filter(({ id }) => testsOf(id, tests).length === 0)
  expect(unheld.filter(({ waits, excluded }) => waits === undefined && excluded === undefined)).toEqual([])
  // Coordinators, logs and groups are here; only what compaction is needed for waits.
  expect(unheld.filter(({ id }) => !id.startsWith('B6')).map(({ id }) => id)).toEqual(['B2.41', 'B2.42'])
})

describe('the generator', () => {
  const named = (text: string): NamedTest[] => namedTestsIn([{ path: 'test/a.test.ts', text }])
  const row = { id: 'B1.1', source: 'KAFKA-1', wentWrong: 'all | of it' }
  const render = (given: object, text: string): string =>
    renderScenarioTable([{ title: 'One', rows: [{ ...row, ...given }] }], named(text))

  test('finds names of tests and of groups of tests, and nothing else', () => {
    const text = [
      "test('B1.1 KAFKA-12345: one', () => {})",
      'test.each(X)(',
      "  'B1.2: two, version %i',",
      "describe.each([1, 2])('B4.70 franz-go', () => {})",
      "test('C13 KAFKA-18401, 18464: both', () => {})",
      "// see 'B1.3 elsewhere'",
      "const text = 'B1.4 no test'",
      "test('not B1.5', () => {})",
    ].join('\n')
    expect(named(text).map((one) => [one.row, one.name, one.issues])).toEqual([
      ['B1.1', 'KAFKA-12345: one', ['12345']],
      ['B1.2', 'two, version %i', []],
      ['B4.70', 'franz-go', []],
      [undefined, 'KAFKA-18401, 18464: both', ['18401', '18464']],
    ])
  })

  test('says what holds, what waits and what cannot be', () => {
    const held = "test('B1.1 KAFKA-1: a test of version %i', () => {})"
    const name = '[a.test.ts](../../test/a.test.ts): KAFKA-1: a test of version …'
    expect(render({}, held)).toContain(`| B1.1 | KAFKA-1 | all \\| of it | ${name} | holds |`)
    expect(render({ waits: 'not yet' }, held)).toContain('| holds; the rest waits: not yet |')
    expect(render({ waits: 'not yet' }, '')).toContain('| – | waiting: not yet |')
    expect(render({ excluded: 'one tier' }, held)).toContain('| excluded: one tier; the test stands in for it |')
  })

  test('refuses a row without test and reason, a test of no row, and a row that is there twice', () => {
    expect(() => render({}, '')).toThrow('B1.1: no test names it')
    expect(() => render({ waits: 'not yet' }, "test('B1.99: what?', () => {})")).toThrow('names no row of the table')
    expect(() => render({ waits: 'not yet' }, "test('C13 KAFKA-99999: what?', () => {})")).toThrow('names no row')
    expect(() => renderScenarioTable([{ title: 'One', rows: [row, row] }], [])).toThrow('twice')
  })
})
