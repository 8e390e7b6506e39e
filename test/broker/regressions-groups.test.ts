/**
 * Bugs that other brokers had in groups and offsets, over the wire, each by its number: rows of
 * ../shared/reference/reliability.md B3, and of product.md 1.2.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import { addOffsetsToTxn } from '../../src/protocol/messages/add-offsets-to-txn.ts'
import { deleteGroups } from '../../src/protocol/messages/delete-groups.ts'
import { endTxn } from '../../src/protocol/messages/end-txn.ts'
import { heartbeat } from '../../src/protocol/messages/heartbeat.ts'
import { joinGroup } from '../../src/protocol/messages/join-group.ts'
import { listGroups } from '../../src/protocol/messages/list-groups.ts'
import { listOffsets } from '../../src/protocol/messages/list-offsets.ts'
import { offsetCommit } from '../../src/protocol/messages/offset-commit.ts'
import { offsetDelete } from '../../src/protocol/messages/offset-delete.ts'
import { offsetFetch } from '../../src/protocol/messages/offset-fetch.ts'
import { syncGroup } from '../../src/protocol/messages/sync-group.ts'
import { txnOffsetCommit } from '../../src/protocol/messages/txn-offset-commit.ts'
import { batches } from '../../src/protocol/record-batch.ts'
import { TestBroker } from './test-broker.ts'
import type { Producer, TestClient } from './test-broker.ts'

async function start(properties: Record<string, string> = {}) {
  const broker = await TestBroker.start({ properties })
  onTestFinished(() => broker[Symbol.asyncDispose]())
  const client = await broker.connect()
  await client.createTopic('t', 3)
  return { broker, client }
}

interface Member {
  readonly memberId: string
  readonly generationId: number
}

/** Writes offsets of group 'g' into the transaction of 'id'; with version 5 the group joins it by that. */
async function stage(
  client: TestClient,
  producer: Producer,
  offset: number,
  options: { id?: string; version?: number; member?: Member; metadata?: string; partitions?: number[] } = {},
): Promise<(ErrorCode | undefined)[]> {
  const { id: transactionalId = 'id', version = 5, member, metadata = null, partitions = [0] } = options
  const { producerId, producerEpoch } = producer
  if (version < 5) {
    await client.wire.request(addOffsetsToTxn, 3, { transactionalId, groupId: 'g', producerId, producerEpoch })
  }
  const { topics } = await client.wire.request(txnOffsetCommit, version, {
    transactionalId,
    groupId: 'g',
    producerId,
    producerEpoch,
    ...member,
    topics: [
      {
        name: 't',
        partitions: partitions.map((partitionIndex) => ({
          partitionIndex,
          committedOffset: offset,
          committedMetadata: partitionIndex === 0 ? metadata : null,
        })),
      },
    ],
  })
  return topics[0]?.partitions.map(({ errorCode }) => errorCode) ?? []
}

async function fetchOffset(client: TestClient, { requireStable = false, partition = 0 } = {}) {
  const { topics } = await client.wire.request(offsetFetch, 7, {
    groupId: 'g',
    topics: [{ name: 't', partitionIndexes: [partition] }],
    requireStable,
  })
  const { committedOffset, metadata, errorCode } = topics[0]?.partitions[0] ?? {}
  return { committedOffset, metadata, errorCode }
}

async function commit(client: TestClient, offset: number, member?: Member, metadata: string | null = null) {
  const { topics } = await client.wire.request(offsetCommit, 8, {
    groupId: 'g',
    memberId: member?.memberId ?? '',
    generationIdOrMemberEpoch: member?.generationId ?? -1,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: metadata }] }],
  })
  return topics[0]?.partitions[0]?.errorCode
}

async function beat(client: TestClient, { memberId, generationId }: Member): Promise<ErrorCode> {
  return (await client.wire.request(heartbeat, 3, { groupId: 'g', memberId, generationId })).errorCode
}

function enter(client: TestClient, memberId = '', sessionTimeoutMs = 30_000) {
  return client.wire.request(joinGroup, 3, {
    groupId: 'g',
    sessionTimeoutMs,
    rebalanceTimeoutMs: sessionTimeoutMs,
    memberId,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
  })
}

async function formGroup(client: TestClient, memberId = ''): Promise<Member> {
  const { memberId: id, generationId, errorCode } = await enter(client, memberId)
  expect(errorCode).toBe('NONE')
  const { errorCode: synced } = await client.wire.request(syncGroup, 3, {
    groupId: 'g',
    memberId: id,
    generationId,
    assignments: [],
  })
  expect(synced).toBe('NONE')
  return { memberId: id, generationId }
}

const expiring = { 'offsets.retention.minutes': '1', 'offsets.retention.check.interval.ms': '10' }

describe('B3: groups and offsets', () => {
  test('B3.50 KAFKA-19163: a group that has nothing but staged offsets is not swept away', async () => {
    const { client } = await start(expiring)
    const producer = await client.initProducer('id')
    expect(await stage(client, producer, 7)).toEqual(['NONE'])
    // Each of these sees the group after another sweep may have run.
    for (let round = 0; round < 10; round++) {
      await client.fetchRaw('t', 0, { maxWaitMs: 10 })
      expect((await fetchOffset(client, { requireStable: true })).errorCode).toBe('UNSTABLE_OFFSET_COMMIT')
    }
    expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
    expect(await fetchOffset(client, { requireStable: true })).toMatchObject({ committedOffset: 7, errorCode: 'NONE' })
  })

  test('B3.50 KAFKA-19164: an offset deleted while another is staged is there after the commit, or not, the same for ever', async () => {
    const { client } = await start()
    await commit(client, 3)
    const producer = await client.initProducer('id')
    await stage(client, producer, 7)
    const { topics } = await client.wire.request(offsetDelete, 0, {
      groupId: 'g',
      topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }],
    })
    expect(topics[0]?.partitions[0]?.errorCode).toBe('NONE')
    expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
    const { errorCode } = await fetchOffset(client, { requireStable: true })
    expect(errorCode).toBe('NONE')
    // Nothing of the transaction lingers: the next one commits.
    const next = await client.initProducer('id')
    await stage(client, next, 9)
    await client.endTxn('id', next, true)
    expect(await fetchOffset(client, { requireStable: true })).toMatchObject({ committedOffset: 9, errorCode: 'NONE' })
  })

  test('B3.50: a group that is deleted while offsets are staged does not come back half', async () => {
    const { client } = await start()
    await commit(client, 3)
    const producer = await client.initProducer('id')
    await stage(client, producer, 7)
    const { results } = await client.wire.request(deleteGroups, 2, { groupsNames: ['g'] })
    expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
    const { groups } = await client.wire.request(listGroups, 4, {})
    const { committedOffset, errorCode } = await fetchOffset(client, { requireStable: true })
    expect(errorCode).toBe('NONE')
    const isThere = groups.some(({ groupId }) => groupId === 'g')
    expect(committedOffset).toBe(isThere ? 7 : -1)
    expect(results[0]?.errorCode).toBe('NONE')
  })

  test('B3.51 Redpanda 31483: what was staged and committed around a restart reads the same before and after', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'semel-regressions-'))
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
    let producer: Producer
    {
      await using broker = await TestBroker.start({ dataDir, properties: expiring })
      const client = await broker.connect()
      await client.createTopic('t', 3)
      await commit(client, 3)
      producer = await client.initProducer('id')
      await stage(client, producer, 7, { partitions: [0, 1] })
    }
    const seen: unknown[] = []
    {
      await using broker = await TestBroker.start({ dataDir, properties: expiring })
      const client = await broker.connect()
      expect(await fetchOffset(client)).toMatchObject({ committedOffset: 3 })
      expect((await fetchOffset(client, { requireStable: true })).errorCode).toBe('UNSTABLE_OFFSET_COMMIT')
      expect((await client.endTxn('id', producer, true)).errorCode).toBe('NONE')
      for (const partition of [0, 1, 2]) seen.push(await fetchOffset(client, { requireStable: true, partition }))
    }
    await using broker = await TestBroker.start({ dataDir, properties: expiring })
    const client = await broker.connect()
    const again: unknown[] = []
    for (const partition of [0, 1, 2]) again.push(await fetchOffset(client, { requireStable: true, partition }))
    expect(again).toEqual(seen)
    expect(seen).toMatchObject([{ committedOffset: 7 }, { committedOffset: 7 }, { committedOffset: -1 }])
  })

  test('B3.52 KAFKA-16371: a partition refused for its metadata leaves nothing that stays unstable', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    const errors = await stage(client, producer, 7, { metadata: 'x'.repeat(5000), partitions: [0, 1] })
    expect(errors).toEqual(['OFFSET_METADATA_TOO_LARGE', 'NONE'])
    expect(await fetchOffset(client, { requireStable: true })).toMatchObject({ committedOffset: -1, errorCode: 'NONE' })
    expect((await fetchOffset(client, { requireStable: true, partition: 1 })).errorCode).toBe('UNSTABLE_OFFSET_COMMIT')
    await client.endTxn('id', producer, true)
    expect(await fetchOffset(client, { requireStable: true })).toMatchObject({ committedOffset: -1, errorCode: 'NONE' })
    expect(await fetchOffset(client, { requireStable: true, partition: 1 })).toMatchObject({ committedOffset: 7 })
  })

  test('B3.53 KAFKA-17306: a group that was deleted and made again loads as the second one', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'semel-regressions-'))
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
    {
      await using broker = await TestBroker.start({ dataDir })
      const client = await broker.connect()
      await client.createTopic('t', 3)
      await commit(client, 3, undefined, 'first')
      const producer = await client.initProducer('id')
      await stage(client, producer, 5, { partitions: [1] })
      await client.endTxn('id', producer, false)
      await client.wire.request(deleteGroups, 2, { groupsNames: ['g'] })
      await commit(client, 4, undefined, 'second')
    }
    await using broker = await TestBroker.start({ dataDir })
    const client = await broker.connect()
    expect(await fetchOffset(client)).toMatchObject({ committedOffset: 4, metadata: 'second' })
    expect(await fetchOffset(client, { partition: 1 })).toMatchObject({ committedOffset: -1 })
  })

  test('B3.54 KAFKA-16194: offsets sent without a member, or with the last generation, are fenced after a rebalance', async () => {
    const { broker, client } = await start()
    const member = await formGroup(client)
    const joining = enter(await broker.connect())
    while ((await beat(client, member)) !== 'REBALANCE_IN_PROGRESS');
    const [rejoined, other] = await Promise.all([enter(client, member.memberId), joining])
    expect(rejoined.generationId).toBe(other.generationId)
    expect(rejoined.generationId).toBeGreaterThan(member.generationId)
    const producer = await client.initProducer('id')
    expect(await stage(client, producer, 7, { member })).toEqual(['ILLEGAL_GENERATION'])
    expect(await stage(client, producer, 7, { member: { ...member, memberId: '' } })).not.toEqual(['NONE'])
    expect(await commit(client, 7, member)).toBe('ILLEGAL_GENERATION')
    expect(await commit(client, 7)).toBe('UNKNOWN_MEMBER_ID')
    await client.endTxn('id', producer, false)
    expect(await fetchOffset(client, { requireStable: true })).toMatchObject({ committedOffset: -1, errorCode: 'NONE' })
  })

  test('B3.55 Redpanda 9571: who comes after a commit whose answer was lost reads the offsets of that commit', async () => {
    const { broker, client } = await start()
    const member = await formGroup(client)
    const producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'output')
    expect(await stage(client, producer, 7, { member })).toEqual(['NONE'])
    const lost = await broker.connect()
    const { producerId, producerEpoch } = producer
    lost.wire.send(endTxn, 5, { transactionalId: 'id', producerId, producerEpoch, committed: true })
    // The request is on its way; that its output is readable shows that it was decided.
    await client.fetchRaw('t', 0, { isolation: 1, maxWaitMs: 10_000 })
    lost.wire.close()
    const successor = await formGroup(
      await broker.connect().then((other) => (client.wire.close(), other)),
      member.memberId,
    )
    expect(successor.generationId).toBeGreaterThanOrEqual(member.generationId)
    const reader = await broker.connect()
    expect(await fetchOffset(reader, { requireStable: true })).toMatchObject({ committedOffset: 7, errorCode: 'NONE' })
    expect(await reader.values('t', 1)).toEqual(['output'])
  })

  test('B3.56 KAFKA-6607: a reader gets past the marker at the end of its input, so that it has no lag for ever', async () => {
    const { client } = await start()
    const producer = await client.initProducer('id')
    await client.produceIn('id', producer, 't', 0, 'input')
    await client.endTxn('id', producer, true)
    const { records } = await client.fetchRaw('t', 1, { isolation: 1 })
    const [marker] = [...batches(records ?? new Uint8Array(0))]
    expect(marker?.header).toMatchObject({ isControl: true, lastOffset: 1 })
    const { topics } = await client.wire.request(listOffsets, 5, {
      replicaId: -1,
      isolationLevel: 1,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    })
    expect(topics[0]?.partitions[0]?.offset).toBe(2)
    expect(await commit(client, 2)).toBe('NONE')
    expect(await fetchOffset(client)).toMatchObject({ committedOffset: 2 })
  })
})

describe('what small brokers get wrong', () => {
  test('Nisshi 716: a repeated TxnOffsetCommit is taken again, a transaction of offsets alone commits them or drops them', async () => {
    const { client } = await start()
    for (const version of [3, 5]) {
      let producer: Producer = await client.initProducer('id')
      for (const committed of [true, false]) {
        const offset = version * 100 + (committed ? 1 : 2)
        expect(await stage(client, producer, offset, { version })).toEqual(['NONE'])
        expect(await stage(client, producer, offset, { version })).toEqual(['NONE'])
        const ended = await client.endTxn('id', producer, committed, version === 5 ? 5 : 4)
        expect(ended.errorCode).toBe('NONE')
        if (version === 5) producer = ended
        expect(await fetchOffset(client, { requireStable: true })).toMatchObject({
          committedOffset: version * 100 + 1,
          errorCode: 'NONE',
        })
      }
    }
  })

  test('Redpanda 6423: offsets left by a transactional id that never comes back are unstable no longer than its timeout', async () => {
    const { broker, client } = await start({
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': '50',
      'group.initial.rebalance.delay.ms': '0',
    })
    for (let run = 0; run < 3; run++) {
      const producer = await client.initProducer(`random-${run}`, { timeoutMs: 100 })
      expect(await stage(client, producer, 7, { id: `random-${run}` })).toEqual(['NONE'])
    }
    const reader = await broker.connect()
    expect((await fetchOffset(reader, { requireStable: true })).errorCode).toBe('UNSTABLE_OFFSET_COMMIT')
    for (;;) {
      const { errorCode, committedOffset } = await fetchOffset(reader, { requireStable: true })
      if (errorCode !== 'NONE') continue
      expect(committedOffset).toBe(-1)
      break
    }
  })

  test('Nisshi: what was committed with an offset comes back with it', async () => {
    const { client } = await start()
    for (const metadata of ['', 'plain', '\u{1f600}', 'x'.repeat(4096)]) {
      expect(await commit(client, 5, undefined, metadata)).toBe('NONE')
      expect(await fetchOffset(client)).toMatchObject({ committedOffset: 5, metadata })
    }
  })

  test('Nisshi: members that join at the same time all get into one generation', async () => {
    const { broker } = await start()
    const clients = await Promise.all(Array.from({ length: 8 }, () => broker.connect()))
    const generations = new Map<TestClient, number>()
    const errors = new Set<ErrorCode>()
    const isSettled = (): boolean => generations.size === clients.length && new Set(generations.values()).size === 1
    const live = async (client: TestClient): Promise<void> => {
      let memberId = ''
      for (;;) {
        const joined = await enter(client, memberId)
        errors.add(joined.errorCode)
        memberId = joined.memberId
        const { generationId } = joined
        const synced = await client.wire.request(syncGroup, 3, {
          groupId: 'g',
          memberId,
          generationId,
          assignments: [],
        })
        errors.add(synced.errorCode)
        if (synced.errorCode === 'NONE') generations.set(client, generationId)
        for (;;) {
          if (isSettled()) return
          const errorCode = await beat(client, { memberId, generationId })
          errors.add(errorCode)
          if (errorCode !== 'NONE') break
        }
      }
    }
    await Promise.all(clients.map(live))
    expect([...errors].filter((error) => error !== 'NONE' && error !== 'REBALANCE_IN_PROGRESS')).toEqual([])
  })
})
