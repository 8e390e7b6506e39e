import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AssertionError } from './assert.ts'
import type { Random } from './runtime.ts'
import { isUuid, newUuid, uuidFromBytes, uuidToBytes } from './uuid.ts'

test('16 bytes and 22 characters of base64url stand for each other', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const text = uuidFromBytes(bytes)
      expect(text).toHaveLength(22)
      expect([...uuidToBytes(text)]).toEqual([...bytes])
      expect(isUuid(text)).toBe(true)
    }),
  )
  expect(uuidFromBytes(new Uint8Array(16))).toBe('AAAAAAAAAAAAAAAAAAAAAA')
})

test('a UUID is read from the middle of other bytes', () => {
  const bytes = Uint8Array.from({ length: 20 }, (_, index) => index)
  expect([...uuidToBytes(uuidFromBytes(bytes, 3))]).toEqual([...bytes.subarray(3, 19)])
})

test('text that is no UUID is told apart and asserted against', () => {
  for (const text of ['', 'AAAA', 'AAAAAAAAAAAAAAAAAAAAA*', 'AAAAAAAAAAAAAAAAAAAAAB', `${'A'.repeat(22)}A`]) {
    expect(isUuid(text)).toBe(false)
  }
  expect(() => uuidToBytes('AAAA')).toThrow(AssertionError)
  expect(() => uuidFromBytes(new Uint8Array(16), 1)).toThrow(AssertionError)
})

/** Multiply and add; enough to see different bytes. */
function countingRandom(): Random {
  let state = 1
  const nextUint32 = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0)
  return {
    nextUint32,
    fill(target) {
      for (let at = 0; at < target.length; at++) target[at] = nextUint32() >>> 24
    },
  }
}

test('new UUIDs are version 4, do not begin with a dash, and differ', () => {
  const random = countingRandom()
  const texts = Array.from({ length: 1000 }, () => newUuid(random))
  expect(new Set(texts).size).toBe(1000)
  for (const text of texts) {
    expect(text[0]).not.toBe('-')
    expect(uuidToBytes(text)[6]! >>> 4).toBe(4)
    expect(uuidToBytes(text)[8]! >>> 6).toBe(2)
  }
})
