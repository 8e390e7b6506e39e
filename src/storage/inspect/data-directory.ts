/**
 * A data directory as the next start would find it, without taking it: the newest checkpoint, and the logs that it and the
 * journal after it add up to. Uses the store's own recovery up to the point where that begins to change files.
 *
 * Holds in memory what recovery holds: the batches that are in the journal and not in segments yet.
 */
import type { FileSystem } from '../../base/runtime.ts'
import { CheckpointSlots } from '../checkpoint-slots.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { CorruptionError } from '../errors.ts'
import { FilePool } from '../file-pool.ts'
import { IndexCache } from '../index-cache.ts'
import { recoverJournal } from '../journal-recovery.ts'
import { JOURNAL_DIRECTORY } from '../log-files.ts'
import type { PartitionLog } from '../partition-log.ts'
import { ReplayedLogs } from '../recovery.ts'
import type { SegmentContext } from '../segment.ts'
import { DEFAULT_STORAGE_LIMITS } from '../storage-limits.ts'
import { readOnly } from './read-only.ts'

const OPEN_FILES_MAX = 16
/** A broker that runs moves the journal on while it is read; another look then finds it in order. */
const ATTEMPTS_MAX = 4

export interface Inspection {
  readonly fileSystem: FileSystem
  readonly context: SegmentContext
  close(): Promise<void>
}

/** What reading segments needs, on a file system that refuses to change anything. */
export function inspect(fileSystem: FileSystem): Inspection {
  const guarded = readOnly(fileSystem)
  const files = new FilePool(guarded, OPEN_FILES_MAX)
  const limits = DEFAULT_STORAGE_LIMITS
  const context = { files, indexes: new IndexCache(files, limits), limits }
  return { fileSystem: guarded, context, close: () => files.closeAll() }
}

export interface DataDirectory {
  readonly path: string
  readonly journalDirectory: string
  /** Undefined when none can be read: such a directory is not started on. */
  readonly checkpoint: Checkpoint | undefined
  /** By name. After damage in the journal, as far as it could be followed. */
  readonly logs: readonly PartitionLog[]
  readonly framesReplayed: number
  /** Why a start would refuse to follow the journal. */
  readonly journalDamage: CorruptionError | undefined
}

/** The newest valid checkpoint of a data directory, if there is one. Rejects with UnsupportedFormatError. */
export async function readCheckpoint({ fileSystem }: Inspection, path: string): Promise<Checkpoint | undefined> {
  return (await CheckpointSlots.open(fileSystem, path)).newest
}

/**
 * @param isLive  a broker is writing to it: what looks like damage is looked at again
 * Rejects with UnsupportedFormatError when a newer version wrote it.
 */
export async function openDataDirectory(inspection: Inspection, path: string, isLive: boolean): Promise<DataDirectory> {
  for (let attempt = 1; ; attempt++) {
    const isLast = !isLive || attempt === ATTEMPTS_MAX
    try {
      const found = await readOnce(inspection, path)
      if (found.journalDamage === undefined || isLast) return found
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT' || isLast) throw error
    }
  }
}

async function readOnce(inspection: Inspection, path: string): Promise<DataDirectory> {
  const { fileSystem, context } = inspection
  const journalDirectory = `${path}/${JOURNAL_DIRECTORY}`
  const checkpoint = await readCheckpoint(inspection, path)
  const nothing = { path, journalDirectory, checkpoint, logs: [], framesReplayed: 0, journalDamage: undefined }
  if (checkpoint === undefined) return nothing
  const replayed = new ReplayedLogs(context, path, journalDirectory, checkpoint)
  let journalDamage: CorruptionError | undefined
  try {
    await replayJournal(fileSystem, journalDirectory, checkpoint, replayed)
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    journalDamage = error
  }
  const logs = [...replayed.logs.values()].sort((a, b) => compareText(a.topic, b.topic) || a.partition - b.partition)
  return { ...nothing, logs, framesReplayed: replayed.framesReplayed, journalDamage }
}

async function replayJournal(
  fileSystem: FileSystem,
  directory: string,
  { lsn: afterLsn }: Checkpoint,
  replayed: ReplayedLogs,
): Promise<void> {
  if ((await fileSystem.stat(directory))?.isDirectory !== true) {
    if (afterLsn === 0) return
    throw new CorruptionError('The journal is missing', {
      file: directory,
      position: 0,
      advice: 'What was acknowledged after the last checkpoint was in it: restore this data directory from a copy.',
    })
  }
  await recoverJournal({ fileSystem, directory, afterLsn, onFrame: ({ lsn, body }) => replayed.apply(lsn, body) })
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
