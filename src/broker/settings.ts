/** What each room is given of the configuration: the one place where option names meet the options of the parts. */
import type { Runtime } from '../base/runtime.ts'
import type { GroupCoordinatorOptions } from '../core/group/group-api.ts'
import { GROUP_LIMITS_DEFAULTS } from '../core/group/group-api.ts'
import type { Catalogue } from '../core/metadata/catalogue.ts'
import type { PartitionStateOptions } from '../core/partition/partition-state.ts'
import type { TransactionCoordinatorOptions } from '../core/transaction/transaction-coordinator.ts'
import type { NetLimits } from '../net/limits.ts'
import type { StorageLimits } from '../storage/storage-limits.ts'
import type { CatalogueRuntime } from './catalogue-runtime.ts'
import type { BrokerConfig } from './config.ts'
import type { PartitionTable } from './partition-table.ts'

const MINUTE_MS = 60_000

export function netLimits(config: BrokerConfig): NetLimits {
  return {
    maxFrameBytes: config.socketRequestMaxBytes,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerIp,
    maxInFlightRequests: config.connectionInFlightMaxRequests,
    maxInFlightBytes: config.connectionInFlightMaxBytes,
    maxTotalBytes: config.queuedMaxRequestBytes < 0 ? Infinity : config.queuedMaxRequestBytes,
    maxUnsentBytes: config.connectionUnsentMaxBytes,
    idleTimeoutMs: config.connectionsMaxIdleMs < 0 ? undefined : config.connectionsMaxIdleMs,
    receiveTimeoutMs: config.requestReceiveTimeoutMs,
  }
}

export function storageLimits(config: BrokerConfig): Partial<StorageLimits> {
  return {
    journalFileBytes: config.journalFileBytes,
    checkpointJournalBytes: config.checkpointBytes,
    indexIntervalBytes: config.logIndexIntervalBytes,
    indexBytesMax: config.logIndexSizeMaxBytes,
    decompressedBatchBytes: config.maxDecompressedBytes,
  }
}

export function partitionStateOptions(config: BrokerConfig): PartitionStateOptions {
  return { producerIdsMax: config.maxProducerIds }
}

export function groupOptions(
  runtime: Runtime,
  config: BrokerConfig,
  catalogue: Catalogue,
  offsetsPartitionOf: (groupId: string) => number,
): GroupCoordinatorOptions {
  return {
    random: runtime.random,
    offsetsPartitionOf,
    topics: {
      partitionExists: (name, partition) => partition >= 0 && partition < (catalogue.topic(name)?.partitionCount ?? 0),
      topicIdOf: (name) => catalogue.topic(name)?.topicId,
      topicNameOf: (topicId) => catalogue.topicById(topicId)?.name,
    },
    config: {
      groupMinSessionTimeoutMs: config.groupMinSessionTimeoutMs,
      groupMaxSessionTimeoutMs: config.groupMaxSessionTimeoutMs,
      groupInitialRebalanceDelayMs: config.groupInitialRebalanceDelayMs,
      groupMaxSize: config.groupMaxSize,
      offsetMetadataMaxLength: config.offsetMetadataMaxBytes,
      offsetsRetentionMs: config.offsetsRetentionMinutes * MINUTE_MS,
      offsetsRetentionCheckIntervalMs: config.offsetsRetentionCheckIntervalMs,
    },
    limits: { ...GROUP_LIMITS_DEFAULTS, groupsMax: config.maxGroups, groupBytesMax: config.maxGroupMetadataBytes },
  }
}

export function transactionOptions(
  config: BrokerConfig,
  catalogue: Catalogue,
  partitions: PartitionTable,
  catalogueRuntime: CatalogueRuntime,
): TransactionCoordinatorOptions {
  return {
    coordinatorEpoch: partitions.leaderEpoch,
    maxTimeoutMs: config.transactionMaxTimeoutMs,
    expirationMs: config.transactionalIdExpirationMs,
    timeoutScanIntervalMs: config.transactionAbortTimedOutTransactionCleanupIntervalMs,
    expirationScanIntervalMs: config.transactionRemoveExpiredTransactionCleanupIntervalMs,
    limits: { transactionalIdsMax: config.maxTransactionalIds, partitionsMax: config.maxTransactionPartitions },
    nextProducerId: () => catalogueRuntime.nextProducerId(),
    transactionVersion: () => catalogue.featureLevel('transaction.version') as 0 | 1 | 2,
    partitionExists: (topic, partition) => partitions.get(topic, partition) !== undefined,
  }
}
