/**
 * How long the checker takes for a large history, and how much memory:
 *
 *   node scripts/checker-scale.ts [--messages 10000000] [--folder DIRECTORY] [--keep]
 *
 * Writes a clean history of so many values (transactions of some 40 values over 64 partitions, one value in ten outside of them; each
 * sent, answered, stored and read) to files, and checks them in a process of its own, so that what it takes is the checker's alone.
 * Exit code 1 when it finds anything, or takes more than it may: 30 s of processor time (all threads; what else the machine does is not
 * the checker's fault) and 1 GiB.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openAppendFile } from '../src/runtime/append-file.ts'
import { nodeFileSystem } from '../src/runtime/file-system.ts'
import { checkFiles } from '../src/verify/check/check-files.ts'
import { formatVerdict } from '../src/verify/check/format-verdict.ts'
import { failureCount } from '../src/verify/check/verdict.ts'
import { writeLargeHistory } from './checker-scale/large-history.ts'

const SECONDS_MAX = 30
const MEBIBYTES_MAX = 1024

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '10000000' },
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
})

if (values.check) await checkFolder(values.folder as string)
else generateAndCheck(Number(values.messages))

function generateAndCheck(messages: number): void {
  const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'semel-checker-scale-'))
  const startedMs = performance.now()
  writeLargeHistory(messages, (name) => openAppendFile(join(folder, name)))
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  const seconds = (performance.now() - startedMs) / 1_000
  console.log(
    `${messages} values, ${(bytes / 1024 ** 2).toFixed(0)} MiB of history, written in ${seconds.toFixed(1)} s`,
  )
  const script = fileURLToPath(import.meta.url)
  const { status } = spawnSync(process.execPath, [script, '--check', '--folder', folder], { stdio: 'inherit' })
  if (!values.keep && values.folder === undefined) rmSync(folder, { recursive: true })
  process.exitCode = status ?? 1
}

async function checkFolder(folder: string): Promise<void> {
  const paths = readdirSync(folder).map((name) => join(folder, name))
  const startedMs = performance.now()
  const verdict = await checkFiles(nodeFileSystem(), paths)
  const seconds = (performance.now() - startedMs) / 1_000
  const { user, system } = process.cpuUsage()
  const cpuSeconds = (user + system) / 1_000_000
  // Kibibytes, on every system that Node runs on.
  const mebibytes = process.resourceUsage().maxRSS / 1024
  console.log(formatVerdict(verdict))
  console.log(
    `checked in ${seconds.toFixed(1)} s, of processor time ${cpuSeconds.toFixed(1)} s; ${mebibytes.toFixed(0)} MiB at most`,
  )
  const isWithin = cpuSeconds <= SECONDS_MAX && mebibytes <= MEBIBYTES_MAX
  process.exitCode = failureCount(verdict) === 0 && isWithin ? 0 : 1
}
