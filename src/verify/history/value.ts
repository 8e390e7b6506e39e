/**
 * How a value names itself on the wire, readable with any Kafka tool and checked by its own checksum:
 *
 *     semel/<run> <writer> <number> <transaction> <crc32c of what precedes, hex>[ padding]
 */
import { crc32c } from '../../base/crc32c.ts'

export interface ValueName {
  readonly writer: number
  readonly number: number
  readonly transaction: number
}

/** @param sizeBytes  filled up with '.' to this size where it is larger */
export function encodeValue(run: string, { writer, number, transaction }: ValueName, sizeBytes = 0): Buffer {
  const named = `semel/${run} ${writer} ${number} ${transaction}`
  const text = `${named} ${checksum(named)}`
  return Buffer.from(text.length < sizeBytes ? `${text} ${'.'.repeat(sizeBytes - text.length - 1)}` : text)
}

const VALUE = /^(semel\/(\S+) (\d{1,10}) (\d{1,10}) (\d{1,10})) ([0-9a-f]{8})(?: \.*)?$/

/** `undefined`: nobody in this run can have sent these bytes. */
export function decodeValue(run: string, bytes: Uint8Array | null): ValueName | undefined {
  if (bytes === null) return undefined
  const match = VALUE.exec(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'))
  if (match === null || match[2] !== run || match[6] !== checksum(match[1] as string)) return undefined
  return { writer: Number(match[3]), number: Number(match[4]), transaction: Number(match[5]) }
}

function checksum(text: string): string {
  return (crc32c(Buffer.from(text)) >>> 0).toString(16).padStart(8, '0')
}
