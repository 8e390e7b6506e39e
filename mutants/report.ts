/** What is told of the results: a line for each defect, the share that was caught, and docs/internals/mutants.md. */
import type { Defect } from './defect.ts'
import { editsOf } from './defect.ts'
import { catchOf, type Result, resultOf, type Results, shareOf, type Trial } from './results.ts'

/** Of the defects, as many have to be caught from outside. */
export const GOAL = 0.95

export function lineOf({ name }: Defect, result: Result): string {
  const by = catchOf(result)
  const seconds = result.trials.reduce((sum, trial) => sum + trial.seconds, 0)
  const how = by === undefined ? 'SURVIVED' : `${by.net}${by.seed === undefined ? '' : `, seed ${by.seed}`}`
  const kind = by === undefined || by.outcome === 'caught' ? '' : ` (${by.outcome})`
  return `${name.padEnd(52)} ${(how + kind).padEnd(32)} ${seconds.toFixed(1).padStart(7)} s  ${by?.said ?? ''}`.trimEnd()
}

function percent(part: number, of: number): string {
  return of === 0 ? '–' : `${((100 * part) / of).toFixed(1)} %`
}

export function shareLine(results: readonly Result[]): string {
  const { tried, fromOutside, caught } = shareOf(results)
  return (
    `${tried} tried: crash tests and simulation caught ${fromOutside} (${percent(fromOutside, tried)}), ` +
    `all nets ${caught} (${percent(caught, tried)})`
  )
}

const HOW = {
  caught: 'verdict',
  assert: 'stopped by itself',
  hang: 'did not end',
  survived: '',
  untouched: '',
} as const

/** @returns the text of docs/internals/mutants.md */
export function document(defects: readonly Defect[], results: Results): string {
  const rows = defects.map((defect) => ({ defect, result: resultOf(results, defect) }))
  const tried = rows.flatMap(({ result }) => (result === undefined ? [] : [result]))
  const missed = rows.filter(({ result }) => result !== undefined && !isFromOutside(catchOf(result)))
  const { fromOutside, caught } = shareOf(tried)
  return [
    '# Seeded defects',
    '',
    '<!-- Written by `npm run mutants`. -->',
    '',
    'A net that has never caught anything proves nothing. So the broker, its storage and the client are broken on purpose, in one place at',
    `a time, and the nets are asked whether they notice: ${defects.length} defects, most of them bugs that a broker or a client really had. A defect is`,
    'a change of source text that is made when the module is loaded (`mutants/`); nothing of it is in what is published.',
    '',
    `Of ${tried.length} tried, the crash tests and the simulation, which see the system from outside only, caught **${fromOutside} (${percent(fromOutside, tried.length)})**;`,
    `with the tests of single parts it was ${caught} (${percent(caught, tried.length)}). The goal is ${percent(GOAL, 1)} from outside.`,
    '',
    'Each is tried in the nets from the cheapest on, until one notices: `crash N` stops a broker at N points, damages what was not flushed and',
    'holds the next start to what clients were told (`fault`: an operation of the disk fails, `rot`: bytes rot, `thrice`: it stops again while it starts); `sim N` is the whole system in virtual time, N seeds of workloads and faults, judged by the',
    'checker; `calm N` is the same without faults, where nothing may fail; `tests` are those of `npm test`. One row again: `npm run mutants -- --only NAME`.',
    '',
    ...missedTable(missed),
    '## All of them',
    '',
    '| defect | where | what it costs | after | noticed by | how |',
    '|---|---|---|---|---|---|',
    ...rows.map(({ defect, result }) => {
      const by = result === undefined ? undefined : catchOf(result)
      const places = [...new Set(editsOf(defect).map(({ file }) => `\`${file.replace('src/', '')}\``))].join(', ')
      const net = result === undefined ? 'not tried' : by === undefined ? 'nothing' : netOf(by)
      return `| \`${defect.name}\` | ${places} | ${cell(defect.why)} | ${cell(defect.from)} | ${net} | ${by === undefined ? '' : howOf(by)} |`
    }),
    '',
  ].join('\n')
}

function missedTable(missed: readonly { readonly defect: Defect; readonly result: Result | undefined }[]): string[] {
  if (missed.length === 0) return ['Nothing got past both.', '']
  return [
    '## What got past both',
    '',
    '| defect | what would show it | why nothing did, as far as is known | tried in | noticed by |',
    '|---|---|---|---|---|',
    ...missed.map(({ defect, result }) => {
      const by = result === undefined ? undefined : catchOf(result)
      const net = by === undefined ? 'nothing' : by.net
      const outside = result?.trials.filter(({ kind }) => kind !== 'tests').map((trial) => trial.net) ?? []
      const why = cell(defect.survives ?? 'not looked into yet')
      return `| \`${defect.name}\` | ${cell(defect.shows)} | ${why} | ${outside.join(', ')} | ${net} |`
    }),
    '',
  ]
}

function isFromOutside(by: Trial | undefined): boolean {
  return by !== undefined && by.kind !== 'tests'
}

function netOf({ net, seed }: Trial): string {
  return seed === undefined ? net : `${net}, seed ${seed}`
}

function howOf({ outcome, said }: Trial): string {
  const codes = [...new Set(said?.match(/\bA\d{1,2}\b/g))]
  return codes.length > 0 ? codes.join(', ') : HOW[outcome]
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
