/**
 * A user's record as the core takes it: serialized, checked, with a time. What is wrong with it is an error of this record
 * alone.
 */
import type { BytesIn, HeaderDraft } from '../core/producer/batch-builder.ts'
import type { RecordDraft } from '../core/producer/accumulator.ts'
import { KafkaError } from '../errors.ts'
import type { HeadersIn, RecordIn, Serde } from '../topic.ts'

/** A topic as far as sending goes. */
export interface OutTopic {
  readonly name: string
  readonly key: Serde<unknown> | undefined
  readonly value: Serde<unknown> | undefined
}

/** Throws INVALID_ARGUMENT for a topic that is none. */
export function outTopic(topic: unknown): OutTopic {
  if (typeof topic === 'string' && topic !== '') return { name: topic, key: undefined, value: undefined }
  const named = topic as Partial<OutTopic> | null | undefined
  if (typeof named === 'object' && named !== null && typeof named.name === 'string' && named.name !== '') {
    return named as OutTopic
  }
  throw new KafkaError('INVALID_ARGUMENT', `expected a topic or its name, got ${show(topic)}`)
}

/** Throws KafkaError: SERIALIZATION_FAILED or INVALID_ARGUMENT. @param nowMs  the time of a record that names none */
export function recordDraft(topic: OutTopic, record: RecordIn<unknown, unknown>, nowMs: number): RecordDraft {
  if (typeof record !== 'object' || record === null) {
    throw new KafkaError('INVALID_ARGUMENT', `expected a record for ${topic.name}, got ${show(record)}`)
  }
  const { key, value, headers, timestampMs = nowMs, partition } = record
  if (value === undefined) {
    throw new KafkaError('INVALID_ARGUMENT', `a record for ${topic.name} has no value; null deletes its key`)
  }
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    throw new KafkaError('INVALID_ARGUMENT', `timestampMs of a record for ${topic.name} is ${show(timestampMs)}`)
  }
  if (partition !== undefined && (!Number.isInteger(partition) || partition < 0)) {
    throw new KafkaError('INVALID_ARGUMENT', `partition of a record for ${topic.name} is ${show(partition)}`)
  }
  return {
    timestampMs,
    key: key === undefined || key === null ? null : serialized(topic, 'key', key),
    value: value === null ? null : serialized(topic, 'value', value),
    headers: headers === undefined ? undefined : headerDrafts(topic, headers),
  }
}

function serialized(topic: OutTopic, part: 'key' | 'value', data: unknown): BytesIn {
  const serde = topic[part]
  if (serde === undefined) {
    if (typeof data === 'string' || data instanceof Uint8Array) return data
    const message = `the ${part} of a record for ${topic.name} is ${show(data)}; without a serde it must be a string or bytes`
    throw new KafkaError('SERIALIZATION_FAILED', message)
  }
  let bytes: unknown
  try {
    bytes = serde.serialize(data, topic.name)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new KafkaError('SERIALIZATION_FAILED', `the ${part} of a record for ${topic.name}: ${message}`, { cause })
  }
  if (bytes instanceof Uint8Array) return bytes
  throw new KafkaError(
    'SERIALIZATION_FAILED',
    `the serde for the ${part} of ${topic.name} gave ${show(bytes)}, not bytes`,
  )
}

function headerDrafts(topic: OutTopic, headers: HeadersIn): readonly HeaderDraft[] {
  const pairs = Array.isArray(headers)
    ? (headers as readonly HeaderDraft[])
    : Object.entries(headers as Readonly<Record<string, BytesIn | null>>).map(([key, value]) => ({ key, value }))
  for (const { key, value } of pairs) {
    const isFine =
      typeof key === 'string' && (value === null || typeof value === 'string' || value instanceof Uint8Array)
    if (!isFine) {
      throw new KafkaError('INVALID_ARGUMENT', `header ${show(key)} of a record for ${topic.name} is ${show(value)}`)
    }
  }
  return pairs
}

function show(given: unknown): string {
  if (typeof given === 'string') return `'${given.slice(0, 60)}'`
  return typeof given === 'object' && given !== null
    ? 'an object'
    : typeof given === 'function'
      ? 'a function'
      : String(given)
}
