/** What every `FileSystem` must do; run against Node's, the one in memory and the simulated disk. */

import { describe, expect, test } from 'vitest'
import type { FileSystem } from '../base/runtime.ts'

export interface FileSystemUnderTest {
  readonly fileSystem: FileSystem
  /** An empty directory that exists. */
  readonly directory: string
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

async function readAll(fileSystem: FileSystem, path: string): Promise<string> {
  const file = await fileSystem.open(path, 'read')
  const bytes = new Uint8Array(await file.sizeBytes())
  expect(await file.read(bytes, 0)).toBe(bytes.length)
  await file.close()
  return new TextDecoder().decode(bytes)
}

async function put(fileSystem: FileSystem, path: string, content: string): Promise<void> {
  const file = await fileSystem.open(path, 'create')
  await file.truncate(0)
  await file.write([text(content)], 0)
  await file.sync()
  await file.close()
}

export function fileSystemContract(name: string, setUp: () => Promise<FileSystemUnderTest>): void {
  describe(`file system contract: ${name}`, () => {
    test('what was written is read back, across chunks and from any position', async () => {
      const { fileSystem, directory } = await setUp()
      const file = await fileSystem.open(`${directory}/a`, 'create')
      await file.write([text('hello '), text(''), text('world')], 0)
      const target = new Uint8Array(5)
      expect(await file.read(target, 6)).toBe(5)
      expect(new TextDecoder().decode(target)).toBe('world')
      expect(await file.sizeBytes()).toBe(11)
      await file.sync()
      await file.close()
      expect(await readAll(fileSystem, `${directory}/a`)).toBe('hello world')
    })

    test('a read past the end is short, and one behind the end is empty', async () => {
      const { fileSystem, directory } = await setUp()
      await put(fileSystem, `${directory}/a`, 'abc')
      const file = await fileSystem.open(`${directory}/a`, 'read')
      expect(await file.read(new Uint8Array(10), 1)).toBe(2)
      expect(await file.read(new Uint8Array(10), 3)).toBe(0)
      expect(await file.read(new Uint8Array(10), 99)).toBe(0)
      await file.close()
    })

    test('a write behind the end leaves zeros between', async () => {
      const { fileSystem, directory } = await setUp()
      const file = await fileSystem.open(`${directory}/a`, 'create')
      await file.write([text('x')], 5)
      await file.close()
      expect(await readAll(fileSystem, `${directory}/a`)).toBe('\0\0\0\0\0x')
    })

    test('growth by truncation is sparse: zeros, and bytes written into it later stay where they were put', async () => {
      const { fileSystem, directory } = await setUp()
      const file = await fileSystem.open(`${directory}/a`, 'create')
      await file.truncate(10_000_000)
      await file.write([text('x')], 9_000_000)
      const target = new Uint8Array(3).fill(9)
      expect(await file.read(target, 8_999_999)).toBe(3)
      expect([...target]).toEqual([0, 120, 0])
      expect(await file.read(new Uint8Array(100), 9_999_990)).toBe(10)
      await file.write([], 20_000_000)
      expect(await file.sizeBytes()).toBe(10_000_000)
      await file.close()
    })

    test('more chunks than one system call takes are all written', async () => {
      const { fileSystem, directory } = await setUp()
      const file = await fileSystem.open(`${directory}/a`, 'create')
      const chunks = Array.from({ length: 3000 }, (_, index) => text(`${index},`))
      await file.write(chunks, 0)
      await file.close()
      expect(await readAll(fileSystem, `${directory}/a`)).toBe(Buffer.concat(chunks).toString())
    })

    test('content of several megabytes survives overwriting its middle', async () => {
      const { fileSystem, directory } = await setUp()
      const expected = Buffer.alloc(3_000_000, 'abcdefg')
      const file = await fileSystem.open(`${directory}/a`, 'create')
      await file.write([expected], 0)
      const patch = Buffer.alloc(1_500_000, 'Z')
      await file.write([patch], 700_000)
      patch.copy(expected, 700_000)
      const actual = Buffer.alloc(expected.length)
      expect(await file.read(actual, 0)).toBe(expected.length)
      expect(actual.equals(expected)).toBe(true)
      await file.close()
    })

    test('truncation shortens, lengthens with zeros, and what it cut does not come back', async () => {
      const { fileSystem, directory } = await setUp()
      await put(fileSystem, `${directory}/a`, 'abcdef')
      const file = await fileSystem.open(`${directory}/a`, 'write')
      await file.truncate(2)
      expect(await file.sizeBytes()).toBe(2)
      await file.truncate(5)
      await file.close()
      expect(await readAll(fileSystem, `${directory}/a`)).toBe('ab\0\0\0')
    })

    test('create keeps what is there', async () => {
      const { fileSystem, directory } = await setUp()
      await put(fileSystem, `${directory}/a`, 'kept')
      await (await fileSystem.open(`${directory}/a`, 'create')).close()
      expect(await readAll(fileSystem, `${directory}/a`)).toBe('kept')
    })

    test('read and write refuse a missing file with ENOENT', async () => {
      const { fileSystem, directory } = await setUp()
      await expect(fileSystem.open(`${directory}/none`, 'read')).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(fileSystem.open(`${directory}/none`, 'write')).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(fileSystem.open(`${directory}/none/a`, 'create')).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('a directory does not open as a file', async () => {
      const { fileSystem, directory } = await setUp()
      await expect(fileSystem.open(directory, 'read')).rejects.toMatchObject({ code: 'EISDIR' })
      await expect(fileSystem.open(directory, 'write')).rejects.toMatchObject({ code: 'EISDIR' })
    })

    test('a file opened to read refuses writes, and a closed one refuses everything', async () => {
      const { fileSystem, directory } = await setUp()
      await put(fileSystem, `${directory}/a`, 'abc')
      const file = await fileSystem.open(`${directory}/a`, 'read')
      await expect(file.write([text('x')], 0)).rejects.toMatchObject({ code: 'EBADF' })
      await expect(file.truncate(1)).rejects.toMatchObject({ code: 'EINVAL' })
      await file.sync()
      await file.close()
      await file.close()
      await expect(file.read(new Uint8Array(1), 0)).rejects.toMatchObject({ code: 'EBADF' })
      await expect(file.sync()).rejects.toMatchObject({ code: 'EBADF' })
    })

    test('directories are made with their parents, listed sorted, and found by stat', async () => {
      const { fileSystem, directory } = await setUp()
      await fileSystem.makeDirectory(`${directory}/one/two`)
      await fileSystem.makeDirectory(`${directory}/one/two`)
      await put(fileSystem, `${directory}/one/b`, '12')
      await put(fileSystem, `${directory}/one/a`, '')
      await fileSystem.syncDirectory(`${directory}/one`)
      expect(await fileSystem.list(`${directory}/one`)).toEqual(['a', 'b', 'two'])
      expect(await fileSystem.stat(`${directory}/one/b`)).toEqual({ sizeBytes: 2, isDirectory: false })
      expect(await fileSystem.stat(`${directory}/one/two`)).toMatchObject({ isDirectory: true })
      expect(await fileSystem.stat(`${directory}/one/none`)).toBeUndefined()
      expect(await fileSystem.stat(`${directory}/one/b/none`)).toBeUndefined()
      await expect(fileSystem.list(`${directory}/none`)).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(fileSystem.syncDirectory(`${directory}/none`)).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('a rename replaces a file that has the name', async () => {
      const { fileSystem, directory } = await setUp()
      await put(fileSystem, `${directory}/old`, 'old')
      await put(fileSystem, `${directory}/new`, 'new')
      await fileSystem.rename(`${directory}/new`, `${directory}/old`)
      expect(await fileSystem.list(directory)).toEqual(['old'])
      expect(await readAll(fileSystem, `${directory}/old`)).toBe('new')
      await expect(fileSystem.rename(`${directory}/none`, `${directory}/x`)).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('a rename refuses what would lose something or make no sense', async () => {
      const { fileSystem, directory } = await setUp()
      await put(fileSystem, `${directory}/file`, 'abc')
      await fileSystem.makeDirectory(`${directory}/full/inner`)
      await fileSystem.makeDirectory(`${directory}/empty`)
      const rename = (from: string, to: string) => fileSystem.rename(`${directory}/${from}`, `${directory}/${to}`)
      await expect(rename('file', 'empty')).rejects.toMatchObject({ code: 'EISDIR' })
      await expect(rename('empty', 'file')).rejects.toMatchObject({ code: 'ENOTDIR' })
      await expect(rename('empty', 'full')).rejects.toMatchObject({ code: 'ENOTEMPTY' })
      await expect(rename('full', 'full/inner/x')).rejects.toMatchObject({ code: 'EINVAL' })
      await expect(rename('full/inner', 'full')).rejects.toMatchObject({ code: 'ENOTEMPTY' })
      await rename('file', 'file')
      await rename('full', 'empty')
      expect(await fileSystem.list(`${directory}/empty`)).toEqual(['inner'])
    })

    test('what lies under a file is not a directory', async () => {
      const { fileSystem, directory } = await setUp()
      await put(fileSystem, `${directory}/a`, 'abc')
      await expect(fileSystem.makeDirectory(`${directory}/a`)).rejects.toMatchObject({ code: 'EEXIST' })
      await expect(fileSystem.makeDirectory(`${directory}/a/b`)).rejects.toMatchObject({ code: 'ENOTDIR' })
      await expect(fileSystem.open(`${directory}/a/b`, 'create')).rejects.toMatchObject({ code: 'ENOTDIR' })
      await expect(fileSystem.remove(`${directory}/a/b`)).rejects.toMatchObject({ code: 'ENOTDIR' })
      await expect(fileSystem.list(`${directory}/a/b`)).rejects.toMatchObject({ code: 'ENOTDIR' })
      expect(await fileSystem.stat(`${directory}/a/b`)).toBeUndefined()
    })

    test('a directory is renamed with all it holds', async () => {
      const { fileSystem, directory } = await setUp()
      await fileSystem.makeDirectory(`${directory}/from/inner`)
      await put(fileSystem, `${directory}/from/inner/a`, 'moved')
      await fileSystem.rename(`${directory}/from`, `${directory}/to`)
      expect(await readAll(fileSystem, `${directory}/to/inner/a`)).toBe('moved')
      expect(await fileSystem.stat(`${directory}/from`)).toBeUndefined()
    })

    test('removing succeeds whether or not something is there', async () => {
      const { fileSystem, directory } = await setUp()
      await put(fileSystem, `${directory}/a`, 'abc')
      await fileSystem.makeDirectory(`${directory}/d/e`)
      await put(fileSystem, `${directory}/d/e/f`, 'abc')
      await fileSystem.remove(`${directory}/a`)
      await fileSystem.remove(`${directory}/a`)
      await fileSystem.removeDirectory(`${directory}/d`)
      await fileSystem.removeDirectory(`${directory}/d`)
      expect(await fileSystem.list(directory)).toEqual([])
    })

    test('a file stays usable through what had opened it, after it was removed or renamed', async () => {
      const { fileSystem, directory } = await setUp()
      await put(fileSystem, `${directory}/a`, 'abc')
      const removed = await fileSystem.open(`${directory}/a`, 'write')
      await fileSystem.remove(`${directory}/a`)
      expect(await removed.read(new Uint8Array(3), 0)).toBe(3)
      await removed.close()
      await put(fileSystem, `${directory}/b`, 'abc')
      const renamed = await fileSystem.open(`${directory}/b`, 'write')
      await fileSystem.rename(`${directory}/b`, `${directory}/c`)
      await renamed.write([text('X')], 0)
      await renamed.close()
      expect(await readAll(fileSystem, `${directory}/c`)).toBe('Xbc')
    })

    test('a lock is refused while held, even to the same process, and free after release', async () => {
      const { fileSystem, directory } = await setUp()
      const lock = await fileSystem.lock(`${directory}/.lock`)
      await expect(fileSystem.lock(`${directory}/.lock`)).rejects.toMatchObject({ code: 'ELOCKED' })
      await expect(fileSystem.lock(`${directory}/.lock`)).rejects.toThrow(/this process/)
      await lock.release()
      const again = await fileSystem.lock(`${directory}/.lock`)
      await again.release()
    })

    test('free space is a count of bytes or unknown', async () => {
      const { fileSystem, directory } = await setUp()
      const free = await fileSystem.freeBytes(directory)
      expect(free === undefined || free >= 0).toBe(true)
    })
  })
}
