/**
 * Compiles declared messages (schema.ts) into encoders and decoders, one pair per schema and version, and keeps them.
 *
 * Decoding is bounded: an array is read only when the bytes left can hold its smallest encoding, lengths, nulls, tags and
 * text are checked, and whatever is wrong throws `DecodeError`. Unknown tagged fields are skipped. Bytes behind the last
 * field are left in the reader, as Kafka leaves them. A decoded object has every field of its schema; the ones its
 * version lacks hold their default. `bytes` and `records` are views of the input.
 *
 * Encoding trusts its caller: a value that does not fit its field is an assertion, and fields that the version does
 * not carry are left out silently. Only error messages are cut, because they repeat what peers sent.
 *
 * Deviation: a nullable length below -1 is refused (Kafka reads it as null), and so is a tagged field whose content does
 * not fill its stated size.
 *
 * Source: the protocol guide; KIP-482 (flexible versions), KIP-893 (nullable structs).
 */
import { AssertionError, assert, unreachable } from '../base/assert.ts'
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from '../base/uuid.ts'
import type { ErrorCode } from './error-codes.ts'
import { errorName, errorNumber } from './error-codes.ts'
import type { FieldLayout } from './field-layout.ts'
import { decodedBytes, defaultValue, fieldsInVersion, isDefault } from './field-layout.ts'
import type {
  Api,
  Field,
  Fields,
  RecordDraftOf,
  RecordOf,
  RequestDraftOf,
  RequestOf,
  ResponseDraftOf,
  ResponseOf,
  StoredRecord,
} from './schema.ts'
import { versionInRange } from './version-range.ts'

export { parseVersionRange } from './version-range.ts'

type Decoder = (reader: ByteReader) => unknown
type Encoder = (writer: ByteWriter, value: never) => void

interface FieldCodec {
  readonly decode: Decoder
  readonly encode: Encoder
  /** Size of the smallest encoding; bounds how many elements a given count of bytes can hold. */
  readonly bytesMin: number
}

type Message = Record<string, unknown>

interface MessageCodec {
  readonly decode: (reader: ByteReader) => Message
  readonly encode: (writer: ByteWriter, message: Message) => void
  readonly bytesMin: number
}

/** A message, request or response half of an API, or a stored record: what the cache is keyed by. */
interface Declaration {
  readonly name: string
  readonly versions: string
  readonly flexible: string
}

/** Source of codecs; compiled on first use, for as long as their declaration lives. */
function codecCache(): (declaration: Declaration, fields: Fields, version: number) => MessageCodec | undefined {
  const compiled = new WeakMap<Fields, (MessageCodec | undefined)[]>()
  return (declaration, fields, version) => {
    const versions = compiled.get(fields)
    const known = versions?.[version]
    if (known !== undefined) return known
    if (!versionInRange(version, declaration.versions)) return undefined
    const codec = compileMessage(fields, version, isFlexible(declaration, version))
    if (versions === undefined) {
      const list: MessageCodec[] = []
      list[version] = codec
      compiled.set(fields, list)
    } else {
      versions[version] = codec
    }
    return codec
  }
}

const codecOf = codecCache()

/** Whether a version uses compact lengths and tagged fields. True for versions above the known ones, too. */
export function isFlexible(declaration: { readonly flexible: string }, version: number): boolean {
  return versionInRange(version, declaration.flexible)
}

/** Throws DecodeError, also for a version outside the schema's. */
export function decodeRequest<A extends Api>(api: A, version: number, reader: ByteReader): RequestOf<A> {
  return decoder(api, api.request, version).decode(reader) as RequestOf<A>
}

export function encodeRequest<A extends Api>(
  api: A,
  version: number,
  draft: RequestDraftOf<A>,
  writer: ByteWriter,
): void {
  encoder(api, api.request, version).encode(writer, draft)
}

/** Throws DecodeError, also for a version outside the schema's. */
export function decodeResponse<A extends Api>(api: A, version: number, reader: ByteReader): ResponseOf<A> {
  return decoder(api, api.response, version).decode(reader) as ResponseOf<A>
}

export function encodeResponse<A extends Api>(
  api: A,
  version: number,
  draft: ResponseDraftOf<A>,
  writer: ByteWriter,
): void {
  encoder(api, api.response, version).encode(writer, draft)
}

/** The int16 version, then the fields. */
export function encodeRecord<R extends StoredRecord>(record: R, version: number, draft: RecordDraftOf<R>): Uint8Array {
  const writer = new ByteWriter(128)
  writer.int16(version)
  encoder(record, record.fields, version).encode(writer, draft)
  return writer.toBytes()
}

/** Reads the int16 version and the fields of that version. Throws DecodeError, also for a version not known. */
export function decodeRecord<R extends StoredRecord>(record: R, bytes: Uint8Array): RecordOf<R> {
  const reader = new ByteReader(bytes)
  const version = reader.int16()
  return decodeRecordBody(record, version, reader)
}

/** As decodeRecord, for a version that was read (or chosen) by the caller. */
export function decodeRecordBody<R extends StoredRecord>(record: R, version: number, reader: ByteReader): RecordOf<R> {
  return decoder(record, record.fields, version).decode(reader) as RecordOf<R>
}

function decoder(declaration: Declaration, fields: Fields, version: number): MessageCodec {
  const codec = codecOf(declaration, fields, version)
  if (codec === undefined) {
    throw new DecodeError(`${declaration.name} has versions ${declaration.versions}, not ${version}`)
  }
  return codec
}

function encoder(declaration: Declaration, fields: Fields, version: number): MessageCodec {
  const codec = codecOf(declaration, fields, version)
  if (codec === undefined) {
    throw new AssertionError(`${declaration.name} has versions ${declaration.versions}, not ${version}`)
  }
  return codec
}

function compileMessage(fields: Fields, version: number, flexible: boolean): MessageCodec {
  const layout = fieldsInVersion(fields, version, flexible)
  const members = layout.map((member) => ({ ...member, ...compileField(member, version, flexible) }))
  const plain = members.filter((member) => member.tag === undefined)
  const tagged = members.filter((member) => member.tag !== undefined)
  const decodeTags = flexible ? compileTagDecoder(tagged) : undefined
  const encodeTags = flexible ? compileTagEncoder(tagged) : undefined

  // Each decoded object starts as a copy of one template, so that all of them share one shape and one order of fields.
  const template: Message = {}
  for (const [name, field] of Object.entries(fields)) template[name] = defaultValue(field)
  const isPlain = new Set(plain.map((member) => member.name))
  // Defaults that somebody could change are made anew for each object.
  const fresh = Object.entries(fields).filter(
    ([name]) => !isPlain.has(name) && typeof template[name] === 'object' && template[name] !== null,
  )
  const names = plain.map((member) => member.name)
  const decoders = plain.map((member) => member.decode)
  const encoders = plain.map((member) => compileMemberEncoder(member))
  const count = names.length

  return {
    bytesMin: plain.reduce((sum, member) => sum + member.bytesMin, flexible ? 1 : 0),
    decode(reader) {
      const message = { ...template }
      for (let index = 0; index < count; index++) message[names[index]!] = decoders[index]!(reader)
      for (const [name, field] of fresh) message[name] = defaultValue(field)
      if (decodeTags !== undefined) decodeTags(reader, message)
      return message
    },
    encode(writer, message) {
      for (let index = 0; index < count; index++) encoders[index]!(writer, message[names[index]!] as never)
      if (encodeTags !== undefined) encodeTags(writer, message)
    },
  }
}

/** Puts the default in the place of a value left out. */
function compileMemberEncoder(member: FieldLayout & FieldCodec): Encoder {
  const { name, field, encode } = member
  const substitute = field.options.default === undefined ? undefined : defaultValue(field)
  return (writer: ByteWriter, value: unknown) => {
    const given = value === undefined ? substitute : value
    if (given === undefined) throw new AssertionError(`field '${name}' has no default and must be given`)
    encode(writer, given as never)
  }
}

function compileTagDecoder(
  members: readonly (FieldLayout & FieldCodec)[],
): (reader: ByteReader, message: Message) => void {
  const byTag = new Map(members.map((member) => [member.tag, member]))
  return (reader, message) => {
    const count = reader.uvarint()
    let previous = -1
    for (let index = 0; index < count; index++) {
      const tag = reader.uvarint()
      if (tag <= previous) throw new DecodeError(`tag ${tag} after ${previous}: tags must ascend (${where(reader)})`)
      previous = tag
      const sizeBytes = reader.uvarint()
      const member = byTag.get(tag)
      if (member === undefined) {
        reader.skip(sizeBytes)
        continue
      }
      const start = reader.position
      if (sizeBytes > reader.remaining)
        throw new DecodeError(`tag ${tag} is longer than the message (${where(reader)})`)
      message[member.name] = member.decode(reader)
      if (reader.position - start !== sizeBytes) {
        throw new DecodeError(`tag ${tag} has ${reader.position - start} bytes, stated ${sizeBytes} (${where(reader)})`)
      }
    }
  }
}

function compileTagEncoder(
  members: readonly (FieldLayout & FieldCodec)[],
): (writer: ByteWriter, message: Message) => void {
  if (members.length === 0) return (writer) => writer.uvarint(0)
  return (writer, message) => {
    const present = members.filter((member) => !isDefault(member.field, message[member.name]))
    writer.uvarint(present.length)
    for (const member of present) {
      const content = new ByteWriter(64)
      member.encode(content, message[member.name] as never)
      writer.uvarint(member.tag!)
      writer.uvarint(content.length)
      for (const chunk of content.finish()) writer.chunk(chunk)
    }
  }
}

function compileField(
  layout: Pick<FieldLayout, 'field' | 'nullable'> & { readonly name?: string },
  version: number,
  flexible: boolean,
): FieldCodec {
  const { field, nullable, name = '' } = layout
  switch (field.kind) {
    case 'string':
      return stringCodec(nullable, flexible, ERROR_MESSAGE_NAME.test(name))
    case 'bytes':
    case 'records':
      return bytesCodec(nullable, flexible)
    case 'array':
      return arrayCodec(field, nullable, version, flexible)
    case 'struct':
      return structCodec(field, nullable, version, flexible)
    default:
      return scalarCodec(field)
  }
}

function scalarCodec(field: Field): FieldCodec {
  switch (field.kind) {
    case 'bool':
      return {
        bytesMin: 1,
        decode: (reader) => reader.int8() !== 0,
        encode: (writer, value: boolean) => writer.int8(value ? 1 : 0),
      }
    case 'int8':
      return { bytesMin: 1, decode: (reader) => reader.int8(), encode: (writer, value) => writer.int8(value) }
    case 'int16':
      return { bytesMin: 2, decode: (reader) => reader.int16(), encode: (writer, value) => writer.int16(value) }
    case 'uint16':
      return { bytesMin: 2, decode: (reader) => reader.uint16(), encode: (writer, value) => writer.uint16(value) }
    case 'int32':
      return { bytesMin: 4, decode: (reader) => reader.int32(), encode: (writer, value) => writer.int32(value) }
    case 'uint32':
      return { bytesMin: 4, decode: (reader) => reader.uint32(), encode: (writer, value) => writer.uint32(value) }
    case 'int64':
      return { bytesMin: 8, decode: (reader) => reader.int64(), encode: (writer, value) => writer.int64(value) }
    case 'float64':
      return { bytesMin: 8, decode: (reader) => reader.float64(), encode: (writer, value) => writer.float64(value) }
    case 'errorCode':
      return {
        bytesMin: 2,
        decode: (reader) => errorName(reader.int16()),
        encode: (writer, value: ErrorCode) => writer.int16(errorNumber(value)),
      }
    case 'uuid':
      return {
        bytesMin: UUID_BYTES,
        decode: (reader) => uuidFromBytes(reader.bytes(UUID_BYTES)),
        encode: (writer, value: string) => writer.raw(uuidToBytes(value)),
      }
    case 'string':
    case 'bytes':
    case 'records':
    case 'array':
    case 'struct':
      throw new AssertionError(`'${field.kind}' is no scalar`)
    default:
      return unreachable(field.kind)
  }
}

/** Reads a length; -1 is null. Compact lengths are one more than the length, so that 0 is null. */
function lengthReader(kind: 'int16' | 'int32', flexible: boolean, nullable: boolean): (reader: ByteReader) => number {
  const read: (reader: ByteReader) => number = flexible
    ? (reader) => reader.uvarint() - 1
    : kind === 'int16'
      ? (reader) => reader.int16()
      : (reader) => reader.int32()
  const lengthMin = nullable ? -1 : 0
  return (reader) => {
    const length = read(reader)
    if (length < lengthMin) {
      throw new DecodeError(
        length === -1 ? `null where null is not allowed (${where(reader)})` : `length ${length} (${where(reader)})`,
      )
    }
    return length
  }
}

function lengthWriter(kind: 'int16' | 'int32', flexible: boolean): (writer: ByteWriter, length: number) => void {
  if (flexible) return (writer, length) => writer.uvarint(length + 1)
  return kind === 'int16' ? (writer, length) => writer.int16(length) : (writer, length) => writer.int32(length)
}

const STRING_BYTES_MAX = 0x7fff
const ERROR_MESSAGE_NAME = /errorMessage$/i
/** UTF-16 units; in UTF-8 they always fit a string. */
const ERROR_MESSAGE_LENGTH_MAX = 4000

function cutMessage(message: string): string {
  return `${message.slice(0, ERROR_MESSAGE_LENGTH_MAX).toWellFormed()} …`
}

/** @param isErrorMessage  text for people, which repeats what a peer sent and is cut where that was long */
function stringCodec(nullable: boolean, flexible: boolean, isErrorMessage: boolean): FieldCodec {
  const readLength = lengthReader('int16', flexible, nullable)
  const writeLength = lengthWriter('int16', flexible)
  return {
    bytesMin: flexible ? 1 : 2,
    decode(reader) {
      const length = readLength(reader)
      if (length > STRING_BYTES_MAX) throw new DecodeError(`string of ${length} bytes (${where(reader)})`)
      return length === -1 ? null : reader.string(length)
    },
    encode(writer, given: string | null) {
      if (given === null) {
        assert(nullable, 'null for a string that is not nullable')
        writeLength(writer, -1)
        return
      }
      const value = isErrorMessage && given.length > ERROR_MESSAGE_LENGTH_MAX ? cutMessage(given) : given
      const byteLength = Buffer.byteLength(value)
      if (byteLength > STRING_BYTES_MAX) throw new AssertionError(`string of ${byteLength} bytes`)
      writeLength(writer, byteLength)
      writer.utf8(value, byteLength)
    },
  }
}

function bytesCodec(nullable: boolean, flexible: boolean): FieldCodec {
  const readLength = lengthReader('int32', flexible, nullable)
  const writeLength = lengthWriter('int32', flexible)
  return {
    bytesMin: flexible ? 1 : 4,
    decode(reader) {
      const length = readLength(reader)
      return length === -1 ? null : reader.bytes(length)
    },
    encode(writer, value: Uint8Array | readonly Uint8Array[] | null) {
      if (value === null) {
        assert(nullable, 'null for bytes that are not nullable')
        writeLength(writer, -1)
      } else if (value instanceof Uint8Array) {
        writeLength(writer, value.length)
        writer.chunk(value)
      } else {
        let total = 0
        for (const chunk of value) total += chunk.length
        writeLength(writer, total)
        for (const chunk of value) writer.chunk(chunk)
      }
    },
  }
}

function arrayCodec(field: Field, nullable: boolean, version: number, flexible: boolean): FieldCodec {
  assert(field.element !== undefined, 'an array field names its element')
  const readLength = lengthReader('int32', flexible, nullable)
  const writeLength = lengthWriter('int32', flexible)
  const { decode, encode, bytesMin } = compileField({ field: field.element, nullable: false }, version, flexible)
  assert(bytesMin > 0, 'an array element takes at least one byte')
  const elementDecodedBytes = decodedBytes(field.element)
  return {
    bytesMin: flexible ? 1 : 4,
    decode(reader) {
      const length = readLength(reader)
      if (length === -1) return null
      reader.claimElements(length, bytesMin, elementDecodedBytes)
      const elements: unknown[] = []
      for (let index = 0; index < length; index++) elements.push(decode(reader))
      return elements
    },
    encode(writer, value: readonly unknown[] | null) {
      if (value === null) {
        assert(nullable, 'null for an array that is not nullable')
        writeLength(writer, -1)
        return
      }
      writeLength(writer, value.length)
      for (const element of value) encode(writer, element as never)
    },
  }
}

const STRUCT_NULL = -1
const STRUCT_PRESENT = 1

function structCodec(field: Field, nullable: boolean, version: number, flexible: boolean): FieldCodec {
  assert(field.fields !== undefined, 'a struct field names its members')
  const codec = compileMessage(field.fields, version, flexible)
  if (!nullable) return { bytesMin: codec.bytesMin, decode: codec.decode, encode: codec.encode }
  return {
    bytesMin: 1,
    decode(reader) {
      const marker = reader.int8()
      if (marker === STRUCT_NULL) return null
      if (marker !== STRUCT_PRESENT) throw new DecodeError(`struct marker ${marker} (${where(reader)})`)
      return codec.decode(reader)
    },
    encode(writer, value: Message | null) {
      writer.int8(value === null ? STRUCT_NULL : STRUCT_PRESENT)
      if (value !== null) codec.encode(writer, value)
    },
  }
}

function where(reader: ByteReader): string {
  return `at byte ${reader.position}`
}
