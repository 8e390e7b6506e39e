/** Every limit of the store, with its unit. All can be set; the defaults suit one machine with a few thousand partitions. */
export interface StorageLimits {
  /** Size of a preallocated journal file. */
  readonly journalFileBytes: number
  /** Journal bytes after which a checkpoint is taken. Bounds what recovery replays and keeps in memory while it does. */
  readonly checkpointJournalBytes: number
  /** Bytes in memory tails that start a drain to the segments at once. */
  readonly drainBytes: number
  /** Longest time a batch waits in a memory tail for its drain. */
  readonly drainAgeMs: number
  /** Bytes given to one write of a segment file. */
  readonly drainWriteBytes: number
  /** Bytes of drained batches kept in memory over all logs, for consumers at the tail. */
  readonly recentBatchesBytes: number
  /** File handles of segment and index files kept open over all logs. */
  readonly openFiles: number
  /** Bytes of loaded offset and time indexes kept in memory over all logs. */
  readonly loadedIndexBytes: number
  /** Bytes of batches between two entries of an offset index (Kafka: index.interval.bytes). */
  readonly indexIntervalBytes: number
  /** Largest offset index; a full one rolls the segment (Kafka: segment.index.bytes). */
  readonly indexBytesMax: number
  /** Bytes read at once when a log is loaded or scanned. */
  readonly scanChunkBytes: number
  /** Largest decompressed size of a batch that is opened to find a record by its timestamp. */
  readonly decompressedBatchBytes: number
}

const KIB = 1024
const MIB = 1024 * KIB

export const DEFAULT_STORAGE_LIMITS: StorageLimits = {
  journalFileBytes: 64 * MIB,
  checkpointJournalBytes: 128 * MIB,
  drainBytes: 4 * MIB,
  drainAgeMs: 500,
  drainWriteBytes: 4 * MIB,
  recentBatchesBytes: 32 * MIB,
  openFiles: 256,
  loadedIndexBytes: 32 * MIB,
  indexIntervalBytes: 4096,
  indexBytesMax: 10 * MIB,
  scanChunkBytes: MIB,
  decompressedBatchBytes: 64 * MIB,
}
