/** A producer core and what is around it as plain values: a test is a list of calls. */
import { assert } from '../../../base/assert.ts'
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import type { ProduceRequestDraft } from '../../../protocol/messages/produce.ts'
import type { BatchHeader } from '../../../protocol/record-batch.ts'
import { readBatchHeader, readRecords } from '../../../protocol/record-batch.ts'
import type { Api } from '../../../protocol/schema.ts'
import { KafkaError, type KafkaErrorCode } from '../../errors.ts'
import type { ClusterView, CoreReply, CoreRequest, PollResult, TopicView } from '../client-core.ts'
import type { SendCall } from './producer-batch.ts'
import { type AppendResult, ProducerCore, type ProducerCoreOptions } from './producer-core.ts'
import type { Operation } from './transaction-manager.ts'

export const TOPIC = 't'

/** A cluster of one broker, node 0, with one topic; tests change it as they need. */
export class FakeCluster implements ClusterView {
  revision = 1
  isConnected = true
  /** Of the feature 'transaction.version'. */
  transactionVersion = 2
  /** Highest versions by API name; everything else is 99. */
  readonly versions = new Map<string, number>()
  readonly topics = new Map<string, TopicView>()

  constructor(partitionCount = 1) {
    this.setTopic(
      TOPIC,
      Array.from({ length: partitionCount }, () => 0),
    )
  }

  /** @param leaders  by partition; `undefined`: none */
  setTopic(name: string, leaders: readonly (number | undefined)[], topicId = 'topicidtopicidtopicid0'): void {
    this.revision += 1
    const partitions = leaders.map((leaderId, partition) => ({
      partition,
      leaderId,
      leaderEpoch: this.revision,
      replicaIds: [0],
      inSyncReplicaIds: [0],
    }))
    this.topics.set(name, { name, topicId, isInternal: false, partitions, error: undefined })
  }

  topic(name: string): TopicView | undefined {
    return this.topics.get(name)
  }

  topicById(topicId: string): TopicView | undefined {
    return [...this.topics.values()].find((topic) => topic.topicId === topicId)
  }

  apiVersion(_nodeId: number, api: Api): number | undefined {
    return this.apiVersionEverywhere(api)
  }

  apiVersionEverywhere(api: Api): number {
    return this.versions.get(api.name) ?? 99
  }

  featureLevel(name: string): number {
    return name === 'transaction.version' ? this.transactionVersion : 0
  }
}

/** What became of a call, in words. */
export class Told implements SendCall, Operation {
  readonly outcomes: string[] = []

  acknowledged(index: number, count: number, partition: number, baseOffset: number): void {
    for (let nth = 0; nth < count; nth++) {
      this.outcomes.push(`${index + nth} at ${partition}:${baseOffset < 0 ? '?' : baseOffset + nth}`)
    }
  }

  failed(indexOrError: number | KafkaError, count = 1, error?: KafkaError): void {
    if (typeof indexOrError === 'number') {
      for (let nth = 0; nth < count; nth++) this.outcomes.push(`${indexOrError + nth} ${error?.code}`)
    } else {
      this.error = indexOrError
      this.outcomes.push(indexOrError.code)
    }
  }

  error: KafkaError | undefined

  succeeded(): void {
    this.outcomes.push('ok')
  }
}

export interface SentBatch {
  readonly topic: string
  readonly partition: number
  readonly header: BatchHeader
  readonly bytes: Uint8Array
  readonly values: readonly string[]
}

/** A request that has no reply. */
export class Asked {
  readonly request: CoreRequest
  readonly #harness: Harness

  constructor(harness: Harness, request: CoreRequest) {
    this.#harness = harness
    this.request = request
  }

  get api(): string {
    return this.request.api.name
  }

  get body(): Readonly<Record<string, unknown>> {
    return this.request.body
  }

  /** Of Produce. */
  get batches(): SentBatch[] {
    const { topicData } = this.request.body as ProduceRequestDraft
    return topicData.flatMap(({ name = '', partitionData }) =>
      partitionData.map(({ index, records }) => {
        const bytes = records as Uint8Array
        const values = readRecords(bytes, { maxDecompressedBytes: 1e8 }).map(({ value }) => String(value))
        return { topic: name, partition: index, header: readBatchHeader(bytes), bytes, values }
      }),
    )
  }

  get batch(): SentBatch {
    const [batch, ...others] = this.batches
    assert(batch !== undefined && others.length === 0, `one batch, not ${others.length + 1}`)
    return batch
  }

  reply(response: object, version = this.request.maxVersion ?? 99): void {
    this.#harness.reply(this, {
      ok: true,
      response,
      version,
      nodeId: 0,
      broker: 'b:1 (node 0)',
    } as unknown as CoreReply)
  }

  /** Produce: the same for all its batches. */
  answer(errorCode: ErrorCode, baseOffset = errorCode === 'NONE' ? 0 : -1, more: object = {}): void {
    this.answerEach(this.batches.map(() => ({ errorCode, baseOffset, ...more })))
  }

  answerEach(answers: readonly ({ readonly errorCode: ErrorCode; readonly baseOffset?: number } | undefined)[]): void {
    const responses = this.batches.flatMap(({ topic, partition }, index) => {
      const answer = answers[index]
      const rest = { baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, recordErrors: [], errorMessage: null }
      return answer === undefined
        ? []
        : [{ name: topic, partitionResponses: [{ index: partition, ...rest, ...answer }] }]
    })
    this.reply({ responses, throttleTimeMs: 0 })
  }

  /** A request to a coordinator. */
  code(errorCode: ErrorCode, more: object = {}): void {
    switch (this.api) {
      case 'AddPartitionsToTxn': {
        const topics = this.body['v3AndBelowTopics'] as { name: string; partitions: number[] }[]
        const resultsByTopicV3AndBelow = topics.map(({ name, partitions }) => ({
          name,
          resultsByPartition: partitions.map((partitionIndex) => ({ partitionIndex, partitionErrorCode: errorCode })),
        }))
        this.reply({ resultsByTopicV3AndBelow, ...more })
        return
      }
      case 'TxnOffsetCommit': {
        const topics = this.body['topics'] as { name: string; partitions: { partitionIndex: number }[] }[]
        this.reply({
          topics: topics.map(({ name, partitions }) => ({
            name,
            partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
          })),
          ...more,
        })
        return
      }
      default:
        this.reply({ errorCode, producerId: -1, producerEpoch: -1, ...more })
    }
  }

  /** The way failed. */
  fail(code: KafkaErrorCode = 'DISCONNECTED', mayHaveBeenSent = true): void {
    this.#harness.reply(this, { ok: false, error: new KafkaError(code, 'the way failed'), mayHaveBeenSent })
  }
}

const DEFAULTS: ProducerCoreOptions = {
  transactionalId: undefined,
  isIdempotent: true,
  acks: 'all',
  maxInFlightRequests: 5,
  maxRequestSizeBytes: 1_000_000,
  requestTimeoutMs: 1_000,
  deliveryTimeoutMs: 10_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1_000,
  compression: 'none',
  lingerMs: 0,
  batchSizeBytes: 16_384,
  bufferMemoryBytes: 1_000_000,
  transactionTimeoutMs: 60_000,
  maxBlockMs: 5_000,
  transactionVersion: 'auto',
  // The middle: back-off without jitter.
  random: () => 2 ** 31,
}

export class Harness {
  readonly cluster: FakeCluster
  readonly core: ProducerCore
  nowMs = 0
  readonly #pending: Asked[] = []
  lastPoll: PollResult = { requests: [], nextPollMs: undefined }

  constructor(options: Partial<ProducerCoreOptions> = {}, cluster = new FakeCluster()) {
    this.cluster = cluster
    this.core = new ProducerCore({ ...DEFAULTS, ...options }, cluster)
  }

  /** An idempotent producer that has its id, 7 with epoch 0. */
  static idempotent(options: Partial<ProducerCoreOptions> = {}, cluster = new FakeCluster()): Harness {
    const harness = new Harness(options, cluster)
    harness.core.init(new Told(), 0)
    harness.one('InitProducerId').code('NONE', { producerId: 7, producerEpoch: 0 })
    return harness
  }

  /** A transactional producer in its first transaction. @param version  of the protocol */
  static inTransaction(
    version: 1 | 2,
    options: Partial<ProducerCoreOptions> = {},
    cluster = new FakeCluster(),
  ): Harness {
    cluster.transactionVersion = version
    const harness = Harness.idempotent({ transactionalId: 'tx', ...options }, cluster)
    harness.begin()
    return harness
  }

  begin(): void {
    const refusal = this.core.begin()
    assert(refusal === undefined, `begin: ${refusal?.message}`)
  }

  /** Polls now. @returns the requests that came of it */
  poll(): Asked[] {
    this.lastPoll = this.core.poll(this.nowMs, this.cluster)
    const asked = this.lastPoll.requests.map((request) => new Asked(this, request))
    this.#pending.push(...asked)
    return asked
  }

  /** Lets time pass, and polls. */
  after(ms: number): Asked[] {
    this.nowMs += ms
    return this.poll()
  }

  /** Polls, and answers with the only request that came of it. */
  one(api?: string): Asked {
    const asked = this.poll()
    const names = asked.map((one) => one.api).join(', ')
    assert(
      asked.length === 1 && (api === undefined || asked[0]!.api === api),
      `expected ${api ?? 'one'}, got [${names}]`,
    )
    return asked[0]!
  }

  reply(asked: Asked, reply: CoreReply): void {
    const at = this.#pending.indexOf(asked)
    assert(at !== -1, 'a request is answered once')
    this.#pending.splice(at, 1)
    this.core.onReply(asked.request.id, reply, this.nowMs)
  }

  append(value: string, partition: number | undefined = 0, call?: SendCall, index = 0): AppendResult {
    const record = { timestampMs: 1_000 + this.nowMs, key: null, value, headers: undefined }
    return this.core.append(TOPIC, partition, record, call, index, this.nowMs)
  }

  /** Appends one record as a call of its own. */
  send(value: string, partition = 0): Told {
    const told = new Told()
    const result = this.append(value, partition, told)
    assert(result === 'accepted', `append: ${String(result)}`)
    return told
  }

  /** Sends one record in a request of its own. */
  sent(value: string, partition = 0): { readonly told: Told; readonly asked: Asked } {
    const told = this.send(value, partition)
    return { told, asked: this.one('Produce') }
  }

  commit(): Told {
    const told = new Told()
    this.core.commit(told, this.nowMs)
    return told
  }

  abort(): Told {
    const told = new Told()
    this.core.abort(told, this.nowMs)
    return told
  }
}

export function sequencesOf(asked: Asked): string {
  const { producerId, producerEpoch, baseSequence } = asked.batch.header
  return `${producerId}/${producerEpoch}:${baseSequence}`
}
