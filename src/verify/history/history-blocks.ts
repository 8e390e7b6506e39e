/**
 * The bytes of a history file, little-endian, everything at multiples of 8:
 *
 *     file    "SEMELHIS"  u32 version  u32 jsonBytes  u32 crc of the JSON  u32 crc of these 20 bytes  JSON { info, tables }  block …
 *     block   u32 bodyBytes  u32 bodyCrc  u32 rows  u16 table  u8 kind  u8 0  u32 number of the block  u32 crc of these 20 bytes  body
 *     body    of rows: the columns one after the other, the widest first; of texts and partitions: a JSON array of those that are new
 *
 * The JSON names the tables and columns as they were when the file was written, so a file can be read by a later version that has more of
 * them. CRCs are CRC-32C. Owns bytes; what is a torn tail and what is corruption is decided by who reads (history-file.ts).
 */
import { crc32c } from '../../base/crc32c.ts'
import { type Column, type HistoryTables, newColumn } from './columns.ts'
import type { HistoryInfo } from './history.ts'
import { type ColumnType, NONE, TABLE_NAMES, TABLES, type TableName } from './tables.ts'

const MAGIC = 'SEMELHIS'
const FORMAT_VERSION = 1
const FIXED_BYTES = 24
export const BLOCK_HEADER_BYTES = 24
/** So that a reader needs room for this many only. */
const ROWS_PER_BLOCK_MAX = 0x1_0000

export const BLOCK_KIND = { strings: 1, partitions: 2, rows: 3 } as const

export interface BlockHeader {
  readonly bodyBytes: number
  readonly bodyCrc: number
  readonly rows: number
  readonly table: number
  readonly kind: number
  readonly number: number
}

/** Of one table as it is in a file: its columns in the order of its blocks. */
export interface FileTable {
  /** `undefined`: this version knows no such table. */
  readonly name: TableName | undefined
  readonly columns: readonly FileColumn[]
  /** Columns of this version that the file has not: filled with what stands for nothing. */
  readonly missing: readonly (readonly [string, ColumnType])[]
}

export interface FileColumn {
  readonly name: string
  readonly type: ColumnType
  readonly width: number
  /** `false`: this version has no such column. */
  readonly isKnown: boolean
}

const WIDTHS: Readonly<Record<ColumnType, number>> = {
  u8: 1,
  outcome: 1,
  u16: 2,
  partition: 2,
  u32: 4,
  i32: 4,
  string: 4,
  integer: 8,
  time: 8,
}

type Schema = Readonly<Record<string, Readonly<Record<string, ColumnType>>>>

export function encodeFileHeader(info: HistoryInfo): Uint8Array {
  const json = Buffer.from(JSON.stringify({ info, tables: TABLES }))
  const bytes = Buffer.alloc(FIXED_BYTES + padded(json.length))
  bytes.write(MAGIC, 'latin1')
  bytes.writeUInt32LE(FORMAT_VERSION, 8)
  bytes.writeUInt32LE(json.length, 12)
  bytes.writeUInt32LE(crc32c(json), 16)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 20)), 20)
  json.copy(bytes, FIXED_BYTES)
  return bytes
}

export interface FileHeader {
  readonly info: HistoryInfo
  readonly tables: readonly FileTable[]
  /** Where the first block is. */
  readonly bytes: number
}

/** @throws RangeError what is wrong with it; `undefined`: it is not whole */
export function decodeFileHeader(file: Uint8Array): FileHeader | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  if (bytes.length < FIXED_BYTES) return undefined
  if (bytes.toString('latin1', 0, 8) !== MAGIC) throw new RangeError('this is not the history of a run')
  if (bytes.readUInt32LE(20) !== crc32c(bytes.subarray(0, 20))) throw new RangeError('its header is damaged')
  const version = bytes.readUInt32LE(8)
  if (version !== FORMAT_VERSION) {
    throw new RangeError(`histories of format ${version} cannot be read, only of format ${FORMAT_VERSION}`)
  }
  const jsonBytes = bytes.readUInt32LE(12)
  if (bytes.length < FIXED_BYTES + jsonBytes) return undefined
  const json = bytes.subarray(FIXED_BYTES, FIXED_BYTES + jsonBytes)
  if (bytes.readUInt32LE(16) !== crc32c(json)) throw new RangeError('its header is damaged')
  const { info, tables } = JSON.parse(json.toString()) as { info: HistoryInfo; tables: Schema }
  return { info, tables: fileTables(tables), bytes: FIXED_BYTES + padded(jsonBytes) }
}

function fileTables(schema: Schema): FileTable[] {
  return Object.entries(schema).map(([written, types]): FileTable => {
    const name = TABLE_NAMES.find((known) => known === written)
    const known: Readonly<Record<string, ColumnType>> = name === undefined ? {} : TABLES[name]
    const columns = inFileOrder(types).map(([column, type]) => {
      return { name: column, type, width: WIDTHS[type], isKnown: known[column] === type }
    })
    const missing = Object.entries(known).filter(([column, type]) => types[column] !== type)
    return { name, columns, missing }
  })
}

/** The widest first, so that each column is at a multiple of its width. */
function inFileOrder(types: Readonly<Record<string, ColumnType>>): [string, ColumnType][] {
  return Object.entries(types).sort(([, one], [, other]) => WIDTHS[other] - WIDTHS[one])
}

/** A column of a table that files of earlier versions have not. */
export function emptyColumn(type: ColumnType, rows: number): Column {
  const column = newColumn(type, rows)
  return type === 'integer' || type === 'i32' ? column.fill(NONE) : column
}

/** Encodes what a writer has gathered; remembers how many texts and partitions the file has already. */
export class BlockEncoder {
  #strings = 0
  #partitions = 0
  #blocks = 0

  /** All rows of `gathered`, after the texts and partitions that are new with them. */
  encode(gathered: HistoryTables): Uint8Array[] {
    const chunks: Uint8Array[] = []
    const { strings, partitions, tables } = gathered
    const newStrings = strings.values.slice(this.#strings)
    const newPartitions = partitions.values.slice(this.#partitions)
    if (newStrings.length > 0) this.#json(chunks, BLOCK_KIND.strings, newStrings)
    if (newPartitions.length > 0) this.#json(chunks, BLOCK_KIND.partitions, newPartitions)
    this.#strings += newStrings.length
    this.#partitions += newPartitions.length
    for (const [table, name] of TABLE_NAMES.entries()) {
      const { length } = tables[name]
      for (let from = 0; from < length; from += ROWS_PER_BLOCK_MAX) {
        const rows = Math.min(ROWS_PER_BLOCK_MAX, length - from)
        this.#block(chunks, BLOCK_KIND.rows, table, rows, encodeRows(name, tables[name] as never, from, rows))
      }
    }
    return chunks
  }

  #json(chunks: Uint8Array[], kind: number, values: readonly unknown[]): void {
    const json = Buffer.from(JSON.stringify(values))
    // Blanks at the end mean nothing in JSON.
    const body = Buffer.alloc(padded(json.length), ' ')
    json.copy(body)
    this.#block(chunks, kind, 0, values.length, body)
  }

  #block(chunks: Uint8Array[], kind: number, table: number, rows: number, body: Uint8Array): void {
    const header = Buffer.alloc(BLOCK_HEADER_BYTES)
    header.writeUInt32LE(body.length, 0)
    header.writeUInt32LE(crc32c(body), 4)
    header.writeUInt32LE(rows, 8)
    header.writeUInt16LE(table, 12)
    header.writeUInt8(kind, 14)
    header.writeUInt32LE(this.#blocks, 16)
    header.writeUInt32LE(crc32c(header.subarray(0, 20)), 20)
    this.#blocks += 1
    chunks.push(header, body)
  }
}

function encodeRows(
  name: TableName,
  columns: Readonly<Record<string, Column>>,
  from: number,
  rows: number,
): Uint8Array {
  const inOrder = inFileOrder(TABLES[name])
  const rowBytes = inOrder.reduce((sum, [, type]) => sum + WIDTHS[type], 0)
  const body = new Uint8Array(padded(rowBytes * rows))
  let at = 0
  for (const [column, type] of inOrder) {
    const { buffer, byteOffset } = columns[column] as Column
    body.set(new Uint8Array(buffer, byteOffset + from * WIDTHS[type], rows * WIDTHS[type]), at)
    at += rows * WIDTHS[type]
  }
  return body
}

/** `undefined`: these bytes are no header of a block. */
export function decodeBlockHeader(bytes: Uint8Array): BlockHeader | undefined {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, BLOCK_HEADER_BYTES)
  if (header.readUInt32LE(20) !== crc32c(header.subarray(0, 20))) return undefined
  return {
    bodyBytes: header.readUInt32LE(0),
    bodyCrc: header.readUInt32LE(4),
    rows: header.readUInt32LE(8),
    table: header.readUInt16LE(12),
    kind: header.readUInt8(14),
    number: header.readUInt32LE(16),
  }
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8
}
