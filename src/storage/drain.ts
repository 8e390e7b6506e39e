/**
 * Moves the undrained batches of all logs from memory to their segments, in the background.
 *
 * Writes without flushing and remembers which files and directories a checkpoint must flush (`takeDirty`, then `sync`). Leaves to
 * the store when to drain, and that only one drain runs at a time. What was written is used for reading as soon as the write
 * has ended; nothing here makes anything durable. Any error is fatal to the store: a drain is never repeated, so a file
 * never holds a batch twice.
 */
import { crc32c } from '../base/crc32c.ts'
import type { FileSystem } from '../base/runtime.ts'
import { RecentBatches } from './batch-window.ts'
import type { WindowBatch } from './batch-window.ts'
import { IndexBuilder } from './index-cache.ts'
import { encodeLeaderEpochs, encodePartitionMetadata, LEADER_EPOCH_FILE, PARTITION_METADATA_FILE } from './log-files.ts'
import { segmentFileName } from './log-files.ts'
import type { PartitionLog } from './partition-log.ts'
import { Segment } from './segment.ts'
import type { SegmentContext } from './segment.ts'
import { encodeAbortedTransactions } from './transaction-index.ts'

export interface DrainOptions {
  readonly fileSystem: FileSystem
  readonly dataDirectory: string
  readonly context: SegmentContext
  /** Makes room for a new directory of this log's name: an older topic's must be out of the way. */
  readonly vacateDirectory: (log: PartitionLog) => Promise<void>
}

interface DirtyFiles {
  readonly files: Set<string>
  readonly directories: Set<string>
}

/** Flushes under way at once at a checkpoint: enough to keep a disk busy, few enough to leave it to the journal. */
const SYNCS_AT_ONCE = 4

export class Drain {
  readonly #fileSystem: FileSystem
  readonly #dataDirectory: string
  readonly #context: SegmentContext
  readonly #vacateDirectory: (log: PartitionLog) => Promise<void>
  readonly #recent: RecentBatches
  /** Logs with something to write, in the order in which they got it. */
  readonly #logs = new Set<PartitionLog>()
  #undrainedBytes = 0
  #dirtyFiles = new Set<string>()
  #dirtyDirectories = new Set<string>()
  /** What a checkpoint has taken and may be flushing. */
  #taken: DirtyFiles = { files: new Set(), directories: new Set() }

  constructor({ fileSystem, dataDirectory, context, vacateDirectory }: DrainOptions) {
    this.#fileSystem = fileSystem
    this.#dataDirectory = dataDirectory
    this.#context = context
    this.#vacateDirectory = vacateDirectory
    this.#recent = new RecentBatches(context.limits.recentBatchesBytes)
  }

  get hasWork(): boolean {
    return this.#logs.size > 0
  }

  /** Bytes of batches that are only in memory and the journal. */
  get undrainedBytes(): number {
    return this.#undrainedBytes
  }

  /** The log has something to write, of which `batchBytes` are new batches. */
  add(log: PartitionLog, batchBytes: number): void {
    this.#logs.add(log)
    this.#undrainedBytes += batchBytes
  }

  /** The log is dropped: forgets it and its batches. */
  remove(log: PartitionLog): void {
    this.#logs.delete(log)
    this.#recent.remove(log.window)
    this.#undrainedBytes -= log.window.clear()
  }

  /** Writes everything appended up to `upToLsn`. */
  async drain(upToLsn: number): Promise<void> {
    for (const log of [...this.#logs]) {
      await this.#drainLog(log, upToLsn)
      if (isDrained(log)) this.#logs.delete(log)
    }
  }

  /** From now on `sync` is about what has been written until now. */
  takeDirty(): void {
    this.#taken = { files: this.#dirtyFiles, directories: this.#dirtyDirectories }
    this.#dirtyFiles = new Set()
    this.#dirtyDirectories = new Set()
  }

  /** The directory has been renamed: its files need no flush any more. */
  forgetDirectory(directory: string): void {
    this.#context.files.forgetDirectory(directory)
    for (const files of [this.#dirtyFiles, this.#taken.files]) {
      for (const file of files) if (file.startsWith(`${directory}/`)) files.delete(file)
    }
    this.#dirtyDirectories.delete(directory)
    this.#taken.directories.delete(directory)
    this.#dirtyDirectories.add(this.#dataDirectory)
  }

  markDirty(file: string): void {
    this.#dirtyFiles.add(file)
  }

  /** Makes durable what was written before `takeDirty`: files first, then the names that lead to them. */
  async sync(): Promise<void> {
    const { files, directories } = this.#taken
    const waiting = files.values()
    const syncNext = async (): Promise<void> => {
      for (const path of waiting) await this.#context.files.use(path, 'write', (file) => file.sync())
    }
    await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, syncNext))
    for (const directory of directories) {
      if (directory !== this.#dataDirectory) await this.#fileSystem.syncDirectory(directory)
    }
    if (directories.has(this.#dataDirectory)) await this.#fileSystem.syncDirectory(this.#dataDirectory)
  }

  /** Writes the producer table as Kafka's tools know it. */
  async writeProducerSnapshot(log: PartitionLog, offset: number, contents: Uint8Array): Promise<void> {
    await this.#replaceFile(`${log.directory}/${segmentFileName(offset, 'snapshot')}`, contents)
    this.#dirtyDirectories.add(log.directory)
  }

  async #drainLog(log: PartitionLog, upToLsn: number): Promise<void> {
    for (;;) {
      if (log.isDropped) return
      const group = log.window.nextUndrained(this.#context.limits.drainWriteBytes, upToLsn)
      if (group.length === 0) break
      await this.#writeGroup(log, group)
    }
    if (!log.hasDirectory) return
    await this.#writeAborted(log)
    await this.#writeLeaderEpochs(log)
  }

  async #writeGroup(log: PartitionLog, group: readonly WindowBatch[]): Promise<void> {
    if (!log.hasDirectory) await this.#createDirectory(log)
    const first = group[0]!
    const previous = log.segments.at(-1)
    const isNew = previous === undefined || first.startsSegment
    const segment = isNew ? await this.#createSegment(log, previous, first) : previous

    const builder = IndexBuilder.after(segment)
    let position = segment.sizeBytes
    for (const batch of group) {
      builder.add(batch, position, batch.isIndexed)
      position += batch.bytes.length
    }
    const writtenBytes = position - segment.sizeBytes
    const chunks = group.map((batch) => batch.bytes)
    await this.#context.files.use(segment.path('log'), 'create', (file) => file.write(chunks, segment.sizeBytes))
    this.#dirtyFiles.add(segment.path('log'))
    await this.#writeIndexes(segment, builder)
    if (log.isDropped) return

    segment.sizeBytes = position
    segment.endOffset = group.at(-1)!.lastOffset + 1
    for (const batch of group) segment.noteTimestamp(batch.maxTimestamp, batch.lastOffset)
    if (isNew) log.segments.push(segment)
    log.window.markDrained(group.length)
    this.#undrainedBytes -= writtenBytes
    this.#recent.add(log.window, group.length, writtenBytes)
  }

  async #createDirectory(log: PartitionLog): Promise<void> {
    await this.#vacateDirectory(log)
    await this.#fileSystem.makeDirectory(log.directory)
    log.hasDirectory = true
    this.#dirtyDirectories.add(this.#dataDirectory)
    this.#dirtyDirectories.add(log.directory)
    await this.#replaceFile(`${log.directory}/${PARTITION_METADATA_FILE}`, encodePartitionMetadata(log.topicId))
  }

  /** Ends the segment before it, if any, and makes the files of the new one. */
  async #createSegment(log: PartitionLog, previous: Segment | undefined, first: WindowBatch): Promise<Segment> {
    if (previous !== undefined) {
      const builder = IndexBuilder.after(previous)
      builder.addTimeEntry()
      await this.#writeIndexes(previous, builder)
    }
    const segment = Segment.empty(this.#context, log.directory, first.baseOffset)
    for (const suffix of ['log', 'index', 'timeindex'] as const) {
      const path = segment.path(suffix)
      await this.#context.files.use(path, 'create', async () => {})
      this.#dirtyFiles.add(path)
    }
    this.#dirtyDirectories.add(log.directory)
    if (first.producerSnapshot !== undefined) {
      await this.writeProducerSnapshot(log, first.baseOffset, first.producerSnapshot)
    }
    return segment
  }

  async #writeIndexes(segment: Segment, builder: IndexBuilder): Promise<void> {
    const offsets = builder.indexes.offsets.bytes
    const times = builder.indexes.times.bytes
    if (offsets.length > 0) await this.#write(segment.path('index'), segment.indexBytes, offsets)
    if (times.length > 0) await this.#write(segment.path('timeindex'), segment.timeIndexBytes, times)
    segment.indexBytes += offsets.length
    segment.timeIndexBytes += times.length
    segment.lastIndexedTimestamp = builder.lastIndexedTimestamp
    this.#context.indexes.append(segment, offsets, times)
  }

  /** Markers met again while loading may belong to any segment, so each entry goes to the segment of its marker. */
  async #writeAborted(log: PartitionLog): Promise<void> {
    if (log.aborted.lastOffset <= log.lastAbortedWritten) return
    for (const segment of log.segments) {
      const entries = log.aborted.between(Math.max(segment.baseOffset, log.lastAbortedWritten + 1), segment.endOffset)
      const last = entries.at(-1)
      if (last === undefined) continue
      const bytes = encodeAbortedTransactions(entries)
      if (segment.transactionIndexBytes === 0) this.#dirtyDirectories.add(log.directory)
      await this.#write(segment.path('txnindex'), segment.transactionIndexBytes, bytes)
      segment.transactionIndexBytes += bytes.length
      if (segment.transactionIndexCrc !== undefined)
        segment.transactionIndexCrc = crc32c(bytes, segment.transactionIndexCrc)
      log.lastAbortedWritten = last.lastOffset
    }
  }

  async #writeLeaderEpochs(log: PartitionLog): Promise<void> {
    if (log.leaderEpochsWritten === log.leaderEpochs.length) return
    const count = log.leaderEpochs.length
    await this.#replaceFile(`${log.directory}/${LEADER_EPOCH_FILE}`, encodeLeaderEpochs(log.leaderEpochs))
    this.#dirtyDirectories.add(log.directory)
    log.leaderEpochsWritten = count
  }

  async #write(path: string, position: number, bytes: Uint8Array): Promise<void> {
    await this.#context.files.use(path, 'create', (file) => file.write([bytes], position))
    this.#dirtyFiles.add(path)
  }

  /** Small files that recovery does not rely on, or that never change: overwritten in place. */
  async #replaceFile(path: string, contents: Uint8Array): Promise<void> {
    await this.#context.files.use(path, 'create', async (file) => {
      await file.write([contents], 0)
      await file.truncate(contents.length)
    })
    this.#dirtyFiles.add(path)
  }
}

function isDrained(log: PartitionLog): boolean {
  if (log.isDropped) return true
  return !log.window.hasUndrained && (!log.hasDirectory || log.lastAbortedWritten >= log.aborted.lastOffset)
}
