/**
 * A file system in memory, for `--memory`: what is written is there until the process ends, and nothing fails.
 *
 * Paths are POSIX; relative ones start at `/`. Behaves as `file-system.contract.ts` demands, open files included: a file
 * that was removed or renamed stays readable and writable through what had opened it.
 */

import { posix } from 'node:path'
import type { File, FileLock, FileStatus, FileSystem } from '../base/runtime.ts'
import { fileError } from './file-error.ts'
import { directoryAt, entryAt, isDirectory, missingDirectories, placeAt, removable, renaming } from './name-tree.ts'
import type { NameTree } from './name-tree.ts'
import { PagedBytes } from './paged-bytes.ts'

export class MemoryFileSystem implements FileSystem {
  readonly #root: NameTree<PagedBytes> = new Map()
  readonly #locked = new Set<string>()

  async makeDirectory(path: string): Promise<void> {
    for (const each of missingDirectories(this.#root, path)) {
      const { directory, name } = placeAt(this.#root, each, 'mkdir')
      directory.set(name, new Map())
    }
  }

  async list(path: string): Promise<string[]> {
    return [...directoryAt(this.#root, path, 'scandir').keys()].sort()
  }

  async stat(path: string): Promise<FileStatus | undefined> {
    const entry = entryAt(this.#root, path)
    if (entry === undefined) return undefined
    return entry instanceof PagedBytes
      ? { sizeBytes: entry.length, isDirectory: false }
      : { sizeBytes: 0, isDirectory: true }
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<File> {
    const { directory, name } = placeAt(this.#root, path, 'open')
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
    const { source, target, entry } = renaming(this.#root, from, to)
    source.directory.delete(source.name)
    target.directory.set(target.name, entry)
  }

  async remove(path: string): Promise<void> {
    const found = removable(this.#root, path, 'unlink')
    if (found === undefined) return
    if (isDirectory(found.entry)) throw fileError('EISDIR', 'unlink', path)
    found.directory.delete(found.name)
  }

  async removeDirectory(path: string): Promise<void> {
    const found = removable(this.#root, path, 'rmdir')
    found?.directory.delete(found.name)
  }

  async syncDirectory(path: string): Promise<void> {
    directoryAt(this.#root, path, 'fsync')
  }

  async lock(path: string): Promise<FileLock> {
    const { name } = placeAt(this.#root, path, 'lock')
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
    // To write nothing is no system call.
    this.#check(
      'write',
      chunks.some((chunk) => chunk.length > 0),
    )
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
    if (!this.#isOpen) throw fileError('EBADF', operation, this.path)
    // Linux has another code for this one than for a write.
    if (needsWrite && !this.#isWritable)
      throw fileError(operation === 'ftruncate' ? 'EINVAL' : 'EBADF', operation, this.path)
  }
}
