/**
 * The hash that decides the partition of a keyed record, the same as in Kafka's own clients: records of one key meet in one
 * partition whichever client sent them.
 *
 * Source: org.apache.kafka.common.utils.Utils#murmur2 (MurmurHash2, 32 bits, seed 0x9747b28c, little-endian words).
 */

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995

/** @returns int32, as Java's int; the first `length` bytes count */
export function murmur2(bytes: Uint8Array, length = bytes.length): number {
  let hash = SEED ^ length
  const wordsEnd = length & ~3
  for (let at = 0; at < wordsEnd; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> 24
    word = Math.imul(word, MULTIPLIER)
    hash = Math.imul(hash, MULTIPLIER) ^ word
  }
  const rest = length - wordsEnd
  if (rest > 0) {
    if (rest === 3) hash ^= bytes[wordsEnd + 2]! << 16
    if (rest >= 2) hash ^= bytes[wordsEnd + 1]! << 8
    hash ^= bytes[wordsEnd]!
    hash = Math.imul(hash, MULTIPLIER)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  return hash ^ (hash >>> 15)
}

/** Clears the sign bit, as Kafka's Utils#toPositive (which is not the absolute value). */
export function toPositive(value: number): number {
  return value & 0x7fffffff
}
