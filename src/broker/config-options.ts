/**
 * The table of broker options: Kafka 4.3's names, types, defaults and ranges, then semel's own under `semel.`.
 * Data only; config.ts reads it.
 *
 * Source: Kafka 4.3.1 ServerConfigs, ServerLogConfigs, SocketServerConfigs, GroupCoordinatorConfig,
 * TransactionLogConfig, TransactionStateManagerConfig, ReplicationConfigs, LogConfig.
 */
import {
  booleanOption,
  choiceOption,
  intOption,
  listOption,
  longOption,
  stringOption,
  UNLIMITED,
} from '../base/options.ts'
import type { Option } from '../base/options.ts'
import { TOPIC_OPTIONS } from '../core/metadata/topic-config.ts'

const INT_MAX = 2_147_483_647
const HOUR_MS = 3_600_000
const KIB = 1024
const MIB = 1_048_576

const KAFKA_NODE_OPTIONS = {
  nodeId: intOption({
    name: 'node.id',
    aliases: ['broker.id'],
    default: 1,
    min: 0,
    doc: 'Id of this node, as clients see it.',
  }),
  brokerRack: stringOption({ name: 'broker.rack', default: undefined, doc: 'Rack of this node, told to clients.' }),
  clusterId: stringOption({
    name: 'cluster.id',
    default: undefined,
    doc: 'Id of the cluster. Made up once and stored when not given; given, it must match what is stored.',
  }),
  logDirs: stringOption({
    name: 'log.dirs',
    aliases: ['log.dir'],
    default: undefined,
    doc: 'Directory of all data. Exactly one: there is one journal.',
  }),
  // Deviation: Kafka listens on all interfaces; without authentication that is a poor default, so only loopback here.
  listeners: listOption({
    name: 'listeners',
    default: ['PLAINTEXT://127.0.0.1:9092'],
    doc: 'Where to listen, as PLAINTEXT://host:port. Listeners named in controller.listener.names do not count.',
  }),
  advertisedListeners: listOption({
    name: 'advertised.listeners',
    default: [],
    doc: 'Address told to clients, as PLAINTEXT://host:port. The listener itself when empty.',
  }),
  controllerListenerNames: listOption({
    name: 'controller.listener.names',
    default: [],
    doc: 'Listeners that are left out, because there is no controller to reach.',
  }),
  numPartitions: intOption({
    name: 'num.partitions',
    default: 1,
    min: 1,
    doc: 'Partitions of a topic that is created without saying how many.',
  }),
  autoCreateTopicsEnable: booleanOption({
    name: 'auto.create.topics.enable',
    default: true,
    doc: 'Whether asking for the metadata of a topic that does not exist creates it.',
  }),
  deleteTopicEnable: booleanOption({
    name: 'delete.topic.enable',
    default: true,
    doc: 'Whether clients may delete topics.',
  }),
  defaultReplicationFactor: intOption({
    name: 'default.replication.factor',
    default: 1,
    min: 1,
    doc: 'Replicas of a topic that is created without saying how many; one node holds one.',
  }),
  minInsyncReplicas: intOption({
    name: 'min.insync.replicas',
    default: 1,
    min: 1,
    doc: TOPIC_OPTIONS.minInsyncReplicas.doc,
  }),
} as const

const KAFKA_SOCKET_OPTIONS = {
  socketRequestMaxBytes: intOption({
    name: 'socket.request.max.bytes',
    default: 100 * MIB,
    min: 1,
    unit: 'bytes',
    doc: 'Largest request frame; a larger one closes the connection.',
  }),
  connectionsMaxIdleMs: longOption({
    name: 'connections.max.idle.ms',
    default: 600_000,
    unit: 'ms',
    doc: 'Time without a byte in either direction and without a request in progress after which a connection is closed; negative never.',
  }),
  maxConnections: intOption({
    name: 'max.connections',
    default: INT_MAX,
    min: 0,
    dynamic: true,
    doc: 'Connections at a time; one more is closed at once.',
  }),
  maxConnectionsPerIp: intOption({
    name: 'max.connections.per.ip',
    default: INT_MAX,
    min: 0,
    dynamic: true,
    doc: 'Connections at a time from one address.',
  }),
  // Deviation: Kafka's default is -1, no limit; here every queue has one.
  queuedMaxRequestBytes: longOption({
    name: 'queued.max.request.bytes',
    default: 256 * MIB,
    unit: 'bytes',
    doc: 'Bytes of requests received and not yet answered, over all connections, above which no more are read; -1 is unlimited.',
  }),
} as const

const KAFKA_LOG_OPTIONS = {
  messageMaxBytes: intOption({
    name: 'message.max.bytes',
    default: 1_048_588,
    min: 0,
    unit: 'bytes',
    dynamic: true,
    doc: TOPIC_OPTIONS.maxMessageBytes.doc,
  }),
  fetchMaxBytes: intOption({
    name: 'fetch.max.bytes',
    default: 55 * MIB,
    min: 1024,
    unit: 'bytes',
    doc: 'Most bytes that one fetch returns; the first batch is returned whole even when it is larger.',
  }),
  maxIncrementalFetchSessionCacheSlots: intOption({
    name: 'max.incremental.fetch.session.cache.slots',
    default: 1000,
    min: 0,
    doc: 'Incremental fetch sessions kept at a time.',
  }),
  maxRequestPartitionSizeLimit: intOption({
    name: 'max.request.partition.size.limit',
    default: 2000,
    min: 1,
    doc: 'Partitions that one DescribeTopicPartitions response holds at most.',
  }),
  compressionType: choiceOption({
    name: 'compression.type',
    default: 'producer',
    choices: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    dynamic: true,
    doc: TOPIC_OPTIONS.compressionType.doc,
  }),
  compressionGzipLevel: intOption({
    name: 'compression.gzip.level',
    default: -1,
    min: -1,
    max: 9,
    dynamic: true,
    doc: TOPIC_OPTIONS.compressionGzipLevel.doc,
  }),
  compressionLz4Level: intOption({
    name: 'compression.lz4.level',
    default: 9,
    min: 1,
    max: 17,
    dynamic: true,
    doc: TOPIC_OPTIONS.compressionLz4Level.doc,
  }),
  compressionZstdLevel: intOption({
    name: 'compression.zstd.level',
    default: 3,
    min: -131_072,
    max: 22,
    dynamic: true,
    doc: TOPIC_OPTIONS.compressionZstdLevel.doc,
  }),
  logSegmentBytes: intOption({
    name: 'log.segment.bytes',
    default: 1024 * MIB,
    min: MIB,
    unit: 'bytes',
    dynamic: true,
    doc: TOPIC_OPTIONS.segmentBytes.doc,
  }),
  logIndexIntervalBytes: intOption({
    name: 'log.index.interval.bytes',
    default: 4096,
    min: 0,
    unit: 'bytes',
    dynamic: true,
    doc: TOPIC_OPTIONS.indexIntervalBytes.doc,
  }),
  logIndexSizeMaxBytes: intOption({
    name: 'log.index.size.max.bytes',
    default: 10 * MIB,
    min: 4,
    unit: 'bytes',
    dynamic: true,
    doc: TOPIC_OPTIONS.segmentIndexBytes.doc,
  }),
  logMessageTimestampType: choiceOption({
    name: 'log.message.timestamp.type',
    default: 'CreateTime',
    choices: ['CreateTime', 'LogAppendTime'],
    dynamic: true,
    doc: TOPIC_OPTIONS.messageTimestampType.doc,
  }),
  logMessageTimestampBeforeMaxMs: longOption({
    name: 'log.message.timestamp.before.max.ms',
    default: UNLIMITED,
    min: 0,
    unit: 'ms',
    dynamic: true,
    doc: TOPIC_OPTIONS.messageTimestampBeforeMaxMs.doc,
  }),
  logMessageTimestampAfterMaxMs: longOption({
    name: 'log.message.timestamp.after.max.ms',
    default: HOUR_MS,
    min: 0,
    unit: 'ms',
    dynamic: true,
    doc: TOPIC_OPTIONS.messageTimestampAfterMaxMs.doc,
  }),
  logCleanupPolicy: listOption({
    name: 'log.cleanup.policy',
    default: ['delete'],
    choices: ['delete', 'compact'],
    dynamic: true,
    doc: TOPIC_OPTIONS.cleanupPolicy.doc,
  }),
  logRetentionMs: longOption({
    name: 'log.retention.ms',
    default: undefined,
    unit: 'ms',
    dynamic: true,
    doc: TOPIC_OPTIONS.retentionMs.doc,
  }),
  logRetentionMinutes: intOption({
    name: 'log.retention.minutes',
    default: undefined,
    unit: 'minutes',
    doc: 'As log.retention.ms, which comes before it.',
  }),
  logRetentionHours: intOption({
    name: 'log.retention.hours',
    default: 168,
    unit: 'hours',
    doc: 'As log.retention.minutes, which comes before it.',
  }),
  logRetentionBytes: longOption({
    name: 'log.retention.bytes',
    default: -1,
    unit: 'bytes',
    dynamic: true,
    doc: TOPIC_OPTIONS.retentionBytes.doc,
  }),
  logRollMs: longOption({
    name: 'log.roll.ms',
    default: undefined,
    min: 1,
    unit: 'ms',
    dynamic: true,
    doc: TOPIC_OPTIONS.segmentMs.doc,
  }),
  logRollHours: intOption({
    name: 'log.roll.hours',
    default: 168,
    min: 1,
    unit: 'hours',
    doc: 'As log.roll.ms, which comes before it.',
  }),
  logRollJitterMs: longOption({
    name: 'log.roll.jitter.ms',
    default: undefined,
    min: 0,
    unit: 'ms',
    dynamic: true,
    doc: TOPIC_OPTIONS.segmentJitterMs.doc,
  }),
  logRollJitterHours: intOption({
    name: 'log.roll.jitter.hours',
    default: 0,
    min: 0,
    unit: 'hours',
    doc: 'As log.roll.jitter.ms, which comes before it.',
  }),
  logSegmentDeleteDelayMs: longOption({
    name: 'log.segment.delete.delay.ms',
    default: 60_000,
    min: 0,
    unit: 'ms',
    dynamic: true,
    doc: TOPIC_OPTIONS.fileDeleteDelayMs.doc,
  }),
  logCleanerDeleteRetentionMs: longOption({
    name: 'log.cleaner.delete.retention.ms',
    default: 24 * HOUR_MS,
    min: 0,
    unit: 'ms',
    dynamic: true,
    doc: TOPIC_OPTIONS.deleteRetentionMs.doc,
  }),
  logCleanerMinCompactionLagMs: longOption({
    name: 'log.cleaner.min.compaction.lag.ms',
    default: 0,
    min: 0,
    unit: 'ms',
    dynamic: true,
    doc: TOPIC_OPTIONS.minCompactionLagMs.doc,
  }),
  logCleanerMaxCompactionLagMs: longOption({
    name: 'log.cleaner.max.compaction.lag.ms',
    default: UNLIMITED,
    min: 1,
    unit: 'ms',
    dynamic: true,
    doc: TOPIC_OPTIONS.maxCompactionLagMs.doc,
  }),
} as const

const KAFKA_GROUP_OPTIONS = {
  groupMinSessionTimeoutMs: intOption({
    name: 'group.min.session.timeout.ms',
    default: 6000,
    unit: 'ms',
    doc: 'Shortest session timeout a member may ask for.',
  }),
  groupMaxSessionTimeoutMs: intOption({
    name: 'group.max.session.timeout.ms',
    default: 1_800_000,
    unit: 'ms',
    doc: 'Longest session timeout a member may ask for.',
  }),
  groupInitialRebalanceDelayMs: intOption({
    name: 'group.initial.rebalance.delay.ms',
    default: 3000,
    min: 0,
    unit: 'ms',
    doc: 'How long the first rebalance of an empty group waits for more members.',
  }),
  // Deviation: Kafka's default is 2^31 - 1; here every table has a limit.
  groupMaxSize: intOption({
    name: 'group.max.size',
    default: 100_000,
    min: 1,
    doc: 'Members that one group may have.',
  }),
  offsetMetadataMaxBytes: intOption({
    name: 'offset.metadata.max.bytes',
    default: 4096,
    unit: 'bytes',
    doc: 'Longest metadata text of a committed offset.',
  }),
  offsetsRetentionMinutes: intOption({
    name: 'offsets.retention.minutes',
    default: 10_080,
    min: 1,
    unit: 'minutes',
    doc: 'How long the offsets of a group without members are kept.',
  }),
  offsetsRetentionCheckIntervalMs: longOption({
    name: 'offsets.retention.check.interval.ms',
    default: 600_000,
    min: 1,
    unit: 'ms',
    doc: 'How often expired offsets are looked for.',
  }),
  offsetsTopicNumPartitions: intOption({
    name: 'offsets.topic.num.partitions',
    default: 50,
    min: 1,
    doc: 'Partitions of __consumer_offsets; fixed once the topic exists.',
  }),
  offsetsTopicSegmentBytes: intOption({
    name: 'offsets.topic.segment.bytes',
    default: 100 * MIB,
    min: MIB,
    unit: 'bytes',
    doc: 'Segment size of __consumer_offsets.',
  }),
} as const

const KAFKA_TRANSACTION_OPTIONS = {
  addPartitionsToTxnRetryBackoffMaxMs: intOption({
    name: 'add.partitions.to.txn.retry.backoff.max.ms',
    default: 100,
    min: 0,
    unit: 'ms',
    doc: 'How long an implicit add of a partition waits for the end of the transaction before, until the client is told to try again.',
  }),
  transactionMaxTimeoutMs: intOption({
    name: 'transaction.max.timeout.ms',
    default: 900_000,
    min: 1,
    unit: 'ms',
    doc: 'Longest transaction timeout a producer may ask for.',
  }),
  transactionalIdExpirationMs: intOption({
    name: 'transactional.id.expiration.ms',
    default: 604_800_000,
    min: 1,
    unit: 'ms',
    doc: 'How long a transactional id that is not used is remembered.',
  }),
  transactionAbortTimedOutTransactionCleanupIntervalMs: intOption({
    name: 'transaction.abort.timed.out.transaction.cleanup.interval.ms',
    default: 10_000,
    min: 1,
    unit: 'ms',
    doc: 'How often transactions past their timeout are looked for and aborted.',
  }),
  transactionRemoveExpiredTransactionCleanupIntervalMs: intOption({
    name: 'transaction.remove.expired.transaction.cleanup.interval.ms',
    default: HOUR_MS,
    min: 1,
    unit: 'ms',
    doc: 'How often expired transactional ids are looked for and forgotten.',
  }),
  transactionPartitionVerificationEnable: booleanOption({
    name: 'transaction.partition.verification.enable',
    default: true,
    dynamic: true,
    doc: 'Whether a transactional append is checked against the coordinator, so that no transaction is left hanging.',
  }),
  transactionStateLogNumPartitions: intOption({
    name: 'transaction.state.log.num.partitions',
    default: 50,
    min: 1,
    doc: 'Partitions of __transaction_state; fixed once the topic exists.',
  }),
  transactionStateLogSegmentBytes: intOption({
    name: 'transaction.state.log.segment.bytes',
    default: 100 * MIB,
    min: MIB,
    unit: 'bytes',
    doc: 'Segment size of __transaction_state.',
  }),
  transactionTwoPhaseCommitEnable: booleanOption({
    name: 'transaction.two.phase.commit.enable',
    default: false,
    doc: 'Whether producers may take part in two-phase commits (KIP-939); only false is supported.',
  }),
  producerIdExpirationMs: intOption({
    name: 'producer.id.expiration.ms',
    default: 86_400_000,
    min: 1,
    unit: 'ms',
    dynamic: true,
    doc: 'How long a partition remembers a producer that writes nothing.',
  }),
  producerIdExpirationCheckIntervalMs: intOption({
    name: 'producer.id.expiration.check.interval.ms',
    default: 600_000,
    min: 1,
    unit: 'ms',
    doc: 'How often producers to forget are looked for.',
  }),
} as const

const SEMEL_OPTIONS = {
  durability: choiceOption({
    name: 'semel.durability',
    default: 'fsync',
    choices: ['fsync', 'os', 'memory'],
    doc: 'When a write is acknowledged: on disk (fsync), in the page cache (os), or in memory only, nothing is kept (memory).',
  }),
  journalFileBytes: longOption({
    name: 'semel.journal.file.bytes',
    default: 64 * MIB,
    min: 64 * KIB,
    max: 4096 * MIB,
    unit: 'bytes',
    doc: 'Size of one preallocated journal file.',
  }),
  checkpointBytes: longOption({
    name: 'semel.checkpoint.bytes',
    default: 256 * MIB,
    min: 64 * KIB,
    unit: 'bytes',
    doc: 'Bytes of journal after which segments are flushed and the journal is cut; bounds the time of a recovery.',
  }),
  pendingMaxBytes: longOption({
    name: 'semel.pending.max.bytes',
    default: 128 * MIB,
    min: MIB,
    unit: 'bytes',
    doc: 'Bytes appended and not yet on disk above which no more requests are read.',
  }),
  connectionInFlightMaxRequests: intOption({
    name: 'semel.connection.inflight.max.requests',
    default: 256,
    min: 1,
    doc: 'Requests of one connection that may be in progress; more stay unread in its socket.',
  }),
  connectionInFlightMaxBytes: longOption({
    name: 'semel.connection.inflight.max.bytes',
    default: 64 * MIB,
    min: 1,
    unit: 'bytes',
    doc: 'Bytes of requests in progress of one connection above which the rest stays unread in its socket.',
  }),
  connectionUnsentMaxBytes: longOption({
    name: 'semel.connection.unsent.max.bytes',
    default: 16 * MIB,
    min: 65_536,
    unit: 'bytes',
    doc: 'Bytes of replies that a peer has not taken yet above which no more of its requests are read.',
  }),
  requestReceiveTimeoutMs: longOption({
    name: 'semel.request.receive.timeout.ms',
    default: 60_000,
    min: 1,
    unit: 'ms',
    doc: 'Time from the first byte of a request frame to its last, after which the connection is closed.',
  }),
  shutdownGraceMs: longOption({
    name: 'semel.shutdown.grace.ms',
    default: 2000,
    min: 0,
    unit: 'ms',
    doc: 'How long a stop waits for requests in progress.',
  }),
  maxPartitions: intOption({
    name: 'semel.max.partitions',
    default: 20_000,
    min: 1,
    doc: 'Partitions of all topics together, internal ones included.',
  }),
  maxProducerIds: intOption({
    name: 'semel.max.producer.ids',
    default: 100_000,
    min: 1,
    doc: 'Producers that one partition remembers at a time.',
  }),
  maxTransactionalIds: intOption({
    name: 'semel.max.transactional.ids',
    default: 100_000,
    min: 1,
    doc: 'Transactional ids known at a time.',
  }),
  maxTransactionPartitions: intOption({
    name: 'semel.max.transaction.partitions',
    default: 10_000,
    min: 1,
    doc: 'Partitions that one transaction may take part in.',
  }),
  maxGroups: intOption({ name: 'semel.max.groups', default: 20_000, min: 1, doc: 'Consumer groups known at a time.' }),
  maxGroupMetadataBytes: longOption({
    name: 'semel.max.group.metadata.bytes',
    default: 16 * MIB,
    min: 1024,
    unit: 'bytes',
    doc: 'Subscriptions and assignments of all members of one group together.',
  }),
  maxDecompressedBytes: longOption({
    name: 'semel.max.decompressed.bytes',
    default: 128 * MIB,
    min: MIB,
    unit: 'bytes',
    doc: 'Size that one compressed batch may have when it is decompressed.',
  }),
} as const

export const BROKER_OPTIONS = {
  ...KAFKA_NODE_OPTIONS,
  ...KAFKA_SOCKET_OPTIONS,
  ...KAFKA_LOG_OPTIONS,
  ...KAFKA_GROUP_OPTIONS,
  ...KAFKA_TRANSACTION_OPTIONS,
  ...SEMEL_OPTIONS,
} as const satisfies Record<string, Option>

export type BrokerOptionKey = keyof typeof BROKER_OPTIONS
