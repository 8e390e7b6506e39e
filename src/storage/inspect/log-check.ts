/** Checks one log: its segments in order, what lies beside them, and the transactions in it. */
import { DecodeError } from '../../base/bytes.ts'
import { readMarker } from '../../protocol/control-record.ts'
import { decodeLeaderEpochs, decodePartitionMetadata, LEADER_EPOCH_FILE } from '../log-files.ts'
import { parseSegmentFileName, PARTITION_METADATA_FILE } from '../log-files.ts'
import type { PartitionLog } from '../partition-log.ts'
import { decodeProducerSnapshot } from '../producer-snapshot.ts'
import type { Segment } from '../segment.ts'
import type { Inspection } from './data-directory.ts'
import { FileCheck } from './file-check.ts'
import { readPrefix } from './read-only.ts'
import { checkSegment } from './segment-check.ts'
import { batchesOfTail, unknownSegment } from './stored-batches.ts'
import { TransactionWalk } from './transaction-walk.ts'

/** Small files beside segments; a producer takes 46 bytes of a snapshot. */
const SMALL_FILE_BYTES_MAX = 256 * 1024 * 1024

const SNAPSHOT_MEANING =
  'semel recovers producers from its checkpoint, only the tools of Kafka read this file: it may be removed while the broker is stopped.'
const EPOCHS_MEANING =
  'semel recovers leader epochs from its checkpoint, only the tools of Kafka read this file: it may be removed while the broker is stopped.'
const METADATA_MEANING =
  'A start refuses the partition, as its files may be those of another topic: restore this data directory from a copy.'

/** A log that the checkpoint and the journal know of. */
export async function* checkLog(
  inspection: Inspection,
  log: PartitionLog,
  journalDirectory: string,
): AsyncGenerator<FileCheck> {
  let walk = new TransactionWalk(log.logStartOffset === 0 && (log.segments[0]?.baseOffset ?? 0) === 0)
  const partition = new FileCheck(log.directory, 'partition')
  const totals = { batches: 0, records: 0 }
  const names = await listIfThere(inspection, log.directory)
  let isWhole = true
  if (names === undefined && log.segments.length > 0) {
    partition.damaged(
      0,
      `the directory of ${log.name} is missing`,
      'Acknowledged data is gone: restore this data directory from a copy.',
    )
    isWhole = false
  }
  if (names !== undefined) {
    for (const segment of log.segments) {
      const checked = await checkSegment({
        inspection,
        segment,
        isVouchedFor: true,
        walk,
        abortsIndexedBelow: log.snapshotOffset,
      })
      yield* checked.files.values()
      totals.batches += checked.batchCount
      totals.records += checked.recordCount
      if (checked.files.get('log')?.isDamaged !== false) {
        isWhole = false
        // What follows is looked at by itself: transactions may have begun in what could not be read.
        walk = new TransactionWalk(false)
      }
    }
    yield* checkSmallFiles(inspection, log.directory, names, log)
    const known = new Set(log.segments.map(({ baseOffset }) => baseOffset))
    const newer = names.filter((name) => {
      const parsed = parseSegmentFileName(name)
      return parsed !== undefined && parsed.suffix !== 'snapshot' && !known.has(parsed.baseOffset)
    })
    // Not in the last checkpoint: a start removes them and takes what is in them from the journal.
    if (newer.length > 0) partition.details.filesAfterCheckpoint = newer.length
  }
  if (isWhole) {
    for (const { header, bytes } of batchesOfTail(log, journalDirectory)) {
      walk.add(header, header.isControl ? readMarker(bytes) : undefined)
      totals.batches += 1
      totals.records += header.recordCount
    }
  }
  describe(partition, isWhole ? walk : undefined, totals)
  Object.assign(partition.details, { topicId: log.topicId, logStartOffset: log.logStartOffset })
  Object.assign(partition.details, {
    logEndOffset: log.logEndOffset,
    inJournal: log.logEndOffset - log.drainedEndOffset,
  })
  yield partition
}

/** A directory of which no checkpoint tells: its files are taken as they are. */
export async function* checkLoneDirectory(inspection: Inspection, directory: string): AsyncGenerator<FileCheck> {
  const names = (await listIfThere(inspection, directory)) ?? []
  const segments = await loneSegments(inspection, directory, names)
  let walk = new TransactionWalk(segments[0]?.baseOffset === 0)
  let isWhole = true
  const partition = new FileCheck(directory, 'partition')
  const totals = { batches: 0, records: 0 }
  let expectedOffset: number | undefined
  for (const segment of segments) {
    if (expectedOffset !== undefined && expectedOffset !== segment.baseOffset) {
      partition.damaged(
        0,
        `the segment at offset ${segment.baseOffset} follows one that ends at ${expectedOffset}`,
        'Records between them are missing.',
      )
    }
    const checked = await checkSegment({ inspection, segment, isVouchedFor: false, walk, abortsIndexedBelow: 0 })
    yield* checked.files.values()
    totals.batches += checked.batchCount
    totals.records += checked.recordCount
    expectedOffset = checked.endOffset
    if (checked.files.get('log')?.isDamaged !== false) {
      isWhole = false
      expectedOffset = undefined
      walk = new TransactionWalk(false)
    }
  }
  yield* checkSmallFiles(inspection, directory, names, undefined)
  describe(partition, isWhole ? walk : undefined, totals)
  yield partition
}

/** @param walk  `undefined` when not all could be read */
function describe(
  partition: FileCheck,
  walk: TransactionWalk | undefined,
  totals: { batches: number; records: number },
): void {
  Object.assign(partition.details, totals)
  if (walk === undefined) {
    partition.note('not all of it can be read, so nothing is said about its transactions')
    return
  }
  Object.assign(partition.details, {
    producers: walk.producerCount,
    committedTransactions: walk.committed,
    abortedTransactions: walk.aborted,
    openTransactions: walk.openCount,
    lastStableOffset: walk.lastStableOffset,
  })
  for (const note of walk.notes()) partition.note(note)
}

export async function loneSegments(
  inspection: Inspection,
  directory: string,
  names: readonly string[],
): Promise<Segment[]> {
  const segments: Segment[] = []
  for (const name of names) {
    const parsed = parseSegmentFileName(name)
    if (parsed?.suffix === 'log') segments.push(await loneSegment(inspection, directory, parsed.baseOffset))
  }
  return segments
}

export async function loneSegment(
  { fileSystem, context }: Inspection,
  directory: string,
  baseOffset: number,
): Promise<Segment> {
  const empty = unknownSegment(context, directory, baseOffset, { log: 0, index: 0, timeindex: 0, txnindex: 0 })
  const size = async (suffix: 'log' | 'index' | 'timeindex' | 'txnindex'): Promise<number> =>
    (await fileSystem.stat(empty.path(suffix)))?.sizeBytes ?? 0
  return unknownSegment(context, directory, baseOffset, {
    log: await size('log'),
    index: await size('index'),
    timeindex: await size('timeindex'),
    txnindex: await size('txnindex'),
  })
}

async function* checkSmallFiles(
  inspection: Inspection,
  directory: string,
  names: readonly string[],
  log: PartitionLog | undefined,
): AsyncGenerator<FileCheck> {
  for (const name of names) {
    const path = `${directory}/${name}`
    if (parseSegmentFileName(name)?.suffix === 'snapshot') yield await checkSnapshot(inspection, path)
    else if (name === LEADER_EPOCH_FILE) yield await checkLeaderEpochs(inspection, path)
    else if (name === PARTITION_METADATA_FILE) yield await checkPartitionMetadata(inspection, path, log?.topicId)
  }
  if (log !== undefined && log.segments.length > 0 && !names.includes(PARTITION_METADATA_FILE)) {
    const check = new FileCheck(`${directory}/${PARTITION_METADATA_FILE}`, 'partition-metadata')
    check.damaged(0, 'the file is missing', METADATA_MEANING)
    yield check
  }
}

export async function checkSnapshot({ fileSystem }: Inspection, path: string): Promise<FileCheck> {
  const check = new FileCheck(path, 'producer-snapshot')
  try {
    const producers = decodeProducerSnapshot(await readPrefix(fileSystem, path, SMALL_FILE_BYTES_MAX))
    check.details.producers = producers.length
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    check.damaged(0, error.message, SNAPSHOT_MEANING)
  }
  return check
}

export async function checkLeaderEpochs({ fileSystem }: Inspection, path: string): Promise<FileCheck> {
  const check = new FileCheck(path, 'leader-epochs')
  const epochs = decodeLeaderEpochs(await readPrefix(fileSystem, path, SMALL_FILE_BYTES_MAX))
  if (epochs === undefined) check.damaged(0, 'the contents are not a list of leader epochs', EPOCHS_MEANING)
  else check.details.epochs = epochs.length
  return check
}

/** @param expected  topic id that the checkpoint has, if it is known */
export async function checkPartitionMetadata(
  { fileSystem }: Inspection,
  path: string,
  expected: string | undefined,
): Promise<FileCheck> {
  const check = new FileCheck(path, 'partition-metadata')
  const topicId = decodePartitionMetadata(await readPrefix(fileSystem, path, SMALL_FILE_BYTES_MAX))
  if (topicId === undefined) check.damaged(0, 'the contents give no topic id', METADATA_MEANING)
  else check.details.topicId = topicId
  if (topicId !== undefined && expected !== undefined && topicId !== expected) {
    check.damaged(0, `topic id ${topicId}, the checkpoint says ${expected}`, METADATA_MEANING)
  }
  return check
}

async function listIfThere({ fileSystem }: Inspection, directory: string): Promise<string[] | undefined> {
  return (await fileSystem.stat(directory))?.isDirectory === true ? fileSystem.list(directory) : undefined
}
