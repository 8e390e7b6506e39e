import { describe, expect, test } from 'vitest'
import { PartitionSequences, type Sequenced } from './sequences.ts'

const FIRST = { producerId: 7, producerEpoch: 0 }
const MAX = 0x7fff_ffff

function batch(recordCount: number): Sequenced {
  return { recordCount, producerId: -1, producerEpoch: -1, baseSequence: -1 }
}

function begun(): PartitionSequences<Sequenced> {
  const sequences = new PartitionSequences<Sequenced>()
  sequences.startOver(FIRST)
  return sequences
}

/** Numbers as many batches, of so many records. */
function assign(sequences: PartitionSequences<Sequenced>, ...counts: readonly number[]): Sequenced[] {
  return counts.map((count) => {
    const one = batch(count)
    sequences.assign(one)
    return one
  })
}

describe('PartitionSequences', () => {
  test('numbers records one after the other, from 0', () => {
    const sequences = begun()
    const all = assign(sequences, 3, 1, 5)
    expect(all.map(({ baseSequence }) => baseSequence)).toEqual([0, 3, 4])
    expect(all[0]).toMatchObject(FIRST)
    expect(sequences.nextSequence).toBe(9)
    expect(sequences.unfinished).toEqual(all)
  })

  test('after 2^31 - 1 comes 0, inside a batch too', () => {
    const sequences = begun()
    const [huge, across, next] = assign(sequences, MAX - 1, 4, 1) as [Sequenced, Sequenced, Sequenced]
    expect([huge.baseSequence, across.baseSequence, next.baseSequence]).toEqual([0, MAX - 1, 2])
    sequences.acknowledged(next)
    sequences.acknowledged(huge)
    sequences.gaveUp(across)
    // The last one is stored, so the one before it, which cannot be missing, is.
    expect(sequences.resolve()).toBe(true)
    expect(sequences.nextSequence).toBe(3)
  })

  test('an acknowledgement that comes late does not set back what is acknowledged', () => {
    const sequences = begun()
    const [first, second] = assign(sequences, 2, 2) as [Sequenced, Sequenced]
    sequences.acknowledged(second)
    sequences.acknowledged(first)
    sequences.gaveUp(batch(1))
    expect(sequences.resolve()).toBe(true)
  })

  test('a batch that was given up leaves a gap until a later one is acknowledged', () => {
    const sequences = begun()
    const [first, second] = assign(sequences, 1, 1) as [Sequenced, Sequenced]
    sequences.gaveUp(first)
    expect(sequences.isUnresolved).toBe(true)
    sequences.gaveUp(second)
    expect(sequences.resolve()).toBe(false)
    sequences.startOver({ producerId: 7, producerEpoch: 1 })
    expect(sequences.isUnresolved).toBe(false)
    expect(assign(sequences, 1)[0]).toMatchObject({ producerEpoch: 1, baseSequence: 0 })
  })

  test('numbers of a batch that was refused are free only if it was the last one', () => {
    const sequences = begun()
    const [first, second, third] = assign(sequences, 1, 2, 3) as [Sequenced, Sequenced, Sequenced]
    expect(sequences.takeBack(second)).toBe(false)
    expect(sequences.nextSequence).toBe(6)
    expect(sequences.takeBack(third)).toBe(true)
    expect(sequences.nextSequence).toBe(3)
    expect(sequences.unfinished).toEqual([first])
  })

  test('the parts of a batch have its numbers among them', () => {
    const sequences = begun()
    const [, big, last] = assign(sequences, 1, 5, 1) as [Sequenced, Sequenced, Sequenced]
    const parts = [batch(2), batch(3)]
    sequences.split(big, parts)
    expect(parts.map(({ baseSequence }) => baseSequence)).toEqual([1, 3])
    expect(sequences.unfinished.slice(1)).toEqual([...parts, last])
    expect(() => sequences.split(last, [batch(2)])).toThrow('as many records')
  })

  test('a new epoch begins only when nothing is left of the old one', () => {
    const sequences = begun()
    assign(sequences, 1)
    expect(() => sequences.startOver({ producerId: 7, producerEpoch: 1 })).toThrow('1 batches are unfinished')
    expect(sequences.takeUnfinished()).toHaveLength(1)
    sequences.startOver({ producerId: 7, producerEpoch: 1 })
  })
})
