/** Randomness that is a function of its seed and a stream of it (splitmix32): for plans and faults that can be had again. */
import type { Random } from '../../base/runtime.ts'

export class SeededRandom implements Random {
  #state: number

  /** @param stream  one seed gives each stream its own sequence: 0 for the plan, processes by their number */
  constructor(seed: number, stream = 0) {
    this.#state = (seed ^ Math.imul(stream + 1, 0x9e37_79b1)) | 0
    this.nextUint32()
  }

  nextUint32(): number {
    this.#state = (this.#state + 0x9e37_79b9) | 0
    let mixed = this.#state ^ (this.#state >>> 16)
    mixed = Math.imul(mixed, 0x21f0_aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a_2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }

  fill(target: Uint8Array): void {
    for (let at = 0; at < target.length; at += 1) target[at] = this.nextUint32() & 0xff
  }
}
