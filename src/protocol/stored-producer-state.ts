/** One producer as it is kept across a restart: in checkpoints, and (newest batch only) in Kafka's `.snapshot` files. */
export interface StoredProducerState {
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly lastTimestampMs: number
  readonly currentTransactionFirstOffset: number | undefined
  /** At most five, oldest first. */
  readonly batches: readonly StoredBatch[]
}

export interface StoredBatch {
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestampMs: number
}
