/**
 * A number for each offset of a partition, in pages, so that a log that begins late or has wide gaps (compaction) takes no more room
 * than what is in it.
 */
const PAGE_SLOTS = 4096
/** What a slot holds that was never set. */
export const EMPTY = -1

export class OffsetMap {
  readonly #pages = new Map<number, Int32Array>()
  // Offsets are met in runs: most look-ups are in the page of the one before.
  #lastNumber = -1
  #lastPage: Int32Array | undefined

  get(offset: number): number {
    const number = Math.floor(offset / PAGE_SLOTS)
    const page = this.#page(number)
    return page === undefined ? EMPTY : (page[offset - number * PAGE_SLOTS] as number)
  }

  set(offset: number, value: number): void {
    const number = Math.floor(offset / PAGE_SLOTS)
    let page = this.#page(number)
    if (page === undefined) {
      page = new Int32Array(PAGE_SLOTS).fill(EMPTY)
      this.#pages.set(number, page)
      this.#lastPage = page
    }
    page[offset - number * PAGE_SLOTS] = value
  }

  /** The first offset in [from, to) that is set and for which `accepts` holds; `undefined` if there is none. */
  find(from: number, to: number, accepts: (value: number, offset: number) => boolean): number | undefined {
    let offset = from
    while (offset < to) {
      const number = Math.floor(offset / PAGE_SLOTS)
      const page = this.#page(number)
      const end = Math.min(to, (number + 1) * PAGE_SLOTS)
      if (page === undefined) {
        // Many pages that are not there in a row are passed at once.
        offset = to - offset > PAGE_SLOTS * this.#pages.size ? this.#nextPageStart(number, to) : end
        continue
      }
      for (; offset < end; offset += 1) {
        const value = page[offset - number * PAGE_SLOTS] as number
        if (value !== EMPTY && accepts(value, offset)) return offset
      }
    }
    return undefined
  }

  /** All that is set, in the order of offsets. */
  forEach(visit: (value: number, offset: number) => void): void {
    for (const number of [...this.#pages.keys()].sort((a, b) => a - b)) {
      const page = this.#pages.get(number) as Int32Array
      for (let slot = 0; slot < PAGE_SLOTS; slot += 1) {
        const value = page[slot] as number
        if (value !== EMPTY) visit(value, number * PAGE_SLOTS + slot)
      }
    }
  }

  #page(number: number): Int32Array | undefined {
    if (number !== this.#lastNumber) {
      this.#lastNumber = number
      this.#lastPage = this.#pages.get(number)
    }
    return this.#lastPage
  }

  #nextPageStart(number: number, to: number): number {
    let next = to
    for (const present of this.#pages.keys()) {
      if (present > number) next = Math.min(next, present * PAGE_SLOTS)
    }
    return next
  }
}
