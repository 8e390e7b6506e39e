/** `semel produce TOPIC`: lines to records. */
import type { File } from '../../base/runtime.ts'
import type { RecordIn } from '../../client/index.ts'
import { nodeClock } from '../../runtime/clock.ts'
import { nodeRuntime } from '../../runtime/node-runtime.ts'
import { type ClusterFlags, pairOf, say, show, UsageError, wholeNumber, withKafka } from '../session.ts'

export interface ProduceFlags extends ClusterFlags {
  readonly file?: string
  /** One key for all. */
  readonly key?: string
  /** What separates key and value in a line. */
  readonly keyDelimiter?: string
  readonly header: readonly string[]
  readonly partition?: string
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly acks: 'all' | '1' | '0'
  /** The whole input is one transaction. */
  readonly transactionalId?: string
  /** An empty line is a tombstone. */
  readonly tombstones?: boolean
}

const CHUNK_RECORDS = 1_000
const PROGRESS_MS = 500

export function produce(topic: string, flags: ProduceFlags): Promise<number> {
  return withKafka(flags, async (kafka) => {
    const toRecord = recordMaker(flags)
    const progress = progressOf('records sent')
    const lines = await linesOf(flags)
    const acks = flags.acks === 'all' ? 'all' : (Number(flags.acks) as 0 | 1)
    const tuning = { compression: flags.compression, lingerMs: 5 } as const
    const { transactionalId } = flags
    let sent = 0
    const count = (records: number): void => {
      sent += records
      progress.show(sent)
    }
    if (transactionalId !== undefined) {
      await using producer = kafka.producer({ ...tuning, transactionalId })
      await producer.transaction(async (tx) => {
        for await (const records of chunks(lines, toRecord)) {
          await tx.send(topic, records)
          count(records.length)
        }
      })
    } else {
      await using producer = kafka.producer({ ...tuning, acks, idempotent: acks === 'all' })
      for await (const records of chunks(lines, toRecord)) {
        await producer.send(topic, records)
        count(records.length)
      }
    }
    progress.end()
    if (flags.format === 'json') show(flags, { topic, records: sent }, () => '')
    else say(`${sent} records sent to ${topic}${transactionalId === undefined ? '' : ' in one transaction'}`)
  })
}

function recordMaker(flags: ProduceFlags): (line: string) => RecordIn {
  const { key, keyDelimiter, tombstones = false } = flags
  if (key !== undefined && keyDelimiter !== undefined)
    throw new UsageError('--key and --key-delimiter exclude each other')
  const headers = flags.header.map((entry) => pairOf(entry, '--header')).map(([name, value]) => ({ key: name, value }))
  const partition =
    flags.partition === undefined ? {} : { partition: wholeNumber('--partition', flags.partition, 0, 1_000_000) }
  const rest = { ...partition, ...(headers.length === 0 ? {} : { headers }) }
  return (line) => {
    const at = keyDelimiter === undefined ? -1 : line.indexOf(keyDelimiter)
    const value = at < 0 ? line : line.slice(at + (keyDelimiter ?? '').length)
    return {
      key: at < 0 ? (key ?? null) : line.slice(0, at),
      value: tombstones && value === '' ? null : value,
      ...rest,
    }
  }
}

async function linesOf({ file }: ProduceFlags): Promise<AsyncIterable<string>> {
  // Not by node:readline: lines that come before somebody iterates are lost there.
  if (file === undefined) return splitLines(process.stdin as AsyncIterable<Buffer>)
  const opened = await nodeRuntime()
    .fileSystem.open(file, 'read')
    .catch((error: unknown) => {
      throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`)
    })
  return splitLines(chunksOf(opened))
}

const READ_BYTES = 65_536
const NEWLINE = 10

async function* chunksOf(file: File): AsyncGenerator<Buffer> {
  try {
    for (let position = 0; ; ) {
      const chunk = Buffer.alloc(READ_BYTES)
      const length = await file.read(chunk, position)
      if (length === 0) return
      position += length
      yield chunk.subarray(0, length)
    }
  } finally {
    await file.close()
  }
}

async function* splitLines(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = Buffer.alloc(0)
  for await (const chunk of input) {
    rest = Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield rest.toString('utf8', 0, end).replace(/\r$/, '')
      rest = rest.subarray(end + 1)
    }
  }
  if (rest.length > 0) yield rest.toString('utf8')
}

async function* chunks(lines: AsyncIterable<string>, toRecord: (line: string) => RecordIn): AsyncGenerator<RecordIn[]> {
  let records: RecordIn[] = []
  for await (const line of lines) {
    records.push(toRecord(line))
    // A person who types wants to see each line go.
    if (records.length < CHUNK_RECORDS && !process.stdin.isTTY) continue
    yield records
    records = []
  }
  if (records.length > 0) yield records
}

/** A line on standard error, when that is a terminal. */
export function progressOf(what: string): { show(count: number): void; end(): void } {
  const clock = nodeClock()
  let lastMs = clock.monotonicMs()
  let isShown = false
  return {
    show(count) {
      if (!process.stderr.isTTY || clock.monotonicMs() - lastMs < PROGRESS_MS) return
      lastMs = clock.monotonicMs()
      isShown = true
      process.stderr.write(`\r${count} ${what}`)
    },
    end() {
      if (isShown) process.stderr.write('\r\u001b[0K')
    },
  }
}
