/**
 * `semel log dump` and `semel log verify`: looks into a data directory without a broker, and beside one. Results go to
 * standard output, everything else to standard error. Exit codes: 0 fine, 1 damaged or unreadable, 2 wrong usage.
 */
import { dirname, relative, resolve } from 'node:path'
import { parsePartitionName, UnknownPathError } from '../../storage/inspect/inspected-path.ts'
import type { PartitionName } from '../../storage/inspect/inspected-path.ts'
import type { FileSystem } from '../../base/runtime.ts'
import { lockHolder } from '../../runtime/file-lock.ts'
import { nodeFileSystem } from '../../runtime/file-system.ts'
import { CorruptionError, UnsupportedFormatError } from '../../storage/errors.ts'
import { dump } from '../../storage/inspect/dump.ts'
import type { DumpedBatch } from '../../storage/inspect/dump.ts'
import { verify } from '../../storage/inspect/verify.ts'
import { LOCK_FILE } from '../../storage/log-files.ts'
import { batchLine, recordLines, rowLine } from '../log/lines.ts'
import type { Line } from '../log/lines.ts'
import { checkAsText, lineAsText } from '../log/text.ts'

export type LogFormat = 'text' | 'json'

/** As the command line gives them; what was not given is absent. */
export interface LogDumpOptions {
  readonly format: LogFormat
  readonly records?: boolean
  readonly from?: string
  readonly to?: string
  readonly partition?: string
  readonly limit?: string
  readonly maxValueBytes: string
}

export interface LogVerifyOptions {
  readonly format: LogFormat
  readonly partition?: string
}

/** Where a command reads and writes; the process's own unless a test gives others. */
export interface LogCommandIo {
  readonly fileSystem: FileSystem
  readonly workingDirectory: string
  /** Resolves when more may be written. */
  out(text: string): Promise<void>
  err(text: string): void
  /** Who holds the lock at this path. */
  lockHolder(path: string): Promise<string | undefined>
}

const EXIT_DAMAGED = 1
const EXIT_USAGE = 2
const OUTPUT_CHUNK_CHARS = 64 * 1024

class UsageError extends Error {}
/** Nobody reads on: `semel log dump … | head`. */
class OutputClosed extends Error {}

export async function logDump(path: string, options: LogDumpOptions, io: LogCommandIo = processIo()): Promise<number> {
  return run(path, io, async (absolutePath, isLive, output) => {
    const fromOffset = parseCount('--from', options.from) ?? 0
    const toOffset = parseCount('--to', options.to) ?? Infinity
    const limit = parseCount('--limit', options.limit) ?? Infinity
    const maxValueBytes = parseCount('--max-value-bytes', options.maxValueBytes) ?? 0
    const only = parsePartition(options.partition)
    const show = (line: Line): Promise<void> =>
      output.line(
        options.format === 'json' ? JSON.stringify(line) : lineAsText(line, isInFrame && line.type !== 'frame'),
      )
    let isInFrame = false
    let count = 0
    let heading = ''
    for await (const item of dump(io.fileSystem, absolutePath, { isLive, only, fromOffset, toOffset })) {
      isInFrame ||= item.kind === 'row' && item.type === 'frame'
      // What is in a frame comes with it.
      if (!isInFrame || (item.kind === 'row' && item.type === 'frame')) count += 1
      if (count > limit) break
      if (item.kind === 'row') {
        await show(rowLine(item))
        continue
      }
      if (options.format === 'text' && !isInFrame && headingOf(item, io) !== heading) {
        heading = headingOf(item, io)
        await output.line(heading)
      }
      await show(batchLine(item))
      if (options.records !== true) continue
      for (const line of recordLines(item, { fromOffset, toOffset, maxValueBytes })) await show(line)
    }
    return 0
  })
}

export async function logVerify(
  path: string,
  options: LogVerifyOptions,
  io: LogCommandIo = processIo(),
): Promise<number> {
  return run(path, io, async (absolutePath, isLive, output) => {
    const only = parsePartition(options.partition)
    let checked = 0
    let damaged = 0
    let notes = 0
    for await (const check of verify(io.fileSystem, absolutePath, { isLive, only })) {
      checked += 1
      if (check.isDamaged) damaged += 1
      notes += check.notes.length
      const { kind, damage, details } = check
      const status = check.isDamaged ? 'damaged' : 'ok'
      await output.line(
        options.format === 'json'
          ? JSON.stringify({ type: 'check', status, kind, path: check.path, details, damage, notes: check.notes })
          : checkAsText(check, shown(check.path, io)),
      )
    }
    await output.line(
      options.format === 'json'
        ? JSON.stringify({ type: 'summary', checked, damaged, notes })
        : `${checked} checked, ${damaged === 0 ? 'none' : damaged} damaged, ${notes} note${notes === 1 ? '' : 's'}`,
    )
    return damaged === 0 ? 0 : EXIT_DAMAGED
  })
}

async function run(
  path: string,
  io: LogCommandIo,
  action: (absolutePath: string, isLive: boolean, output: Output) => Promise<number>,
): Promise<number> {
  const absolutePath = resolve(io.workingDirectory, path)
  const output = new Output(io)
  const fail = (message: string, exitCode: number): number => {
    io.err(`semel: ${message}\n`)
    return exitCode
  }
  try {
    const holder = await holderAbove(absolutePath, io)
    if (holder !== undefined) {
      io.err(`semel: a broker (${holder}) is writing to this directory; what is read is how it stands at some moment\n`)
    }
    const exitCode = await action(absolutePath, holder !== undefined, output)
    await output.flush()
    return exitCode
  } catch (error) {
    if (error instanceof OutputClosed) return 0
    if (error instanceof UsageError || error instanceof UnknownPathError) return fail(error.message, EXIT_USAGE)
    await output.flush()
    if (error instanceof CorruptionError || error instanceof UnsupportedFormatError)
      return fail(error.message, EXIT_DAMAGED)
    // A file that cannot be read, or is not there any more.
    if (error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string') {
      return fail(error.message, EXIT_DAMAGED)
    }
    throw error
  }
}

/** Above the batches of one file, in text. */
function headingOf({ log, file, lsn }: DumpedBatch, io: LogCommandIo): string {
  const name = log === undefined ? '' : `${log.topic}-${log.partition}  `
  return `# ${name}${shown(file, io)}${lsn === undefined ? '' : '  (not in a segment yet)'}`
}

/** The data directory is the path itself, or one or two levels above it. */
async function holderAbove(path: string, io: LogCommandIo): Promise<string | undefined> {
  for (const directory of [path, dirname(path), dirname(dirname(path))]) {
    const lock = `${directory}/${LOCK_FILE}`
    const status = await io.fileSystem.stat(lock)
    if (status !== undefined && !status.isDirectory) return io.lockHolder(lock)
  }
  return undefined
}

function shown(path: string, { workingDirectory }: LogCommandIo): string {
  const short = relative(workingDirectory, path)
  return short === '' || short.startsWith('..') ? path : short
}

function parseCount(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${name} ${text}: expected a number, 0 or more`)
  return Number(text)
}

function parsePartition(text: string | undefined): PartitionName | undefined {
  if (text === undefined) return undefined
  const name = parsePartitionName(text)
  if (name === undefined) throw new UsageError(`--partition ${text}: expected TOPIC-NUMBER, such as orders-0`)
  return name
}

/** Lines, written in pieces as fast as they are taken. */
class Output {
  readonly #io: LogCommandIo
  #text = ''

  constructor(io: LogCommandIo) {
    this.#io = io
  }

  async line(text: string): Promise<void> {
    this.#text += `${text}\n`
    if (this.#text.length >= OUTPUT_CHUNK_CHARS) await this.flush()
  }

  async flush(): Promise<void> {
    const text = this.#text
    this.#text = ''
    if (text !== '') await this.#io.out(text)
  }
}

function processIo(): LogCommandIo {
  let failure: NodeJS.ErrnoException | undefined
  process.stdout.on('error', (error) => {
    failure = error
  })
  return {
    fileSystem: nodeFileSystem(),
    workingDirectory: process.cwd(),
    out: (text) =>
      new Promise((done, reject) => {
        process.stdout.write(text, (error) => {
          const { code } = (error ?? failure ?? {}) as NodeJS.ErrnoException
          if (code === 'EPIPE') reject(new OutputClosed())
          else if (error) reject(error)
          else done()
        })
      }),
    err: (text) => process.stderr.write(text),
    lockHolder,
  }
}
