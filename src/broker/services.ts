/** What a handler may use of the running broker. */
import type { Runtime } from '../base/runtime.ts'
import type { FetchSessionCache } from '../core/fetch/fetch-session.ts'
import type { LogStore } from '../storage/log-store.ts'
import type { Backlog } from './backlog.ts'
import type { CatalogueRuntime } from './catalogue-runtime.ts'
import type { BrokerConfig, LoadedConfig } from './config.ts'
import type { GroupRuntime } from './group-runtime.ts'
import type { Handler } from './handler.ts'
import type { PartitionTable } from './partition-table.ts'
import type { TransactionRuntime } from './transaction-runtime.ts'

/** This node as clients are told of it. */
export interface NodeIdentity {
  readonly nodeId: number
  readonly clusterId: string
  /** The advertised address. */
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export interface BrokerServices {
  readonly runtime: Runtime
  /** In force now: defaults, then server.properties and options, then what clients altered. */
  readonly config: BrokerConfig
  /** As given at start, for the sources in DescribeConfigs. */
  readonly loadedConfig: LoadedConfig
  readonly node: NodeIdentity
  /** Absolute path of the data directory, as DescribeLogDirs shows it. */
  readonly dataDirectory: string
  readonly store: LogStore
  readonly partitions: PartitionTable
  readonly catalogue: CatalogueRuntime
  readonly transactions: TransactionRuntime
  readonly groups: GroupRuntime
  readonly fetchSessions: FetchSessionCache
  readonly backlog: Backlog
  /** Who waits for data answers with what there is. */
  readonly isStopping: boolean
  /** What this broker answers, from which ApiVersions is derived. */
  readonly handlers: readonly Handler[]
}
