/**
 * Keys with a deadline each, earliest first: a binary heap with the place of every key, so that a deadline can be moved or
 * withdrawn. Knows no clock; the owner asks `nextDeadlineMs`, sleeps, and takes what is due.
 *
 * Invariants: a key is in the queue at most once; equal deadlines come out in the order in which they were set.
 */
interface Entry<Key> {
  readonly key: Key
  deadlineMs: number
  /** Breaks ties, so that the order never depends on the shape of the heap. */
  sequence: number
}

export class DeadlineQueue<Key> {
  readonly #heap: Entry<Key>[] = []
  readonly #places = new Map<Key, number>()
  #sequence = 0

  get size(): number {
    return this.#heap.length
  }

  /** The earliest deadline; `undefined` when the queue is empty. */
  get nextDeadlineMs(): number | undefined {
    return this.#heap[0]?.deadlineMs
  }

  deadlineOf(key: Key): number | undefined {
    const place = this.#places.get(key)
    return place === undefined ? undefined : this.#heap[place]!.deadlineMs
  }

  /** Adds the key or moves it to another deadline. */
  set(key: Key, deadlineMs: number): void {
    const place = this.#places.get(key)
    const sequence = this.#sequence++
    if (place === undefined) {
      this.#heap.push({ key, deadlineMs, sequence })
      this.#places.set(key, this.#heap.length - 1)
      this.#rise(this.#heap.length - 1)
      return
    }
    const entry = this.#heap[place]!
    entry.deadlineMs = deadlineMs
    entry.sequence = sequence
    this.#sink(this.#rise(place))
  }

  /** Withdraws a key; false when it was not there. */
  delete(key: Key): boolean {
    const place = this.#places.get(key)
    if (place === undefined) return false
    this.#removeAt(place)
    return true
  }

  /** Takes the earliest key if its deadline is `nowMs` or before. */
  takeDue(nowMs: number): Key | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.deadlineMs > nowMs) return undefined
    this.#removeAt(0)
    return first.key
  }

  clear(): void {
    this.#heap.length = 0
    this.#places.clear()
  }

  #removeAt(place: number): void {
    this.#places.delete(this.#heap[place]!.key)
    const last = this.#heap.pop()!
    if (place === this.#heap.length) return
    this.#put(place, last)
    this.#sink(this.#rise(place))
  }

  #rise(from: number): number {
    let place = from
    const entry = this.#heap[place]!
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(entry, this.#heap[parent]!)) break
      this.#put(place, this.#heap[parent]!)
      place = parent
    }
    this.#put(place, entry)
    return place
  }

  #sink(from: number): void {
    let place = from
    const entry = this.#heap[place]!
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.#heap.length) break
      if (child + 1 < this.#heap.length && isBefore(this.#heap[child + 1]!, this.#heap[child]!)) child++
      if (!isBefore(this.#heap[child]!, entry)) break
      this.#put(place, this.#heap[child]!)
      place = child
    }
    this.#put(place, entry)
  }

  #put(place: number, entry: Entry<Key>): void {
    this.#heap[place] = entry
    this.#places.set(entry.key, place)
  }
}

function isBefore<Key>(a: Entry<Key>, b: Entry<Key>): boolean {
  return a.deadlineMs < b.deadlineMs || (a.deadlineMs === b.deadlineMs && a.sequence < b.sequence)
}
