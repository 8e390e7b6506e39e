import { expect, test } from 'vitest'
import type { ConsumerRecord } from '../topic.ts'
import { Batch } from './batch.ts'

function record(topic: string, partition: number, offset: number): ConsumerRecord {
  return {
    topic,
    partition,
    offset,
    leaderEpoch: 0,
    timestampMs: 0,
    timestampType: 'CreateTime',
    key: null,
    value: Buffer.from(`${offset}`),
    headers: [],
  }
}

const batch = new Batch(
  [record('a', 0, 5), record('a', 1, 0), record('a', 0, 7), record('b', 0, 1)],
  [
    { topic: 'a', partition: 0, offset: 10 },
    { topic: 'a', partition: 1, offset: 1 },
    { topic: 'b', partition: 0, offset: 3 },
  ],
)

test('a batch that loses a partition loses its records and its offset, and nothing else', () => {
  const rest = batch.without(({ topic, partition }) => topic === 'a' && partition === 0)
  expect(rest.records.map(({ topic, offset }) => `${topic}${offset}`)).toEqual(['a0', 'b1'])
  expect(rest.offsets).toEqual([
    { topic: 'a', partition: 1, offset: 1 },
    { topic: 'b', partition: 0, offset: 3 },
  ])
  expect(batch.without(() => false)).toBe(batch)
  expect(batch.without(() => true).isEmpty).toBe(true)
})

test('its records one by one keep their order, and together reach the same offsets', () => {
  const singles = batch.singles()
  expect(
    singles.map(({ offsets }) => offsets.map(({ topic, partition, offset }) => `${topic}-${partition}:${offset}`)),
  ).toEqual([
    ['a-0:6'],
    ['a-1:1'],
    // The last of its partition takes along the markers behind it.
    ['a-0:10'],
    ['b-0:3'],
  ])
})

test('it begins at the first record of each partition, and says in words what it holds', () => {
  expect(batch.starts).toEqual([
    { topic: 'a', partition: 0, offset: 5 },
    { topic: 'a', partition: 1, offset: 0 },
    { topic: 'b', partition: 0, offset: 1 },
  ])
  expect(batch.describe()).toBe('a-0 5…7, a-1 0, b-0 1')
})
