/**
 * Checks the files of a journal: each by itself, then all together as recovery reads them.
 *
 * Recovery's verdict is the one that counts: bytes behind the last whole frame are a torn tail unless a later frame says that
 * what stood there had been flushed.
 */
import { DecodeError } from '../../base/bytes.ts'
import type { FileSystem } from '../../base/runtime.ts'
import { CorruptionError, UnsupportedFormatError } from '../errors.ts'
import { decodeFileHeader, FILE_HEADER_BYTES, JOURNAL_FORMAT_VERSION } from '../journal-frame.ts'
import type { FileHeader } from '../journal-frame.ts'
import { JournalReader } from '../journal-reader.ts'
import type { Frame } from '../journal-reader.ts'
import { recoverJournal } from '../journal-recovery.ts'
import { decodeLogEntries } from '../log-entry.ts'
import { FileCheck } from './file-check.ts'
import { isJournalFileName } from './inspected-path.ts'

const RESTORE = 'Acknowledged data is damaged: restore this data directory from a copy.'

/** A broker that runs moves the journal on while it is read; another look then finds it in order. */
const ATTEMPTS_MAX = 4

export interface LocatedFrame extends Frame {
  readonly position: number
}

/**
 * To be closed through the reader.
 * @throws CorruptionError  the first bytes are no journal's; UnsupportedFormatError when a newer version wrote them
 */
export async function openJournalFile(
  fileSystem: FileSystem,
  path: string,
): Promise<{ readonly header: FileHeader; readonly reader: JournalReader }> {
  const file = await fileSystem.open(path, 'read')
  try {
    const bytes = Buffer.alloc(FILE_HEADER_BYTES)
    const decoded = decodeFileHeader(bytes.subarray(0, await file.read(bytes, 0)))
    if (decoded.kind === 'newer') throw new UnsupportedFormatError(path, decoded.version, JOURNAL_FORMAT_VERSION)
    if (decoded.kind === 'damaged') {
      throw new CorruptionError('the header of a journal file is damaged', { file: path, position: 0, advice: RESTORE })
    }
    const { header } = decoded
    return { header, reader: new JournalReader(file, await file.sizeBytes(), header.frameMark) }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Frames from the beginning of a file, each following the one before it, up to the first place where none is. */
export async function* framesOf(reader: JournalReader): AsyncGenerator<LocatedFrame> {
  let position = FILE_HEADER_BYTES
  let previous: { lsn: number; crc: number } | undefined
  for (;;) {
    const frame = await reader.frameAt(position)
    if (frame === undefined) return
    const { lsn, crc, previousCrc } = frame.header
    if (previous !== undefined && (lsn !== previous.lsn + 1 || previousCrc !== previous.crc)) return
    yield { ...frame, position }
    previous = { lsn, crc }
    position = frame.end
  }
}

export async function journalFiles(fileSystem: FileSystem, directory: string): Promise<string[]> {
  return (await fileSystem.list(directory)).filter(isJournalFileName).map((name) => `${directory}/${name}`)
}

export interface JournalCheckOptions {
  /** Frames up to this one are in segments; `undefined` when no checkpoint can be read. */
  readonly checkpointLsn: number | undefined
  /** A broker is writing: frames that appear while the journal is read are not damage. */
  readonly isLive: boolean
  /** Report about this file alone. */
  readonly only?: string
}

export async function* checkJournal(
  fileSystem: FileSystem,
  directory: string,
  { checkpointLsn, isLive, only }: JournalCheckOptions,
): AsyncGenerator<FileCheck> {
  let checks = await checkAll(fileSystem, directory, checkpointLsn)
  for (let again = 1; isLive && again < ATTEMPTS_MAX && checks.some((check) => check.isDamaged); again++) {
    checks = await checkAll(fileSystem, directory, checkpointLsn)
  }
  for (const check of checks) if (only === undefined || check.path === only) yield check
}

async function checkAll(
  fileSystem: FileSystem,
  directory: string,
  checkpointLsn: number | undefined,
): Promise<FileCheck[]> {
  const checks: FileCheck[] = []
  const firstLsns: number[] = []
  for (const path of await journalFiles(fileSystem, directory)) {
    const check = new FileCheck(path, 'journal')
    const firstLsn = await checkFile(fileSystem, check)
    checks.push(check)
    if (firstLsn !== undefined) firstLsns.push(firstLsn)
  }
  const oldestLsn = firstLsns.length === 0 ? 1 : Math.min(...firstLsns)
  const neededAfterLsn = checkpointLsn ?? oldestLsn - 1
  await judge(fileSystem, directory, neededAfterLsn, checks, '')
  // Files from before the checkpoint may still be there: read too, though a start no longer needs them.
  if (oldestLsn - 1 < neededAfterLsn && !checks.some((check) => check.isDamaged)) {
    const unneeded = `A start does not need this frame, the checkpoint is at LSN ${neededAfterLsn}; but the disk returned other bytes than were written.`
    await judge(fileSystem, directory, oldestLsn - 1, checks, unneeded)
  }
  return checks
}

/** Answers the LSN of the first frame. */
async function checkFile(fileSystem: FileSystem, check: FileCheck): Promise<number | undefined> {
  let opened: Awaited<ReturnType<typeof openJournalFile>>
  try {
    opened = await openJournalFile(fileSystem, check.path)
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    check.damagedBy(error)
    return undefined
  }
  const { header, reader } = opened
  try {
    let [frames, entries, firstLsn, lastLsn, flushedLsn, end] = [0, 0, -1, -1, 0, FILE_HEADER_BYTES]
    for await (const frame of framesOf(reader)) {
      entries += checkBody(check, frame)
      if (frames === 0) firstLsn = frame.header.lsn
      lastLsn = frame.header.lsn
      flushedLsn = Math.max(flushedLsn, frame.header.flushedLsn)
      frames += 1
      end = frame.end
    }
    Object.assign(check.details, { sizeBytes: reader.sizeBytes, durability: header.durability, frames, entries })
    if (frames > 0) Object.assign(check.details, { firstLsn, lastLsn, flushedLsn })
    const tornBytes = (await reader.endOfContent(end)) - end
    if (tornBytes > 0) {
      check.note(
        `${tornBytes} bytes at position ${end}, behind the last whole frame: a torn tail, which is normal after a crash ` +
          '(no later frame says that they had been flushed); a start passes over them',
      )
    } else if (frames === 0) {
      check.note('prepared and not used yet')
    }
    return frames === 0 ? undefined : firstLsn
  } finally {
    await reader.close()
  }
}

function checkBody(check: FileCheck, { body, header, position }: LocatedFrame): number {
  try {
    return decodeLogEntries(body).length
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    const meaning = 'The checksum is right, so it was written like this: a start refuses it.'
    check.damaged(position, `frame ${header.lsn} is no list of entries: ${error.message}`, meaning)
    return 0
  }
}

/** Adds recovery's verdict to the file that it is about. */
async function judge(
  fileSystem: FileSystem,
  directory: string,
  afterLsn: number,
  checks: FileCheck[],
  meaning: string,
): Promise<void> {
  try {
    await recoverJournal({ fileSystem, directory, afterLsn, onFrame: () => {} })
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    let check = checks.find(({ path }) => path === error.file)
    if (check === undefined) checks.push((check = new FileCheck(error.file, 'journal')))
    if (check.damage.some(({ position }) => position === error.position)) return
    // What was taken for a torn tail is none.
    const torn = check.notes.findIndex((note) => note.includes(`at position ${error.position},`))
    if (torn !== -1) check.notes.splice(torn, 1)
    if (meaning === '') check.damagedBy(error)
    else if (torn !== -1) check.damaged(error.position, error.what, meaning)
    else check.note('the file after it is not there: left over from before the checkpoint, a start does not need it')
  }
}
