/**
 * Bytes of Kafka 4.3.1 for every API × version and every stored record, made by test/fixtures/GoldenBytes.java from Kafka's own schemas.
 * Both sides fill a message from one counter, in wire order, so the bytes must be equal and must read back.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ByteReader, ByteWriter } from '../base/bytes.ts'
import { uuidFromBytes } from '../base/uuid.ts'
import { apiByKey, apis } from './apis.ts'
import {
  decodeRecord,
  decodeRequest,
  decodeResponse,
  encodeRecord,
  encodeRequest,
  encodeResponse,
  isFlexible,
  parseVersionRange,
} from './codec.ts'
import { errorName } from './error-codes.ts'
import { defaultStruct, defaultValue, fieldsInVersion } from './field-layout.ts'
import type { Api, Field, Fields, StoredRecord } from './schema.ts'

interface GoldenRow {
  /** -1 for a stored record. */
  readonly apiKey: number
  readonly name: string
  readonly kind: string
  readonly version: number
  readonly variant: string
  readonly hex: string
}

const rows: GoldenRow[] = readFileSync(new URL('../../test/fixtures/messages-kafka-4.3.1.tsv', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [apiKey, name, kind, version, variant, hex] = line.split('\t') as [
      string,
      string,
      string,
      string,
      string,
      string,
    ]
    return { apiKey: Number(apiKey), name, kind, version: Number(version), variant, hex: hex ?? '' }
  })

/** Fills a message as GoldenBytes.java does. */
class Filler {
  readonly #isFull: boolean
  readonly #version: number
  readonly #flexible: boolean
  #counter = 0

  constructor(isFull: boolean, version: number, flexible: boolean) {
    this.#isFull = isFull
    this.#version = version
    this.#flexible = flexible
  }

  message(fields: Fields): Record<string, unknown> {
    const message = defaultStruct(fields)
    for (const { name, field, nullable, tag } of fieldsInVersion(fields, this.#version, this.#flexible)) {
      if (tag !== undefined && !this.#isFull) message[name] = defaultValue(field)
      else message[name] = nullable && !this.#isFull ? null : this.#value(field)
    }
    return message
  }

  #value(field: Field): unknown {
    if (field.kind === 'struct') return this.message(field.fields!)
    if (field.kind === 'array') {
      return Array.from({ length: this.#isFull ? 2 : 1 }, () => this.#value(field.element!))
    }
    const n = ++this.#counter
    switch (field.kind) {
      case 'bool':
        return true
      case 'int8':
        return n % 128
      case 'int16':
        return (n % 133) + 1
      case 'errorCode':
        return errorName((n % 133) + 1)
      case 'uint16':
        return (n * 501) % 65536
      case 'int32':
        return (n * 1_000_003) | 0
      case 'uint32':
        return (n * 100_000_007) % 2 ** 32
      case 'int64':
        return (n % 2 === 1 ? -1 : 1) * n * 1_000_000_007_000
      case 'float64':
        return n / 4
      case 'uuid': {
        const bytes = Buffer.alloc(16)
        bytes.writeBigInt64BE(BigInt(n) * 0x0101010101n, 0)
        bytes.writeBigInt64BE(BigInt(n), 8)
        return uuidFromBytes(bytes)
      }
      case 'string':
        return `${n % 3 === 0 ? 'é' : 's'}${n}`
      case 'bytes':
      case 'records':
        return Buffer.from([n, n + 1, n + 2])
    }
  }
}

describe.each(apis.map((api: Api) => [api.name, api] as const))('%s', (_name, api) => {
  const golden = rows.filter((row) => row.apiKey === api.key && versionsOf(api).includes(row.version))

  test('has golden bytes for every version', () => {
    const versions = new Set(golden.map((row) => row.version))
    expect([...versions].sort((a, b) => a - b)).toEqual(versionsOf(api))
  })

  test.each(golden.map((row) => [row.kind, row.version, row.variant, row] as const))(
    '%s v%i (%s) is encoded and decoded as by kafka-clients',
    (_kind, version, variant, row) => {
      const filler = new Filler(variant === 'full', version, isFlexible(api, version))
      const message = filler.message(row.kind === 'request' ? api.request : api.response)
      const writer = new ByteWriter()
      if (row.kind === 'request') encodeRequest(api, version, message, writer)
      else encodeResponse(api, version, message, writer)
      expect(Buffer.from(writer.toBytes()).toString('hex')).toBe(row.hex)

      const reader = new ByteReader(Buffer.from(row.hex, 'hex'))
      const decoded =
        row.kind === 'request' ? decodeRequest(api, version, reader) : decodeResponse(api, version, reader)
      expect(decoded).toEqual(message)
      expect(reader.remaining).toBe(0)
    },
  )
})

test('the fixture has no API that is not declared', () => {
  expect(rows.filter((row) => row.apiKey >= 0 && apiByKey(row.apiKey) === undefined)).toEqual([])
})

describe('stored records', async () => {
  const names = new Set(rows.filter((row) => row.kind === 'record').map((row) => row.name))
  const declared = (await storedRecords()).filter((record) => names.has(record.name))

  test('that Kafka has are all declared', () => {
    expect(declared.map((record) => record.name).sort()).toEqual([...names].sort())
  })

  const cases = declared.flatMap((record) =>
    versionsOf(record).flatMap((version) =>
      ['full', 'null'].map((variant) => [record.name, version, variant, record] as const),
    ),
  )
  test.each(cases)('%s v%i (%s) is encoded and decoded as by Kafka', (name, version, variant, record) => {
    // Kafka numbers the one version of a key 0; what stands before it on disk is the type of the record.
    const versionInKafka = name.endsWith('Key') ? 0 : version
    const row = rows.find((row) => row.name === name && row.version === versionInKafka && row.variant === variant)
    const message = new Filler(variant === 'full', version, isFlexible(record, version)).message(record.fields)
    const bytes = Buffer.from(encodeRecord(record, version, message))
    expect(bytes.readInt16BE(0)).toBe(version)
    expect(bytes.subarray(2).toString('hex')).toBe(row?.hex)
    expect(decodeRecord(record, bytes)).toEqual(message)
  })
})

/** Every stored record declared in a file of messages/. */
async function storedRecords(): Promise<StoredRecord[]> {
  const directory = new URL('./messages/', import.meta.url)
  const files = readdirSync(directory).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  const modules = await Promise.all(files.map((file) => import(new URL(file, directory).href) as Promise<object>))
  return modules
    .flatMap((module) => Object.values(module) as unknown[])
    .filter((value): value is StoredRecord => typeof value === 'object' && value !== null && 'fields' in value)
}

function versionsOf(declaration: { readonly versions: string }): number[] {
  const { min, max } = parseVersionRange(declaration.versions)!
  return Array.from({ length: max - min + 1 }, (_, index) => min + index)
}
