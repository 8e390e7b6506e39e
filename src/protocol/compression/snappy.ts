/**
 * Snappy in the two framings found in Kafka: raw (librdkafka, franz-go) and xerial (Java). Writes xerial, as Java does.
 *
 *     xerial: 0x82 'SNAPPY' 0x00 | version i32 | oldest compatible version i32 | blocks: size i32, raw snappy
 *
 * Every raw block states its decompressed size in front; it is checked before anything is allocated.
 */
import { asBuffer, ByteReader, ByteWriter, DecodeError } from '../../base/bytes.ts'
import { nativeSnappy } from './native.ts'

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16
const XERIAL_VERSION = 1
/** Block size of the Java library. */
const XERIAL_BLOCK_BYTES = 32 * 1024

/**
 * No raw snappy grows by more: its densest element copies 64 bytes and takes 3. A stated size beyond that is a lie,
 * refused before it is believed.
 */
const EXPANSION_MAX = 24

export function snappyCompress(bytes: Uint8Array): Uint8Array {
  const input = asBuffer(bytes)
  const writer = new ByteWriter(XERIAL_HEADER_BYTES + 4)
  writer.raw(XERIAL_MAGIC)
  writer.int32(XERIAL_VERSION)
  writer.int32(XERIAL_VERSION)
  for (let position = 0; position < input.length; position += XERIAL_BLOCK_BYTES) {
    const block = nativeSnappy().compressSync(input.subarray(position, position + XERIAL_BLOCK_BYTES))
    writer.int32(block.length)
    writer.chunk(block)
  }
  return writer.toBytes()
}

export function snappyDecompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const input = asBuffer(bytes)
  if (!input.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return decompressRaw(input, maxBytes)
  const reader = new ByteReader(input)
  reader.skip(XERIAL_HEADER_BYTES)
  const blocks: Uint8Array[] = []
  let left = maxBytes
  while (reader.remaining > 0) {
    const size = reader.int32()
    if (size <= 0) throw new DecodeError(`xerial block of ${size} bytes`)
    const block = decompressRaw(reader.bytes(size), left)
    left -= block.length
    blocks.push(block)
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks)
}

function decompressRaw(block: Uint8Array, maxBytes: number): Uint8Array {
  const stated = new ByteReader(block).uvarint()
  if (stated > maxBytes) throw new DecodeError(`snappy block of ${stated} bytes, ${maxBytes} are allowed`)
  if (stated > block.length * EXPANSION_MAX) {
    throw new DecodeError(`snappy block of ${block.length} bytes states ${stated} bytes`)
  }
  const result = nativeSnappy().uncompressSync(block)
  if (typeof result === 'string') throw new DecodeError('snappy gave text for bytes')
  return result
}
