/**
 * A file system in memory, for `--memory`: what is written is there until the process ends, and nothing fails.
 *
 * Paths are POSIX; relative ones start at `/`. Behaves as `file-system.contract.ts` demands, open files included: a file
 * that was removed or renamed stays readable and writable through what had opened it.
 */

import { posix } from 'node:path'
import type { File, FileLock, FileStatus, FileSystem } from '../base/runtime.ts'
import { fileError } from './file-error.ts'
import { PagedBytes } from './paged-bytes.ts'

type Directory = Map<string, Directory | PagedBytes>

export class MemoryFileSystem implements FileSystem {
  readonly #root: Directory = new Map()
  readonly #locked = new Set<string>()

  async makeDirectory(path: string): Promise<void> {
    let directory = this.#root
    for (const name of segments(path)) {
      let next = directory.get(name)
      if (next === undefined) {
        next = new Map()
        directory.set(name, next)
      }
      if (next instanceof PagedBytes) throw fileError('EEXIST', 'mkdir', path)
      directory = next
    }
  }

  async list(path: string): Promise<string[]> {
    return [...this.#directory(path, 'scandir').keys()].sort()
  }

  async stat(path: string): Promise<FileStatus | undefined> {
    const entry = this.#find(path)
    if (entry === undefined) return undefined
    return entry instanceof PagedBytes
      ? { sizeBytes: entry.length, isDirectory: false }
      : { sizeBytes: 0, isDirectory: true }
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<File> {
    const { directory, name } = this.#parent(path, 'open')
    let entry = directory.get(name)
    if (entry === undefined) {
      if (mode !== 'create') throw fileError('ENOENT', 'open', path)
      entry = new PagedBytes()
      directory.set(name, entry)
    }
    if (!(entry instanceof PagedBytes)) throw fileError('EISDIR', 'open', path)
    return new MemoryFile(path, entry, mode !== 'read')
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.#parent(from, 'rename')
    const entry = source.directory.get(source.name)
    if (entry === undefined) throw fileError('ENOENT', 'rename', from)
    const target = this.#parent(to, 'rename')
    const replaced = target.directory.get(target.name)
    if (replaced !== undefined && !(replaced instanceof PagedBytes) && replaced !== entry) {
      throw fileError(entry instanceof PagedBytes ? 'EISDIR' : 'EEXIST', 'rename', to)
    }
    source.directory.delete(source.name)
    target.directory.set(target.name, entry)
  }

  async remove(path: string): Promise<void> {
    const entry = this.#find(path)
    if (entry === undefined) return
    if (!(entry instanceof PagedBytes)) throw fileError('EISDIR', 'unlink', path)
    const { directory, name } = this.#parent(path, 'unlink')
    directory.delete(name)
  }

  async removeDirectory(path: string): Promise<void> {
    const entry = this.#find(path)
    if (entry === undefined) return
    if (entry instanceof PagedBytes) throw fileError('ENOTDIR', 'rmdir', path)
    const { directory, name } = this.#parent(path, 'rmdir')
    directory.delete(name)
  }

  async syncDirectory(path: string): Promise<void> {
    this.#directory(path, 'fsync')
  }

  async lock(path: string): Promise<FileLock> {
    const { name } = this.#parent(path, 'lock')
    const key = posix.join(posix.resolve('/', posix.dirname(path)), name)
    if (this.#locked.has(key)) throw fileError('ELOCKED', 'lock', path, 'already locked by this process')
    this.#locked.add(key)
    return {
      release: async () => {
        this.#locked.delete(key)
      },
    }
  }

  async freeBytes(): Promise<number | undefined> {
    return undefined
  }

  #find(path: string): Directory | PagedBytes | undefined {
    let entry: Directory | PagedBytes | undefined = this.#root
    for (const name of segments(path)) {
      if (entry === undefined || entry instanceof PagedBytes) return undefined
      entry = entry.get(name)
    }
    return entry
  }

  #directory(path: string, operation: string): Directory {
    const entry = this.#find(path)
    if (entry === undefined) throw fileError('ENOENT', operation, path)
    if (entry instanceof PagedBytes) throw fileError('ENOTDIR', operation, path)
    return entry
  }

  #parent(path: string, operation: string): { directory: Directory; name: string } {
    const names = segments(path)
    const name = names.pop()
    if (name === undefined) throw fileError('EISDIR', operation, path)
    const parent = this.#find(names.join('/'))
    if (parent === undefined) throw fileError('ENOENT', operation, path)
    if (parent instanceof PagedBytes) throw fileError('ENOTDIR', operation, path)
    return { directory: parent, name }
  }
}

class MemoryFile implements File {
  readonly path: string
  readonly #content: PagedBytes
  readonly #isWritable: boolean
  #isOpen = true

  constructor(path: string, content: PagedBytes, isWritable: boolean) {
    this.path = path
    this.#content = content
    this.#isWritable = isWritable
  }

  async sizeBytes(): Promise<number> {
    this.#check('fstat', false)
    return this.#content.length
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    this.#check('read', false)
    return this.#content.read(target, position)
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    this.#check('write', true)
    let at = position
    for (const chunk of chunks) {
      this.#content.write(chunk, at)
      at += chunk.length
    }
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#check('ftruncate', true)
    this.#content.truncate(sizeBytes)
  }

  async sync(): Promise<void> {
    this.#check('fdatasync', false)
  }

  async close(): Promise<void> {
    this.#isOpen = false
  }

  #check(operation: string, needsWrite: boolean): void {
    if (!this.#isOpen || (needsWrite && !this.#isWritable)) throw fileError('EBADF', operation, this.path)
  }
}

function segments(path: string): string[] {
  return posix
    .resolve('/', path)
    .split('/')
    .filter((name) => name !== '')
}
