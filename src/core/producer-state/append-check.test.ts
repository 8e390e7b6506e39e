import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StoredBatch } from '../../protocol/stored-producer-state.ts'
import { SEQUENCE_MAX } from '../../protocol/record-batch.ts'
import { checkAppend, checkMarker } from './append-check.ts'
import type { AppendContext, AppendDecision } from './append-check.ts'
import { header, markerHeader } from './batch.test-kit.ts'
import type { BatchShape } from './batch.test-kit.ts'
import { newProducerEntry } from './producer-entry.ts'
import type { ProducerEntry } from './producer-entry.ts'
import { ProducerTable } from './producer-table.ts'

const ID = 7

const CLIENT: AppendContext = { origin: 'client', transactionVersion: 1, verified: false }
const VERIFIED: AppendContext = { ...CLIENT, verified: true }
const VERSION_2: AppendContext = { ...VERIFIED, transactionVersion: 2 }
const COORDINATOR: AppendContext = { origin: 'coordinator', transactionVersion: 1, verified: true }

function batch(lastSequence: number, offsetDelta = 0, lastOffset = lastSequence): StoredBatch {
  return { lastSequence, lastOffset, offsetDelta, timestampMs: 1000 + lastSequence }
}

function entry(over: Partial<ProducerEntry> = {}): ProducerEntry {
  return { ...newProducerEntry(ID), producerEpoch: 3, batches: [batch(4)], ...over }
}

function outcomeOf(decision: AppendDecision): string {
  return decision.kind === 'refuse' ? decision.error : decision.kind
}

function check(known: ProducerEntry | undefined, shape: BatchShape, context: AppendContext = CLIENT): string {
  return outcomeOf(checkAppend(known, undefined, header({ producerId: ID, producerEpoch: 3, ...shape }), context))
}

describe('sequences', () => {
  test.each([
    ['the next one', entry(), { baseSequence: 5 }, 'append'],
    ['a gap', entry(), { baseSequence: 6 }, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ['the last one again, exactly', entry(), { baseSequence: 4 }, 'duplicate'],
    [
      'the last one again with one record more',
      entry(),
      { baseSequence: 4, recordCount: 2 },
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
    ],
    [
      'its end again, with one record more before it',
      entry(),
      { baseSequence: 3, recordCount: 2 },
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
    ],
    ['0 at a higher epoch', entry(), { producerEpoch: 4, baseSequence: 0 }, 'append'],
    ['another one at a higher epoch', entry(), { producerEpoch: 4, baseSequence: 5 }, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    [
      'the next one of an epoch that only a marker has brought',
      entry({ batches: [] }),
      { baseSequence: 5 },
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
    ],
    ['0 at an epoch that only a marker has brought', entry({ batches: [] }), { baseSequence: 0 }, 'append'],
    ['any, where nothing is known (KIP-360)', undefined, { baseSequence: 17 }, 'append'],
    ['any, where no epoch is known', newProducerEntry(ID), { baseSequence: 17 }, 'append'],
  ] as const)('%s', (_, known, shape, expected) => {
    expect(check(known, shape)).toBe(expected)
  })

  // KAFKA-7692, 7693, 5283
  test.each([
    ['0 after the largest', entry({ batches: [batch(SEQUENCE_MAX)] }), { baseSequence: 0 }, 'append'],
    [
      '1 after the largest',
      entry({ batches: [batch(SEQUENCE_MAX)] }),
      { baseSequence: 1 },
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
    ],
    [
      '0 one too early',
      entry({ batches: [batch(SEQUENCE_MAX - 1)] }),
      { baseSequence: 0 },
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
    ],
    [
      'a batch across the end',
      entry({ batches: [batch(SEQUENCE_MAX - 2)] }),
      { baseSequence: SEQUENCE_MAX - 1, recordCount: 5 },
      'append',
    ],
    ['after a batch across the end', entry({ batches: [batch(2, 4)] }), { baseSequence: 3 }, 'append'],
    [
      'a batch across the end again',
      entry({ batches: [batch(2, 4)] }),
      { baseSequence: SEQUENCE_MAX - 1, recordCount: 5 },
      'duplicate',
    ],
  ] as const)('KAFKA-7692: over the end of the sequence numbers: %s', (_, known, shape, expected) => {
    expect(check(known, shape)).toBe(expected)
  })

  test('offsets committed in a transaction carry no sequence and are held to the epoch only', () => {
    const open = entry({ currentTransactionFirstOffset: 2 })
    expect(check(open, { isTransactional: true }, COORDINATOR)).toBe('append')
    expect(check(open, { isTransactional: true, producerEpoch: 2 }, COORDINATOR)).toBe('INVALID_PRODUCER_EPOCH')
    expect(check(open, { isTransactional: true, producerEpoch: 4 }, COORDINATOR)).toBe('append')
  })

  test('KAFKA-18202: with version 2 a producer that is not known here begins at 0', () => {
    const shape = { isTransactional: true, baseSequence: 1 }
    expect(check(undefined, shape, VERIFIED)).toBe('append')
    expect(check(undefined, shape, VERSION_2)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(check(undefined, { ...shape, baseSequence: 0 }, VERSION_2)).toBe('append')
    expect(check(undefined, { baseSequence: 1 }, VERSION_2)).toBe('append')
  })
})

describe('duplicates', () => {
  // KAFKA-5494, Redpanda 5356
  test('KAFKA-5494: each of the last five batches is answered with its own offsets, the sixth is out of order', () => {
    const batches = [10, 20, 30, 40, 50].map((sequence) => batch(sequence + 9, 9, sequence + 109))
    const known = entry({ batches })
    for (const base of [10, 20, 30, 40, 50]) {
      const again = header({ producerId: ID, producerEpoch: 3, baseSequence: base, recordCount: 10 })
      expect(checkAppend(known, undefined, again, CLIENT)).toEqual({
        kind: 'duplicate',
        baseOffset: base + 100,
        lastOffset: base + 109,
        timestampMs: 1000 + base + 9,
      })
    }
    expect(check(known, { baseSequence: 0, recordCount: 10 })).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })

  test('a duplicate is seen before anything else is asked, an open transaction included', () => {
    expect(check(entry(), { baseSequence: 4, isTransactional: true })).toBe('duplicate')
    expect(check(entry({ currentTransactionFirstOffset: 1 }), { baseSequence: 4 })).toBe('duplicate')
  })

  test('the same sequences at another epoch are no duplicate', () => {
    expect(check(entry(), { baseSequence: 4, producerEpoch: 2 })).toBe('INVALID_PRODUCER_EPOCH')
    expect(check(entry({ batches: [batch(0)] }), { baseSequence: 0, producerEpoch: 4 })).toBe('append')
  })
})

describe('transactions', () => {
  const open = entry({ currentTransactionFirstOffset: 2 })

  test.each([
    ['goes on in the open transaction', open, {}, CLIENT, 'append'],
    ['needs to be verified where none is open', entry(), {}, CLIENT, 'INVALID_TXN_STATE'],
    ['begins one when verified', entry(), {}, VERIFIED, 'append'],
    ['needs to be verified where nothing is known', undefined, { baseSequence: 0 }, CLIENT, 'INVALID_TXN_STATE'],
    [
      'needs to be verified when the open one is of an older epoch',
      open,
      { producerEpoch: 4, baseSequence: 0 },
      CLIENT,
      'INVALID_TXN_STATE',
    ],
    [
      'of an old epoch is told so, verified or not (KAFKA-18042)',
      entry(),
      { producerEpoch: 2 },
      VERIFIED,
      'INVALID_PRODUCER_EPOCH',
    ],
    [
      'of an old epoch is told so before the transaction is asked about (KAFKA-18042)',
      entry(),
      { producerEpoch: 2 },
      CLIENT,
      'INVALID_PRODUCER_EPOCH',
    ],
  ] as const)('a transactional batch %s', (_, known, shape, context, expected) => {
    expect(check(known, { baseSequence: 5, isTransactional: true, ...shape }, context)).toBe(expected)
  })

  test('a plain batch of a producer is refused while its transaction is open', () => {
    expect(check(open, { baseSequence: 5 })).toBe('INVALID_TXN_STATE')
    expect(check(entry(), { baseSequence: 5 })).toBe('append')
  })

  test('offsets of a transaction need the coordinator as well (KAFKA-15449)', () => {
    expect(check(entry(), { isTransactional: true }, { ...COORDINATOR, verified: false })).toBe('INVALID_TXN_STATE')
  })
})

describe('batches that wait for verification', () => {
  const next = header({ producerId: ID, producerEpoch: 3, baseSequence: 8, isTransactional: true })

  test.each([
    ['a lower sequence waits', { producerEpoch: 3, lowestSequence: 5, seenMs: 0 }, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ['this one waits', { producerEpoch: 3, lowestSequence: 8, seenMs: 0 }, 'append'],
    ['a higher sequence waits', { producerEpoch: 3, lowestSequence: 9, seenMs: 0 }, 'append'],
    ['a lower sequence of another epoch waits', { producerEpoch: 4, lowestSequence: 5, seenMs: 0 }, 'append'],
  ] as const)('KAFKA-14904, 14920: %s', (_, pending, expected) => {
    expect(outcomeOf(checkAppend(undefined, pending, next, VERIFIED))).toBe(expected)
  })
})

describe('markers', () => {
  const at = (producerEpoch: number, over: Partial<ProducerEntry> = {}): ProducerEntry =>
    entry({ producerEpoch, coordinatorEpoch: 5, ...over })
  const open = { currentTransactionFirstOffset: 2 }

  test.each([
    ['nothing is known', undefined, 0, 2, 'NONE'],
    ['version 0, same epoch: the admin who ends a hung transaction', at(3, open), 3, 0, 'NONE'],
    ['version 1, same epoch', at(3, open), 3, 1, 'NONE'],
    ['version 1, higher epoch: the coordinator fences', at(3, open), 4, 1, 'NONE'],
    ['version 1, lower epoch', at(3, open), 2, 1, 'INVALID_PRODUCER_EPOCH'],
    ['version 2, higher epoch', at(3, open), 4, 2, 'NONE'],
    ['version 2, same epoch with an open transaction (KAFKA-19446)', at(3, open), 3, 2, 'INVALID_PRODUCER_EPOCH'],
    ['version 2, same epoch, nothing open: written again (KAFKA-19999)', at(3), 3, 2, 'NONE'],
    ['version 2, same epoch, the largest there is', at(32_767, open), 32_767, 2, 'NONE'],
    ['version 2, lower epoch', at(3), 2, 2, 'INVALID_PRODUCER_EPOCH'],
  ] as const)('%s', (_, known, producerEpoch, transactionVersion, expected) => {
    expect(checkMarker(known, { producerId: ID, producerEpoch, coordinatorEpoch: 5, transactionVersion })).toBe(
      expected,
    )
  })

  test('of an earlier coordinator are refused', () => {
    const marker = { producerId: ID, producerEpoch: 4, transactionVersion: 2 }
    expect(checkMarker(at(3, open), { ...marker, coordinatorEpoch: 4 })).toBe('TRANSACTION_COORDINATOR_FENCED')
    expect(checkMarker(at(3, open), { ...marker, coordinatorEpoch: 6 })).toBe('NONE')
  })

  test('a higher epoch on a marker makes the next sequence 0', () => {
    const table = new ProducerTable()
    const shape = { producerId: ID, isTransactional: true, producerEpoch: 3 }
    table.replayBatch(header({ ...shape, baseSequence: 9 }))
    table.replayMarker(markerHeader({ ...shape, producerEpoch: 4, baseOffset: 1 }), 1)
    const known = table.get(ID)
    expect(check(known, { ...shape, producerEpoch: 4, baseSequence: 10 }, VERIFIED)).toBe(
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
    )
    expect(check(known, { ...shape, producerEpoch: 4, baseSequence: 0 }, VERIFIED)).toBe('append')
  })
})

test('whatever a client repeats or swaps, each batch is stored once and in order', () => {
  const sends = fc.array(fc.record({ index: fc.nat(12), epoch: fc.nat(2) }), { maxLength: 60 })
  fc.assert(
    fc.property(sends, fc.integer({ min: 1, max: 3 }), fc.nat(4), (tries, recordCount, start) => {
      const table = new ProducerTable()
      const stored: { epoch: number; index: number }[] = []
      let nextOffset = 0
      for (const { index, epoch } of tries) {
        const baseSequence = (SEQUENCE_MAX - start + index * recordCount) % 2 ** 31
        // Only its first epoch begins anywhere; later ones begin at 0.
        const shape = { producerId: ID, producerEpoch: epoch, recordCount, baseOffset: nextOffset }
        const sent = header({ ...shape, baseSequence: epoch === 0 ? baseSequence : index * recordCount })
        const known = table.get(ID)
        const decision = checkAppend(known, undefined, sent, CLIENT)
        if (decision.kind === 'append') {
          table.replayBatch(sent)
          stored.push({ epoch, index })
          nextOffset += recordCount
        } else if (decision.kind === 'duplicate') {
          const at = decision.baseOffset / recordCount
          expect(stored[at]).toEqual({ epoch, index })
        }
      }
      for (let at = 1; at < stored.length; at += 1) {
        const [before, after] = [stored[at - 1], stored[at]] as const
        if (after?.epoch === before?.epoch) expect(after?.index).toBe((before?.index ?? 0) + 1)
        else expect(after).toEqual({ epoch: Math.max(after?.epoch ?? 0, (before?.epoch ?? 0) + 1), index: 0 })
      }
    }),
  )
})
