/**
 * The content of a file held in memory: grows without copying what is there, and holes cost nothing.
 *
 * Owns bytes and their length; knows nothing of names or durability.
 *
 *   page 0 grows by doubling up to PAGE_BYTES; every later page is PAGE_BYTES; a missing page reads as zeros
 *
 * A clone shares pages until one of the two writes to them: a simulated disk is copied at each of its operations.
 */

const PAGE_BYTES = 16 * 1024
const FIRST_ALLOCATION_BYTES = 4096

export class PagedBytes {
  readonly #pages: (Uint8Array | undefined)[] = []
  /** Of each page, whether a clone may hold it too, so that it must not be changed in place. */
  #shared: boolean[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Overwrites from `position` on, filling any gap with zeros. */
  write(bytes: Uint8Array, position: number): void {
    let done = 0
    while (done < bytes.length) {
      const at = position + done
      const offset = at % PAGE_BYTES
      const count = Math.min(PAGE_BYTES - offset, bytes.length - done)
      this.#page(Math.floor(at / PAGE_BYTES), offset + count).set(bytes.subarray(done, done + count), offset)
      done += count
    }
    // A write of nothing moves no end, wherever it is said to be.
    if (bytes.length > 0) this.#length = Math.max(this.#length, position + bytes.length)
  }

  /** Fills `target` as far as the content goes; answers the count. */
  read(target: Uint8Array, position: number): number {
    const total = Math.max(0, Math.min(target.length, this.#length - position))
    let done = 0
    while (done < total) {
      const at = position + done
      const offset = at % PAGE_BYTES
      const count = Math.min(PAGE_BYTES - offset, total - done)
      const held = this.#pages[Math.floor(at / PAGE_BYTES)]?.subarray(offset, offset + count)
      if (held !== undefined) target.set(held, done)
      target.fill(0, done + (held?.length ?? 0), done + count)
      done += count
    }
    return total
  }

  truncate(length: number): void {
    if (length < this.#length) {
      const pagesKept = Math.ceil(length / PAGE_BYTES)
      if (this.#pages.length > pagesKept) {
        this.#pages.length = pagesKept
        this.#shared.length = Math.min(this.#shared.length, pagesKept)
      }
      // What lies behind the new end must read as zeros should the file grow over it again.
      const rest = length % PAGE_BYTES
      if (rest !== 0 && this.#pages[pagesKept - 1] !== undefined) this.#page(pagesKept - 1, rest).fill(0, rest)
    }
    this.#length = length
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.#length)
    this.read(bytes, 0)
    return bytes
  }

  clone(): PagedBytes {
    const copy = new PagedBytes()
    copy.#pages.push(...this.#pages)
    copy.#length = this.#length
    this.#shared = this.#pages.map(() => true)
    copy.#shared = this.#pages.map(() => true)
    return copy
  }

  #page(index: number, minimumBytes: number): Uint8Array {
    const present = this.#pages[index]
    const isShared = this.#shared[index] === true
    if (present !== undefined && present.length >= minimumBytes && !isShared) return present
    this.#shared[index] = false
    let capacity = index === 0 ? Math.max(FIRST_ALLOCATION_BYTES, present?.length ?? 0) : PAGE_BYTES
    while (capacity < minimumBytes) capacity *= 2
    const page = new Uint8Array(Math.min(capacity, PAGE_BYTES))
    if (present !== undefined) page.set(present)
    this.#pages[index] = page
    return page
  }
}
