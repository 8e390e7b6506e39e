/**
 * What a declared field is in one version: present or not, tagged or not, nullable or not, and its default value.
 *
 * Shared by the codec, which compiles from it, and by the generator of random messages. Holds no bytes.
 */
import { assert } from '../base/assert.ts'
import type { Field, Fields } from './schema.ts'
import { ZERO_UUID } from './schema.ts'
import { versionInRange } from './version-range.ts'

export interface FieldLayout {
  readonly name: string
  readonly field: Field
  readonly nullable: boolean
  /** Tag number when the field is tagged in this version. */
  readonly tag: number | undefined
}

/** The fields that the given version carries, in wire order; tagged ones after the others, by ascending tag. */
export function fieldsInVersion(fields: Fields, version: number, flexible: boolean): FieldLayout[] {
  const plain: FieldLayout[] = []
  const tagged: (FieldLayout & { tag: number })[] = []
  for (const [name, field] of Object.entries(fields)) {
    const { versions = '0+', tag, taggedVersions = versions } = field.options
    if (!versionInRange(version, versions)) continue
    const nullable = isNullable(field, version)
    if (tag !== undefined && flexible && versionInRange(version, taggedVersions)) {
      tagged.push({ name, field, nullable, tag })
    } else {
      plain.push({ name, field, nullable, tag: undefined })
    }
  }
  tagged.sort((a, b) => a.tag - b.tag)
  return [...plain, ...tagged]
}

function isNullable(field: Field, version: number): boolean {
  return field.options.nullable !== undefined && versionInRange(version, field.options.nullable)
}

/**
 * The value of a field that the version does not carry or the sender left out. Arrays and structs are made anew on
 * each call, so that nobody shares them.
 */
export function defaultValue(field: Field): unknown {
  const declared = field.options.default
  if (declared === null) return null
  switch (field.kind) {
    case 'array':
      assert(
        declared === undefined || (Array.isArray(declared) && declared.length === 0),
        'the default of an array is empty or null',
      )
      return []
    case 'struct':
      return { ...defaultStruct(field.fields ?? {}), ...declared }
    case 'bytes':
    case 'records':
      return declared ?? Buffer.alloc(0)
    case 'bool':
      return declared ?? false
    case 'string':
      return declared ?? ''
    case 'uuid':
      return declared ?? ZERO_UUID
    case 'errorCode':
      return declared ?? 'NONE'
    default:
      return declared ?? 0
  }
}

export function defaultStruct(fields: Fields): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) value[name] = defaultValue(field)
  return value
}

/** Whether a value is what `defaultValue` gives; `undefined` is "left out" and so is one. */
export function isDefault(field: Field, value: unknown): boolean {
  if (value === undefined) return true
  const expected = field.options.default
  if (value === null || expected === null) return value === expected
  switch (field.kind) {
    case 'array':
      return (value as readonly unknown[]).length === 0
    case 'struct': {
      const overrides = (expected ?? {}) as Record<string, unknown>
      const actual = value as Record<string, unknown>
      return Object.entries(field.fields ?? {}).every(([name, member]) =>
        name in overrides && actual[name] !== undefined
          ? actual[name] === overrides[name]
          : isDefault(member, actual[name]),
      )
    }
    case 'bytes':
    case 'records':
      return (value as { length: number }).length === 0
    default:
      return value === defaultValue(field)
  }
}

/** About what a decoded value takes in memory on 64-bit V8, without the elements of arrays in it. */
export function decodedBytes(field: Field): number {
  switch (field.kind) {
    case 'struct':
      return Object.values(field.fields ?? {}).reduce((sum, member) => sum + decodedBytes(member), OBJECT_BYTES)
    case 'array':
      return OBJECT_BYTES
    case 'bytes':
    case 'records':
      return VIEW_BYTES
    case 'uuid':
      return SLOT_BYTES + UUID_TEXT_BYTES
    case 'string':
      return SLOT_BYTES + SHORT_TEXT_BYTES
    case 'int64':
    case 'float64':
      return SLOT_BYTES + BOXED_NUMBER_BYTES
    default:
      return SLOT_BYTES
  }
}

const SLOT_BYTES = 8
const BOXED_NUMBER_BYTES = 16
const SHORT_TEXT_BYTES = 24
const UUID_TEXT_BYTES = 40
const OBJECT_BYTES = 40
const VIEW_BYTES = 120
