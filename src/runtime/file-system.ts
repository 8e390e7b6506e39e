/**
 * Files on Node. Owns short reads and writes, the list of open flags and directory flushes; locks are `file-lock.ts`.
 *
 * Plain descriptors with callbacks underneath: one write and one fdatasync take two trips through the thread pool either
 * way, and the callback form allocates less on each (bench/journal.ts prints the bare loop).
 */

import {
  close,
  constants,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  mkdir,
  open,
  read,
  readdir,
  rename,
  rm,
  stat,
  statfs,
  unlink,
  writev,
} from 'node:fs'
import type { File, FileStatus, FileSystem } from '../base/runtime.ts'
import { lockFile } from './file-lock.ts'

/** What Linux takes in one writev (IOV_MAX). */
const CHUNKS_PER_WRITE_MAX = 1024
/** A single call moves less than 2 GiB whatever is asked for. */
const BYTES_PER_READ_MAX = 1024 * 1024 * 1024

const OPEN_FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT,
} as const

// Success is `null` in most of Node's functions and `undefined` in some.
type Done<T> = (error: NodeJS.ErrnoException | null | undefined, value: T) => void

function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value)))
  })
}

function run(start: (done: (error: NodeJS.ErrnoException | null | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()))
  })
}

export function nodeFileSystem(): FileSystem {
  return {
    async makeDirectory(path) {
      await call<string | undefined>((done) => mkdir(path, { recursive: true }, done))
    },
    async list(path) {
      return (await call<string[]>((done) => readdir(path, done))).sort()
    },
    async stat(path): Promise<FileStatus | undefined> {
      try {
        const { size, isDirectory } = await call<{ size: number; isDirectory: boolean }>((done) =>
          stat(path, (error, status) =>
            error === null
              ? done(null, { size: status.size, isDirectory: status.isDirectory() })
              : done(error, undefined as never),
          ),
        )
        return { sizeBytes: isDirectory ? 0 : size, isDirectory }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
        throw error
      }
    },
    async open(path, mode) {
      const descriptor = await call<number>((done) => open(path, OPEN_FLAGS[mode], 0o644, done))
      const file = new NodeFile(path, descriptor)
      // A directory opens for reading like a file; it must not pass for one.
      if (mode === 'read' && (await isDirectory(descriptor))) {
        await file.close()
        throw Object.assign(new Error(`EISDIR: illegal operation on a directory, open '${path}'`), {
          code: 'EISDIR',
          path,
        })
      }
      return file
    },
    rename: (from, to) => run((done) => rename(from, to, done)),
    async remove(path) {
      try {
        await run((done) => unlink(path, done))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    },
    removeDirectory: (path) => run((done) => rm(path, { recursive: true, force: true }, done)),
    async syncDirectory(path) {
      // Windows opens no directory and keeps names durable by itself.
      if (process.platform === 'win32') return
      const descriptor = await call<number>((done) => open(path, constants.O_RDONLY | constants.O_DIRECTORY, done))
      try {
        await run((done) => fsync(descriptor, done))
      } finally {
        await run((done) => close(descriptor, done))
      }
    },
    lock: lockFile,
    async freeBytes(path) {
      const { bavail, bsize } = await call<{ bavail: number; bsize: number }>((done) => statfs(path, done))
      return bavail * bsize
    },
  }
}

function isDirectory(descriptor: number): Promise<boolean> {
  return call((done) =>
    fstat(descriptor, (error, status) => (error === null ? done(null, status.isDirectory()) : done(error, false))),
  )
}

class NodeFile implements File {
  readonly path: string
  #descriptor: number

  constructor(path: string, descriptor: number) {
    this.path = path
    this.#descriptor = descriptor
  }

  sizeBytes(): Promise<number> {
    return call((done) =>
      fstat(this.#open(), (error, status) => (error === null ? done(null, status.size) : done(error, 0))),
    )
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const descriptor = this.#open()
    let done = 0
    while (done < target.length) {
      const length = Math.min(target.length - done, BYTES_PER_READ_MAX)
      const count = await call<number>((finish) => read(descriptor, target, done, length, position + done, finish))
      if (count === 0) break
      done += count
    }
    return done
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    const descriptor = this.#open()
    let at = position
    for (let first = 0; first < chunks.length; first += CHUNKS_PER_WRITE_MAX) {
      let rest = chunks.length <= CHUNKS_PER_WRITE_MAX ? chunks : chunks.slice(first, first + CHUNKS_PER_WRITE_MAX)
      let left = 0
      for (const chunk of rest) left += chunk.length
      while (left > 0) {
        const views = rest
        const start = at
        const count = await call<number>((done) => writev(descriptor, views, start, done))
        // A write of something that writes nothing would loop for ever.
        if (count === 0)
          throw Object.assign(new Error(`EIO: wrote nothing, write '${this.path}'`), { code: 'EIO', path: this.path })
        at += count
        left -= count
        if (left > 0) rest = dropBytes(rest, count)
      }
    }
  }

  truncate(sizeBytes: number): Promise<void> {
    return run((done) => ftruncate(this.#open(), sizeBytes, done))
  }

  sync(): Promise<void> {
    return run((done) => fdatasync(this.#open(), done))
  }

  async close(): Promise<void> {
    if (this.#descriptor === CLOSED) return
    const descriptor = this.#descriptor
    this.#descriptor = CLOSED
    await run((done) => close(descriptor, done))
  }

  #open(): number {
    // Never the bare number after close: the system may have given it to another file by then.
    if (this.#descriptor === CLOSED) {
      throw Object.assign(new Error(`EBADF: file is closed, '${this.path}'`), { code: 'EBADF', path: this.path })
    }
    return this.#descriptor
  }
}

const CLOSED = -1

/** The chunks that are left when the first `count` bytes are gone. */
export function dropBytes(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let index = 0
  let left = count
  while (index < chunks.length && left >= (chunks[index] as Uint8Array).length) {
    left -= (chunks[index] as Uint8Array).length
    index += 1
  }
  const rest = chunks.slice(index)
  if (left > 0) rest[0] = (rest[0] as Uint8Array).subarray(left)
  return rest
}
