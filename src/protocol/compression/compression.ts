/**
 * The compressions of record batches by name, synchronous and capped.
 *
 * Whatever the input, decompression returns the bytes or throws `DecodeError`, never holds much more than `maxBytes`, and
 * the codec works on afterwards: one corrupt batch harms nobody else.
 */
import { DecodeError } from '../../base/bytes.ts'
import { gunzip, gzip, zstdCompress, zstdDecompress } from './zlib.ts'
import { lz4Compress, lz4Decompress } from './lz4.ts'
import { snappyCompress, snappyDecompress } from './snappy.ts'

/** By their number in the attributes of a batch. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Compression = (typeof COMPRESSIONS)[number]
export type Codec = Exclude<Compression, 'none'>

const CODECS: Record<
  Codec,
  {
    compress(bytes: Uint8Array): Uint8Array
    decompress(bytes: Uint8Array, maxBytes: number): Uint8Array
  }
> = {
  gzip: { compress: gzip, decompress: gunzip },
  snappy: { compress: snappyCompress, decompress: snappyDecompress },
  lz4: { compress: lz4Compress, decompress: lz4Decompress },
  zstd: { compress: zstdCompress, decompress: zstdDecompress },
}

export function compress(codec: Codec, bytes: Uint8Array): Uint8Array {
  return CODECS[codec].compress(bytes)
}

/** @param maxBytes  size of the result at most, or DecodeError */
export function decompress(codec: Codec, bytes: Uint8Array, maxBytes: number): Uint8Array {
  try {
    return CODECS[codec].decompress(bytes, maxBytes)
  } catch (error) {
    if (error instanceof DecodeError) throw error
    // Each library has errors of its own for malformed input; to a caller they are all the same.
    throw new DecodeError(`${codec}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
