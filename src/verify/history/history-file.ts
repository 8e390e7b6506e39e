/**
 * Reads the files of one run, one from each of its processes, as one history.
 *
 * A process that is killed leaves a file that ends anywhere: what is behind its last whole block is a torn tail and is left out. Anything
 * else that does not fit is corruption, and no history is made of it. Texts and partitions get new numbers, since each file counts its own.
 */
import { crc32c } from '../../base/crc32c.ts'
import type { File, FileSystem } from '../../base/runtime.ts'
import { type Column, Dictionary, HistoryTables, partitionKey, type Table, type Tables } from './columns.ts'
import {
  BLOCK_HEADER_BYTES,
  BLOCK_KIND,
  type BlockHeader,
  decodeBlockHeader,
  decodeFileHeader,
  emptyColumn,
  type FileTable,
} from './history-blocks.ts'
import type { History, HistoryInfo } from './history.ts'
import { type ColumnType, type PartitionName, TABLE_NAMES, type TableName } from './tables.ts'

/** Read at a time; a block that is larger is read as a whole. */
const WINDOW_BYTES = 4 * 1024 * 1024
const HEADER_BYTES_MAX = 1024 * 1024
/** Smaller blocks are gathered before they are handed out: processes that flush often write many. */
const GATHERED_ROWS = 8192

/** A file is damaged, and not only at its end. */
export class HistoryFileError extends Error {
  override readonly name = 'HistoryFileError'
  readonly path: string
  /** Byte at which it was noticed. */
  readonly position: number

  constructor(path: string, position: number, what: string) {
    super(`${path} at byte ${position}: ${what}`)
    this.path = path
    this.position = position
  }
}

interface OpenFile {
  readonly file: File
  readonly sizeBytes: number
  readonly tables: readonly FileTable[]
  /** From the numbers of this file to those of the history. */
  readonly strings: number[]
  readonly partitions: number[]
  readonly blocks: { readonly position: number; readonly header: BlockHeader }[]
}

export interface HistoryFilesOptions {
  /** Tables that are left in the files, to be read with `scan`. */
  readonly streamed?: readonly TableName[]
}

export class HistoryFiles {
  readonly info: HistoryInfo
  /** Those that are not streamed; the others are empty. */
  readonly tables: Tables
  readonly strings: readonly string[]
  readonly partitions: readonly PartitionName[]
  readonly rowCounts: Readonly<Record<TableName, number>>
  /** Files that end within a block, and where: a process was killed while it wrote. */
  readonly tornTails: readonly { readonly path: string; readonly position: number }[]
  readonly #files: readonly OpenFile[]

  private constructor(loader: Loader) {
    this.info = loader.info as HistoryInfo
    this.tables = loader.kept.tables
    this.strings = loader.strings.values
    this.partitions = loader.partitions.values
    this.rowCounts = loader.rowCounts
    this.tornTails = loader.tornTails
    this.#files = loader.files
  }

  /**
   * Reads all of the files once: checks each block and keeps the tables that are not streamed.
   * @throws HistoryFileError a file is damaged, is none of a history, or is of another run
   */
  static async open(
    fileSystem: FileSystem,
    paths: readonly string[],
    options: HistoryFilesOptions = {},
  ): Promise<HistoryFiles> {
    const loader = new Loader(new Set(options.streamed))
    try {
      for (const path of paths) await loader.load(await fileSystem.open(path, 'read'))
      if (loader.info === undefined) throw new Error(`no history in ${paths.join(', ') || 'no files'}`)
      return new HistoryFiles(loader)
    } catch (error) {
      for (const file of loader.opened) await file.close()
      throw error
    }
  }

  /** All rows of a table, in pieces whose arrays are only lent; rows of one file come in the order in which they were written. */
  async scan<T extends TableName>(table: T, take: (rows: Table<T>) => void): Promise<void> {
    const gathered = new HistoryTables()
    const rows = gathered.tables[table] as { readonly length: number }
    const hand = (): void => {
      if (rows.length > 0) take(rows as Table<T>)
      gathered.clear()
    }
    for (const open of this.#files) {
      const window = new Window(open.file, open.sizeBytes)
      for (const { position, header } of open.blocks) {
        const place = open.tables[header.table] as FileTable
        if (place.name !== table) continue
        const body = await window.read(position + BLOCK_HEADER_BYTES, header.bodyBytes)
        appendRows(gathered, open, place, header.rows, body)
        if (rows.length >= GATHERED_ROWS) hand()
      }
    }
    hand()
  }

  async close(): Promise<void> {
    for (const { file } of this.#files) await file.close()
  }
}

/** The history of a run, wholly in memory. @throws HistoryFileError as `HistoryFiles.open` */
export async function readHistory(fileSystem: FileSystem, paths: readonly string[]): Promise<History> {
  const files = await HistoryFiles.open(fileSystem, paths)
  await files.close()
  const { info, strings, partitions, tables } = files
  return { info, strings, partitions, tables }
}

/** What is read of the files when they are opened. */
class Loader {
  readonly kept = new HistoryTables()
  readonly strings = new Dictionary<string>((text) => text)
  readonly partitions = new Dictionary<PartitionName>(partitionKey)
  readonly opened: File[] = []
  readonly files: OpenFile[] = []
  readonly tornTails: { path: string; position: number }[] = []
  readonly rowCounts = Object.fromEntries(TABLE_NAMES.map((name) => [name, 0])) as Record<TableName, number>
  info: HistoryInfo | undefined
  readonly #streamed: ReadonlySet<TableName>

  constructor(streamed: ReadonlySet<TableName>) {
    this.#streamed = streamed
  }

  async load(file: File): Promise<void> {
    this.opened.push(file)
    const { path } = file
    const sizeBytes = await file.sizeBytes()
    const window = new Window(file, sizeBytes)
    const start = await window.read(0, Math.min(sizeBytes, HEADER_BYTES_MAX))
    let header: ReturnType<typeof decodeFileHeader>
    try {
      header = decodeFileHeader(start)
    } catch (error) {
      throw new HistoryFileError(path, 0, (error as Error).message)
    }
    const open: OpenFile = { file, sizeBytes, tables: header?.tables ?? [], strings: [], partitions: [], blocks: [] }
    this.files.push(open)
    if (header === undefined || header.bytes > sizeBytes) {
      this.tornTails.push({ path, position: 0 })
      return
    }
    this.info ??= header.info
    if (header.info.run !== this.info.run) {
      throw new HistoryFileError(path, 0, `is of the run '${header.info.run}', the others are of '${this.info.run}'`)
    }
    await this.#blocks(open, window, header.bytes, sizeBytes)
  }

  async #blocks(open: OpenFile, window: Window, from: number, sizeBytes: number): Promise<void> {
    const { path } = open.file
    for (let position = from, number = 0; position < sizeBytes; number += 1) {
      const left = sizeBytes - position
      const bytes = left < BLOCK_HEADER_BYTES ? undefined : await window.read(position, BLOCK_HEADER_BYTES)
      const header = bytes === undefined ? undefined : decodeBlockHeader(bytes)
      const isWhole = header !== undefined && BLOCK_HEADER_BYTES + header.bodyBytes <= left
      if (!isWhole) {
        // A header that is whole tells how long its block was to be; one that is not there may also be room that was never written.
        const isTorn = header !== undefined || left < BLOCK_HEADER_BYTES || (await isEmpty(window, position, sizeBytes))
        if (!isTorn) throw new HistoryFileError(path, position, 'there is no block where one begins')
        this.tornTails.push({ path, position })
        return
      }
      if (header.number !== number) {
        throw new HistoryFileError(path, position, `block ${header.number} is where block ${number} belongs`)
      }
      const body = await window.read(position + BLOCK_HEADER_BYTES, header.bodyBytes)
      if (crc32c(body) !== header.bodyCrc) throw new HistoryFileError(path, position, `block ${number} is damaged`)
      this.#block(open, position, header, body)
      position += BLOCK_HEADER_BYTES + header.bodyBytes
    }
  }

  #block(open: OpenFile, position: number, header: BlockHeader, body: Uint8Array): void {
    const json = (): unknown => JSON.parse(Buffer.from(body).toString())
    if (header.kind === BLOCK_KIND.strings) {
      for (const text of json() as string[]) open.strings.push(this.strings.numberOf(text))
      return
    }
    if (header.kind === BLOCK_KIND.partitions) {
      for (const name of json() as PartitionName[]) open.partitions.push(this.partitions.numberOf(name))
      return
    }
    const table = open.tables[header.table]
    // What only a later version writes means nothing to this one.
    if (header.kind !== BLOCK_KIND.rows || table?.name === undefined) return
    this.rowCounts[table.name] += header.rows
    if (this.#streamed.has(table.name)) open.blocks.push({ position, header })
    else appendRows(this.kept, open, table, header.rows, body)
  }
}

async function isEmpty(window: Window, from: number, to: number): Promise<boolean> {
  for (let at = from; at < to; at += WINDOW_BYTES) {
    const bytes = await window.read(at, Math.min(WINDOW_BYTES, to - at))
    if (bytes.some((byte) => byte !== 0)) return false
  }
  return true
}

/** Adds the rows of one block to `tables`, with the numbers of the history. */
function appendRows(tables: HistoryTables, open: OpenFile, table: FileTable, rows: number, body: Uint8Array): void {
  const name = table.name as TableName
  const at = tables.extend(name, rows)
  const target = tables.tables[name] as unknown as Readonly<Record<string, Column>>
  let from = 0
  for (const { name: column, type, width, isKnown } of table.columns) {
    if (isKnown) copyColumn(target[column] as Column, at, type, rows, body.subarray(from, from + rows * width), open)
    from += rows * width
  }
  for (const [column, type] of table.missing) (target[column] as Column).set(emptyColumn(type, rows), at)
}

function copyColumn(
  target: Column,
  at: number,
  type: ColumnType,
  rows: number,
  bytes: Uint8Array,
  { strings, partitions }: OpenFile,
): void {
  new Uint8Array(target.buffer, target.byteOffset + at * target.BYTES_PER_ELEMENT, bytes.length).set(bytes)
  const numbers = type === 'string' ? strings : type === 'partition' ? partitions : undefined
  if (numbers === undefined) return
  for (let row = at; row < at + rows; row += 1) {
    const number = numbers[target[row] as number]
    if (number === undefined) throw new RangeError(`a row names ${type} ${target[row]}, which its file does not have`)
    target[row] = number
  }
}

/** Part of a file in memory, so that many small reads are few large ones. */
class Window {
  readonly #file: File
  #bytes: Uint8Array
  #start = 0
  #length = 0

  constructor(file: File, sizeBytes: number) {
    this.#file = file
    this.#bytes = new Uint8Array(Math.min(WINDOW_BYTES, sizeBytes))
  }

  /** These bytes, lent until the next call; they must be in the file. */
  async read(position: number, bytes: number): Promise<Uint8Array> {
    if (position < this.#start || position + bytes > this.#start + this.#length) {
      if (this.#bytes.length < bytes) this.#bytes = new Uint8Array(bytes)
      this.#length = await this.#file.read(this.#bytes, position)
      this.#start = position
    }
    return this.#bytes.subarray(position - this.#start, position - this.#start + bytes)
  }
}
