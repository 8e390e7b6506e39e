/** docs/internals/scenarios.md as a text: the rows, and for each the tests that hold it, or why there are none. */
import { posix } from 'node:path'
import { type NamedTest, testsOf } from './named-tests.ts'
import type { ScenarioRow, ScenarioSection } from './rows.ts'

const PAGE = 'docs/internals/scenarios.md'

/** @throws Error for a row that neither a test nor a reason stands for, and for a test that names a row that is not there */
export function renderScenarioTable(sections: readonly ScenarioSection[], tests: readonly NamedTest[]): string {
  const rows = sections.flatMap((section) => section.rows)
  const ids = new Set(rows.map(({ id }) => id))
  if (ids.size < rows.length) throw new Error('a row is there twice')
  for (const { row, file, name, issues } of tests) {
    const isKnown = row === undefined ? issues.some((issue) => ids.has(`C13.${issue}`)) : ids.has(row)
    if (!isKnown) throw new Error(`${file}: "${row ?? 'C13'} ${name}" names no row of the table`)
  }
  const counts = countsOf(rows, tests)
  return [
    '# Known bugs, as scenarios',
    '',
    'What brokers and clients of other makers got wrong, and the test here that provokes it: in virtual time, with crashes, power cuts,',
    'pauses and held requests at the moment that matters, judged by what the log, the coordinators and a `read_committed` consumer say.',
    'Names of tests begin with the row; `npx vitest run test/simulation/scenarios -t "B1.7"` runs one.',
    '',
    `${counts.holds} rows hold, ${counts.waiting} wait, ${counts.excluded} cannot happen here. Written by \`npm run docs:scenarios\`.`,
    ...sections.flatMap((section) => [
      '',
      `## ${section.title}`,
      '',
      '| row | source | what went wrong there | scenario | state |',
      '|---|---|---|---|---|',
      ...section.rows.map((row) => renderRow(row, testsOf(row.id, tests))),
    ]),
    '',
  ].join('\n')
}

type State = 'holds' | 'waiting' | 'excluded'

function stateOf({ id, waits, excluded }: ScenarioRow, tests: readonly NamedTest[]): State {
  if (excluded !== undefined) return 'excluded'
  if (tests.length > 0) return 'holds'
  if (waits === undefined) throw new Error(`${id}: no test names it, and nothing says why`)
  return 'waiting'
}

function countsOf(rows: readonly ScenarioRow[], tests: readonly NamedTest[]): Record<State, number> {
  const counts = { holds: 0, waiting: 0, excluded: 0 }
  for (const row of rows) counts[stateOf(row, testsOf(row.id, tests))] += 1
  return counts
}

function renderRow(row: ScenarioRow, tests: readonly NamedTest[]): string {
  const state = stateOf(row, tests)
  const { id, source, wentWrong, waits, excluded } = row
  const told = {
    holds: waits === undefined ? 'holds' : `holds; the rest waits: ${waits}`,
    waiting: `waiting: ${waits}`,
    excluded: `excluded: ${excluded}${tests.length > 0 ? '; the test stands in for it' : ''}`,
  }[state]
  const cells = [id.replace(/^C13\./, 'C13 '), source, wentWrong, tests.map(renderTest).join('<br>') || '–', told]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function renderTest({ file, name }: NamedTest): string {
  const path = posix.relative(posix.dirname(PAGE), file)
  return `[${posix.basename(file)}](${path}): ${name.replaceAll(/%[isd]/g, '…')}`
}
