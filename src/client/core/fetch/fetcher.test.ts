/** Positions, buffers and questions of a fetcher, as lists of calls; rows 72 to 76 of the known bugs of consumers are named. */
import { describe, expect, test } from 'vitest'
import { buildMarkerBatch } from '../../../protocol/control-record.ts'
import { fetch } from '../../../protocol/messages/fetch.ts'
import { listOffsets } from '../../../protocol/messages/list-offsets.ts'
import { offsetForLeaderEpoch } from '../../../protocol/messages/offset-for-leader-epoch.ts'
import { AT, batchOf, fetchAnswer, FetchWorld } from './fetcher.test-kit.ts'
import { FetchSession } from './fetch-session.ts'

const marker = (baseOffset: number, markerType: 'COMMIT' | 'ABORT', producerId = 7): Uint8Array =>
  buildMarkerBatch({
    markerType,
    producerId,
    producerEpoch: 0,
    coordinatorEpoch: 0,
    timestampMs: 0,
    baseOffset,
    partitionLeaderEpoch: 0,
  })
const inTransaction = { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true }

describe('where reading begins', () => {
  test('the committed offset comes before startFrom', () => {
    const world = FetchWorld.at(5)
    expect(world.position).toBe(5)
    world.fetched(batchOf(5, 3))
    expect(world.take()).toEqual([5, 6, 7])
  })

  test.each([
    ['earliest', -2],
    ['latest', -1],
  ] as const)('without one, %s is asked for', (startFrom, timestamp) => {
    const world = new FetchWorld({ startFrom })
    world.fetcher.assign([AT])
    expect(world.fetcher.needCommitted).toHaveLength(1)
    expect(world.poll(listOffsets)).toHaveLength(0)
    world.fetcher.setCommitted(AT, undefined)
    const request = world.one(listOffsets)
    expect(request.body).toMatchObject({ isolationLevel: 1, topics: [{ partitions: [{ timestamp }] }] })
    world.answer(request, {
      topics: [
        { name: 't', partitions: [{ partitionIndex: 0, errorCode: 'NONE', timestamp: -1, offset: 9, leaderEpoch: 0 }] },
      ],
    })
    expect(world.position).toBe(9)
  })

  test("with 'none' it is an error that says so, until somebody seeks", () => {
    const world = new FetchWorld({ startFrom: 'none' })
    world.fetcher.assign([AT])
    world.fetcher.setCommitted(AT, undefined)
    expect(() => world.take()).toThrow(/NO_OFFSET/)
    expect(() => world.take()).toThrow(/NO_OFFSET/)
    world.fetcher.seek(AT, 3)
    expect(world.take()).toEqual([])
    expect(world.position).toBe(3)
  })

  test('a moment behind the last record leads to the end', () => {
    const world = FetchWorld.at(0)
    world.fetcher.seek(AT, { timestampMs: 99 })
    world.listed(-1)
    expect(world.one(listOffsets).body).toMatchObject({ topics: [{ partitions: [{ timestamp: -1 }] }] })
  })

  test('out of range leads to startFrom, once what is buffered is used up', () => {
    const world = FetchWorld.at(5)
    world.fetched(batchOf(5, 2))
    world.fetched(null, { errorCode: 'OFFSET_OUT_OF_RANGE' })
    expect(world.take()).toEqual([5, 6])
    world.nowMs += 1_000
    world.fetched(null, { errorCode: 'OFFSET_OUT_OF_RANGE' })
    const asked = world.one(listOffsets)
    expect(asked.body).toMatchObject({ topics: [{ partitions: [{ timestamp: -2 }] }] })
    world.fail(asked)
    world.nowMs += 1_000
    world.listed(0)
    expect(world.position).toBe(0)
    const strict = FetchWorld.at(5, { startFrom: 'none' })
    strict.fetched(null, { errorCode: 'OFFSET_OUT_OF_RANGE' })
    expect(() => strict.take()).toThrow(/OFFSET_OUT_OF_RANGE.*not in the log/)
  })
})

describe('positions', () => {
  test('B5 72: two aborted transactions of one producer in one response, in any order of the list', () => {
    const world = FetchWorld.at(0)
    const log = Buffer.concat([
      batchOf(0, 1, inTransaction),
      marker(1, 'ABORT'),
      batchOf(2, 1, { ...inTransaction, baseSequence: 1 }),
      marker(3, 'COMMIT'),
      batchOf(4, 1, { ...inTransaction, baseSequence: 2 }),
      marker(5, 'ABORT'),
    ])
    world.fetched(log, {
      aborted: [
        { producerId: 7, firstOffset: 4 },
        { producerId: 7, firstOffset: 0 },
      ],
    })
    expect(world.take()).toEqual([2])
    expect(world.position).toBe(6)
  })

  test('B5 73: compressed aborted records are left out, and markers alone hide nothing', () => {
    const world = FetchWorld.at(0)
    const log = Buffer.concat([
      batchOf(0, 3, { ...inTransaction, compression: 'gzip' }),
      marker(3, 'ABORT'),
      marker(4, 'ABORT', 8),
      batchOf(5, 2),
    ])
    world.fetched(log, { aborted: [{ producerId: 7, firstOffset: 0 }] })
    expect(world.take()).toEqual([5, 6])
  })

  test('B5 74: a seek is not undone by an answer to what was asked before it', () => {
    const world = FetchWorld.at(0)
    world.fetcher.seek(AT, 'latest')
    const late = world.one(listOffsets)
    world.fetcher.seek(AT, 3)
    world.answer(late, {
      topics: [
        {
          name: 't',
          partitions: [{ partitionIndex: 0, errorCode: 'NONE', timestamp: -1, offset: 50, leaderEpoch: 0 }],
        },
      ],
    })
    expect(world.position).toBe(3)
    const fetching = world.one(fetch)
    world.fetcher.seek(AT, 8)
    world.answer(fetching, fetchAnswer(batchOf(3, 2)))
    expect(world.take()).toEqual([])
    expect(world.position).toBe(8)
    world.fetched(batchOf(8, 1))
    expect(world.take()).toEqual([8])
  })

  test('B5 75: a commit before an abort in one response ends only what it commits', () => {
    const world = FetchWorld.at(0)
    const log = Buffer.concat([
      batchOf(0, 1, inTransaction),
      batchOf(1, 1, { ...inTransaction, producerId: 9 }),
      marker(2, 'COMMIT'),
      batchOf(3, 1, { ...inTransaction, producerId: 9, baseSequence: 1 }),
      marker(4, 'ABORT', 9),
    ])
    world.fetched(log, { aborted: [{ producerId: 9, firstOffset: 1 }] })
    expect(world.take()).toEqual([0])
  })

  test('B5 76: an answer of which everything is aborted moves the position on, without anybody taking anything', () => {
    const world = FetchWorld.at(0)
    world.fetched(batchOf(0, 5, inTransaction), { aborted: [{ producerId: 7, firstOffset: 0 }] })
    expect(world.position).toBe(5)
    expect(world.fetcher.hasData).toBe(false)
    world.fetched(marker(5, 'ABORT'))
    expect(world.position).toBe(6)
    expect(world.fetcher.progress()[0]).toMatchObject({ position: 6, highWatermark: 1_000 })
  })

  test('read_uncommitted shows all of it but the markers', () => {
    const world = FetchWorld.at(0, { isolationLevel: 'read_uncommitted' })
    world.fetched(Buffer.concat([batchOf(0, 2, inTransaction), marker(2, 'ABORT')]), {
      aborted: [{ producerId: 7, firstOffset: 0 }],
    })
    expect(world.take()).toEqual([0, 1])
    expect(world.position).toBe(3)
  })

  test('a batch is handed out in parts, and begun in its middle', () => {
    const world = FetchWorld.at(2)
    world.fetched(batchOf(0, 6))
    expect(world.take(2)).toEqual([2, 3])
    expect(world.position).toBe(4)
    expect(world.take(1)).toEqual([4])
    expect(world.take()).toEqual([5])
    expect(world.position).toBe(6)
  })
})

describe('requests', () => {
  test('there is one Fetch at a time to a broker, and it names what is behind the buffer', () => {
    const world = FetchWorld.at(0)
    const first = world.one(fetch)
    expect(world.poll(fetch)).toHaveLength(0)
    world.answer(first, fetchAnswer(batchOf(0, 4)))
    expect(world.one(fetch).body).toMatchObject({ topics: [{ partitions: [{ fetchOffset: 4 }] }] })
    expect(world.position).toBe(0)
  })

  test('a full buffer stops fetching, and taking goes on with it', () => {
    const world = FetchWorld.at(0, { prefetchBytes: 500, fetchMaxPartitionBytes: 100_000 })
    world.fetched(batchOf(0, 60))
    expect(world.fetcher.bufferedBytes).toBeGreaterThan(500)
    expect(world.poll(fetch)).toHaveLength(0)
    world.take(10)
    expect(world.poll(fetch)).toHaveLength(0)
    world.take()
    expect(world.fetcher.bufferedBytes).toBe(0)
    expect(world.poll(fetch)).toHaveLength(1)
  })

  test('a paused partition keeps what it has and hands out nothing', () => {
    const world = FetchWorld.at(0)
    world.fetched(batchOf(0, 2))
    world.fetcher.pause([AT])
    expect(world.fetcher.hasData).toBe(false)
    expect(world.take()).toEqual([])
    expect(world.poll(fetch)).toHaveLength(0)
    world.fetcher.resume([AT])
    expect(world.take()).toEqual([0, 1])
    expect(() => world.fetcher.pause([{ topic: 't', partition: 9 }])).toThrow(/ILLEGAL_STATE/)
  })

  test('partitions share what may be taken, and take turns with the odd record', () => {
    const world = new FetchWorld()
    world.partitions = 2
    const both = [AT, { topic: 't', partition: 1 }]
    world.fetcher.assign(both)
    for (const at of both) world.fetcher.setCommitted(at, { offset: 0 })
    const request = world.one(fetch)
    const [one] = (fetchAnswer(batchOf(0, 4)) as { responses: [{ partitions: object[] }] }).responses
    const [other] = (fetchAnswer(batchOf(0, 4), { partition: 1 }) as { responses: [{ partitions: object[] }] })
      .responses
    world.answer(request, {
      ...fetchAnswer(null),
      responses: [{ ...one, partitions: [...one.partitions, ...other.partitions] }],
    })
    const taken = (max: number): number[][] =>
      world.fetcher.take(max).map(({ partition, records }) => [partition, records.length])
    const shares = [
      [0, 1],
      [1, 1],
    ]
    expect(taken(2)).toEqual(shares)
    expect([taken(1), taken(1)]).toEqual([[[0, 1]], [[1, 1]]])
    expect(taken(9)).toEqual([
      [0, 2],
      [1, 2],
    ])
  })

  test('a partition that is taken away while others stay is neither fetched nor handed out any more', () => {
    const world = new FetchWorld()
    world.partitions = 2
    const other = { topic: 't', partition: 1 }
    world.fetcher.assign([AT, other])
    for (const at of [AT, other]) world.fetcher.setCommitted(at, { offset: 0 })
    world.answer(world.one(fetch), fetchAnswer(batchOf(0, 2), { partition: 1 }))
    world.fetcher.assign([AT])
    expect(world.fetcher.assignment).toEqual([AT])
    expect(world.take()).toEqual([])
    expect(world.one(fetch).body).toMatchObject({ topics: [{ partitions: [{ partition: 0 }] }] })
    world.fetcher.assign([AT, other])
    expect(world.fetcher.needCommitted).toEqual([expect.objectContaining(other)])
  })

  test('a leader that is none any more is looked up, and asked again after a pause that grows', () => {
    const world = FetchWorld.at(0)
    world.fetched(null, { errorCode: 'NOT_LEADER_OR_FOLLOWER' })
    expect(world.poll(fetch)).toHaveLength(0)
    expect(world.refreshes).toBe(1)
    world.nowMs += 100
    world.fail(world.one(fetch))
    world.nowMs += 100
    expect(world.poll(fetch)).toHaveLength(0)
    world.nowMs += 100
    expect(world.poll(fetch)).toHaveLength(1)
    world.leaderId = undefined
    const without = FetchWorld.at(0)
    without.leaderId = undefined
    expect(without.poll(fetch)).toHaveLength(0)
    expect(without.refreshes).toBe(1)
  })

  test('a missing permission is told, again and again', () => {
    const world = FetchWorld.at(0)
    world.fetched(null, { errorCode: 'TOPIC_AUTHORIZATION_FAILED' })
    expect(() => world.take()).toThrow(/TOPIC_AUTHORIZATION_FAILED/)
    expect(() => world.take()).toThrow(/TOPIC_AUTHORIZATION_FAILED/)
  })
})

describe('a new leader', () => {
  test('is asked whether its log holds what was read, and reading goes on where it does', () => {
    const world = FetchWorld.at(0)
    world.fetched(batchOf(0, 5))
    world.take()
    world.leaderEpoch = 3
    const request = world.one(offsetForLeaderEpoch)
    expect(request.body).toMatchObject({
      replicaId: -1,
      topics: [{ partitions: [{ currentLeaderEpoch: 3, leaderEpoch: 0 }] }],
    })
    world.answer(request, {
      topics: [{ topic: 't', partitions: [{ partition: 0, errorCode: 'NONE', leaderEpoch: 0, endOffset: 5 }] }],
    })
    expect(world.one(fetch).body).toMatchObject({
      topics: [{ partitions: [{ fetchOffset: 5, currentLeaderEpoch: 3 }] }],
    })
  })

  test('whose log was cut takes the position back, or is an error where nothing may be guessed', () => {
    const world = FetchWorld.at(0)
    world.fetched(batchOf(0, 5))
    world.take()
    world.leaderEpoch = 1
    world.epochEnds(3, 0)
    expect(world.position).toBe(3)
    const strict = FetchWorld.at(0, { startFrom: 'none' })
    strict.fetched(batchOf(0, 5))
    strict.take()
    strict.leaderEpoch = 1
    strict.epochEnds(3, 0)
    expect(() => strict.take()).toThrow(/was cut to offset 3/)
  })
})

describe('what no broker may send', () => {
  test('a batch with a wrong checksum is told with its place; what came before it is handed out; a seek goes past it', () => {
    const world = FetchWorld.at(0)
    const bad = Buffer.from(batchOf(2, 2))
    bad[bad.length - 1] = (bad.at(-1) as number) ^ 0xff
    world.fetched(Buffer.concat([batchOf(0, 2), bad, batchOf(4, 1)]))
    expect(world.take(2)).toEqual([0, 1])
    expect(() => world.take()).toThrow(/CORRUPT_MESSAGE: CORRUPT_MESSAGE: |CORRUPT_MESSAGE: t-0 at offset 2/)
    world.fetcher.seek(AT, 4)
    world.fetched(batchOf(4, 1))
    expect(world.take()).toEqual([4])
  })

  test.each([
    ['offsets that go back', Buffer.concat([batchOf(5, 2), batchOf(3, 1), batchOf(2, 4)])],
    ['bytes without a whole batch', batchOf(0, 50).subarray(0, 100)],
    ['no batches at all', Buffer.alloc(200, 1)],
  ])('%s are asked for again, a few times, and then told', (_what, bytes) => {
    const world = FetchWorld.at(0)
    for (let count = 0; count < 3; count += 1) {
      world.fetched(bytes)
      expect(world.poll(fetch), 'no hurry').toHaveLength(0)
      world.nowMs += 2_000
    }
    world.fetched(bytes)
    expect(() => world.take()).toThrow(/CORRUPT_MESSAGE/)
    expect(world.poll(fetch)).toHaveLength(0)
  })

  test('a bomb is refused by its size, not unfolded', () => {
    const world = FetchWorld.at(0, { maxDecompressedBytes: 10_000 })
    const bomb = batchOf(0, 1, {
      compression: 'gzip',
      records: [{ timestamp: 0, key: null, value: Buffer.alloc(1_000_000) }],
    })
    world.fetched(bomb)
    expect(() => world.take()).toThrow(/CORRUPT_MESSAGE/)
  })

  test('partitions and topics that nobody asked for are passed over', () => {
    const world = FetchWorld.at(0)
    world.answer(world.one(fetch), fetchAnswer(batchOf(0, 1), { partition: 99 }))
    world.answer(world.one(fetch), fetchAnswer(batchOf(0, 1), { topic: 'other' }))
    world.fetched(batchOf(0, 1), { highWatermark: -5 })
    expect(world.take()).toEqual([0])
  })
})

describe('fetch sessions', () => {
  const one = { topic: 'a', topicId: 'id-a', partition: 0, fetchOffset: 1, currentLeaderEpoch: 0, maxBytes: 10 }
  const two = { ...one, partition: 1 }

  test('name only what changed, and what left', () => {
    const session = new FetchSession()
    expect(session.build([one, two])).toMatchObject({
      sessionId: 0,
      sessionEpoch: 0,
      topics: [{ partitions: [{}, {}] }],
      forgotten: [],
    })
    expect(session.onResponse('NONE', 5)).toBe(true)
    expect(session.build([{ ...one, fetchOffset: 2 }, two])).toMatchObject({
      sessionId: 5,
      sessionEpoch: 1,
      topics: [{ partitions: [{ partition: 0, fetchOffset: 2 }] }],
    })
    session.onResponse('NONE', 5)
    expect(session.build([two])).toMatchObject({
      sessionEpoch: 2,
      topics: [],
      forgotten: [{ topic: 'a', partitions: [0] }],
    })
  })

  test('begin anew after an error, a lost answer, or a topic that is another one now', () => {
    const session = new FetchSession()
    session.build([one])
    session.onResponse('NONE', 5)
    expect(session.onResponse('FETCH_SESSION_ID_NOT_FOUND', 0)).toBe(false)
    expect(session.build([one])).toMatchObject({ sessionId: 0, sessionEpoch: 0 })
    session.onResponse('NONE', 6)
    session.onFailure()
    expect(session.build([one])).toMatchObject({ sessionId: 6, sessionEpoch: 0, topics: [{}] })
    session.onResponse('NONE', 7)
    expect(session.build([{ ...one, topicId: 'id-new' }])).toMatchObject({
      topics: [{ topicId: 'id-new' }],
      forgotten: [{ topicId: 'id-a', partitions: [0] }],
    })
  })

  test('a session in disorder costs a full request, not a record', () => {
    const world = FetchWorld.at(0)
    world.fetched(batchOf(0, 1), { sessionId: 9 })
    world.fetched(null, { sessionError: 'INVALID_FETCH_SESSION_EPOCH' })
    world.nowMs += 1_000
    expect(world.one(fetch).body).toMatchObject({
      sessionId: 9,
      sessionEpoch: 0,
      topics: [{ partitions: [{ fetchOffset: 1 }] }],
    })
    expect(world.take()).toEqual([0])
  })
})
