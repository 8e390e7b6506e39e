/**
 * The checkpoint procedure: notes a state, makes the segments hold it durably, and lets go of the journal before it.
 *
 *   1. in one tick: the LSN and what all logs are at it       4. flush the files written up to there
 *   2. wait until that LSN is durable, drain exactly to it    5. write and flush the slot
 *   3. note the sizes of the files, let drains go on          6. remove what only the checkpoint before it needed
 *
 * Appends go on all the time. Invariants: a checkpoint names only bytes that were flushed before it was written; nothing is
 * removed before it is durable. One runs at a time.
 */
import { assert } from '../base/assert.ts'
import type { FileSystem } from '../base/runtime.ts'
import type { StoredProducerState } from '../protocol/stored-producer-state.ts'
import type { CheckpointSlots } from './checkpoint-slots.ts'
import type { Checkpoint, CheckpointLog } from './checkpoint.ts'
import type { Drain } from './drain.ts'
import type { Journal } from './journal.ts'
import type { PartitionLog } from './partition-log.ts'
import { encodeProducerSnapshot } from './producer-snapshot.ts'
import type { Segment, SegmentContext } from './segment.ts'
import type { SerialQueue } from './serial-queue.ts'
import { encodeStoredProducers } from './stored-producers.ts'

/** The store as a checkpoint sees it. */
export interface CheckpointSource {
  appendedLsn(): number
  nextLogId(): number
  logs(): Iterable<PartitionLog>
  producerStateOf(log: PartitionLog): readonly StoredProducerState[] | undefined
  whenDurable(lsn: number): Promise<void>
  /** Throws once the store has failed: nothing is written any more. */
  checkUsable(): void
}

export interface CheckpointerOptions {
  readonly source: CheckpointSource
  readonly fileSystem: FileSystem
  readonly context: SegmentContext
  readonly drain: Drain
  readonly journal: Journal
  readonly slots: CheckpointSlots
  /** Nothing else is drained while a task of this queue runs. */
  readonly writing: SerialQueue
  /** No directory is renamed while a task of this queue runs. */
  readonly flushing: SerialQueue
}

/** What of a log is noted at the LSN of the checkpoint; the sizes of its files follow once it is drained to there. */
interface NotedLog {
  readonly log: PartitionLog
  readonly numbers: Omit<CheckpointLog, 'segments'>
}

export class Checkpointer {
  readonly #options: CheckpointerOptions

  constructor(options: CheckpointerOptions) {
    this.#options = options
  }

  /**
   * Rejects with the first error, after which the store must stop.
   *
   * @param isClean  the last one before an orderly end; writes Kafka's producer snapshots as well
   */
  async take(isClean: boolean): Promise<void> {
    const { drain, flushing, journal, slots, source, writing } = this.#options
    const { checkpoint, superfluous } = await writing.run(() => this.#note(isClean))
    await flushing.run(() => drain.sync())
    source.checkUsable()
    await slots.write(checkpoint)
    for (const segment of superfluous) await this.#removeSegment(segment)
    await journal.cut(checkpoint.lsn)
  }

  async #note(isClean: boolean): Promise<{ checkpoint: Omit<Checkpoint, 'generation'>; superfluous: Segment[] }> {
    const { drain, source } = this.#options
    source.checkUsable()
    // All of one tick: the state that the frames up to this LSN add up to.
    const lsn = source.appendedLsn()
    const nextLogId = source.nextLogId()
    const noted = [...source.logs()].map((log) => this.#noteLog(log))

    await source.whenDurable(lsn)
    await drain.drain(lsn)
    if (isClean) await this.#writeProducerSnapshots()

    const droppedLogIds: number[] = []
    const logs: CheckpointLog[] = []
    const superfluous: Segment[] = []
    for (const { log, numbers } of noted) {
      if (log.isDropped) {
        droppedLogIds.push(log.logId)
        continue
      }
      assert(log.drainedEndOffset === numbers.logEndOffset, `${log.name} is drained to ${log.drainedEndOffset}`)
      superfluous.push(...log.takeSegmentsBelow(numbers.logStartOffset))
      logs.push({ ...numbers, segments: log.segments.map((segment) => segment.numbers()) })
    }
    drain.takeDirty()
    return { checkpoint: { lsn, isClean, nextLogId, droppedLogIds, logs }, superfluous }
  }

  #noteLog(log: PartitionLog): NotedLog {
    const producers = this.#options.source.producerStateOf(log)
    if (producers !== undefined) log.setProducerSnapshot(log.logEndOffset, encodeStoredProducers(producers))
    const { logId, topicId, topic, partition, segmentBytes, logStartOffset, logEndOffset, bytesSinceIndexEntry } = log
    const { snapshotOffset, producerSnapshotBytes } = log
    return {
      log,
      numbers: {
        logId,
        topicId,
        topic,
        partition,
        segmentBytes,
        logStartOffset,
        logEndOffset,
        snapshotOffset,
        bytesSinceIndexEntry,
        leaderEpochs: [...log.leaderEpochs],
        producerSnapshotBytes,
      },
    }
  }

  async #writeProducerSnapshots(): Promise<void> {
    const { drain, source } = this.#options
    for (const log of source.logs()) {
      const producers = log.hasDirectory ? source.producerStateOf(log) : undefined
      if (producers === undefined || producers.length === 0) continue
      await drain.writeProducerSnapshot(log, log.logEndOffset, encodeProducerSnapshot(producers))
    }
  }

  async #removeSegment(segment: Segment): Promise<void> {
    const { context, fileSystem } = this.#options
    context.indexes.forget(segment)
    for (const suffix of ['log', 'index', 'timeindex', 'txnindex', 'snapshot'] as const) {
      const path = segment.path(suffix)
      context.files.forget(path)
      await fileSystem.remove(path)
    }
  }
}
