import { expect, test } from 'vitest'
import { javaStringHash, partitionFor } from './java-hash.ts'

// Printed by java.lang.String#hashCode and org.apache.kafka.common.utils.Utils#abs of kafka-clients 4.3.1.
test.each([
  ['a', 97, 47],
  ['transfers-1', -2008780404, 4],
  ['my-group', -1906497762, 12],
  ['order-enricher', 1025584145, 45],
  ['polygenelubricants', -2147483648, 0],
  ['é😀', 1996812, 12],
  ['', 0, 0],
])('%j hashes and is assigned as in Kafka', (text, hash, partition) => {
  expect(javaStringHash(text)).toBe(hash)
  expect(partitionFor(text, 50)).toBe(partition)
})
