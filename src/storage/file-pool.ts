/**
 * Open handles of segment and index files, shared by all logs and bounded in number.
 *
 * A file is opened when it is first used and closed when it is the least recently used of too many; one that is in use is
 * never closed, so the limit may be passed for as long as more files than that are in use at once. Writers make their data
 * durable with `sync` on whatever handle is open then: fdatasync covers what earlier handles wrote.
 */
import type { File, FileSystem } from '../base/runtime.ts'

interface PooledFile {
  readonly opened: Promise<File>
  users: number
  /** Taken out of the pool while in use: the last user closes it. */
  isForgotten: boolean
}

export class FilePool {
  readonly #fileSystem: FileSystem
  readonly #filesMax: number
  /** Least recently used first. */
  readonly #files = new Map<string, PooledFile>()
  /** A handle could not be closed: what was written through it may be lost. */
  onCloseError: (error: unknown) => void = () => {}

  constructor(fileSystem: FileSystem, filesMax: number) {
    this.#fileSystem = fileSystem
    this.#filesMax = filesMax
  }

  get openCount(): number {
    return this.#files.size
  }

  /** Calls `action` with the open file. `create`: makes it when missing; otherwise rejects with ENOENT. */
  async use<T>(path: string, mode: 'write' | 'create', action: (file: File) => Promise<T>): Promise<T> {
    let pooled = this.#files.get(path)
    if (pooled === undefined) {
      pooled = { opened: this.#fileSystem.open(path, mode), users: 0, isForgotten: false }
    } else {
      this.#files.delete(path)
    }
    this.#files.set(path, pooled)
    pooled.users += 1
    try {
      return await action(await pooled.opened)
    } catch (error) {
      // A file that failed to open must not stay; one that failed in use is looked at afresh by the next user.
      this.#forget(path, pooled)
      throw error
    } finally {
      pooled.users -= 1
      if (pooled.isForgotten) {
        if (pooled.users === 0) this.#close(pooled)
      } else {
        this.#closeSurplus()
      }
    }
  }

  /** Closes the files inside `directory`, those in use as soon as they no longer are. */
  forgetDirectory(directory: string): void {
    for (const [path, pooled] of this.#files) {
      if (path.startsWith(`${directory}/`)) this.forget(path, pooled)
    }
  }

  forget(path: string, pooled = this.#files.get(path)): void {
    if (pooled === undefined) return
    this.#forget(path, pooled)
    if (pooled.users === 0) this.#close(pooled)
  }

  /** To be called when nobody uses a file any more. */
  async closeAll(): Promise<void> {
    const files = [...this.#files.values()]
    this.#files.clear()
    for (const { opened } of files) await (await opened).close()
  }

  #forget(path: string, pooled: PooledFile): void {
    pooled.isForgotten = true
    if (this.#files.get(path) === pooled) this.#files.delete(path)
  }

  #closeSurplus(): void {
    if (this.#files.size <= this.#filesMax) return
    for (const [path, pooled] of this.#files) {
      if (pooled.users === 0) {
        this.#files.delete(path)
        this.#close(pooled)
      }
      if (this.#files.size <= this.#filesMax) return
    }
  }

  #close(pooled: PooledFile): void {
    pooled.opened.then(
      (file) => file.close().catch((error: unknown) => this.onCloseError(error)),
      () => {
        // It never opened; the user who asked for it was told.
      },
    )
  }
}
