/** What a path is, told by the names that a data directory uses; nothing is guessed from contents. */
import { basename, dirname } from 'node:path'
import type { FileSystem } from '../../base/runtime.ts'
import { CHECKPOINT_FILES } from '../checkpoint-slots.ts'
import { journalFileName } from '../journal-recovery.ts'
import { JOURNAL_DIRECTORY, LEADER_EPOCH_FILE, parseSegmentFileName, PARTITION_METADATA_FILE } from '../log-files.ts'
import type { SegmentSuffix } from '../log-files.ts'

export interface PartitionName {
  readonly topic: string
  readonly partition: number
}

export type InspectedPath =
  | { readonly kind: 'data-directory' | 'journal-directory' | 'partition-directory'; readonly path: string }
  | { readonly kind: 'journal' | 'checkpoint'; readonly path: string }
  | { readonly kind: 'partition-metadata' | 'leader-epochs'; readonly path: string }
  | {
      readonly kind: 'segment-file'
      readonly path: string
      readonly suffix: SegmentSuffix
      readonly baseOffset: number
    }

/** The path is nothing that a data directory holds. */
export class UnknownPathError extends Error {
  override name = 'UnknownPathError'
}

const WHAT_IS_READ =
  'a data directory, a partition directory, the journal directory, or a file in one of them (.log, .index, .timeindex, ' +
  '.txnindex, .snapshot, leader-epoch-checkpoint, partition.metadata, .journal, checkpoint-a, checkpoint-b)'

/**
 * @param path  absolute
 * @throws UnknownPathError; code 'ENOENT' when there is nothing
 */
export async function recognise(fileSystem: FileSystem, path: string): Promise<InspectedPath> {
  const status = await fileSystem.stat(path)
  if (status === undefined) throw Object.assign(new Error(`${path} does not exist`), { code: 'ENOENT' })
  const name = basename(path)
  if (status.isDirectory) return { kind: directoryKind(path, await fileSystem.list(path)), path }
  if (isJournalFileName(name)) return { kind: 'journal', path }
  if (CHECKPOINT_FILES.some((known) => known === name)) return { kind: 'checkpoint', path }
  if (name === PARTITION_METADATA_FILE) return { kind: 'partition-metadata', path }
  if (name === LEADER_EPOCH_FILE) return { kind: 'leader-epochs', path }
  const segment = parseSegmentFileName(name)
  if (segment !== undefined) return { kind: 'segment-file', path, ...segment }
  throw new UnknownPathError(`${path} is no file of a log by its name; expected ${WHAT_IS_READ}`)
}

function directoryKind(
  path: string,
  names: readonly string[],
): 'data-directory' | 'journal-directory' | 'partition-directory' {
  if (names.some((name) => name === JOURNAL_DIRECTORY || CHECKPOINT_FILES.some((known) => known === name))) {
    return 'data-directory'
  }
  if (names.some(isJournalFileName)) return 'journal-directory'
  if (names.some((name) => name === PARTITION_METADATA_FILE || parseSegmentFileName(name) !== undefined)) {
    return 'partition-directory'
  }
  throw new UnknownPathError(`${path} holds nothing that a broker writes; expected ${WHAT_IS_READ}`)
}

export function isJournalFileName(name: string): boolean {
  return name === journalFileName(Number.parseInt(name, 10))
}

/** From 'orders-3', and from the name that the directory of a deleted topic gets. */
export function parsePartitionName(name: string): PartitionName | undefined {
  const match = /^([a-zA-Z0-9._-]{1,249})-(\d{1,10})(?:\.[0-9a-f]{32}-delete)?$/.exec(name)
  return match === null ? undefined : { topic: match[1]!, partition: Number(match[2]) }
}

/** The data directory that a directory inside it belongs to, told by its checkpoint files. */
export async function dataDirectoryAbove(fileSystem: FileSystem, directory: string): Promise<string | undefined> {
  const parent = dirname(directory)
  for (const name of CHECKPOINT_FILES) {
    if ((await fileSystem.stat(`${parent}/${name}`)) !== undefined) return parent
  }
  return undefined
}
