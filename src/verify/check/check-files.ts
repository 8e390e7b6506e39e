/** The checker over the files of a run, which may hold more than memory does: large tables are read anew for each pass that needs them. */
import type { FileSystem } from '../../base/runtime.ts'
import { HistoryFiles } from '../history/history-file.ts'
import type { Table } from '../history/columns.ts'
import { type CheckOptions, judgeHistory } from './judge.ts'
import { STREAMED_TABLES, type StreamedTable } from './steps.ts'
import type { Verdict } from './verdict.ts'

/**
 * @param paths  all files of one run, in any order
 * @throws HistoryFileError a file is damaged, is none of a history, or is of another run
 */
export async function checkFiles(
  fileSystem: FileSystem,
  paths: readonly string[],
  options: CheckOptions = {},
): Promise<Verdict> {
  const files = await HistoryFiles.open(fileSystem, paths, { streamed: STREAMED_TABLES })
  try {
    const steps = judgeHistory(files, options)
    for (;;) {
      const next = steps.next()
      if (next.done) return next.value
      const { table, take } = next.value
      if (files.rowCounts[table] > 0) await files.scan(table, take as (rows: Table<StreamedTable>) => void)
    }
  } finally {
    await files.close()
  }
}
