/** A cluster as a fetcher sees it, over logs in memory: its questions are answered by hand, one test deciding what each answer is. */
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import { fetch } from '../../../protocol/messages/fetch.ts'
import { listOffsets } from '../../../protocol/messages/list-offsets.ts'
import { offsetForLeaderEpoch } from '../../../protocol/messages/offset-for-leader-epoch.ts'
import { buildBatch } from '../../../protocol/record-batch.ts'
import { type Api, ZERO_UUID } from '../../../protocol/schema.ts'
import { KafkaError } from '../../errors.ts'
import type { ClusterView, CoreRequest, TopicView } from '../client-core.ts'
import { Fetcher, type FetcherOptions } from './fetcher.ts'

export const AT = { topic: 't', partition: 0 }

export function batchOf(
  baseOffset: number,
  count: number,
  options: Partial<Parameters<typeof buildBatch>[0]> = {},
): Uint8Array {
  const records = Array.from({ length: count }, (_, index) => ({
    timestamp: 0,
    key: null,
    value: Buffer.from(String(baseOffset + index)),
  }))
  return buildBatch({ records, baseOffset, partitionLeaderEpoch: 0, ...options })
}

export class FetchWorld {
  readonly fetcher: Fetcher
  leaderId: number | undefined = 1
  leaderEpoch = 0
  partitions = 1
  nowMs = 1_000
  refreshes = 0
  readonly open = new Map<number, CoreRequest>()

  constructor(options: Partial<FetcherOptions> = {}) {
    this.fetcher = new Fetcher({
      isolationLevel: 'read_committed',
      startFrom: 'earliest',
      fetchMinBytes: 1,
      fetchMaxWaitMs: 500,
      fetchMaxBytes: 1_000_000,
      fetchMaxPartitionBytes: 1_000,
      prefetchBytes: 10_000,
      requestTimeoutMs: 1_000,
      retryBackoffMs: 100,
      retryBackoffMaxMs: 1_000,
      checkCrcs: true,
      maxDecompressedBytes: 1_000_000,
      ...options,
    })
  }

  /** Assigned, positioned, nothing fetched. */
  static at(offset: number, options: Partial<FetcherOptions> = {}, leaderEpoch = -1): FetchWorld {
    const world = new FetchWorld(options)
    world.fetcher.assign([AT])
    world.fetcher.setCommitted(AT, { offset, leaderEpoch })
    return world
  }

  get cluster(): ClusterView {
    const view: TopicView = {
      name: 't',
      topicId: ZERO_UUID,
      isInternal: false,
      error: undefined,
      partitions: Array.from({ length: this.partitions }, (_, partition) => ({
        partition,
        leaderId: this.leaderId,
        leaderEpoch: this.leaderEpoch,
        replicaIds: [1],
        inSyncReplicaIds: [1],
      })),
    }
    return {
      revision: 1,
      isConnected: true,
      topic: (name) => (name === 't' ? view : undefined),
      topicById: () => undefined,
      apiVersion: () => 4,
      apiVersionEverywhere: () => 4,
      featureLevel: () => 0,
    }
  }

  /** Polls once. @returns the new requests of an API */
  poll(api: Api): readonly CoreRequest[] {
    const { requests, refreshMetadata } = this.fetcher.poll(this.nowMs, this.cluster)
    if (refreshMetadata === true) this.refreshes += 1
    for (const request of requests) this.open.set(request.id, request)
    return requests.filter((request) => request.api.key === api.key)
  }

  one(api: Api): CoreRequest {
    const [request, ...others] = this.poll(api)
    if (request === undefined || others.length > 0)
      throw new Error(`${others.length + 1} or no requests of ${api.name}`)
    return request
  }

  answer(request: CoreRequest, response: object): void {
    this.open.delete(request.id)
    this.fetcher.onReply(
      request.id,
      { ok: true, response: response as never, version: 12, nodeId: 1, broker: 'b' },
      this.nowMs,
    )
  }

  fail(request: CoreRequest, code: ConstructorParameters<typeof KafkaError>[0] = 'DISCONNECTED'): void {
    this.fetcher.onReply(request.id, { ok: false, error: new KafkaError(code, 'x'), mayHaveBeenSent: true }, this.nowMs)
  }

  /** One Fetch, answered with these bytes. */
  fetched(bytes: Uint8Array | null, rest: Partial<FetchAnswer> = {}): void {
    this.answer(this.one(fetch), fetchAnswer(bytes, rest))
  }

  listed(offset: number, errorCode: ErrorCode = 'NONE'): void {
    this.answer(this.one(listOffsets), {
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, errorCode, timestamp: -1, offset, leaderEpoch: 0 }] }],
    })
  }

  epochEnds(endOffset: number, leaderEpoch: number): void {
    this.answer(this.one(offsetForLeaderEpoch), {
      topics: [{ topic: 't', partitions: [{ partition: 0, errorCode: 'NONE', leaderEpoch, endOffset }] }],
    })
  }

  take(max = 1_000): number[] {
    return this.fetcher.take(max).flatMap(({ records }) => records.map(({ offset }) => offset))
  }

  get position(): number | undefined {
    return this.fetcher.position(AT)?.offset
  }
}

export interface FetchAnswer {
  readonly errorCode: ErrorCode
  readonly sessionError: ErrorCode
  readonly sessionId: number
  readonly aborted: readonly { producerId: number; firstOffset: number }[]
  readonly highWatermark: number
  readonly partition: number
  readonly topic: string
}

export function fetchAnswer(records: Uint8Array | null, rest: Partial<FetchAnswer> = {}): object {
  const {
    errorCode = 'NONE',
    sessionError = 'NONE',
    sessionId = 0,
    aborted = [],
    highWatermark = 1_000,
    partition = 0,
    topic = 't',
  } = rest
  return {
    errorCode: sessionError,
    sessionId,
    responses: [
      {
        topic,
        topicId: ZERO_UUID,
        partitions: [
          {
            partitionIndex: partition,
            errorCode,
            highWatermark,
            lastStableOffset: highWatermark,
            logStartOffset: 0,
            abortedTransactions: aborted,
            records,
          },
        ],
      },
    ],
  }
}
