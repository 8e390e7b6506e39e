/** Data directories that a broker must not, or cannot, start on (reliability.md E.3, group 29). */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { crc32c } from '../../src/base/crc32c.ts'
import type { FileSystem } from '../../src/base/runtime.ts'
import { Broker } from '../../src/broker/broker.ts'
import { describeStartError } from '../../src/cli/commands/start-error.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import { CorruptionError } from '../../src/storage/errors.ts'
import { TestBroker } from './test-broker.ts'

async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'semel-disk-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Why the broker does not start on the directory, and the sentence that its user reads. */
async function refusalOf(dataDir: string): Promise<{ error: unknown; advice: string }> {
  const started = await Broker.start({ dataDir, port: 0 }).catch((error: unknown) => error)
  if (started instanceof Broker) {
    await started.close()
    throw new Error(`a broker has started on ${dataDir}`)
  }
  return { error: started, advice: describeStartError(started, { dataDir }) }
}

/** A directory that a broker was on, with records in a segment of 't'. */
async function usedDirectory(): Promise<{ dataDir: string; segment: string }> {
  const dataDir = await temporaryDirectory()
  await using broker = await TestBroker.start({ dataDir })
  const client = await broker.connect()
  await client.createTopic('t')
  for (let index = 0; index < 20; index++) await client.produce('t', { values: [`${index}`] })
  return { dataDir, segment: join(dataDir, 't-0', '00000000000000000000.log') }
}

async function valuesOn(dataDir: string): Promise<(string | null)[]> {
  await using broker = await TestBroker.start({ dataDir })
  return await (await broker.connect()).values('t')
}

const ALL = Array.from({ length: 20 }, (_, index) => `${index}`)

test('a directory that is not writable', async () => {
  const dataDir = await temporaryDirectory()
  // Permissions do not bind root, which tests may run as, so the file system refuses in their place.
  const real = nodeRuntime({ logger: silentLogger })
  const denied = async (path: string): Promise<never> => {
    throw Object.assign(new Error(`EACCES: permission denied, open '${path}'`), { code: 'EACCES', path })
  }
  const fileSystem = Object.assign(Object.create(real.fileSystem) as FileSystem, { open: denied, lock: denied })
  const refused = await Broker.start({ dataDir, port: 0, runtime: { ...real, fileSystem } }).catch((error) => error)
  expect(refused).toMatchObject({ code: 'EACCES' })
  const advice = describeStartError(refused, { dataDir })
  expect(advice).toContain(dataDir)
  expect(advice).toMatch(/make it writable/)
})

test('a file in the place of the directory, or of its parent', async () => {
  const parent = await temporaryDirectory()
  const file = join(parent, 'file')
  await writeFile(file, 'mine')
  for (const dataDir of [file, join(file, 'inside')]) {
    const { advice } = await refusalOf(dataDir)
    expect(advice).toContain(file)
    expect(advice).toMatch(/not a directory/)
  }
  expect(await readFile(file, 'utf8')).toBe('mine')
})

test('two brokers on one directory, also through a symbolic link: the second refuses, the first goes on', async () => {
  const dataDir = await temporaryDirectory()
  const link = join(await temporaryDirectory(), 'link')
  await symlink(dataDir, link)
  await using broker = await TestBroker.start({ dataDir })
  const client = await broker.connect()
  await client.createTopic('t')
  for (const path of [dataDir, link, `${dataDir}/../${dataDir.split('/').at(-1)}`]) {
    const { error, advice } = await refusalOf(path)
    expect(error).toMatchObject({ code: 'ELOCKED' })
    expect(advice).toMatch(/in use by another broker/)
  }
  expect((await client.produce('t', { values: ['still here'] })).errorCode).toBe('NONE')
  expect(await client.values('t')).toEqual(['still here'])
})

test('files of a newer version are refused untouched, with the advice to take a newer program', async () => {
  for (const file of ['checkpoint', 'journal']) {
    const { dataDir } = await usedDirectory()
    const paths =
      file === 'journal'
        ? (await readdir(join(dataDir, 'journal'))).map((name) => join(dataDir, 'journal', name))
        : [join(dataDir, 'checkpoint-a'), join(dataDir, 'checkpoint-b')]
    const contents: Buffer[] = []
    for (const path of paths) {
      const bytes = await readFile(path)
      bytes.writeUInt32BE(99, 8)
      if (file === 'journal') {
        bytes.writeUInt32BE(crc32c(bytes.subarray(0, 28)), 28)
      } else {
        const body = bytes.subarray(16, 28 + bytes.readUInt32BE(24))
        bytes.writeUInt32BE(crc32c(Buffer.concat([bytes.subarray(0, 12), body])), 12)
      }
      await writeFile(path, bytes)
      contents.push(bytes)
    }
    const { error, advice } = await refusalOf(dataDir)
    expect((error as Error).name, file).toBe('UnsupportedFormatError')
    expect(advice).toMatch(/newer/)
    expect(advice).toContain(dataDir)
    for (const [index, path] of paths.entries()) expect((await readFile(path)).equals(contents[index]!)).toBe(true)
  }
})

test('a segment that is gone, short, or changed in size is refused with its name', async () => {
  const damages: Record<string, (segment: string) => Promise<void>> = {
    deleted: (segment) => unlink(segment),
    'cut to nothing': (segment) => truncate(segment, 0),
    'cut in the middle': (segment) => truncate(segment, 100),
    'a directory in its place': async (segment) => {
      await unlink(segment)
      await mkdir(segment)
    },
  }
  for (const [what, damage] of Object.entries(damages)) {
    const { dataDir, segment } = await usedDirectory()
    await damage(segment)
    const { error, advice } = await refusalOf(dataDir)
    expect(advice, what).toContain(segment)
    if (what !== 'a directory in its place') {
      expect(error, what).toBeInstanceOf(CorruptionError)
      expect((error as CorruptionError).advice.length, what).toBeGreaterThan(20)
    }
    // Asking again gives the same answer: nothing was changed.
    expect((await refusalOf(dataDir)).advice, what).toBe(advice)
  }
})

test('indexes that are gone, empty or too long lose no record: they are made anew, or refused by name', async () => {
  const damages: Record<string, (path: string) => Promise<void>> = {
    deleted: (path) => rm(path, { force: true }),
    empty: (path) => writeFile(path, ''),
    'too long': (path) => writeFile(path, Buffer.alloc(100_000, 1)),
  }
  for (const [what, damage] of Object.entries(damages)) {
    for (const suffix of ['index', 'timeindex']) {
      const { dataDir, segment } = await usedDirectory()
      await damage(segment.replace(/log$/, suffix))
      const outcome = await valuesOn(dataDir).catch((error: unknown) => error)
      if (Array.isArray(outcome)) expect(outcome, `${suffix} ${what}`).toEqual(ALL)
      else expect(describeStartError(outcome, { dataDir }), `${suffix} ${what}`).toContain(suffix)
    }
  }
})

test('strange files beside the data are left alone', async () => {
  const { dataDir } = await usedDirectory()
  await writeFile(join(dataDir, 'notes.txt'), 'mine')
  await writeFile(join(dataDir, 't-0', 'notes.txt'), 'mine')
  await mkdir(join(dataDir, 'not a partition'))
  expect(await valuesOn(dataDir)).toEqual(ALL)
  expect(await readFile(join(dataDir, 'notes.txt'), 'utf8')).toBe('mine')
  expect(await readdir(dataDir)).toContain('not a partition')
})
