import { expect, test } from 'vitest'
import { bytesAsText, shownBytes } from './shown-bytes.ts'

const of = (text: string): Uint8Array => Buffer.from(text)

test.each([
  [null, null, 'null'],
  [of('plain'), { utf8: 'plain' }, '"plain"'],
  [of('größer\t“😀”\n'), { utf8: 'größer\t“😀”\n' }, '"größer\\t“😀”\\n"'],
  [of(''), { utf8: '' }, '""'],
  [Uint8Array.of(0xff, 0x00), { base64: '/wA=' }, '0xff00'],
  // What would colour a terminal is not text.
  [of('\u001b[31mred'), { base64: 'G1szMW1yZWQ=' }, '0x1b5b33316d726564'],
])('%j is shown as %j', (bytes, shown, text) => {
  expect(shownBytes(bytes, 100)).toEqual(shown)
  expect(bytesAsText(shownBytes(bytes, 100))).toBe(text)
})

test('what is longer is cut, between characters, and says how long it is', () => {
  expect(shownBytes(of('ab€cd'), 4)).toEqual({ utf8: 'ab', bytes: 7 })
  expect(bytesAsText(shownBytes(of('ab€cd'), 5))).toBe('"ab€"…(7 bytes)')
  expect(shownBytes(Uint8Array.of(0xff, 1, 2), 2)).toEqual({ base64: '/wE=', bytes: 3 })
})
