/** Results of a run: one outcome per client and capability, the table, the JSON file. */
import { writeFileSync } from 'node:fs'
import type { ClientName } from './clients.ts'

export type Result = 'pass' | 'fail' | 'limit' | 'missing tool' | 'not run'

export interface Outcome {
  client: ClientName
  capability: string
  result: Result
  seconds: number
  /** Why it failed, which limit of the client it is, or what was measured. */
  detail?: string
}

const CELL: Record<Result, string> = {
  pass: 'ok',
  fail: 'FAIL',
  limit: 'limit',
  'missing tool': 'no tool',
  'not run': 'not run',
}

export class Report {
  readonly outcomes: Outcome[] = []

  add(outcome: Outcome): void {
    this.outcomes.push(outcome)
  }

  /** Rows are capabilities, columns are clients; limits and failures are explained below. */
  table(): string {
    const columns = [...new Set(this.outcomes.map((outcome) => outcome.client))]
    const rows = [...new Set(this.outcomes.map((outcome) => outcome.capability))]
    const cells = rows.map((capability) => [
      capability,
      ...columns.map((client) => {
        const outcome = this.outcomes.find((one) => one.client === client && one.capability === capability)
        return outcome === undefined ? '-' : `${CELL[outcome.result]} ${outcome.seconds.toFixed(1)}s`
      }),
    ])
    const header = ['capability', ...columns]
    const widths = header.map((name, column) => Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)))
    const line = (row: readonly string[]): string =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()
    const lines = [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.map(line)]
    const notes = this.outcomes.filter((outcome) => outcome.detail !== undefined && outcome.detail !== '')
    if (notes.length > 0)
      lines.push(
        '',
        ...notes.map(
          (outcome) => `${CELL[outcome.result]}: ${outcome.client} ${outcome.capability}: ${outcome.detail}`,
        ),
      )
    return lines.join('\n')
  }

  count(...results: Result[]): number {
    return this.outcomes.filter((outcome) => results.includes(outcome.result)).length
  }

  writeJson(path: string, about: Record<string, unknown>): void {
    writeFileSync(path, `${JSON.stringify({ ...about, outcomes: this.outcomes }, undefined, 2)}\n`)
  }
}
