/** `semel`: producers, consumers and pipelines on semel's broker and on Apache Kafka. */
export { Kafka } from './kafka.ts'
export type { KafkaOptions } from './kafka-options.ts'
export { KafkaError } from './errors.ts'
export type { ClientErrorCode, KafkaErrorCode, Recovery, RequestInfo } from './errors.ts'
export { topic } from './topic.ts'
export type {
  AnyTopic,
  Bytes,
  ConsumerRecord,
  GroupMetadata,
  Header,
  HeadersIn,
  KeyIn,
  KeyOf,
  OffsetAndMetadata,
  RecordIn,
  RecordMetadata,
  Serde,
  Topic,
  TopicPartition,
  ValueIn,
  ValueOf,
} from './topic.ts'
export { serdes } from './serdes.ts'
export type { Producer } from './producer/producer.ts'
export type { Partitioner, ProducerOptions } from './producer/producer-options.ts'
export type { Transaction } from './producer/transaction.ts'
export type { Consumer, PollOptions } from './consumer/consumer.ts'
export type { PartitionLag } from './consumer/partition-lag.ts'
export type { AssignorName, ConsumerOptions, PartitionsListener } from './consumer/consumer-options.ts'
export type { CommittedOffsets, OffsetToCommit } from './consumer/group-offsets.ts'
export type { HandlerContext, RecordBatch, RunOptions } from './consumer/run-loop.ts'
export type { Assignment, AssignmentInput, Assignor, MemberSubscription } from './core/group/assignor.ts'
export type { ResetTo } from './core/fetch/fetcher.ts'
export type { Admin, AdminOptions, BrokerApi, ClusterDescription, FeatureDescription } from './admin/admin.ts'
export type { ListedOffset, OffsetSpec } from './admin/admin-call.ts'
export type {
  GroupDescription,
  GroupLag,
  GroupListing,
  GroupMemberDescription,
  GroupOffset,
  PlannedReset,
  ResetTarget,
} from './admin/groups.ts'
export type {
  ConfigChange,
  ConfigEntry,
  ConfigResource,
  NewTopic,
  TopicDescription,
  TopicListing,
} from './admin/topics.ts'
export type {
  AbortedHanging,
  ActiveProducer,
  HangingTransaction,
  TransactionDescription,
  TransactionFilter,
  TransactionListing,
} from './admin/transactions.ts'
export type { Pipeline, PipelineStats } from './pipeline/pipeline.ts'
export type { PipelineOptions, ProcessContext } from './pipeline/pipeline-options.ts'
export type { RawBatch, RawReader } from './raw-reader.ts'
export type { Guarantee } from './pipeline/delivery.ts'
export type { Output } from './pipeline/ports.ts'
export type { WorkerStats } from './pipeline/worker.ts'
export type { Clock, EventSink, Logger, Network, Random, Runtime } from '../base/runtime.ts'
