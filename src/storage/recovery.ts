/**
 * From what a crash left on disk to logs in memory.
 *
 * In this order, so that a crash at any point of it changes nothing about the outcome of the next try:
 *   1. logs as the checkpoint has them (`ReplayedLogs`), nothing read from their files yet;
 *   2. journal frames after the checkpoint are applied to them, batches going to the undrained end in memory;
 *   3. `reconcileFiles` makes the disk agree with the checkpoint, for the logs that are still there: what was written after it
 *      (it is in the journal) or belongs to dropped logs is removed, files longer than the checkpoint says are cut,
 *      derived files that are short are built anew. A `.log` or `.txnindex` that is missing, short or damaged was flushed
 *      before the checkpoint, so that is corruption: refused, never repaired.
 */
import { DecodeError } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import type { FileSystem } from '../base/runtime.ts'
import { batchCrcMatches, readBatchHeader } from '../protocol/record-batch.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Drain } from './drain.ts'
import { CorruptionError } from './errors.ts'
import { buildIndexes } from './index-cache.ts'
import type { SegmentIndexes } from './index-cache.ts'
import { decodeLogEntries } from './log-entry.ts'
import type { LogEntry } from './log-entry.ts'
import { decodePartitionMetadata, isDeletedDirectoryName, isPartitionDirectoryName } from './log-files.ts'
import { partitionDirectory, isPartitionFileName, parseSegmentFileName, PARTITION_METADATA_FILE } from './log-files.ts'
import { PartitionLog } from './partition-log.ts'
import { Segment } from './segment.ts'
import type { SegmentContext } from './segment.ts'
import { TIME_INDEX_ENTRY_BYTES, timeIndexEntry } from './time-index.ts'
import { decodeAbortedTransactions } from './transaction-index.ts'

const RESTORE = 'Restore this data directory from a copy.'

/** Steps 1 and 2: logs by id, from a checkpoint and the frames after it. */
export class ReplayedLogs {
  readonly #context: SegmentContext
  readonly #dataDirectory: string
  readonly #journalDirectory: string
  readonly #droppedLogIds: Set<number>
  readonly logs = new Map<number, PartitionLog>()
  nextLogId: number
  framesReplayed = 0
  replayedBytes = 0

  constructor(context: SegmentContext, dataDirectory: string, journalDirectory: string, checkpoint: Checkpoint) {
    this.#context = context
    this.#dataDirectory = dataDirectory
    this.#journalDirectory = journalDirectory
    this.#droppedLogIds = new Set(checkpoint.droppedLogIds)
    this.nextLogId = checkpoint.nextLogId
    for (const stored of checkpoint.logs) {
      const directory = partitionDirectory(dataDirectory, stored.topic, stored.partition)
      const segments = stored.segments.map((numbers) => new Segment(context, directory, numbers))
      this.logs.set(stored.logId, new PartitionLog({ ...stored, dataDirectory, context }, { ...stored, segments }))
    }
  }

  apply(lsn: number, body: Uint8Array): void {
    if (body.length === 0) return
    this.framesReplayed += 1
    this.replayedBytes += body.length
    try {
      for (const entry of decodeLogEntries(body)) this.#applyEntry(lsn, entry)
    } catch (error) {
      if (error instanceof DecodeError) throw this.#corrupt(lsn, error.message)
      throw error
    }
  }

  #applyEntry(lsn: number, entry: LogEntry): void {
    if (entry.kind === 'create-log') {
      this.logs.set(
        entry.logId,
        new PartitionLog({ ...entry, dataDirectory: this.#dataDirectory, context: this.#context }),
      )
      this.nextLogId = Math.max(this.nextLogId, entry.logId + 1)
      return
    }
    const log = this.logs.get(entry.logId)
    if (log === undefined) {
      if (this.#droppedLogIds.has(entry.logId)) return
      throw this.#corrupt(lsn, `it names log ${entry.logId}, which does not exist`)
    }
    switch (entry.kind) {
      case 'append':
        this.#append(lsn, log, entry.batch)
        break
      case 'drop-log':
        log.isDropped = true
        this.logs.delete(entry.logId)
        this.#droppedLogIds.add(entry.logId)
        break
      case 'log-start':
        if (entry.offset < log.logStartOffset || entry.offset > log.logEndOffset) {
          throw this.#corrupt(lsn, `log start ${entry.offset} is not in ${log.name}`)
        }
        log.applyLogStartOffset(entry.offset)
        break
    }
  }

  #append(lsn: number, log: PartitionLog, batch: Uint8Array): void {
    const header = readBatchHeader(batch)
    if (header.sizeBytes !== batch.length)
      throw this.#corrupt(lsn, `a batch of ${header.sizeBytes} in ${batch.length} bytes`)
    if (header.baseOffset !== log.logEndOffset) {
      throw this.#corrupt(
        lsn,
        `a batch at offset ${header.baseOffset} of ${log.name}, which ends at ${log.logEndOffset}`,
      )
    }
    if (!batchCrcMatches(batch))
      throw this.#corrupt(lsn, `the batch at offset ${header.baseOffset} of ${log.name} has a wrong checksum`)
    log.appendBatch(header, batch, lsn, () => undefined)
  }

  #corrupt(lsn: number, problem: string): Error {
    return new CorruptionError(`The journal frame with LSN ${lsn} does not fit the checkpoint before it: ${problem}`, {
      file: this.#journalDirectory,
      position: 0,
      advice: RESTORE,
    })
  }
}

export interface ReconcileOptions {
  readonly fileSystem: FileSystem
  readonly dataDirectory: string
  readonly context: SegmentContext
  readonly drain: Drain
}

/** Step 3. Answers the bytes cut from files. The logs' own directories are known to exist afterwards. */
export async function reconcileFiles(logs: Iterable<PartitionLog>, options: ReconcileOptions): Promise<number> {
  const { fileSystem, dataDirectory } = options
  const expected = new Map<string, PartitionLog>()
  for (const log of logs) if (log.segments.length > 0) expected.set(log.directory, log)

  let removedAny = false
  for (const name of await fileSystem.list(dataDirectory)) {
    const directory = `${dataDirectory}/${name}`
    if (expected.has(directory)) continue
    const isOurs =
      isDeletedDirectoryName(name) || (isPartitionDirectoryName(name) && (await isPartition(fileSystem, directory)))
    if (!isOurs) continue
    await fileSystem.removeDirectory(directory)
    removedAny = true
  }
  if (removedAny) await fileSystem.syncDirectory(dataDirectory)

  let bytesCut = 0
  for (const log of expected.values()) bytesCut += await reconcileLog(log, options)
  return bytesCut
}

/** Whether a directory with a partition's name is one, or the user's. Rejects with CorruptionError when it is in between. */
async function isPartition(fileSystem: FileSystem, directory: string): Promise<boolean> {
  if ((await fileSystem.stat(directory))?.isDirectory !== true) return false
  const strange = (await fileSystem.list(directory)).find((name) => !isPartitionFileName(name))
  if (strange === undefined) return true
  throw new CorruptionError("A directory with the name of a partition holds a file that is not a log's", {
    file: `${directory}/${strange}`,
    position: 0,
    advice:
      'The partition has no data from before the last start, so this is not its directory: move it out of the data directory.',
  })
}

async function reconcileLog(log: PartitionLog, options: ReconcileOptions): Promise<number> {
  const { fileSystem } = options
  const missing = (await fileSystem.stat(log.directory)) === undefined
  if (missing) throw corrupt(log.directory, 0, `The directory of partition ${log.name} is missing`)
  await checkTopicId(log, options)

  const known = new Set(log.segments.map((segment) => segment.baseOffset))
  for (const name of await fileSystem.list(log.directory)) {
    const parsed = parseSegmentFileName(name)
    if (parsed === undefined || known.has(parsed.baseOffset)) continue
    await fileSystem.remove(`${log.directory}/${name}`)
  }

  let bytesCut = 0
  for (const segment of log.segments) bytesCut += await reconcileSegment(log, segment, options)
  await verifyEnd(log, options)
  log.hasDirectory = true
  return bytesCut
}

async function checkTopicId(log: PartitionLog, { context, fileSystem }: ReconcileOptions): Promise<void> {
  const path = `${log.directory}/${PARTITION_METADATA_FILE}`
  const status = await fileSystem.stat(path)
  if (status === undefined) throw corrupt(path, 0, `The file that names the topic id of ${log.name} is missing`)
  const bytes = new Uint8Array(status.sizeBytes)
  await context.files.use(path, 'write', (file) => file.read(bytes, 0))
  const found = decodePartitionMetadata(bytes)
  if (found !== log.topicId) throw corrupt(path, 0, `Topic id ${found} found where ${log.name} has ${log.topicId}`)
}

async function reconcileSegment(log: PartitionLog, segment: Segment, options: ReconcileOptions): Promise<number> {
  const { fileSystem, drain } = options
  let bytesCut = 0
  const cut = async (path: string, sizeBytes: number, foundBytes: number): Promise<void> => {
    await options.context.files.use(path, 'write', (file) => file.truncate(sizeBytes))
    drain.markDirty(path)
    bytesCut += foundBytes - sizeBytes
  }
  /** Cuts the file to its size; false when it is too short. */
  const fit = async (path: string, sizeBytes: number): Promise<boolean> => {
    const foundBytes = (await fileSystem.stat(path))?.sizeBytes
    if (foundBytes === undefined || foundBytes < sizeBytes) return sizeBytes === 0 && foundBytes === undefined
    if (foundBytes > sizeBytes) await cut(path, sizeBytes, foundBytes)
    return true
  }

  for (const [suffix, sizeBytes] of [
    ['log', segment.sizeBytes],
    ['txnindex', segment.transactionIndexBytes],
  ] as const) {
    const path = segment.path(suffix)
    if (await fit(path, sizeBytes)) continue
    const foundBytes = (await fileSystem.stat(path))?.sizeBytes
    const found = foundBytes === undefined ? 'is missing' : `ends at ${foundBytes}`
    throw corrupt(path, foundBytes ?? 0, `A file of ${log.name} ${found}; ${sizeBytes} bytes of it had been flushed`)
  }
  const isIndexed =
    (await fit(segment.path('index'), segment.indexBytes)) &&
    (await fit(segment.path('timeindex'), segment.timeIndexBytes))
  if (!isIndexed) await replaceIndexes(segment, await buildIndexes(segment, options.context.limits), options)

  if (segment.transactionIndexBytes > 0) await loadAborted(log, segment, options)
  return bytesCut
}

async function replaceIndexes(
  segment: Segment,
  { offsets, times }: SegmentIndexes,
  { context, drain }: ReconcileOptions,
): Promise<void> {
  for (const [suffix, { bytes }] of [
    ['index', offsets],
    ['timeindex', times],
  ] as const) {
    const path = segment.path(suffix)
    await context.files.use(path, 'create', async (file) => {
      await file.write([bytes], 0)
      await file.truncate(bytes.length)
    })
    drain.markDirty(path)
  }
  segment.indexBytes = offsets.bytes.length
  segment.timeIndexBytes = times.bytes.length
  const lastSlot = times.bytes.length / TIME_INDEX_ENTRY_BYTES - 1
  segment.lastIndexedTimestamp = lastSlot < 0 ? -1 : timeIndexEntry(times.bytes, segment.baseOffset, lastSlot).timestamp
}

async function loadAborted(log: PartitionLog, segment: Segment, { context }: ReconcileOptions): Promise<void> {
  const path = segment.path('txnindex')
  const bytes = new Uint8Array(segment.transactionIndexBytes)
  await context.files.use(path, 'write', (file) => file.read(bytes, 0))
  if (segment.transactionIndexCrc !== undefined && crc32c(bytes) !== segment.transactionIndexCrc)
    throw corrupt(path, 0, 'Damaged index of aborted transactions: wrong checksum')
  try {
    for (const entry of decodeAbortedTransactions(bytes)) {
      if (entry.lastOffset < segment.baseOffset || entry.lastOffset >= segment.endOffset) {
        throw new DecodeError(`abort marker at ${entry.lastOffset} is not in the segment`)
      }
      log.aborted.add(entry)
    }
  } catch (error) {
    if (error instanceof DecodeError) throw corrupt(path, 0, `Damaged index of aborted transactions: ${error.message}`)
    throw error
  }
  log.lastAbortedWritten = log.aborted.lastOffset
}

/** Reads the newest batches of the last segment, from its last index entry on: they must end where the checkpoint says. */
async function verifyEnd(log: PartitionLog, options: ReconcileOptions): Promise<void> {
  const segment = log.segments.at(-1)!
  const indexes = await segment.indexes()
  if (indexes.isRebuilt) await replaceIndexes(segment, indexes, options)
  // An idle log costs no memory and no handles, the whole of them are opened one after the other here.
  options.context.indexes.forget(segment)
  let endOffset = segment.baseOffset
  let position = 0
  const from = await segment.positionBefore(segment.endOffset)
  for await (const batch of segment.scan(from, options.context.limits.scanChunkBytes)) {
    endOffset = batch.header.lastOffset + 1
    position = batch.position
  }
  if (endOffset === segment.endOffset) return
  throw corrupt(segment.path('log'), position, `The segment ends at offset ${endOffset}, expected ${segment.endOffset}`)
}

function corrupt(file: string, position: number, what: string): Error {
  return new CorruptionError(what, { file, position, advice: RESTORE })
}

/** Names in a data directory that only a store that has already run leaves there, for one without a checkpoint. */
export async function findLeftovers(
  fileSystem: FileSystem,
  dataDirectory: string,
  journalDirectory: string,
): Promise<string | undefined> {
  for (const name of await fileSystem.list(dataDirectory)) {
    const path = `${dataDirectory}/${name}`
    if (isPartitionDirectoryName(name) && (await fileSystem.stat(`${path}/${PARTITION_METADATA_FILE}`)) !== undefined)
      return path
  }
  if ((await fileSystem.stat(journalDirectory)) === undefined) return undefined
  const file = (await fileSystem.list(journalDirectory))[0]
  return file === undefined ? undefined : `${journalDirectory}/${file}`
}
