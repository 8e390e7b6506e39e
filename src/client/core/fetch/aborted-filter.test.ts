/** The read_committed filter against an oracle. `node scripts/filter-hunt.ts --cases 1000000` is the same at full size. */
import { describe, expect, test } from 'vitest'
import type { AbortedTransaction } from './aborted-filter.ts'
import { drawOf, type FilterUnderTest, hunt, isRight, semelFilter } from './filter-hunt.test-kit.ts'
import type { LogBatch } from './filter-oracle.test-kit.ts'

const CASES = 20_000
const CASES_OF_BYTES = 1_000

function failures(filter: FilterUnderTest | 'bytes', cases: number): number[] {
  return Array.from({ length: cases }, (_, seed) => seed).filter((seed) => !isRight(hunt(seed, filter)))
}

test(`${CASES} random logs in random pieces show what is committed and nothing else (a seed again: node scripts/filter-hunt.ts --seed N)`, () => {
  expect(failures(semelFilter, CASES)).toEqual([])
})

test('so they do from the bytes on: compressed, emptied and cut', () => {
  expect(failures('bytes', CASES_OF_BYTES)).toEqual([])
})

describe('the oracle notices filters that are wrong', () => {
  const offsetsOf = (batch: LogBatch): number[] =>
    batch.marker !== undefined || batch.isEmptied ? [] : batch.keys.map((_, index) => batch.baseOffset + index)

  const wrong: readonly [string, FilterUnderTest][] = [
    ['no filter at all', (batches) => batches.flatMap(offsetsOf)],
    [
      'only entries in the order of the list, one at a time',
      (batches, aborted) => {
        const waiting = [...aborted]
        const active = new Set<number>()
        return batches.flatMap((batch) => {
          const next = waiting[0]
          if (next !== undefined && next.firstOffset <= batch.lastOffset) {
            active.add(next.producerId)
            waiting.shift()
          }
          if (batch.marker === 'ABORT') active.delete(batch.producerId)
          return batch.isTransactional && active.has(batch.producerId) ? [] : offsetsOf(batch)
        })
      },
    ],
    [
      'one range for each producer, up to its marker in the same response',
      (batches, aborted) => {
        const ranges = new Map<number, { from: number; to: number }>()
        for (const { producerId, firstOffset } of aborted) {
          const marker = batches.find(
            (one) => one.producerId === producerId && one.marker === 'ABORT' && one.baseOffset > firstOffset,
          )
          if (marker !== undefined) ranges.set(producerId, { from: firstOffset, to: marker.baseOffset })
        }
        return batches.flatMap((batch) => {
          const range = batch.isTransactional ? ranges.get(batch.producerId) : undefined
          const isAborted = range !== undefined && batch.baseOffset >= range.from && batch.baseOffset < range.to
          return isAborted ? [] : offsetsOf(batch)
        })
      },
    ],
    [
      "a user's key taken for a marker",
      (batches, aborted) => {
        const entries = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
        const active = new Set<number>()
        return batches.flatMap((batch) => {
          while (entries[0] !== undefined && entries[0].firstOffset <= batch.lastOffset) {
            active.add((entries.shift() as AbortedTransaction).producerId)
          }
          const looksLikeAbort = batch.keys.some(
            (key) => key !== null && Buffer.from(key).equals(Buffer.from([0, 0, 0, 0])),
          )
          const isOut = batch.isTransactional && active.has(batch.producerId)
          if (batch.marker === 'ABORT' || looksLikeAbort) active.delete(batch.producerId)
          return isOut ? [] : offsetsOf(batch)
        })
      },
    ],
    [
      'any marker ends any transaction',
      (batches, aborted) => {
        const active = new Set(aborted.map(({ producerId }) => producerId))
        return batches.flatMap((batch) => {
          if (batch.marker !== undefined) active.clear()
          return batch.isTransactional && active.has(batch.producerId) ? [] : offsetsOf(batch)
        })
      },
    ],
  ]
  test.each(wrong)('%s', (_what, filter) => {
    expect(failures(filter, 500).length).toBeGreaterThan(0)
  })
})

test('a seed gives the same log again', () => {
  const draw = (seed: number): number[] => Array.from({ length: 5 }, () => drawOf(seed)(1_000))
  expect(draw(3)).toEqual(draw(3))
})
