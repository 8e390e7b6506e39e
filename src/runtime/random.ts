/** Cryptographic randomness. Small draws come out of a pool, for one system call per draw would be the whole cost. */

import { randomFillSync } from 'node:crypto'
import type { Random } from '../base/runtime.ts'

const POOL_WORDS = 1024

export function nodeRandom(): Random {
  const pool = new Uint32Array(POOL_WORDS)
  let next = POOL_WORDS
  return {
    nextUint32() {
      if (next === POOL_WORDS) {
        randomFillSync(pool)
        next = 0
      }
      const value = pool[next] as number
      next += 1
      return value
    },
    fill(target) {
      randomFillSync(target)
    },
  }
}
