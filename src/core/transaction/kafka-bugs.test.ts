/**
 * Bugs that Kafka and Redpanda had in their coordinators (kafka-eos.md C13, reliability.md B1), by number, as far as they
 * are a matter of the coordinator alone. With partitions: transaction-model.test.ts; over the wire: test/broker.
 */
import { describe, expect, test } from 'vitest'
import { PartitionState } from '../partition/partition-state.ts'
import { header, markerHeader } from '../producer-state/batch.test-kit.ts'
import type { MarkerIntent } from './transaction-coordinator.ts'
import {
  EXPIRATION_MS,
  EXPIRATION_SCAN_MS,
  TIMEOUT_SCAN_MS,
  TransactionShell,
  V1,
  V2,
} from './transaction-shell.test-kit.ts'

describe('version 2', () => {
  test('KAFKA-18401: a commit with nothing sent is refused and leaves the producer as it was', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    expect(shell.end(producer, true).errorCode).toBe('INVALID_TXN_STATE')
    expect(shell.add(producer)).toEqual(['NONE'])
    expect(shell.end(producer, true).errorCode).toBe('NONE')
  })

  test('KAFKA-18464: an empty abort after a commit does not fence its producer', () => {
    const shell = new TransactionShell()
    let producer = shell.init()
    shell.add(producer)
    producer = shell.end(producer, true)
    shell.complete()
    producer = shell.end(producer, false)
    expect(producer.errorCode).toBe('NONE')
    shell.complete()
    expect(shell.producer.producerEpoch).toBe(producer.producerEpoch)
    expect(shell.add(producer)).toEqual(['NONE'])
  })

  test('KAFKA-18575: the next transaction does not begin before the last one is complete', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer)
    const next = shell.end(producer, true)
    expect(shell.add(next)).toEqual(['CONCURRENT_TRANSACTIONS'])
    expect(shell.end(next, false).errorCode).toBe('CONCURRENT_TRANSACTIONS')
    expect(shell.init().errorCode).toBe('CONCURRENT_TRANSACTIONS')
    expect(shell.complete()[0]?.partitions).toHaveLength(1)
    expect(shell.add(next, { partitions: [5] })).toEqual(['NONE'])
    shell.end(next, true)
    expect(shell.complete()[0]?.partitions).toEqual([{ topic: 't', partition: 5 }])
  })

  test('KAFKA-18227: a client that changes to version 2 adds to its next transaction, not to the last one', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer, { partitions: [0], version: 0 })
    shell.end(producer, true, V1)
    expect(shell.add(producer, { partitions: [1] })).toEqual(['CONCURRENT_TRANSACTIONS'])
    expect(shell.complete()[0]?.partitions).toEqual([{ topic: 't', partition: 0 }])
    expect(shell.add(producer, { partitions: [1] })).toEqual(['NONE'])
    const next = shell.end(producer, true, V2)
    expect(next.producerEpoch).toBe(producer.producerEpoch + 1)
    expect(shell.complete()[0]).toMatchObject({ partitions: [{ topic: 't', partition: 1 }], transactionVersion: 2 })
  })

  test.each([
    ['a new instance', (shell: TransactionShell) => shell.init()],
    ['a timeout', (shell: TransactionShell) => shell.pass(100_000)],
  ])('KAFKA-19367: %s raises the epoch of an open transaction once, however often it is asked', (_, fence) => {
    const shell = new TransactionShell()
    shell.add(shell.init())
    fence(shell)
    fence(shell)
    expect(shell.producer.producerEpoch).toBe(1)
    shell.complete()
    expect(shell.producer.producerEpoch).toBe(1)
    expect(shell.init().producerEpoch).toBe(2)
  })

  test.each(['a timeout', 'a new instance'])(
    'KAFKA-18660, 20090: %s at the end of the epochs completes, with a new producer id',
    (how) => {
      const shell = new TransactionShell()
      shell.add(shell.raiseEpochTo(32_766))
      if (how === 'a timeout') shell.pass(100_000)
      else expect(shell.init().errorCode).toBe('CONCURRENT_TRANSACTIONS')
      expect(shell.complete()[0]).toMatchObject({ producerId: 1000, producerEpoch: 32_767, transactionVersion: 2 })
      expect(shell.state).toBe('CompleteAbort')
      expect(shell.producer).toEqual({ producerId: 1001, producerEpoch: 0 })
      expect(shell.init()).toMatchObject({ errorCode: 'NONE', producerId: 1001, producerEpoch: 1 })
    },
  )

  test('KAFKA-20090: an id that an older version left open at epoch 32767 gets free', () => {
    const shell = new TransactionShell()
    shell.add(shell.init())
    const record = shell.log.at(-1)
    if (record?.value !== null && record?.value !== undefined) {
      shell.append([{ ...record, value: { ...record.value, producerEpoch: 32_767 } }])
    }
    shell.pass(100_000)
    expect(shell.complete()[0]).toMatchObject({ producerEpoch: 32_767, committed: false })
    expect(shell.producer).toEqual({ producerId: 1001, producerEpoch: 0 })
  })

  test('KAFKA-20310: a restart between Prepare and Complete loses neither the next producer id nor the last one', () => {
    const shell = new TransactionShell()
    const producer = shell.raiseEpochTo(32_766)
    shell.add(producer)
    const next = shell.end(producer, true)
    shell.restart()
    shell.complete()
    expect(shell.producer).toEqual({ producerId: next.producerId, producerEpoch: next.producerEpoch })
    shell.restart()
    expect(shell.end(producer, true)).toEqual(next)
  })

  test('KAFKA-19999: after a reload of Prepare the same marker is taken again, and the transaction completes', () => {
    const shell = new TransactionShell()
    const partition = new PartitionState({ producerIdsMax: 10 })
    const producer = shell.init()
    shell.add(producer)
    partition.replay(header({ ...producer, baseSequence: 0, isTransactional: true }))
    shell.end(producer, true)
    const write = (intent: MarkerIntent) => {
      const { producerId, producerEpoch, coordinatorEpoch } = intent
      expect(partition.decideMarker(intent)).toBe('NONE')
      const sent = markerHeader({ producerId, producerEpoch, baseOffset: partition.logEndOffset })
      partition.replay(sent, { markerType: 'COMMIT', coordinatorEpoch })
    }
    for (const intent of shell.awaiting) write(intent)
    // The marker is there; the power goes before the Complete record.
    shell.restart()
    expect(shell.awaiting).toHaveLength(1)
    for (const intent of shell.awaiting) write(intent)
    shell.complete()
    expect(shell.state).toBe('CompleteCommit')
  })

  test('KAFKA-20785: a commit that lost against the timeout is fenced, and an abort gets its producer going again', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer)
    shell.pass(100_000)
    shell.complete()
    expect(shell.end(producer, true).errorCode).toBe('PRODUCER_FENCED')
    expect(shell.end(producer, true, V1).errorCode).toBe('PRODUCER_FENCED')
    const next = shell.end(producer, false)
    expect(next).toMatchObject({ errorCode: 'NONE', producerEpoch: producer.producerEpoch + 1 })
    expect(shell.add(next)).toEqual(['NONE'])
  })

  test('KAFKA-17754: a late EndTxn or AddPartitions of one transaction does nothing to the next', () => {
    const shell = new TransactionShell()
    const first = shell.init()
    shell.add(first, { partitions: [0] })
    const second = shell.end(first, true)
    shell.complete()
    shell.add(second, { partitions: [1] })
    for (const committed of [true, false]) expect(shell.end(first, committed).errorCode).toBe('PRODUCER_FENCED')
    expect(shell.add(first, { partitions: [2] })).toEqual(['PRODUCER_FENCED'])
    expect(shell.verify(first, { partitions: [1] })).toEqual(['PRODUCER_FENCED'])
    shell.end(second, true)
    expect(shell.complete()[0]?.partitions).toEqual([{ topic: 't', partition: 1 }])
  })
})

describe('both versions', () => {
  test.each([V1, V2])('KAFKA-6119, 5231: after a timeout the producer cannot go on (EndTxn v%i)', (version) => {
    const shell = new TransactionShell()
    shell.level = version === V1 ? 1 : 2
    const zombie = shell.init()
    shell.add(zombie)
    shell.pass(100_000)
    shell.complete()
    expect(shell.add(zombie)).toEqual(['PRODUCER_FENCED'])
    expect(shell.end(zombie, true, version).errorCode).toBe('PRODUCER_FENCED')
    // With version 2 it may resume, at the next epoch; what it had begun stays aborted.
    expect(shell.init({ as: zombie }).errorCode).toBe(version === V1 ? 'PRODUCER_FENCED' : 'NONE')
    expect(shell.add(zombie)).toEqual(['PRODUCER_FENCED'])
  })

  test.each([V1, V2])('KAFKA-9600: EndTxn v%i with an epoch to come is refused', (version) => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer)
    const ahead = { ...producer, producerEpoch: producer.producerEpoch + 1 }
    expect(shell.end(ahead, true, version).errorCode).toBe('PRODUCER_FENCED')
    expect(shell.state).toBe('Ongoing')
  })

  test('KAFKA-5351, 9666: what is refused leaves nothing behind that would refuse the next request', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer)
    for (let count = 0; count < 3; count += 1) {
      shell.end({ ...producer, producerEpoch: 7 }, true)
      shell.add({ ...producer, producerId: 7 })
      shell.init({ as: { producerId: 7, producerEpoch: 7 } })
    }
    expect(shell.producer.producerEpoch).toBe(0)
    expect(shell.end(producer, true).errorCode).toBe('NONE')
  })

  test('KAFKA-9777, 10080, 6131: a transaction is completed once, and a second completion is our own mistake', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer)
    shell.end(producer, true)
    const [intent] = shell.complete()
    expect(shell.coordinator.takeMarkerIntents()).toEqual([])
    const { producerId, producerEpoch } = shell.producer
    shell.add({ producerId, producerEpoch })
    expect(() => shell.coordinator.markersWritten(intent as MarkerIntent, [], shell.nowMs)).toThrow(
      /completed by nothing/,
    )
    expect(shell.state).toBe('Ongoing')
  })

  test('KAFKA-16352: markers of two transactions in a row are each handed out, in the order of the decisions', () => {
    const shell = new TransactionShell()
    const [a, b] = [shell.init({ id: 'a' }), shell.init({ id: 'b' })]
    shell.add(a, { id: 'a', partitions: [1] })
    shell.add(b, { id: 'b', partitions: [2] })
    shell.end(b, true, V1, 'b')
    shell.end(a, false, V1, 'a')
    expect(shell.complete().map(({ transactionalId, committed }) => [transactionalId, committed])).toEqual([
      ['b', true],
      ['a', false],
    ])
    shell.add(a, { id: 'a', partitions: [3] })
    shell.end(a, true, V1, 'a')
    expect(shell.complete()[0]).toMatchObject({ transactionalId: 'a', partitions: [{ topic: 't', partition: 3 }] })
  })

  test.each(['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_PRODUCER_EPOCH', 'TRANSACTION_COORDINATOR_FENCED'] as const)(
    'KAFKA-5202, 9749: a partition that answers its marker with %s does not hang the transaction',
    (errorCode) => {
      const shell = new TransactionShell()
      const producer = shell.init()
      shell.add(producer, { partitions: [0, 1] })
      shell.end(producer, true)
      const [intent] = shell.awaiting
      const outcomes = [
        { topic: 't', partition: 0, errorCode: 'NONE' as const },
        { topic: 't', partition: 1, errorCode },
      ]
      shell.append(shell.coordinator.markersWritten(intent as MarkerIntent, outcomes, shell.nowMs).records)
      expect(shell.state).toBe('CompleteCommit')
      expect(shell.init().errorCode).toBe('NONE')
    },
  )

  test('KAFKA-14880: an id whose first InitProducerId was refused is not there to trip over', () => {
    const shell = new TransactionShell()
    shell.init({ timeoutMs: 0 })
    expect(shell.coordinator.size).toBe(0)
    shell.pass(EXPIRATION_MS + EXPIRATION_SCAN_MS)
    expect(shell.init().errorCode).toBe('NONE')
  })

  test('KAFKA-13099: 25,000 ids that expire at once are forgotten in bounded passes that follow each other', () => {
    const shell = new TransactionShell()
    for (let index = 0; index < 25_000; index += 1) shell.init({ id: `id-${index}` })
    shell.nowMs += EXPIRATION_MS
    const passes: number[] = []
    while (passes.length < 10) {
      const { records } = shell.coordinator.onDeadline(shell.nowMs)
      passes.push(records.length)
      shell.append(records)
      if ((shell.coordinator.nextDeadlineMs() ?? 0) > shell.nowMs) break
    }
    expect(passes).toEqual([10_000, 10_000, 5000])
    expect(shell.coordinator.size).toBe(0)
  })

  test('KAFKA-9065, 15468: a log read twice, or in the order a compacted one has, gives the same state', () => {
    const shell = new TransactionShell()
    for (const id of ['a', 'b', 'c']) {
      const producer = shell.init({ id })
      shell.add(producer, { id })
      if (id !== 'a') shell.end(producer, id === 'b', V1, id)
    }
    const described = () =>
      Array.from(shell.coordinator.values()).toSorted((x, y) => (x.transactionalId < y.transactionalId ? -1 : 1))
    const awaited = shell.awaiting.map(({ transactionalId }) => transactionalId)
    const before = described()
    const { log } = shell
    log.push(...log)
    shell.restart()
    expect(described()).toMatchObject(before.map(({ lastProducerEpoch: _, ...stored }) => stored))
    expect(shell.awaiting.map(({ transactionalId }) => transactionalId)).toEqual(awaited)
    // Only the newest record of each id is left.
    const newest = log.filter(
      (record, index) => !log.slice(index + 1).some((later) => later.transactionalId === record.transactionalId),
    )
    log.splice(0, log.length, ...newest)
    shell.restart()
    expect(described()).toMatchObject(before.map(({ lastProducerEpoch: _, ...stored }) => stored))
    expect(shell.awaiting.map(({ transactionalId }) => transactionalId)).toEqual(awaited)
  })

  test('Redpanda 8236, 18324: a transaction with partitions and no data times out like any other', () => {
    const shell = new TransactionShell()
    shell.add(shell.init({ timeoutMs: 1 }))
    shell.pass(TIMEOUT_SCAN_MS)
    expect(shell.complete()).toHaveLength(1)
    expect(shell.state).toBe('CompleteAbort')
  })

  test('Redpanda 1a30165: the second half of a transaction over a restart belongs to the first', () => {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer, { partitions: [0] })
    shell.restart()
    shell.add(producer, { partitions: [1] })
    expect(shell.end(producer, true).errorCode).toBe('NONE')
    expect(shell.complete()[0]?.partitions.map(({ partition }) => partition)).toEqual([0, 1])
  })
})
