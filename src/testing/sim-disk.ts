/**
 * A disk that forgets what was not flushed, fails when told to, and can stop at any operation.
 *
 * Owns names (a tree whose unsynced changes may be lost), faults and the crash; the bytes of a file are `sim-file.ts`.
 *
 * A crash makes a new disk from this one, so one run gives as many damaged disks as wanted:
 *
 *   disk.crashAt(k)                      // operation k and all after it never complete
 *   await Promise.race([work, disk.crashed])
 *   const found = disk.crash(random)     // what the next start finds; again for another damage
 */

import { posix } from 'node:path'
import type { Clock, File, FileLock, FileStatus, FileSystem } from '../base/runtime.ts'
import { type FileErrorCode, fileError } from '../runtime/file-error.ts'
import { SimFile, type WriteFate } from './sim-file.ts'
import type { SimRandom } from './sim-random.ts'

/** Operations that change something; these are counted, and faults are injected into these. */
export type DiskOperation =
  | 'write'
  | 'truncate'
  | 'sync'
  | 'create'
  | 'rename'
  | 'remove'
  | 'makeDirectory'
  | 'syncDirectory'
  | 'read'

export interface Fault {
  readonly operation: DiskOperation
  /** 1: the next such operation. */
  readonly at: number
  readonly code: 'EIO' | 'ENOSPC'
  /** Every one from there on fails too. */
  readonly isPermanent?: boolean
  /** Only operations on paths that contain this text count. */
  readonly path?: string
}

export interface CrashDamage {
  /** Unflushed writes: all lost, all kept, or each kept, lost, torn or garbled by chance. */
  readonly writes: 'lost' | 'kept' | 'mixed'
  /** Unsynced names: none kept, all kept, the first few, or any of them. */
  readonly names: 'lost' | 'kept' | 'prefix' | 'mixed'
  /** Whether sectors may hold bytes nobody wrote. */
  readonly garbles: boolean
}

export interface SimDiskOptions {
  /** ENOSPC beyond this many bytes of content. */
  readonly capacityBytes?: number
  /** With a clock and a latency, operations take virtual time; without, they complete by themselves in order. */
  readonly clock?: Clock
  readonly latencyMs?: (operation: DiskOperation) => number
  /** Told of each operation that changes something, as a line to read a failure by. */
  readonly trace?: (line: string) => void
}

type Directory = Map<string, Directory | SimFile>
type NameChange = {
  readonly directories: readonly Directory[]
  /** In terms of the directories themselves, so that it can be replayed onto the durable tree. */
  readonly apply: (tree: TreeView) => void
}
/** The entries of each directory in one version of the tree: the current one or the one a crash leaves. */
type TreeView = (directory: Directory) => Directory

export class SimDisk implements FileSystem {
  readonly #options: SimDiskOptions
  readonly #root: Directory
  /** What each directory durably holds; the maps of the tree itself are the current state. */
  readonly #durable = new Map<Directory, Directory>()
  #nameChanges: NameChange[] = []
  readonly #locked = new Set<string>()
  #faults: { fault: Fault; seen: number }[] = []
  #operations = 0
  #crashAt = Number.POSITIVE_INFINITY
  #announceCrash: () => void = () => {}
  /** Resolves when the disk has stopped. */
  readonly crashed: Promise<void>

  constructor(options: SimDiskOptions = {}, root: Directory = new Map()) {
    this.#options = options
    this.#root = root
    this.#rememberDurable(root)
    this.crashed = new Promise((resolve) => {
      this.#announceCrash = resolve
    })
  }

  /** Operations so far, reads not counted. */
  get operations(): number {
    return this.#operations
  }

  /** The operation of this number (from 0) and all after it take effect at most partly and never complete. */
  crashAt(operation: number): void {
    this.#crashAt = operation
  }

  inject(fault: Fault): void {
    this.#faults.push({ fault, seen: 0 })
  }

  clearFaults(): void {
    this.#faults = []
  }

  get usedBytes(): number {
    return bytesIn(this.#root)
  }

  /** The whole content of a file as a reader sees it, without being an operation. */
  readFile(path: string): Uint8Array {
    return this.#file(path, 'read').toBytes()
  }

  /** Overwrites durable bytes behind everybody's back. */
  rot(path: string, position: number, bytes: Uint8Array): void {
    this.#file(path, 'rot').rot(position, bytes)
  }

  /** Stops this disk, if it has not stopped, and gives what the next start finds. May be asked again for another damage. */
  crash(random: SimRandom, damage: CrashDamage = randomDamage(random)): SimDisk {
    this.#stop()
    const survivors = this.#namesAfterCrash(random, damage.names)
    const fate = fateOf(damage)
    const files = new Map<SimFile, SimFile>()
    const rebuild = (directory: Directory): Directory => {
      const copy: Directory = new Map()
      for (const [name, entry] of survivors(directory)) {
        if (entry instanceof SimFile) {
          const found = files.get(entry) ?? entry.afterCrash(random, fate)
          files.set(entry, found)
          copy.set(name, found)
        } else copy.set(name, rebuild(entry))
      }
      return copy
    }
    return new SimDisk(this.#options, rebuild(this.#root))
  }

  /**
   * Ends the process, not the machine: this disk stops, and the next start finds all that was written, flushed or not.
   * A crash of the new one may still lose what was not flushed.
   * @param capacityBytes  somebody made room, or took some
   */
  kill(capacityBytes: number | undefined = this.#options.capacityBytes): SimDisk {
    this.#stop()
    const { capacityBytes: _before, ...options } = this.#options
    const survivor = new SimDisk(capacityBytes === undefined ? options : { ...options, capacityBytes }, this.#root)
    for (const [directory, entries] of this.#durable) survivor.#durable.set(directory, new Map(entries))
    survivor.#nameChanges = [...this.#nameChanges]
    return survivor
  }

  #stop(): void {
    this.#crashAt = Math.min(this.#crashAt, this.#operations - 1)
    this.#announceCrash()
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#operation('makeDirectory', path, () => {
      let directory = this.#root
      for (const name of segments(path)) {
        const present = directory.get(name)
        if (present instanceof SimFile) throw fileError('EEXIST', 'mkdir', path)
        if (present === undefined) {
          const made: Directory = new Map()
          this.#durable.set(made, new Map())
          const parent = directory
          this.#changeNames([parent], (tree) => tree(parent).set(name, made))
        }
        directory = directory.get(name) as Directory
      }
    })
  }

  async list(path: string): Promise<string[]> {
    return await this.#operation('read', path, () => [...this.#directory(path, 'scandir').keys()].sort())
  }

  async stat(path: string): Promise<FileStatus | undefined> {
    return await this.#operation('read', path, () => {
      const entry = this.#find(path)
      if (entry === undefined) return undefined
      return entry instanceof SimFile
        ? { sizeBytes: entry.sizeBytes, isDirectory: false }
        : { sizeBytes: 0, isDirectory: true }
    })
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<File> {
    const creates = mode === 'create' && this.#find(path) === undefined
    return await this.#operation(creates ? 'create' : 'read', path, () => {
      const { directory, name } = this.#parent(path, 'open')
      let entry = directory.get(name)
      if (entry === undefined) {
        if (mode !== 'create') throw fileError('ENOENT', 'open', path)
        const file = new SimFile()
        this.#changeNames([directory], (tree) => tree(directory).set(name, file))
        entry = file
      }
      if (!(entry instanceof SimFile)) throw fileError('EISDIR', 'open', path)
      return this.#handle(path, entry, mode !== 'read')
    })
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#operation('rename', to, () => {
      const source = this.#parent(from, 'rename')
      const entry = source.directory.get(source.name)
      if (entry === undefined) throw fileError('ENOENT', 'rename', from)
      const target = this.#parent(to, 'rename')
      const replaced = target.directory.get(target.name)
      if (replaced !== undefined && !(replaced instanceof SimFile) && replaced !== entry) {
        throw fileError(entry instanceof SimFile ? 'EISDIR' : 'EEXIST', 'rename', to)
      }
      this.#changeNames([source.directory, target.directory], (tree) => {
        tree(source.directory).delete(source.name)
        tree(target.directory).set(target.name, entry)
      })
    })
  }

  async remove(path: string): Promise<void> {
    await this.#operation('remove', path, () => {
      const entry = this.#find(path)
      if (entry === undefined) return
      if (!(entry instanceof SimFile)) throw fileError('EISDIR', 'unlink', path)
      this.#removeName(path)
    })
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#operation('remove', path, () => {
      const entry = this.#find(path)
      if (entry === undefined) return
      if (entry instanceof SimFile) throw fileError('ENOTDIR', 'rmdir', path)
      // What was inside goes name by name, so that a crash may leave any part of it.
      const empty = (directory: Directory): void => {
        for (const [name, inner] of [...directory]) {
          if (!(inner instanceof SimFile)) empty(inner)
          this.#changeNames([directory], (tree) => tree(directory).delete(name))
        }
      }
      empty(entry)
      this.#removeName(path)
    })
  }

  async syncDirectory(path: string): Promise<void> {
    const begun = [...this.#nameChanges]
    await this.#operation('syncDirectory', path, () => {
      const directory = this.#directory(path, 'fsync')
      const touches = (change: NameChange): boolean => change.directories.includes(directory) && begun.includes(change)
      for (const change of this.#nameChanges)
        if (touches(change)) change.apply((of) => this.#durable.get(of) as Directory)
      this.#nameChanges = this.#nameChanges.filter((change) => !touches(change))
    })
  }

  async lock(path: string): Promise<FileLock> {
    return await this.#operation('read', path, () => {
      this.#parent(path, 'lock')
      const key = posix.resolve('/', path)
      if (this.#locked.has(key)) throw fileError('ELOCKED', 'lock', path, 'the directory is in use by this process')
      this.#locked.add(key)
      return { release: async () => void this.#locked.delete(key) }
    })
  }

  async freeBytes(): Promise<number | undefined> {
    const { capacityBytes } = this.#options
    return capacityBytes === undefined ? undefined : Math.max(0, capacityBytes - this.usedBytes)
  }

  #handle(path: string, file: SimFile, isWritable: boolean): File {
    let isOpen = true
    const check = (operation: string, needsWrite: boolean): void => {
      if (!isOpen || (needsWrite && !isWritable)) throw fileError('EBADF', operation, path)
    }
    return {
      path,
      sizeBytes: () =>
        this.#operation('read', path, () => {
          check('fstat', false)
          return file.sizeBytes
        }),
      read: (target, position) =>
        this.#operation('read', path, () => {
          check('read', false)
          return file.read(target, position)
        }),
      write: async (chunks, position) => {
        check('write', true)
        const bytes = Buffer.concat(chunks)
        const grows = Math.max(0, position + bytes.length - file.sizeBytes)
        const free = (this.#options.capacityBytes ?? Number.POSITIVE_INFINITY) - this.usedBytes
        const fits = grows <= free ? bytes.length : Math.max(0, bytes.length - (grows - free))
        const complete = await this.#operation(
          'write',
          path,
          () => {
            // The disk takes what fits before it says that the rest does not.
            const done = file.write(bytes.subarray(0, fits), position)
            if (fits === bytes.length) return done
            done()
            throw fileError('ENOSPC', 'write', path)
          },
          () => file.write(bytes.subarray(0, bytes.length >> 1), position)(),
          `${position}+${bytes.length}`,
        )
        complete()
      },
      truncate: (sizeBytes) =>
        this.#operation('truncate', path, () => {
          check('ftruncate', true)
          file.truncate(sizeBytes)
        }),
      sync: async () => {
        check('fdatasync', false)
        const begun = file.beginSync()
        await this.#operation(
          'sync',
          path,
          () => {},
          () => file.finishSync(begun, false),
        )
        // Only now: had the disk stopped meanwhile, nothing of it would be certain.
        file.finishSync(begun, true)
      },
      close: async () => {
        isOpen = false
      },
    }
  }

  /**
   * One operation: takes effect at once, completes after its latency, or never if the disk has stopped by then.
   * @param onFault  what an injected fault leaves behind before it is reported
   */
  async #operation<T>(
    operation: DiskOperation,
    path: string,
    act: () => T,
    onFault: () => void = () => {},
    detail = '',
  ): Promise<T> {
    if (this.#operations > this.#crashAt) return await never()
    let result: T | undefined
    let error: Error | undefined
    const code = this.#faultOf(operation, path)
    if (code !== undefined) {
      onFault()
      error = fileError(code, operation, path, 'injected fault')
    } else {
      try {
        result = act()
      } catch (thrown) {
        error = thrown as Error
      }
    }
    if (operation !== 'read') {
      this.#options.trace?.(`${this.#operations} ${operation} ${path} ${detail}`)
      this.#operations += 1
      if (this.#operations > this.#crashAt) {
        this.#announceCrash()
        return await never()
      }
    }
    await this.#latency(operation)
    if (this.#operations > this.#crashAt) return await never()
    if (error !== undefined) throw error
    return result as T
  }

  #latency(operation: DiskOperation): Promise<void> | undefined {
    const { clock, latencyMs } = this.#options
    if (clock === undefined || latencyMs === undefined) return undefined
    return new Promise((resolve) => clock.setTimer(latencyMs(operation), resolve))
  }

  #faultOf(operation: DiskOperation, path: string): FileErrorCode | undefined {
    let code: FileErrorCode | undefined
    for (const entry of this.#faults) {
      const { fault } = entry
      if (fault.operation !== operation || (fault.path !== undefined && !path.includes(fault.path))) continue
      entry.seen += 1
      if (entry.seen === fault.at || (fault.isPermanent === true && entry.seen > fault.at)) code ??= fault.code
    }
    return code
  }

  #changeNames(directories: readonly Directory[], apply: (tree: TreeView) => void): void {
    apply((directory) => directory)
    this.#nameChanges.push({ directories, apply })
  }

  #removeName(path: string): void {
    const { directory, name } = this.#parent(path, 'unlink')
    this.#changeNames([directory], (tree) => tree(directory).delete(name))
  }

  #namesAfterCrash(random: SimRandom, names: CrashDamage['names']): TreeView {
    const found = new Map<Directory, Directory>()
    for (const [directory, entries] of this.#durable) found.set(directory, new Map(entries))
    const view: TreeView = (directory) => found.get(directory) as Directory
    const kept = names === 'prefix' ? random.below(this.#nameChanges.length + 1) : 0
    for (const [at, change] of this.#nameChanges.entries()) {
      if (names === 'kept' || (names === 'prefix' && at < kept) || (names === 'mixed' && random.chance(0.5)))
        change.apply(view)
    }
    return view
  }

  #rememberDurable(directory: Directory): void {
    this.#durable.set(directory, new Map(directory))
    for (const entry of directory.values()) if (!(entry instanceof SimFile)) this.#rememberDurable(entry)
  }

  #find(path: string): Directory | SimFile | undefined {
    let entry: Directory | SimFile | undefined = this.#root
    for (const name of segments(path)) {
      if (entry === undefined || entry instanceof SimFile) return undefined
      entry = entry.get(name)
    }
    return entry
  }

  #file(path: string, operation: string): SimFile {
    const entry = this.#find(path)
    if (entry === undefined) throw fileError('ENOENT', operation, path)
    if (!(entry instanceof SimFile)) throw fileError('EISDIR', operation, path)
    return entry
  }

  #directory(path: string, operation: string): Directory {
    const entry = this.#find(path)
    if (entry === undefined) throw fileError('ENOENT', operation, path)
    if (entry instanceof SimFile) throw fileError('ENOTDIR', operation, path)
    return entry
  }

  #parent(path: string, operation: string): { directory: Directory; name: string } {
    const names = segments(path)
    const name = names.pop()
    if (name === undefined) throw fileError('EISDIR', operation, path)
    return { directory: this.#directory(names.join('/'), operation), name }
  }
}

/** Any mixture: most crashes lose a little here and there, some lose everything, some nothing. */
function randomDamage(random: SimRandom): CrashDamage {
  return {
    writes: random.pick(['lost', 'kept', 'mixed', 'mixed', 'mixed']),
    names: random.pick(['lost', 'kept', 'prefix', 'mixed']),
    garbles: random.chance(0.5),
  }
}

function fateOf({ writes, garbles }: CrashDamage): (random: SimRandom) => WriteFate {
  if (writes !== 'mixed') return () => writes
  const fates: readonly WriteFate[] = garbles ? ['kept', 'lost', 'torn', 'garbled'] : ['kept', 'lost', 'torn']
  return (random) => random.pick(fates)
}

function bytesIn(directory: Directory): number {
  let total = 0
  for (const entry of directory.values()) total += entry instanceof SimFile ? entry.sizeBytes : bytesIn(entry)
  return total
}

function segments(path: string): string[] {
  return posix
    .resolve('/', path)
    .split('/')
    .filter((name) => name !== '')
}

function never(): Promise<never> {
  return new Promise(() => {})
}
