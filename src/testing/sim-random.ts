/** Randomness that is a function of its seed: sfc32, small and fast, good enough to drive simulations and no secret. */

import type { Random } from '../base/runtime.ts'

const WARM_UP_ROUNDS = 12

export class SimRandom implements Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** @param seed  any integer; each gives its own sequence */
  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = Math.floor(seed / 2 ** 32) | 0
    this.#c = 0x9e3779b9 | 0
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) this.nextUint32()
  }

  nextUint32(): number {
    const value = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + value
    this.#c |= 0
    return value >>> 0
  }

  fill(target: Uint8Array): void {
    for (let at = 0; at < target.length; at += 1) target[at] = this.nextUint32() & 0xff
  }

  /** Uniform over 0 … limit - 1. */
  below(limit: number): number {
    return Math.floor((this.nextUint32() / 2 ** 32) * limit)
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.nextUint32() / 2 ** 32 < probability
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  /** A generator of its own, so that what one part draws does not shift what another gets. */
  fork(): SimRandom {
    return new SimRandom(this.nextUint32() * 2 ** 20 + (this.nextUint32() >>> 12))
  }
}
