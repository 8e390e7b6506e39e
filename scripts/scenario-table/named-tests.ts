/**
 * Which tests hold which row: the name of a test or of a group of tests begins with the row, `B1.7 KAFKA-16352: …`, or with `C13`
 * where the bug is in kafka-eos.md alone. Numbers of bugs before the colon count for the rows of C13.
 */

export interface NamedTest {
  readonly file: string
  /** As it stands in the source, without the row. */
  readonly name: string
  /** `B1.7`; `undefined` for a name that begins with `C13`. */
  readonly row: string | undefined
  /** Numbers of KAFKA issues that the name says it is about. */
  readonly issues: readonly string[]
}

/** Where they may be; the test of this table shows names that are none. */
export const TEST_PATHS: RegExp = /^(?:src|test)\/.*(?<!scenario-table)\.test\.ts$/

interface SourceText {
  readonly path: string
  readonly text: string
}

const NAME = /(?:\b(?:test|describe)|\))\(\s*(['"`])(B\d\.\d+|C13)\b:?\s*(.*?)\1/g

export function namedTestsIn(sources: readonly SourceText[]): NamedTest[] {
  return sources.flatMap(({ path, text }) =>
    Array.from(text.matchAll(NAME), ([, , row, name = '']) => ({
      file: path,
      name,
      row: row === 'C13' ? undefined : row,
      issues: name.split(':')[0]?.match(/\b\d{5}\b/g) ?? [],
    })),
  )
}

/** @param id  of a row: `B1.7`, `C13.18401` */
export function testsOf(id: string, tests: readonly NamedTest[]): NamedTest[] {
  const issue = /^C13\.(\d+)$/.exec(id)?.[1]
  return tests.filter(({ row, issues }) => (issue === undefined ? row === id : issues.includes(issue)))
}
