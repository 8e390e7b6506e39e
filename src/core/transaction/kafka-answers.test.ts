/** Answers where it matters in which order Kafka asks, and what it remembers of a producer it has fenced. */
import { describe, expect, test } from 'vitest'
import { checkMarker } from '../producer-state/append-check.ts'
import { newProducerEntry } from '../producer-state/producer-entry.ts'
import { NOBODY, TIMEOUT_SCAN_MS, TransactionShell, V1, V2 } from './transaction-shell.test-kit.ts'

describe('a producer whose transaction the coordinator has aborted', () => {
  function aborted(level: 1 | 2, by: 'timeout' | 'itself' | 'another') {
    const shell = new TransactionShell()
    shell.level = level
    const producer = shell.init({ timeoutMs: 5000 })
    shell.add(producer)
    if (by === 'timeout') shell.pass(TIMEOUT_SCAN_MS)
    else shell.init(by === 'itself' ? { as: producer } : {})
    shell.complete()
    expect(shell.state).toBe('CompleteAbort')
    return { shell, producer }
  }

  test.each(['timeout', 'itself', 'another'] as const)('version 2: resumes by its epoch, aborted by %s', (by) => {
    const { shell, producer } = aborted(2, by)
    const resumed = shell.init({ as: producer })
    expect(resumed).toEqual({ errorCode: 'NONE', producerId: producer.producerId, producerEpoch: 1 })
    expect(shell.add(resumed)).toEqual(['NONE'])
  })

  test.each(['timeout', 'itself', 'another'] as const)('version 1: is fenced, aborted by %s', (by) => {
    const { shell, producer } = aborted(1, by)
    expect(shell.init({ as: producer })).toEqual({ errorCode: 'PRODUCER_FENCED', ...NOBODY })
  })

  test.each([1, 2] as const)('level %i: is fenced once another has taken its place', (level) => {
    const { shell, producer } = aborted(level, 'another')
    expect(shell.init()).toMatchObject({ errorCode: 'NONE', producerEpoch: 2 })
    expect(shell.init({ as: producer })).toEqual({ errorCode: 'PRODUCER_FENCED', ...NOBODY })
  })

  test('version 2: its EndTxn meets the abort as one it has asked for', () => {
    const { shell, producer } = aborted(2, 'timeout')
    expect(shell.end(producer, false)).toEqual({ errorCode: 'NONE', producerId: producer.producerId, producerEpoch: 1 })
  })

  test('version 2, at its last epoch: resumes with the next producer id', () => {
    const shell = new TransactionShell()
    const producer = shell.raiseEpochTo(32_766)
    shell.add(producer)
    shell.pass(60_000 + TIMEOUT_SCAN_MS)
    shell.complete()
    const resumed = shell.init({ as: producer })
    expect(resumed).toMatchObject({ errorCode: 'NONE', producerEpoch: 0 })
    expect(resumed.producerId).toBeGreaterThan(producer.producerId)
  })
})

describe('while the markers are being written', () => {
  function ending(version: number) {
    const shell = new TransactionShell()
    const producer = shell.init()
    shell.add(producer)
    shell.end(producer, true, version)
    return { shell, producer, present: shell.producer }
  }

  test('adding is told to ask again, whoever asks: the id may be about to change (C6)', () => {
    const { shell, producer } = ending(V2)
    for (const each of [producer, shell.producer, { producerId: 5, producerEpoch: 0 }]) {
      expect(shell.add(each)).toEqual(['CONCURRENT_TRANSACTIONS'])
    }
  })

  test('verifying tells who is not the producer first (B.1-3)', () => {
    const { shell, producer, present } = ending(V2)
    expect(shell.verify({ producerId: 5, producerEpoch: 0 })).toEqual(['INVALID_PRODUCER_ID_MAPPING'])
    expect(shell.verify(producer)).toEqual(['PRODUCER_FENCED'])
    expect(shell.verify(present)).toEqual(['CONCURRENT_TRANSACTIONS'])
  })

  test('nothing moves the transaction: no request, no timeout, no expiry (so its Complete record always fits)', () => {
    for (const version of [V1, V2]) {
      const { shell, producer, present } = ending(version)
      const written = shell.log.length
      for (const each of [producer, present]) {
        for (const committed of [true, false]) for (const again of [V1, V2]) shell.end(each, committed, again)
        shell.init({ as: each })
        shell.add(each, { partitions: [7] })
      }
      shell.init()
      for (let day = 0; day < 9; day += 1) shell.pass(86_400_000)
      expect(shell.log).toHaveLength(written)
      expect(shell.complete()).toHaveLength(1)
      expect(shell.state).toBe('CompleteCommit')
    }
  })
})

describe('after the producer id has changed at the end of its epochs', () => {
  function changed() {
    const shell = new TransactionShell()
    const producer = shell.raiseEpochTo(32_766)
    shell.add(producer)
    const next = shell.end(producer, true)
    return { shell, producer, next }
  }

  test('the old id is known by its last epoch only, not by the epoch that the new one has now', () => {
    const { shell, producer, next } = changed()
    shell.complete()
    expect(next).toMatchObject({ errorCode: 'NONE', producerEpoch: 0 })
    for (const producerEpoch of [0, 1, 32_765]) {
      const old = { ...producer, producerEpoch }
      expect(shell.init({ as: old }).errorCode).toBe('PRODUCER_FENCED')
      expect(shell.end(old, true).errorCode).toBe('INVALID_PRODUCER_ID_MAPPING')
      expect(shell.end(old, false).errorCode).toBe('INVALID_PRODUCER_ID_MAPPING')
    }
    expect(shell.end(producer, true)).toEqual(next)
    expect(shell.producer).toEqual({ producerId: next.producerId, producerEpoch: 0 })
  })

  test('a restart before the markers are written loses neither the next id nor the epoch to resume by', () => {
    const { shell, producer, next } = changed()
    shell.restart()
    shell.complete()
    expect(shell.end(producer, true)).toEqual(next)
    expect(shell.init({ as: producer })).toEqual(next)
  })

  test('the Complete record names no further id', () => {
    const { shell } = changed()
    shell.complete()
    expect(shell.log.at(-1)?.value).toMatchObject({ nextProducerId: -1, previousProducerId: 1000, producerId: 1001 })
  })
})

test('partitions that were refused are not in the transaction, nor is a marker written for them', () => {
  const shell = new TransactionShell({ limits: { transactionalIdsMax: 1, partitionsMax: 2 } })
  const producer = shell.init()
  shell.add(producer, { partitions: [0, 1] })
  expect(shell.add(producer, { partitions: [1, 2] })).toEqual(['POLICY_VIOLATION', 'POLICY_VIOLATION'])
  expect(shell.verify(producer, { partitions: [1, 2] })).toEqual(['NONE', 'TRANSACTION_ABORTABLE'])
  shell.end(producer, true)
  expect(shell.complete()[0]?.partitions.map(({ partition }) => partition)).toEqual([0, 1])
})

test('10,000 partitions join one transaction, a hundred at a time, and all get a marker', () => {
  const count = 10_000
  const shell = new TransactionShell({
    limits: { transactionalIdsMax: 1, partitionsMax: count },
    partitionExists: () => true,
  })
  const producer = shell.init()
  const startedMs = performance.now()
  for (let partition = 0; partition < count; partition += 100) {
    shell.add(producer, { partitions: Array.from({ length: 100 }, (_, index) => partition + index) })
  }
  expect(shell.add(producer, { partitions: [count] })).toEqual(['POLICY_VIOLATION'])
  shell.end(producer, true)
  expect(shell.complete()[0]?.partitions).toHaveLength(count)
  expect(performance.now() - startedMs).toBeLessThan(5000)
})

test('a marker of a stale epoch is told so, also when its coordinator is outdated too', () => {
  const entry = { ...newProducerEntry(7), producerEpoch: 3, coordinatorEpoch: 5 }
  const marker = { producerId: 7, producerEpoch: 2, coordinatorEpoch: 4, transactionVersion: 2 }
  expect(checkMarker(entry, marker)).toBe('INVALID_PRODUCER_EPOCH')
})
