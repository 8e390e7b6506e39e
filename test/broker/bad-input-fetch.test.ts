/** Fetches and their sessions that are wrong or too large (reliability.md E.3, group 20). */
import { describe, expect, test } from 'vitest'
import { fetch } from '../../src/protocol/messages/fetch.ts'
import type { FetchRequestDraft } from '../../src/protocol/messages/fetch.ts'
import { listOffsets } from '../../src/protocol/messages/list-offsets.ts'
import { besideOthers, expectClosed, RawPeer } from './bad-input-kit.ts'
import type { TestClient } from './test-broker.ts'

function ask(client: TestClient, given: Partial<FetchRequestDraft>, version = 11) {
  return client.wire.request(fetch, version, {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [],
    ...given,
  })
}

const partitionOf = (partition: number, fetchOffset = 0, partitionMaxBytes = 100_000) => ({
  partition,
  fetchOffset,
  partitionMaxBytes,
})

async function someRecords(client: TestClient): Promise<void> {
  for (const value of ['a', 'b', 'c']) await client.produce('t', { values: [value.repeat(1000)] })
}

describe('20: fetches', () => {
  test(
    'limits of 0 or below give one batch at most; offsets outside the log are out of range',
    besideOthers(async ({ client }) => {
      await someRecords(client)
      for (const limit of [0, -1, -(2 ** 31)]) {
        const { responses } = await ask(client, {
          maxBytes: limit,
          topics: [{ topic: 't', partitions: [partitionOf(0, 0, limit)] }],
        })
        const read = responses[0]?.partitions[0]
        expect(read?.errorCode).toBe('NONE')
        expect(read?.records?.length).toBeLessThan(1200)
      }
      for (const offset of [-1, -5, 4, 2 ** 53 - 1, -(2 ** 53 - 1)]) {
        const { responses } = await ask(client, { topics: [{ topic: 't', partitions: [partitionOf(0, offset)] }] })
        expect(responses[0]?.partitions[0]?.errorCode, `offset ${offset}`).toBe('OFFSET_OUT_OF_RANGE')
      }
      for (const given of [{ maxWaitMs: -5 }, { minBytes: -1 }, { minBytes: 2 ** 31 - 1 }, { isolationLevel: 77 }]) {
        const { responses } = await ask(client, { topics: [{ topic: 't', partitions: [partitionOf(0)] }], ...given })
        expect(responses[0]?.partitions[0]?.errorCode, JSON.stringify(given)).toBe('NONE')
      }
    }),
  )

  test(
    'an offset of 2^63 - 1, which no number here holds, closes the connection',
    besideOthers(async ({ broker, client }) => {
      const frame = Buffer.from(
        client.wire.frame(fetch, 4, {
          maxWaitMs: 0,
          minBytes: 1,
          topics: [{ topic: 't', partitions: [partitionOf(0, 0x1234567)] }],
        }),
      )
      frame.writeBigInt64BE(2n ** 63n - 1n, frame.length - 12)
      await expectClosed(broker, frame)
    }),
  )

  test(
    '100,000 partitions, most of them unknown, are answered one by one; the same one repeated does not multiply the data',
    besideOthers(async ({ broker, client }) => {
      await someRecords(client)
      const send = async (partitions: ReturnType<typeof partitionOf>[], given: Partial<FetchRequestDraft> = {}) => {
        using peer = await RawPeer.connect(broker)
        peer.write(
          client.wire.frame(fetch, 11, { maxWaitMs: 0, minBytes: 1, topics: [{ topic: 't', partitions }], ...given }),
        )
        return ((await peer.frame()) as Buffer).length
      }
      const count = 100_000
      expect(await send(Array.from({ length: count }, (_, index) => partitionOf(index)))).toBeGreaterThan(count * 30)
      const repeated = Array.from({ length: count }, () => partitionOf(0))
      expect(await send(repeated, { maxBytes: 1_000_000 })).toBeLessThan(count * 60 + 2_000_000)
    }),
  )

  test(
    'a fetch whose peer has sent its last byte is answered with what there is, and its connection is closed',
    besideOthers(async ({ broker, client }) => {
      await someRecords(client)
      const peer = await RawPeer.connect(broker)
      const waiting = client.wire.frame(fetch, 11, {
        maxWaitMs: 2 ** 31 - 1,
        minBytes: 2 ** 31 - 1,
        topics: [{ topic: 't', partitions: [partitionOf(0)] }],
      })
      peer.write(Buffer.concat([waiting, waiting]))
      peer.end()
      expect((await peer.frame())?.length).toBeGreaterThan(3000)
      expect((await peer.frame())?.length).toBeGreaterThan(3000)
      await peer.closed
    }),
  )

  test(
    'fetches that wait for data which never comes end with their connections',
    besideOthers(async ({ broker, client }) => {
      const peers = await Promise.all(Array.from({ length: 100 }, () => RawPeer.connect(broker)))
      for (const peer of peers) {
        peer.write(
          client.wire.frame(fetch, 11, {
            maxWaitMs: 2 ** 31 - 1,
            minBytes: 2 ** 31 - 1,
            topics: [{ topic: 't', partitions: [partitionOf(0), partitionOf(1), partitionOf(2)] }],
          }),
        )
      }
      await client.produce('t', { values: ['not enough'] })
      for (const peer of peers) peer[Symbol.dispose]()
      await Promise.all(peers.map((peer) => peer.closed))
      expect(await client.values('t')).toEqual(['not enough'])
    }),
  )
})

describe('20: fetch sessions', () => {
  test(
    'ids that are guessed, epochs that are wrong and topics of another session are refused or do nothing',
    besideOthers(async ({ broker, client }) => {
      await someRecords(client)
      const opened = await ask(client, {
        sessionId: 0,
        sessionEpoch: 0,
        topics: [{ topic: 't', partitions: [partitionOf(0, 3)] }],
      })
      expect(opened).toMatchObject({ errorCode: 'NONE' })
      expect(opened.sessionId).not.toBe(0)
      const other = await broker.connect()
      for (const sessionId of [1, -1, 2 ** 31 - 1, opened.sessionId === 5 ? 6 : 5]) {
        expect((await ask(other, { sessionId, sessionEpoch: 1 })).errorCode).toBe('FETCH_SESSION_ID_NOT_FOUND')
      }
      for (const sessionEpoch of [2, 5, 2 ** 31 - 1, -5]) {
        const { errorCode } = await ask(other, { sessionId: opened.sessionId, sessionEpoch })
        expect(errorCode, `epoch ${sessionEpoch}`).toBe('INVALID_FETCH_SESSION_EPOCH')
      }
      // What it never had, it may forget.
      const forgetting = await ask(client, {
        sessionId: opened.sessionId,
        sessionEpoch: 1,
        forgottenTopicsData: [
          { topic: 'calm', partitions: [0, 0, -1] },
          { topic: 'nowhere', partitions: [1] },
        ],
      })
      expect(forgetting).toMatchObject({ errorCode: 'NONE', responses: [] })
      await client.produce('t', { values: ['news'] })
      const next = await ask(client, { sessionId: opened.sessionId, sessionEpoch: 2 })
      expect(next.responses[0]?.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([0])
    }),
  )

  test(
    'a flood of sessions leaves a bounded number of them',
    besideOthers(
      async ({ client }) => {
        const ids: number[] = []
        for (let round = 0; round < 500; round++) {
          const { sessionId, errorCode } = await ask(client, {
            sessionId: 0,
            sessionEpoch: 0,
            topics: [{ topic: 't', partitions: [partitionOf(0), partitionOf(1)] }],
          })
          expect(errorCode).toBe('NONE')
          ids.push(sessionId)
        }
        // Who gets none is served without.
        expect(ids.filter((id) => id !== 0).length).toBeLessThanOrEqual(500)
        let alive = 0
        for (const sessionId of ids.filter((id) => id !== 0)) {
          const { errorCode } = await ask(client, { sessionId, sessionEpoch: 1 })
          if (errorCode === 'NONE') alive += 1
        }
        expect(alive).toBeLessThanOrEqual(10)
      },
      { properties: { 'max.incremental.fetch.session.cache.slots': '10' } },
    ),
  )
})

test(
  'ListOffsets of unknown places, epochs and partitions is refused one by one',
  besideOthers(async ({ client }) => {
    await someRecords(client)
    const list = async (given: { partitionIndex?: number; timestamp?: number; currentLeaderEpoch?: number }) => {
      const { topics } = await client.wire.request(listOffsets, 7, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: 0, ...given }] }],
      })
      return topics[0]?.partitions[0]
    }
    for (const timestamp of [-7, -100, -(2 ** 53 - 1)]) {
      expect((await list({ timestamp }))?.errorCode, `${timestamp}`).toBe('UNSUPPORTED_VERSION')
    }
    expect(await list({ timestamp: 2 ** 53 - 1 })).toMatchObject({ errorCode: 'NONE', offset: -1 })
    expect((await list({ partitionIndex: -1 }))?.errorCode).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect((await list({ partitionIndex: 99 }))?.errorCode).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect((await list({ currentLeaderEpoch: 2 ** 31 - 1 }))?.errorCode).toBe('UNKNOWN_LEADER_EPOCH')
    expect((await list({ currentLeaderEpoch: 0 }))?.errorCode).toBe('FENCED_LEADER_EPOCH')
  }),
)
