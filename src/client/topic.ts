/**
 * Topics with types, records, and how values become bytes.
 *
 * A topic is named by a string (keys and values are bytes: strings are sent as UTF-8, what is read is a Buffer) or by a
 * `Topic`, which carries serdes, from which the types of keys and values follow everywhere:
 *
 *     const orders = topic('orders', { key: serdes.string, value: serdes.json<Order>() })
 *     await producer.send(orders, { key: 'A-1', value: { total: 3 } })
 */

/** Turns values into bytes and back. Both may throw; the error reaches the caller as SERIALIZATION_FAILED or DESERIALIZATION_FAILED. */
export interface Serde<T> {
  serialize(value: T, topic: string): Uint8Array
  /** @param bytes  only valid during the call; copy what is kept */
  deserialize(bytes: Uint8Array, topic: string): T
}

/** What may be sent where no serde is given. */
export type Bytes = string | Uint8Array

/** In: what a record is made of to be sent. Out: what it is when read. */
export interface Topic<K = Buffer, V = Buffer, KIn = K, VIn = V> {
  readonly name: string
  readonly key: Serde<K> | undefined
  readonly value: Serde<V> | undefined
  /** Never set; carries the types. */
  readonly phantom?: { readonly keyIn: KIn; readonly valueIn: VIn }
}

/** @param serdes  where one is left out, bytes (or a string) are sent, and a Buffer is read */
export function topic<K = never, V = never>(
  name: string,
  serdes: { readonly key?: Serde<K>; readonly value?: Serde<V> } = {},
): Topic<
  [K] extends [never] ? Buffer : K,
  [V] extends [never] ? Buffer : V,
  [K] extends [never] ? Bytes : K,
  [V] extends [never] ? Bytes : V
> {
  return { name, key: serdes.key as never, value: serdes.value as never }
}

/** The types of a topic given either way. */
export type KeyOf<T> = T extends Topic<infer K, infer _V, infer _KIn, infer _VIn> ? K : Buffer
export type ValueOf<T> = T extends Topic<infer _K, infer V, infer _KIn, infer _VIn> ? V : Buffer
export type KeyIn<T> = T extends Topic<infer _K, infer _V, infer KIn, infer _VIn> ? KIn : Bytes
export type ValueIn<T> = T extends Topic<infer _K, infer _V, infer _KIn, infer VIn> ? VIn : Bytes
// biome-ignore format: one line each
export type AnyTopic = string | Topic<never, never, never, never> | Topic<unknown, unknown, unknown, unknown>

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A key may occur more than once. */
export interface Header {
  readonly key: string
  readonly value: Buffer | null
}

export type HeadersIn =
  | Readonly<Record<string, Bytes | null>>
  | readonly { readonly key: string; readonly value: Bytes | null }[]

/** A record to send. */
export interface RecordIn<K = Bytes, V = Bytes> {
  readonly key?: K | null
  /** `null` is a tombstone: in a compacted topic it deletes the key. */
  readonly value: V | null
  readonly headers?: HeadersIn
  /** Without it the key decides (murmur2, as in Java); without a key, batches stick to a partition and then move on. */
  readonly partition?: number
  /** Milliseconds since the epoch; now when absent. */
  readonly timestampMs?: number
}

/** A record that was read. */
export interface ConsumerRecord<K = Buffer, V = Buffer> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** -1 where the topic's leader does not tell. */
  readonly leaderEpoch: number
  /** Milliseconds since the epoch; set by the producer, or by the broker where the topic says so. */
  readonly timestampMs: number
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly key: K | null
  readonly value: V | null
  readonly headers: readonly Header[]
}

/** Where a record that was sent has come to lie. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** -1 with acks 0. */
  readonly offset: number
  readonly timestampMs: number
}

export interface OffsetAndMetadata {
  /** The next offset to read, not the last one read. */
  readonly offset: number
  readonly leaderEpoch?: number
  readonly metadata?: string
}

/** The membership that offsets are committed with inside a transaction (KIP-447): who is no longer a member is fenced. */
export interface GroupMetadata {
  readonly groupId: string
  /** -1 outside a group. */
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}
