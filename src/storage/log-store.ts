/**
 * All partition logs of one data directory: one journal for durability, segments behind it (DESIGN 5.2).
 */
import type { Runtime } from '../base/runtime.ts'
import type { BatchHeader } from '../protocol/record-batch.ts'
import type { StoredProducerState } from '../protocol/stored-producer-state.ts'
import type { PartitionLog } from './partition-log.ts'
import type { StorageLimits } from './storage-limits.ts'

export type Durability = 'fsync' | 'os' | 'memory'

export interface LogStoreOptions {
  readonly runtime: Runtime
  readonly directory: string
  readonly durability: Durability
  readonly limits?: Partial<StorageLimits>
}

/** What opening the store found. */
export interface RecoverySummary {
  readonly durationMs: number
  readonly framesReplayed: number
  readonly bytesCut: number
  readonly cleanShutdown: boolean
  readonly partitions: number
}

export interface LogAppend {
  readonly log: PartitionLog
  /** Exactly one record batch with its final base offset and leader epoch; kept by reference, never changed afterwards. */
  readonly batch: Uint8Array
  readonly header: BatchHeader
}

export interface NewLog {
  readonly topicId: string
  readonly topic: string
  readonly partition: number
  readonly segmentBytes: number
}

export declare class LogStore {
  static open(options: LogStoreOptions): Promise<LogStore>
  readonly durability: Durability
  readonly recovery: RecoverySummary
  /** Producer table of a log as of its logEndOffset; `undefined` while the log is not loaded: the last snapshot is kept then. */
  producerStateOf: (log: PartitionLog) => readonly StoredProducerState[] | undefined
  createLog(options: NewLog): PartitionLog
  log(topicId: string, partition: number): PartitionLog | undefined
  logs(): Iterable<PartitionLog>
  dropLogs(logs: Iterable<PartitionLog>): number
  append(appends: readonly LogAppend[]): number
  setLogStartOffset(log: PartitionLog, offset: number): number
  get appendedLsn(): number
  get durableLsn(): number
  whenDurable(lsn: number): Promise<void>
  onDurable(listener: (lsn: number) => void): void
  get pendingBytes(): number
  get failure(): Error | undefined
  onFailure(listener: (error: Error) => void): void
  checkpoint(): Promise<void>
  close(): Promise<void>
}
