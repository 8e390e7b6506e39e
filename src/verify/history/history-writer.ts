/**
 * Sinks that write a history to a file of its own, one for each process, which is only ever appended to.
 *
 * `HistoryFileWriter` writes at once and within the call: what was flushed outlives a process that is killed in the next instant.
 * `HistoryFileStream` writes through a `FileSystem`, beside whatever else is going on.
 */
import type { File, FileSystem } from '../../base/runtime.ts'
import { HistoryTables } from './columns.ts'
import { BlockEncoder, encodeFileHeader } from './history-blocks.ts'
import type { HistoryInfo } from './history.ts'
import type { HistorySink, Row, TableName } from './tables.ts'

/** Bytes that are with the operating system when `append` returns; on Node `openAppendFile` of src/runtime. */
export interface AppendFile {
  append(chunks: readonly Uint8Array[]): void
  close(): void
}

/** Rows that wait for their block when nobody asks for a flush. */
const ROWS_GATHERED_MAX = 0x4000

export class HistoryFileWriter implements HistorySink {
  readonly #file: AppendFile
  readonly #gathered = new HistoryTables()
  readonly #encoder = new BlockEncoder()
  #rows = 0

  constructor(file: AppendFile, info: HistoryInfo) {
    this.#file = file
    file.append([encodeFileHeader(info)])
  }

  record<T extends TableName>(table: T, row: Row<T>): void {
    this.#gathered.record(table, row)
    this.#rows += 1
    if (this.#rows >= ROWS_GATHERED_MAX) this.flush()
  }

  flush(): void {
    if (this.#rows === 0) return
    this.#file.append(this.#encoder.encode(this.#gathered))
    this.#gathered.clear()
    this.#rows = 0
  }

  close(): void {
    this.flush()
    this.#file.close()
  }
}

/** Bytes that are handed over and not written yet, beyond which whoever writes should wait. */
const WAITING_BYTES_DEFAULT = 16 * 1024 * 1024

export class HistoryFileStream implements HistorySink {
  readonly #file: File
  readonly #waitingBytesMax: number
  readonly #gathered = new HistoryTables()
  readonly #encoder = new BlockEncoder()
  #rows = 0
  #position = 0
  #waitingBytes = 0
  #written: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined

  private constructor(file: File, info: HistoryInfo, waitingBytesMax: number) {
    this.#file = file
    this.#waitingBytesMax = waitingBytesMax
    this.#write([encodeFileHeader(info)])
  }

  /** @throws Error when there is a file of that name already: a history is never written over */
  static async open(
    fileSystem: FileSystem,
    path: string,
    info: HistoryInfo,
    { waitingBytesMax = WAITING_BYTES_DEFAULT }: { readonly waitingBytesMax?: number } = {},
  ): Promise<HistoryFileStream> {
    if ((await fileSystem.stat(path)) !== undefined) throw new Error(`${path} exists`)
    return new HistoryFileStream(await fileSystem.open(path, 'create'), info, waitingBytesMax)
  }

  /** More is waiting than should be: go on after `drained`. */
  get isBehind(): boolean {
    return this.#waitingBytes > this.#waitingBytesMax
  }

  record<T extends TableName>(table: T, row: Row<T>): void {
    this.#gathered.record(table, row)
    this.#rows += 1
    if (this.#rows >= ROWS_GATHERED_MAX) this.flush()
  }

  /** Hands the rows over. They outlive the process once `drained` has resolved, and not before. */
  flush(): void {
    if (this.#rows === 0) return
    this.#write(this.#encoder.encode(this.#gathered))
    this.#gathered.clear()
    this.#rows = 0
  }

  /** Resolves when everything that was flushed is written. Rejects when something could not be. */
  async drained(): Promise<void> {
    await this.#written
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async close(): Promise<void> {
    this.flush()
    try {
      await this.drained()
      await this.#file.sync()
    } finally {
      await this.#file.close()
    }
  }

  #write(chunks: readonly Uint8Array[]): void {
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0)
    const position = this.#position
    this.#position += bytes
    this.#waitingBytes += bytes
    this.#written = this.#written.then(async () => {
      try {
        // Behind a write that failed there must be nothing: it would look like corruption.
        if (this.#failure === undefined) await this.#file.write(chunks, position)
      } catch (error) {
        this.#failure = { error }
      }
      this.#waitingBytes -= bytes
    })
  }
}
