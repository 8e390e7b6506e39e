import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c, javaScriptCrc32c } from './crc32c.ts'

test('known checksums hold (RFC 3720 B.4)', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e)
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  expect(crc32c(new Uint8Array(0))).toBe(0)
})

test('the JavaScript implementation gives what the native one gives, from any seed', () => {
  const fallback = javaScriptCrc32c()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 2 ** 32 - 1 }), (bytes, seed) => {
      expect(fallback(bytes)).toBe(crc32c(bytes))
      expect(fallback(bytes, seed)).toBe(crc32c(bytes, seed))
    }),
  )
})

test('a checksum goes on from that of the bytes before', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (first, second) => {
      expect(crc32c(second, crc32c(first))).toBe(crc32c(Buffer.concat([first, second])))
    }),
  )
})
