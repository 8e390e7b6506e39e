/**
 * The sequence numbers of one partition: what the next batch gets, which batches have one and no final answer, up to
 * where the broker has acknowledged.
 *
 * Owns: numbering, wrap-around, and the order in which batches may be tried again. Leaves to others: when a number is given
 * (produce-sender.ts), what an error means (produce-errors.ts), what epoch there is (transaction-manager.ts).
 *
 * Invariants
 * - A batch gets its producer id, epoch and sequence once, when it is first sent. It gets others only if the broker has refused it for
 *   certain, never if it may have been stored.
 * - Batches with a sequence are unfinished in the order of their sequences, without overlap.
 * - A number that may have been used is used for nothing else within its epoch: a gap is closed by a new epoch.
 *
 * Source: org.apache.kafka.clients.producer.internals.TxnPartitionEntry, KIP-360.
 */
import { assert } from '../../../base/assert.ts'
import { advanceSequence, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE } from '../../../protocol/record-batch.ts'

/** What of a batch is numbered. */
export interface Sequenced {
  readonly recordCount: number
  producerId: number
  producerEpoch: number
  /** NO_SEQUENCE until it is first sent. */
  baseSequence: number
}

export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

export const NO_IDENTITY: ProducerIdentity = { producerId: NO_PRODUCER_ID, producerEpoch: NO_PRODUCER_EPOCH }
const HALF_OF_SEQUENCES = 2 ** 30

export class PartitionSequences<B extends Sequenced> {
  #identity = NO_IDENTITY
  #nextSequence = 0
  #lastAckedSequence = NO_SEQUENCE
  #isUnresolved = false
  readonly #unfinished: B[] = []

  get nextSequence(): number {
    return this.#nextSequence
  }

  /** Batches with a sequence that have no final answer, oldest first. */
  get unfinished(): readonly B[] {
    return this.#unfinished
  }

  /** A batch that may have been stored was given up: nothing new may be numbered until it is known whether a gap is left. */
  get isUnresolved(): boolean {
    return this.#isUnresolved
  }

  /**
   * Something was acknowledged under the present id and epoch, so the broker refuses what does not follow it. A broker without
   * state of the producer takes any sequence for the first one.
   */
  get isEstablished(): boolean {
    return this.#lastAckedSequence !== NO_SEQUENCE
  }

  isOf({ producerId, producerEpoch }: ProducerIdentity): boolean {
    return this.#identity.producerId === producerId && this.#identity.producerEpoch === producerEpoch
  }

  /** From 0 under another id or epoch. Nothing may be unfinished. */
  startOver(identity: ProducerIdentity): void {
    assert(this.#unfinished.length === 0, `${this.#unfinished.length} batches are unfinished under the old epoch`)
    this.#identity = identity
    this.#nextSequence = 0
    this.#lastAckedSequence = NO_SEQUENCE
    this.#isUnresolved = false
  }

  /** Gives the batch its numbers: when it is first sent, or after everything before was settled and a new epoch began. */
  assign(batch: B): void {
    assert(this.#identity.producerId !== NO_PRODUCER_ID, 'a batch is numbered under a producer id')
    batch.producerId = this.#identity.producerId
    batch.producerEpoch = this.#identity.producerEpoch
    batch.baseSequence = this.#nextSequence
    this.#nextSequence = advanceSequence(this.#nextSequence, batch.recordCount)
    this.#unfinished.push(batch)
  }

  acknowledged(batch: B): void {
    this.#remove(batch)
    if (!this.isOf(batch)) return
    const lastSequence = advanceSequence(batch.baseSequence, batch.recordCount - 1)
    // Later ones may have been acknowledged before; sequences wrap, so "later" is less than half way round.
    const isLater =
      this.#lastAckedSequence === NO_SEQUENCE ||
      ((lastSequence - this.#lastAckedSequence) & 0x7fffffff) < HALF_OF_SEQUENCES
    if (isLater) this.#lastAckedSequence = lastSequence
  }

  /** The batch will not be tried again. Its numbers leave a gap, unless it was stored after all. */
  gaveUp(batch: B): void {
    this.#remove(batch)
    if (this.isOf(batch)) this.#isUnresolved = true
  }

  /**
   * The broker has refused the batch for certain and it will not be tried again: if it was the last one numbered, its
   * numbers are free. @returns whether they are
   */
  takeBack(batch: B): boolean {
    const end = advanceSequence(batch.baseSequence, batch.recordCount)
    const isLast = this.isOf(batch) && this.#unfinished.at(-1) === batch && this.#nextSequence === end
    this.#remove(batch)
    if (isLast) this.#nextSequence = batch.baseSequence
    return isLast
  }

  /** Puts the parts of a split batch in its place; they keep its numbers among them. */
  split(batch: B, parts: readonly B[]): void {
    const at = this.#unfinished.indexOf(batch)
    assert(at !== -1, 'a batch that is split has a sequence')
    let sequence = batch.baseSequence
    for (const part of parts) {
      part.producerId = batch.producerId
      part.producerEpoch = batch.producerEpoch
      part.baseSequence = sequence
      sequence = advanceSequence(sequence, part.recordCount)
    }
    assert(sequence === advanceSequence(batch.baseSequence, batch.recordCount), 'the parts are as many records')
    this.#unfinished.splice(at, 1, ...parts)
  }

  /** Takes out all unfinished batches, to be failed or numbered anew. */
  takeUnfinished(): B[] {
    return this.#unfinished.splice(0)
  }

  /**
   * To be asked when nothing is unfinished any more.
   * @returns whether all that was numbered is now known to be stored; then numbering goes on
   */
  resolve(): boolean {
    if (!this.#isUnresolved) return true
    const expected = this.#lastAckedSequence === NO_SEQUENCE ? 0 : advanceSequence(this.#lastAckedSequence, 1)
    if (expected !== this.#nextSequence) return false
    this.#isUnresolved = false
    return true
  }

  #remove(batch: B): void {
    const at = this.#unfinished.indexOf(batch)
    if (at !== -1) this.#unfinished.splice(at, 1)
  }
}
