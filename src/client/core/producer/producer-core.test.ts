import { describe, expect, test } from 'vitest'
import { KafkaError } from '../../errors.ts'
import { FakeCluster, Harness, Told, TOPIC } from './producer.test-kit.ts'

describe('batching', () => {
  test('what is there goes at once, with what came meanwhile', () => {
    const harness = Harness.idempotent()
    for (let n = 0; n < 3; n++) harness.send(`v${n}`)
    const asked = harness.one('Produce')
    expect(asked.batch.values).toEqual(['v0', 'v1', 'v2'])
    expect(asked.request).toMatchObject({
      destination: { kind: 'node', nodeId: 0 },
      body: { transactionalId: null, acks: -1, timeoutMs: 1_000 },
    })
  })

  test('lingers, and asks to be polled then', () => {
    const harness = Harness.idempotent({ lingerMs: 50 })
    harness.send('a')
    expect(harness.after(10)).toEqual([])
    expect(harness.lastPoll.nextPollMs).toBe(50)
    harness.send('b')
    expect(harness.after(40)[0]!.batch.values).toEqual(['a', 'b'])
  })

  test('a full batch does not linger', () => {
    const harness = Harness.idempotent({ lingerMs: 50, batchSizeBytes: 1_000 })
    harness.send('first')
    harness.after(50)[0]!.answer('NONE', 0)
    harness.send('x'.repeat(600))
    harness.send('y'.repeat(600))
    const asked = harness.one('Produce')
    expect(asked.batch.values[0]).toMatch(/^x+$/)
    expect(harness.after(50)[0]!.batch.values[0]).toMatch(/^y+$/)
  })

  test('a flush waits for what is there, and nothing that waits for it lingers', () => {
    const harness = Harness.idempotent({ lingerMs: 1_000 })
    harness.send('a')
    let isDone = false
    harness.core.flush({ pending: 0, done: () => (isDone = true) })
    const asked = harness.one('Produce')
    harness.send('later')
    asked.answer('NONE', 0)
    expect(isDone).toBe(true)
    harness.core.flush({ pending: 0, done: () => (isDone = false) })
    harness.one('Produce').answer('INVALID_RECORD')
    expect(isDone).toBe(false)
  })

  test('memory is freed when a batch is done, and what does not fit is refused', () => {
    const harness = Harness.idempotent({ bufferMemoryBytes: 2_000, maxRequestSizeBytes: 2_000 })
    const told = harness.send('x'.repeat(1_200))
    expect(harness.append('y'.repeat(1_200))).toBe('full')
    harness.one('Produce').answer('NONE', 0)
    expect(told.outcomes).toEqual(['0 at 0:0'])
    expect(harness.core.bufferedBytes).toBe(0)
    expect(harness.append('y'.repeat(1_200))).toBe('accepted')
  })

  test('records that wait for memory end the lingering', () => {
    const harness = Harness.idempotent({ lingerMs: 1_000 })
    harness.send('a')
    harness.core.isMemoryAwaited = true
    harness.one('Produce')
  })

  test('a record above the largest request is refused alone', () => {
    const harness = Harness.idempotent({ maxRequestSizeBytes: 1_000 })
    const result = harness.append('x'.repeat(1_000))
    expect(result).toMatchObject({ code: 'MESSAGE_TOO_LARGE', recovery: 'fix-configuration' })
    expect(harness.send('fine').outcomes).toEqual([])
  })

  test('requests are as large as may be, and no larger', () => {
    const harness = Harness.idempotent({ maxRequestSizeBytes: 1_000 }, new FakeCluster(3))
    for (let partition = 0; partition < 3; partition++) harness.send('x'.repeat(400), partition)
    const asked = harness.poll()
    expect(asked.map((one) => one.batches.length)).toEqual([2, 1])
  })

  test('a batch that compresses well takes more records', () => {
    const counts = (compression: 'none' | 'gzip'): number => {
      const harness = Harness.idempotent({ compression, batchSizeBytes: 2_000 })
      let last = 0
      for (let round = 0; round < 60; round++) {
        for (let n = 0; n < 50; n++) harness.append('a'.repeat(100), 0)
        let asked = harness.poll()
        while (asked.length > 0) {
          last = Math.max(last, asked[0]!.batch.header.recordCount)
          for (const one of asked) one.answer('NONE', 0)
          asked = harness.poll()
        }
      }
      return last
    }
    expect(counts('gzip')).toBeGreaterThan(1.2 * counts('none'))
  })
})

describe('partitions', () => {
  test('a key decides by murmur2, as text and as bytes', () => {
    const harness = Harness.idempotent({}, new FakeCluster(10))
    for (const key of ['a-little-bit-long-string', Buffer.from('a-little-bit-long-string')]) {
      const record = { timestampMs: 1, key, value: 'v', headers: undefined }
      expect(harness.core.append(TOPIC, undefined, record, undefined, 0, 0)).toBe('accepted')
    }
    // toPositive(-985981536) % 10
    expect(harness.one('Produce').batch).toMatchObject({
      partition: (-985_981_536 & 0x7fff_ffff) % 10,
      values: ['v', 'v'],
    })
  })

  test('without a key records stick to a partition for a batch, then move on, to those with a leader', () => {
    const cluster = new FakeCluster()
    cluster.setTopic(TOPIC, [0, undefined, 0, 0])
    let random = 0
    const harness = Harness.idempotent({ batchSizeBytes: 1_000, random: () => (random += 1) }, cluster)
    const used: number[] = []
    for (let n = 0; n < 40; n++) {
      const record = { timestampMs: 1, key: null, value: 'x'.repeat(100), headers: undefined }
      harness.core.append(TOPIC, undefined, record, undefined, 0, 0)
      for (const asked of harness.poll()) {
        used.push(asked.batch.partition)
        asked.answer('NONE', 0)
      }
    }
    expect(new Set(used)).toEqual(new Set([0, 2, 3]))
    const moves = used.filter((partition, at) => at > 0 && partition !== used[at - 1]).length
    expect(moves).toBeGreaterThan(3)
    expect(moves).toBeLessThan(8)
  })

  test('a partition that does not exist, and a topic that may not be used', () => {
    const harness = Harness.idempotent({}, new FakeCluster(2))
    expect(harness.append('v', 2)).toMatchObject({ code: 'INVALID_ARGUMENT' })
    const error = new KafkaError('TOPIC_AUTHORIZATION_FAILED', 'no')
    harness.cluster.topics.set(TOPIC, { ...harness.cluster.topic(TOPIC)!, partitions: [], error })
    expect(harness.append('v', 0)).toBe(error)
    harness.cluster.topics.delete(TOPIC)
    expect(harness.append('v', 0)).toBe('unknown-topic')
  })

  test('without a leader batches wait, and metadata is asked for', () => {
    const harness = Harness.idempotent()
    harness.cluster.setTopic(TOPIC, [undefined])
    harness.send('a')
    expect(harness.poll()).toEqual([])
    expect(harness.lastPoll.refreshMetadata).toBe(true)
    harness.cluster.setTopic(TOPIC, [3])
    expect(harness.one('Produce').request.destination).toEqual({ kind: 'node', nodeId: 3 })
  })

  test('a topic that was deleted and created again goes on', () => {
    const harness = Harness.idempotent()
    harness.sent('a').asked.answer('NONE', 0)
    const { told, asked } = harness.sent('b')
    asked.answer('UNKNOWN_TOPIC_ID')
    harness.cluster.setTopic(TOPIC, [0], 'anotheridanotheridan00')
    const [again] = harness.after(500)
    expect(again!.body['topicData']).toMatchObject([{ name: TOPIC, topicId: 'anotheridanotheridan00' }])
    again!.answer('NONE', 0)
    expect(told.outcomes).toEqual(['0 at 0:0'])
  })

  test('an answer that names topics by id is understood', () => {
    const harness = Harness.idempotent()
    const { told, asked } = harness.sent('a')
    const one = { index: 0, errorCode: 'NONE', baseOffset: 4, logAppendTimeMs: -1, logStartOffset: 0, recordErrors: [] }
    asked.reply({ responses: [{ name: '', topicId: 'topicidtopicidtopicid0', partitionResponses: [one] }] })
    expect(told.outcomes).toEqual(['0 at 0:4'])
  })

  test('without topic ids the versions that need them are not used', () => {
    const cluster = new FakeCluster()
    cluster.setTopic(TOPIC, [0], 'AAAAAAAAAAAAAAAAAAAAAA')
    expect(Harness.idempotent({}, cluster).sent('a').asked.request.maxVersion).toBe(12)
  })
})

describe('answers', () => {
  test('at most five batches of a partition have no answer', () => {
    const harness = Harness.idempotent({ batchSizeBytes: 0 })
    harness.sent('first').asked.answer('NONE', 0)
    for (let n = 0; n < 9; n++) harness.send(`v${n}`)
    const first = harness.poll()
    expect(first).toHaveLength(5)
    expect(harness.poll()).toEqual([])
    first[0]!.answer('NONE', 0)
    expect(harness.one('Produce').batch.values).toEqual(['v5'])
  })

  test('at most five also when the leader moves away from what it has not answered', () => {
    const harness = Harness.idempotent({ batchSizeBytes: 0 })
    harness.sent('first').asked.answer('NONE', 0)
    for (let n = 0; n < 9; n++) harness.send(`v${n}`)
    harness.poll()
    harness.cluster.setTopic(TOPIC, [1])
    expect(harness.poll()).toEqual([])
  })

  test('a broker gets at most maxInFlightRequests', () => {
    const harness = Harness.idempotent({ maxInFlightRequests: 2, maxRequestSizeBytes: 1_000 }, new FakeCluster(4))
    for (let partition = 0; partition < 4; partition++) harness.send('x'.repeat(700), partition)
    expect(harness.poll()).toHaveLength(2)
  })

  test('one that is left out of the answer is sent again', () => {
    const harness = Harness.idempotent({}, new FakeCluster(2))
    const told = [harness.send('a', 0), harness.send('b', 1)]
    harness.one('Produce').answerEach([{ errorCode: 'NONE', baseOffset: 0 }, undefined])
    harness.after(500)[0]!.answer('NONE', 7)
    expect(told.map(({ outcomes }) => outcomes)).toEqual([['0 at 0:0'], ['0 at 1:7']])
  })

  test('DUPLICATE_SEQUENCE_NUMBER is success at an unknown offset', () => {
    const harness = Harness.idempotent()
    const { told, asked } = harness.sent('a')
    asked.answer('DUPLICATE_SEQUENCE_NUMBER')
    expect(told.outcomes).toEqual(['0 at 0:?'])
  })

  test('an id that is none is asked for again', () => {
    const harness = new Harness()
    const told = harness.send('a')
    harness.one('InitProducerId').code('NONE')
    harness.after(500)[0]!.code('NONE', { producerId: 1, producerEpoch: 0 })
    harness.one('Produce').answer('NONE', 0)
    expect(told.outcomes).toEqual(['0 at 0:0'])
  })

  test('UNKNOWN_PRODUCER_ID of old brokers: waits for the log start offset, then a new epoch, in a transaction an abort', () => {
    const harness = Harness.idempotent()
    harness.sent('first').asked.answer('NONE', 0)
    const { told, asked } = harness.sent('a')
    asked.answer('UNKNOWN_PRODUCER_ID')
    const again = harness.after(500)[0]!
    expect(again.batch.bytes).toBe(asked.batch.bytes)
    again.answer('UNKNOWN_PRODUCER_ID', -1, { logStartOffset: 1 })
    const renumbered = harness.after(1_500)[0]!
    expect(renumbered.batch.header).toMatchObject({ producerEpoch: 1, baseSequence: 0 })
    renumbered.answer('NONE', 1)
    expect(told.outcomes).toEqual(['0 at 0:1'])
    const other = Harness.inTransaction(2)
    other.sent('a').asked.answer('UNKNOWN_PRODUCER_ID', -1, { logStartOffset: 1 })
    expect(other.core.state).toBe('AbortableError')
  })

  test('INVALID_PRODUCER_EPOCH without transactions fails the batch and leads to a newer epoch', () => {
    const harness = Harness.idempotent()
    const { told, asked } = harness.sent('a')
    asked.answer('INVALID_PRODUCER_EPOCH')
    expect(told.outcomes).toEqual(['0 INVALID_PRODUCER_EPOCH'])
    expect(harness.sent('b').asked.batch.header).toMatchObject({ producerEpoch: 1, baseSequence: 0 })
  })

  test('errors of single records are told to those, the others learn that they were not at fault', () => {
    const harness = Harness.idempotent()
    const told = ['a', 'b', 'c'].map((value) => harness.send(value))
    const errors: (KafkaError | undefined)[] = []
    const spy = {
      acknowledged: () => undefined,
      failed: (_i: number, _c: number, e: KafkaError) => void errors.push(e),
    }
    harness.append('d', 0, spy)
    harness
      .one('Produce')
      .answer('INVALID_RECORD', -1, { recordErrors: [{ batchIndex: 3, batchIndexErrorMessage: 'no key' }] })
    expect(told.map(({ outcomes }) => outcomes[0])).toEqual(Array(3).fill('0 INVALID_RECORD'))
    expect(errors[0]?.message).toContain('no key')
  })

  test('records of one call in several batches are told by their index', () => {
    const harness = Harness.idempotent({ batchSizeBytes: 0 }, new FakeCluster(2))
    for (const partition of [0, 1]) harness.sent('first', partition).asked.answer('NONE', 0)
    const told = new Told()
    for (let index = 0; index < 4; index++) harness.append(`v${index}`, index % 2, told, index)
    for (const [n, asked] of harness.poll().entries()) asked.answer('NONE', 10 * (n + 1))
    expect(told.outcomes.toSorted()).toEqual(['0 at 0:10', '1 at 1:10', '2 at 0:20', '3 at 1:20'])
  })

  test.each([
    ['TOPIC_AUTHORIZATION_FAILED', 'Ready'],
    ['INVALID_RECORD', 'Ready'],
    ['CLUSTER_AUTHORIZATION_FAILED', 'FatalError'],
    ['UNSUPPORTED_VERSION', 'FatalError'],
    ['PRODUCER_FENCED', 'FatalError'],
  ] as const)('%s fails the record, then: %s', (code, state) => {
    const harness = Harness.idempotent()
    const { told, asked } = harness.sent('a')
    asked.answer(code)
    expect(told.outcomes).toEqual([`0 ${code}`])
    harness.poll()
    expect(harness.core.state).toBe(state)
    const next = harness.append('b')
    expect(state === 'Ready' ? next : (next as KafkaError).code).toBe(state === 'Ready' ? 'accepted' : code)
  })

  test.each([
    ['INVALID_PRODUCER_EPOCH', 'AbortableError'],
    ['INVALID_TXN_STATE', 'AbortableError'],
    ['TRANSACTION_ABORTABLE', 'AbortableError'],
    ['TOPIC_AUTHORIZATION_FAILED', 'AbortableError'],
    ['MESSAGE_TOO_LARGE', 'AbortableError'],
    ['PRODUCER_FENCED', 'FatalError'],
    ['INVALID_PRODUCER_ID_MAPPING', 'FatalError'],
    ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'FatalError'],
    ['CLUSTER_AUTHORIZATION_FAILED', 'FatalError'],
    ['UNSUPPORTED_VERSION', 'FatalError'],
  ] as const)('%s in a transaction: %s', (code, state) => {
    const harness = Harness.inTransaction(2)
    harness.sent('a').asked.answer(code)
    expect(harness.core.state).toBe(state)
    expect(harness.core.error?.code).toBe(code)
  })
})

describe('without idempotence', () => {
  const OPTIONS = { isIdempotent: false, acks: 1 } as const

  test('batches have no producer, and no id is asked for', () => {
    const harness = new Harness(OPTIONS)
    const { told, asked } = harness.sent('a')
    expect(asked.body['acks']).toBe(1)
    expect(asked.batch.header).toMatchObject({ producerId: -1, producerEpoch: -1, baseSequence: -1 })
    asked.fail('DISCONNECTED')
    harness.after(200)[0]!.answer('NONE', 3)
    expect(told.outcomes).toEqual(['0 at 0:3'])
  })

  test('acks 0 is done when it has left', () => {
    const harness = new Harness({ isIdempotent: false, acks: 0 })
    const { told, asked } = harness.sent('a')
    expect(asked.request.expectsNoResponse).toBe(true)
    asked.reply(undefined as never)
    expect(told.outcomes).toEqual(['0 at 0:?'])
  })

  test('one request at a time keeps the order', () => {
    const harness = new Harness({ ...OPTIONS, maxInFlightRequests: 1, batchSizeBytes: 0 })
    for (let n = 0; n < 3; n++) harness.send(`v${n}`)
    const asked = harness.one('Produce')
    asked.fail('DISCONNECTED')
    harness.cluster.setTopic(TOPIC, [1])
    const seen: string[] = []
    for (let round = 0; round < 3; round++) {
      const again = harness.after(500)
      expect(again).toHaveLength(1)
      seen.push(...again[0]!.batch.values)
      again[0]!.answer('NONE', 0)
    }
    expect(seen).toEqual(['v0', 'v1', 'v2'])
  })

  test('a batch that is too large is split in order', () => {
    const harness = new Harness(OPTIONS)
    for (let n = 0; n < 4; n++) harness.send(`${n}`.repeat(100))
    harness.one('Produce').answer('MESSAGE_TOO_LARGE')
    const seen: string[] = []
    for (let asked = harness.poll(); asked.length > 0; asked = harness.poll()) {
      for (const one of asked) {
        seen.push(...one.batch.values.map((value) => value[0]!))
        one.answer('NONE', 0)
      }
    }
    expect(seen).toEqual(['0', '1', '2', '3'])
  })
})

describe('at the end of the epochs', () => {
  test('an idempotent producer takes another id, for nothing that may be stored', () => {
    const harness = new Harness()
    harness.core.init(new Told(), 0)
    harness.one('InitProducerId').code('NONE', { producerId: 7, producerEpoch: 32_767 })
    harness.sent('first').asked.answer('NONE', 0)
    const stored = harness.sent('may be stored')
    const refused = harness.sent('refused')
    stored.asked.fail('DISCONNECTED')
    refused.asked.answer('OUT_OF_ORDER_SEQUENCE_NUMBER')
    harness.after(200)[0]!.answer('OUT_OF_ORDER_SEQUENCE_NUMBER')
    harness.one('InitProducerId').code('NONE', { producerId: 8, producerEpoch: 0 })
    const again = harness.one('Produce')
    expect(again.batch).toMatchObject({
      values: ['refused'],
      header: { producerId: 8, producerEpoch: 0, baseSequence: 0 },
    })
    again.answer('NONE', 1)
    expect(stored.told.outcomes).toEqual(['0 OUT_OF_ORDER_SEQUENCE_NUMBER'])
    expect(refused.told.outcomes).toEqual(['0 at 0:1'])
  })
})

test('after close everything has failed and nothing is sent or taken', () => {
  const harness = Harness.idempotent()
  const { told, asked } = harness.sent('on its way')
  const waiting = harness.send('waiting')
  const error = new KafkaError('CLOSED', 'closed')
  harness.core.close(error)
  expect([told.outcomes, waiting.outcomes]).toEqual([['0 CLOSED'], ['0 CLOSED']])
  expect(harness.append('late')).toBe(error)
  expect(harness.poll()).toEqual([])
  expect(asked.api).toBe('Produce')
})
