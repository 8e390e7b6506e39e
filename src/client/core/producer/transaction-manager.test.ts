import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import { FakeCluster, Harness, sequencesOf, Told, TOPIC } from './producer.test-kit.ts'

const GROUP = { groupId: 'g', generationId: 4, memberId: 'm', groupInstanceId: 'i' }
const OFFSETS = new Map([
  [
    'in',
    new Map([
      [0, { offset: 5, leaderEpoch: 2, metadata: 'x' }],
      [1, { offset: 6 }],
    ]),
  ],
])
const NEXT = { producerId: 7, producerEpoch: 1 }

function sendOffsets(harness: Harness): Told {
  const told = new Told()
  harness.core.sendOffsets(OFFSETS, GROUP, told, harness.nowMs)
  return told
}

describe('transaction version 2', () => {
  test('partitions are added by writing, and EndTxn names the next epoch', () => {
    const harness = Harness.inTransaction(2)
    const { asked } = harness.sent('a')
    expect(asked.request).toMatchObject({ minVersion: 12, body: { transactionalId: 'tx', acks: -1 } })
    expect(asked.request.maxVersion).toBeUndefined()
    asked.answer('NONE', 0)
    const committed = harness.commit()
    const end = harness.one('EndTxn')
    expect(end.request).toMatchObject({
      minVersion: 5,
      destination: { kind: 'coordinator', of: 'transaction', key: 'tx' },
    })
    end.code('NONE', { producerId: 9, producerEpoch: 0 })
    expect(committed.outcomes).toEqual(['ok'])
    harness.begin()
    expect(sequencesOf(harness.sent('b').asked)).toBe('9/0:0')
  })

  test('offsets go to the group at once', () => {
    const harness = Harness.inTransaction(2)
    const told = sendOffsets(harness)
    const commit = harness.one('TxnOffsetCommit')
    expect(commit.request).toMatchObject({ minVersion: 5, destination: { kind: 'coordinator', of: 'group', key: 'g' } })
    expect(commit.body).toMatchObject({
      generationId: 4,
      memberId: 'm',
      groupInstanceId: 'i',
      topics: [
        {
          name: 'in',
          partitions: [
            { partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: 2, committedMetadata: 'x' },
            { partitionIndex: 1, committedOffset: 6, committedLeaderEpoch: -1, committedMetadata: '' },
          ],
        },
      ],
    })
    commit.code('NONE')
    expect(told.outcomes).toEqual(['ok'])
    harness.commit()
    expect(harness.one('EndTxn').body).toMatchObject({ committed: true })
  })
})

describe('transaction version 1', () => {
  test('version 1 adds partitions before it writes to them, each once', () => {
    const harness = Harness.inTransaction(1, {}, new FakeCluster(2))
    harness.append('a', 0)
    const add = harness.one('AddPartitionsToTxn')
    expect(add.request.maxVersion).toBe(3)
    harness.append('b', 1)
    expect(harness.poll()).toEqual([])
    add.code('NONE')
    const asked = harness.poll()
    expect(asked.map(({ api }) => api)).toEqual(['Produce', 'AddPartitionsToTxn'].toSorted())
    const [second, first] = asked.toSorted((a, b) => b.api.localeCompare(a.api)).toReversed()
    expect(first!.request.maxVersion).toBe(11)
    expect(first!.batch.partition).toBe(0)
    second!.code('NONE')
    expect(harness.one('Produce').batch.partition).toBe(1)
    first!.answer('NONE', 0)
    harness.append('c', 0)
    expect(harness.one('Produce').batch.values).toEqual(['c'])
  })

  test('the epoch stays, and sequences go on', () => {
    const harness = Harness.inTransaction(1)
    harness.append('a')
    harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('NONE', 0)
    harness.commit()
    const end = harness.one('EndTxn')
    expect(end.request.maxVersion).toBe(4)
    end.code('NONE')
    harness.begin()
    harness.append('b')
    harness.one('AddPartitionsToTxn').code('NONE')
    expect(sequencesOf(harness.one('Produce'))).toBe('7/0:1')
  })

  test('offsets are added first', () => {
    const harness = Harness.inTransaction(1)
    const told = sendOffsets(harness)
    const add = harness.one('AddOffsetsToTxn')
    expect(add.body).toMatchObject({ groupId: 'g', producerId: 7 })
    add.code('NONE')
    const commit = harness.one('TxnOffsetCommit')
    expect(commit.request).toMatchObject({ minVersion: 3, maxVersion: 4 })
    commit.code('NONE')
    expect(told.outcomes).toEqual(['ok'])
  })

  test.each(['AddPartitionsToTxn', 'AddOffsetsToTxn'] as const)(
    'an %s without an answer is asked for even when aborting',
    (api) => {
      const harness = Harness.inTransaction(1)
      if (api === 'AddPartitionsToTxn') harness.append('a')
      else sendOffsets(harness)
      harness.one(api).fail('REQUEST_TIMEOUT')
      const aborted = harness.abort()
      harness.nowMs += 200
      harness.one(api).code('NONE')
      harness.one('EndTxn').code('NONE')
      expect(aborted.outcomes).toEqual(['ok'])
    },
  )

  test('an abort after something failed is followed by a new epoch', () => {
    const harness = Harness.inTransaction(1)
    harness.append('a')
    harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('INVALID_RECORD')
    const aborted = harness.abort()
    harness.one('EndTxn').code('NONE')
    expect(aborted.outcomes).toEqual([])
    const init = harness.one('InitProducerId')
    expect(init.body).toMatchObject({ transactionalId: 'tx', producerId: 7, producerEpoch: 0 })
    init.code('NONE', NEXT)
    expect(aborted.outcomes).toEqual(['ok'])
  })

  test('an abort of what went well needs none', () => {
    const harness = Harness.inTransaction(1)
    harness.append('a')
    harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('NONE', 0)
    const aborted = harness.abort()
    harness.one('EndTxn').code('NONE')
    expect(aborted.outcomes).toEqual(['ok'])
    expect(harness.poll()).toEqual([])
  })

  test('a coordinator that cannot give a new epoch is enough where nothing can be stored', () => {
    const cluster = new FakeCluster()
    cluster.versions.set('InitProducerId', 2)
    const harness = Harness.inTransaction(1, {}, cluster)
    harness.append('a')
    harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('INVALID_RECORD')
    const aborted = harness.abort()
    harness.one('EndTxn').code('NONE')
    expect(aborted.outcomes).toEqual(['ok'])
    harness.begin()
    harness.append('b')
    harness.one('AddPartitionsToTxn').code('NONE')
    expect(sequencesOf(harness.one('Produce'))).toBe('7/0:0')
  })
})

describe('which version', () => {
  test.each([
    ['Produce', 11],
    ['EndTxn', 4],
    ['TxnOffsetCommit', 4],
  ])('%s up to %s anywhere means version 1', (api, version) => {
    const cluster = new FakeCluster()
    cluster.versions.set(api, version)
    const harness = Harness.inTransaction(2, {}, cluster)
    expect(harness.core.transactionVersion).toBe(1)
  })

  test('the option decides when it says 1', () => {
    expect(Harness.inTransaction(2, { transactionVersion: 1 }).core.transactionVersion).toBe(1)
    expect(Harness.inTransaction(2).core.transactionVersion).toBe(2)
  })

  test('an upgrade of the cluster counts from the next transaction on, under a new epoch (KAFKA-18227)', () => {
    const harness = Harness.inTransaction(1)
    harness.append('a')
    harness.cluster.transactionVersion = 2
    harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('NONE', 0)
    harness.commit()
    harness.one('EndTxn').code('NONE')
    const ready = new Told()
    harness.core.init(ready, harness.nowMs)
    harness.one('InitProducerId').code('NONE', NEXT)
    expect(ready.outcomes).toEqual(['ok'])
    harness.begin()
    expect(harness.core.transactionVersion).toBe(2)
    expect(sequencesOf(harness.sent('b').asked)).toBe('7/1:0')
  })

  test('so does a downgrade', () => {
    const harness = Harness.inTransaction(2)
    harness.sent('a').asked.answer('NONE', 0)
    harness.cluster.transactionVersion = 1
    harness.commit()
    harness.one('EndTxn').code('NONE', NEXT)
    const ready = new Told()
    harness.core.init(ready, harness.nowMs)
    expect(ready.outcomes).toEqual(['ok'])
    harness.begin()
    harness.append('b')
    expect(harness.one('AddPartitionsToTxn').body).toMatchObject({ v3AndBelowProducerEpoch: 1 })
  })
})

describe.each([1, 2] as const)('the end, version %s', (version) => {
  test('EndTxn waits until every batch is acknowledged and every offset accepted', () => {
    const harness = Harness.inTransaction(version)
    harness.append('a')
    if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
    const produced = harness.one('Produce')
    const offsets = sendOffsets(harness)
    const committed = harness.commit()
    if (version === 1) harness.one('AddOffsetsToTxn').code('NONE')
    const commit = harness.one('TxnOffsetCommit')
    produced.answer('NONE', 0)
    expect(harness.poll()).toEqual([])
    commit.code('NONE')
    harness.one('EndTxn').code('NONE', version === 2 ? NEXT : {})
    expect([offsets.outcomes, committed.outcomes]).toEqual([['ok'], ['ok']])
  })

  test('lingering batches go at once when a commit waits for them', () => {
    const harness = Harness.inTransaction(version, { lingerMs: 1_000 })
    harness.append('a')
    if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
    expect(harness.poll()).toEqual([])
    harness.commit()
    harness.one('Produce')
  })

  test('offsets that are not accepted in time abort the transaction', () => {
    const harness = Harness.inTransaction(version, { maxBlockMs: 1_000 })
    const told = sendOffsets(harness)
    harness.one().code('COORDINATOR_LOAD_IN_PROGRESS')
    harness.after(1_000)
    expect(told.error).toMatchObject({ code: 'REQUEST_TIMEOUT', recovery: 'abort-transaction' })
    expect(harness.core.state).toBe('AbortableError')
  })

  test('only what was refused of the offsets is asked again', () => {
    const harness = Harness.inTransaction(version)
    const told = sendOffsets(harness)
    if (version === 1) harness.one('AddOffsetsToTxn').code('NONE')
    harness.one('TxnOffsetCommit').reply({
      topics: [
        {
          name: 'in',
          partitions: [
            { partitionIndex: 0, errorCode: 'NONE' },
            { partitionIndex: 1, errorCode: 'NOT_COORDINATOR' },
          ],
        },
      ],
    })
    const [again] = harness.after(500)
    expect(harness.lastPoll.forgetCoordinators).toEqual([{ of: 'group', key: 'g' }])
    expect(again!.body['topics']).toMatchObject([{ name: 'in', partitions: [{ partitionIndex: 1 }] }])
    again!.code('NONE')
    expect(told.outcomes).toEqual(['ok'])
  })

  test('an unknown outcome is watched until it is known', () => {
    const harness = Harness.inTransaction(version, { maxBlockMs: 1_000 })
    harness.append('a')
    if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('NONE', 0)
    const first = harness.commit()
    const held = harness.one('EndTxn')
    harness.after(1_000)
    expect(first.outcomes).toEqual(['COMMIT_OUTCOME_UNKNOWN'])
    expect(first.error?.recovery).toBe('retry')
    const second = harness.commit()
    held.code('NONE', version === 2 ? NEXT : {})
    expect(second.outcomes).toEqual(['ok'])
  })

  test('a commit that the coordinator has certainly not taken can be aborted', () => {
    const harness = Harness.inTransaction(version, { maxBlockMs: 1_000 })
    harness.append('a')
    if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('NONE', 0)
    const committed = harness.commit()
    harness.one('EndTxn').code('COORDINATOR_LOAD_IN_PROGRESS')
    for (let round = 0; round < 8; round++)
      for (const asked of harness.after(150)) asked.fail('CONNECTION_FAILED', false)
    expect(committed.error).toMatchObject({ code: 'REQUEST_TIMEOUT', recovery: 'abort-transaction' })
    const aborted = harness.abort()
    harness.nowMs += 800
    harness.one('EndTxn').code('NONE', version === 2 ? NEXT : {})
    expect(aborted.outcomes).toEqual(['ok'])
  })

  test('an abort that gets no answer in time goes on being asked for', () => {
    const harness = Harness.inTransaction(version, { maxBlockMs: 1_000 })
    harness.append('a')
    if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('NONE', 0)
    const first = harness.abort()
    harness.one('EndTxn').fail('DISCONNECTED')
    const [again] = harness.after(1_000)
    expect(first.outcomes).toEqual(['REQUEST_TIMEOUT'])
    const second = harness.abort()
    again!.code('NONE', version === 2 ? NEXT : {})
    expect(second.outcomes).toEqual(['ok'])
  })
})

/** What each answer of a coordinator leads to: kafka's handlers, row by row. */
describe('answers of coordinators', () => {
  const FENCED: readonly ErrorCode[] = ['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']
  const FATAL: readonly ErrorCode[] = ['INVALID_PRODUCER_ID_MAPPING', 'INVALID_TXN_STATE', 'UNKNOWN_SERVER_ERROR']
  const AGAIN: readonly ErrorCode[] = [
    'COORDINATOR_LOAD_IN_PROGRESS',
    'COORDINATOR_NOT_AVAILABLE',
    'NOT_COORDINATOR',
    'CONCURRENT_TRANSACTIONS',
    'REQUEST_TIMED_OUT',
  ]
  const abortable = (...codes: ErrorCode[]): [ErrorCode, string][] => codes.map((code) => [code, 'AbortableError'])

  const rows: readonly [string, readonly [ErrorCode, string][]][] = [
    [
      'AddPartitionsToTxn',
      abortable(
        'TRANSACTION_ABORTABLE',
        'TOPIC_AUTHORIZATION_FAILED',
        'UNKNOWN_PRODUCER_ID',
        'OPERATION_NOT_ATTEMPTED',
      ),
    ],
    ['AddOffsetsToTxn', abortable('TRANSACTION_ABORTABLE', 'GROUP_AUTHORIZATION_FAILED', 'UNKNOWN_PRODUCER_ID')],
    [
      'TxnOffsetCommit',
      abortable(
        'TRANSACTION_ABORTABLE',
        'GROUP_AUTHORIZATION_FAILED',
        'FENCED_INSTANCE_ID',
        'ILLEGAL_GENERATION',
        'UNKNOWN_MEMBER_ID',
        'TOPIC_AUTHORIZATION_FAILED',
        'OFFSET_METADATA_TOO_LARGE',
      ),
    ],
    ['EndTxn', abortable('TRANSACTION_ABORTABLE', 'UNKNOWN_PRODUCER_ID')],
  ]
  const cases = rows.flatMap(([api, own]) => [
    ...own.map(([code, state]) => [api, code, state] as const),
    ...FENCED.map((code) => [api, code, 'fenced'] as const),
    ...FATAL.filter((code) => api !== 'AddPartitionsToTxn' || code !== 'UNKNOWN_SERVER_ERROR').map(
      (code) => [api, code, 'FatalError'] as const,
    ),
    [api, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'FatalError'] as const,
    ...AGAIN.map((code) => [api, code, 'again'] as const),
  ])

  test.each(cases)('%s answering %s: %s', (api, code, expected) => {
    const harness = Harness.inTransaction(1)
    if (api === 'AddPartitionsToTxn') harness.append('a')
    else sendOffsets(harness)
    if (api === 'TxnOffsetCommit' || api === 'EndTxn') harness.one('AddOffsetsToTxn').code('NONE')
    if (api === 'EndTxn') {
      harness.one('TxnOffsetCommit').code('NONE')
      harness.commit()
    }
    harness.one(api).code(code)
    if (expected === 'again') {
      expect(harness.core.error).toBeUndefined()
      expect(harness.after(1_000).map((asked) => asked.api)).toEqual([api])
      const isMoved = code === 'NOT_COORDINATOR' || code === 'COORDINATOR_NOT_AVAILABLE'
      const forgets = isMoved || (api === 'TxnOffsetCommit' && code === 'REQUEST_TIMED_OUT')
      expect(harness.lastPoll.forgetCoordinators).toHaveLength(forgets ? 1 : 0)
    } else {
      expect(harness.core.state).toBe(expected === 'fenced' ? 'FatalError' : expected)
      expect(harness.core.error?.code).toBe(expected === 'fenced' ? 'PRODUCER_FENCED' : code)
      expect(harness.poll()).toEqual([])
    }
  })

  test.each([
    ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'Uninitialized'],
    ['CLUSTER_AUTHORIZATION_FAILED', 'Uninitialized'],
    ['PRODUCER_FENCED', 'FatalError'],
    ['INVALID_PRODUCER_EPOCH', 'FatalError'],
    ['INVALID_TRANSACTION_TIMEOUT', 'FatalError'],
    ['CONCURRENT_TRANSACTIONS', 'Initializing'],
    ['COORDINATOR_NOT_AVAILABLE', 'Initializing'],
  ] as const)('InitProducerId answering %s: %s', (code, state) => {
    const harness = new Harness({ transactionalId: 'tx' })
    const told = new Told()
    harness.core.init(told, 0)
    harness.one('InitProducerId').code(code)
    expect(harness.core.state).toBe(state)
    if (state !== 'Initializing') expect(told.outcomes).toHaveLength(1)
  })

  test('a refused idempotent producer fails what was sent, and asks again for the next', () => {
    const harness = new Harness()
    const first = harness.send('a')
    harness.one('InitProducerId').code('CLUSTER_AUTHORIZATION_FAILED')
    expect(first.outcomes).toEqual(['0 CLUSTER_AUTHORIZATION_FAILED'])
    const second = harness.send('b')
    harness.one('InitProducerId').code('NONE', { producerId: 8, producerEpoch: 0 })
    harness.one('Produce').answer('NONE', 0)
    expect(second.outcomes).toEqual(['0 at 0:0'])
  })

  test('an answer that leaves something out is asked for again', () => {
    const harness = Harness.inTransaction(1)
    harness.append('a')
    harness.one('AddPartitionsToTxn').reply({ resultsByTopicV3AndBelow: [] })
    harness.after(500)[0]!.code('NONE')
    sendOffsets(harness)
    const asked = harness.poll().find(({ api }) => api === 'AddOffsetsToTxn')!
    asked.code('NONE')
    harness.one('TxnOffsetCommit').reply({ topics: [] })
    expect(harness.after(500)[0]!.api).toBe('TxnOffsetCommit')
  })
})

test('a failure elsewhere leaves nothing of the transaction to be sent', () => {
  const harness = Harness.inTransaction(2, {}, new FakeCluster(2))
  const { asked } = harness.sent('a', 0)
  harness.append('b', 1)
  asked.answer('TOPIC_AUTHORIZATION_FAILED')
  expect(harness.poll()).toEqual([])
  expect(harness.core.error).toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED', recovery: 'abort-transaction' })
  expect(harness.core.incompleteBatches).toBe(0)
  expect(harness.core.bufferedBytes).toBe(0)
  expect(harness.cluster.topic(TOPIC)?.partitions).toHaveLength(2)
})
