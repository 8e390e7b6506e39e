import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DeadlineQueue } from './deadline-queue.ts'

function takeAll(queue: DeadlineQueue<string>, nowMs: number): string[] {
  const taken: string[] = []
  for (let key = queue.takeDue(nowMs); key !== undefined; key = queue.takeDue(nowMs)) taken.push(key)
  return taken
}

test('keys come out when they are due, the earliest first', () => {
  const queue = new DeadlineQueue<string>()
  queue.set('c', 30)
  queue.set('a', 10)
  queue.set('b', 20)
  expect(queue.nextDeadlineMs).toBe(10)
  expect(takeAll(queue, 9)).toEqual([])
  expect(takeAll(queue, 20)).toEqual(['a', 'b'])
  expect(queue.nextDeadlineMs).toBe(30)
  expect(queue.size).toBe(1)
})

test('equal deadlines come out in the order in which they were set', () => {
  const queue = new DeadlineQueue<string>()
  for (const key of ['e', 'd', 'c', 'b', 'a']) queue.set(key, 5)
  queue.set('d', 5)
  expect(takeAll(queue, 5)).toEqual(['e', 'c', 'b', 'a', 'd'])
})

test('a key is moved by setting it again and withdrawn by deleting it', () => {
  const queue = new DeadlineQueue<string>()
  queue.set('a', 10)
  queue.set('b', 20)
  queue.set('a', 30)
  expect(queue.deadlineOf('a')).toBe(30)
  expect(queue.delete('b')).toBe(true)
  expect(queue.delete('b')).toBe(false)
  expect(queue.deadlineOf('b')).toBeUndefined()
  expect(takeAll(queue, 100)).toEqual(['a'])
  expect(queue.nextDeadlineMs).toBeUndefined()
  queue.set('c', 1)
  queue.clear()
  expect(queue.size).toBe(0)
  expect(queue.takeDue(100)).toBeUndefined()
})

test('it behaves as a sorted list under any sequence of sets, deletes and takes', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key: fc.nat({ max: 12 }), atMs: fc.nat({ max: 20 }) }),
    fc.record({ kind: fc.constant('delete' as const), key: fc.nat({ max: 12 }), atMs: fc.constant(0) }),
    fc.record({ kind: fc.constant('take' as const), key: fc.constant(0), atMs: fc.nat({ max: 20 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const queue = new DeadlineQueue<number>()
      let model: { key: number; atMs: number }[] = []
      for (const { kind, key, atMs } of steps) {
        if (kind === 'take') {
          // A stable sort: equal deadlines stay in the order of setting.
          const first = model.toSorted((a, b) => a.atMs - b.atMs)[0]
          const expected = first !== undefined && first.atMs <= atMs ? first.key : undefined
          expect(queue.takeDue(atMs)).toBe(expected)
          if (expected !== undefined) model = model.filter((entry) => entry.key !== expected)
          continue
        }
        model = model.filter((entry) => entry.key !== key)
        if (kind === 'set') {
          model.push({ key, atMs })
          queue.set(key, atMs)
        } else {
          queue.delete(key)
        }
        expect(queue.size).toBe(model.length)
        expect(queue.nextDeadlineMs).toBe(
          model.length === 0 ? undefined : Math.min(...model.map((entry) => entry.atMs)),
        )
      }
    }),
  )
})
