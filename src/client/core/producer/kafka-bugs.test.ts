/**
 * Bugs that producers had, ours must not have: one scenario for each that can be shown without a broker.
 *
 * The numbers are rows of the project's list of known bugs in producer clients; each test names the source.
 */
import { describe, expect, test } from 'vitest'
import { type Asked, FakeCluster, Harness, sequencesOf, TOPIC, Told } from './producer.test-kit.ts'

const OOO = 'OUT_OF_ORDER_SEQUENCE_NUMBER'

/** As many requests with one record each, none answered, behind one that was: a broker that knows of nothing gets one at a time. */
function inFlight(harness: Harness, count: number): { told: Told; asked: Asked }[] {
  harness.sent('first').asked.answer('NONE', 0)
  return Array.from({ length: count }, (_, n) => harness.sent(`v${n}`))
}

test('row 57: NOT_LEADER may follow an applied write, so the repetition is the same batch (KAFKA-13574)', () => {
  const harness = Harness.idempotent()
  const { told, asked } = harness.sent('a')
  const { bytes } = asked.batch
  asked.answer('NOT_LEADER_OR_FOLLOWER')
  expect(harness.poll()).toEqual([])
  expect(harness.lastPoll.refreshMetadata).toBe(true)
  // Another leader, so there is nothing to wait for.
  harness.cluster.setTopic(TOPIC, [1])
  const again = harness.one('Produce')
  expect(again.request.destination).toEqual({ kind: 'node', nodeId: 1 })
  expect(again.batch.bytes).toBe(bytes)
  again.answer('NONE', 17)
  expect(told.outcomes).toEqual(['0 at 0:17'])
})

describe('row 58: a batch that is refused for good does not give its numbers to one that may be stored (KAFKA-14034)', () => {
  test.each([
    // Surely not stored, and nothing was numbered after it.
    ['INVALID_RECORD', '7/0:2 v2'],
    ['UNKNOWN_SERVER_ERROR', '7/1:0 v2'],
  ] as const)('first a time-out, then %s', (code, last) => {
    const harness = Harness.idempotent()
    const [first, second] = inFlight(harness, 2) as [{ told: Told; asked: Asked }, { told: Told; asked: Asked }]
    first.asked.fail('REQUEST_TIMEOUT')
    second.asked.answer(code)
    expect(second.told.outcomes).toEqual([`0 ${code}`])
    // The first may be stored: the only thing to do with it is the same request again, under the old epoch. Or to fail.
    const third = harness.send('v2')
    const seen: string[] = []
    for (let round = 0; round < 10; round++) {
      for (const asked of harness.after(200)) {
        seen.push(`${sequencesOf(asked)} ${asked.batch.values.join()}`)
        asked.answer('NONE', seen.length)
      }
    }
    const sentAgain = seen.filter((one) => one.endsWith('v0'))
    expect(sentAgain.every((one) => one.startsWith('7/0:1 '))).toBe(true)
    expect(first.told.outcomes).toHaveLength(1)
    expect(seen.at(-1)).toBe(last)
    expect(third.outcomes).toHaveLength(1)
  })
})

test('row 59: after an epoch bump for one partition the others begin at 0 as well (KAFKA-12152)', () => {
  const harness = Harness.idempotent({}, new FakeCluster(3))
  harness.sent('p1', 0).asked.answer('NONE', 0)
  harness.sent('p2', 1).asked.answer('NONE', 0)
  // The broker has lost its state of the first partition.
  const { told, asked } = harness.sent('p1 again', 0)
  expect(sequencesOf(asked)).toBe('7/0:1')
  asked.answer(OOO)
  const again = harness.after(200)[0]!
  expect(sequencesOf(again)).toBe('7/1:0')
  again.answer('NONE', 5)
  expect(told.outcomes).toEqual(['0 at 0:5'])
  // The idle one and the one that was never used.
  expect(sequencesOf(harness.sent('p2 again', 1).asked)).toBe('7/1:0')
  expect(sequencesOf(harness.sent('p3', 2).asked)).toBe('7/1:0')
})

test('row 59: batches of the old epoch that are on their way elsewhere are not overtaken by the new one', () => {
  const harness = Harness.idempotent({}, new FakeCluster(2))
  const other = harness.sent('old', 1)
  harness.sent('x', 0).asked.answer(OOO)
  const renumbered = harness.after(200)[0]!
  expect(sequencesOf(renumbered)).toBe('7/1:0')
  harness.send('new', 1)
  expect(harness.poll()).toEqual([])
  other.asked.answer('NOT_LEADER_OR_FOLLOWER')
  const again = harness.after(200)[0]!
  expect(`${sequencesOf(again)} ${again.batch.values.join()}`).toBe('7/0:0 old')
  again.answer('NONE', 3)
  expect(sequencesOf(harness.one('Produce'))).toBe('7/1:0')
})

describe('row 60: five in flight are repeated and numbered anew in their order (KAFKA-8483, 8484, 13794)', () => {
  test('they come back in any order and are sent again one by one', () => {
    const harness = Harness.idempotent()
    const all = inFlight(harness, 5)
    expect(all.map(({ asked }) => asked.batch.header.baseSequence)).toEqual([1, 2, 3, 4, 5])
    // The last ones are refused before the first is.
    for (const index of [4, 2, 3, 1]) all[index]!.asked.answer(OOO)
    all[0]!.asked.answer('NOT_ENOUGH_REPLICAS')
    const values: string[] = []
    for (let round = 0; round < 5; round++) {
      const asked = harness.after(1_500)
      expect(asked).toHaveLength(1)
      values.push(`${sequencesOf(asked[0]!)} ${asked[0]!.batch.values.join()}`)
      asked[0]!.answer('NONE', round)
    }
    expect(values).toEqual(['7/0:1 v0', '7/0:2 v1', '7/0:3 v2', '7/0:4 v3', '7/0:5 v4'])
    expect(all.map(({ told }) => told.outcomes)).toEqual(all.map((_, n) => [`0 at 0:${n}`]))
  })

  test('after lost state, all that was refused gets a new epoch, what may be stored fails', () => {
    const harness = Harness.idempotent()
    const all = inFlight(harness, 5)
    all[2]!.asked.fail('DISCONNECTED')
    for (const index of [1, 3, 4]) all[index]!.asked.answer(OOO)
    // Nothing is renumbered while an answer is missing.
    expect(harness.poll()).toEqual([])
    all[0]!.asked.answer(OOO)
    const seen: string[] = []
    for (let round = 0; round < 6; round++) {
      for (const asked of harness.after(1_500)) {
        seen.push(`${sequencesOf(asked)} ${asked.batch.values.join()}`)
        asked.answer('NONE', round)
      }
    }
    expect(seen).toEqual(['7/1:0 v0', '7/1:1 v1', '7/1:2 v3', '7/1:3 v4'])
    expect(all[2]!.told.outcomes).toEqual(['0 DISCONNECTED'])
  })
})

describe('row 61: late replies do not break the state machine (KAFKA-14830, 14831, 16217, 13412, 13782)', () => {
  test('a Produce that is answered after the producer was fenced changes nothing', () => {
    const harness = Harness.inTransaction(2)
    const [first, second] = inFlight(harness, 2) as [{ told: Told; asked: Asked }, { told: Told; asked: Asked }]
    first.asked.answer('PRODUCER_FENCED')
    expect(harness.core.state).toBe('FatalError')
    second.asked.fail('REQUEST_TIMEOUT')
    expect(harness.poll()).toEqual([])
    expect(harness.core.error?.code).toBe('PRODUCER_FENCED')
  })

  test('an InitProducerId that gets no answer is asked again', () => {
    const harness = new Harness({ transactionalId: 'tx' })
    const told = new Told()
    harness.core.init(told, 0)
    harness.one('InitProducerId').fail('REQUEST_TIMEOUT')
    harness.nowMs += 200
    harness.one('InitProducerId').code('CONCURRENT_TRANSACTIONS')
    harness.nowMs += 200
    harness.one('InitProducerId').code('NONE', { producerId: 3, producerEpoch: 4 })
    expect(told.outcomes).toEqual(['ok'])
    expect(harness.core.identity).toEqual({ producerId: 3, producerEpoch: 4 })
  })

  test('a record that is refused adds no partition to the transaction', () => {
    const harness = Harness.inTransaction(1, { bufferMemoryBytes: 2_000, maxRequestSizeBytes: 2_000 })
    expect(harness.append('x'.repeat(1_500), 0)).toBe('accepted')
    harness.cluster.setTopic('other', [0])
    const record = { timestampMs: 1, key: null, value: 'y'.repeat(1_500), headers: undefined }
    expect(harness.core.append('other', 0, record, undefined, 0, 0)).toBe('full')
    expect(harness.one('AddPartitionsToTxn').body['v3AndBelowTopics']).toEqual([{ name: TOPIC, partitions: [0] }])
  })
})

describe('row 62: an abort does not overtake a batch on the wire (KAFKA-14053)', () => {
  test.each([1, 2] as const)('transaction version %s', (version) => {
    const harness = Harness.inTransaction(version, { deliveryTimeoutMs: 500, requestTimeoutMs: 1_000 })
    harness.append('a')
    if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
    const held = harness.one('Produce')
    harness.after(600)
    expect(harness.core.state).toBe('AbortableError')
    expect(harness.core.error?.code).toBe('DELIVERY_TIMEOUT')
    const aborted = harness.abort()
    expect(harness.poll()).toEqual([])
    held.fail('REQUEST_TIMEOUT')
    const end = harness.one('EndTxn')
    expect(end.body).toMatchObject({ committed: false, producerEpoch: 0 })
    end.code('NONE', version === 2 ? { producerId: 7, producerEpoch: 1 } : {})
    if (version === 1) {
      // What may land later must meet a newer epoch.
      const init = harness.one('InitProducerId')
      expect(init.body).toMatchObject({ producerId: 7, producerEpoch: 0 })
      init.code('NONE', { producerId: 7, producerEpoch: 1 })
    }
    expect(aborted.outcomes).toEqual(['ok'])
    harness.begin()
    harness.append('b')
    if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
    expect(sequencesOf(harness.one('Produce'))).toBe('7/1:0')
  })

  test('with version 1 and a coordinator that gives no new epoch, the producer must not go on', () => {
    const cluster = new FakeCluster()
    cluster.versions.set('InitProducerId', 2)
    const harness = Harness.inTransaction(1, { deliveryTimeoutMs: 500 }, cluster)
    harness.append('a')
    harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce')
    harness.after(600)
    expect(harness.core.state).toBe('FatalError')
    expect(harness.core.error).toMatchObject({ code: 'DELIVERY_TIMEOUT', recovery: 'restart-producer' })
  })
})

describe('row 63: a commit without an answer is only ever asked again (KAFKA-9274)', () => {
  test('the same again, until it is answered', () => {
    const harness = Harness.inTransaction(2)
    harness.sent('a').asked.answer('NONE', 0)
    const committed = harness.commit()
    for (const code of ['DISCONNECTED', 'REQUEST_TIMEOUT'] as const) {
      const end = harness.after(500)[0]!
      expect(end.body).toMatchObject({ committed: true, producerId: 7, producerEpoch: 0 })
      end.fail(code)
    }
    harness.after(1_000)[0]!.code('NONE', { producerId: 7, producerEpoch: 1 })
    expect(committed.outcomes).toEqual(['ok'])
    expect(harness.core.state).toBe('Ready')
  })

  test('when time is up the outcome is unknown; an abort is refused, the commit may be repeated', () => {
    const harness = Harness.inTransaction(2, { maxBlockMs: 1_000 })
    harness.sent('a').asked.answer('NONE', 0)
    const committed = harness.commit()
    harness.one('EndTxn').fail('DISCONNECTED')
    // It is still being asked for.
    const [still] = harness.after(1_000)
    expect(committed.outcomes).toEqual(['COMMIT_OUTCOME_UNKNOWN'])
    expect(harness.abort().outcomes).toEqual(['ILLEGAL_STATE'])
    expect(harness.core.begin()?.code).toBe('ILLEGAL_STATE')
    const again = harness.commit()
    still!.fail('DISCONNECTED')
    harness.after(500)[0]!.code('NONE', { producerId: 7, producerEpoch: 1 })
    expect(again.outcomes).toEqual(['ok'])
  })

  test('a refusal of the repetition does not say what became of the first', () => {
    const harness = Harness.inTransaction(2)
    harness.sent('a').asked.answer('NONE', 0)
    const committed = harness.commit()
    harness.one('EndTxn').fail('DISCONNECTED')
    harness.after(500)[0]!.code('PRODUCER_FENCED')
    expect(committed.error).toMatchObject({ code: 'COMMIT_OUTCOME_UNKNOWN', recovery: 'restart-producer' })
    expect(committed.error?.cause).toMatchObject({ code: 'PRODUCER_FENCED' })
  })
})

describe('row 1: what was not answered in one transaction of version 1 must not be taken for the next (KAFKA-17754)', () => {
  test.each(['AddPartitionsToTxn', 'EndTxn'] as const)('after an unanswered %s a new epoch comes first', (api) => {
    const harness = Harness.inTransaction(1)
    harness.append('a')
    const answered = (name: string): Asked => {
      const asked = harness.one(name)
      if (name !== api) return asked
      asked.fail()
      return harness.after(1_000)[0]!
    }
    answered('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('NONE', 0)
    const committed = harness.commit()
    answered('EndTxn').code('NONE')
    expect(committed.outcomes).toEqual(['ok'])
    const ready = new Told()
    harness.core.init(ready, harness.nowMs)
    const init = harness.one('InitProducerId')
    expect(init.body).toMatchObject({ producerId: 7, producerEpoch: 0 })
    init.code('NONE', { producerId: 7, producerEpoch: 1 })
    expect(ready.outcomes).toEqual(['ok'])
    harness.begin()
    expect(harness.commit().outcomes).toEqual([])
  })

  test('when everything was answered there is none', () => {
    const harness = Harness.inTransaction(1)
    harness.append('a')
    harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('NONE', 0)
    harness.commit()
    harness.one('EndTxn').code('NONE')
    const ready = new Told()
    harness.core.init(ready, harness.nowMs)
    expect(ready.outcomes).toEqual(['ok'])
  })
})

describe('row 64: a batch that is too large is split without losing anything (KAFKA-5340)', () => {
  test('the parts keep the transactional flag, the id and the numbers', () => {
    const harness = Harness.inTransaction(2)
    for (let n = 0; n < 4; n++) harness.append(`v${n}`.repeat(100))
    const big = harness.one('Produce')
    expect(big.batch.header).toMatchObject({ recordCount: 4, isTransactional: true })
    big.answer('MESSAGE_TOO_LARGE')
    const parts: string[] = []
    let next = harness.poll()
    while (next.length > 0) {
      const { header } = next[0]!.batch
      expect(header.isTransactional).toBe(true)
      parts.push(`${sequencesOf(next[0]!)}+${header.recordCount}`)
      next[0]!.answer('NONE', 0)
      next = harness.poll()
    }
    expect(parts.map((one) => one.split('+')[0])[0]).toBe('7/0:0')
    const total = parts.reduce((sum, one) => sum + Number(one.split('+')[1]), 0)
    expect(total).toBe(4)
    expect(parts.length).toBeGreaterThan(1)
    const committed = harness.commit()
    harness.one('EndTxn').code('NONE', { producerId: 7, producerEpoch: 1 })
    expect(committed.outcomes).toEqual(['ok'])
  })

  test('calls learn where their records lie, and later batches wait for the parts', () => {
    const harness = Harness.idempotent()
    harness.sent('first').asked.answer('NONE', 0)
    const many = new Told()
    for (let n = 0; n < 4; n++) harness.append('x'.repeat(100), 0, many, n)
    const big = harness.one('Produce')
    const later = harness.sent('later')
    expect(sequencesOf(later.asked)).toBe('7/0:5')
    big.answer('MESSAGE_TOO_LARGE')
    later.asked.answer(OOO)
    let offset = 10
    const order: string[] = []
    for (let round = 0; round < 8; round++) {
      for (const asked of harness.after(1_500)) {
        order.push(`${sequencesOf(asked)}+${asked.batch.header.recordCount}`)
        asked.answer('NONE', offset)
        offset += asked.batch.header.recordCount
      }
    }
    expect(order.at(-1)).toBe('7/0:5+1')
    expect(many.outcomes.toSorted()).toEqual(['0 at 0:10', '1 at 0:11', '2 at 0:12', '3 at 0:13'])
    expect(later.told.outcomes).toEqual(['0 at 0:14'])
  })

  test('one record that is too large fails alone', () => {
    const harness = Harness.idempotent()
    const { told, asked } = harness.sent('x'.repeat(5_000))
    asked.answer('MESSAGE_TOO_LARGE')
    expect(told.outcomes).toEqual(['0 MESSAGE_TOO_LARGE'])
    const next = harness.sent('small')
    // Nothing was numbered after it, so its number is free.
    expect(sequencesOf(next.asked)).toBe('7/0:0')
  })
})

test('a broker that knows nothing of the producer cannot take the second batch before the first', () => {
  const harness = Harness.idempotent({ batchSizeBytes: 0 })
  const first = harness.send('a')
  const second = harness.send('b')
  harness.one('Produce').answer('NOT_ENOUGH_REPLICAS')
  const again = harness.after(500)
  expect(again.map((one) => one.batch.values.join())).toEqual(['a'])
  again[0]!.answer('NONE', 0)
  harness.one('Produce').answer('NONE', 1)
  expect([first.outcomes, second.outcomes]).toEqual([['0 at 0:0'], ['0 at 0:1']])
})

test('row 65: a topic that vanishes from the metadata and comes back goes on with its sequences (librdkafka 1.9.0)', () => {
  const harness = Harness.idempotent()
  harness.sent('a').asked.answer('NONE', 0)
  const view = harness.cluster.topics.get(TOPIC)!
  harness.cluster.topics.delete(TOPIC)
  expect(harness.append('b')).toBe('unknown-topic')
  harness.cluster.topics.set(TOPIC, view)
  const { told, asked } = harness.sent('b')
  expect(sequencesOf(asked)).toBe('7/0:1')
  asked.answer('NOT_LEADER_OR_FOLLOWER')
  harness.cluster.topics.delete(TOPIC)
  expect(harness.after(1_000)).toEqual([])
  expect(harness.lastPoll.refreshMetadata).toBe(true)
  harness.cluster.topics.set(TOPIC, view)
  const again = harness.one('Produce')
  expect(again.batch.bytes).toBe(asked.batch.bytes)
  again.answer('NONE', 1)
  expect(told.outcomes).toEqual(['0 at 0:1'])
})

describe.each([1, 2] as const)(
  'row 66: a gap inside a transaction aborts it (librdkafka #3575), version %s',
  (version) => {
    test('there is no new id in the middle of it', () => {
      const harness = Harness.inTransaction(version)
      harness.append('a')
      if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
      harness.one('Produce').answer('NONE', 0)
      harness.append('b')
      harness.one('Produce').answer(OOO)
      expect(harness.poll()).toEqual([])
      expect(harness.core.state).toBe('AbortableError')
      expect(harness.commit().error).toMatchObject({ code: OOO, recovery: 'abort-transaction' })
      expect(harness.append('c')).toMatchObject({ code: OOO })
      const aborted = harness.abort()
      harness.one('EndTxn').code('NONE', version === 2 ? { producerId: 7, producerEpoch: 1 } : {})
      if (version === 1) harness.one('InitProducerId').code('NONE', { producerId: 7, producerEpoch: 1 })
      expect(aborted.outcomes).toEqual(['ok'])
    })
  },
)

describe.each([1, 2] as const)(
  'row 67: a record that timed out here is not left out of a commit, version %s',
  (version) => {
    test('neither when it was never sent, nor when it was', () => {
      const harness = Harness.inTransaction(version, { deliveryTimeoutMs: 500 }, new FakeCluster(2))
      harness.append('a', 0)
      if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
      harness.one('Produce').answer('NONE', 0)
      harness.cluster.setTopic(TOPIC, [0, undefined])
      harness.append('b', 1)
      if (version === 1) harness.one('AddPartitionsToTxn').code('NONE')
      const committed = harness.commit()
      expect(harness.poll()).toEqual([])
      harness.after(600)
      expect(committed.error).toMatchObject({ code: 'DELIVERY_TIMEOUT', recovery: 'abort-transaction' })
      expect(harness.core.state).toBe('AbortableError')
      expect(harness.commit().outcomes).toEqual(['DELIVERY_TIMEOUT'])
    })
  },
)

describe('row 68: what may be stored is counted as such (librdkafka #4438, #4736, #4953, #4972)', () => {
  test('a repetition after a lost connection is byte-identical', () => {
    const harness = Harness.idempotent({ compression: 'gzip' })
    harness.send('a')
    harness.send('b')
    const asked = harness.one('Produce')
    const { bytes } = asked.batch
    const copy = Buffer.from(bytes)
    asked.fail('DISCONNECTED')
    // Later records make a batch of their own.
    harness.send('c')
    const again = harness.after(200)[0]!
    expect(again.batch.bytes).toBe(bytes)
    expect(copy.equals(bytes)).toBe(true)
  })

  test('an error for the second to fifth in flight bumps no epoch', () => {
    const harness = Harness.idempotent()
    const all = inFlight(harness, 3)
    all[1]!.asked.answer(OOO)
    all[2]!.asked.answer(OOO)
    all[0]!.asked.answer('NONE', 0)
    for (const n of [2, 3]) {
      const asked = harness.after(1_500)[0]!
      expect(sequencesOf(asked)).toBe(`7/0:${n}`)
      asked.answer('NONE', n)
    }
  })

  test('a batch that may be stored and then meets a gap fails', () => {
    const harness = Harness.idempotent()
    const { told, asked } = harness.sent('a')
    asked.fail('DISCONNECTED')
    harness.after(200)[0]!.answer(OOO)
    harness.after(200)
    expect(told.outcomes).toEqual([`0 ${OOO}`])
    expect(sequencesOf(harness.sent('b').asked)).toBe('7/1:0')
  })

  test('a connection that failed before anything was sent leaves the batch as it was', () => {
    const harness = Harness.idempotent()
    harness.sent('a').asked.answer('NONE', 0)
    const { told, asked } = harness.sent('b')
    asked.fail('CONNECTION_FAILED', false)
    harness.after(200)[0]!.answer(OOO)
    const again = harness.after(200)[0]!
    expect(sequencesOf(again)).toBe('7/1:0')
    again.answer('NONE', 1)
    expect(told.outcomes).toEqual(['0 at 0:1'])
  })
})

test('row 69: a time-out does not free the sequence numbers (franz-go #1217)', () => {
  const harness = Harness.idempotent({ deliveryTimeoutMs: 500 })
  const { told, asked } = harness.sent('a')
  asked.answer('REQUEST_TIMED_OUT')
  harness.after(600)
  expect(told.outcomes).toEqual(['0 DELIVERY_TIMEOUT'])
  // The number 0 of epoch 0 may be used up; whoever took it again would be taken for the repetition.
  expect(sequencesOf(harness.sent('b').asked)).toBe('7/1:0')
})

test('row 69: a batch that was given up here and is acknowledged after all leaves no gap', () => {
  const harness = Harness.idempotent({ deliveryTimeoutMs: 500 })
  const { told, asked } = harness.sent('a')
  harness.after(600)
  expect(told.outcomes).toEqual(['0 DELIVERY_TIMEOUT'])
  asked.answer('NONE', 0)
  expect(told.outcomes).toHaveLength(1)
  expect(sequencesOf(harness.sent('b').asked)).toBe('7/0:1')
})

describe('row 70: the end of one transaction and the beginning of the next do not mix (franz-go)', () => {
  test('nothing is taken between commit and begin', () => {
    const harness = Harness.inTransaction(2)
    harness.sent('a').asked.answer('NONE', 0)
    harness.commit()
    expect(harness.append('late')).toMatchObject({ code: 'ILLEGAL_STATE' })
    harness.one('EndTxn').code('NONE', { producerId: 7, producerEpoch: 1 })
    expect(harness.append('between')).toMatchObject({ code: 'ILLEGAL_STATE' })
    harness.begin()
    expect(sequencesOf(harness.sent('b').asked)).toBe('7/1:0')
  })

  test('what was not sent is dropped by an abort', () => {
    const harness = Harness.inTransaction(2)
    harness.cluster.setTopic(TOPIC, [undefined])
    harness.append('never sent')
    harness.poll()
    const aborted = harness.abort()
    harness.one('EndTxn').code('NONE', { producerId: 7, producerEpoch: 1 })
    expect(aborted.outcomes).toEqual(['ok'])
    harness.cluster.setTopic(TOPIC, [0])
    harness.begin()
    expect(harness.poll()).toEqual([])
    expect(harness.sent('b').asked.batch.values).toEqual(['b'])
  })

  test('UNKNOWN_SERVER_ERROR for a commit is no success', () => {
    const harness = Harness.inTransaction(2)
    harness.sent('a').asked.answer('NONE', 0)
    const committed = harness.commit()
    harness.one('EndTxn').code('UNKNOWN_SERVER_ERROR')
    expect(committed.outcomes).toEqual(['COMMIT_OUTCOME_UNKNOWN'])
    expect(harness.core.state).toBe('FatalError')
  })

  test('an AddPartitionsToTxn that fails does not forget what was added before', () => {
    const harness = Harness.inTransaction(1, {}, new FakeCluster(2))
    harness.append('a', 0)
    harness.one('AddPartitionsToTxn').code('NONE')
    harness.one('Produce').answer('NONE', 0)
    harness.append('b', 1)
    harness.one('AddPartitionsToTxn').code('TOPIC_AUTHORIZATION_FAILED')
    expect(harness.core.state).toBe('AbortableError')
    harness.abort()
    // There is a transaction to be ended.
    expect(harness.one('EndTxn').body).toMatchObject({ committed: false })
  })
})

describe('row 71: what kafkajs does not do (kafkajs #1050, #1172, #1388, #299)', () => {
  test('concurrent sends get sequences of their own', () => {
    const harness = Harness.idempotent({ batchSizeBytes: 0 })
    harness.sent('first').asked.answer('NONE', 99)
    const told = Array.from({ length: 8 }, (_, n) => harness.send(`v${n}`))
    const asked = harness.poll()
    expect(asked.map((one) => one.batch.header.baseSequence)).toEqual([1, 2, 3, 4, 5])
    for (const [n, one] of asked.entries()) one.answer('NONE', n)
    for (const [n, one] of harness.poll().entries()) one.answer('NONE', 5 + n)
    expect(told.map(({ outcomes }) => outcomes.join())).toEqual(told.map((_, n) => `0 at 0:${n}`))
  })

  test.each([1, 2] as const)('a transaction without anything ends without a request, version %s', (version) => {
    const harness = Harness.inTransaction(version)
    const committed = harness.commit()
    expect(harness.poll()).toEqual([])
    expect(committed.outcomes).toEqual(['ok'])
    harness.begin()
    const aborted = harness.abort()
    expect(harness.poll()).toEqual([])
    expect(aborted.outcomes).toEqual(['ok'])
  })

  test('CONCURRENT_TRANSACTIONS is waited out everywhere', () => {
    const harness = Harness.inTransaction(1)
    harness.append('a')
    harness.one('AddPartitionsToTxn').code('CONCURRENT_TRANSACTIONS')
    expect(harness.poll()).toEqual([])
    harness.after(25)[0]!.code('NONE')
    harness.one('Produce').answer('CONCURRENT_TRANSACTIONS')
    harness.after(25)[0]!.answer('NONE', 0)
    const committed = harness.commit()
    harness.one('EndTxn').code('CONCURRENT_TRANSACTIONS')
    harness.after(25)[0]!.code('NONE')
    expect(committed.outcomes).toEqual(['ok'])
  })
})
