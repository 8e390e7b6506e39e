import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { header, markerHeader } from '../producer-state/batch.test-kit.ts'
import type { BatchShape } from '../producer-state/batch.test-kit.ts'
import { PartitionState } from './partition-state.ts'
import type { AbortedTransaction } from './partition-state.ts'

const CONTEXT = { origin: 'client', transactionVersion: 1, verified: true, nowMs: 0 } as const
const MARKER = { coordinatorEpoch: 1, version: 0 } as const

class Log {
  readonly state: PartitionState
  constructor(producerIdsMax = 100) {
    this.state = new PartitionState({ producerIdsMax })
  }

  data(producerId: number, shape: BatchShape = {}): void {
    const baseOffset = this.state.logEndOffset
    this.state.replay(header({ producerId, baseSequence: 0, ...shape, baseOffset }))
  }

  inTransaction(producerId: number, shape: BatchShape = {}): void {
    this.data(producerId, { isTransactional: true, ...shape })
  }

  end(producerId: number, markerType: 'COMMIT' | 'ABORT', producerEpoch = 0): AbortedTransaction | undefined {
    const sent = markerHeader({ producerId, producerEpoch, baseOffset: this.state.logEndOffset })
    return this.state.replay(sent, { ...MARKER, markerType }).aborted
  }

  flush(): void {
    this.state.advanceHighWatermark(this.state.logEndOffset)
  }

  get watermarks(): [highWatermark: number, lastStableOffset: number, firstUnstableOffset: number | undefined] {
    return [this.state.highWatermark, this.state.lastStableOffset, this.state.firstUnstableOffset]
  }
}

describe('how far who may read', () => {
  test('nothing is seen before it is durable', () => {
    const log = new Log()
    log.data(-1)
    expect(log.watermarks).toEqual([0, 0, undefined])
    log.flush()
    expect(log.watermarks).toEqual([1, 1, undefined])
  })

  test('the first open transaction holds read_committed back', () => {
    const log = new Log()
    log.data(-1)
    log.inTransaction(1)
    log.inTransaction(2)
    log.data(-1)
    log.flush()
    expect(log.watermarks).toEqual([4, 1, 1])
    log.end(1, 'COMMIT')
    log.flush()
    expect(log.watermarks).toEqual([5, 2, 2])
    log.end(2, 'COMMIT')
    log.flush()
    expect(log.watermarks).toEqual([6, 6, undefined])
  })

  test('a transaction counts as undecided until its marker is durable', () => {
    const log = new Log()
    log.inTransaction(1)
    log.flush()
    log.end(1, 'COMMIT')
    log.data(-1)
    // The marker is in memory; a power cut could still take it.
    expect(log.watermarks).toEqual([1, 0, 0])
    log.state.advanceHighWatermark(1)
    expect(log.watermarks).toEqual([1, 0, 0])
    log.state.advanceHighWatermark(2)
    expect(log.watermarks).toEqual([2, 2, undefined])
  })

  test('of several ended transactions the oldest counts, whichever marker came first', () => {
    const log = new Log()
    log.inTransaction(1)
    log.inTransaction(2)
    log.flush()
    log.end(2, 'COMMIT')
    log.end(1, 'COMMIT')
    expect(log.state.lastStableOffset).toBe(0)
    log.state.advanceHighWatermark(3)
    expect(log.state.lastStableOffset).toBe(0)
    log.state.advanceHighWatermark(4)
    expect(log.state.lastStableOffset).toBe(4)
  })

  test('a log start behind an open transaction is where read_committed may begin (DeleteRecords)', () => {
    const log = new Log()
    log.inTransaction(1)
    log.data(-1)
    log.data(-1)
    log.flush()
    log.state.setLogStartOffset(2)
    expect(log.watermarks).toEqual([3, 2, 2])
    log.state.setLogStartOffset(1)
    expect(log.state.logStartOffset).toBe(2)
  })

  test('KAFKA-7190: what is known of producers outlives their records', () => {
    const log = new Log()
    log.data(1)
    log.flush()
    log.state.setLogStartOffset(1)
    expect(log.state.decide(header({ producerId: 1, baseSequence: 1 }), CONTEXT)).toEqual({ kind: 'append' })
    expect(log.state.decide(header({ producerId: 1, baseSequence: 2 }), CONTEXT).kind).toBe('refuse')
  })

  test('watermarks never go back, and never beyond the end', () => {
    const log = new Log()
    log.data(-1, { recordCount: 3 })
    expect(log.state.advanceHighWatermark(3)).toBe(true)
    expect(log.state.advanceHighWatermark(2)).toBe(false)
    expect(log.state.highWatermark).toBe(3)
    expect(() => log.state.advanceHighWatermark(4)).toThrow(/above the log end/)
    expect(() => log.state.setLogStartOffset(4)).toThrow(/above the log end/)
    expect(() => log.state.replay(header({ baseOffset: 2 }))).toThrow(/behind the log end/)
  })
})

describe('aborted transactions', () => {
  test('an abort answers what the transaction index holds, a commit nothing', () => {
    const log = new Log()
    log.data(-1)
    log.inTransaction(1)
    log.inTransaction(1, { baseSequence: 1 })
    expect(log.end(1, 'ABORT')).toEqual({ producerId: 1, firstOffset: 1, lastOffset: 3, lastStableOffset: 4 })
    log.inTransaction(1, { baseSequence: 2 })
    expect(log.end(1, 'COMMIT')).toBeUndefined()
  })

  test('the last stable offset of an entry leaves its own transaction out and holds the others', () => {
    const log = new Log()
    log.inTransaction(1)
    log.inTransaction(2)
    log.inTransaction(3)
    expect(log.end(1, 'ABORT')?.lastStableOffset).toBe(1)
    expect(log.end(3, 'ABORT')?.lastStableOffset).toBe(1)
    expect(log.end(2, 'ABORT')?.lastStableOffset).toBe(6)
  })

  test('a marker without data completes nothing, but raises the epoch', () => {
    const log = new Log()
    expect(log.end(1, 'ABORT', 4)).toBeUndefined()
    log.flush()
    expect(log.watermarks).toEqual([1, 1, undefined])
    const late = header({ producerId: 1, producerEpoch: 3, baseSequence: 0, isTransactional: true })
    expect(log.state.decide(late, CONTEXT)).toMatchObject({ error: 'INVALID_PRODUCER_EPOCH' })
  })

  test('an admin ends a hung transaction with a marker of its own epoch, twice if need be', () => {
    const log = new Log()
    log.inTransaction(1)
    const marker = { producerId: 1, producerEpoch: 0, coordinatorEpoch: 0, transactionVersion: 0 }
    expect(log.state.decideMarker(marker)).toBe('NONE')
    expect(log.end(1, 'ABORT')).toBeDefined()
    expect(log.state.decideMarker(marker)).toBe('TRANSACTION_COORDINATOR_FENCED')
    expect(log.state.decideMarker({ ...marker, coordinatorEpoch: 1 })).toBe('NONE')
    expect(log.end(1, 'ABORT')).toBeUndefined()
  })
})

describe('limits', () => {
  test('Redpanda 18198: one producer too many is refused, those that are known go on', () => {
    const log = new Log(2)
    log.data(1)
    log.data(2)
    const decision = log.state.decide(header({ producerId: 3, baseSequence: 0 }), CONTEXT)
    expect(decision).toMatchObject({ kind: 'refuse', error: 'POLICY_VIOLATION' })
    const marker = { producerEpoch: 0, coordinatorEpoch: 1, transactionVersion: 0 }
    expect(log.state.decideMarker({ ...marker, producerId: 3 })).toBe('POLICY_VIOLATION')
    expect(log.state.decideMarker({ ...marker, producerId: 2 })).toBe('NONE')
    expect(log.state.decide(header({ producerId: 2, baseSequence: 1 }), CONTEXT)).toEqual({ kind: 'append' })
    expect(log.state.decide(header({ producerId: -1 }), CONTEXT)).toEqual({ kind: 'append' })
    expect(log.state.producerCount).toBe(2)
    log.state.expireProducers(1, 1)
    expect(log.state.expireProducers(2, 1)).toBe(2)
    expect(log.state.decide(header({ producerId: 3, baseSequence: 0 }), CONTEXT)).toEqual({ kind: 'append' })
  })
})

describe('what others ask', () => {
  test('DescribeProducers', () => {
    const log = new Log()
    log.inTransaction(1, { producerEpoch: 2, baseSequence: 6, timestampMs: 50 })
    log.end(9, 'COMMIT', 3)
    expect(log.state.activeProducers()).toEqual([
      {
        producerId: 1,
        producerEpoch: 2,
        lastSequence: 6,
        lastTimestamp: 50,
        coordinatorEpoch: -1,
        currentTxnStartOffset: 0,
      },
      {
        producerId: 9,
        producerEpoch: 3,
        lastSequence: -1,
        lastTimestamp: 0,
        coordinatorEpoch: 1,
        currentTxnStartOffset: -1,
      },
    ])
  })

  test('whether a transaction is open goes by its epoch', () => {
    const log = new Log()
    expect(log.state.producerEpoch(1)).toBeUndefined()
    log.inTransaction(1, { producerEpoch: 2 })
    expect(log.state.producerEpoch(1)).toBe(2)
    expect(log.state.hasOpenTransaction(1, 2)).toBe(true)
    expect(log.state.hasOpenTransaction(1, 1)).toBe(false)
    expect(log.state.hasOpenTransaction(1, 3)).toBe(false)
    log.end(1, 'COMMIT', 2)
    expect(log.state.hasOpenTransaction(1, 2)).toBe(false)
  })

  test('KAFKA-14920: a batch refused by the coordinator is not overtaken', () => {
    const log = new Log()
    const batch = (baseSequence: number) => header({ producerId: 1, baseSequence, isTransactional: true })
    log.state.beginVerification(batch(0), 0)
    expect(log.state.decide(batch(1), CONTEXT)).toMatchObject({ error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
    expect(log.state.decide(batch(0), CONTEXT)).toEqual({ kind: 'append' })
  })
})

// KAFKA-12153: a torn tail inside an open transaction; Redpanda 3036, 10671: the last stable offset after recovery.
test('any history, cut anywhere and loaded from any snapshot, gives the state that a plain reading of it gives', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('data' as const), producer: fc.nat(3), transactional: fc.boolean() }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('marker' as const),
        producer: fc.nat(3),
        commit: fc.boolean(),
        raise: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('durable' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('start' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), fc.nat(50), fc.nat(50), (steps, cut, snapshotAt) => {
      const log = new Log()
      const entries: { sent: ReturnType<typeof header>; marker?: 'COMMIT' | 'ABORT' }[] = []
      const aborted: AbortedTransaction[] = []
      const snapshots = [{ offset: 0, states: log.state.snapshot() }]
      const epochs = [0, 0, 0, 0]
      const sequences = [0, 0, 0, 0]
      const open = new Map<number, number>()
      const ended: { first: number; marker: number }[] = []
      for (const each of steps) {
        const { state } = log
        if (each.kind === 'durable') state.advanceHighWatermark(Math.floor(each.part * state.logEndOffset))
        else if (each.kind === 'start') state.setLogStartOffset(Math.floor(each.part * state.highWatermark))
        else {
          const producerId = each.producer
          const baseOffset = state.logEndOffset
          if (each.kind === 'data') {
            const isTransactional = open.has(producerId) || each.transactional
            const baseSequence = sequences[producerId] ?? 0
            const sent = header({
              producerId,
              producerEpoch: epochs[producerId] ?? 0,
              baseSequence,
              isTransactional,
              baseOffset,
            })
            expect(state.decide(sent, CONTEXT)).toEqual({ kind: 'append' })
            state.replay(sent)
            entries.push({ sent })
            sequences[producerId] = baseSequence + 1
            if (isTransactional && !open.has(producerId)) open.set(producerId, baseOffset)
          } else {
            if (each.raise) {
              epochs[producerId] = (epochs[producerId] ?? 0) + 1
              sequences[producerId] = 0
            }
            const marker = each.commit ? 'COMMIT' : 'ABORT'
            const sent = markerHeader({ producerId, producerEpoch: epochs[producerId] ?? 0, baseOffset })
            const result = state.replay(sent, { ...MARKER, markerType: marker })
            entries.push({ sent, marker })
            // A marker with no data may have come first: sequences then begin at 0.
            if (state.activeProducers().find((one) => one.producerId === producerId)?.lastSequence === -1)
              sequences[producerId] = 0
            const first = open.get(producerId)
            open.delete(producerId)
            if (first !== undefined) ended.push({ first, marker: baseOffset })
            expect(result.aborted !== undefined).toBe(first !== undefined && !each.commit)
            if (result.aborted !== undefined) aborted.push(result.aborted)
            const stillOpen = [...open.values()]
            if (result.aborted !== undefined) {
              expect(result.aborted.lastStableOffset).toBe(Math.min(baseOffset + 1, ...stillOpen))
            }
          }
          snapshots.push({ offset: state.logEndOffset, states: structuredClone(state.snapshot()) })
        }
        const unstable = [
          ...open.values(),
          ...ended.filter(({ marker }) => marker >= state.highWatermark).map(({ first }) => first),
        ]
        const firstUnstable = Math.max(Math.min(...unstable), state.logStartOffset)
        expect(state.lastStableOffset).toBe(Math.min(firstUnstable, state.highWatermark))
      }
      // The log as a crash leaves it.
      const kept = entries.slice(0, Math.min(cut, entries.length))
      const plain = new Log()
      for (const { sent, marker } of kept) {
        plain.state.replay(sent, marker === undefined ? undefined : { ...MARKER, markerType: marker })
      }
      plain.flush()
      const snapshot = snapshots[Math.min(snapshotAt, kept.length)] ?? { offset: 0, states: [] }
      const restored = new Log()
      restored.state.restore(snapshot.states, { logStartOffset: 0, snapshotOffset: snapshot.offset })
      for (const { sent, marker } of kept) {
        if (sent.baseOffset < snapshot.offset) continue
        restored.state.replay(sent, marker === undefined ? undefined : { ...MARKER, markerType: marker })
      }
      restored.flush()
      const byId = (state: PartitionState) => state.snapshot().toSorted((a, b) => a.producerId - b.producerId)
      expect(byId(restored.state)).toEqual(byId(plain.state))
      expect(restored.watermarks).toEqual(plain.watermarks)
    }),
  )
})
