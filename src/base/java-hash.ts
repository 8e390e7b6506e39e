/** The hash by which Kafka assigns a group or a transactional id to a partition of its internal topic. */
import { assert } from './assert.ts'

/** java.lang.String#hashCode: int32 over UTF-16 code units. */
export function javaStringHash(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0
  return hash
}

/**
 * The partition of `__transaction_state` or `__consumer_offsets` that owns `key`.
 *
 * The absolute value of the hash, where that of -2^31 is 0: org.apache.kafka.common.utils.Utils#abs (not `toPositive`,
 * which clears the sign bit and gives other partitions for negative hashes).
 */
export function partitionFor(key: string, partitionCount: number): number {
  assert(partitionCount > 0, `partitionCount must be positive, got ${partitionCount}`)
  const hash = javaStringHash(key)
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionCount
}
