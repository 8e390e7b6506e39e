/**
 * The vocabulary in which every message and stored record is declared once (DESIGN 6).
 *
 * A declaration lists the fields in wire order; versions, nullability, tags and defaults follow Kafka's message
 * definitions. TypeScript types are inferred from it, codecs are compiled from it per version (codec.ts).
 *
 *     export const endTxn = api({
 *       key: 26, name: 'EndTxn', versions: '0-5', flexible: '3+',
 *       request: {
 *         transactionalId: string(),
 *         producerId: int64(),
 *         producerEpoch: int16(),
 *         committed: bool(),
 *       },
 *       response: {
 *         throttleTimeMs: int32({ default: 0 }),
 *         errorCode: errorCode(),
 *         producerId: int64({ versions: '5+', default: -1 }),
 *         producerEpoch: int16({ versions: '5+', default: -1 }),
 *       },
 *     })
 *     export type EndTxnRequest = RequestOf<typeof endTxn>          // what decoding gives: every field is there
 *     export type EndTxnResponse = ResponseOf<typeof endTxn>
 *     export type EndTxnResponseDraft = ResponseDraftOf<typeof endTxn> // what encoding takes: fields with a default may be left out
 */
import type { ErrorCode } from './error-codes.ts'

/** '3', '0-5', '2+' or 'none', as Kafka writes them. */
export type VersionRange = string

export interface FieldOptions {
  /** Versions that carry the field; all versions of the message when absent. */
  readonly versions?: VersionRange
  /** Versions in which null is a legal value. Makes the type `T | null`. */
  readonly nullable?: VersionRange
  /** Tag number of a tagged field (flexible versions only). */
  readonly tag?: number
  /** Versions in which the field is tagged, when these are fewer than those that carry it. */
  readonly taggedVersions?: VersionRange
  /** Value on encoding when left out, and on decoding a version without the field. Zero, empty or false when absent. */
  readonly default?: unknown
  /** What the field means, where the name does not say it. */
  readonly about?: string
}

export type FieldKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'errorCode'
  | 'string'
  | 'bytes'
  | 'records'
  | 'array'
  | 'struct'

/** `T`: the decoded value. `D`: what encoding takes. `Optional`: whether encoding may leave the field out. */
export interface Field<T = unknown, D = T, Optional extends boolean = boolean> {
  readonly kind: FieldKind
  readonly options: FieldOptions
  /** Element of an array. */
  readonly element?: Field
  /** Members of a struct, in wire order. */
  readonly fields?: Fields
  /** Never set; carries the types. */
  readonly phantom?: { readonly decoded: T; readonly draft: D; readonly optional: Optional }
}

export type Fields = Readonly<Record<string, Field>>

type Nullable<T, O> = O extends { nullable: string } ? T | null : T
type HasDefault<O> = O extends { default: unknown } ? true : false

type DecodedOf<F> = F extends Field<infer T, unknown> ? T : never
type DraftOf<F> = F extends Field<never, infer D> ? D : F extends Field<unknown, infer D> ? D : never
type OptionalKeys<S> = { [K in keyof S]: S[K] extends Field<infer _T, infer _D, true> ? K : never }[keyof S]

/** The decoded form of a set of fields. */
export type Decoded<S extends Fields> = { -readonly [K in keyof S]: DecodedOf<S[K]> }
/** The form that encoding takes: fields with a default may be left out. */
export type Draft<S extends Fields> = { readonly [K in Exclude<keyof S, OptionalKeys<S>>]: DraftOf<S[K]> } & {
  readonly [K in OptionalKeys<S>]?: DraftOf<S[K]> | undefined
}

type Scalar<T, O> = Field<Nullable<T, O>, Nullable<T, O>, HasDefault<O>>

function scalar<T>(kind: FieldKind) {
  return <const O extends FieldOptions = {}>(options?: O): Scalar<T, O> => ({ kind, options: options ?? {} })
}

export const bool = scalar<boolean>('bool')
export const int8 = scalar<number>('int8')
export const int16 = scalar<number>('int16')
export const uint16 = scalar<number>('uint16')
export const int32 = scalar<number>('int32')
export const uint32 = scalar<number>('uint32')
/** Decodes to `number`; a value outside the safe-integer range is refused, never rounded. */
export const int64 = scalar<number>('int64')
export const float64 = scalar<number>('float64')
/** 16 bytes; in memory Kafka's text form: 22 characters of unpadded base64url. `ZERO_UUID` is "none". */
export const uuid = scalar<string>('uuid')
/** int16 on the wire, the name of the error in memory. */
export const errorCode = scalar<ErrorCode>('errorCode')
export const string = scalar<string>('string')
/** A view into the frame it was decoded from; copy it to keep it. */
export const bytes = scalar<Uint8Array>('bytes')
/** Record batches: as `bytes` when decoded; encoding also takes a list of chunks, which are not copied. */
export const records = <const O extends FieldOptions = {}>(
  options?: O,
): Field<Nullable<Uint8Array, O>, Nullable<Uint8Array | readonly Uint8Array[], O>, HasDefault<O>> => ({
  kind: 'records',
  options: options ?? {},
})

export function array<T, D, const O extends FieldOptions = {}>(
  element: Field<T, D>,
  options?: O,
): Field<Nullable<T[], O>, Nullable<readonly D[], O>, HasDefault<O>> {
  return { kind: 'array', element, options: options ?? {} }
}

export function struct<const S extends Fields, const O extends FieldOptions = {}>(
  fields: S,
  options?: O,
): Field<Nullable<Decoded<S>, O>, Nullable<Draft<S>, O>, HasDefault<O>> {
  return { kind: 'struct', fields, options: options ?? {} }
}

/** One API: a request and its response. */
export interface Api<Req extends Fields = Fields, Res extends Fields = Fields> {
  readonly key: number
  readonly name: string
  /** Versions that this schema can encode and decode. What a broker offers is in its handler. */
  readonly versions: VersionRange
  /** First flexible versions (compact lengths, tagged fields), 'none' when there are none. */
  readonly flexible: VersionRange
  readonly request: Req
  readonly response: Res
  /** Meaning of each error the response can carry, for people. */
  readonly errors?: Partial<Record<ErrorCode, string>>
  /** The improvement proposals that shaped it. */
  readonly kips?: readonly number[]
}

export function api<const Req extends Fields, const Res extends Fields>(definition: Api<Req, Res>): Api<Req, Res> {
  return definition
}

export type RequestOf<A> = A extends Api<infer Req, Fields> ? Decoded<Req> : never
export type RequestDraftOf<A> = A extends Api<infer Req, Fields> ? Draft<Req> : never
export type ResponseOf<A> = A extends Api<Fields, infer Res> ? Decoded<Res> : never
export type ResponseDraftOf<A> = A extends Api<Fields, infer Res> ? Draft<Res> : never

/** A record that is stored, or a blob inside a message: an int16 version, then the fields. */
export interface StoredRecord<S extends Fields = Fields> {
  readonly name: string
  readonly versions: VersionRange
  readonly flexible: VersionRange
  readonly fields: S
}

export function storedRecord<const S extends Fields>(definition: StoredRecord<S>): StoredRecord<S> {
  return definition
}

export type RecordOf<R> = R extends StoredRecord<infer S> ? Decoded<S> : never
export type RecordDraftOf<R> = R extends StoredRecord<infer S> ? Draft<S> : never

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'
