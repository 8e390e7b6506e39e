/**
 * A disk that forgets what was not flushed, fails or lies when told to, and can stop at any operation.
 *
 * Owns operations, faults and the crash; names are `sim-tree.ts`, the bytes of a file `sim-file.ts`.
 *
 * A crash makes a new disk from this one, so one run gives as many damaged disks as wanted:
 *
 *   disk.crashAt(k)                      // operation k and all after it never complete
 *   await Promise.race([work, disk.crashed])
 *   const found = disk.crash(random)     // what the next start finds; again for another damage
 *
 * and a run that goes on gives one for each of its operations, without being run again:
 *
 *   new SimDisk({ onChange: (moment) => moment === 'begun' && images.push(disk.image()) })
 *   const found = images[k].crash(random)
 */

import { posix } from 'node:path'
import type { Clock, File, FileLock, FileStatus, FileSystem } from '../base/runtime.ts'
import { fileError } from '../runtime/file-error.ts'
import { directoryAt, entryAt, fileAt, missingDirectories, placeAt, removable, renaming } from '../runtime/name-tree.ts'
import { SimFile, type WriteFate } from './sim-file.ts'
import type { SimRandom } from './sim-random.ts'
import { type Directory, type NameFate, SimTree } from './sim-tree.ts'

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
  /** `change`: any that changes something. */
  readonly operation: DiskOperation | 'change'
  /** 1: the next such operation. */
  readonly at: number
  readonly code: 'EIO' | 'ENOSPC'
  /** How much of a write is done before it fails: 0 to 1, half unless given. */
  readonly writtenShare?: number
  /** Every one from there on fails too. */
  readonly isPermanent?: boolean
  /** Only operations on paths that contain this text count. */
  readonly path?: string
}

export interface CrashDamage {
  /** Unflushed writes: all lost, all kept, all without their bytes, or each by chance, sector by sector where it is torn. */
  readonly writes: 'lost' | 'kept' | 'zeroed' | 'mixed'
  readonly names: NameFate
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
  /** Called in the midst of operations that change something: when one has taken effect, and when it is about to complete. */
  readonly onChange?: (moment: 'begun' | 'completed', operation: number) => void
}

export interface FileExtent {
  readonly path: string
  readonly durableBytes: number
}

/** The state of a disk at one moment, flushed and not. */
export class DiskImage {
  readonly #tree: SimTree

  /** @param tree  nobody else's, and never changed any more */
  constructor(tree: SimTree) {
    this.#tree = tree
  }

  /** All files, and how many bytes of each no crash can take. */
  files(): FileExtent[] {
    return extentsIn(this.#tree)
  }

  /** What a start finds after the power was lost at that moment. May be asked again for another damage. */
  crash(random: SimRandom, damage: CrashDamage = randomDamage(random), options: SimDiskOptions = {}): SimDisk {
    const fate = fateOf(damage)
    return new SimDisk(
      options,
      this.#tree.afterCrash(random, damage.names, (file) => file.afterCrash(random, fate)),
    )
  }

  /** What a start finds after the process ended at that moment: all that was written, of which a crash may lose what it did. */
  kill(options: SimDiskOptions = {}): SimDisk {
    return new SimDisk(
      options,
      this.#tree.copy((file) => file.clone()),
    )
  }
}

export class SimDisk implements FileSystem {
  readonly #options: SimDiskOptions
  readonly #tree: SimTree
  readonly #locked = new Set<string>()
  #faults: { fault: Fault; seen: number }[] = []
  #operations = 0
  #isLying = false
  #crashAt = Number.POSITIVE_INFINITY
  #announceCrash: () => void = () => {}
  /** Resolves when the disk has stopped. */
  readonly crashed: Promise<void>

  constructor(options: SimDiskOptions = {}, tree = new SimTree()) {
    this.#options = options
    this.#tree = tree
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

  /** From here on flushes succeed and make nothing durable, neither bytes nor names, as a drive with a cache of its own may. */
  lie(isLying = true): void {
    this.#isLying = isLying
  }

  get usedBytes(): number {
    return bytesIn(this.#tree.root)
  }

  /** All files, and how many bytes of each no crash can take. Not an operation. */
  files(): FileExtent[] {
    return extentsIn(this.#tree)
  }

  /** This moment for good, whatever is done to the disk afterwards. Not an operation. */
  image(): DiskImage {
    return new DiskImage(this.#tree.copy((file) => file.frozen()))
  }

  /** The whole content of a file as a reader sees it, without being an operation. */
  readFile(path: string): Uint8Array {
    return fileAt(this.#tree.root, path, 'read').toBytes()
  }

  /** Overwrites durable bytes behind everybody's back. */
  rot(path: string, position: number, bytes: Uint8Array): void {
    fileAt(this.#tree.root, path, 'rot').rot(position, bytes)
  }

  /** Stops this disk, if it has not stopped, and gives what the next start finds. May be asked again for another damage. */
  crash(random: SimRandom, damage: CrashDamage = randomDamage(random)): SimDisk {
    this.#stop()
    return this.image().crash(random, damage, this.#options)
  }

  /**
   * Ends the process, not the machine: this disk stops, and the next start finds all that was written, flushed or not.
   * A crash of the new one may still lose what was not flushed.
   * @param capacityBytes  somebody made room, or took some
   */
  kill(capacityBytes: number | undefined = this.#options.capacityBytes): SimDisk {
    this.#stop()
    const { capacityBytes: _before, ...options } = this.#options
    const next = this.image().kill(capacityBytes === undefined ? options : { ...options, capacityBytes })
    // It is the same drive.
    next.#faults = this.#faults
    next.#isLying = this.#isLying
    return next
  }

  #stop(): void {
    this.#crashAt = Math.min(this.#crashAt, this.#operations - 1)
    this.#announceCrash()
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#operation('makeDirectory', path, () => {
      for (const each of missingDirectories(this.#tree.root, path)) {
        const { directory, name } = placeAt(this.#tree.root, each, 'mkdir')
        this.#tree.set(directory, name, new Map())
      }
    })
  }

  async list(path: string): Promise<string[]> {
    return await this.#operation('read', path, () => [...directoryAt(this.#tree.root, path, 'scandir').keys()].sort())
  }

  async stat(path: string): Promise<FileStatus | undefined> {
    return await this.#operation('read', path, () => {
      const entry = entryAt(this.#tree.root, path)
      if (entry === undefined) return undefined
      return entry instanceof SimFile
        ? { sizeBytes: entry.sizeBytes, isDirectory: false }
        : { sizeBytes: 0, isDirectory: true }
    })
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<File> {
    const creates = mode === 'create' && entryAt(this.#tree.root, path) === undefined
    return await this.#operation(creates ? 'create' : 'read', path, () => {
      const { directory, name } = placeAt(this.#tree.root, path, 'open')
      let entry = directory.get(name)
      if (entry === undefined) {
        if (mode !== 'create') throw fileError('ENOENT', 'open', path)
        const file = new SimFile()
        this.#tree.set(directory, name, file)
        entry = file
      }
      if (!(entry instanceof SimFile)) throw fileError('EISDIR', 'open', path)
      return this.#handle(path, entry, mode !== 'read')
    })
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#operation('rename', to, () => {
      const { source, target, entry, replaced } = renaming(this.#tree.root, from, to)
      if (replaced !== entry) this.#tree.move(source, target, entry)
    })
  }

  async remove(path: string): Promise<void> {
    await this.#operation('remove', path, () => {
      const found = removable(this.#tree.root, path, 'unlink')
      if (found === undefined) return
      if (!(found.entry instanceof SimFile)) throw fileError('EISDIR', 'unlink', path)
      this.#tree.remove(found.directory, found.name)
    })
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#operation('remove', path, () => {
      const found = removable(this.#tree.root, path, 'rmdir')
      if (found === undefined) return
      // What was inside goes name by name, so that a crash may leave any part of it.
      const empty = (directory: Directory): void => {
        for (const [name, inner] of [...directory]) {
          if (!(inner instanceof SimFile)) empty(inner)
          this.#tree.remove(directory, name)
        }
      }
      if (!(found.entry instanceof SimFile)) empty(found.entry)
      this.#tree.remove(found.directory, found.name)
    })
  }

  async syncDirectory(path: string): Promise<void> {
    const finishSync = this.#tree.beginSync()
    const directory = await this.#operation('syncDirectory', path, () => directoryAt(this.#tree.root, path, 'fsync'))
    // Only now: had the disk stopped meanwhile, nothing of it would be certain.
    if (!this.#isLying) finishSync(directory)
  }

  async lock(path: string): Promise<FileLock> {
    return await this.#operation('read', path, () => {
      placeAt(this.#tree.root, path, 'lock')
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
      if (!isOpen) throw fileError('EBADF', operation, path)
      // Linux has another code for this one than for a write.
      if (needsWrite && !isWritable) throw fileError(operation === 'ftruncate' ? 'EINVAL' : 'EBADF', operation, path)
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
        const bytes = Buffer.concat(chunks)
        // To write nothing is no system call.
        check('write', bytes.length > 0)
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
          ({ writtenShare = 0.5 }) =>
            file.write(bytes.subarray(0, Math.floor(bytes.length * writtenShare)), position)(),
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
        if (!this.#isLying) file.finishSync(begun, true)
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
    onFault: (fault: Fault) => void = () => {},
    detail = '',
  ): Promise<T> {
    if (this.#operations > this.#crashAt) return await never()
    let result: T | undefined
    let error: Error | undefined
    const fault = this.#faultOf(operation, path)
    if (fault !== undefined) {
      onFault(fault)
      error = fileError(fault.code, operation, path, 'injected fault')
    } else {
      try {
        result = act()
      } catch (thrown) {
        error = thrown as Error
      }
    }
    const number = this.#operations
    if (operation !== 'read') {
      this.#options.trace?.(`${number} ${operation} ${path} ${detail}`)
      this.#operations += 1
      this.#options.onChange?.('begun', number)
      if (this.#operations > this.#crashAt) {
        this.#announceCrash()
        return await never()
      }
    }
    await this.#latency(operation)
    if (this.#operations > this.#crashAt) return await never()
    if (operation !== 'read') this.#options.onChange?.('completed', number)
    if (error !== undefined) throw error
    return result as T
  }

  #latency(operation: DiskOperation): Promise<void> | undefined {
    const { clock, latencyMs } = this.#options
    if (clock === undefined || latencyMs === undefined) return undefined
    return new Promise((resolve) => clock.setTimer(latencyMs(operation), resolve))
  }

  #faultOf(operation: DiskOperation, path: string): Fault | undefined {
    let struck: Fault | undefined
    for (const entry of this.#faults) {
      const { fault } = entry
      const isMeant = fault.operation === operation || (fault.operation === 'change' && operation !== 'read')
      if (!isMeant || (fault.path !== undefined && !path.includes(fault.path))) continue
      entry.seen += 1
      if (entry.seen === fault.at || (fault.isPermanent === true && entry.seen > fault.at)) struck ??= fault
    }
    return struck
  }
}

/** Any mixture: most crashes lose a little here and there, some lose everything, some nothing. */
function randomDamage(random: SimRandom): CrashDamage {
  return {
    writes: random.pick(['lost', 'kept', 'zeroed', 'mixed', 'mixed', 'mixed', 'mixed']),
    names: random.pick(['lost', 'kept', 'prefix', 'mixed']),
    garbles: random.chance(0.5),
  }
}

function fateOf({ writes, garbles }: CrashDamage): (random: SimRandom) => WriteFate {
  if (writes !== 'mixed') return () => writes
  const fates: readonly WriteFate[] = ['kept', 'lost', 'torn', 'zeroed', ...(garbles ? (['garbled'] as const) : [])]
  return (random) => random.pick(fates)
}

function extentsIn(tree: SimTree): FileExtent[] {
  return Array.from(tree.files(), ({ path, file }) => ({ path, durableBytes: file.durableBytes }))
}

function bytesIn(directory: Directory): number {
  let total = 0
  for (const entry of directory.values()) total += entry instanceof SimFile ? entry.sizeBytes : bytesIn(entry)
  return total
}

function never(): Promise<never> {
  return new Promise(() => {})
}
