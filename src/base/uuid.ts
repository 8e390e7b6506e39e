/** UUIDs as Kafka writes them: 16 bytes on the wire, 22 characters of unpadded base64url in memory and on screen. */
import { AssertionError } from './assert.ts'
import { asBuffer } from './bytes.ts'
import type { Random } from './runtime.ts'

export const UUID_BYTES = 16

/** @param text  22 characters of base64url; anything else is our own mistake (check user input with `isUuid`) */
export function uuidToBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length !== UUID_BYTES) throw new AssertionError(`not a UUID: '${text}'`)
  return bytes
}

/** Reads 16 bytes from `position`. */
export function uuidFromBytes(bytes: Uint8Array, position = 0): string {
  if (bytes.length < position + UUID_BYTES) {
    throw new AssertionError(`a UUID needs ${UUID_BYTES} bytes at ${position} of ${bytes.length}`)
  }
  return asBuffer(bytes).toString('base64url', position, position + UUID_BYTES)
}

/** Whether text given by a user is a UUID in its one canonical form. */
export function isUuid(text: string): boolean {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length === UUID_BYTES && bytes.toString('base64url') === text
}

/**
 * A random (version 4) UUID that does not begin with '-', so that it can be given on a command line.
 * Source: org.apache.kafka.common.Uuid#randomUuid.
 */
export function newUuid(random: Random): string {
  const bytes = new Uint8Array(UUID_BYTES)
  for (;;) {
    random.fill(bytes)
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    const text = uuidFromBytes(bytes)
    if (!text.startsWith('-')) return text
  }
}
