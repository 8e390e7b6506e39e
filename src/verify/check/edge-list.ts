/** Edges between numbered things, as they are found; the same one several times in a row is kept once. */
const FIRST_CAPACITY = 1024

export class EdgeList {
  #from = new Int32Array(FIRST_CAPACITY)
  #to = new Int32Array(FIRST_CAPACITY)
  #length = 0

  push(from: number, to: number): void {
    const last = this.#length - 1
    if (last >= 0 && this.#from[last] === from && this.#to[last] === to) return
    if (this.#length === this.#from.length) {
      this.#from = doubled(this.#from)
      this.#to = doubled(this.#to)
    }
    this.#from[this.#length] = from
    this.#to[this.#length] = to
    this.#length += 1
  }

  get length(): number {
    return this.#length
  }

  get from(): Int32Array {
    return this.#from.subarray(0, this.#length)
  }

  get to(): Int32Array {
    return this.#to.subarray(0, this.#length)
  }
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(array.length * 2)
  grown.set(array)
  return grown
}
