/** What `semel start` says when it must not start, word by word where a user needs the words: file, position, what to do. */
import { cp, mkdtemp, readdir, readFile, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestBroker } from '../broker/test-broker.ts'
import { BrokerProcess, connectTo } from './broker-process.ts'
import type { Exit } from './broker-process.ts'
import { newestFrames, overwrite } from './journal-tail.ts'

let root = ''
/** Killed: its records are in the journal. Stopped: they are in a segment that a checkpoint speaks of. */
const KILLED = 'killed'
const STOPPED = 'stopped'
const SEGMENT = join('t-0', '00000000000000000000.log')

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'semel-refusal-'))
  await using process = new BrokerProcess(join(root, KILLED))
  const client = await connectTo(await process.ready())
  await client.createTopic('t')
  for (let count = 0; count < 10; count++) await client.produce('t', { values: [`value ${count}`] })
  await using broker = await TestBroker.start({ dataDir: join(root, STOPPED) })
  const other = await broker.connect()
  await other.createTopic('t')
  for (let count = 0; count < 10; count++) await other.produce('t', { values: [`value ${count}`] })
})

afterAll(() => rm(root, { recursive: true, force: true }))

async function copyOf(name: string): Promise<string> {
  const copy = await mkdtemp(join(root, 'copy-'))
  await cp(join(root, name), copy, { recursive: true })
  await rm(join(copy, '.lock'), { force: true })
  return copy
}

async function flip(path: string, position: number): Promise<void> {
  const byte = (await readFile(path))[position] as number
  await overwrite(path, position, Uint8Array.of(byte ^ 0x10))
}

async function startOn(dataDir: string): Promise<Exit> {
  await using process = new BrokerProcess(dataDir)
  const isReady = process.ready().then(
    () => true,
    () => false,
  )
  expect(await isReady, `a broker starts on ${dataDir}`).toBe(false)
  return await process.exit
}

/** The refusal, which is the same when asked again and has left every file as it was. */
async function refusalOn(dataDir: string): Promise<string> {
  const before = await contentsOf(dataDir)
  const { code, stdout, stderr } = await startOn(dataDir)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  const after = await contentsOf(dataDir)
  expect([...after.keys()]).toEqual([...before.keys()])
  for (const [name, bytes] of before) expect(after.get(name)?.equals(bytes), `${name} is as it was`).toBe(true)
  return stderr
}

/** All but the checkpoints, the newest of which a start copies. */
async function contentsOf(dataDir: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !/^(checkpoint-|\.lock)/.test(entry.name))
  const paths = files.map((entry) => join(entry.parentPath, entry.name))
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(path)] as const)))
}

test('a flipped byte in a flushed journal frame', async () => {
  const dataDir = await copyOf(KILLED)
  const frame = (await newestFrames(dataDir)).find(({ body }) => body.includes('value 4'))
  if (frame === undefined) throw new Error('no frame holds the value')
  await flip(frame.path, frame.to - 3)
  const stderr = await refusalOn(dataDir)
  expect(stderr).toMatch(
    new RegExp(
      `^semel: frame \\d+ of the journal is damaged or missing here, and frame \\d+ in ${frame.path} says that everything ` +
        `up to \\d+ had been flushed \\(${frame.path}, position ${frame.from}\\)\\. Acknowledged data is damaged, so the ` +
        'broker does not start on it\\. Check the disk, then restore the data directory from a copy; nothing was changed\\.\\n$',
    ),
  )
})

test('a flipped byte at the end of a segment', async () => {
  const dataDir = await copyOf(STOPPED)
  const path = join(dataDir, SEGMENT)
  await flip(path, (await readFile(path)).length - 3)
  const stderr = await refusalOn(dataDir)
  expect(stderr).toMatch(/^semel: .*wrong checksum/i)
  expect(stderr).toContain(`(${path}, position `)
  expect(stderr).toMatch(/restore this data directory from a copy/i)
})

test('a segment that is gone', async () => {
  const dataDir = await copyOf(STOPPED)
  const path = join(dataDir, SEGMENT)
  await unlink(path)
  const stderr = await refusalOn(dataDir)
  expect(stderr).toMatch(/^semel: A file of t-0 is missing; \d+ bytes of it had been flushed/)
  expect(stderr).toContain(`(${path}, position 0). Restore this data directory from a copy.`)
})

test('a broker that runs on the directory is named by its process id', async () => {
  const dataDir = await copyOf(STOPPED)
  await using first = new BrokerProcess(dataDir)
  await first.ready()
  const { code, stderr } = await startOn(dataDir)
  expect(code).toBe(1)
  expect(stderr).toContain(`(process ${first.processId} on `)
  expect(stderr).toMatch(/is in use by another broker.*--data/)
})
