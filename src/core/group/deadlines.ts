/**
 * Deadlines that move often: every heartbeat moves one.
 *
 * A binary heap whose entries know their place, so that moving and cancelling cost O(log n) and leave nothing behind:
 * a member that is gone is not held by a timer. Equal deadlines fire in the order in which they were set.
 */
import { assert } from '../../base/assert.ts'

/** A deadline that is set, moved and cancelled again and again. Made once, by whatever it belongs to. */
export class Deadline<Event> {
  readonly event: Event
  /** The moment it fires, while it is set. */
  deadlineMs = 0
  /** Place in the heap, -1 while not set. Owned by `Deadlines`. */
  heapIndex = -1
  /** Order of setting. Owned by `Deadlines`. */
  order = 0

  constructor(event: Event) {
    this.event = event
  }

  get isSet(): boolean {
    return this.heapIndex >= 0
  }
}

export class Deadlines<Event> {
  readonly #heap: Deadline<Event>[] = []
  #orderNext = 0

  get size(): number {
    return this.#heap.length
  }

  /** The earliest moment at which something is due. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.deadlineMs
  }

  /** Sets a deadline, or moves it when it is set. */
  set(deadline: Deadline<Event>, deadlineMs: number): void {
    deadline.deadlineMs = deadlineMs
    deadline.order = this.#orderNext++
    if (!deadline.isSet) {
      deadline.heapIndex = this.#heap.length
      this.#heap.push(deadline)
    }
    this.#settle(deadline)
  }

  cancel(deadline: Deadline<Event>): void {
    if (!deadline.isSet) return
    const index = deadline.heapIndex
    assert(this.#heap[index] === deadline, `the deadline at ${index} is another one`)
    deadline.heapIndex = -1
    const last = this.#heap.pop() as Deadline<Event>
    if (last === deadline) return
    this.#place(last, index)
    this.#settle(last)
  }

  /** Takes out and answers what is due first, if it is due. */
  takeDue(nowMs: number): Deadline<Event> | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.deadlineMs > nowMs) return undefined
    this.cancel(first)
    return first
  }

  #settle(deadline: Deadline<Event>): void {
    let index = deadline.heapIndex
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#heap[parentIndex] as Deadline<Event>
      if (!isBefore(deadline, parent)) break
      this.#place(parent, index)
      index = parentIndex
    }
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= this.#heap.length) break
      const right = this.#heap[childIndex + 1]
      if (right !== undefined && isBefore(right, this.#heap[childIndex] as Deadline<Event>)) childIndex += 1
      const child = this.#heap[childIndex] as Deadline<Event>
      if (!isBefore(child, deadline)) break
      this.#place(child, index)
      index = childIndex
    }
    this.#place(deadline, index)
  }

  #place(deadline: Deadline<Event>, index: number): void {
    this.#heap[index] = deadline
    deadline.heapIndex = index
  }
}

function isBefore(a: Deadline<unknown>, b: Deadline<unknown>): boolean {
  return a.deadlineMs < b.deadlineMs || (a.deadlineMs === b.deadlineMs && a.order < b.order)
}
