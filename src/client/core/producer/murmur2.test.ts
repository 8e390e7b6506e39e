import { expect, test } from 'vitest'
import { murmur2, toPositive } from './murmur2.ts'

/** From org.apache.kafka.common.utils.UtilsTest#testMurmur2. */
const GOLDEN: readonly [string, number][] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

test.each(GOLDEN)('murmur2 of %s is what Kafka computes', (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash)
})

test('only the given length counts', () => {
  expect(murmur2(Buffer.from('abcdefgh'), 3)).toBe(479470107)
})

test('toPositive clears the sign bit', () => {
  expect(toPositive(-1)).toBe(0x7fffffff)
  expect(toPositive(-0x8000_0000)).toBe(0)
  expect(toPositive(5)).toBe(5)
})
