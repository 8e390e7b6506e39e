import { describe, expect, test } from 'vitest'
import { FetchSessionCache, NO_SESSION_ID } from './fetch-session.ts'
import type { FetchedStatus, FetchTarget } from './fetch-session.ts'

const limits = { slots: 2, partitionsMax: 10, minEvictionMs: 1000 }
const target = (topicKey: string, partition = 0, fetchOffset = 0): FetchTarget => ({
  topicKey,
  partition,
  fetchOffset,
  currentLeaderEpoch: -1,
  lastFetchedEpoch: -1,
  partitionMaxBytes: 1000,
})
const status = (overrides: Partial<FetchedStatus> = {}): FetchedStatus => ({
  errorCode: 'NONE',
  recordBytes: 0,
  highWatermark: 5,
  lastStableOffset: 5,
  logStartOffset: 0,
  ...overrides,
})
const ids = (start = 100) => {
  let next = start
  return () => next++
}
const full = (targets: FetchTarget[], sessionEpoch = 0, sessionId = 0) => ({
  sessionId,
  sessionEpoch,
  usesTopicIds: true,
  targets,
  forgotten: [],
})

function opened(cache: FetchSessionCache, targets: FetchTarget[], nowMs = 0, nextRandom = ids()): number {
  expect(cache.resolve(full(targets), nowMs)).toEqual({ kind: 'full', targets, wantsSession: true })
  return cache.openSession(
    targets,
    targets.map(() => status()),
    true,
    nowMs,
    nextRandom,
  )
}

describe('fetch sessions', () => {
  test('an incremental fetch serves the cached partitions and expects epochs 1, 2, 3 in order', () => {
    const cache = new FetchSessionCache(limits)
    const targets = [target('a'), target('b')]
    const sessionId = opened(cache, targets)
    expect(sessionId).toBe(100)
    for (const epoch of [1, 2, 3]) {
      expect(cache.resolve(full([], epoch, sessionId), 0)).toEqual({ kind: 'incremental', sessionId, targets })
    }
    const refused = { kind: 'refused', errorCode: 'INVALID_FETCH_SESSION_EPOCH' }
    expect(cache.resolve(full([], 3, sessionId), 0)).toEqual(refused)
    expect(cache.resolve(full([], 5, sessionId), 0)).toEqual(refused)
  })

  test('a guessed session id is refused', () => {
    const cache = new FetchSessionCache(limits)
    opened(cache, [target('a')])
    expect(cache.resolve(full([], 1, 4711), 0)).toEqual({ kind: 'refused', errorCode: 'FETCH_SESSION_ID_NOT_FOUND' })
  })

  test('a session opened with topic ids refuses names', () => {
    const cache = new FetchSessionCache(limits)
    const sessionId = opened(cache, [target('a')])
    const request = { ...full([], 1, sessionId), usesTopicIds: false }
    expect(cache.resolve(request, 0)).toEqual({ kind: 'refused', errorCode: 'FETCH_SESSION_TOPIC_ID_ERROR' })
  })

  test('added, changed and forgotten partitions take effect; forgetting what another session holds does not', () => {
    const cache = new FetchSessionCache(limits)
    const sessionId = opened(cache, [target('a'), target('b')])
    const request = {
      ...full([target('a', 0, 9), target('c')], 1, sessionId),
      forgotten: [
        { topicKey: 'b', partition: 0 },
        { topicKey: 'elsewhere', partition: 7 },
      ],
    }
    expect(cache.resolve(request, 0)).toEqual({
      kind: 'incremental',
      sessionId,
      targets: [target('a', 0, 9), target('c')],
    })
  })

  test('forgetting everything ends the session', () => {
    const cache = new FetchSessionCache(limits)
    const sessionId = opened(cache, [target('a')])
    const request = { ...full([], 1, sessionId), forgotten: [{ topicKey: 'a', partition: 0 }] }
    expect(cache.resolve(request, 0)).toEqual({ kind: 'full', targets: [], wantsSession: false })
    expect(cache.size).toBe(0)
  })

  test('only news is told: data, errors and moved watermarks', () => {
    const cache = new FetchSessionCache(limits)
    const targets = [target('a'), target('b'), target('c'), target('d')]
    const sessionId = opened(cache, targets)
    const answer = [
      status(),
      status({ recordBytes: 10 }),
      status({ lastStableOffset: 4 }),
      status({ errorCode: 'OFFSET_OUT_OF_RANGE', highWatermark: -1 }),
    ]
    expect(cache.select(sessionId, targets, answer)).toEqual([false, true, true, true])
    // The error is repeated, the moved watermark is not.
    expect(cache.select(sessionId, targets, answer)).toEqual([false, true, false, true])
  })

  test('a partition that got data is served last next time', () => {
    const cache = new FetchSessionCache(limits)
    const targets = [target('a'), target('b')]
    const sessionId = opened(cache, targets)
    cache.select(sessionId, targets, [status({ recordBytes: 10 }), status()])
    expect(cache.resolve(full([], 1, sessionId), 0)).toMatchObject({ targets: [target('b'), target('a')] })
  })

  test('a full cache evicts only a session that was not used for a while', () => {
    const cache = new FetchSessionCache(limits)
    const nextRandom = ids()
    const first = opened(cache, [target('a')], 0, nextRandom)
    opened(cache, [target('a')], 500, nextRandom)
    expect(opened(cache, [target('a')], 999, nextRandom)).toBe(NO_SESSION_ID)
    expect(opened(cache, [target('a')], 1000, nextRandom)).not.toBe(NO_SESSION_ID)
    expect(cache.resolve(full([], 1, first), 1000)).toMatchObject({ errorCode: 'FETCH_SESSION_ID_NOT_FOUND' })
  })

  test('cached partitions are bounded over all sessions', () => {
    const cache = new FetchSessionCache(limits)
    const many = Array.from({ length: 11 }, (_, partition) => target('a', partition))
    expect(opened(cache, many)).toBe(NO_SESSION_ID)
    const sessionId = opened(cache, many.slice(0, 10))
    expect(cache.resolve(full([target('b')], 1, sessionId), 0)).toMatchObject({ kind: 'refused' })
  })

  test('a final epoch closes the session it names', () => {
    const cache = new FetchSessionCache(limits)
    const sessionId = opened(cache, [target('a')])
    expect(cache.resolve(full([], -1, sessionId), 0)).toMatchObject({ kind: 'full', wantsSession: false })
    expect(cache.size).toBe(0)
  })
})
