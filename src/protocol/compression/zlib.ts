/** gzip and zstd, both by node:zlib, which stops at `maxOutputLength`. */
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { DecodeError } from '../../base/bytes.ts'

/** Largest window a zstd frame may ask for, as a power of two: 128 MiB, the most that zstd itself takes by default. */
const ZSTD_WINDOW_LOG_MAX = 27

export function gzip(bytes: Uint8Array): Uint8Array {
  return gzipSync(bytes)
}

export function gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array {
  return capped(maxBytes, (maxOutputLength) => gunzipSync(bytes, { maxOutputLength }))
}

export function zstdCompress(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes)
}

export function zstdDecompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  return capped(maxBytes, (maxOutputLength) => {
    const { buffer, engine } = zstdDecompressSync(bytes, {
      maxOutputLength,
      params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
      info: true,
    }) as unknown as { readonly buffer: Uint8Array; readonly engine: { readonly bytesWritten: number } }
    // The library stops after one frame and says nothing of what follows it.
    const leftBytes = bytes.length - engine.bytesWritten
    if (leftBytes > 0) throw new DecodeError(`zstd: ${leftBytes} bytes after the frame`)
    return buffer
  })
}

/** The libraries refuse a limit of 0, so the result is measured once more. */
function capped(maxBytes: number, decompress: (maxOutputLength: number) => Uint8Array): Uint8Array {
  const result = decompress(Math.max(1, maxBytes))
  if (result.length > maxBytes) throw new DecodeError(`${result.length} bytes decompressed, the limit is ${maxBytes}`)
  return result
}
