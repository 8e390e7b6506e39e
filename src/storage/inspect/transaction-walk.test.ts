/** What is noted about transactions and sequences while a log is read. */
import { describe, expect, test } from 'vitest'
import { buildMarkerBatch, readMarker } from '../../protocol/control-record.ts'
import type { MarkerType } from '../../protocol/control-record.ts'
import { buildBatch, readBatchHeader, SEQUENCE_MAX } from '../../protocol/record-batch.ts'
import type { BatchOptions } from '../../protocol/record-batch.ts'
import { TransactionWalk } from './transaction-walk.ts'

class Walked {
  readonly walk: TransactionWalk
  #offset = 0

  constructor(isComplete = true) {
    this.walk = new TransactionWalk(isComplete)
  }

  data(options: Omit<BatchOptions, 'records'>, count = 1): this {
    const records = Array.from({ length: count }, () => ({ key: null, value: null, timestamp: 0 }))
    const header = readBatchHeader(buildBatch({ ...options, records, baseOffset: this.#offset }))
    this.#offset += count
    this.walk.add(header, undefined)
    return this
  }

  marker(markerType: MarkerType, producerId: number, producerEpoch = 0) {
    const batch = buildMarkerBatch({
      markerType,
      producerId,
      producerEpoch,
      coordinatorEpoch: 0,
      timestampMs: 0,
      baseOffset: this.#offset,
      partitionLeaderEpoch: 0,
    })
    this.#offset += 1
    return this.walk.add(readBatchHeader(batch), readMarker(batch))
  }
}

const of = (producerId: number, baseSequence: number, producerEpoch = 0) => ({
  producerId,
  producerEpoch,
  baseSequence,
})
const inTransaction = (producerId: number, baseSequence: number) => ({
  ...of(producerId, baseSequence),
  isTransactional: true,
})

describe('a walk over a log', () => {
  test('answers an aborted transaction as the index must have it', () => {
    const walked = new Walked().data(inTransaction(1, 0)).data(inTransaction(2, 0)).data(inTransaction(1, 1))
    expect(walked.marker('ABORT', 1)).toEqual({ producerId: 1, firstOffset: 0, lastOffset: 3, lastStableOffset: 1 })
    expect(walked.marker('COMMIT', 2)).toBeUndefined()
    expect(walked.walk).toMatchObject({ aborted: 1, committed: 1, openCount: 0, lastStableOffset: 5 })
    expect(walked.walk.notes()).toEqual([])
  })

  test('notes transactions that are open at the end', () => {
    const walked = new Walked().data({}).data(inTransaction(1, 0)).data(inTransaction(2, 0))
    expect(walked.walk.lastStableOffset).toBe(1)
    expect(walked.walk.notes()).toEqual([
      '2 open transactions (read_committed consumers wait there until it ends or times out): ' +
        'producer 1 epoch 0 since offset 1; producer 2 epoch 0 since offset 2',
    ])
  })

  test('notes a marker that ends nothing, unless the transaction may have begun before the walk', () => {
    const complete = new Walked()
    expect(complete.marker('ABORT', 1)).toBeUndefined()
    expect(complete.walk.notes()).toEqual([
      expect.stringMatching(/^1 marker without records .*: ABORT of producer 1 at offset 0$/),
    ])
    const later = new Walked(false)
    expect(later.marker('ABORT', 1)).toEqual({
      producerId: 1,
      firstOffset: undefined,
      lastOffset: 0,
      lastStableOffset: undefined,
    })
    expect(later.walk.notes()).toEqual([])
  })

  test('does not claim to know where a transaction began that it may have met on the way', () => {
    const later = new Walked(false).data(inTransaction(1, 4))
    expect(later.marker('ABORT', 1)).toMatchObject({ firstOffset: undefined, lastOffset: 1 })
    later.data(inTransaction(1, 5))
    expect(later.marker('ABORT', 1)).toMatchObject({ firstOffset: 2, lastOffset: 3 })
    later.marker('ABORT', 1)
    expect(later.walk.notes()).toEqual([expect.stringContaining('1 marker without records')])
  })

  test('notes sequences that do not follow, and tells the first few', () => {
    const walked = new Walked().data(of(1, 0), 3).data(of(1, 3))
    for (let round = 0; round < 7; round++) walked.data(of(1, 100 * (round + 1)))
    const [note] = walked.walk.notes()
    expect(note).toMatch(/^7 sequence gaps .*: producer 1 epoch 0: sequence 100 at offset 4, 4 expected; /)
    expect(note).toMatch(/; and 2 more$/)
  })

  test('takes a wrapped sequence, a new epoch and a marker that raises the epoch as what they are', () => {
    const wrapped = new Walked()
      .data(of(1, SEQUENCE_MAX))
      .data(of(1, 0))
      .data(of(1, 0, 1))
      .data(of(2, 5))
    expect(wrapped.walk.notes()).toEqual([])
    const raised = new Walked().data(inTransaction(1, 0))
    raised.marker('COMMIT', 1, 1)
    raised.data({ ...of(1, 0, 1), isTransactional: true })
    expect(raised.marker('ABORT', 1, 2)).toMatchObject({ firstOffset: 2, lastOffset: 3, lastStableOffset: 4 })
    expect(raised.walk.notes()).toEqual([])
  })

  test('offsets of a transaction carry no sequence', () => {
    const walked = new Walked().data({ producerId: 1, producerEpoch: 0, isTransactional: true })
    walked.data({ producerId: 1, producerEpoch: 0, isTransactional: true })
    walked.marker('COMMIT', 1)
    expect(walked.walk.notes()).toEqual([])
  })
})
