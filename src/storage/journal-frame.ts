/**
 * The bytes of a journal file: its header and its frames. Pure layout; files, order and recovery are the neighbours' work.
 *
 * All numbers are unsigned and big-endian.
 *
 *   file    ┌────────────────────────── 32 ──────────────────────────┬───────┬───────┬─────┬──────────────┐
 *           │ magic 'semeljnl' │ version │ frame mark │ sequence │ …  │ frame │ frame │  …  │ zeros        │
 *           └───────── 8 ──────┴── u32 ──┴─── u32 ────┴── u64 ───┴────┴───────┴───────┴─────┴──────────────┘
 *                                                        … = durability u32 │ crc32c u32 of the 28 bytes before it
 *
 *   frame   ┌────────────┬─────────────┬────────┬──────────────┬─────┬────────────┬──────┐
 *           │ frame mark │ body length │ crc32c │ previous crc │ lsn │ flushedLsn │ body │
 *           └─── u32 ────┴──── u32 ────┴─ u32 ──┴───── u32 ────┴ u64 ┴──── u64 ───┴──────┘
 *                                               └──────────── covered by crc32c ─────────┘
 *
 * frame mark   the frame's magic. Drawn at random for each journal and kept in every file header, so that no user's
 *              payload, not even a copy of another journal, can pass for a frame of this one.
 * previous crc the crc of the frame before (lsn - 1), 0 for the first: a frame that is valid by itself but belongs elsewhere,
 *              or whose predecessor was lost, does not fit.
 * flushedLsn   every frame up to this LSN was known to be flushed when this one was written. It is what tells corruption
 *              from a torn tail.
 * a body of 0 bytes  makes a flush mark: it carries nothing but its flushedLsn.
 */

import { crc32c } from '../base/crc32c.ts'

export const JOURNAL_FORMAT_VERSION = 1
export const FILE_HEADER_BYTES = 32
export const FRAME_HEADER_BYTES = 32
/** A frame is read back in one piece, so it must fit a buffer comfortably. */
export const FRAME_BODY_BYTES_MAX = 1024 * 1024 * 1024

const FILE_MAGIC = Buffer.from('semeljnl', 'latin1')
const CRC_COVERS_FROM = 12
const TWO_TO_32 = 2 ** 32
const SAFE_HIGH_WORD_MAX = 2 ** 21 - 1

export type JournalDurability = 'fsync' | 'os'

export interface FileHeader {
  readonly frameMark: number
  readonly sequence: number
  readonly durability: JournalDurability
}

export function encodeFileHeader({ frameMark, sequence, durability }: FileHeader): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES)
  FILE_MAGIC.copy(bytes)
  bytes.writeUInt32BE(JOURNAL_FORMAT_VERSION, 8)
  bytes.writeUInt32BE(frameMark, 12)
  writeUint64(bytes, sequence, 16)
  bytes.writeUInt32BE(durability === 'fsync' ? 0 : 1, 24)
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, 28)), 28)
  return bytes
}

export type DecodedFileHeader =
  | { readonly kind: 'valid'; readonly header: FileHeader }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'damaged' }

/** The first 32 bytes, their checksum included, keep this layout in every version, so that a version can be believed. */
export function decodeFileHeader(bytes: Buffer): DecodedFileHeader {
  if (bytes.length < FILE_HEADER_BYTES || !bytes.subarray(0, 8).equals(FILE_MAGIC)) return { kind: 'damaged' }
  if (bytes.readUInt32BE(28) !== crc32c(bytes.subarray(0, 28))) return { kind: 'damaged' }
  const version = bytes.readUInt32BE(8)
  if (version > JOURNAL_FORMAT_VERSION) return { kind: 'newer', version }
  const sequence = readUint64(bytes, 16)
  if (sequence === undefined) return { kind: 'damaged' }
  const durability = bytes.readUInt32BE(24) === 0 ? 'fsync' : 'os'
  return { kind: 'valid', header: { frameMark: bytes.readUInt32BE(12), sequence, durability } }
}

export interface FrameHeader {
  readonly bodyBytes: number
  readonly crc: number
  readonly previousCrc: number
  readonly lsn: number
  readonly flushedLsn: number
}

/**
 * Writes a frame header at `at` and returns its crc, which the next frame carries on.
 * @param target  at least FRAME_HEADER_BYTES from `at` on
 */
export function encodeFrameHeader(
  target: Buffer,
  at: number,
  frame: { frameMark: number; previousCrc: number; lsn: number; flushedLsn: number },
  bodyBytes: number,
  body: readonly Uint8Array[],
): number {
  target.writeUInt32BE(frame.frameMark, at)
  target.writeUInt32BE(bodyBytes, at + 4)
  target.writeUInt32BE(frame.previousCrc, at + 12)
  writeUint64(target, frame.lsn, at + 16)
  writeUint64(target, frame.flushedLsn, at + 24)
  let crc = crc32c(target.subarray(at + CRC_COVERS_FROM, at + FRAME_HEADER_BYTES))
  for (const chunk of body) crc = crc32c(chunk, crc)
  target.writeUInt32BE(crc, at + 8)
  return crc
}

/** The header at `at` if its mark and its numbers can be meant; says nothing about the crc. Needs FRAME_HEADER_BYTES there. */
export function decodeFrameHeader(bytes: Buffer, at: number, frameMark: number): FrameHeader | undefined {
  if (bytes.readUInt32BE(at) !== frameMark) return undefined
  const bodyBytes = bytes.readUInt32BE(at + 4)
  const lsn = readUint64(bytes, at + 16)
  const flushedLsn = readUint64(bytes, at + 24)
  if (bodyBytes > FRAME_BODY_BYTES_MAX || lsn === undefined || flushedLsn === undefined) return undefined
  if (flushedLsn >= lsn) return undefined
  return { bodyBytes, crc: bytes.readUInt32BE(at + 8), previousCrc: bytes.readUInt32BE(at + 12), lsn, flushedLsn }
}

/** Whether the whole frame at `at`, all of it in `bytes`, is what its writer made. */
export function frameCrcMatches(bytes: Buffer, at: number, header: FrameHeader): boolean {
  return crc32c(bytes.subarray(at + CRC_COVERS_FROM, at + FRAME_HEADER_BYTES + header.bodyBytes)) === header.crc
}

function writeUint64(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / TWO_TO_32), at)
  target.writeUInt32BE(value % TWO_TO_32, at + 4)
}

function readUint64(bytes: Buffer, at: number): number | undefined {
  const high = bytes.readUInt32BE(at)
  return high > SAFE_HIGH_WORD_MAX ? undefined : high * TWO_TO_32 + bytes.readUInt32BE(at + 4)
}
