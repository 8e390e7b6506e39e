/**
 * The native codecs, loaded when the first batch needs one: a broker passes batches through as they are, and most
 * never open one, so neither their start nor their memory should pay for it.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export function nativeSnappy(): typeof import('snappy') {
  return require('snappy') as typeof import('snappy')
}

export function nativeLz4(): typeof import('lz4-napi') {
  return require('lz4-napi') as typeof import('lz4-napi')
}
