/** What a pipeline needs of consumers and producers: the part of the public classes that it uses, and nothing of their insides. */
import type {
  AnyTopic,
  ConsumerRecord,
  GroupMetadata,
  KeyIn,
  OffsetAndMetadata,
  RecordIn,
  TopicPartition,
  ValueIn,
} from '../topic.ts'

/** Where a pipeline's `process` sends its results. */
export interface Output {
  /**
   * Resolves when the record is accepted, not when it is stored: the batch is only finished once everything it sent is. It
   * waits while the producer's buffer is full. Rejects with a KafkaError when the record itself cannot be sent.
   */
  send<T extends AnyTopic>(
    topic: T,
    records: RecordIn<KeyIn<T>, ValueIn<T>> | readonly RecordIn<KeyIn<T>, ValueIn<T>>[],
  ): Promise<void>
}

export interface TransactionPort extends Output {
  sendOffsets(offsets: readonly (TopicPartition & OffsetAndMetadata)[], group: GroupMetadata): Promise<void>
  commit(): Promise<void>
  abort(): Promise<void>
}

export interface ProducerPort {
  init(): Promise<void>
  begin(): Promise<TransactionPort>
  send<T extends AnyTopic>(topic: T, records: readonly RecordIn<KeyIn<T>, ValueIn<T>>[]): Promise<unknown>
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

export interface ConsumerPort {
  poll(options?: { readonly timeoutMs?: number; readonly maxRecords?: number }): Promise<readonly ConsumerRecord[]>
  /** The next offset that `poll` will look at; `undefined` while it is not known. */
  position(partition: TopicPartition): number | undefined
  assignment(): readonly TopicPartition[]
  groupMetadata(): GroupMetadata
  /** Stable offsets: waits for transactions that are being ended. */
  committed(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, ReadonlyMap<number, OffsetAndMetadata>>>
  commit(offsets: readonly (TopicPartition & OffsetAndMetadata)[]): Promise<void>
  seek(partition: TopicPartition, offset: number): void | Promise<void>
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

/** Told before partitions are taken away, and waited for. */
export interface AssignmentListener {
  onRevoked(partitions: readonly TopicPartition[]): Promise<void>
  onLost(partitions: readonly TopicPartition[]): Promise<void>
}
