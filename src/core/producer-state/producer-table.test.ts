import { describe, expect, test } from 'vitest'
import { header, markerHeader } from './batch.test-kit.ts'
import { PENDING_VERIFICATIONS_MAX, ProducerTable } from './producer-table.ts'

const DAY_MS = 86_400_000
/** Far from 0, as clocks are. */
const NOW_MS = 1_700_000_000_000

function tableOf(count: number, timestampMs = NOW_MS): ProducerTable {
  const table = new ProducerTable()
  for (let producerId = 0; producerId < count; producerId += 1) {
    table.replayBatch(header({ producerId, baseSequence: 0, timestampMs }))
  }
  return table
}

describe('what is kept of a producer', () => {
  test('its last five batches, of its epoch only', () => {
    const table = new ProducerTable()
    for (let sequence = 0; sequence < 8; sequence += 1) {
      table.replayBatch(header({ producerId: 1, baseSequence: sequence, baseOffset: sequence }))
    }
    expect(table.get(1)?.batches.map(({ lastSequence }) => lastSequence)).toEqual([3, 4, 5, 6, 7])
    table.replayBatch(header({ producerId: 1, producerEpoch: 1, baseSequence: 0, baseOffset: 8 }))
    expect(table.get(1)?.batches.map(({ lastOffset }) => lastOffset)).toEqual([8])
  })

  test('nothing of offsets written in a transaction but the epoch: they carry no sequence', () => {
    const table = new ProducerTable()
    table.replayBatch(header({ producerId: 1, producerEpoch: 2, isTransactional: true }))
    expect(table.get(1)).toMatchObject({ producerEpoch: 2, batches: [] })
  })

  test('a marker of the same epoch leaves its batches', () => {
    const table = new ProducerTable()
    table.replayBatch(header({ producerId: 1, baseSequence: 0, isTransactional: true }))
    table.replayMarker(markerHeader({ producerId: 1, baseOffset: 1, timestampMs: 9 }), 4)
    expect(table.get(1)).toMatchObject({ coordinatorEpoch: 4, lastTimestampMs: 9, batches: [{ lastSequence: 0 }] })
  })

  // reliability.md B2, rows 40 and 44; Kafka's own snapshot keeps one batch.
  test('Redpanda 30003: over a restart: all five batches, an open transaction, and an epoch without any batch', () => {
    const table = new ProducerTable()
    for (let sequence = 0; sequence < 6; sequence += 1) {
      table.replayBatch(header({ producerId: 1, baseSequence: sequence * 2, recordCount: 2, baseOffset: sequence * 2 }))
    }
    const open = table.replayBatch(header({ producerId: 2, baseSequence: 0, isTransactional: true, baseOffset: 12 }))
    open.currentTransactionFirstOffset = 12
    table.replayMarker(markerHeader({ producerId: 3, producerEpoch: 6, baseOffset: 13 }), 2)
    const restored = new ProducerTable()
    restored.restore(structuredClone(table.snapshot()))
    expect(restored.snapshot()).toEqual(table.snapshot())
    expect(restored.get(1)?.batches.map(({ lastSequence }) => lastSequence)).toEqual([3, 5, 7, 9, 11])
    expect(restored.get(2)?.currentTransactionFirstOffset).toBe(12)
    expect(restored.get(3)).toMatchObject({ producerEpoch: 6, coordinatorEpoch: 2, batches: [] })
    // A snapshot is a copy: what comes later does not reach it.
    const before = structuredClone(table.snapshot())
    const snapshot = table.snapshot()
    table.replayBatch(header({ producerId: 1, baseSequence: 12, baseOffset: 14 }))
    expect(snapshot).toEqual(before)
  })
})

describe('expiry', () => {
  test('forgets who has been silent for the whole time, and nobody else', () => {
    const table = tableOf(3)
    expect(table.expire(NOW_MS, DAY_MS)).toBe(0)
    table.replayBatch(header({ producerId: 1, baseSequence: 1, baseOffset: 9, timestampMs: NOW_MS }))
    expect(table.expire(NOW_MS + DAY_MS - 1, DAY_MS)).toBe(0)
    expect(table.expire(NOW_MS + DAY_MS, DAY_MS)).toBe(2)
    expect(Array.from(table.values(), ({ producerId }) => producerId)).toEqual([1])
  })

  test('records of long ago do not make a producer that writes them forgotten', () => {
    const table = tableOf(1, NOW_MS - 1000 * DAY_MS)
    expect(table.expire(NOW_MS, DAY_MS)).toBe(0)
    expect(table.size).toBe(1)
  })

  test('records of the future do not make it remembered for ever, over a restart either', () => {
    const table = tableOf(1, NOW_MS + 1000 * DAY_MS)
    const restored = new ProducerTable()
    restored.restore(table.snapshot())
    for (const each of [table, restored]) {
      each.expire(NOW_MS, DAY_MS)
      expect(each.expire(NOW_MS + DAY_MS, DAY_MS)).toBe(1)
    }
  })

  test('over a restart the time counts from the last record', () => {
    const restored = new ProducerTable()
    restored.restore(tableOf(1, NOW_MS - DAY_MS / 2).snapshot())
    expect(restored.expire(NOW_MS, DAY_MS)).toBe(0)
    expect(restored.expire(NOW_MS + DAY_MS / 2, DAY_MS)).toBe(1)
  })

  test('KAFKA-9144: a marker counts as a sign of life', () => {
    const table = tableOf(1, 0)
    table.expire(NOW_MS, DAY_MS)
    table.replayMarker(markerHeader({ producerId: 0, baseOffset: 1, timestampMs: 0 }), 1)
    expect(table.expire(NOW_MS + DAY_MS, DAY_MS)).toBe(0)
    expect(table.get(0)?.coordinatorEpoch).toBe(1)
  })

  test('an open transaction is not forgotten, however old', () => {
    const table = tableOf(1)
    const entry = table.get(0)
    if (entry !== undefined) entry.currentTransactionFirstOffset = 0
    table.expire(NOW_MS, DAY_MS)
    expect(table.expire(NOW_MS + 100 * DAY_MS, DAY_MS)).toBe(0)
  })

  test('B2.48 KAFKA-16229: 100,000 producers are forgotten in one pass over them', () => {
    // The fastest of three, as other programs share the machine. Quadratic work takes seconds.
    const passesMs = [0, 1, 2].map(() => {
      const table = tableOf(100_000)
      table.expire(NOW_MS, DAY_MS)
      const beganMs = performance.now()
      expect(table.expire(NOW_MS + DAY_MS, DAY_MS)).toBe(100_000)
      return performance.now() - beganMs
    })
    expect(Math.min(...passesMs)).toBeLessThan(200)
  })
})

describe('batches that wait for verification', () => {
  const waiting = (producerEpoch: number, baseSequence: number, producerId = 1) =>
    header({ producerId, producerEpoch, baseSequence, isTransactional: true })

  test('the lowest sequence of the newest epoch is remembered', () => {
    const table = new ProducerTable()
    for (const sequence of [5, 3, 8]) table.notePendingVerification(waiting(2, sequence), 0)
    expect(table.pendingVerification(1)).toMatchObject({ producerEpoch: 2, lowestSequence: 3 })
    // A zombie of an older epoch changes nothing.
    table.notePendingVerification(waiting(1, 0), 0)
    expect(table.pendingVerification(1)).toMatchObject({ producerEpoch: 2, lowestSequence: 3 })
    table.notePendingVerification(waiting(3, 7), 0)
    expect(table.pendingVerification(1)).toMatchObject({ producerEpoch: 3, lowestSequence: 7 })
  })

  test('an appended batch ends the waiting, and so does a marker of the same epoch', () => {
    const table = new ProducerTable()
    table.notePendingVerification(waiting(2, 5), 0)
    table.replayBatch(waiting(2, 5))
    expect(table.pendingVerification(1)).toBeUndefined()
    table.notePendingVerification(waiting(2, 6), 0)
    table.replayMarker(markerHeader({ producerId: 1, producerEpoch: 2, baseOffset: 1 }), 1)
    expect(table.pendingVerification(1)).toBeUndefined()
  })

  test('the marker that raises the epoch to that of the waiting batch ends the transaction before it', () => {
    const table = new ProducerTable()
    table.replayBatch(waiting(2, 0))
    table.notePendingVerification(waiting(3, 0), 0)
    table.replayMarker(markerHeader({ producerId: 1, producerEpoch: 3, baseOffset: 1 }), 1)
    expect(table.pendingVerification(1)).toMatchObject({ producerEpoch: 3 })
  })

  test('Redpanda 7057: their number is limited, whoever asks, and they expire', () => {
    const table = new ProducerTable()
    for (let id = 0; id <= PENDING_VERIFICATIONS_MAX; id += 1) table.notePendingVerification(waiting(0, 0, id), NOW_MS)
    expect(table.pendingVerification(0)).toBeUndefined()
    expect(table.pendingVerification(1)).toBeDefined()
    expect(table.size).toBe(0)
    table.expire(NOW_MS + DAY_MS, DAY_MS)
    expect(table.pendingVerification(1)).toBeUndefined()
  })
})
