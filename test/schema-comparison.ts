/**
 * Brings a message declaration of ours and one of Kafka's message definitions to the same plain form and lists their
 * differences. Reads no files; what is compared with what, the test says.
 *
 * Compared: versions, flexible versions; of each field its name, place, type, versions, tag, nullability and default.
 * Ranges are compared by the versions they hold within those of the message, so '0+' and '3+' are the same in a
 * message that begins with version 3. Not compared: texts, and how a sender treats a field that the version does not
 * have.
 */
import { errorNumber } from '../src/protocol/error-codes.ts'
import type { ErrorCode } from '../src/protocol/error-codes.ts'
import type { Field, FieldKind, Fields } from '../src/protocol/schema.ts'
import { ZERO_UUID } from '../src/protocol/schema.ts'
import { versionInRange } from '../src/protocol/version-range.ts'

interface ReferenceField {
  name: string
  type: string
  versions?: string
  nullableVersions?: string
  tag?: number
  taggedVersions?: string
  default?: string | number | boolean
  fields?: ReferenceField[]
}

export interface ReferenceMessage {
  apiKey?: number
  type: string
  name: string
  validVersions: string
  flexibleVersions: string
  fields: ReferenceField[]
  commonStructs?: { name: string; fields: ReferenceField[] }[]
}

/** One side of a comparison: what both kinds of definition come down to. */
interface Plain {
  name: string
  /** 'int32', '[]string', 'struct', '[]struct', 'error' … */
  type: string
  versions: number[]
  nullable: number[]
  tagged: number[]
  tag: number | undefined
  default: unknown
  fields: Plain[]
}

export interface PlainMessage {
  versions: number[]
  flexible: number[]
  fields: Plain[]
}

export const ALL_VERSIONS = Array.from({ length: 64 }, (_, version) => version)

export function within(versions: readonly number[], range: string): number[] {
  return versions.filter((version) => versionInRange(version, range))
}

const ZERO: Record<string, unknown> = { bool: false, string: '', bytes: '', records: '', uuid: ZERO_UUID }

function structDefault(fields: readonly Plain[]): Record<string, unknown> {
  return Object.fromEntries(fields.map((field) => [field.name, field.default]))
}

function impliedDefault(type: string, fields: readonly Plain[]): unknown {
  if (type.startsWith('[]')) return []
  if (type === 'struct') return structDefault(fields)
  return ZERO[type] ?? 0
}

// Ours.

function ourFields(fields: Fields, versions: readonly number[]): Plain[] {
  return Object.entries(fields).map(([name, field]) => ourField(name, field, versions))
}

function ourField(name: string, field: Field, parentVersions: readonly number[]): Plain {
  const { options } = field
  const versions = within(parentVersions, options.versions ?? '0+')
  const tagged = options.tag === undefined ? [] : within(versions, options.taggedVersions ?? '0+')
  const value = field.kind === 'array' ? field.element : field
  if (value === undefined) throw new Error(`${name} is an array without element`)
  const elementType = value.kind === 'errorCode' ? 'error' : value.kind
  const type = field.kind === 'array' ? `[]${elementType}` : elementType
  const members = ourFields(value.fields ?? {}, versions)
  let defaultValue = options.default ?? impliedDefault(type, members)
  if (options.default === null) defaultValue = null
  else if (type === 'struct') defaultValue = { ...structDefault(members), ...options.default }
  else if (type === 'error') defaultValue = errorNumber((options.default ?? 'NONE') as ErrorCode)
  return {
    name,
    type,
    versions,
    nullable: within(versions, options.nullable ?? 'none'),
    tagged,
    tag: options.tag,
    default: defaultValue,
    fields: members,
  }
}

export function ourMessage(message: { versions: string; flexible: string }, fields: Fields): PlainMessage {
  const versions = within(ALL_VERSIONS, message.versions)
  return { versions, flexible: within(versions, message.flexible), fields: ourFields(fields, versions) }
}

// Kafka's.

const PRIMITIVES = new Set<string>([
  'bool',
  'int8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'float64',
  'uuid',
  'string',
  'bytes',
  'records',
] satisfies FieldKind[])

type CommonStructs = ReadonlyMap<string, ReferenceField[]>

function referenceFields(
  fields: readonly ReferenceField[],
  versions: readonly number[],
  common: CommonStructs,
): Plain[] {
  return fields.map((field) => referenceField(field, versions, common)).filter((field) => field.versions.length > 0) // of versions that are gone
}

function referenceField(field: ReferenceField, parentVersions: readonly number[], common: CommonStructs): Plain {
  const range = field.versions ?? field.taggedVersions
  if (range === undefined) throw new Error(`${field.name} has no versions`)
  const versions = within(parentVersions, range)
  const isArray = field.type.startsWith('[]')
  const element = isArray ? field.type.slice(2) : field.type
  const isError = element === 'int16' && field.name.endsWith('ErrorCode')
  const elementType = isError ? 'error' : PRIMITIVES.has(element) ? element : 'struct'
  const members =
    elementType === 'struct' ? referenceFields(field.fields ?? common.get(element) ?? [], versions, common) : []
  if (elementType === 'struct' && members.length === 0) throw new Error(`${field.name}: no struct ${element}`)
  const type = isArray ? `[]${elementType}` : elementType
  return {
    name: field.name.charAt(0).toLowerCase() + field.name.slice(1),
    type,
    versions,
    nullable: within(versions, field.nullableVersions ?? 'none'),
    tagged: within(versions, field.taggedVersions ?? 'none'),
    tag: field.tag,
    default: referenceDefault(field, type, members),
    fields: members,
  }
}

function referenceDefault(field: ReferenceField, type: string, members: readonly Plain[]): unknown {
  if (field.default === undefined) return impliedDefault(type, members)
  const text = String(field.default)
  if (text === 'null') return null
  if (type === 'string') return text
  if (type === 'bool') return text === 'true'
  const value = Number(text)
  if (Number.isNaN(value)) throw new Error(`${field.name}: default '${text}' of a ${type}`)
  return value
}

export function referenceMessage(message: ReferenceMessage): PlainMessage {
  const common = new Map((message.commonStructs ?? []).map(({ name, fields }) => [name, fields]))
  const versions = within(ALL_VERSIONS, message.validVersions)
  return {
    versions,
    flexible: within(versions, message.flexibleVersions),
    fields: referenceFields(message.fields, versions, common),
  }
}

/**
 * A coordinator's key has one layout, version 0, and the int16 in front of it is the type of the record (Kafka's
 * CoordinatorRecordSerde). We declare that type as the version, so the reference is turned the same way.
 */
export function withTypeAsVersion(key: ReferenceMessage): ReferenceMessage {
  if (key.validVersions !== '0' || key.apiKey === undefined) throw new Error(`${key.name} is no coordinator's key`)
  return {
    ...key,
    validVersions: String(key.apiKey),
    fields: key.fields.map((field) => ({ ...field, versions: '0+' })),
  }
}

// Comparing.

/** One line for each difference. */
export function differences(where: string, ours: PlainMessage, reference: PlainMessage): string[] {
  return [
    ...different(`${where}: versions`, ours.versions, reference.versions),
    ...different(`${where}: flexible versions`, ours.flexible, reference.flexible),
    ...fieldDifferences(where, ours.fields, reference.fields),
  ]
}

function different(what: string, ours: unknown, reference: unknown): string[] {
  const [left, right] = [JSON.stringify(ours), JSON.stringify(reference)]
  return left === right ? [] : [`${what}: ${left}, reference ${right}`]
}

function fieldDifferences(where: string, ours: readonly Plain[], reference: readonly Plain[]): string[] {
  const found: string[] = []
  const ourNames = ours.map(({ name }) => name)
  const referenceNames = reference.map(({ name }) => name)
  for (const name of referenceNames) if (!ourNames.includes(name)) found.push(`${where}.${name}: missing`)
  for (const name of ourNames) if (!referenceNames.includes(name)) found.push(`${where}.${name}: not in the reference`)
  if (found.length === 0) found.push(...different(`${where}: order`, ourNames, referenceNames))
  for (const our of ours) {
    const other = reference.find(({ name }) => name === our.name)
    if (other === undefined) continue
    const path = `${where}.${our.name}`
    for (const aspect of ['type', 'versions', 'nullable', 'tagged', 'tag', 'default'] as const) {
      found.push(...different(`${path}: ${aspect}`, our[aspect], other[aspect]))
    }
    found.push(...fieldDifferences(path, our.fields, other.fields))
  }
  return found
}

/** Takes comments out of JSON and leaves what looks like one inside a string alone. */
export function withoutComments(text: string): string {
  return text.replace(
    /("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (_, quoted: string | undefined) => quoted ?? '',
  )
}
