/**
 * Randomness that is a function of its seed (sfc32): the same seed gives the same run, on every machine.
 *
 * Not for secrets. Source of the generator: Chris Doty-Humphrey, PractRand.
 */
import type { Random } from '../base/runtime.ts'

const WARM_UP_ROUNDS = 16

export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9
  let b = Math.floor(seed / 0x1_0000_0000) | 0
  let c = seed | 0
  let counter = 1
  const next = () => {
    const result = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + result
    return result >>> 0
  }
  for (let round = 0; round < WARM_UP_ROUNDS; round++) next()
  return {
    nextUint32: next,
    fill(target) {
      for (let at = 0; at < target.length; at++) target[at] = next() >>> 24
    },
  }
}
