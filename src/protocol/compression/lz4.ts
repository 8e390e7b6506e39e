/**
 * LZ4 in its standard frame format, as record batches of magic 2 hold it.
 *
 *     magic u32 | FLG | BD | (content size u64) | (dictionary id u32) | header checksum
 *     | blocks: size u32 (highest bit: stored), data, (checksum u32) | end mark 0 u32 | (content checksum u32)
 *
 * The library has no limit of its own and most frames do not state their size, so the size is found first by walking
 * the lengths inside the blocks, without writing a byte. Source: the LZ4 frame and block format descriptions.
 */
import { asBuffer, DecodeError } from '../../base/bytes.ts'
import { nativeLz4 } from './native.ts'

const FRAME_MAGIC = 0x184d2204
const FRAME_VERSION = 1
const FLAG_BLOCK_CHECKSUM = 0x10
const FLAG_CONTENT_SIZE = 0x08
const FLAG_CONTENT_CHECKSUM = 0x04
const FLAG_DICTIONARY = 0x01
const STORED_BIT = 0x8000_0000
/** BD code → most bytes that one block may decompress to. */
const BLOCK_BYTES_MAX: readonly (number | undefined)[] = [
  undefined,
  undefined,
  undefined,
  undefined,
  64 * 1024,
  256 * 1024,
  1024 * 1024,
  4 * 1024 * 1024,
]

export function lz4Compress(bytes: Uint8Array): Uint8Array {
  return nativeLz4().compressFrameSync(asBuffer(bytes))
}

export function lz4Decompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const input = asBuffer(bytes)
  const sizeBytes = decompressedSize(input, maxBytes)
  const result = nativeLz4().decompressFrameSync(input)
  if (result.length !== sizeBytes) throw new DecodeError(`lz4: ${result.length} bytes, ${sizeBytes} expected`)
  return result
}

/** Exact for a well-formed frame. Throws DecodeError for one that is cut, ends early, or grows beyond `maxBytes`. */
function decompressedSize(frame: Buffer, maxBytes: number): number {
  if (frame.length < 7 || frame.readUInt32LE(0) !== FRAME_MAGIC) throw new DecodeError('lz4: no frame')
  const flags = frame[4]!
  if (flags >>> 6 !== FRAME_VERSION) throw new DecodeError(`lz4: frame version ${flags >>> 6}`)
  if ((flags & FLAG_DICTIONARY) !== 0) throw new DecodeError('lz4: frame with a dictionary')
  const blockBytesMax = BLOCK_BYTES_MAX[(frame[5]! >>> 4) & 0x07]
  if (blockBytesMax === undefined) throw new DecodeError('lz4: unknown block size')
  let position = 7 + ((flags & FLAG_CONTENT_SIZE) === 0 ? 0 : 8)
  let total = 0
  for (;;) {
    if (position + 4 > frame.length) throw new DecodeError('lz4: frame is cut')
    const word = frame.readUInt32LE(position)
    position += 4
    if (word === 0) break
    const sizeBytes = word % STORED_BIT
    if (sizeBytes > frame.length - position) throw new DecodeError('lz4: block is cut')
    const decompressed = word >= STORED_BIT ? sizeBytes : blockSize(frame, position, position + sizeBytes)
    if (decompressed > blockBytesMax) throw new DecodeError(`lz4: block of ${decompressed} bytes`)
    total += decompressed
    if (total > maxBytes) throw new DecodeError(`lz4: more than ${maxBytes} bytes`)
    position += sizeBytes + ((flags & FLAG_BLOCK_CHECKSUM) === 0 ? 0 : 4)
  }
  if ((flags & FLAG_CONTENT_CHECKSUM) !== 0) position += 4
  if (position !== frame.length) throw new DecodeError(`lz4: ${frame.length - position} bytes after the frame`)
  return total
}

/** Adds up literal and match lengths of one block. */
function blockSize(bytes: Buffer, start: number, end: number): number {
  let position = start
  let total = 0
  while (position < end) {
    const token = bytes[position++]!
    let literals = token >>> 4
    if (literals === 15) {
      let byte: number
      do {
        if (position >= end) throw new DecodeError('lz4: literal length is cut')
        byte = bytes[position++]!
        literals += byte
      } while (byte === 255)
    }
    position += literals
    total += literals
    if (position > end) throw new DecodeError('lz4: literals are cut')
    // The last sequence of a block has literals only.
    if (position === end) break
    position += 2
    let match = (token & 0x0f) + 4
    if (match === 19) {
      let byte: number
      do {
        if (position >= end) throw new DecodeError('lz4: match length is cut')
        byte = bytes[position++]!
        match += byte
      } while (byte === 255)
    }
    total += match
  }
  return total
}
