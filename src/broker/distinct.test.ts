import { expect, test } from 'vitest'
import { distinct, distinctPartitions } from './distinct.ts'

test('the first of each key stays, in order', () => {
  expect(distinct(['b', 'a', 'b', 'c', 'a'], (key) => key)).toEqual(['b', 'a', 'c'])
})

test('a partition stays where it is named first, also when its topic is named again', () => {
  const topics = [
    { name: 't', partitionIndexes: [1, 0, 1] },
    { name: 'u', partitionIndexes: [1] },
    { name: 't', partitionIndexes: [0, 2] },
  ]
  expect(distinctPartitions(topics, ({ name }) => name).map(({ partitionIndexes }) => partitionIndexes)).toEqual([
    [1, 0],
    [1],
    [2],
  ])
})
