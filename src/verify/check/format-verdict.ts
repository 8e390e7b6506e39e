/** A verdict as text for a terminal: first whether it holds, then each kind with the slice that shows it, then what was not checked. */
import { NONE, NO_WRITER } from '../history/tables.ts'
import { type Finding, type FindingExample, failureCount, type SliceRow, type Verdict } from './verdict.ts'

export function formatVerdict(verdict: Verdict): string {
  const { counts, anomalies, notChecked, workload, target, seed, run } = verdict
  const failures = failureCount(verdict)
  const lines = [
    failures === 0 ? 'EXACTLY ONCE HOLDS' : `EXACTLY ONCE IS BROKEN in ${failures} ${failures === 1 ? 'way' : 'ways'}`,
    `  run ${run}, workload ${workload}, target ${target}, seed ${seed}`,
    `  ${counts.sent} values sent, ${counts.inLog} in the log, ${counts.read} read; ${counts.faults} faults`,
    `  ${counts.transactions} transactions: ${counts.committed} committed, ${counts.aborted} aborted, ${counts.unresolved} unresolved`,
  ]
  for (const finding of anomalies) lines.push('', ...formatFinding(finding))
  if (notChecked.length > 0) lines.push('', 'Not checked:', ...notChecked.map((what) => `  ${what}`))
  return lines.join('\n')
}

function formatFinding({ code, name, isAllowed, reason, count, definition, examples }: Finding): string[] {
  const lines = [`${code} ${name}: ${count}${isAllowed ? ` (allowed: ${reason})` : ''}`, `  ${definition}`]
  // What is allowed is told, not shown.
  if (isAllowed) return [...lines, ...examples.slice(0, 1).map(({ what }) => `  such as: ${what}`)]
  return [...lines, ...examples.flatMap(formatExample)]
}

function formatExample({ what, slice, omitted }: FindingExample): string[] {
  const rows = slice.map((row) => `      ${formatRow(row)}`)
  return [`  - ${what}`, ...rows, ...(omitted > 0 ? [`      and ${omitted} more rows`] : [])]
}

function formatRow({ table, row }: SliceRow): string {
  const { at, ...cells } = row
  const time = typeof at === 'number' ? at.toFixed(1).padStart(10) : ''.padStart(10)
  const shown = Object.entries(cells)
    .filter(([, cell]) => cell !== '' && cell !== NONE && cell !== NO_WRITER)
    .map(([column, cell]) => `${column}=${cell}`)
  return `${time}  ${table.padEnd(21)} ${shown.join(' ')}`
}
