/**
 * A transactional producer of the least kind, in either version of the protocol: says each request by itself, on whichever
 * connection, and repeats nothing. So a scenario can lose, hold and double any of them.
 */
import type { ErrorCode } from '../../../src/protocol/error-codes.ts'
import { addOffsetsToTxn } from '../../../src/protocol/messages/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from '../../../src/protocol/messages/add-partitions-to-txn.ts'
import { endTxn } from '../../../src/protocol/messages/end-txn.ts'
import { initProducerId } from '../../../src/protocol/messages/init-producer-id.ts'
import { txnOffsetCommit } from '../../../src/protocol/messages/txn-offset-commit.ts'
import { ConnectionClosed } from '../../../src/testing/wire-client.ts'
import type { Producer, TestClient } from '../../broker/test-broker.ts'
import type { Scene, TransactionVersion } from './scene.ts'

export interface Numbers {
  readonly producer?: Producer
  readonly sequence?: number
  /** `t` unless given. */
  readonly topic?: string
  readonly partition?: number
  readonly client?: TestClient
}

interface OffsetTarget {
  readonly groupId?: string
  readonly partition?: number
  readonly producer?: Producer
  readonly client?: TestClient
  readonly member?: { readonly memberId: string; readonly generationId: number }
}

interface Identity {
  readonly id?: string
  readonly timeoutMs?: number
}

/** Longer than any ending takes that comes to its end. */
const PATIENCE = 2_000
const AGAIN_MS = 5

export class RawProducer {
  readonly id: string
  /** Of its requests from here on; clients change it between transactions. */
  version: TransactionVersion
  readonly #scene: Scene
  /** Where its requests go unless they say otherwise. */
  client: TestClient
  /** As it was last told; `producer` of a request may be another one. */
  current: Producer = { producerId: -1, producerEpoch: -1 }
  readonly #sequences = new Map<string, number>()
  readonly #added = new Set<string>()

  private constructor(scene: Scene, client: TestClient, version: TransactionVersion, id: string) {
    this.#scene = scene
    this.client = client
    this.version = version
    this.id = id
  }

  /** A new instance of a transactional id, on a connection of its own. */
  static async start(
    scene: Scene,
    version: TransactionVersion,
    { id = 'tx', timeoutMs = 5_000 }: Identity = {},
  ): Promise<RawProducer> {
    const producer = new RawProducer(scene, await scene.connect(), version, id)
    await producer.untilDecided(async () => {
      const request = { transactionalId: id, transactionTimeoutMs: timeoutMs }
      const reply = await producer.despite(() => producer.client.wire.request(initProducerId, 5, request))
      if (reply.errorCode === 'NONE') producer.become(reply)
      else if (reply.errorCode !== 'CONCURRENT_TRANSACTIONS')
        throw new Error(`InitProducerId ${id}: ${reply.errorCode}`)
      return reply.errorCode
    })
    return producer
  }

  /** Says it again, on a new connection, for as long as it gets no answer. */
  async despite<T>(request: () => Promise<T>): Promise<T> {
    for (;;) {
      if (this.client.wire.isClosed) this.client = await this.#scene.connect()
      try {
        return await request()
      } catch (error) {
        if (!(error instanceof ConnectionClosed)) throw error
      }
    }
  }

  /** Goes on as this one: sequences begin anew when the epoch is another. */
  become({ producerId, producerEpoch }: Producer): void {
    const isSame = producerId === this.current.producerId && producerEpoch === this.current.producerEpoch
    this.current = { producerId, producerEpoch }
    this.#added.clear()
    if (!isSame) this.#sequences.clear()
  }

  /** Adds a partition to the transaction, as clients of version 1 have to. */
  async add(partition = 0, numbers: Numbers = {}): Promise<ErrorCode> {
    const { producer = this.current, client = this.client, topic = 't' } = numbers
    const { resultsByTopicV3AndBelow } = await client.wire.request(addPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: this.id,
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
    })
    return resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode ?? 'UNKNOWN_SERVER_ERROR'
  }

  /** One record. With version 1 its partition is added before, once a transaction. */
  async send(value: string, numbers: Numbers = {}): Promise<ErrorCode> {
    const { topic = 't', partition = 0 } = numbers
    if (this.version === 1 && !this.#added.has(`${topic}-${partition}`)) {
      const errorCode = await this.add(partition, numbers)
      if (errorCode !== 'NONE') return errorCode
      this.#added.add(`${topic}-${partition}`)
    }
    return (await this.produce(value, numbers)).errorCode
  }

  /** The Produce alone. Unless it is given, its sequence is the one after the last that was acknowledged. */
  async produce(value: string, numbers: Numbers = {}): ReturnType<TestClient['produceIn']> {
    const { topic = 't', partition = 0, producer = this.current, client = this.client } = numbers
    const place = `${topic}-${partition}`
    const sequence = numbers.sequence ?? this.#sequences.get(place) ?? 0
    const version = this.version === 1 ? 11 : 12
    const answer = await client.produceIn(this.id, producer, topic, sequence, value, { version, partition })
    if (answer.errorCode === 'NONE' && producer === this.current) this.#sequences.set(place, sequence + 1)
    return answer
  }

  /** Offsets of a group in `t`. With version 1 the group is added before, once a transaction. */
  async stage(committedOffset: number, target: OffsetTarget = {}): Promise<ErrorCode> {
    const { groupId = 'g', producer = this.current, client = this.client } = target
    if (this.version === 1 && !this.#added.has(`group ${groupId}`)) {
      const errorCode = await this.addGroup(target)
      if (errorCode !== 'NONE') return errorCode
      this.#added.add(`group ${groupId}`)
    }
    return await this.commitOffset(committedOffset, { ...target, producer, client })
  }

  async addGroup({
    groupId = 'g',
    producer = this.current,
    client = this.client,
  }: OffsetTarget = {}): Promise<ErrorCode> {
    const { producerId, producerEpoch } = producer
    const request = { transactionalId: this.id, groupId, producerId, producerEpoch }
    return (await client.wire.request(addOffsetsToTxn, 3, request)).errorCode
  }

  /** The TxnOffsetCommit alone. */
  async commitOffset(committedOffset: number, target: OffsetTarget = {}): Promise<ErrorCode> {
    const { groupId = 'g', partition = 0, producer = this.current, client = this.client, member } = target
    const { producerId, producerEpoch } = producer
    const { topics } = await client.wire.request(txnOffsetCommit, this.version === 1 ? 4 : 5, {
      transactionalId: this.id,
      groupId,
      producerId,
      producerEpoch,
      ...member,
      topics: [{ name: 't', partitions: [{ partitionIndex: partition, committedOffset, committedMetadata: null }] }],
    })
    return topics[0]?.partitions[0]?.errorCode ?? 'UNKNOWN_SERVER_ERROR'
  }

  /** Asks once, and takes over what it is answered. */
  async end(committed: boolean, { producer = this.current, client = this.client }: Numbers = {}): Promise<ErrorCode> {
    const { version } = this
    const reply = await client.wire.request(endTxn, version === 1 ? 4 : 5, {
      transactionalId: this.id,
      ...producer,
      committed,
    })
    if (reply.errorCode !== 'NONE') return reply.errorCode
    this.become(version === 1 ? producer : reply)
    return 'NONE'
  }

  /** As `end`, until no other ending is under way. */
  endAtLast(committed: boolean, numbers: Numbers = {}): Promise<ErrorCode> {
    return this.untilDecided(() => this.end(committed, numbers))
  }

  /** As `send`, until the transaction before is over: the broker waits for it only for so long. */
  sendAtLast(value: string, numbers: Numbers = {}): Promise<ErrorCode> {
    return this.untilDecided(() => this.send(value, numbers))
  }

  /** Asks again for as long as a transaction is being ended. */
  async untilDecided(request: () => Promise<ErrorCode>): Promise<ErrorCode> {
    for (let asked = 0; asked < PATIENCE; asked++) {
      const errorCode = await request()
      if (errorCode !== 'CONCURRENT_TRANSACTIONS') return errorCode
      if (asked > 0) await this.#scene.pause(AGAIN_MS)
    }
    throw new Error(`${this.id}: a transaction is being ended and comes to no end`)
  }
}
