/**
 * Compares every message declaration, and the error codes, with Kafka's own definitions, field by field and in both
 * directions. The definitions lie outside the repository; where they are missing the comparison is skipped, and only
 * the comparer itself is tested.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { apiByKey, apis } from '../src/protocol/apis.ts'
import { ERROR_CODES, errorNumber } from '../src/protocol/error-codes.ts'
import { array, bool, errorCode, int16, int32, int64, string, struct, uuid } from '../src/protocol/schema.ts'
import type { Api, Field, FieldOptions, Fields, StoredRecord } from '../src/protocol/schema.ts'
import {
  ALL_VERSIONS,
  differences,
  ourMessage,
  referenceMessage,
  within,
  withoutComments,
  withTypeAsVersion,
} from './schema-comparison.ts'
import type { ReferenceMessage } from './schema-comparison.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const messagesDirectory = join(root, 'src', 'protocol', 'messages')
const referenceDirectory = join(root, '..', 'shared', 'kafka-protocol')
const referenceIsThere = existsSync(join(referenceDirectory, 'messages'))
const whySkipped = referenceIsThere ? '' : ' (skipped: there is no ../shared/kafka-protocol beside the repository)'

type Declared = { file: string } & ({ api: Api } | { record: StoredRecord })

async function declaredMessages(): Promise<Declared[]> {
  const found: Declared[] = []
  for (const file of readdirSync(messagesDirectory).sort()) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue
    const exported = (await import(pathToFileURL(join(messagesDirectory, file)).href)) as Record<string, unknown>
    for (const value of Object.values(exported)) {
      if (typeof value !== 'object' || value === null) continue
      if ('request' in value) found.push({ file, api: value as Api })
      else if ('fields' in value) found.push({ file, record: value as StoredRecord })
    }
  }
  return found
}

function referenceMessages(): Map<string, ReferenceMessage> {
  const found = new Map<string, ReferenceMessage>()
  const directory = join(referenceDirectory, 'messages')
  for (const file of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.json')) continue
    const message = JSON.parse(withoutComments(readFileSync(join(directory, file), 'utf8'))) as ReferenceMessage
    found.set(message.name, message)
  }
  return found
}

function table(file: string): Record<string, string>[] {
  const [head = '', ...rows] = readFileSync(join(referenceDirectory, file), 'utf8').trimEnd().split('\n')
  const names = head.split('\t')
  return rows.map((row) => Object.fromEntries(row.split('\t').map((cell, index) => [names[index], cell])))
}

interface Pair {
  where: string
  versions: string
  flexible: string
  fields: Fields
  reference: ReferenceMessage
}

/** Each of our requests, responses and records with its counterpart. */
function pairs(declared: readonly Declared[], reference: ReadonlyMap<string, ReferenceMessage>): Pair[] {
  const of = (name: string): ReferenceMessage => {
    const message = reference.get(name)
    if (message === undefined) throw new Error(`the reference has no ${name}`)
    return message
  }
  return declared.flatMap((message): Pair[] => {
    if ('record' in message) {
      const { record } = message
      const found = of(record.name)
      const turned = found.type === 'coordinator-key' ? withTypeAsVersion(found) : found
      return [{ where: record.name, ...record, reference: turned }]
    }
    const { name, versions, flexible, request, response } = message.api
    return [
      { where: `${name}Request`, versions, flexible, fields: request, reference: of(`${name}Request`) },
      { where: `${name}Response`, versions, flexible, fields: response, reference: of(`${name}Response`) },
    ]
  })
}

function compare({ where, versions, flexible, fields, reference }: Pair): string[] {
  return differences(where, ourMessage({ versions, flexible }, fields), referenceMessage(reference))
}

/** Every declaration that differs from `fields` in one field and that the comparer must tell from it. */
function* mutations(
  fields: Fields,
  parentVersions: readonly number[],
): Generator<{ mutation: string; fields: Fields }> {
  const entries = Object.entries(fields)
  for (const [index, [name, field]] of entries.entries()) {
    const replaced = (...by: [string, Field][]): Fields => Object.fromEntries(entries.toSpliced(index, 1, ...by))
    const withOptions = (options: FieldOptions): Fields =>
      replaced([name, { ...field, options: { ...field.options, ...options } }])
    const versions = within(parentVersions, field.options.versions ?? '0+')
    const [first = 0, second] = versions
    const next = entries[index + 1]

    yield { mutation: `${name} left out`, fields: replaced() }
    yield { mutation: `${name} named otherwise`, fields: replaced([`${name}s`, field]) }
    yield { mutation: `a field after ${name}`, fields: replaced([name, field], [`${name}Added`, int32()]) }
    if (next !== undefined) {
      yield {
        mutation: `${name} after ${next[0]}`,
        fields: Object.fromEntries(entries.toSpliced(index, 2, next, [name, field])),
      }
    }
    const otherKind = field.kind === 'int32' ? 'int64' : 'int32'
    yield { mutation: `${name} as ${otherKind}`, fields: replaced([name, { kind: otherKind, options: field.options }]) }
    if (second !== undefined) {
      yield { mutation: `${name} from ${second} on`, fields: withOptions({ versions: `${second}+` }) }
    }
    const isNullable = within(versions, field.options.nullable ?? 'none').length > 0
    yield { mutation: `${name} nullable or not`, fields: withOptions({ nullable: isNullable ? 'none' : `${first}+` }) }
    yield { mutation: `${name} with a tag`, fields: withOptions({ tag: (field.options.tag ?? 0) + 1 }) }
    const otherDefault = { errorCode: 'UNKNOWN_SERVER_ERROR', bool: field.options.default !== true }[
      field.kind as string
    ]
    yield {
      mutation: `${name} with another default`,
      fields: withOptions({ default: otherDefault ?? (field.options.default === null ? 7 : null) }),
    }
    const inner = field.kind === 'array' ? field.element : field
    if (inner?.fields === undefined) continue
    for (const nested of mutations(inner.fields, versions)) {
      const changed = { ...inner, fields: nested.fields }
      const outer = field.kind === 'array' ? { ...field, element: changed } : changed
      yield { mutation: `${name}.${nested.mutation}`, fields: replaced([name, outer]) }
    }
  }
}

describe('the comparer', () => {
  const reference: ReferenceMessage = {
    apiKey: 99,
    type: 'request',
    name: 'ExampleRequest',
    validVersions: '1-4',
    flexibleVersions: '3+',
    fields: [
      { name: 'Name', type: 'string', versions: '0+', nullableVersions: '2+', default: 'null' },
      { name: 'Gone', type: 'int32', versions: '0' },
      { name: 'LeaderId', type: 'int32', versions: '2+', default: '-1' },
      { name: 'ErrorCode', type: 'int16', versions: '0+' },
      { name: 'MaxBytes', type: 'int32', versions: '0+', default: '0x7fffffff' },
      { name: 'Allowed', type: 'bool', versions: '0+', default: 'true' },
      {
        name: 'Topics',
        type: '[]Topic',
        versions: '0+',
        fields: [
          { name: 'TopicId', type: 'uuid', versions: '4+' },
          { name: 'Partitions', type: '[]int32', versions: '0+' },
          { name: 'Owner', type: 'Owner', versions: '3+', taggedVersions: '3+', tag: 0 },
        ],
      },
      { name: 'Owners', type: '[]Owner', versions: '0+' },
    ],
    commonStructs: [{ name: 'Owner', fields: [{ name: 'producerId', type: 'int64', versions: '0+', default: -1 }] }],
  }
  const owner = { producerId: int64({ default: -1 }) }
  const topic = {
    topicId: uuid({ versions: '4+' }),
    partitions: array(int32()),
    owner: struct(owner, { versions: '3+', tag: 0, default: { producerId: -1 } }),
  }
  const fields = {
    name: string({ nullable: '2+', default: null }),
    leaderId: int32({ versions: '2-4', default: -1 }),
    errorCode: errorCode(),
    maxBytes: int32({ default: 0x7fffffff }),
    allowed: bool({ default: true }),
    topics: array(struct(topic)),
    owners: array(struct(owner)),
  }
  const compareWith = (changed: Fields, head: { versions?: string; flexible?: string } = {}) =>
    compare({ where: 'Example', versions: '1-4', flexible: '3+', ...head, fields: changed, reference })

  test('finds nothing to say about a declaration that means the same', () => {
    expect(compareWith(fields)).toEqual([])
  })

  test.each<[string, Fields, string]>([
    ['a wrong version', { ...fields, leaderId: int32({ versions: '3+', default: -1 }) }, 'leaderId: versions'],
    ['a wrong last version', { ...fields, leaderId: int32({ versions: '2-3', default: -1 }) }, 'leaderId: versions'],
    ['a wrong default', { ...fields, leaderId: int32({ versions: '2+', default: 0 }) }, 'leaderId: default'],
    ['a missing default', { ...fields, leaderId: int32({ versions: '2+' }) }, 'leaderId: default'],
    [
      'a default for an implied zero',
      { ...fields, errorCode: errorCode({ default: 'NOT_CONTROLLER' }) },
      'errorCode: default',
    ],
    ['a wrong boolean default', { ...fields, allowed: bool({ default: false }) }, 'allowed: default'],
    [
      'a field that is nullable too early',
      { ...fields, name: string({ nullable: '1+', default: null }) },
      'name: nullable',
    ],
    ['a field that is never nullable', { ...fields, name: string({ default: null }) }, 'name: nullable'],
    ['a wrong type', { ...fields, maxBytes: int64({ default: 0x7fffffff }) }, 'maxBytes: type'],
    ['an error code as a number', { ...fields, errorCode: int16() }, 'errorCode: type'],
    ['a value in place of an array', { ...fields, owners: struct(owner) }, 'owners: type'],
    [
      'a wrong element',
      { ...fields, topics: array(struct({ ...topic, partitions: array(int64()) })) },
      'partitions: type',
    ],
    [
      'a wrong tag',
      { ...fields, topics: array(struct({ ...topic, owner: struct(owner, { versions: '3+', tag: 1 }) })) },
      'owner: tag',
    ],
    [
      'a missing tag',
      { ...fields, topics: array(struct({ ...topic, owner: struct(owner, { versions: '3+' }) })) },
      'owner: tagged',
    ],
    [
      'a struct with a wrong default',
      {
        ...fields,
        topics: array(
          struct({ ...topic, owner: struct(owner, { versions: '3+', tag: 0, default: { producerId: 0 } }) }),
        ),
      },
      'owner: default',
    ],
    [
      'a difference in a common struct',
      { ...fields, owners: array(struct({ producerId: int64() })) },
      'owners.producerId: default',
    ],
    ['a field too many', { ...fields, extra: bool() }, 'extra: not in the reference'],
    ['a field of versions that are gone', { ...fields, gone: int32({ versions: '0' }) }, 'gone: not in the reference'],
  ])('reports %s', (_, changed, message) => {
    expect(compareWith(changed).join('\n')).toContain(message)
  })

  test('reports a missing field, and a wrong order', () => {
    const { maxBytes, ...others } = fields
    expect(compareWith(others)).toEqual(['Example.maxBytes: missing'])
    expect(compareWith({ ...others, maxBytes }).join('\n')).toContain('Example: order')
  })

  test('reports wrong versions and wrong flexible versions of the message', () => {
    expect(compareWith(fields, { versions: '1-3' }).join('\n')).toContain('Example: versions')
    expect(compareWith(fields, { flexible: '4+' }).join('\n')).toContain('Example: flexible versions')
    expect(compareWith(fields, { flexible: 'none' }).join('\n')).toContain('Example: flexible versions')
  })

  test('takes comments out of JSON, but not slashes out of strings', () => {
    const text =
      '{ // first "quoted"\n  "a": "http://x", /* two\n lines */ "b": "\\"//", // last\n  "c": "\\\\" // end\n}'
    expect(JSON.parse(withoutComments(text))).toEqual({ a: 'http://x', b: '"//', c: '\\' })
  })
})

describe('the list of APIs', () => {
  test('has every API that is declared, once, by ascending key', async () => {
    const declared = (await declaredMessages()).flatMap((message) => ('api' in message ? [message.api] : []))
    expect(new Set(apis)).toEqual(new Set(declared))
    expect(apis.map(({ key }) => key)).toEqual([...new Set(declared.map(({ key }) => key))].sort((a, b) => a - b))
  })

  test('finds an API by its key', () => {
    for (const api of apis) expect(apiByKey(api.key)).toBe(api)
    expect(apiByKey(-1)).toBeUndefined()
  })
})

describe.skipIf(!referenceIsThere)(`beside Kafka's own definitions${whySkipped}`, () => {
  test('every message has the same versions and fields', async () => {
    const all = pairs(await declaredMessages(), referenceMessages())
    expect(all.length).toBeGreaterThan(80)
    expect(all.flatMap(compare)).toEqual([])
  })

  test('every change to a field of a message would be noticed', async () => {
    let count = 0
    const unnoticed: string[] = []
    for (const pair of pairs(await declaredMessages(), referenceMessages())) {
      const reference = referenceMessage(pair.reference)
      for (const { mutation, fields } of mutations(pair.fields, within(ALL_VERSIONS, pair.versions))) {
        count += 1
        if (differences('', ourMessage(pair, fields), reference).length === 0)
          unnoticed.push(`${pair.where}: ${mutation}`)
      }
    }
    expect(unnoticed).toEqual([])
    expect(count).toBeGreaterThan(4000)
  })

  test('every API has the key of both its messages, and the versions in the table of releases', () => {
    const reference = referenceMessages()
    const rows = new Map(table('api-versions.tsv').map((row) => [row['name'], row]))
    for (const { name, key, versions, flexible } of apis) {
      expect([name, reference.get(`${name}Request`)?.apiKey]).toEqual([name, key])
      expect([name, reference.get(`${name}Response`)?.apiKey]).toEqual([name, key])
      const row = rows.get(name)
      expect([name, row?.['key'], row?.['v4.3.1']?.replace('*', '')]).toEqual([name, String(key), versions])
      expect([name, row?.['request_flexible_from'], row?.['response_flexible_from']]).toEqual([
        name,
        flexible,
        flexible,
      ])
    }
  })

  test('every error has its number, none is missing and none is ours alone', () => {
    const theirs = table('error-codes.tsv').map(({ code, name }) => [Number(code), name] as const)
    const ours = ERROR_CODES.filter((name) => name !== 'NONE').map((name) => [errorNumber(name), name] as const)
    const byNumber = (a: readonly [number, unknown], b: readonly [number, unknown]) => a[0] - b[0]
    expect(ours.toSorted(byNumber)).toEqual(theirs.filter(([, name]) => name !== 'NONE').toSorted(byNumber))
    expect(errorNumber('NONE')).toBe(0)
  })
})
