/**
 * Histories of processes that may be killed at any moment: a file each, one row a line, written out before each effect. What was
 * flushed survives the process; a line that was cut short is left out.
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import {
  type History,
  type HistoryInfo,
  type HistorySink,
  HistoryTables,
  type TableName,
} from '../../src/verify/index.ts'

/** Rows that are held back at most. */
const ROWS_MAX = 1_000

export interface HistoryFile extends HistorySink {
  close(): void
}

export function openHistoryFile(path: string): HistoryFile {
  const file = openSync(path, 'a')
  let lines: string[] = []
  const flush = (): void => {
    if (lines.length === 0) return
    writeSync(file, lines.join(''))
    lines = []
  }
  return {
    record(table, row) {
      lines.push(`${JSON.stringify([table, row])}\n`)
      if (lines.length >= ROWS_MAX) flush()
    },
    flush,
    close() {
      flush()
      closeSync(file)
    },
  }
}

/** All of a run's files as one history. A process that was killed early may have left none. */
export function readHistoryFiles(paths: readonly string[], info: HistoryInfo): History {
  const all = new HistoryTables()
  for (const path of paths) {
    if (!existsSync(path)) continue
    for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
      const [table, row] = JSON.parse(line) as [TableName, never]
      all.record(table, row)
    }
  }
  return { info, strings: all.strings.values, partitions: all.partitions.values, tables: all.tables }
}
