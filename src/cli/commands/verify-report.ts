/**
 * `semel verify report`: judges histories and makes one page of HTML of them. Exit codes as of `semel verify check`.
 */
import { resolve } from 'node:path'
import type { FileSystem } from '../../base/runtime.ts'
import { nodeRuntime } from '../../runtime/node-runtime.ts'
import { check, failureCount, readHistory, renderReport } from '../../verify/index.ts'
import { EXIT_FAILED, EXIT_OK, print, say } from '../session.ts'
import { EXIT_ANOMALIES, whyUnreadable } from './verify.ts'

export interface VerifyReportFlags {
  /** Beside the first history, with `.html` for an ending, unless given. */
  readonly out?: string
}

/** @param paths  the files of one run, at least one */
export async function verifyReport(paths: readonly string[], flags: VerifyReportFlags): Promise<number> {
  const { fileSystem } = nodeRuntime()
  const out = resolve(flags.out ?? `${(paths[0] as string).replace(/\.history$/, '')}.html`)
  try {
    const history = await readHistory(
      fileSystem,
      paths.map((path) => resolve(path)),
    )
    const verdict = check(history)
    await writePage(fileSystem, out, renderReport(history, verdict))
    print(out)
    const failures = failureCount(verdict)
    say(failures === 0 ? 'nothing is wrong' : `${failures} ${failures === 1 ? 'kind' : 'kinds'} of anomaly`)
    return failures === 0 ? EXIT_OK : EXIT_ANOMALIES
  } catch (error) {
    say(`semel: ${whyUnreadable(error)}`)
    return EXIT_FAILED
  }
}

/** In place of an earlier one. */
async function writePage(fileSystem: FileSystem, path: string, page: string): Promise<void> {
  const file = await fileSystem.open(path, 'create')
  try {
    await file.truncate(0)
    await file.write([Buffer.from(page)], 0)
  } finally {
    await file.close()
  }
}
