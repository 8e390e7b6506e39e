/** What the producer holds for one partition: batches that wait, numbers given, requests under way. Plain data with its own order kept. */
import { assert } from '../../../base/assert.ts'
import { NO_SEQUENCE } from '../../../protocol/record-batch.ts'
import type { ProducerBatch } from './producer-batch.ts'
import { PartitionSequences } from './sequences.ts'

export class PartitionState {
  readonly topic: string
  readonly partition: number
  /** To be sent: first those that have a sequence and are tried again, in its order, then new ones; only the last may be open. */
  readonly queue: ProducerBatch[] = []
  sequences = new PartitionSequences<ProducerBatch>()
  /** Requests with a batch of this partition that have no reply. */
  inFlightRequests = 0
  /** The broker misses numbers that cannot be filled: nothing is sent until all replies are here and a new epoch began. */
  needsNewEpoch = false

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get name(): string {
    return `${this.topic}-${this.partition}`
  }

  /** Puts a batch that is tried again where its sequence belongs. */
  requeue(batch: ProducerBatch): void {
    if (batch.baseSequence === NO_SEQUENCE) {
      this.queue.unshift(batch)
      return
    }
    const order = this.sequences.unfinished
    const own = order.indexOf(batch)
    let at = 0
    while (at < this.queue.length && this.queue[at]!.hasSequence && order.indexOf(this.queue[at]!) < own) at += 1
    this.queue.splice(at, 0, batch)
  }

  /** A new epoch has begun and nothing is unfinished. */
  resetSequences(): void {
    const { unfinished } = this.sequences
    assert(
      unfinished.every((batch) => batch.isDone && !batch.isInFlight),
      `batches of ${this.name} have no answer`,
    )
    this.sequences = new PartitionSequences<ProducerBatch>()
    this.needsNewEpoch = false
  }

  remove(batch: ProducerBatch): void {
    const at = this.queue.indexOf(batch)
    if (at !== -1) this.queue.splice(at, 1)
  }
}
