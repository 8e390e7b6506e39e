/**
 * Reads a partition as it is stored: markers, records of aborted and of open transactions, each batch with what it is. For tools
 * that explain or verify a log; applications use a consumer.
 */
import { readMarker } from '../protocol/control-record.ts'
import { fetch } from '../protocol/messages/fetch.ts'
import { type BatchHeader, batches, type DecodedRecord, readRecords } from '../protocol/record-batch.ts'
import type { Cluster } from './cluster/cluster.ts'
import { AbortedFilter } from './core/fetch/aborted-filter.ts'
import { brokerError, KafkaError } from './errors.ts'
import type { TopicPartition } from './topic.ts'

export interface RawBatch extends TopicPartition {
  /**
   * - `plain`: outside transactions. `committed`, `aborted`: of a transaction that ended so.
   * - `open`: of a transaction that is open, or behind one that is. `commit-marker`, `abort-marker`: the end of one.
   * - `control`: a control record of another kind.
   */
  readonly kind: 'plain' | 'committed' | 'aborted' | 'open' | 'commit-marker' | 'abort-marker' | 'control'
  readonly baseOffset: number
  readonly lastOffset: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly isTransactional: boolean
  readonly leaderEpoch: number
  readonly maxTimestampMs: number
  /** Of a marker. */
  readonly coordinatorEpoch: number | undefined
  /** Empty for markers. */
  readonly records: readonly DecodedRecord[]
}

const FETCH_BY_NAME_VERSION = 12
const MAX_BYTES = 4 * 1_048_576
const MAX_DECOMPRESSED_BYTES = 128 * 1_048_576

export class RawReader {
  readonly #cluster: Cluster
  readonly #timeoutMs: number

  constructor(cluster: Cluster, timeoutMs = 60_000) {
    this.#cluster = cluster
    this.#timeoutMs = timeoutMs
  }

  /** From the batch that holds `fromOffset` to the high watermark. Rejects with KafkaError, OFFSET_OUT_OF_RANGE among them. */
  async *read(partition: TopicPartition, fromOffset: number): AsyncGenerator<RawBatch> {
    let position = fromOffset
    for (;;) {
      // What is decided comes with the list of aborted transactions; behind it nothing is.
      const decided = await this.#fetch(partition, position, true)
      const isDecided = decided.records !== null && decided.records.length > 0
      const answer = isDecided ? decided : await this.#fetch(partition, position, false)
      const before = position
      const filter = new AbortedFilter(answer.abortedTransactions)
      for (const { header, bytes } of whole(answer.records)) {
        if (header.lastOffset < position) continue
        const batch = rawBatch(partition, header, bytes, isDecided ? filter : undefined)
        position = header.lastOffset + 1
        yield batch
      }
      if (position === before) return
    }
  }

  close(): Promise<void> {
    return this.#cluster.close()
  }

  async #fetch(partition: TopicPartition, fetchOffset: number, isCommittedOnly: boolean) {
    const [view] = await this.#cluster.requireTopics([partition.topic], { timeoutMs: this.#timeoutMs })
    if (view?.error !== undefined) throw view.error
    const leaderId = view?.partitions[partition.partition]?.leaderId
    if (leaderId === undefined) throw brokerError('LEADER_NOT_AVAILABLE', { api: 'Fetch', ...partition })
    const { response } = await this.#cluster.call(
      {
        destination: { kind: 'node', nodeId: leaderId },
        lane: 'fetch',
        api: fetch,
        maxVersion: FETCH_BY_NAME_VERSION,
        body: {
          maxWaitMs: 0,
          minBytes: 0,
          maxBytes: MAX_BYTES,
          isolationLevel: isCommittedOnly ? 1 : 0,
          topics: [
            {
              topic: partition.topic,
              partitions: [{ partition: partition.partition, fetchOffset, partitionMaxBytes: MAX_BYTES }],
            },
          ],
        },
        timeoutMs: this.#cluster.options.requestTimeoutMs,
      },
      {
        timeoutMs: this.#timeoutMs,
        retryOn: ({ responses }, broker) => {
          const errorCode = responses[0]?.partitions[0]?.errorCode ?? 'NONE'
          return errorCode === 'NONE' ? undefined : brokerError(errorCode, { api: 'Fetch', ...partition, broker })
        },
      },
    )
    const answer = response.responses[0]?.partitions[0]
    if (answer === undefined)
      throw new KafkaError('INVALID_RESPONSE', 'the answer to Fetch does not speak of the partition', {
        recovery: 'retry',
      })
    if (answer.errorCode !== 'NONE') throw brokerError(answer.errorCode, { api: 'Fetch', ...partition })
    return answer
  }
}

/** The last batch may be cut off. */
function* whole(bytes: Uint8Array | null): Generator<{ header: BatchHeader; bytes: Uint8Array }> {
  if (bytes === null) return
  let end = 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  while (bytes.length - end >= 12) {
    const sizeBytes = view.getInt32(end + 8) + 12
    if (sizeBytes <= 12 || end + sizeBytes > bytes.length) break
    end += sizeBytes
  }
  yield* batches(bytes.subarray(0, end))
}

function rawBatch(
  at: TopicPartition,
  header: BatchHeader,
  bytes: Uint8Array,
  filter: AbortedFilter | undefined,
): RawBatch {
  const marker = header.isControl ? markerOf(bytes) : undefined
  const isKept = filter?.keeps(header, marker?.markerType)
  const kind: RawBatch['kind'] = header.isControl
    ? marker === undefined
      ? 'control'
      : marker.markerType === 'COMMIT'
        ? 'commit-marker'
        : 'abort-marker'
    : isKept === undefined
      ? 'open'
      : !header.isTransactional
        ? 'plain'
        : isKept
          ? 'committed'
          : 'aborted'
  return {
    ...at,
    kind,
    baseOffset: header.baseOffset,
    lastOffset: header.lastOffset,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    isTransactional: header.isTransactional,
    leaderEpoch: header.partitionLeaderEpoch,
    maxTimestampMs: header.maxTimestamp,
    coordinatorEpoch: marker?.coordinatorEpoch,
    records: header.isControl ? [] : readRecords(bytes, { maxDecompressedBytes: MAX_DECOMPRESSED_BYTES }),
  }
}

function markerOf(bytes: Uint8Array) {
  try {
    return readMarker(bytes)
  } catch {
    // A control record of another kind; readMarker throws DecodeError for nothing else of a batch that the broker sent.
    return undefined
  }
}
