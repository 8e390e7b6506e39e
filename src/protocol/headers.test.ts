import { expect, test } from 'vitest'
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts'
import {
  API_VERSIONS_KEY,
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestHeader,
  encodeResponseHeader,
  hasFlexibleResponseHeader,
} from './headers.ts'

const flexibleFromTwo = (_apiKey: number, apiVersion: number) => apiVersion >= 2

function hexOf(write: (writer: ByteWriter) => void): string {
  const writer = new ByteWriter()
  write(writer)
  return Buffer.from(writer.toBytes()).toString('hex')
}

function reader(hex: string): ByteReader {
  return new ByteReader(Buffer.from(hex, 'hex'))
}

test('request headers have the bytes of RequestHeader.json versions 1 and 2 (by hand)', () => {
  const header = { apiKey: 22, apiVersion: 1, correlationId: 7, clientId: 'ab' }
  expect(hexOf((writer) => encodeRequestHeader(writer, header, false))).toBe('0016000100000007' + '00026162')
  // The client id keeps its int16 length in a flexible header; only the tagged fields are new.
  expect(hexOf((writer) => encodeRequestHeader(writer, header, true))).toBe('0016000100000007' + '00026162' + '00')
  expect(hexOf((writer) => encodeRequestHeader(writer, { ...header, clientId: null }, true))).toBe(
    '0016000100000007' + 'ffff' + '00',
  )
})

test('request headers read back', () => {
  for (const apiVersion of [1, 2]) {
    for (const clientId of [null, '', 'rdkafka', 'é\0', 'x'.repeat(32767)]) {
      const header = { apiKey: 22, apiVersion, correlationId: -3, clientId }
      const hex = hexOf((writer) => encodeRequestHeader(writer, header, apiVersion === 2))
      const input = reader(hex)
      expect(decodeRequestHeader(input, flexibleFromTwo)).toEqual(header)
      expect(input.remaining).toBe(0)
    }
  }
})

test('tagged fields of a newer client are skipped', () => {
  const input = reader('0016000200000007' + 'ffff' + '02' + '0002abcd' + '050100' + '99')
  expect(decodeRequestHeader(input, flexibleFromTwo).clientId).toBeNull()
  expect(input.remaining).toBe(1)
})

test.each([
  ['every cut', '00160002000000'],
  ['client id past the end', '0016000200000007' + '00056162'],
  ['client id of length -2', '0016000200000007' + 'fffe'],
  ['client id that is not UTF-8', '0016000200000007' + '0001ff' + '00'],
  ['no tagged fields', '0016000200000007' + 'ffff'],
  ['duplicate tag', '0016000200000007' + 'ffff' + '02' + '0000' + '0000'],
  ['descending tag', '0016000200000007' + 'ffff' + '02' + '0100' + '0000'],
  ['tag past the end', '0016000200000007' + 'ffff' + '01' + '00ffffffff0f'],
])('a request header with %s is refused', (_name, hex) => {
  expect(() => decodeRequestHeader(reader(hex), flexibleFromTwo)).toThrow(DecodeError)
})

test('response headers are versions 0 and 1, and always 0 for ApiVersions', () => {
  expect(hexOf((writer) => encodeResponseHeader(writer, 9, false))).toBe('00000009')
  expect(hexOf((writer) => encodeResponseHeader(writer, 9, true))).toBe('0000000900')
  expect(decodeResponseHeader(reader('00000009'), false)).toEqual({ correlationId: 9 })
  expect(decodeResponseHeader(reader('0000000900'), true)).toEqual({ correlationId: 9 })
  expect(hasFlexibleResponseHeader(22, true)).toBe(true)
  expect(hasFlexibleResponseHeader(22, false)).toBe(false)
  expect(hasFlexibleResponseHeader(API_VERSIONS_KEY, true)).toBe(false)
})
