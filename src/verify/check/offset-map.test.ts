import { expect, test } from 'vitest'
import { EMPTY, OffsetMap } from './offset-map.ts'

test('what was set is there, and nothing else', () => {
  const map = new OffsetMap()
  map.set(0, 7)
  map.set(5_000_000_000, 8)
  expect([map.get(0), map.get(1), map.get(5_000_000_000), map.get(4_999_999_999)]).toEqual([7, EMPTY, 8, EMPTY])
  const all: [number, number][] = []
  map.forEach((value, offset) => void all.push([offset, value]))
  expect(all).toEqual([
    [0, 7],
    [5_000_000_000, 8],
  ])
})

test('a search crosses pages and wide gaps, and stays within its bounds', () => {
  const map = new OffsetMap()
  for (const offset of [3, 4095, 4096, 9_000_000_000]) map.set(offset, offset % 1000)
  const find = (from: number, to: number) => map.find(from, to, () => true)
  expect(find(0, 3)).toBeUndefined()
  expect(find(0, 4)).toBe(3)
  expect(find(4, 5000)).toBe(4095)
  expect(find(4097, 9_000_000_000)).toBeUndefined()
  expect(find(4097, 9_000_000_001)).toBe(9_000_000_000)
  expect(map.find(0, 1e10, (value) => value === 0)).toBe(9_000_000_000)
})
