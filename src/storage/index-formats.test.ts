/**
 * Byte layouts of the files beside a segment. Golden bytes follow the field layouts of Kafka 4.3 (OffsetIndex, TimeIndex,
 * AbortedTxn, ProducerSnapshot.json, PartitionMetadata, LeaderEpochCheckpointFile), written down by hand.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError } from '../base/bytes.ts'
import type { StoredProducerState } from '../protocol/stored-producer-state.ts'
import {
  decodePartitionMetadata,
  deletedDirectoryName,
  encodeLeaderEpochs,
  encodePartitionMetadata,
  isDeletedDirectoryName,
  isPartitionDirectoryName,
  parseSegmentFileName,
  segmentFileName,
} from './log-files.ts'
import { lookUpOffset, OFFSET_INDEX_ENTRY_BYTES, offsetIndexProblem, writeOffsetIndexEntry } from './offset-index.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from './producer-snapshot.ts'
import { decodeStoredProducers, encodeStoredProducers } from './stored-producers.ts'
import {
  lookUpMaxTimestamp,
  lookUpTimestamp,
  TIME_INDEX_ENTRY_BYTES,
  timeIndexProblem,
  writeTimeIndexEntry,
} from './time-index.ts'
import { AbortedTransactions, decodeAbortedTransactions, encodeAbortedTransactions } from './transaction-index.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function offsetEntries(baseOffset: number, entries: readonly { offset: number; position: number }[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * OFFSET_INDEX_ENTRY_BYTES)
  for (const [slot, entry] of entries.entries()) {
    writeOffsetIndexEntry(bytes, slot * OFFSET_INDEX_ENTRY_BYTES, baseOffset, entry)
  }
  return bytes
}

function timeEntries(baseOffset: number, entries: readonly { timestamp: number; offset: number }[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * TIME_INDEX_ENTRY_BYTES)
  for (const [slot, entry] of entries.entries()) {
    writeTimeIndexEntry(bytes, slot * TIME_INDEX_ENTRY_BYTES, baseOffset, entry)
  }
  return bytes
}

describe('the offset index', () => {
  test('an entry is the relative offset and the position, four bytes each', () => {
    expect(hex(offsetEntries(1000, [{ offset: 1258, position: 4242 }]))).toBe('0000010200001092')
  })

  test('a lookup gives the last entry at or below the offset, like a search through all entries', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(500)), fc.nat(600), (relative, target) => {
        const entries = relative
          .sort((a, b) => a - b)
          .map((offset, slot) => ({ offset: 70 + offset, position: slot * 9 }))
        const expected = entries.filter(({ offset }) => offset <= 70 + target).at(-1)
        expect(lookUpOffset(offsetEntries(70, entries), 70, 70 + target)).toEqual(expected)
      }),
    )
  })

  test('entries that do not ascend, are cut, or point beyond the segment are not believed', () => {
    const good = offsetEntries(5, [
      { offset: 7, position: 100 },
      { offset: 9, position: 200 },
    ])
    expect(offsetIndexProblem(good, 201)).toBeUndefined()
    expect(offsetIndexProblem(good, 200)).toContain('beyond')
    expect(offsetIndexProblem(good.subarray(0, 15), 1000)).toContain('whole entries')
    expect(offsetIndexProblem(Buffer.concat([good, new Uint8Array(8)]), 1000)).toContain('ascend')
  })
})

describe('the time index', () => {
  test('an entry is the timestamp in eight bytes and the relative offset in four', () => {
    expect(hex(timeEntries(1000, [{ timestamp: 1_700_000_000_000, offset: 1258 }]))).toBe('0000018bcfe5680000000102')
  })

  test('lookups by timestamp and by offset agree with a search through all entries', () => {
    const ascending = fc
      .uniqueArray(fc.nat(500), { minLength: 1, maxLength: 40 })
      .map((all) => all.sort((a, b) => a - b))
    fc.assert(
      fc.property(ascending, fc.nat(600), (timestamps, target) => {
        const entries = timestamps.map((timestamp, slot) => ({ timestamp, offset: 30 + slot * 3 }))
        const bytes = timeEntries(30, entries)
        expect(lookUpTimestamp(bytes, 30, target)).toEqual(
          entries.filter(({ timestamp }) => timestamp <= target).at(-1),
        )
        expect(lookUpMaxTimestamp(bytes, 30, target)).toEqual(entries.filter(({ offset }) => offset < target).at(-1))
      }),
    )
  })

  test('entries that do not ascend, are cut, or point beyond the segment are not believed', () => {
    const good = timeEntries(5, [{ timestamp: 10, offset: 7 }])
    expect(timeIndexProblem(good, 5, 8)).toBeUndefined()
    expect(timeIndexProblem(good, 5, 7)).toContain('not below')
    expect(timeIndexProblem(Buffer.concat([good, good]), 5, 8)).toContain('ascend')
    expect(timeIndexProblem(good.subarray(1), 5, 8)).toContain('whole entries')
    expect(timeIndexProblem(Buffer.alloc(12, 0xff), 5, 8)).toContain('timestamp')
  })
})

describe('the index of aborted transactions', () => {
  const entry = { producerId: 4096, firstOffset: 12, lastOffset: 20, lastStableOffset: 21 }

  test('an entry is version 0, producer id, first and last offset and last stable offset: 34 bytes', () => {
    expect(hex(encodeAbortedTransactions([entry]))).toBe(
      `0000${'0000000000001000'}${'000000000000000c'}${'0000000000000014'}${'0000000000000015'}`,
    )
    expect(decodeAbortedTransactions(encodeAbortedTransactions([entry]))).toEqual([entry])
  })

  test('a cut, foreign or disordered file is refused', () => {
    const bytes = encodeAbortedTransactions([entry])
    expect(() => decodeAbortedTransactions(bytes.subarray(0, 33))).toThrow(DecodeError)
    expect(() => decodeAbortedTransactions(Buffer.concat([bytes, bytes]))).toThrow(DecodeError)
    expect(() => decodeAbortedTransactions(Buffer.alloc(34, 0xff))).toThrow(DecodeError)
  })

  test('a fetch gets exactly the transactions whose offsets overlap what it reads', () => {
    // Transactions of one producer each, that begin anywhere before their marker; markers in ascending order.
    const transactions = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(9)), { maxLength: 30 })
    fc.assert(
      fc.property(transactions, fc.nat(100), fc.nat(100), (gaps, from, length) => {
        let marker = -1
        const entries = gaps.map(([gap, back], slot) => {
          marker += gap
          return { producerId: slot, firstOffset: Math.max(0, marker - back), lastOffset: marker, lastStableOffset: 0 }
        })
        // Kafka's last stable offset in an entry: nothing that completes later begins below it.
        for (const [slot, aborted] of entries.entries()) {
          const later = entries.slice(slot + 1).map(({ firstOffset }) => firstOffset)
          aborted.lastStableOffset = Math.min(aborted.lastOffset + 1, ...later)
        }
        const index = new AbortedTransactions()
        for (const aborted of entries) index.add(aborted)
        const upper = from + length
        const expected = entries.filter((aborted) => aborted.lastOffset >= from && aborted.firstOffset < upper)
        expect(index.overlapping(from, upper)).toEqual(
          expected.map(({ producerId, firstOffset }) => ({ producerId, firstOffset })),
        )
        expect(index.between(from, upper)).toEqual(
          entries.filter(({ lastOffset }) => lastOffset >= from && lastOffset < upper),
        )
        index.dropBelow(from)
        expect(index.between(0, 1000)).toEqual(entries.filter(({ lastOffset }) => lastOffset >= from))
      }),
    )
  })
})

const producer: StoredProducerState = {
  producerId: 7,
  producerEpoch: 2,
  coordinatorEpoch: 5,
  lastTimestampMs: 1_700_000_000_000,
  currentTransactionFirstOffset: 90,
  batches: [
    { lastSequence: 3, lastOffset: 93, offsetDelta: 3, timestampMs: 1_699_999_999_999 },
    { lastSequence: 9, lastOffset: 99, offsetDelta: 5, timestampMs: 1_700_000_000_000 },
  ],
}

describe('producer tables', () => {
  test('a .snapshot file is Kafka version 1: checksum, count, and the newest batch of each producer', () => {
    const bytes = encodeProducerSnapshot([producer])
    expect(hex(bytes.subarray(0, 2))).toBe('0001')
    expect(hex(bytes.subarray(6))).toBe(
      `00000001${'0000000000000007'}0002${'00000009'}${'0000000000000063'}${'00000005'}` +
        `${'0000018bcfe56800'}${'00000005'}${'000000000000005a'}`,
    )
    expect(decodeProducerSnapshot(bytes)).toEqual([{ ...producer, batches: producer.batches.slice(1) }])
    bytes[20] = 1 + (bytes[20] as number)
    expect(() => decodeProducerSnapshot(bytes)).toThrow(DecodeError)
  })

  test('a checkpoint keeps all batches of a producer, and producers that have only an epoch', () => {
    const idle = { ...producer, producerId: 8, currentTransactionFirstOffset: undefined, batches: [] }
    expect(decodeStoredProducers(encodeStoredProducers([producer, idle]))).toEqual([producer, idle])
    expect(decodeProducerSnapshot(encodeProducerSnapshot([idle]))).toEqual([idle])
  })
})

describe('names and small files', () => {
  test('segment files have the base offset in twenty digits', () => {
    expect(segmentFileName(42, 'timeindex')).toBe('00000000000000000042.timeindex')
    expect(parseSegmentFileName('00000000000000000042.timeindex')).toEqual({ baseOffset: 42, suffix: 'timeindex' })
    expect(parseSegmentFileName('00000000000000000042.cleaned')).toBeUndefined()
  })

  test('the directory of a deleted log tells its topic id and fits a file name', () => {
    const name = deletedDirectoryName('orders', 3, 'AAAAAAAAAAAAAAAAAAAAAQ')
    expect(name).toBe('orders-3.00000000000000000000000000000001-delete')
    expect(isDeletedDirectoryName(name)).toBe(true)
    expect(isPartitionDirectoryName(name)).toBe(false)
    expect(deletedDirectoryName('t'.repeat(249), 10_000, 'AAAAAAAAAAAAAAAAAAAAAQ')).toHaveLength(255)
  })

  test('neither the journal nor a checkpoint can be taken for a partition, whatever topics are called', () => {
    for (const name of ['journal', 'checkpoint-a', 'checkpoint-b', '.lock']) {
      expect(isPartitionDirectoryName(name)).toBe(false)
    }
  })

  test('partition.metadata and leader-epoch-checkpoint are the text that Kafka writes', () => {
    const metadata = encodePartitionMetadata('AAAAAAAAAAAAAAAAAAAAAQ')
    expect(Buffer.from(metadata).toString()).toBe('version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ')
    expect(decodePartitionMetadata(metadata)).toBe('AAAAAAAAAAAAAAAAAAAAAQ')
    expect(decodePartitionMetadata(metadata.subarray(0, 30))).toBeUndefined()
    const epochs = encodeLeaderEpochs([
      { epoch: 1, startOffset: 0 },
      { epoch: 4, startOffset: 17 },
    ])
    expect(Buffer.from(epochs).toString()).toBe('0\n2\n1 0\n4 17\n')
  })
})
