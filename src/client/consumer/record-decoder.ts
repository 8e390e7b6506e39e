/** From fetched batches to the records that users get: keys and values through the serdes of their topic. */
import { asBuffer } from '../../base/bytes.ts'
import type { DecodedRecord } from '../../protocol/record-batch.ts'
import type { FetchedRecords } from '../core/fetch/fetcher.ts'
import { KafkaError } from '../errors.ts'
import type { AnyTopic, ConsumerRecord, Header, Serde, TopicPartition } from '../topic.ts'

export interface Decoded<K, V> {
  readonly records: ConsumerRecord<K, V>[]
  /** What came before is in `records`; this record and all after it are not. */
  readonly failure:
    | { readonly error: KafkaError; readonly rewindTo: readonly (TopicPartition & { readonly offset: number })[] }
    | undefined
}

const NO_HEADERS: readonly Header[] = []

export class RecordDecoder<K, V> {
  readonly #serdes: ReadonlyMap<string, { readonly key: Serde<K> | undefined; readonly value: Serde<V> | undefined }>

  constructor(topics: readonly (AnyTopic | RegExp)[]) {
    this.#serdes = new Map(
      topics.flatMap((topic) =>
        typeof topic === 'string' || topic instanceof RegExp
          ? []
          : [[topic.name, { key: topic.key as Serde<K> | undefined, value: topic.value as Serde<V> | undefined }]],
      ),
    )
  }

  decode(fetched: readonly FetchedRecords[]): Decoded<K, V> {
    const records: ConsumerRecord<K, V>[] = []
    for (const [index, batch] of fetched.entries()) {
      const serdes = this.#serdes.get(batch.topic)
      for (const record of batch.records) {
        try {
          records.push(this.#record(batch, record, serdes?.key, serdes?.value))
        } catch (error) {
          if (!(error instanceof KafkaError)) throw error
          const rewindTo = rewindPoints([{ ...batch, records: [record] }, ...fetched.slice(index + 1)])
          return { records, failure: { error, rewindTo } }
        }
      }
    }
    return { records, failure: undefined }
  }

  #record(
    batch: FetchedRecords,
    { offset, timestamp, key, value, headers }: DecodedRecord,
    keySerde: Serde<K> | undefined,
    valueSerde: Serde<V> | undefined,
  ): ConsumerRecord<K, V> {
    const { topic, partition, leaderEpoch, timestampType } = batch
    return {
      topic,
      partition,
      offset,
      leaderEpoch,
      timestampMs: timestamp,
      timestampType,
      key:
        key === null ? null : keySerde === undefined ? (asBuffer(key) as K) : read(keySerde, key, batch, offset, 'key'),
      value:
        value === null
          ? null
          : valueSerde === undefined
            ? (asBuffer(value) as V)
            : read(valueSerde, value, batch, offset, 'value'),
      headers: headers.length === 0 ? NO_HEADERS : headers.map(headerOf),
    }
  }
}

function headerOf({ key, value }: { readonly key: string; readonly value: Uint8Array | null }): Header {
  return { key, value: value === null ? null : asBuffer(value) }
}

function read<T>(serde: Serde<T>, bytes: Uint8Array, at: TopicPartition, offset: number, part: 'key' | 'value'): T {
  try {
    return serde.deserialize(bytes, at.topic)
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause)
    throw new KafkaError(
      'DESERIALIZATION_FAILED',
      `the ${part} of ${at.topic}-${at.partition} at offset ${offset}: ${what}; seek to ${offset + 1} to go on without it`,
      { cause, request: { api: 'Fetch', topic: at.topic, partition: at.partition } },
    )
  }
}

/** The first record of each partition. */
function rewindPoints(batches: readonly FetchedRecords[]): readonly (TopicPartition & { readonly offset: number })[] {
  const points = new Map<string, TopicPartition & { readonly offset: number }>()
  for (const { topic, partition, records } of batches) {
    const key = `${topic}/${partition}`
    const first = records[0]
    if (first !== undefined && !points.has(key)) points.set(key, { topic, partition, offset: first.offset })
  }
  return [...points.values()]
}
