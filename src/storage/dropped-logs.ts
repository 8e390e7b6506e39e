/**
 * Directories of dropped logs on their way out: renamed once the drop is flushed, so that a new log of the same name finds
 * its place free, then removed. A crash leaves either name to recovery, which removes both.
 */
import type { FileSystem } from '../base/runtime.ts'
import type { Drain } from './drain.ts'
import { deletedDirectoryName } from './log-files.ts'
import type { PartitionLog } from './partition-log.ts'
import type { SerialQueue } from './serial-queue.ts'

export interface DroppedLogsOptions {
  readonly fileSystem: FileSystem
  readonly dataDirectory: string
  readonly drain: Drain
  /** Nothing is drained while a task of this queue runs. */
  readonly writing: SerialQueue
  /** Nothing is flushed while a task of this queue runs. */
  readonly flushing: SerialQueue
  /** Resolves when no power cut can take back what was appended up to `lsn`, whatever the durability of an acknowledgement. */
  readonly whenFlushed: (lsn: number) => Promise<void>
  readonly onError: (error: unknown) => void
}

export class DroppedLogs {
  readonly #options: DroppedLogsOptions
  /** By path: logs whose files may be there, and the LSN of their drop; oldest first. */
  readonly #vacating = new Map<string, { log: PartitionLog; lsn: number }[]>()
  readonly #removals = new Set<Promise<void>>()

  constructor(options: DroppedLogsOptions) {
    this.#options = options
  }

  add(logs: readonly PartitionLog[], lsn: number): void {
    for (const log of logs) {
      const vacating = this.#vacating.get(log.directory) ?? []
      vacating.push({ log, lsn })
      this.#vacating.set(log.directory, vacating)
    }
    const removal = this.#remove(logs, lsn)
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => this.#removals.delete(removal))
    this.#removals.add(removal)
  }

  /** Moves what is left of dropped logs out of this directory. To be called by the drain, or while none runs. */
  async vacate(directory: string): Promise<void> {
    const { drain, fileSystem, flushing, whenFlushed } = this.#options
    for (const { log, lsn } of this.#vacating.get(directory) ?? []) {
      if (!log.hasDirectory) continue
      // Before that, a crash would bring the log back, and it would miss its files.
      await whenFlushed(lsn)
      await flushing.run(async () => {
        drain.forgetDirectory(directory)
        await fileSystem.rename(directory, this.#deletedDirectory(log))
      })
    }
    this.#vacating.delete(directory)
  }

  /** Resolves when nothing is being removed any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#removals)
  }

  async #remove(logs: readonly PartitionLog[], lsn: number): Promise<void> {
    const { fileSystem, whenFlushed, writing } = this.#options
    await whenFlushed(lsn)
    for (const log of logs) {
      await writing.run(() => this.vacate(log.directory))
      if (log.hasDirectory) await fileSystem.removeDirectory(this.#deletedDirectory(log))
    }
  }

  #deletedDirectory(log: PartitionLog): string {
    return `${this.#options.dataDirectory}/${deletedDirectoryName(log.topic, log.partition, log.topicId)}`
  }
}
