import { describe, expect, test } from 'vitest'
import {
  EXPIRATION_MS,
  EXPIRATION_SCAN_MS,
  ID,
  MAX_TIMEOUT_MS,
  NOBODY,
  TIMEOUT_SCAN_MS,
  TransactionShell,
  V1,
  V2,
} from './transaction-shell.test-kit.ts'
import type { Producer } from './transaction-shell.test-kit.ts'

describe('InitProducerId', () => {
  test('without a transactional id it gives an id of its own each time, and remembers nothing', () => {
    const shell = new TransactionShell()
    expect(shell.init({ id: null })).toEqual({ errorCode: 'NONE', producerId: 1000, producerEpoch: 0 })
    // Even where the producer names what it had.
    expect(shell.init({ id: null, as: { producerId: 5, producerEpoch: 3 } }).producerId).toBe(1001)
    expect(shell.coordinator.size).toBe(0)
  })

  test('each new instance gets the next epoch of the same id', () => {
    const shell = new TransactionShell()
    expect(shell.init()).toEqual({ errorCode: 'NONE', producerId: 1000, producerEpoch: 0 })
    expect(shell.init()).toEqual({ errorCode: 'NONE', producerId: 1000, producerEpoch: 1 })
    expect(shell.log.at(-1)?.value).toMatchObject({ transactionPartitions: null, transactionStartTimestampMs: -1 })
  })

  test.each([
    ['an empty transactional id', { id: '' }, 'INVALID_REQUEST'],
    ['a producer id without an epoch', { as: { producerId: 1000, producerEpoch: -1 } }, 'INVALID_REQUEST'],
    ['an epoch without a producer id', { as: { producerId: -1, producerEpoch: 0 } }, 'INVALID_REQUEST'],
    ['the same of a plain producer', { id: null, as: { producerId: -1, producerEpoch: 0 } }, 'INVALID_REQUEST'],
    ['no timeout', { timeoutMs: 0 }, 'INVALID_TRANSACTION_TIMEOUT'],
    ['a timeout above the largest', { timeoutMs: MAX_TIMEOUT_MS + 1 }, 'INVALID_TRANSACTION_TIMEOUT'],
    ['an unknown producer id', { as: { producerId: 5, producerEpoch: 0 } }, 'PRODUCER_FENCED'],
    ['an epoch to come', { as: { producerId: 1000, producerEpoch: 9 } }, 'PRODUCER_FENCED'],
    [
      'the same, in a version that does not know that error',
      { as: { producerId: 5, producerEpoch: 0 }, version: 3 },
      'INVALID_PRODUCER_EPOCH',
    ],
  ] as const)('%s is refused: %s %s', (_, options, errorCode) => {
    const shell = new TransactionShell()
    shell.init()
    expect(shell.init(options)).toEqual({ errorCode, ...NOBODY })
    expect(shell.log).toHaveLength(1)
  })

  test('two-phase commit with an outside coordinator is off (KIP-939)', () => {
    const { coordinator, nowMs } = new TransactionShell()
    const request = {
      transactionalId: ID,
      transactionTimeoutMs: 1,
      ...NOBODY,
      enable2Pc: false,
      keepPreparedTxn: false,
    }
    const errorOf = (flags: object) => coordinator.initProducerId({ ...request, ...flags }, 6, nowMs).reply.errorCode
    expect(errorOf({ enable2Pc: true })).toBe('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
    expect(errorOf({ keepPreparedTxn: true })).toBe('UNSUPPORTED_VERSION')
  })

  test('one transactional id too many is refused, those that are known go on', () => {
    const shell = new TransactionShell({ limits: { transactionalIdsMax: 2, partitionsMax: 1 } })
    shell.init({ id: 'a' })
    shell.init({ id: 'b' })
    expect(shell.init({ id: 'c' }).errorCode).toBe('POLICY_VIOLATION')
    expect(shell.init({ id: 'b' }).errorCode).toBe('NONE')
  })

  describe('of a producer that resumes (KIP-360)', () => {
    test('raises the epoch, and the repetition gets the same answer', () => {
      const shell = new TransactionShell()
      const first = shell.init()
      const second = shell.init({ as: first })
      expect(second).toEqual({ ...first, producerEpoch: 1 })
      expect(shell.init({ as: first })).toEqual(second)
      expect(shell.init({ as: second })).toEqual({ ...first, producerEpoch: 2 })
      expect(shell.init({ as: first }).errorCode).toBe('PRODUCER_FENCED')
    })

    test('is fenced once a new instance has come', () => {
      const shell = new TransactionShell()
      const first = shell.init()
      shell.init()
      expect(shell.init({ as: first }).errorCode).toBe('PRODUCER_FENCED')
    })

    test('is taken as a new one where the transactional id is unknown', () => {
      const shell = new TransactionShell()
      expect(shell.init({ as: { producerId: 5, producerEpoch: 7 } })).toEqual({
        errorCode: 'NONE',
        producerId: 1000,
        producerEpoch: 0,
      })
    })

    test('aborts its own open transaction first', () => {
      const shell = new TransactionShell()
      const first = shell.init()
      shell.add(first)
      expect(shell.init({ as: first })).toEqual({ errorCode: 'CONCURRENT_TRANSACTIONS', ...NOBODY })
      expect(shell.state).toBe('PrepareAbort')
    })

    test('a repetition over a restart is fenced, as in Kafka', () => {
      const shell = new TransactionShell()
      const first = shell.init()
      shell.init({ as: first })
      shell.restart()
      expect(shell.init({ as: first }).errorCode).toBe('PRODUCER_FENCED')
    })
  })
})

describe('partitions', () => {
  test('the first ones begin the transaction, the rest join it, what is in costs nothing', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    expect(shell.add(producer, { partitions: [0, 1] })).toEqual(['NONE', 'NONE'])
    const startMs = shell.nowMs
    shell.nowMs += 5000
    expect(shell.add(producer, { partitions: [1, 2] })).toEqual(['NONE', 'NONE'])
    expect(shell.log.at(-1)?.value).toMatchObject({
      transactionStatus: 1,
      transactionPartitions: [{ topic: 't', partitionIds: [0, 1, 2] }],
      transactionStartTimestampMs: startMs,
      transactionLastUpdateTimestampMs: startMs + 5000,
      clientTransactionVersion: 2,
    })
    const written = shell.log.length
    shell.add(producer, { partitions: [2, 0] })
    expect(shell.log).toHaveLength(written)
  })

  test('the next transaction begins with none of the last one', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer, { partitions: [0, 1] })
    shell.end(producer, true, V1)
    shell.complete()
    shell.nowMs += 7
    shell.add(producer, { partitions: [2], version: 0 })
    expect(shell.log.at(-1)?.value).toMatchObject({
      transactionPartitions: [{ topic: 't', partitionIds: [2] }],
      transactionStartTimestampMs: shell.nowMs,
      clientTransactionVersion: 0,
    })
  })

  test.each([
    ['an unknown id', { id: 'other' }, {}, 'INVALID_PRODUCER_ID_MAPPING'],
    ['no id', { id: '' }, {}, 'INVALID_REQUEST'],
    ['another producer id', {}, { producerId: 5 }, 'INVALID_PRODUCER_ID_MAPPING'],
    ['an older epoch', {}, { producerEpoch: 0 }, 'PRODUCER_FENCED'],
    ['an epoch to come', {}, { producerEpoch: 2 }, 'PRODUCER_FENCED'],
  ] as const)('%s is refused, adding and verifying', (_, options, change, error) => {
    const shell = new TransactionShell()
    shell.init()
    const producer = { ...shell.init(), ...change }
    expect(shell.add(producer, options)).toEqual([error])
    expect(shell.verify(producer, options)).toEqual([error])
  })

  test('verifying answers for each partition', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer, { partitions: [0, 2] })
    expect(shell.verify(producer, { partitions: [0, 1, 2] })).toEqual(['NONE', 'TRANSACTION_ABORTABLE', 'NONE'])
  })

  test('one too many is refused and leaves the transaction as it was', () => {
    const shell = new TransactionShell({ limits: { transactionalIdsMax: 1, partitionsMax: 2 } })
    const producer = shell.init()
    shell.add(producer, { partitions: [0, 1] })
    expect(shell.add(producer, { partitions: [1, 2] })).toEqual(['POLICY_VIOLATION', 'POLICY_VIOLATION'])
    expect(shell.add(producer, { partitions: [0, 1] })).toEqual(['NONE', 'NONE'])
    expect(shell.end(producer, true).errorCode).toBe('NONE')
  })

  describe('AddPartitionsToTxn', () => {
    const request = (producer: Producer, names: readonly string[], indexes: readonly number[] = [0]) => ({
      transactions: [],
      v3AndBelowTransactionalId: ID,
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: names.map((name) => ({ name, partitions: [...indexes] })),
    })
    const none = {
      v3AndBelowTransactionalId: '',
      v3AndBelowProducerId: 0,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: [],
    }

    test('v0 to v3: all or none', () => {
      const shell = new TransactionShell()
      const producer = shell.init()
      const ask = (names: readonly string[], version = 3) =>
        shell
          .run(shell.coordinator.addPartitionsToTxn(request(producer, names), version, shell.nowMs))
          .resultsByTopicV3AndBelow?.map(({ resultsByPartition }) => resultsByPartition[0]?.partitionErrorCode)
      expect(ask(['t', 'gone'])).toEqual(['OPERATION_NOT_ATTEMPTED', 'UNKNOWN_TOPIC_OR_PARTITION'])
      expect(ask(['t', '__consumer_offsets'])).toEqual(['OPERATION_NOT_ATTEMPTED', 'TOPIC_AUTHORIZATION_FAILED'])
      expect(shell.state).toBe('Empty')
      expect(ask(['t'])).toEqual(['NONE'])
      expect(shell.log.at(-1)?.value?.clientTransactionVersion).toBe(0)
    })

    test.each([
      [1, 'INVALID_PRODUCER_EPOCH'],
      [2, 'PRODUCER_FENCED'],
    ])('a fenced producer is told so in words that v%i knows: %s', (version, error) => {
      const shell = new TransactionShell()
      const zombie = shell.init()
      shell.init()
      const { reply } = shell.coordinator.addPartitionsToTxn(request(zombie, ['t'], [0, 1]), version, shell.nowMs)
      const results = reply.resultsByTopicV3AndBelow?.[0]?.resultsByPartition
      expect(results?.map(({ partitionErrorCode }) => partitionErrorCode)).toEqual([error, error])
    })

    test('v4 and above: several transactions, each for itself, adding or verifying', () => {
      const shell = new TransactionShell()
      const [a, b] = [shell.init({ id: 'a' }), shell.init({ id: 'b' })]
      const of = (transactionalId: string, producer: Producer, verifyOnly: boolean, name = 't') => ({
        transactionalId,
        producerId: producer.producerId,
        producerEpoch: producer.producerEpoch,
        verifyOnly,
        topics: [{ name, partitions: [0] }],
      })
      const ask = (...transactions: ReturnType<typeof of>[]) =>
        shell
          .run(shell.coordinator.addPartitionsToTxn({ transactions, ...none }, 5, shell.nowMs))
          .resultsByTransaction?.map(({ topicResults }) => topicResults[0]?.resultsByPartition[0]?.partitionErrorCode)
      expect(ask(of('a', a, false), of('b', b, true))).toEqual(['NONE', 'TRANSACTION_ABORTABLE'])
      expect(ask(of('a', a, true), of('b', b, false, 'gone'))).toEqual(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION'])
      expect(ask(of('b', b, false, '__transaction_state'))).toEqual(['TOPIC_AUTHORIZATION_FAILED'])
      // One id changes once in a request.
      expect(ask(of('b', b, false), of('b', b, false))).toEqual(['NONE', 'INVALID_REQUEST'])
      expect(shell.coordinator.stateOf('b')).toBe('Ongoing')
    })
  })

  test('AddOffsetsToTxn adds the partition of the group', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    const offsets = { topic: '__consumer_offsets', partition: 7 }
    const ask = (as: Producer, version: number) =>
      shell.run(
        shell.coordinator.addOffsetsToTxn({ transactionalId: ID, groupId: 'g', ...as }, offsets, version, shell.nowMs),
      ).errorCode
    expect(ask({ ...producer, producerEpoch: 5 }, 1)).toBe('INVALID_PRODUCER_EPOCH')
    expect(ask({ ...producer, producerEpoch: 5 }, 2)).toBe('PRODUCER_FENCED')
    expect(ask(producer, 3)).toBe('NONE')
    shell.end(producer, true, V1)
    expect(shell.complete()[0]).toMatchObject({ partitions: [offsets], transactionVersion: 0 })
  })
})

describe('EndTxn', () => {
  test('version 1 keeps the epoch, version 2 raises it and says so, in any order on one id', () => {
    const shell = new TransactionShell()
    let producer: Producer = shell.init()
    for (const [committed, version] of [
      [true, V2],
      [false, V1],
      [true, V1],
      [false, V2],
      [true, V2],
    ] as const) {
      shell.add(producer)
      const answer = shell.end(producer, committed, version)
      expect(answer.errorCode).toBe('NONE')
      const raised = producer.producerEpoch + (version === V2 ? 1 : 0)
      expect(shell.awaiting).toEqual([
        {
          transactionalId: ID,
          producerId: 1000,
          producerEpoch: raised,
          coordinatorEpoch: 1,
          committed,
          transactionVersion: version === V2 ? 2 : 0,
          partitions: [{ topic: 't', partition: 0 }],
        },
      ])
      shell.complete()
      expect(shell.state).toBe(committed ? 'CompleteCommit' : 'CompleteAbort')
      producer = { producerId: 1000, producerEpoch: raised }
      expect(shell.producer).toEqual(producer)
      if (version === V2) expect(answer).toEqual({ errorCode: 'NONE', ...producer })
    }
  })

  test.each([V1, V2])('v%i of nobody, of another or of a fenced producer is refused', (version) => {
    const shell = new TransactionShell()
    const zombie = shell.init()
    const producer = shell.init()
    shell.add(producer)
    expect(shell.end(producer, true, version, 'other').errorCode).toBe('INVALID_PRODUCER_ID_MAPPING')
    expect(shell.end(producer, true, version, '').errorCode).toBe('INVALID_REQUEST')
    expect(shell.end({ ...producer, producerId: 5 }, true, version).errorCode).toBe('INVALID_PRODUCER_ID_MAPPING')
    expect(shell.end(zombie, true, version).errorCode).toBe('PRODUCER_FENCED')
    expect(shell.end(zombie, true, 1).errorCode).toBe('INVALID_PRODUCER_EPOCH')
    expect(shell.state).toBe('Ongoing')
  })

  test('a decision stays as it is however often it is asked for, and is answered anew', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer)
    const first = shell.end(producer, true)
    expect(shell.end(producer, true).errorCode).toBe('CONCURRENT_TRANSACTIONS')
    shell.complete()
    const written = shell.log.length
    expect(shell.end(producer, true)).toEqual(first)
    expect(shell.log).toHaveLength(written)
  })

  test('an abort of version 2 without a transaction needs no markers and starts when it ends', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    expect(shell.end(producer, false)).toEqual({ errorCode: 'NONE', producerId: 1000, producerEpoch: 1 })
    expect(shell.log.at(-1)?.value).toMatchObject({ transactionStartTimestampMs: shell.nowMs })
    expect(shell.complete()[0]?.partitions).toEqual([])
    expect(shell.state).toBe('CompleteAbort')
  })
})

describe('the end of the epochs', () => {
  test('version 2: the last epoch is spent on the marker, the producer goes on with a new id', () => {
    const shell = new TransactionShell()
    const producer = shell.raiseEpochTo(32_766)
    shell.add(producer)
    const next = shell.end(producer, true)
    expect(next).toEqual({ errorCode: 'NONE', producerId: 1001, producerEpoch: 0 })
    expect(shell.awaiting[0]).toMatchObject({ producerId: 1000, producerEpoch: 32_767 })
    // Its next batch comes with the new id before the markers are written.
    expect(shell.add(next)).toEqual(['CONCURRENT_TRANSACTIONS'])
    expect(shell.end(next, false).errorCode).toBe('CONCURRENT_TRANSACTIONS')
    shell.complete()
    expect(shell.log.at(-1)?.value).toMatchObject({ producerId: 1001, producerEpoch: 0, previousProducerId: 1000 })
    expect(shell.end(producer, true)).toEqual(next)
    expect(shell.end(producer, false).errorCode).toBe('INVALID_TXN_STATE')
    expect(shell.add(next)).toEqual(['NONE'])
    expect(shell.end(producer, true).errorCode).toBe('INVALID_PRODUCER_ID_MAPPING')
    expect(shell.end(next, true)).toEqual({ errorCode: 'NONE', producerId: 1001, producerEpoch: 1 })
  })

  test.each([
    ['a new instance', undefined],
    ['the producer itself', { producerId: 1000, producerEpoch: 32_766 }],
  ])('InitProducerId of %s changes the id', (_, as) => {
    const shell = new TransactionShell()
    const producer = shell.raiseEpochTo(32_766)
    const options = as === undefined ? {} : { as }
    expect(shell.init(options)).toEqual({ errorCode: 'NONE', producerId: 1001, producerEpoch: 0 })
    // Only who had the id before may repeat itself.
    const again = shell.init({ as: producer })
    expect(again.errorCode).toBe(as === undefined ? 'PRODUCER_FENCED' : 'NONE')
    if (as !== undefined) expect(again.producerId).toBe(1001)
  })

  test('version 1: a fenced producer takes the last epoch, the next instance a new id', () => {
    const shell = new TransactionShell()
    shell.level = 1
    const producer = shell.raiseEpochTo(32_766)
    shell.add(producer, { version: 0 })
    expect(shell.init().errorCode).toBe('CONCURRENT_TRANSACTIONS')
    expect(shell.complete()[0]).toMatchObject({ producerEpoch: 32_767, transactionVersion: 0 })
    expect(shell.init({ as: producer }).errorCode).toBe('PRODUCER_FENCED')
    expect(shell.init()).toEqual({ errorCode: 'NONE', producerId: 1001, producerEpoch: 0 })
  })

  test('a resuming producer one epoch before the end gets its answer again', () => {
    const shell = new TransactionShell()
    const producer = shell.raiseEpochTo(32_765)
    const next = shell.init({ as: producer })
    expect(next.producerEpoch).toBe(32_766)
    expect(shell.init({ as: producer })).toEqual(next)
  })
})

describe('timeouts', () => {
  test.each([
    [1, 'version 1: raised by hand', 0],
    [2, 'version 2: raised by the abort', 2],
  ] as const)('level %i, %s: the transaction is aborted with the next epoch', (level, _, transactionVersion) => {
    const shell = new TransactionShell()
    shell.level = level
    const producer = shell.init({ timeoutMs: 25_000 })
    shell.add(producer)
    shell.pass(TIMEOUT_SCAN_MS)
    shell.pass(TIMEOUT_SCAN_MS)
    expect(shell.state).toBe('Ongoing')
    shell.pass(TIMEOUT_SCAN_MS)
    expect(shell.state).toBe('PrepareAbort')
    expect(shell.complete()[0]).toMatchObject({ producerEpoch: 1, committed: false, transactionVersion })
    expect(shell.add(producer)).toEqual(['PRODUCER_FENCED'])
    // As if nothing had happened: the next instance begins one epoch further on.
    expect(shell.init().producerEpoch).toBe(2)
  })

  test('exactly at its timeout a transaction still lives', () => {
    const shell = new TransactionShell()
    shell.add(shell.init({ timeoutMs: TIMEOUT_SCAN_MS }))
    shell.pass(TIMEOUT_SCAN_MS)
    expect(shell.state).toBe('Ongoing')
    shell.pass(TIMEOUT_SCAN_MS)
    expect(shell.state).toBe('PrepareAbort')
  })

  test('a restart neither forgets nor restarts the time', () => {
    const shell = new TransactionShell()
    shell.add(shell.init({ timeoutMs: 5000 }))
    shell.nowMs += 6000
    shell.restart()
    expect(shell.state).toBe('Ongoing')
    shell.pass(TIMEOUT_SCAN_MS)
    expect(shell.state).toBe('PrepareAbort')
  })

  test('before the log is loaded there is nothing to wait for', () => {
    const shell = new TransactionShell()
    expect(shell.coordinator.nextDeadlineMs()).toBe(shell.nowMs + TIMEOUT_SCAN_MS)
    shell.restart()
    expect(shell.coordinator.nextDeadlineMs()).toBe(shell.nowMs + TIMEOUT_SCAN_MS)
  })
})

describe('expiry of transactional ids', () => {
  test('ids that nobody has used for the whole time are forgotten, no others', () => {
    const shell = new TransactionShell()
    const old = shell.init({ id: 'old' })
    shell.nowMs += EXPIRATION_MS - EXPIRATION_SCAN_MS
    shell.init({ id: 'young' })
    shell.pass(EXPIRATION_SCAN_MS)
    expect(shell.coordinator.stateOf('old')).toBeUndefined()
    expect(shell.coordinator.stateOf('young')).toBe('Empty')
    expect(shell.log.at(-1)).toEqual({ transactionalId: 'old', value: null, valueVersion: 0 })
    expect(shell.add(old, { id: 'old' })).toEqual(['INVALID_PRODUCER_ID_MAPPING'])
    // The id may come back, as a new one.
    expect(shell.init({ id: 'old' })).toMatchObject({ producerEpoch: 0 })
    shell.restart()
    expect(shell.coordinator.size).toBe(2)
  })
})

describe('the log', () => {
  test.each([
    [0, V1, 0],
    [1, V1, 1],
    [2, V1, 1],
    // What completes a transaction of version 2 is in fields that only version 1 has.
    [0, V2, 1],
  ] as const)('transaction.version %i and EndTxn v%i: values of version %i', (level, version, valueVersion) => {
    const shell = new TransactionShell()
    shell.level = level
    const producer = shell.init()
    expect(shell.log.at(-1)?.valueVersion).toBe(level === 0 ? 0 : 1)
    shell.add(producer, { version: 0 })
    shell.end(producer, true, version)
    expect(shell.log.at(-1)?.valueVersion).toBe(valueVersion)
  })

  test('after a restart exactly the decided transactions wait for their markers, with the new coordinator epoch', () => {
    const shell = new TransactionShell()
    for (const id of ['empty', 'open', 'commit', 'abort', 'done']) shell.init({ id })
    const of = (id: string) => ({ ...shell.coordinator.get(id) }) as Producer
    for (const id of ['open', 'commit', 'abort', 'done']) shell.add(of(id), { id, partitions: [1, 2] })
    shell.end(of('done'), true, V2, 'done')
    shell.complete()
    shell.end(of('abort'), false, V2, 'abort')
    shell.end(of('commit'), true, V1, 'commit')
    const before = shell.awaiting
    shell.restart()
    expect(shell.awaiting).toEqual(before.map((intent) => ({ ...intent, coordinatorEpoch: 2 })))
    expect(shell.coordinator.stateOf('open')).toBe('Ongoing')
    shell.complete()
    expect(shell.coordinator.stateOf('commit')).toBe('CompleteCommit')
    expect(shell.coordinator.stateOf('abort')).toBe('CompleteAbort')
    shell.restart()
    expect(shell.awaiting).toEqual([])
  })

  test('a status that is never logged is taken for no state at all', () => {
    const shell = new TransactionShell()
    shell.init()
    const record = shell.log[0]
    if (record?.value !== null && record?.value !== undefined) {
      shell.coordinator.replay({ ...record, value: { ...record.value, transactionStatus: 6 } })
    }
    expect(shell.state).toBe('unknown')
  })
})
