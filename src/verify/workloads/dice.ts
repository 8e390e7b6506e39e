/** Draws for workloads and for those who disturb them. All randomness of a run comes through here from a `Random`. */
import type { Random } from '../../base/runtime.ts'

/** Uniform over 0 … limit - 1. */
export function below(random: Random, limit: number): number {
  return Math.floor((random.nextUint32() / 2 ** 32) * limit)
}

/** Uniform over min … max, both included. */
export function between(random: Random, min: number, max: number): number {
  return min + below(random, max - min + 1)
}

export function chance(random: Random, probability: number): boolean {
  return random.nextUint32() / 2 ** 32 < probability
}

export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[below(random, choices.length)] as T
}
