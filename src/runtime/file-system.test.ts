import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { fileSystemContract } from './file-system.contract.ts'
import { dropBytes, nodeFileSystem } from './file-system.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

const directories: string[] = []

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

fileSystemContract('node', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'semel-file-system-'))
  directories.push(directory)
  return { fileSystem: nodeFileSystem(), directory }
})

fileSystemContract('memory', async () => {
  const fileSystem = new MemoryFileSystem()
  await fileSystem.makeDirectory('/data')
  return { fileSystem, directory: '/data' }
})

test('after a short write exactly the bytes not yet written are left', () => {
  const chunks = [Buffer.from('ab'), Buffer.from(''), Buffer.from('cdef'), Buffer.from('g')]
  for (let count = 0; count <= 7; count += 1) {
    expect(Buffer.concat(dropBytes(chunks, count)).toString()).toBe('abcdefg'.slice(count))
  }
})
