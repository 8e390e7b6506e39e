/**
 * Which partition a record goes to when the caller does not say: by the hash of its key, or without a key to one
 * partition until a batch's worth of bytes went there, then to another.
 *
 * Sticking to a partition fills batches, and so spares requests; moving on by bytes and not by batches keeps partitions
 * even when some brokers are slow (KIP-480, KIP-794). Sources: BuiltInPartitioner, Utils#murmur2.
 */
import type { PartitionView } from '../client-core.ts'
import { murmur2, toPositive } from './murmur2.ts'

/** Over all partitions, leader or not: a key must not move when a broker is away. */
export function partitionOfKey(key: Uint8Array, keyBytes: number, partitionCount: number): number {
  return toPositive(murmur2(key, keyBytes)) % partitionCount
}

/** For the records of one topic that have no key. */
export class StickyPartitioner {
  readonly #batchSizeBytes: number
  /** Uniform over 0 … 2^32 - 1. */
  readonly #random: () => number
  #partition = -1
  #bytes = 0

  constructor(batchSizeBytes: number, random: () => number) {
    this.#batchSizeBytes = batchSizeBytes
    this.#random = random
  }

  /** One that has a leader, if any has. */
  choose(partitions: readonly PartitionView[]): number {
    const current = partitions[this.#partition]
    if (this.#bytes < this.#batchSizeBytes && current?.leaderId !== undefined) return this.#partition
    this.#bytes = 0
    const available = partitions.filter(({ leaderId }) => leaderId !== undefined)
    const choices = available.length > 0 ? available : partitions
    // Not the same again, where there is another.
    const others = choices.length > 1 ? choices.filter(({ partition }) => partition !== this.#partition) : choices
    this.#partition = others[this.#random() % others.length]!.partition
    return this.#partition
  }

  /** @param bytes  of a record that went where `choose` said */
  wrote(bytes: number): void {
    this.#bytes += bytes
  }
}
