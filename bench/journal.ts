/**
 * What the journal costs: appends per second and MB/s by size and concurrency, beside a bare loop of write and fdatasync on
 * the same disk in the same run. Only the ratio means something; the disk is whatever it is.
 *
 *   node bench/journal.ts [milliseconds per figure] [directory]
 */

import { closeSync, fdatasync, fdatasyncSync, mkdtempSync, openSync, rmSync, write, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { silentLogger } from '../src/runtime/logger.ts'
import { nodeRuntime } from '../src/runtime/node-runtime.ts'
import { Journal } from '../src/storage/journal.ts'

const MEASURE_MS = Number(process.argv[2] ?? 1500)
const SIZES = [1024, 16 * 1024, 128 * 1024, 1024 * 1024]
const CONCURRENCIES = [1, 64]
const FILE_BYTES = 64 * 1024 * 1024

interface Rate {
  readonly perSecond: number
  readonly megabytesPerSecond: number
}

function rate(appends: number, size: number, elapsedMs: number): Rate {
  const perSecond = (appends * 1000) / elapsedMs
  return { perSecond, megabytesPerSecond: (perSecond * size) / 1e6 }
}

/** One write and one fdatasync at a time, into a file whose bytes are all there already. */
async function bareLoop(directory: string, size: number): Promise<Rate> {
  const path = join(directory, 'bare')
  const descriptor = openSync(path, 'w+')
  for (let at = 0; at < FILE_BYTES; at += 1024 * 1024)
    writeSync(descriptor, Buffer.alloc(1024 * 1024), 0, 1024 * 1024, at)
  fdatasyncSync(descriptor)
  const bytes = Buffer.alloc(size, 7)
  let position = 0
  let appends = 0
  const startMs = performance.now()
  while (performance.now() - startMs < MEASURE_MS) {
    if (position + size > FILE_BYTES) position = 0
    const at = position
    await new Promise<void>((resolve, reject) => {
      write(descriptor, bytes, 0, size, at, (error) => (error ? reject(error) : resolve()))
    })
    await new Promise<void>((resolve, reject) => {
      fdatasync(descriptor, (error) => (error ? reject(error) : resolve()))
    })
    position += size
    appends += 1
  }
  const result = rate(appends, size, performance.now() - startMs)
  closeSync(descriptor)
  rmSync(path)
  return result
}

async function journalLoop(
  directory: string,
  size: number,
  appenders: number,
  durability: 'fsync' | 'os',
): Promise<Rate> {
  const path = join(directory, `journal-${size}-${appenders}-${durability}`)
  const runtime = nodeRuntime({ logger: silentLogger })
  const journal = await Journal.open({ runtime, directory: path, durability, afterLsn: 0, onFrame: () => {} })
  const body = Buffer.alloc(size, 7)
  const waiting: { lsn: number; resume: () => void }[] = []
  journal.onDurable = (lsn) => {
    while (waiting[0] !== undefined && waiting[0].lsn <= lsn) waiting.shift()?.resume()
  }
  journal.onFailure = (error) => {
    throw error
  }
  let appends = 0
  const startMs = performance.now()
  const appender = async (): Promise<void> => {
    while (performance.now() - startMs < MEASURE_MS) {
      const lsn = journal.append([body])
      await new Promise<void>((resume) => waiting.push({ lsn, resume }))
      appends += 1
      if (appends % 256 === 0) void journal.cut(journal.durableLsn)
    }
  }
  await Promise.all(Array.from({ length: appenders }, appender))
  const result = rate(appends, size, performance.now() - startMs)
  await journal.close()
  rmSync(path, { recursive: true })
  return result
}

/** Bare and journal appends by turns, twenty of each, so that whatever else the machine does strikes both alike. */
async function sideBySide(directory: string, size: number): Promise<void> {
  const runtime = nodeRuntime({ logger: silentLogger })
  const path = join(directory, `turns-${size}`)
  const journal = await Journal.open({ runtime, directory: path, durability: 'fsync', afterLsn: 0, onFrame: () => {} })
  const barePath = join(directory, 'turns-bare')
  const bare = await runtime.fileSystem.open(barePath, 'create')
  await bare.write([Buffer.alloc(FILE_BYTES)], 0)
  await bare.sync()
  const body = Buffer.alloc(size, 7)
  const bareMs: number[] = []
  const journalMs: number[] = []
  let position = 0
  const endMs = performance.now() + 2 * MEASURE_MS
  while (performance.now() < endMs) {
    for (let turn = 0; turn < 20; turn += 1) {
      if (position + size > FILE_BYTES) position = 0
      const startMs = performance.now()
      await bare.write([body], position)
      await bare.sync()
      bareMs.push(performance.now() - startMs)
      position += size
    }
    for (let turn = 0; turn < 20; turn += 1) {
      const startMs = performance.now()
      await new Promise<void>((resolve) => {
        journal.onDurable = () => resolve()
        journal.append([body])
      })
      journalMs.push(performance.now() - startMs)
    }
    await journal.cut(journal.durableLsn)
  }
  await bare.close()
  await journal.close()
  rmSync(path, { recursive: true })
  rmSync(barePath)
  console.log(`${size / 1024} KB by turns, ms: bare ${quantiles(bareMs)}; journal ${quantiles(journalMs)}`)
}

function quantiles(values: number[]): string {
  values.sort((a, b) => a - b)
  const at = (share: number): string => (values[Math.floor(values.length * share)] ?? 0).toFixed(3)
  return `p10 ${at(0.1)} p50 ${at(0.5)} p90 ${at(0.9)}`
}

async function startUp(directory: string): Promise<void> {
  const runtime = nodeRuntime({ logger: silentLogger })
  const times: number[] = []
  for (let attempt = 0; attempt < 9; attempt += 1) {
    const path = join(directory, `start-${attempt}`)
    const startMs = performance.now()
    const journal = await Journal.open({
      runtime,
      directory: path,
      durability: 'fsync',
      afterLsn: 0,
      onFrame: () => {},
    })
    times.push(performance.now() - startMs)
    await journal.close()
  }
  times.sort((a, b) => a - b)
  console.log(`start on an empty directory: median ${times[4]?.toFixed(1)} ms, worst ${times[8]?.toFixed(1)} ms`)
}

async function replay(directory: string): Promise<void> {
  const runtime = nodeRuntime({ logger: silentLogger })
  const options = { runtime, directory: join(directory, 'replay'), durability: 'os', afterLsn: 0 } as const
  const journal = await Journal.open({ ...options, onFrame: () => {} })
  const body = Buffer.alloc(16 * 1024, 7)
  for (let appends = 0; appends < 16_000; appends += 1) {
    journal.append([body])
    if (appends % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await journal.close()
  let bytes = 0
  const startMs = performance.now()
  const again = await Journal.open({ ...options, onFrame: (frame) => void (bytes += frame.body.length) })
  const elapsedMs = performance.now() - startMs
  await again.close()
  console.log(
    `replay: ${(bytes / 1e6).toFixed(0)} MB in ${elapsedMs.toFixed(0)} ms, ${(bytes / 1e3 / elapsedMs).toFixed(0)} MB/s`,
  )
}

const directory = mkdtempSync(join(process.argv[3] ?? tmpdir(), 'semel-bench-journal-'))
try {
  await startUp(directory)
  for (const size of SIZES) await sideBySide(directory, size)
  const row = (cells: readonly string[]): void =>
    console.log(cells.map((cell, at) => cell.padStart(at === 0 ? 8 : 22)).join(''))
  row([
    'size',
    'bare write+fdatasync',
    ...CONCURRENCIES.map((appenders) => `journal × ${appenders}`),
    'journal × 64, os',
  ])
  const show = (result: Rate): string => `${result.perSecond.toFixed(0)}/s ${result.megabytesPerSecond.toFixed(1)} MB/s`
  for (const size of SIZES) {
    const cells = [`${size / 1024} KB`, show(await bareLoop(directory, size))]
    for (const appenders of CONCURRENCIES) cells.push(show(await journalLoop(directory, size, appenders, 'fsync')))
    cells.push(show(await journalLoop(directory, size, 64, 'os')))
    row(cells)
  }
  await replay(directory)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
