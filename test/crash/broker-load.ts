/**
 * A load that goes on over any number of lives of a broker, what its client knows about it, and the judgement of a broker by
 * that knowledge: shared by the tests that crash a simulated broker and those that kill a real one.
 */
import { expect } from 'vitest'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import { addPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.ts'
import { deleteRecords } from '../../src/protocol/messages/delete-records.ts'
import { deleteTopics } from '../../src/protocol/messages/delete-topics.ts'
import { listOffsets } from '../../src/protocol/messages/list-offsets.ts'
import { offsetFetch } from '../../src/protocol/messages/offset-fetch.ts'
import { txnOffsetCommit } from '../../src/protocol/messages/txn-offset-commit.ts'
import { ZERO_UUID } from '../../src/protocol/schema.ts'
import { TV1_END_TXN, TV1_PRODUCE } from '../broker/test-broker.ts'
import type { Producer, TestClient } from '../broker/test-broker.ts'

interface Transaction {
  readonly id: string
  readonly values: readonly string[]
  /** Committed with it for group 'g'; -1: none. */
  readonly offset: number
  readonly asked: 'commit' | 'abort'
  outcome: 'committed' | 'aborted' | 'unknown'
}

/** What a client could write down. Can be copied with structuredClone. */
export interface History {
  lives: number
  readonly topics: Set<string>
  /** Values of plain, idempotent appends that were acknowledged, with the offset told. */
  readonly acknowledged: Map<string, number>
  readonly attempted: Set<string>
  /** Oldest first. */
  readonly transactions: Transaction[]
  readonly producers: Map<string, Producer>
  /** Every producer id that was given out for one life of a producer. */
  readonly producerIds: Set<number>
  /** Topic 'churn', deleted and created again; its values carry the generation. */
  churn: { generation: number; state: 'there' | 'gone' | 'unknown'; values: string[] }
  /** Topic 'trim', whose records are deleted from the front. */
  readonly trim: { appended: number; readonly values: Map<string, number>; asked: number; done: number }
}

export function newHistory(): History {
  return {
    lives: 0,
    topics: new Set(),
    acknowledged: new Map(),
    attempted: new Set(),
    transactions: [],
    producers: new Map(),
    producerIds: new Set(),
    churn: { generation: 0, state: 'gone', values: [] },
    trim: { appended: 0, values: new Map(), asked: 0, done: 0 },
  }
}

/** Appended once a round, so that the journal meets its next file and a checkpoint within a few. */
const BULK = 'x'.repeat(300_000)

/** Timestamps with a meaning of their own in ListOffsets. */
const LATEST = -1
const EARLIEST = -2

const isOk = (errorCode: ErrorCode | undefined): void => {
  if (errorCode !== 'NONE') throw new Error(`answered ${errorCode}`)
}

export interface LoadOptions {
  readonly rounds: number
  /** Producer ids taken at once, to get over the border of a block of them. */
  readonly producerIds?: number
  /** Asked before each round whether to go on. */
  readonly goesOn?: () => boolean
}

/** Transactions of both versions over two partitions with offsets inside, plain appends, deletions of records and topics. */
export async function load(client: TestClient, history: History, options: LoadOptions): Promise<void> {
  const life = history.lives
  history.lives += 1
  await ensureTopic(client, history, 'out', 2)
  for (const topic of ['plain', 'trim', 'bulk']) await ensureTopic(client, history, topic, 1)
  const plain = await newProducer(client, history)
  await Promise.all(Array.from({ length: options.producerIds ?? 0 }, () => newProducer(client, history)))
  let producer: Producer = await client.initProducer('v2')
  const old: Producer = await client.initProducer('v1', { version: 2 })
  history.producers.set('v2', producer)
  history.producers.set('v1', old)
  const oldSequences = [0, 0]
  for (let round = 0; round < options.rounds && options.goesOn?.() !== false; round += 1) {
    const value = `plain-${life}-${round}`
    history.attempted.add(value)
    const appended = await client.produce('plain', { values: [value], ...plain, baseSequence: round })
    isOk(appended.errorCode)
    history.acknowledged.set(value, appended.baseOffset)

    const isVersion1 = round % 3 === 2
    const id = isVersion1 ? 'v1' : 'v2'
    const asked = round % 4 === 3 ? 'abort' : 'commit'
    const values = [0, 1].map((partition) => `${id}-${life}-${round}-${partition}`)
    const offset = isVersion1 ? -1 : history.transactions.length + 1
    const transaction: Transaction = { id, values, offset, outcome: 'unknown', asked }
    history.transactions.push(transaction)
    if (isVersion1) await addPartitions(client, old)
    for (const partition of [0, 1]) {
      const version = isVersion1 ? { version: TV1_PRODUCE, partition } : { partition }
      const sequence = isVersion1 ? (oldSequences[partition] as number) : 0
      const current = isVersion1 ? old : producer
      isOk((await client.produceIn(id, current, 'out', sequence, values[partition] as string, version)).errorCode)
      if (isVersion1) oldSequences[partition] = sequence + 1
    }
    if (!isVersion1) await commitOffset(client, producer, offset)
    const ended = await client.endTxn(id, isVersion1 ? old : producer, asked === 'commit', isVersion1 ? TV1_END_TXN : 5)
    isOk(ended.errorCode)
    transaction.outcome = asked === 'commit' ? 'committed' : 'aborted'
    if (!isVersion1) {
      producer = { producerId: ended.producerId, producerEpoch: ended.producerEpoch }
      history.producers.set('v2', producer)
    }
    isOk((await client.produce('bulk', { values: [BULK] })).errorCode)
    if (round % 3 === 0) await churn(client, history)
    else await trim(client, history)
  }
  // One that nobody ends.
  const values = [0, 1].map((partition) => `v2-${life}-open-${partition}`)
  history.transactions.push({ id: 'v2', values, offset: -1, outcome: 'aborted', asked: 'abort' })
  isOk((await client.produceIn('v2', producer, 'out', 0, values[0] as string)).errorCode)
}

async function ensureTopic(client: TestClient, history: History, name: string, partitions: number): Promise<void> {
  if ((await client.topicId(name)) === ZERO_UUID) await client.createTopic(name, partitions)
  history.topics.add(name)
}

async function newProducer(client: TestClient, { producerIds }: History): Promise<Producer> {
  const { errorCode, producerId, producerEpoch } = await client.initProducer(null)
  isOk(errorCode)
  expect(producerIds, 'a producer id is given once').not.toContain(producerId)
  producerIds.add(producerId)
  return { producerId, producerEpoch }
}

async function addPartitions(client: TestClient, { producerId, producerEpoch }: Producer): Promise<void> {
  const { resultsByTopicV3AndBelow } = await client.wire.request(addPartitionsToTxn, 2, {
    v3AndBelowTransactionalId: 'v1',
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: 'out', partitions: [0, 1] }],
  })
  for (const one of resultsByTopicV3AndBelow[0]?.resultsByPartition ?? []) isOk(one.partitionErrorCode)
}

async function commitOffset(client: TestClient, producer: Producer, committedOffset: number): Promise<void> {
  const { topics } = await client.wire.request(txnOffsetCommit, 5, {
    transactionalId: 'v2',
    groupId: 'g',
    producerId: producer.producerId,
    producerEpoch: producer.producerEpoch,
    topics: [{ name: 'plain', partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: '' }] }],
  })
  isOk(topics[0]?.partitions[0]?.errorCode)
}

/** Deletes topic 'churn', creates it again and appends to it. */
async function churn(client: TestClient, history: History): Promise<void> {
  const { generation } = history.churn
  if ((await client.topicId('churn')) !== ZERO_UUID) {
    history.churn = { generation, state: 'unknown', values: [] }
    const { responses } = await client.wire.request(deleteTopics, 6, { topics: [{ name: 'churn' }], timeoutMs: 10_000 })
    isOk(responses[0]?.errorCode)
    history.churn.state = 'gone'
  }
  history.churn = { generation: generation + 1, state: 'unknown', values: [] }
  await client.createTopic('churn')
  history.churn.state = 'there'
  for (const count of [0, 1]) {
    const value = `churn-${generation + 1}-${count}`
    isOk((await client.produce('churn', { values: [value] })).errorCode)
    history.churn.values.push(value)
  }
}

/** Appends to topic 'trim' and deletes all before the last record. */
async function trim(client: TestClient, { trim: history }: History): Promise<void> {
  let offset = 0
  for (let count = 0; count < 2; count += 1) {
    const value = `trim-${history.appended}`
    history.appended += 1
    const { errorCode, baseOffset } = await client.produce('trim', { values: [value] })
    isOk(errorCode)
    history.values.set(value, baseOffset)
    offset = baseOffset
  }
  history.asked = offset
  const { topics } = await client.wire.request(deleteRecords, 2, {
    topics: [{ name: 'trim', partitions: [{ partitionIndex: 0, offset }] }],
    timeoutMs: 10_000,
  })
  isOk(topics[0]?.partitions[0]?.errorCode)
  history.done = offset
}

/**
 * Asks a broker that was started after a crash, as clients would. What it answers is promised too from then on, and written
 * into the history.
 */
export async function judge(client: TestClient, history: History): Promise<void> {
  for (const topic of ['out', 'plain', 'trim']) {
    const isThere = (await client.topicId(topic)) !== ZERO_UUID
    expect(isThere || !history.topics.has(topic), `topic ${topic} was created`).toBe(true)
    if (isThere) history.topics.add(topic)
  }
  if (history.topics.has('plain')) await judgePlain(client, history)
  if (history.topics.has('trim')) await judgeTrim(client, history)
  await judgeChurn(client, history)
  await newProducer(client, history)
  if (history.topics.has('out')) await judgeTransactions(client, history)
}

async function judgePlain(client: TestClient, history: History): Promise<void> {
  const plain = await client.read('plain')
  const found = new Map(plain.map(({ value, offset }) => [value as string, offset]))
  expect(found.size, 'nothing is stored twice').toBe(plain.length)
  for (const [value, offset] of history.acknowledged) expect(found.get(value), `${value} was acknowledged`).toBe(offset)
  for (const [value, offset] of found) {
    expect(history.attempted, 'nothing is made up').toContain(value)
    history.acknowledged.set(value, offset)
  }
}

async function judgeTrim(client: TestClient, { trim: history }: History): Promise<void> {
  const logStartOffset = await offsetOf(client, EARLIEST)
  const highWatermark = await offsetOf(client, LATEST)
  expect(logStartOffset, 'deleted records stay deleted').toBeGreaterThanOrEqual(history.done)
  expect(logStartOffset, 'only what was asked for is deleted').toBeLessThanOrEqual(history.asked)
  history.done = logStartOffset
  const kept = highWatermark === logStartOffset ? [] : await client.read('trim', { from: logStartOffset })
  for (const [value, offset] of history.values) {
    if (offset >= logStartOffset) expect(kept, `${value} was acknowledged`).toContainEqual({ offset, key: null, value })
  }
  for (const { value, offset } of kept) history.values.set(value as string, offset)
}

async function offsetOf(client: TestClient, timestamp: number): Promise<number> {
  const { topics } = await client.wire.request(listOffsets, 6, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 'trim', partitions: [{ partitionIndex: 0, timestamp }] }],
  })
  isOk(topics[0]?.partitions[0]?.errorCode)
  return topics[0]?.partitions[0]?.offset as number
}

async function judgeChurn(client: TestClient, { churn: history }: History): Promise<void> {
  const isThere = (await client.topicId('churn')) !== ZERO_UUID
  if (history.state !== 'unknown') expect(isThere, `topic churn is ${history.state}`).toBe(history.state === 'there')
  history.state = isThere ? 'there' : 'gone'
  if (!isThere) return
  const values = (await client.values('churn')) as string[]
  expect(values.slice(0, history.values.length), 'values of the topic that is there').toEqual(history.values)
  for (const value of values) expect(value, 'of no earlier topic').toMatch(new RegExp(`^churn-${history.generation}-`))
  history.values = values
}

async function judgeTransactions(client: TestClient, history: History): Promise<void> {
  // Whoever comes next fences the zombies and ends what they left open.
  for (const [id, before] of history.producers) {
    const next = await client.initProducer(id)
    isOk(next.errorCode)
    const isNewer = next.producerId !== before.producerId || next.producerEpoch > before.producerEpoch
    expect(isNewer, `${id} gets an epoch above ${before.producerEpoch}, not ${next.producerEpoch}`).toBe(true)
    history.producers.set(id, { producerId: next.producerId, producerEpoch: next.producerEpoch })
  }
  await settled(client)
  const committed: Map<string | null, number>[] = []
  for (const partition of [0, 1]) {
    const counts = new Map<string | null, number>()
    for (const value of await client.values('out', 1, partition)) counts.set(value, (counts.get(value) ?? 0) + 1)
    committed.push(counts)
  }
  let lastOffset = -1
  for (const transaction of history.transactions) {
    const { values, outcome, asked, offset } = transaction
    const [count, other] = values.map((value, partition) => committed[partition]?.get(value) ?? 0) as [number, number]
    expect(count, `${values.join(' and ')} appear together`).toBe(other)
    if (outcome === 'committed') expect(count, `${values[0]} was committed`).toBe(1)
    else if (outcome === 'aborted' || asked === 'abort') expect(count, `${values[0]} was not committed`).toBe(0)
    else expect([0, 1], `${values[0]} is there once or not at all`).toContain(count)
    transaction.outcome = count === 1 ? 'committed' : 'aborted'
    if (count === 1 && offset >= 0) lastOffset = offset
  }
  const { groups } = await client.wire.request(offsetFetch, 8, {
    groups: [{ groupId: 'g', topics: [{ name: 'plain', partitionIndexes: [0] }] }],
    requireStable: true,
  })
  expect(groups[0]?.topics[0]?.partitions[0]?.committedOffset, 'offsets move with the output').toBe(lastOffset)
}

/** Reads again until no transaction holds the reader back. */
async function settled(client: TestClient): Promise<void> {
  for (const partition of [0, 1]) {
    for (;;) {
      const { highWatermark, lastStableOffset } = await client.fetchRaw('out', 0, { isolation: 1, partition })
      if (highWatermark === lastStableOffset) break
    }
  }
}
