/**
 * `semel log verify`: whether what lies on disk is what was written, file by file. Changes nothing, takes no lock.
 *
 * Answers checks in the order of reading; a file appears once. Leaves printing and exit codes to the command.
 */
import { basename, dirname } from 'node:path'
import type { FileSystem } from '../../base/runtime.ts'
import { CHECKPOINT_FILES } from '../checkpoint-slots.ts'
import { CHECKPOINT_VERSION, decodeCheckpoint } from '../checkpoint.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { UnsupportedFormatError } from '../errors.ts'
import { isDeletedDirectoryName } from '../log-files.ts'
import { inspect, openDataDirectory, readCheckpoint } from './data-directory.ts'
import type { Inspection } from './data-directory.ts'
import { FileCheck } from './file-check.ts'
import { dataDirectoryAbove, parsePartitionName, recognise } from './inspected-path.ts'
import type { InspectedPath, PartitionName } from './inspected-path.ts'
import { checkJournal } from './journal-check.ts'
import { checkLeaderEpochs, checkLog, checkLoneDirectory, checkPartitionMetadata, checkSnapshot } from './log-check.ts'
import { loneSegment } from './log-check.ts'
import { readPrefix } from './read-only.ts'
import { checkSegment } from './segment-check.ts'
import { Segment } from '../segment.ts'
import { TransactionWalk } from './transaction-walk.ts'

export type { FileCheck } from './file-check.ts'

export interface VerifyOptions {
  /** A broker is writing to the directory. */
  readonly isLive: boolean
  /** Of a data directory, check this partition alone. */
  readonly only?: PartitionName | undefined
}

const CHECKPOINT_BYTES_MAX = 1024 * 1024 * 1024

/**
 * @param path  absolute
 * Throws UnknownPathError; errors of the file system; UnsupportedFormatError when a newer version wrote it.
 */
export async function* verify(fileSystem: FileSystem, path: string, options: VerifyOptions): AsyncGenerator<FileCheck> {
  const inspection = inspect(fileSystem)
  try {
    yield* verifyRecognised(inspection, await recognise(inspection.fileSystem, path), options)
  } finally {
    await inspection.close()
  }
}

async function* verifyRecognised(
  inspection: Inspection,
  found: InspectedPath,
  options: VerifyOptions,
): AsyncGenerator<FileCheck> {
  const { path } = found
  switch (found.kind) {
    case 'data-directory':
      yield* verifyDataDirectory(inspection, path, options)
      break
    case 'partition-directory': {
      const only = parsePartitionName(basename(path))
      const above = await dataDirectoryAbove(inspection.fileSystem, path)
      if (above === undefined || only === undefined || isDeletedDirectoryName(basename(path))) {
        yield* checkLoneDirectory(inspection, path)
      } else {
        yield* verifyPartition(inspection, above, path, only, options)
      }
      break
    }
    case 'journal-directory':
      yield* checkJournal(inspection.fileSystem, path, {
        isLive: options.isLive,
        checkpointLsn: await checkpointLsnFor(inspection, path),
      })
      break
    case 'journal': {
      const directory = dirname(path)
      yield* checkJournal(inspection.fileSystem, directory, {
        isLive: options.isLive,
        checkpointLsn: await checkpointLsnFor(inspection, directory),
        only: path,
      })
      break
    }
    case 'checkpoint':
      yield await checkCheckpoint(inspection, path)
      break
    case 'partition-metadata':
      yield await checkPartitionMetadata(inspection, path, undefined)
      break
    case 'leader-epochs':
      yield await checkLeaderEpochs(inspection, path)
      break
    case 'segment-file':
      if (found.suffix === 'snapshot') yield await checkSnapshot(inspection, path)
      else yield* verifySegmentFile(inspection, path, found.suffix, found.baseOffset)
      break
  }
}

async function checkpointLsnFor(inspection: Inspection, journalDirectory: string): Promise<number | undefined> {
  const above = await dataDirectoryAbove(inspection.fileSystem, journalDirectory)
  return above === undefined ? undefined : (await readCheckpoint(inspection, above))?.lsn
}

async function* verifyDataDirectory(
  inspection: Inspection,
  path: string,
  { isLive, only }: VerifyOptions,
): AsyncGenerator<FileCheck> {
  const { fileSystem } = inspection
  const data = await openDataDirectory(inspection, path, isLive)
  const slots: FileCheck[] = []
  for (const name of CHECKPOINT_FILES) {
    const slot = `${path}/${name}`
    if ((await fileSystem.stat(slot)) !== undefined) slots.push(await checkCheckpoint(inspection, slot))
  }
  if (data.checkpoint !== undefined) {
    // A checkpoint goes over the older of the two: one that was torn is what a crash leaves, the journal begins at the other.
    for (const slot of slots) {
      for (const { problem } of slot.damage.splice(0)) {
        slot.note(`${problem}: an interrupted checkpoint leaves that, the other one counts`)
      }
    }
  }
  yield* slots
  const whole = new FileCheck(path, 'data-directory')
  if (data.checkpoint === undefined) {
    const where = slots.length === 0 ? 'there is no checkpoint' : 'no checkpoint can be read'
    whole.damaged(0, where, 'A start refuses the directory: restore it from a copy.')
  }
  const hasJournal = (await fileSystem.stat(data.journalDirectory))?.isDirectory === true
  let isJournalDamaged = false
  if (hasJournal) {
    for await (const check of checkJournal(fileSystem, data.journalDirectory, {
      isLive,
      checkpointLsn: data.checkpoint?.lsn,
    })) {
      isJournalDamaged ||= check.isDamaged
      yield check
    }
  }
  // What fits no file of the journal: it is missing, or does not follow from the checkpoint.
  if (data.journalDamage !== undefined && !isJournalDamaged) whole.damagedBy(data.journalDamage)

  const known = new Set<string>()
  let emptyPartitions = 0
  for (const log of data.logs) {
    known.add(log.directory)
    if (only !== undefined && (log.topic !== only.topic || log.partition !== only.partition)) continue
    // Most of the coordinators' partitions, say: nothing to read, nothing to say.
    if (log.logEndOffset === 0 && only === undefined) {
      emptyPartitions += 1
      continue
    }
    yield* checkLog(inspection, log, data.journalDirectory)
  }
  for (const name of await fileSystem.list(path)) {
    const directory = `${path}/${name}`
    if (known.has(directory) || parsePartitionName(name) === undefined) continue
    if ((await fileSystem.stat(directory))?.isDirectory !== true) continue
    if (data.checkpoint === undefined) yield* checkLoneDirectory(inspection, directory)
    else if (isDeletedDirectoryName(name)) whole.note(`${name}: a deleted topic's, on its way out`)
    else whole.note(`${name}: no log of that name is known, a start removes it`)
  }
  if (data.checkpoint !== undefined) {
    const { lsn, isClean, generation } = data.checkpoint
    Object.assign(whole.details, { generation, checkpointLsn: lsn, cleanShutdown: isClean ? 'yes' : 'no' })
    Object.assign(whole.details, { framesToReplay: data.framesReplayed, partitions: data.logs.length, emptyPartitions })
  }
  yield whole
}

async function* verifyPartition(
  inspection: Inspection,
  dataDirectory: string,
  path: string,
  only: PartitionName,
  { isLive }: VerifyOptions,
): AsyncGenerator<FileCheck> {
  const data = await openDataDirectory(inspection, dataDirectory, isLive)
  if (data.journalDamage !== undefined) {
    const whole = new FileCheck(dataDirectory, 'data-directory')
    whole.damagedBy(data.journalDamage)
    yield whole
  }
  const log = data.logs.find(({ topic, partition }) => topic === only.topic && partition === only.partition)
  if (log === undefined) yield* checkLoneDirectory(inspection, path)
  else yield* checkLog(inspection, log, data.journalDirectory)
}

async function* verifySegmentFile(
  inspection: Inspection,
  path: string,
  suffix: 'log' | 'index' | 'timeindex' | 'txnindex',
  baseOffset: number,
): AsyncGenerator<FileCheck> {
  const directory = dirname(path)
  const vouched = await vouchedSegment(inspection, directory, baseOffset)
  const segment = vouched?.segment ?? (await loneSegment(inspection, directory, baseOffset))
  const { files } = await checkSegment({
    inspection,
    segment,
    isVouchedFor: vouched !== undefined,
    walk: new TransactionWalk(baseOffset === 0),
    abortsIndexedBelow: vouched?.snapshotOffset ?? 0,
  })
  const check = files.get(suffix)
  if (check !== undefined) yield check
}

/** The segment with the sizes that the checkpoint of its data directory gives. */
async function vouchedSegment(
  inspection: Inspection,
  directory: string,
  baseOffset: number,
): Promise<{ segment: Segment; snapshotOffset: number } | undefined> {
  const above = await dataDirectoryAbove(inspection.fileSystem, directory)
  const name = parsePartitionName(basename(directory))
  const checkpoint = above === undefined ? undefined : await readCheckpoint(inspection, above)
  if (checkpoint === undefined || name === undefined) return undefined
  const log = checkpoint.logs.find(({ topic, partition }) => topic === name.topic && partition === name.partition)
  const numbers = log?.segments.find((segment) => segment.baseOffset === baseOffset)
  if (log === undefined || numbers === undefined) return undefined
  return { segment: new Segment(inspection.context, directory, numbers), snapshotOffset: log.snapshotOffset }
}

async function checkCheckpoint({ fileSystem }: Inspection, path: string): Promise<FileCheck> {
  const check = new FileCheck(path, 'checkpoint')
  const decoded = decodeCheckpoint(await readPrefix(fileSystem, path, CHECKPOINT_BYTES_MAX))
  switch (decoded.kind) {
    case 'newer':
      throw new UnsupportedFormatError(path, decoded.version, CHECKPOINT_VERSION)
    case 'damaged':
      check.damaged(0, decoded.reason, 'A start uses the other checkpoint, as long as the journal reaches back to it.')
      break
    case 'valid':
      Object.assign(check.details, claims(decoded.checkpoint))
  }
  return check
}

function claims({ generation, lsn, isClean, logs }: Checkpoint): Record<string, number | string> {
  const segments = logs.reduce((sum, log) => sum + log.segments.length, 0)
  return { generation, lsn, cleanShutdown: isClean ? 'yes' : 'no', logs: logs.length, segments }
}
