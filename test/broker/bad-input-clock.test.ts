/** A wall clock that jumps, and records that claim to be of another time (reliability.md E.3, group 30). */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Runtime } from '../../src/base/runtime.ts'
import { heartbeat } from '../../src/protocol/messages/heartbeat.ts'
import { joinGroup } from '../../src/protocol/messages/join-group.ts'
import { listOffsets } from '../../src/protocol/messages/list-offsets.ts'
import { offsetCommit } from '../../src/protocol/messages/offset-commit.ts'
import { offsetFetch } from '../../src/protocol/messages/offset-fetch.ts'
import { syncGroup } from '../../src/protocol/messages/sync-group.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import { besideOthers } from './bad-input-kit.ts'
import type { Scene } from './bad-input-kit.ts'
import { TestBroker } from './test-broker.ts'
import type { TestClient } from './test-broker.ts'

const DAY_MS = 86_400_000
const YEAR_MS = 365 * DAY_MS

/** The real world with a wall clock that a test can step. */
function steppedRuntime(): { runtime: Runtime; step: (byMs: number) => void } {
  const real = nodeRuntime({ logger: silentLogger })
  let offsetMs = 0
  const { clock } = real
  const stepped = {
    nowMs: () => clock.nowMs() + offsetMs,
    monotonicMs: () => clock.monotonicMs(),
    setTimer: clock.setTimer.bind(clock),
  }
  return { runtime: { ...real, clock: stepped }, step: (byMs) => void (offsetMs += byMs) }
}

/** @param body  gets a function that steps the broker's wall clock */
function withSteps(
  body: (scene: Scene, step: (byMs: number) => void) => Promise<void>,
  properties: Record<string, string> = {},
): () => Promise<void> {
  const { runtime, step } = steppedRuntime()
  return besideOthers((scene) => body(scene, step), {
    runtime,
    // Records carry the time of the test, not that of the broker.
    properties: { 'log.message.timestamp.after.max.ms': String(20 * YEAR_MS), ...properties },
  })
}

async function at(client: TestClient, timestamp: number) {
  const { topics } = await client.wire.request(listOffsets, 7, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }],
  })
  return topics[0]?.partitions[0]
}

for (const [what, byMs] of [
  ['back one day', -DAY_MS],
  ['forward ten years', 10 * YEAR_MS],
] as const) {
  test(
    `${what}: producers go on in sequence, and duplicates are still known`,
    withSteps(async ({ client }, step) => {
      const producer = await client.initProducer(null)
      for (let sequence = 0; sequence < 3; sequence++)
        await client.produce('t', { ...producer, baseSequence: sequence })
      step(byMs)
      const next = { ...producer, baseSequence: 3 }
      expect(await client.produce('t', next)).toMatchObject({ errorCode: 'NONE', baseOffset: 3 })
      expect(await client.produce('t', next)).toMatchObject({ errorCode: 'NONE', baseOffset: 3 })
      step(-byMs)
      expect(await client.produce('t', { ...producer, baseSequence: 4 })).toMatchObject({
        errorCode: 'NONE',
        baseOffset: 4,
      })
    }),
  )

  test(
    `${what}: a transaction is ended by its producer or by its timeout, and never hangs`,
    withSteps(
      async ({ client }, step) => {
        const producer = await client.initProducer('id')
        await client.produceIn('id', producer, 't', 0, 'open')
        step(byMs)
        const ended = await client.endTxn('id', producer, true)
        expect(['NONE', 'PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'INVALID_TXN_STATE']).toContain(ended.errorCode)
        // Another one, which nobody ends: the timeout is a span, whatever the clock says.
        const vanished = await client.initProducer('vanished', { timeoutMs: 200 })
        await client.produceIn('vanished', vanished, 't', 0, 'dropped', { partition: 1 })
        step(byMs)
        await client.produce('t', { values: ['behind'] }, { partition: 1 })
        const read = await client.fetchRaw('t', 1, { partition: 1, isolation: 1, maxWaitMs: 20_000 })
        expect(read.lastStableOffset).toBeGreaterThan(1)
        expect(await client.values('t', 1, 1)).toEqual(['behind'])
        // New ones of the same ids work.
        const again = await client.initProducer('id')
        expect((await client.produceIn('id', again, 't', 0, 'again')).errorCode).toBe('NONE')
        expect((await client.endTxn('id', again, true)).errorCode).toBe('NONE')
        expect((await client.values('t', 1)).at(-1)).toBe('again')
      },
      { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '100' },
    ),
  )

  test(
    `${what}: a group forms and commits, and keeps the offsets that its members use`,
    withSteps(async ({ client }, step) => {
      const enter = (memberId: string) =>
        client.wire.request(joinGroup, 3, {
          groupId: 'g',
          sessionTimeoutMs: 30_000,
          rebalanceTimeoutMs: 30_000,
          memberId,
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
        })
      const commit = async (memberId: string, generationId: number, offset: number) => {
        const { topics } = await client.wire.request(offsetCommit, 8, {
          groupId: 'g',
          memberId,
          generationIdOrMemberEpoch: generationId,
          topics: [
            { name: 't', partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }] },
          ],
        })
        return topics[0]?.partitions[0]?.errorCode
      }
      const first = await enter('')
      await client.wire.request(syncGroup, 3, { groupId: 'g', ...first, assignments: [] })
      expect(await commit(first.memberId, first.generationId, 1)).toBe('NONE')
      step(byMs)
      // A session may be over, which a member that lives hears of and joins again.
      const beat = await client.wire.request(heartbeat, 3, { groupId: 'g', ...first })
      expect(['NONE', 'UNKNOWN_MEMBER_ID']).toContain(beat.errorCode)
      const member = beat.errorCode === 'NONE' ? first : await enter('')
      expect(member.errorCode).toBe('NONE')
      if (member !== first) await client.wire.request(syncGroup, 3, { groupId: 'g', ...member, assignments: [] })
      expect(await commit(member.memberId, member.generationId, 2)).toBe('NONE')
      const { topics } = await client.wire.request(offsetFetch, 7, {
        groupId: 'g',
        topics: [{ name: 't', partitionIndexes: [0] }],
      })
      expect(topics[0]?.partitions[0]?.committedOffset).toBe(2)
    }),
  )

  test(
    `${what}: who waits for data is served, and waits as long as it said`,
    withSteps(async ({ broker, client }, step) => {
      const other = await broker.connect()
      const waiting = other.fetchRaw('t', 0, { maxWaitMs: 20_000 })
      step(byMs)
      await client.produce('t', { values: ['news'] })
      expect((await waiting).records?.length).toBeGreaterThan(0)
      const started = performance.now()
      step(byMs)
      await other.fetchRaw('t', 1, { maxWaitMs: 100 })
      expect(performance.now() - started).toBeLessThan(5000)
    }),
  )
}

test(
  'back one day: a member that vanished is missed after its session timeout, not after a day',
  withSteps(
    async ({ broker, client }, step) => {
      const enter = (member: TestClient) =>
        member.wire.request(joinGroup, 3, {
          groupId: 'g',
          sessionTimeoutMs: 200,
          rebalanceTimeoutMs: 200,
          memberId: '',
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
        })
      const vanished = await enter(client)
      await client.wire.request(syncGroup, 3, { groupId: 'g', ...vanished, assignments: [] })
      step(-DAY_MS)
      const other = await enter(await broker.connect())
      expect(other).toMatchObject({ errorCode: 'NONE', leader: other.memberId })
      expect(other.members.length).toBe(1)
    },
    { 'group.min.session.timeout.ms': '100' },
  ),
)

test('a broker that is started again with its clock a day back still ends transactions by their timeout', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'semel-clock-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const { runtime, step } = steppedRuntime()
  const properties = { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '100' }
  {
    await using broker = await TestBroker.start({ dataDir, runtime, properties })
    const client = await broker.connect()
    await client.createTopic('t')
    const producer = await client.initProducer('id', { timeoutMs: 300 })
    await client.produceIn('id', producer, 't', 0, 'dropped')
    await client.produce('t', { values: ['behind'] })
  }
  step(-DAY_MS)
  await using broker = await TestBroker.start({ dataDir, runtime, properties })
  const client = await broker.connect()
  const read = await client.fetchRaw('t', 0, { isolation: 1, maxWaitMs: 20_000 })
  expect(read.lastStableOffset).toBeGreaterThan(1)
  expect(await client.values('t', 1)).toEqual(['behind'])
})

test(
  'records of the far future are refused, where they are not they disturb no look-up of the others',
  besideOthers(async ({ client }) => {
    const now = Date.now()
    const record = (timestamp: number) => ({
      records: [{ timestamp, key: null, value: Buffer.from(String(timestamp)) }],
    })
    for (const timestamp of [now + 2 * 3_600_000, now + 100 * YEAR_MS, Number.MAX_SAFE_INTEGER]) {
      expect((await client.produce('t', record(timestamp))).errorCode, String(timestamp)).toBe('INVALID_TIMESTAMP')
    }
    expect((await client.produce('t', record(now))).errorCode).toBe('NONE')
    await client.createTopic('lenient', 1, { 'message.timestamp.after.max.ms': String(Number.MAX_SAFE_INTEGER) })
    expect((await client.produce('lenient', record(now + 100 * YEAR_MS))).errorCode).toBe('NONE')
    expect((await client.produce('lenient', record(0))).errorCode).toBe('NONE')
    expect((await client.produce('lenient', record(-1))).errorCode).toBe('NONE')
    expect((await client.values('lenient')).length).toBe(3)
    expect(await at(client, now)).toMatchObject({ errorCode: 'NONE', offset: 0, timestamp: now })
    expect(await at(client, now + 1)).toMatchObject({ errorCode: 'NONE', offset: -1 })
    expect(await at(client, Number.MAX_SAFE_INTEGER)).toMatchObject({ errorCode: 'NONE', offset: -1 })
  }),
)

test(
  'a topic that stamps records itself does so with a clock that went back, and finds them by what it stamped',
  withSteps(async ({ client }, step) => {
    await client.createTopic('stamped', 1, { 'message.timestamp.type': 'LogAppendTime' })
    await client.produce('stamped', { values: ['first'] })
    step(-DAY_MS)
    await client.produce('stamped', { values: ['second'] })
    const { topics } = await client.wire.request(listOffsets, 7, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [
        {
          name: 'stamped',
          partitions: [{ partitionIndex: 0, timestamp: Date.now() - DAY_MS - 60_000 }],
        },
      ],
    })
    expect(topics[0]?.partitions[0]).toMatchObject({ errorCode: 'NONE', offset: 0 })
    expect(await client.values('stamped')).toEqual(['first', 'second'])
  }),
)
