/**
 * All partition logs of one data directory: one journal makes them durable, segments behind it hold them (DESIGN 5.2).
 *
 * Owns the order of things: what is journaled when, when tails are drained, the checkpoint procedure, recovery at the start,
 * and fail-stop. Leaves bytes to its neighbours and every decision about contents to the broker.
 *
 * Invariants:
 *   S1 a batch is in memory from the tick of its append on, and acknowledged (`whenDurable`) only when the journal has it;
 *   S2 a checkpoint names only bytes that were flushed before it was written; the journal and files that it makes
 *      superfluous are removed only once it is durable;
 *   S3 after the first failed write or flush nothing is acknowledged any more, and nothing is written again.
 */
import { assert } from '../base/assert.ts'
import { readInt64 } from '../base/bytes.ts'
import type { FileLock, FileSystem, Runtime, Timer } from '../base/runtime.ts'
import type { BatchHeader } from '../protocol/record-batch.ts'
import type { StoredProducerState } from '../protocol/stored-producer-state.ts'
import { CheckpointSlots } from './checkpoint-slots.ts'
import { Checkpointer } from './checkpointer.ts'
import type { CheckpointSource } from './checkpointer.ts'
import { Drain } from './drain.ts'
import { DroppedLogs } from './dropped-logs.ts'
import { DurabilityWaiters } from './durability-waiters.ts'
import { syncAncestors, takeLock } from './data-directory.ts'
import { CorruptionError, StorageFailure } from './errors.ts'
import { FilePool } from './file-pool.ts'
import { IndexCache } from './index-cache.ts'
import { Journal } from './journal.ts'
import { encodeLogEntries } from './log-entry.ts'
import type { LogEntry } from './log-entry.ts'
import { JOURNAL_DIRECTORY, partitionDirectory } from './log-files.ts'
import { PartitionLog } from './partition-log.ts'
import { encodeProducerSnapshot } from './producer-snapshot.ts'
import { findLeftovers, reconcileFiles, ReplayedLogs } from './recovery.ts'
import type { SegmentContext } from './segment.ts'
import { SerialQueue } from './serial-queue.ts'
import { DEFAULT_STORAGE_LIMITS } from './storage-limits.ts'
import type { StorageLimits } from './storage-limits.ts'

export type Durability = 'fsync' | 'os' | 'memory'

export interface LogStoreOptions {
  readonly runtime: Pick<Runtime, 'clock' | 'fileSystem' | 'random' | 'logger'>
  readonly directory: string
  readonly durability: Durability
  readonly limits?: Partial<StorageLimits>
}

/** What opening the store found. */
export interface RecoverySummary {
  readonly durationMs: number
  readonly framesReplayed: number
  /** Bytes of a torn journal tail, and of files that were longer than the checkpoint said. */
  readonly bytesCut: number
  readonly cleanShutdown: boolean
  readonly partitions: number
}

export interface LogAppend {
  readonly log: PartitionLog
  /** Exactly one record batch with its final base offset and leader epoch; kept by reference, must not change afterwards. */
  readonly batch: Uint8Array
  readonly header: BatchHeader
}

export interface NewLog {
  readonly topicId: string
  readonly topic: string
  readonly partition: number
  /** A segment is ended before it would grow beyond this (Kafka: segment.bytes). */
  readonly segmentBytes: number
}

export class LogStore {
  readonly durability: Durability
  /**
   * The producer table of a log as of its logEndOffset, set by the broker. `undefined` while it has not loaded the log: the
   * table of the last checkpoint is kept then. Asked at a checkpoint, when a segment is begun, and at a clean shutdown.
   */
  producerStateOf: (log: PartitionLog) => readonly StoredProducerState[] | undefined = () => undefined

  readonly #runtime: LogStoreOptions['runtime']
  readonly #fileSystem: FileSystem
  readonly #directory: string
  readonly #limits: StorageLimits
  readonly #context: SegmentContext
  readonly #lock: FileLock
  readonly #drain: Drain
  readonly #dropped: DroppedLogs
  /** One drain, or the part of a checkpoint that must see files stand still, at a time. */
  readonly #writing = new SerialQueue()
  /** Flushing files and renaming directories, each of which the other must not meet half way. */
  readonly #flushing = new SerialQueue()
  readonly #checkpoints = new SerialQueue()

  readonly #logs = new Map<number, PartitionLog>()
  readonly #liveDirectories = new Set<string>()
  readonly #logsByTopicId = new Map<string, Map<number, PartitionLog>>()
  #nextLogId = 1

  #journal: Journal | undefined
  #checkpointer: Checkpointer | undefined
  #waiters = new DurabilityWaiters(0)
  #appendedLsn = 0
  #durableListeners: ((lsn: number) => void)[] = []
  #failureListeners: ((error: Error) => void)[] = []
  #failure: Error | undefined
  #recovery: RecoverySummary | undefined

  #drainTimer: Timer | undefined
  #isDrainQueued = false
  #bytesSinceCheckpoint = 0
  #queuedCheckpoint: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /**
   * Takes the directory, which is made when missing, and recovers what is in it.
   *
   * Rejects with StorageFailure when another process holds it or the disk fails, CorruptionError when flushed data is
   * damaged or missing (nothing of it was changed), UnsupportedFormatError when a newer version wrote it.
   */
  static async open(options: LogStoreOptions): Promise<LogStore> {
    const { fileSystem } = options.runtime
    const { directory } = options
    await fileSystem.makeDirectory(directory)
    const lock = await takeLock(fileSystem, directory)
    const store = new LogStore(options, lock)
    try {
      await store.#open()
      return store
    } catch (error) {
      await store.#release().catch((second: unknown) => {
        // What stopped the start is what its user must read; this is most likely a consequence of it.
        options.runtime.logger.warn('letting go of the data directory failed as well', {
          directory,
          reason: String(second),
        })
      })
      throw error
    }
  }

  private constructor(options: LogStoreOptions, lock: FileLock) {
    this.durability = options.durability
    this.#runtime = options.runtime
    this.#fileSystem = options.runtime.fileSystem
    this.#directory = options.directory
    this.#limits = { ...DEFAULT_STORAGE_LIMITS, ...options.limits }
    this.#lock = lock
    const files = new FilePool(this.#fileSystem, this.#limits.openFiles)
    files.onCloseError = (error) => this.#fail('closing a file failed', error)
    this.#context = { files, indexes: new IndexCache(files, this.#limits), limits: this.#limits }
    this.#drain = new Drain({
      fileSystem: this.#fileSystem,
      dataDirectory: this.#directory,
      context: this.#context,
      vacateDirectory: (log) => this.#dropped.vacate(log.directory),
    })
    this.#dropped = new DroppedLogs({
      fileSystem: this.#fileSystem,
      dataDirectory: this.#directory,
      drain: this.#drain,
      writing: this.#writing,
      flushing: this.#flushing,
      whenFlushed: (lsn) => this.#whenFlushed(lsn),
      onError: (error) => this.#fail('removing a deleted log failed', error),
    })
  }

  get recovery(): RecoverySummary {
    assert(this.#recovery !== undefined, 'the store is open')
    return this.#recovery
  }

  // ---- logs

  /** Journals the log and answers it; durable with the next LSN waited for. Its files are made at the first drain. */
  createLog({ topicId, topic, partition, segmentBytes }: NewLog): PartitionLog {
    assert(this.log(topicId, partition) === undefined, `${topic}-${partition} exists`)
    assert(segmentBytes > 0, `segmentBytes ${segmentBytes}`)
    const directory = partitionDirectory(this.#directory, topic, partition)
    assert(!this.#liveDirectories.has(directory), `${topic}-${partition} exists under another topic id`)
    const logId = this.#nextLogId
    this.#write([{ kind: 'create-log', logId, topicId, topic, partition, segmentBytes }])
    this.#nextLogId += 1
    const dataDirectory = this.#directory
    const log = new PartitionLog({
      logId,
      topicId,
      topic,
      partition,
      segmentBytes,
      dataDirectory,
      context: this.#context,
    })
    this.#addLog(log)
    return log
  }

  log(topicId: string, partition: number): PartitionLog | undefined {
    return this.#logsByTopicId.get(topicId)?.get(partition)
  }

  logs(): Iterable<PartitionLog> {
    return this.#logs.values()
  }

  /** Drops logs, all or none after a crash; their files go once that is durable. Answers the LSN. */
  dropLogs(logs: Iterable<PartitionLog>): number {
    const dropped = [...logs]
    assert(dropped.length > 0, 'logs to drop')
    for (const log of dropped) assert(this.#logs.get(log.logId) === log, `${log.name} is not in this store`)
    const lsn = this.#write(dropped.map((log) => ({ kind: 'drop-log', logId: log.logId })))
    for (const log of dropped) {
      log.isDropped = true
      this.#drain.remove(log)
      this.#logs.delete(log.logId)
      this.#liveDirectories.delete(log.directory)
      const partitions = this.#logsByTopicId.get(log.topicId)
      partitions?.delete(log.partition)
      if (partitions?.size === 0) this.#logsByTopicId.delete(log.topicId)
    }
    this.#dropped.add(dropped, lsn)
    return lsn
  }

  /** Journals a new first offset (DeleteRecords); segments below it go at the next checkpoint. Answers the LSN. */
  setLogStartOffset(log: PartitionLog, offset: number): number {
    assert(this.#logs.get(log.logId) === log, `${log.name} is not in this store`)
    assert(offset >= log.logStartOffset, `${log.name}: log start ${offset} below ${log.logStartOffset}`)
    assert(offset <= log.logEndOffset, `${log.name}: log start ${offset} above end ${log.logEndOffset}`)
    const lsn = this.#write([{ kind: 'log-start', logId: log.logId, offset }])
    log.applyLogStartOffset(offset)
    return lsn
  }

  /**
   * Appends batches to logs as one journal frame: after a crash all of them are there or none. Offsets of several batches for
   * one log must follow each other. Readers of the log see them at once, durable or not. Answers the LSN.
   *
   * Throws StorageFailure after a failure or once closing; nothing has changed then.
   */
  append(appends: readonly LogAppend[]): number {
    assert(appends.length > 0, 'batches to append')
    this.#checkAppends(appends)
    const lsn = this.#write(appends.map(({ log, batch }) => ({ kind: 'append', logId: log.logId, batch })))
    const seen = appends.length > 1 ? new Set<PartitionLog>() : undefined
    for (const { log, batch, header } of appends) {
      // The broker's table lacks earlier batches of this very call, so only a log's first batch can carry a snapshot.
      const isFirst = seen === undefined || !seen.has(log)
      seen?.add(log)
      log.appendBatch(header, batch, lsn, () => (isFirst ? this.#producerSnapshotFile(log) : undefined))
      this.#drain.add(log, batch.length)
    }
    this.#scheduleDrain()
    return lsn
  }

  #checkAppends(appends: readonly LogAppend[]): void {
    const ends = new Map<PartitionLog, number>()
    for (const { log, batch, header } of appends) {
      const isSound =
        this.#logs.get(log.logId) === log &&
        batch.length === header.sizeBytes &&
        header.baseOffset === (ends.get(log) ?? log.logEndOffset) &&
        header.baseOffset === readInt64(batch, 0)
      if (isSound) {
        ends.set(log, header.lastOffset + 1)
        continue
      }
      // Which of them it is; the messages are too dear for every batch.
      assert(this.#logs.get(log.logId) === log, `${log.name} is not in this store`)
      assert(batch.length === header.sizeBytes, `${log.name}: ${batch.length} bytes, header says ${header.sizeBytes}`)
      const baseOffset = readInt64(batch, 0)
      const endOffset = ends.get(log) ?? log.logEndOffset
      assert(baseOffset === endOffset, `${log.name}: batch at ${baseOffset}, log ends at ${endOffset}`)
      assert(header.baseOffset === baseOffset, `${log.name}: header at ${header.baseOffset}, batch at ${baseOffset}`)
    }
  }

  #producerSnapshotFile(log: PartitionLog): Uint8Array | undefined {
    const producers = this.producerStateOf(log)
    return producers === undefined ? undefined : encodeProducerSnapshot(producers)
  }

  #addLog(log: PartitionLog): void {
    this.#logs.set(log.logId, log)
    this.#liveDirectories.add(log.directory)
    let partitions = this.#logsByTopicId.get(log.topicId)
    if (partitions === undefined) {
      partitions = new Map()
      this.#logsByTopicId.set(log.topicId, partitions)
    }
    partitions.set(log.partition, log)
    log.onDirty = (dirty) => {
      this.#drain.add(dirty, 0)
      this.#scheduleDrain()
    }
    if (log.window.hasUndrained) this.#drain.add(log, log.window.undrainedBytes)
  }

  // ---- durability

  get appendedLsn(): number {
    return this.#appendedLsn
  }

  get durableLsn(): number {
    return this.#waiters.durableLsn
  }

  /** Resolves when everything up to `lsn` is durable; rejects with StorageFailure when the store fails before. */
  whenDurable(lsn: number): Promise<void> {
    assert(lsn <= this.#appendedLsn, `LSN ${lsn} has not been appended, the last one is ${this.#appendedLsn}`)
    return this.#waiters.wait(lsn)
  }

  /** Resolves when no power cut can take back what was appended up to `lsn`; with `os` that is more than durable. */
  async #whenFlushed(lsn: number): Promise<void> {
    await this.whenDurable(lsn)
    await this.#journal?.flush(lsn)
  }

  /** Called synchronously whenever more is durable, before promises of `whenDurable` resolve. */
  onDurable(listener: (lsn: number) => void): void {
    this.#durableListeners.push(listener)
  }

  /** Bytes that are only in memory: not yet in the journal, or not yet in segments. Producers are slowed down by it. */
  get pendingBytes(): number {
    return (this.#journal?.pendingBytes ?? 0) + this.#drain.undrainedBytes
  }

  /** The first error of the disk. Once set, nothing is appended or acknowledged any more. */
  get failure(): Error | undefined {
    return this.#failure
  }

  onFailure(listener: (error: Error) => void): void {
    this.#failureListeners.push(listener)
  }

  /** One frame. Answers its LSN. */
  #write(entries: readonly LogEntry[]): number {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing !== undefined) throw new StorageFailure('the store is closed')
    if (this.#journal === undefined) {
      this.#appendedLsn += 1
      const lsn = this.#appendedLsn
      queueMicrotask(() => this.#becomeDurable(lsn))
      return lsn
    }
    const chunks = encodeLogEntries(entries)
    this.#appendedLsn = this.#journal.append(chunks)
    for (const chunk of chunks) this.#bytesSinceCheckpoint += chunk.length
    if (this.#bytesSinceCheckpoint >= this.#limits.checkpointJournalBytes) this.#checkpointInBackground()
    return this.#appendedLsn
  }

  #becomeDurable(lsn: number): void {
    if (this.#failure !== undefined || lsn <= this.durableLsn) return
    // Set before the listeners are called, so that they see it; promises resolve in microtasks, so after them.
    this.#waiters.advance(lsn)
    for (const listener of this.#durableListeners) listener(lsn)
  }

  #fail(what: string, cause: unknown): void {
    if (this.#failure !== undefined) return
    const reason = cause instanceof Error ? cause.message : String(cause)
    const failure =
      cause instanceof StorageFailure
        ? cause
        : new StorageFailure(`storage in ${this.#directory} stops: ${what}: ${reason}`, cause)
    this.#failure = failure
    this.#drainTimer?.cancel()
    this.#runtime.logger.error('storage has failed and takes nothing more', { directory: this.#directory, reason })
    this.#waiters.fail(failure)
    for (const listener of this.#failureListeners) listener(failure)
  }

  // ---- draining

  #scheduleDrain(): void {
    if (this.#failure !== undefined || this.#recovery === undefined || this.#isDrainQueued) return
    if (this.#drain.undrainedBytes >= this.#limits.drainBytes) {
      this.#startDrain()
    } else if (this.#drainTimer === undefined) {
      this.#drainTimer = this.#runtime.clock.setTimer(this.#limits.drainAgeMs, () => this.#startDrain())
    }
  }

  #startDrain(): void {
    this.#drainTimer?.cancel()
    this.#drainTimer = undefined
    if (this.#failure !== undefined || this.#isDrainQueued) return
    this.#isDrainQueued = true
    void this.#writing
      .run(() => {
        this.#isDrainQueued = false
        return this.#drainUpTo(this.#appendedLsn)
      })
      .then(
        () => {
          if (this.#drain.hasWork) this.#scheduleDrain()
        },
        (error: unknown) => this.#fail('writing to a log failed', error),
      )
  }

  async #drainUpTo(lsn: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    await this.#drain.drain(lsn)
  }

  // ---- checkpoints

  /** Takes a checkpoint of everything appended by now, so that a start need not replay it. Nothing to do in `memory`. */
  checkpoint(): Promise<void> {
    if (this.#journal === undefined) return Promise.resolve()
    // One that has not begun yet will cover what this caller wants covered.
    this.#queuedCheckpoint ??= this.#checkpoints.run(() => {
      this.#queuedCheckpoint = undefined
      return this.#takeCheckpoint(false)
    })
    return this.#queuedCheckpoint
  }

  #checkpointInBackground(): void {
    if (this.#recovery === undefined || this.#queuedCheckpoint !== undefined) return
    this.checkpoint().catch((error: unknown) => this.#fail('the checkpoint failed', error))
  }

  async #takeCheckpoint(isClean: boolean): Promise<void> {
    this.#bytesSinceCheckpoint = 0
    try {
      await this.#checkpointer!.take(isClean)
    } catch (error) {
      this.#fail('the checkpoint failed', error)
      throw this.#failure ?? error
    }
  }

  #checkpointSource(): CheckpointSource {
    return {
      appendedLsn: () => this.#appendedLsn,
      nextLogId: () => this.#nextLogId,
      logs: () => this.#logs.values(),
      producerStateOf: (log) => this.producerStateOf(log),
      whenDurable: (lsn) => this.whenDurable(lsn),
      checkUsable: () => {
        if (this.#failure !== undefined) throw this.#failure
      },
    }
  }

  // ---- start and end

  async #open(): Promise<void> {
    const startMs = this.#runtime.clock.monotonicMs()
    if (this.durability === 'memory') {
      await this.#refuseLeftovers(
        'This directory holds durable data: start with durability fsync or os, or on another directory.',
      )
      this.#recovery = { durationMs: 0, framesReplayed: 0, bytesCut: 0, cleanShutdown: true, partitions: 0 }
      return
    }
    const journalDirectory = `${this.#directory}/${JOURNAL_DIRECTORY}`
    const slots = await CheckpointSlots.open(this.#fileSystem, this.#directory)
    if (slots.newest === undefined) {
      await this.#refuseLeftovers(
        `No checkpoint can be read (${slots.damage.join('; ')}): restore this data directory from a copy.`,
      )
      await syncAncestors(this.#fileSystem, this.#directory)
      await slots.write({ lsn: 0, isClean: true, nextLogId: 1, droppedLogIds: [], logs: [] })
    } else await slots.settle()
    const checkpoint = slots.newest!
    if (checkpoint.lsn > 0) await this.#checkJournalExists(journalDirectory)
    const replayed = new ReplayedLogs(this.#context, this.#directory, journalDirectory, checkpoint)
    const journal = await Journal.open({
      runtime: this.#runtime,
      directory: journalDirectory,
      durability: this.durability,
      fileSizeBytes: this.#limits.journalFileBytes,
      afterLsn: checkpoint.lsn,
      onFrame: ({ lsn, body }) => replayed.apply(lsn, body),
    })
    this.#journal = journal
    this.#checkpointer = new Checkpointer({
      source: this.#checkpointSource(),
      fileSystem: this.#fileSystem,
      context: this.#context,
      drain: this.#drain,
      journal,
      slots,
      writing: this.#writing,
      flushing: this.#flushing,
    })
    const bytesCut = await reconcileFiles(replayed.logs.values(), {
      fileSystem: this.#fileSystem,
      dataDirectory: this.#directory,
      context: this.#context,
      drain: this.#drain,
    })
    this.#nextLogId = replayed.nextLogId
    for (const log of replayed.logs.values()) this.#addLog(log)
    this.#appendedLsn = journal.appendedLsn
    this.#waiters = new DurabilityWaiters(journal.appendedLsn)
    this.#bytesSinceCheckpoint = replayed.replayedBytes
    journal.onDurable = (lsn) => this.#becomeDurable(lsn)
    journal.onFailure = (error) => this.#fail('the journal failed', error)
    this.#recovery = {
      durationMs: this.#runtime.clock.monotonicMs() - startMs,
      framesReplayed: replayed.framesReplayed,
      bytesCut: bytesCut + journal.recovery.bytesCut,
      cleanShutdown: checkpoint.isClean && replayed.framesReplayed === 0,
      partitions: this.#logs.size,
    }
    if (this.#drain.hasWork) this.#scheduleDrain()
  }

  async #refuseLeftovers(advice: string): Promise<void> {
    const journalDirectory = `${this.#directory}/${JOURNAL_DIRECTORY}`
    const file = await findLeftovers(this.#fileSystem, this.#directory, journalDirectory)
    if (file !== undefined) throw new CorruptionError('Data without a checkpoint', { file, position: 0, advice })
  }

  async #checkJournalExists(journalDirectory: string): Promise<void> {
    const isThere = (await this.#fileSystem.stat(journalDirectory)) !== undefined
    if (isThere && (await this.#fileSystem.list(journalDirectory)).length > 0) return
    throw new CorruptionError('The journal is missing', {
      file: journalDirectory,
      position: 0,
      advice: 'Whatever was acknowledged after the last checkpoint was in it: restore this data directory from a copy.',
    })
  }

  /**
   * Drains, takes a last checkpoint that is marked clean, and lets go of the directory. After a failure it only lets go.
   * Rejects with StorageFailure when the last checkpoint fails; everything acknowledged is in the journal then.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#drainTimer?.cancel()
    let problem: Error | undefined
    if (this.#failure === undefined && this.#journal !== undefined) {
      await this.#checkpoints
        .run(() => this.#takeCheckpoint(true))
        .catch((error: Error) => {
          problem = error
        })
    }
    await this.#checkpoints.idle()
    await this.#dropped.idle()
    await this.#writing.idle()
    await this.#flushing.idle()
    await this.#release()
    if (problem !== undefined) throw problem
  }

  async #release(): Promise<void> {
    try {
      // A start that is refused may be tried for ever: it must not leave a file each time.
      if (this.#recovery === undefined) await this.#journal?.abandon()
      else await this.#journal?.close()
      await this.#context.files.closeAll()
    } finally {
      await this.#lock.release()
    }
  }
}
