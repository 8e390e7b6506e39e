/**
 * `semel log dump`: what a file or directory holds, as a sequence of items in the order in which they lie there.
 *
 * A directory of logs gives its batches as a start would find them: segments as far as the checkpoint vouches for them, then
 * what only the journal has. A file gives all that is in it. Leaves record bodies, printing and filters on records to
 * the command. Damage ends the sequence with a CorruptionError that says where.
 */
import { basename, dirname } from 'node:path'
import { DecodeError } from '../../base/bytes.ts'
import type { FileSystem } from '../../base/runtime.ts'
import { readMarker } from '../../protocol/control-record.ts'
import type { Marker } from '../../protocol/control-record.ts'
import { readBatchHeader } from '../../protocol/record-batch.ts'
import type { BatchHeader } from '../../protocol/record-batch.ts'
import { CHECKPOINT_VERSION, decodeCheckpoint } from '../checkpoint.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { CorruptionError, UnsupportedFormatError } from '../errors.ts'
import { decodeLogEntries } from '../log-entry.ts'
import type { LogEntry } from '../log-entry.ts'
import { decodeLeaderEpochs, decodePartitionMetadata, isDeletedDirectoryName } from '../log-files.ts'
import type { SegmentSuffix } from '../log-files.ts'
import { OFFSET_INDEX_ENTRY_BYTES, offsetIndexEntry, offsetIndexProblem } from '../offset-index.ts'
import { decodeProducerSnapshot } from '../producer-snapshot.ts'
import type { Segment } from '../segment.ts'
import { decodeStoredProducers } from '../stored-producers.ts'
import type { StoredProducerState } from '../../protocol/stored-producer-state.ts'
import { TIME_INDEX_ENTRY_BYTES, timeIndexEntry, timeIndexProblem } from '../time-index.ts'
import { decodeAbortedTransactions } from '../transaction-index.ts'
import { inspect, openDataDirectory, readCheckpoint } from './data-directory.ts'
import type { DataDirectory, Inspection } from './data-directory.ts'
import { dataDirectoryAbove, parsePartitionName, recognise } from './inspected-path.ts'
import type { InspectedPath, PartitionName } from './inspected-path.ts'
import { framesOf, journalFiles, openJournalFile } from './journal-check.ts'
import type { LocatedFrame } from './journal-check.ts'
import { loneSegment, loneSegments } from './log-check.ts'
import { readPrefix } from './read-only.ts'
import { batchesOfLog, batchesOfSegment } from './stored-batches.ts'
import type { StoredBatch } from './stored-batches.ts'

export interface DumpedBatch {
  readonly kind: 'batch'
  /** Undefined when the names around it do not tell. */
  readonly log: PartitionName | undefined
  readonly header: BatchHeader
  /** Of a control batch. */
  readonly marker: Marker | undefined
  /** The whole batch; its checksum is right. */
  readonly bytes: Uint8Array
  readonly file: string
  /** In the segment. */
  readonly position: number | undefined
  /** Of its journal frame, for a batch that was read from there. */
  readonly lsn: number | undefined
}

/** Anything but a batch: a kind of thing and its fields. */
export interface DumpedRow {
  readonly kind: 'row'
  readonly type:
    | 'frame'
    | 'log-created'
    | 'log-dropped'
    | 'log-start'
    | 'index-entry'
    | 'time-index-entry'
    | 'aborted-transaction'
    | 'producer'
    | 'leader-epoch'
    | 'partition-metadata'
    | 'checkpoint'
    | 'log'
    | 'segment'
  readonly fields: Readonly<Record<string, unknown>>
}

export type DumpItem = DumpedBatch | DumpedRow

export interface DumpOptions {
  /** A broker is writing to the directory. */
  readonly isLive: boolean
  /** Of a data directory or a journal, this partition alone. */
  readonly only?: PartitionName | undefined
  /** Batches, entries and rows with an offset below are left out. */
  readonly fromOffset: number
  /** Those with an offset above are left out. */
  readonly toOffset: number
}

const SMALL_FILE_BYTES_MAX = 1024 * 1024 * 1024
const RESTORE = 'Restore this data directory from a copy; `semel log verify` says how far the damage goes.'
const DERIVED = '`semel log verify` says what follows from it.'

/**
 * @param path  absolute
 * Throws UnknownPathError, CorruptionError, UnsupportedFormatError, errors of the file system.
 */
export async function* dump(fileSystem: FileSystem, path: string, options: DumpOptions): AsyncGenerator<DumpItem> {
  const inspection = inspect(fileSystem)
  try {
    yield* dumpRecognised(inspection, await recognise(inspection.fileSystem, path), options)
  } finally {
    await inspection.close()
  }
}

async function* dumpRecognised(
  inspection: Inspection,
  found: InspectedPath,
  options: DumpOptions,
): AsyncGenerator<DumpItem> {
  const { fileSystem } = inspection
  const { path } = found
  switch (found.kind) {
    case 'data-directory':
      yield* dumpDataDirectory(inspection, path, options)
      break
    case 'partition-directory':
      yield* dumpPartition(inspection, path, options)
      break
    case 'journal-directory':
      for (const file of await journalFiles(fileSystem, path)) yield* dumpJournal(inspection, file, options)
      break
    case 'journal':
      yield* dumpJournal(inspection, path, options)
      break
    case 'checkpoint':
      yield* dumpCheckpoint(path, await readAll(inspection, path), options)
      break
    case 'partition-metadata':
      yield dumpMetadata(path, await readAll(inspection, path))
      break
    case 'leader-epochs':
      yield* dumpLeaderEpochs(path, await readAll(inspection, path))
      break
    case 'segment-file':
      yield* dumpSegmentFile(inspection, path, found.suffix, found.baseOffset, options)
      break
  }
}

function readAll({ fileSystem }: Inspection, path: string): Promise<Uint8Array> {
  return readPrefix(fileSystem, path, SMALL_FILE_BYTES_MAX)
}

// ---- logs

async function* dumpDataDirectory(
  inspection: Inspection,
  path: string,
  options: DumpOptions,
): AsyncGenerator<DumpItem> {
  const data = await openDataDirectory(inspection, path, options.isLive)
  if (data.checkpoint === undefined) {
    throw new CorruptionError('No checkpoint can be read', {
      file: path,
      position: 0,
      advice: 'Without it the logs are not known as a whole; partition directories can still be dumped one by one.',
    })
  }
  for (const log of data.logs) yield* dumpLog(inspection, data, log, options)
  if (data.journalDamage !== undefined) throw data.journalDamage
}

async function* dumpPartition(inspection: Inspection, path: string, options: DumpOptions): AsyncGenerator<DumpItem> {
  const name = parsePartitionName(basename(path))
  const above = await dataDirectoryAbove(inspection.fileSystem, path)
  const isPart = above !== undefined && name !== undefined && !isDeletedDirectoryName(basename(path))
  const data = isPart ? await openDataDirectory(inspection, above, options.isLive) : undefined
  const log = data?.logs.find(({ topic, partition }) => topic === name?.topic && partition === name.partition)
  if (data !== undefined && log !== undefined) {
    yield* dumpLog(inspection, data, log, options)
    if (data.journalDamage !== undefined) throw data.journalDamage
    return
  }
  const names = await inspection.fileSystem.list(path)
  for (const segment of await loneSegments(inspection, path, names)) {
    yield* dumpSegment(inspection, segment, name, options)
  }
}

async function* dumpLog(
  inspection: Inspection,
  { journalDirectory }: DataDirectory,
  log: DataDirectory['logs'][number],
  options: DumpOptions,
): AsyncGenerator<DumpItem> {
  const { topic, partition } = log
  if (!isWanted({ topic, partition }, options)) return
  for await (const batch of batchesOfLog(log, journalDirectory, inspection.context.limits.scanChunkBytes)) {
    if (batch.header.baseOffset > options.toOffset) return
    if (batch.header.lastOffset >= options.fromOffset) yield dumped(batch, { topic, partition })
  }
}

async function* dumpSegment(
  inspection: Inspection,
  segment: Segment,
  log: PartitionName | undefined,
  { fromOffset, toOffset }: DumpOptions,
): AsyncGenerator<DumpItem> {
  for await (const batch of batchesOfSegment(segment, inspection.context.limits.scanChunkBytes)) {
    if (batch.header.baseOffset > toOffset) return
    if (batch.header.lastOffset >= fromOffset) yield dumped(batch, log)
  }
}

function dumped(batch: StoredBatch, log: PartitionName | undefined): DumpedBatch {
  const { header, bytes, file, position } = batch
  let marker: Marker | undefined
  if (header.isControl) {
    marker = decoded(file, position ?? 0, RESTORE, () => readMarker(bytes))
  }
  return { kind: 'batch', ...batch, log, marker }
}

function isWanted({ topic, partition }: PartitionName, { only }: DumpOptions): boolean {
  return only === undefined || (only.topic === topic && only.partition === partition)
}

/** Turns what a decoder refuses into the place where it is. */
function decoded<T>(file: string, position: number, advice: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new CorruptionError(error.message, { file, position, advice })
  }
}

function row(type: DumpedRow['type'], fields: Readonly<Record<string, unknown>>): DumpedRow {
  return { kind: 'row', type, fields }
}

// ---- files of a segment

async function* dumpSegmentFile(
  inspection: Inspection,
  path: string,
  suffix: SegmentSuffix,
  baseOffset: number,
  options: DumpOptions,
): AsyncGenerator<DumpItem> {
  const { fromOffset, toOffset } = options
  const isInRange = ({ offset }: { offset: number }): boolean => offset >= fromOffset && offset <= toOffset
  const directory = dirname(path)
  if (suffix === 'log') {
    const segment = await loneSegment(inspection, directory, baseOffset)
    yield* dumpSegment(inspection, segment, parsePartitionName(basename(directory)), options)
    return
  }
  const bytes = await readAll(inspection, path)
  const check = (problem: string | undefined): void => {
    if (problem !== undefined) throw new CorruptionError(problem, { file: path, position: 0, advice: DERIVED })
  }
  switch (suffix) {
    case 'index':
      check(offsetIndexProblem(bytes, Number.MAX_SAFE_INTEGER))
      for (let slot = 0; slot * OFFSET_INDEX_ENTRY_BYTES < bytes.length; slot++) {
        const entry = offsetIndexEntry(bytes, baseOffset, slot)
        if (isInRange(entry)) yield row('index-entry', { ...entry })
      }
      break
    case 'timeindex':
      check(timeIndexProblem(bytes, baseOffset, Number.MAX_SAFE_INTEGER))
      for (let slot = 0; slot * TIME_INDEX_ENTRY_BYTES < bytes.length; slot++) {
        const entry = timeIndexEntry(bytes, baseOffset, slot)
        if (isInRange(entry)) yield row('time-index-entry', { ...entry })
      }
      break
    case 'txnindex':
      for (const entry of decoded(path, 0, DERIVED, () => decodeAbortedTransactions(bytes))) {
        if (entry.lastOffset >= fromOffset && entry.firstOffset <= toOffset) {
          yield row('aborted-transaction', { ...entry })
        }
      }
      break
    case 'snapshot':
      for (const producer of decoded(path, 0, DERIVED, () => decodeProducerSnapshot(bytes))) {
        yield row('producer', producerFields(producer))
      }
      break
  }
}

function producerFields(producer: StoredProducerState): Record<string, unknown> {
  const { producerId, producerEpoch, coordinatorEpoch, lastTimestampMs, batches } = producer
  return {
    producerId,
    producerEpoch,
    coordinatorEpoch,
    lastTimestamp: lastTimestampMs,
    currentTransactionFirstOffset: producer.currentTransactionFirstOffset ?? null,
    batches: batches.map(({ lastSequence, lastOffset, offsetDelta, timestampMs }) => ({
      baseOffset: lastOffset - offsetDelta,
      lastOffset,
      lastSequence,
      timestamp: timestampMs,
    })),
  }
}

function dumpMetadata(path: string, bytes: Uint8Array): DumpItem {
  const topicId = decodePartitionMetadata(bytes)
  if (topicId !== undefined) return row('partition-metadata', { topicId })
  throw new CorruptionError('The contents give no topic id', { file: path, position: 0, advice: DERIVED })
}

function* dumpLeaderEpochs(path: string, bytes: Uint8Array): Generator<DumpItem> {
  const epochs = decodeLeaderEpochs(bytes)
  if (epochs === undefined) {
    throw new CorruptionError('The contents are not a list of leader epochs', {
      file: path,
      position: 0,
      advice: DERIVED,
    })
  }
  for (const { epoch, startOffset } of epochs) yield row('leader-epoch', { leaderEpoch: epoch, startOffset })
}

// ---- checkpoints

function* dumpCheckpoint(path: string, bytes: Uint8Array, options: DumpOptions): Generator<DumpItem> {
  const found = decodeCheckpoint(bytes)
  if (found.kind === 'newer') throw new UnsupportedFormatError(path, found.version, CHECKPOINT_VERSION)
  if (found.kind === 'damaged') throw new CorruptionError(found.reason, { file: path, position: 0, advice: DERIVED })
  const { generation, lsn, isClean, nextLogId, droppedLogIds, logs } = found.checkpoint
  yield row('checkpoint', { generation, lsn, cleanShutdown: isClean, nextLogId, droppedLogIds, logs: logs.length })
  for (const log of logs) {
    if (!isWanted(log, options)) continue
    const { segments, producerSnapshotBytes, topic, partition, leaderEpochs, ...numbers } = log
    yield row('log', { topic, partition, ...numbers, leaderEpochs })
    for (const segment of segments) {
      const { maxTimestamp, ...sizes } = segment
      yield row('segment', { topic, partition, ...sizes, maxTimestamp: maxTimestamp.timestamp })
    }
    for (const producer of decoded(path, 0, DERIVED, () => decodeStoredProducers(producerSnapshotBytes))) {
      yield row('producer', { topic, partition, ...producerFields(producer) })
    }
  }
}

// ---- the journal

async function* dumpJournal(inspection: Inspection, path: string, options: DumpOptions): AsyncGenerator<DumpItem> {
  const names = await logNames(inspection, dirname(path))
  const { reader } = await openJournalFile(inspection.fileSystem, path)
  try {
    for await (const frame of framesOf(reader)) yield* dumpFrame(path, frame, names, options)
  } finally {
    await reader.close()
  }
}

/** Logs that the checkpoint next to the journal knows; those made later are in the journal itself. */
async function logNames(inspection: Inspection, directory: string): Promise<Map<number, PartitionName>> {
  const above = await dataDirectoryAbove(inspection.fileSystem, directory)
  let checkpoint: Checkpoint | undefined
  if (above !== undefined) checkpoint = await readCheckpoint(inspection, above)
  return new Map(checkpoint?.logs.map(({ logId, topic, partition }) => [logId, { topic, partition }]))
}

function* dumpFrame(
  path: string,
  { header, body, position }: LocatedFrame,
  names: Map<number, PartitionName>,
  options: DumpOptions,
): Generator<DumpItem> {
  const entries = decoded(path, position, RESTORE, () => decodeLogEntries(body))
  for (const entry of entries) {
    if (entry.kind === 'create-log') names.set(entry.logId, { topic: entry.topic, partition: entry.partition })
  }
  const { lsn, flushedLsn, previousCrc, crc } = header
  const isFiltered = options.only !== undefined || options.fromOffset > 0 || options.toOffset < Infinity
  const items = entries.flatMap((entry) => dumpEntry(path, lsn, position, entry, names, options))
  if (isFiltered && items.length === 0) return
  yield row('frame', { lsn, position, bodyBytes: body.length, flushedLsn, previousCrc, crc, entries: entries.length })
  yield* items
}

function dumpEntry(
  file: string,
  lsn: number,
  position: number,
  entry: LogEntry,
  names: ReadonlyMap<number, PartitionName>,
  options: DumpOptions,
): DumpItem[] {
  const log = names.get(entry.logId)
  if (options.only !== undefined && (log === undefined || !isWanted(log, options))) return []
  const named = { lsn, topic: log?.topic ?? null, partition: log?.partition ?? null, logId: entry.logId }
  switch (entry.kind) {
    case 'append': {
      const header = decoded(file, position, RESTORE, () => readBatchHeader(entry.batch))
      if (header.baseOffset > options.toOffset || header.lastOffset < options.fromOffset) return []
      return [dumped({ header, bytes: entry.batch, file, position: undefined, lsn }, log)]
    }
    case 'create-log':
      return [row('log-created', { ...named, topicId: entry.topicId, segmentBytes: entry.segmentBytes })]
    case 'drop-log':
      return [row('log-dropped', named)]
    case 'log-start':
      return [row('log-start', { ...named, logStartOffset: entry.offset })]
  }
}
