/**
 * A client that writes down what it asks for before it asks, and what it was told: the source of facts.
 *
 * Owns sequences, transactions of both versions and the numbering of values; speaks to the broker through one connection.
 */
import type { Clock, Network } from '../../base/runtime.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { addOffsetsToTxn } from '../../protocol/messages/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.ts'
import { createPartitions } from '../../protocol/messages/create-partitions.ts'
import { createTopics } from '../../protocol/messages/create-topics.ts'
import { deleteGroups } from '../../protocol/messages/delete-groups.ts'
import { deleteRecords } from '../../protocol/messages/delete-records.ts'
import { deleteTopics } from '../../protocol/messages/delete-topics.ts'
import { endTxn } from '../../protocol/messages/end-txn.ts'
import { incrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { initProducerId } from '../../protocol/messages/init-producer-id.ts'
import { joinGroup } from '../../protocol/messages/join-group.ts'
import { metadata } from '../../protocol/messages/metadata.ts'
import { offsetCommit } from '../../protocol/messages/offset-commit.ts'
import { produce } from '../../protocol/messages/produce.ts'
import { syncGroup } from '../../protocol/messages/sync-group.ts'
import { txnOffsetCommit } from '../../protocol/messages/txn-offset-commit.ts'
import { updateFeatures } from '../../protocol/messages/update-features.ts'
import { buildBatch } from '../../protocol/record-batch.ts'
import { WireClient } from '../wire-client.ts'
import type { Answer, Fact, Place, ProducerIdentity, Request, TransactionStart } from './facts.ts'
import { nameOf, valueOf } from './facts.ts'
import { Ledger } from './ledger.ts'

type Append = Extract<Request, { api: 'append' }>
type Offsets = Extract<Request, { api: 'offsets' }>

const TIMEOUT_MS = 10_000
const TOPIC_RESOURCE = 2
const BROKER_RESOURCE = 4
const SET = 0
/** Of a feature nobody has changed. */
const NEWEST_LEVEL = 2

export interface ParticipantOptions {
  readonly network: Network
  readonly clock: Clock
  readonly address: { readonly host: string; readonly port: number }
  /** All that was known before this connection; grows by what this one learns. */
  readonly facts: Fact[]
}

export class Participant {
  readonly wire: WireClient
  readonly clock: Clock
  readonly ledger: Ledger
  readonly #facts: Fact[]
  #lastId: number
  #lastValue = 0
  #lastTransaction = 0

  private constructor(wire: WireClient, { clock, facts }: ParticipantOptions) {
    this.wire = wire
    this.clock = clock
    this.ledger = new Ledger(facts)
    this.#facts = facts
    this.#lastId = facts.length
    this.#lastValue = this.ledger.batchOf.size
    this.#lastTransaction = Math.max(0, ...this.ledger.transactions.keys())
  }

  static async connect(options: ParticipantOptions): Promise<Participant> {
    return new Participant(await WireClient.connect(options.network, options.address), options)
  }

  note(fact: Fact): void {
    this.#facts.push(fact)
    this.ledger.note(fact)
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(ms, resolve))
  }

  /** What all partitions say of this start. */
  async noteLeaderEpoch(): Promise<void> {
    const { topics } = await this.wire.request(metadata, 12, { topics: null })
    const epochs = topics.flatMap(({ partitions }) => partitions.map(({ leaderEpoch }) => leaderEpoch))
    this.note({ kind: 'leader-epoch', leaderEpoch: Math.max(-1, ...epochs) })
  }

  // ---- topics, settings, groups

  async createTopic(topic: string, partitions = 1, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const request: Request = { api: 'create-topic', topic, partitions }
    await this.#done(request, async () => {
      const { topics } = await this.wire.request(createTopics, 7, {
        topics: [
          {
            name: topic,
            numPartitions: partitions,
            replicationFactor: 1,
            configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
          },
        ],
      })
      return { error: errorOf(topics[0]) }
    })
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#done({ api: 'delete-topic', topic }, async () => {
      const draft = { topics: [{ name: topic }], timeoutMs: TIMEOUT_MS }
      return { error: errorOf((await this.wire.request(deleteTopics, 6, draft)).responses[0]) }
    })
  }

  async addPartitions(topic: string, partitions: number): Promise<void> {
    await this.#done({ api: 'add-partitions', topic, partitions }, async () => {
      const topics = [{ name: topic, count: partitions, assignments: null }]
      const draft = { topics, timeoutMs: TIMEOUT_MS, validateOnly: false }
      return { error: errorOf((await this.wire.request(createPartitions, 3, draft)).results[0]) }
    })
  }

  async deleteRecords(place: Place, offset: number): Promise<void> {
    await this.#done({ api: 'delete-records', place, offset }, async () => {
      const topics = [{ name: place.topic, partitions: [{ partitionIndex: place.partition, offset }] }]
      const reply = await this.wire.request(deleteRecords, 2, { topics, timeoutMs: TIMEOUT_MS })
      return { error: errorOf(reply.topics[0]?.partitions[0]) }
    })
  }

  /** @param setting  'topic NAME OPTION', 'broker OPTION' or 'feature NAME' */
  async set(setting: string, value: string): Promise<void> {
    const [kind, ...names] = setting.split(' ') as [string, string, string]
    await this.#done({ api: 'set', setting, value }, async () => {
      if (kind === 'feature') {
        const isLower = Number(value) < Number(this.ledger.settings.get(setting)?.settled || NEWEST_LEVEL)
        const update = { feature: names[0], maxVersionLevel: Number(value), upgradeType: isLower ? 2 : 1 }
        const reply = await this.wire.request(updateFeatures, 1, { featureUpdates: [update] })
        return { error: reply.errorCode === 'NONE' ? errorOf(reply.results[0]) : reply.errorCode }
      }
      const resourceType = kind === 'topic' ? TOPIC_RESOURCE : BROKER_RESOURCE
      const [resourceName, name] = kind === 'topic' ? names : ['', names[0]]
      const configs = [{ name, configOperation: SET, value }]
      const resources = [{ resourceType, resourceName, configs }]
      const reply = await this.wire.request(incrementalAlterConfigs, 1, { resources, validateOnly: false })
      return { error: errorOf(reply.responses[0]) }
    })
  }

  /** A round of a group with one member. */
  async join(group: string): Promise<{ readonly memberId: string; readonly generationId: number }> {
    const answer = await this.#done({ api: 'join', group }, async () => {
      let memberId = this.ledger.groups.get(group)?.member?.memberId ?? ''
      const draft = { groupId: group, sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 60_000, protocolType: 'consumer' }
      for (;;) {
        const protocols = [{ name: 'range', metadata: new Uint8Array(0) }]
        const joined = await this.wire.request(joinGroup, 9, { ...draft, memberId, protocols })
        memberId = joined.memberId
        if (joined.errorCode === 'MEMBER_ID_REQUIRED') continue
        if (joined.errorCode !== 'NONE') return { error: joined.errorCode }
        const { generationId } = joined
        const { errorCode } = await this.wire.request(syncGroup, 5, {
          groupId: group,
          generationId,
          memberId,
          protocolType: 'consumer',
          protocolName: 'range',
          assignments: [{ memberId, assignment: Buffer.from('all') }],
        })
        return errorCode === 'NONE' ? { error: 'NONE', member: { memberId, generationId } } : { error: errorCode }
      }
    })
    return answer.member as { memberId: string; generationId: number }
  }

  async deleteGroup(group: string): Promise<void> {
    await this.#done({ api: 'delete-group', group }, async () => {
      const { results } = await this.wire.request(deleteGroups, 2, { groupsNames: [group] })
      return { error: errorOf(results[0]) }
    })
  }

  async commitOffset(group: string, place: Place, offset: number): Promise<void> {
    const request: Offsets = { api: 'offsets', group, offsets: [{ place, offset }] }
    await this.#done(request, async () => ({ error: await this.commitAs(group, request.offsets) }))
  }

  /** A commit of whoever may commit for the group, or of the member and generation given; writes nothing down. */
  async commitAs(
    group: string,
    offsets: Offsets['offsets'],
    member = this.ledger.groups.get(group)?.member,
  ): Promise<ErrorCode> {
    const reply = await this.wire.request(offsetCommit, 8, {
      groupId: group,
      generationIdOrMemberEpoch: member?.generationId ?? -1,
      memberId: member?.memberId ?? '',
      topics: offsets.map(offsetDraft),
    })
    return errorOf(reply.topics[0]?.partitions[0])
  }

  // ---- records

  /** Appends without a producer id. */
  async append(place: Place, count = 1, bytes = 0): Promise<void> {
    await this.#done({ api: 'append', place, values: this.values(place, count, bytes) }, (request) =>
      this.sendBatch(request, 1),
    )
  }

  values(place: Place, count: number, bytes: number): string[] {
    const incarnation = this.ledger.topics.get(place.topic)?.incarnation ?? 1
    return Array.from({ length: count }, () => valueOf(place, incarnation, ++this.#lastValue, bytes))
  }

  async producer(): Promise<IdempotentProducer> {
    const { producer } = await this.init(undefined)
    return new IdempotentProducer(this, producer as ProducerIdentity)
  }

  async transactional(
    transactionalId: string,
    options: { readonly version?: 1 | 2; readonly timeoutMs?: number } = {},
  ): Promise<TransactionalProducer> {
    const { producer } = await this.init(transactionalId, options)
    return new TransactionalProducer(this, transactionalId, producer as ProducerIdentity, options)
  }

  async init(
    transactionalId: string | undefined,
    { version = 2, timeoutMs = 60_000 }: { readonly version?: 1 | 2; readonly timeoutMs?: number } = {},
  ): Promise<Answer> {
    return await this.#done({ api: 'init', transactionalId }, async () => {
      for (;;) {
        const draft = { transactionalId: transactionalId ?? null, transactionTimeoutMs: timeoutMs }
        const reply = await this.wire.request(initProducerId, version === 2 ? 5 : 2, draft)
        if (reply.errorCode === 'CONCURRENT_TRANSACTIONS') continue
        const { producerId, producerEpoch } = reply
        return { error: reply.errorCode, producer: { producerId, producerEpoch } }
      }
    })
  }

  begin(start: Omit<TransactionStart, 'transaction'>): number {
    this.#lastTransaction += 1
    this.note({ kind: 'began', transaction: this.#lastTransaction, ...start })
    return this.#lastTransaction
  }

  /** Writes the request down, sends it and writes the answer down, whatever it is. */
  async tell<One extends Request>(request: One, send: (request: One) => Promise<Answer>): Promise<Answer> {
    this.#lastId += 1
    const id = this.#lastId
    this.note({ kind: 'asked', id, request })
    const answer = await send(request)
    this.note({ kind: 'answered', id, answer })
    return answer
  }

  async #done<One extends Request>(request: One, send: (request: One) => Promise<Answer>): Promise<Answer> {
    const answer = await this.tell(request, send)
    if (answer.error !== 'NONE') throw new Error(`${JSON.stringify(request)} was answered ${answer.error}`)
    return answer
  }

  /** Sends a batch as it was asked for; writes nothing down. */
  async sendBatch({ place, values, producer, transaction }: Append, version: 1 | 2): Promise<Answer> {
    const records = values.map((value) => ({ timestamp: this.clock.nowMs(), key: null, value: Buffer.from(value) }))
    const isTransactional = transaction !== undefined
    const batch = buildBatch({ records, ...producer, isTransactional })
    const reply = await this.wire.request(produce, version === 2 ? 12 : 11, {
      transactionalId: isTransactional ? this.ledger.transaction(transaction).transactionalId : null,
      acks: -1,
      timeoutMs: TIMEOUT_MS,
      topicData: [{ name: place.topic, partitionData: [{ index: place.partition, records: batch }] }],
    })
    const partition = reply.responses[0]?.partitionResponses[0]
    return { error: errorOf(partition), ...(partition !== undefined && { baseOffset: partition.baseOffset }) }
  }

  async sendEnd(transaction: number, commits: boolean): Promise<Answer> {
    const { transactionalId, producer, version } = this.ledger.transaction(transaction)
    const { producerId, producerEpoch } = producer
    for (;;) {
      const draft = { transactionalId, producerId, producerEpoch, committed: commits }
      const reply = await this.wire.request(endTxn, version === 2 ? 5 : 4, draft)
      if (reply.errorCode === 'CONCURRENT_TRANSACTIONS') continue
      const next = { producerId: reply.producerId, producerEpoch: reply.producerEpoch }
      return { error: reply.errorCode, ...(next.producerId >= 0 && { producer: next }) }
    }
  }

  async sendOffsets(request: Offsets): Promise<Answer> {
    const { group, offsets } = request
    const { transactionalId, producer, version } = this.ledger.transaction(request.transaction as number)
    if (version === 1) {
      const added = await this.wire.request(addOffsetsToTxn, 3, { transactionalId, ...producer, groupId: group })
      if (added.errorCode !== 'NONE') return { error: added.errorCode }
    }
    const member = this.ledger.groups.get(group)?.member
    const reply = await this.wire.request(txnOffsetCommit, version === 2 ? 5 : 3, {
      transactionalId,
      groupId: group,
      ...producer,
      ...(member !== undefined && member),
      topics: offsets.map(offsetDraft),
    })
    return { error: errorOf(reply.topics[0]?.partitions[0]) }
  }

  async addToTransaction(transaction: number, places: readonly Place[]): Promise<ErrorCode> {
    const { transactionalId, producer } = this.ledger.transaction(transaction)
    const { resultsByTopicV3AndBelow } = await this.wire.request(addPartitionsToTxn, 2, {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: places.map(({ topic, partition }) => ({ name: topic, partitions: [partition] })),
    })
    const results = resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) => resultsByPartition)
    return results.find(({ partitionErrorCode }) => partitionErrorCode !== 'NONE')?.partitionErrorCode ?? 'NONE'
  }
}

export class IdempotentProducer {
  readonly #participant: Participant
  readonly identity: ProducerIdentity
  readonly #sequences = new Map<string, number>()

  constructor(participant: Participant, identity: ProducerIdentity) {
    this.#participant = participant
    this.identity = identity
  }

  async send(place: Place, count = 1, bytes = 0): Promise<Answer> {
    const request = this.#next(place, count, bytes)
    return await this.#participant.tell(request, (sent) => this.#participant.sendBatch(sent, 1))
  }

  /** So many batches on their way at once, in order. */
  async sendAtOnce(place: Place, batches: number): Promise<Answer[]> {
    return await Promise.all(Array.from({ length: batches }, () => this.send(place)))
  }

  #next(place: Place, count: number, bytes: number): Append {
    const baseSequence = this.#sequences.get(nameOf(place)) ?? 0
    this.#sequences.set(nameOf(place), baseSequence + count)
    const values = this.#participant.values(place, count, bytes)
    return { api: 'append', place, values, producer: { ...this.identity, baseSequence } }
  }
}

export class TransactionalProducer {
  readonly #participant: Participant
  readonly transactionalId: string
  identity: ProducerIdentity
  readonly #version: 1 | 2
  readonly #mayTimeOut: boolean
  readonly #sequences = new Map<string, number>()
  #transaction: number | undefined
  #added = new Set<string>()

  constructor(
    participant: Participant,
    transactionalId: string,
    identity: ProducerIdentity,
    { version = 2, timeoutMs = 60_000 }: { readonly version?: 1 | 2; readonly timeoutMs?: number },
  ) {
    this.#participant = participant
    this.transactionalId = transactionalId
    this.identity = identity
    this.#version = version
    this.#mayTimeOut = timeoutMs < 60_000
  }

  /** In the open transaction, or a new one. */
  async send(place: Place, count = 1, bytes = 0): Promise<Answer> {
    const transaction = this.#open()
    const key = nameOf(place)
    if (this.#version === 1 && !this.#added.has(key)) {
      const error = await this.#participant.addToTransaction(transaction, [place])
      if (error !== 'NONE') return { error }
      this.#added.add(key)
    }
    const baseSequence = this.#sequences.get(key) ?? 0
    this.#sequences.set(key, baseSequence + count)
    const values = this.#participant.values(place, count, bytes)
    const producer = { ...this.identity, baseSequence }
    const request: Append = { api: 'append', place, values, producer, transaction }
    return await this.#participant.tell(request, (sent) => this.#participant.sendBatch(sent, this.#version))
  }

  async sendOffset(group: string, place: Place, offset: number): Promise<Answer> {
    const request: Offsets = { api: 'offsets', group, offsets: [{ place, offset }], transaction: this.#open() }
    return await this.#participant.tell(request, (sent) => this.#participant.sendOffsets(sent))
  }

  commit(): Promise<Answer> {
    return this.#end(true)
  }

  abort(): Promise<Answer> {
    return this.#end(false)
  }

  /** Goes on with an identity that InitProducerId gave to the same id. */
  async renew(): Promise<void> {
    const { producer } = await this.#participant.init(this.transactionalId, { version: this.#version })
    this.#continueAs(producer as ProducerIdentity)
  }

  async #end(commits: boolean): Promise<Answer> {
    const transaction = this.#open()
    const request: Request = { api: 'end', transaction, commits }
    const answer = await this.#participant.tell(request, () => this.#participant.sendEnd(transaction, commits))
    this.#transaction = undefined
    this.#added.clear()
    if (answer.producer !== undefined) this.#continueAs(answer.producer)
    return answer
  }

  #continueAs(producer: ProducerIdentity): void {
    this.identity = producer
    // Sequences begin anew with each epoch.
    this.#sequences.clear()
    this.#transaction = undefined
    this.#added.clear()
  }

  #open(): number {
    this.#transaction ??= this.#participant.begin({
      transactionalId: this.transactionalId,
      producer: this.identity,
      version: this.#version,
      mayTimeOut: this.#mayTimeOut,
    })
    return this.#transaction
  }
}

function errorOf(result: { readonly errorCode: ErrorCode } | undefined): ErrorCode {
  return result?.errorCode ?? 'UNKNOWN_SERVER_ERROR'
}

function offsetDraft({ place, offset }: { readonly place: Place; readonly offset: number }) {
  const partitions = [{ partitionIndex: place.partition, committedOffset: offset, committedMetadata: '' }]
  return { name: place.topic, partitions }
}
