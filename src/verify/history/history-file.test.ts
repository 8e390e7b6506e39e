import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { crc32c } from '../../base/crc32c.ts'
import { nodeFileSystem } from '../../runtime/file-system.ts'
import { MemoryFileSystem } from '../../runtime/memory-file-system.ts'
import { SimRandom } from '../../testing/sim-random.ts'
import { HistoryTables } from './columns.ts'
import { HistoryFileError, HistoryFiles, readHistory } from './history-file.ts'
import { type AppendFile, HistoryFileStream, HistoryFileWriter } from './history-writer.ts'
import type { History, HistoryInfo } from './history.ts'
import { type HistorySink, OUTCOMES, type Row, TABLE_NAMES, TABLES, type TableName } from './tables.ts'

const INFO: HistoryInfo = {
  run: 'r1',
  seed: 7,
  workload: 'queue',
  target: 'simulation',
  expectations: { settleMs: 1_000, allowed: { A25: 'ünïcode' } },
}
const FIXTURE = new URL('../../../test/fixtures/history/format-1.history', import.meta.url).pathname

function randomRow(random: SimRandom, table: TableName): Row<TableName> {
  const cells = Object.entries(TABLES[table]).map(([column, type]) => {
    const cell = {
      u8: () => random.below(256),
      u16: () => random.below(65_536),
      u32: () => random.nextUint32(),
      i32: () => random.nextUint32() | 0,
      integer: () => random.below(2 ** 53) - 1,
      time: () => random.nextUint32() / 8,
      string: () => `text ${random.below(20)} €`,
      partition: () => ({ topic: `t${random.below(3)}`, partition: random.below(4) }),
      outcome: () => random.pick(OUTCOMES),
    }[type as 'u8']
    return [column, cell()]
  })
  return Object.fromEntries(cells) as Row<TableName>
}

interface RandomRow {
  readonly table: TableName
  readonly row: Row<TableName>
}

function randomRows(random: SimRandom, count: number): RandomRow[] {
  return Array.from({ length: count }, () => {
    const table = random.pick(TABLE_NAMES)
    return { table, row: randomRow(random, table) }
  })
}

/** Rows with texts and partitions by name, by table. */
function named({ tables, strings, partitions }: Pick<History, 'tables' | 'strings' | 'partitions'>) {
  return Object.fromEntries(
    TABLE_NAMES.map((name) => {
      const columns = tables[name] as unknown as Record<string, ArrayLike<number>>
      const rows = Array.from({ length: tables[name].length }, (_, row) =>
        Object.entries(TABLES[name]).map(([column, type]) => {
          const cell = columns[column]?.[row] as number
          return type === 'string' ? strings[cell] : type === 'partition' ? partitions[cell] : cell
        }),
      )
      return [name, rows]
    }),
  )
}

function inMemory(rows: readonly RandomRow[]): ReturnType<typeof named> {
  const sink = new HistoryTables()
  for (const { table, row } of rows) sink.record(table, row)
  return named({ tables: sink.tables, strings: sink.strings.values, partitions: sink.partitions.values })
}

class BytesFile implements AppendFile {
  readonly #chunks: Uint8Array[] = []

  append(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#chunks.push(chunk.slice())
  }

  close(): void {
    // There is nothing behind it.
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }
}

async function fileWith(bytes: Uint8Array, path = '/h') {
  const fileSystem = new MemoryFileSystem()
  const file = await fileSystem.open(path, 'create')
  await file.write([bytes], 0)
  await file.close()
  return fileSystem
}

function recordAll(sink: HistorySink, rows: readonly RandomRow[], random: SimRandom): void {
  for (const { table, row } of rows) {
    sink.record(table, row)
    if (random.below(20) === 0) sink.flush()
  }
}

test('what several processes wrote is read back, numbered anew', async () => {
  const random = new SimRandom(1)
  const fileSystem = new MemoryFileSystem()
  const all: RandomRow[] = []
  for (const path of ['/a', '/b', '/c']) {
    const rows = randomRows(random, 2_000)
    all.push(...rows)
    const stream = await HistoryFileStream.open(fileSystem, path, INFO)
    recordAll(stream, rows, random)
    await stream.close()
  }
  const history = await readHistory(fileSystem, ['/a', '/b', '/c'])
  expect(history.info).toEqual(INFO)
  expect(named(history)).toEqual(inMemory(all))
})

test('streamed tables stay in the file, and a scan hands out all their rows in order', async () => {
  const random = new SimRandom(2)
  const rows = randomRows(random, 3_000)
  const file = new BytesFile()
  const writer = new HistoryFileWriter(file, INFO)
  recordAll(writer, rows, random)
  writer.close()
  const files = await HistoryFiles.open(await fileWith(file.bytes), ['/h'], { streamed: ['read'] })
  expect(files.tables.read.length).toBe(0)
  const wanted = rows.flatMap(({ table, row }) => (table === 'read' ? [(row as Row<'read'>).number] : []))
  expect(files.rowCounts.read).toBe(wanted.length)
  const seen: number[] = []
  await files.scan('read', ({ length, number }) => void seen.push(...number.subarray(0, length)))
  expect(seen).toEqual(wanted)
  await files.close()
})

test('whatever a process had written when it was killed, its whole blocks are read', async () => {
  const random = new SimRandom(3)
  const rows = randomRows(random, 30)
  const file = new BytesFile()
  const writer = new HistoryFileWriter(file, INFO)
  const flushedAt: { readonly bytes: number; readonly rows: number }[] = [{ bytes: file.bytes.length, rows: 0 }]
  for (const [index, { table, row }] of rows.entries()) {
    writer.record(table, row)
    if (random.below(4) !== 0) continue
    writer.flush()
    flushedAt.push({ bytes: file.bytes.length, rows: index + 1 })
  }
  const headerBytes = flushedAt[0]?.bytes as number
  for (let cut = headerBytes; cut <= file.bytes.length; cut += 1) {
    const files = await HistoryFiles.open(await fileWith(file.bytes.subarray(0, cut)), ['/h'])
    const count = TABLE_NAMES.reduce((sum, name) => sum + files.rowCounts[name], 0)
    const durable = flushedAt.findLast(({ bytes }) => bytes <= cut)
    expect(count, `cut at ${cut}`).toBeGreaterThanOrEqual(durable?.rows as number)
    const isBetweenBlocks = files.tornTails.length === 0
    if (durable?.bytes === cut) expect(isBetweenBlocks, `cut at ${cut}`).toBe(true)
  }
})

test('what was flushed outlives a process that is killed in the next instant', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'semel-history-'))
  try {
    const path = join(folder, 'h')
    const source = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href)
    const program = `
      import { openAppendFile } from ${source('../../runtime/append-file.ts')}
      import { HistoryFileWriter } from ${source('history-writer.ts')}
      const history = new HistoryFileWriter(openAppendFile(${JSON.stringify(path)}), ${JSON.stringify(INFO)})
      for (let at = 0; at < 100; at += 1) history.record('phase', { phase: 'p' + at, at })
      history.flush()
      history.record('phase', { phase: 'too late', at: 100 })
      process.kill(process.pid, 'SIGKILL')`
    const { signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', program])
    expect(signal).toBe('SIGKILL')
    const { tables, strings } = await readHistory(nodeFileSystem(), [path])
    expect(tables.phase.length).toBe(100)
    expect(strings[tables.phase.phase[99] as number]).toBe('p99')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('room at the end that was never written is a torn tail', async () => {
  const file = new BytesFile()
  const writer = new HistoryFileWriter(file, INFO)
  recordAll(writer, randomRows(new SimRandom(4), 50), new SimRandom(4))
  writer.close()
  const { length } = file.bytes
  const files = await HistoryFiles.open(await fileWith(Buffer.concat([file.bytes, Buffer.alloc(512)])), ['/h'])
  expect(files.tornTails).toEqual([{ path: '/h', position: length }])
})

test('a byte that is changed anywhere is an error that names file and place', async () => {
  const file = new BytesFile()
  const writer = new HistoryFileWriter(file, INFO)
  recordAll(writer, randomRows(new SimRandom(5), 12), new SimRandom(5))
  writer.close()
  for (let at = 0; at < file.bytes.length; at += 1) {
    const damaged = Buffer.from(file.bytes)
    damaged[at] = (damaged[at] as number) ^ 0x10
    const opened = HistoryFiles.open(await fileWith(damaged), ['/h'])
    const result = await opened.then(() => 'opened', String)
    if (isFilling(at)) expect(result).toBe('opened')
    else expect(result, `byte ${at}`).toMatch(/^HistoryFileError: \/h at byte \d+: /)
  }

  /** Between the JSON of the header and the first block. */
  function isFilling(at: number): boolean {
    const jsonEnd = 24 + file.bytes.readUInt32LE(12)
    return at >= jsonEnd && at < Math.ceil(jsonEnd / 8) * 8
  }
})

test('a block that is missing is noticed', async () => {
  const file = new BytesFile()
  const writer = new HistoryFileWriter(file, INFO)
  const at: number[] = []
  for (const text of ['one', 'two', 'three']) {
    at.push(file.bytes.length)
    writer.record('phase', { phase: text, at: 1 })
    writer.flush()
  }
  const [, second, third] = at as [number, number, number]
  const without = Buffer.concat([file.bytes.subarray(0, second), file.bytes.subarray(third)])
  await expect(readHistory(await fileWith(without), ['/h'])).rejects.toThrow(/block 4 is where block 2 belongs/)
})

test('files of different runs are not put together', async () => {
  const fileSystem = new MemoryFileSystem()
  for (const run of ['r1', 'r2']) await (await HistoryFileStream.open(fileSystem, `/${run}`, { ...INFO, run })).close()
  await expect(readHistory(fileSystem, ['/r1', '/r2'])).rejects.toThrow(HistoryFileError)
})

test('a stream never writes over a history, and tells when it could not write', async () => {
  const fileSystem = new MemoryFileSystem()
  await (await HistoryFileStream.open(fileSystem, '/h', INFO)).close()
  await expect(HistoryFileStream.open(fileSystem, '/h', INFO)).rejects.toThrow('/h exists')
  class FullFileSystem extends MemoryFileSystem {
    override async open(path: string, mode: 'read' | 'write' | 'create') {
      const file = await super.open(path, mode)
      file.write = () => Promise.reject(new Error('disk full'))
      return file
    }
  }
  const stream = await HistoryFileStream.open(new FullFileSystem(), '/other', INFO)
  stream.record('phase', { phase: 'running', at: 1 })
  stream.flush()
  await expect(stream.drained()).rejects.toThrow('disk full')
})

test('a stream that is handed more than it can write says so, and is up again once it has written', async () => {
  const gate = Promise.withResolvers<void>()
  class SlowFileSystem extends MemoryFileSystem {
    override async open(path: string, mode: 'read' | 'write' | 'create') {
      const file = await super.open(path, mode)
      const write = file.write.bind(file)
      file.write = (chunks, position) => gate.promise.then(() => write(chunks, position))
      return file
    }
  }
  const fileSystem = new SlowFileSystem()
  const stream = await HistoryFileStream.open(fileSystem, '/h', INFO, { waitingBytesMax: 300_000 })
  let rows = 0
  for (; !stream.isBehind; rows += 1) stream.record('phase', { phase: 'running', at: rows })
  expect(rows * 12).toBeGreaterThan(290_000)
  gate.resolve()
  await stream.drained()
  expect(stream.isBehind).toBe(false)
  await stream.close()
  expect((await readHistory(fileSystem, ['/h'])).tables.phase.length).toBe(rows)
})

test('a file of format 1 still opens', async () => {
  const history = await readHistory(nodeFileSystem(), [FIXTURE])
  expect(history.info.run).toBe('fixture')
  expect(readFileSync(FIXTURE).length).toBeGreaterThan(0)
  const { phase, sendInvoked, read } = history.tables
  expect(Array.from(phase.phase.subarray(0, phase.length), (text) => history.strings[text])).toEqual([
    'running',
    'healed',
  ])
  expect(Array.from(sendInvoked.number.subarray(0, sendInvoked.length))).toEqual([0, 1, 2])
  expect(history.partitions[read.partition[1] as number]).toEqual({ topic: 'orders', partition: 1 })
  expect(read.offset[1]).toBe(5_000_000_001)
})

test('of columns that a file has not the rows are empty, and those that only it has are left out', async () => {
  const file = new BytesFile()
  const writer = new HistoryFileWriter(file, INFO)
  writer.record('watermarks', {
    partition: { topic: 't', partition: 0 },
    highWatermark: 1,
    lastStableOffset: 2,
    logStartOffset: 3,
    invokedAt: 4,
    at: 5,
  })
  writer.close()
  // As a version would have written it that calls one column otherwise.
  const { bytes } = file
  bytes.write('lowWatermarks', bytes.indexOf('highWatermark'))
  const jsonBytes = bytes.readUInt32LE(12)
  bytes.writeUInt32LE(crc32c(bytes.subarray(24, 24 + jsonBytes)), 16)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 20)), 20)
  const { watermarks } = (await readHistory(await fileWith(bytes), ['/h'])).tables
  expect([watermarks.length, watermarks.highWatermark[0], watermarks.lastStableOffset[0]]).toEqual([1, -1, 2])
  expect([watermarks.logStartOffset[0], watermarks.invokedAt[0], watermarks.at[0]]).toEqual([3, 4, 5])
})
