/**
 * Finds out what a journal holds: which frames, in order, where it ends, and whether that end is a torn tail or damage.
 *
 * Owns the decision; writes nothing. The journal starts a new file behind what is found here (SPEC.md, Recovery), so
 * nothing that was ever written is overwritten, and a crash during recovery leaves what was there.
 * Invariants: SPEC.md J3 to J9.
 */

import { join } from 'node:path'
import type { FileSystem } from '../base/runtime.ts'
import { CorruptionError, UnsupportedFormatError } from './errors.ts'
import { decodeFileHeader, FILE_HEADER_BYTES, type FileHeader, JOURNAL_FORMAT_VERSION } from './journal-frame.ts'
import { type Frame, JournalReader } from './journal-reader.ts'

const FILE_NAME = /^(\d{20})\.journal$/
const UNFINISHED_FILE_NAME = /^\d{20}\.journal\.new$/

const RESTORE_ADVICE =
  'Acknowledged data is damaged, so the broker does not start on it. Check the disk, then restore the data directory from a copy; nothing was changed.'

export function journalFileName(sequence: number): string {
  return `${String(sequence).padStart(20, '0')}.journal`
}

export interface JournalFile {
  readonly path: string
  readonly sequence: number
  /** LSN of its first frame; undefined while it has none. */
  firstLsn: number | undefined
}

/** Bytes of whole frames, one after the other. */
export interface FrameSpan {
  readonly firstLsn: number
  readonly path: string
  readonly from: number
  readonly to: number
}

export interface RecoveredJournal {
  /** Undefined for a journal that does not exist yet. */
  readonly frameMark: number | undefined
  /** Files that hold the journal, oldest first. */
  readonly files: JournalFile[]
  /** LSN and crc of the last frame; 0 without one. */
  readonly lastLsn: number
  readonly lastCrc: number
  /** Frames at the end that no later frame says were flushed. They may be in the system's cache alone. */
  readonly unconfirmed: readonly FrameSpan[]
  /** Paths that hold nothing: files prepared and not used, and what only a torn write put there. */
  readonly discardable: readonly string[]
  readonly nextSequence: number
  readonly framesReplayed: number
  /** Bytes written and never acknowledged that recovery passed over. */
  readonly bytesCut: number
}

export interface RecoveryOptions {
  readonly fileSystem: FileSystem
  readonly directory: string
  /** Frames up to this LSN are not wanted and need not be there. */
  readonly afterLsn: number
  readonly onFrame: (frame: { lsn: number; body: Uint8Array }) => void
}

/**
 * Reads the journal in `directory` (which exists) and hands every frame with an LSN above `afterLsn` to `onFrame`, in order.
 *
 * A body is a view into a read window of a few megabytes that lives as long as any body in it: copy what is kept for long.
 * @throws CorruptionError  bytes that had been flushed are damaged or gone
 * @throws UnsupportedFormatError  a newer semel wrote it
 */
export async function recoverJournal(options: RecoveryOptions): Promise<RecoveredJournal> {
  const { fileSystem, directory } = options
  const unfinished: string[] = []
  const opened: OpenedFile[] = []
  try {
    for (const name of await fileSystem.list(directory)) {
      const path = join(directory, name)
      const match = FILE_NAME.exec(name)
      if (match !== null) opened.push(await openFile(fileSystem, path, Number(match[1])))
      else if (UNFINISHED_FILE_NAME.test(name)) unfinished.push(path)
    }
    return await new Scan(options, opened, unfinished).run()
  } finally {
    for (const { reader } of opened) await reader.close()
  }
}

interface OpenedFile extends JournalFile {
  readonly header: FileHeader
  readonly reader: JournalReader
  readonly first: Frame | undefined
}

async function openFile(fileSystem: FileSystem, path: string, sequence: number): Promise<OpenedFile> {
  const file = await fileSystem.open(path, 'read')
  try {
    const sizeBytes = await file.sizeBytes()
    const bytes = Buffer.alloc(FILE_HEADER_BYTES)
    await file.read(bytes, 0)
    const decoded = decodeFileHeader(bytes)
    if (decoded.kind === 'newer') throw new UnsupportedFormatError(path, decoded.version, JOURNAL_FORMAT_VERSION)
    // A file gets its name after its header was flushed, so no crash leaves it without one.
    if (decoded.kind === 'damaged') throw corruption('the header of a journal file is damaged', path, 0)
    const { header } = decoded
    if (header.sequence !== sequence) {
      throw corruption(`a journal file says it is number ${header.sequence}, its name says ${sequence}`, path, 0)
    }
    const reader = new JournalReader(file, sizeBytes, header.frameMark)
    const first = await reader.frameAt(FILE_HEADER_BYTES)
    return { path, sequence, firstLsn: first?.header.lsn, header, reader, first }
  } catch (error) {
    await file.close()
    throw error
  }
}

function corruption(what: string, file: string, position: number): CorruptionError {
  return new CorruptionError(what, { file, position, advice: RESTORE_ADVICE })
}

interface ScannedFrame {
  readonly lsn: number
  readonly crc: number
  readonly path: string
  readonly from: number
  readonly to: number
}

class Scan {
  readonly #options: RecoveryOptions
  readonly #files: readonly OpenedFile[]
  readonly #unfinished: readonly string[]
  /** The last frame known to be flushed, then all scanned ones after it. */
  #tail: ScannedFrame[] = []
  /** Every frame up to here is known to be flushed. */
  #confirmedLsn = 0
  #expectedLsn = 1
  #deliveredLsn: number
  #framesReplayed = 0
  #bytesCut = 0

  constructor(options: RecoveryOptions, files: readonly OpenedFile[], unfinished: readonly string[]) {
    this.#options = options
    this.#files = files
    this.#unfinished = unfinished
    this.#deliveredLsn = options.afterLsn
  }

  async run(): Promise<RecoveredJournal> {
    const { afterLsn, directory } = this.#options
    const files = this.#files
    const frameMark = files[0]?.header.frameMark
    const foreign = files.find(({ header }) => header.frameMark !== frameMark)
    if (foreign !== undefined) throw corruption('a journal file belongs to another journal', foreign.path, 0)

    // The newest file that begins early enough has all that is wanted; a file always begins with frames that follow, or
    // repeat, what is in the files before it.
    let index = files.findLastIndex(({ firstLsn }) => firstLsn !== undefined && firstLsn <= afterLsn + 1)
    if (index === -1 && afterLsn > 0) {
      throw corruption(
        `the journal has no frame ${afterLsn + 1} or earlier, and the checkpoint needs it from there on`,
        files[0]?.path ?? directory,
        files[0] === undefined ? 0 : FILE_HEADER_BYTES,
      )
    }
    let position = FILE_HEADER_BYTES
    if (index === -1) index = 0
    else this.#expectedLsn = files[index]?.firstLsn as number
    this.#confirmedLsn = this.#expectedLsn - 1

    let last = -1
    while (index < files.length) {
      last = index
      position = await this.#scanFile(files[index] as OpenedFile)
      const next = files.findIndex((file, candidate) => candidate > index && this.#continues(file))
      if (next === -1) break
      this.#bytesCut += await this.#contentBehind(index, position)
      index = next
    }
    if (last !== -1) await this.#checkEnd(last, position)

    const lastLsn = this.#expectedLsn - 1
    const lastFile = files[last]
    if (lastLsn < afterLsn && lastFile !== undefined && lastFile.header.durability === 'fsync') {
      throw corruption(
        `the journal ends with frame ${lastLsn}, and the checkpoint was taken at ${afterLsn}`,
        lastFile.path,
        position,
      )
    }
    return {
      frameMark,
      files: files
        .slice(0, last + 1)
        .filter(({ firstLsn }) => firstLsn !== undefined)
        .map(({ path, sequence, firstLsn }) => ({ path, sequence, firstLsn })),
      lastLsn,
      lastCrc: this.#tail.at(-1)?.crc ?? 0,
      unconfirmed: spans(this.#tail.filter(({ lsn }) => lsn > this.#confirmedLsn)),
      discardable: [
        ...this.#unfinished,
        ...files.filter(({ firstLsn }, at) => at > last || firstLsn === undefined).map(({ path }) => path),
      ],
      nextSequence: (files.at(-1)?.sequence ?? 0) + 1,
      framesReplayed: this.#framesReplayed,
      bytesCut: this.#bytesCut,
    }
  }

  /** Takes frames as long as they are whole and fit; answers the position of the first that is not. */
  async #scanFile({ path, reader, first }: OpenedFile): Promise<number> {
    let position = FILE_HEADER_BYTES
    // A file may begin by repeating the frames before it that were not known to be flushed when it was made.
    let expectedLsn = Math.min(first?.header.lsn ?? this.#expectedLsn, this.#expectedLsn)
    for (;;) {
      const frame = await reader.frameAt(position)
      if (frame === undefined || frame.header.lsn !== expectedLsn || !this.#fits(frame)) return position
      this.#take(frame, path, position)
      expectedLsn += 1
      position = frame.end
    }
  }

  #take(frame: Frame, path: string, position: number): void {
    const { lsn, crc, flushedLsn } = frame.header
    if (lsn === this.#expectedLsn) {
      this.#tail.push({ lsn, crc, path, from: position, to: frame.end })
      this.#expectedLsn += 1
    }
    if (flushedLsn > this.#confirmedLsn) {
      this.#confirmedLsn = flushedLsn
      const kept = flushedLsn - (this.#tail[0] as ScannedFrame).lsn
      if (kept > 0) this.#tail = this.#tail.slice(kept)
    }
    if (lsn > this.#deliveredLsn) {
      this.#deliveredLsn = lsn
      if (frame.body.length > 0) {
        this.#framesReplayed += 1
        this.#options.onFrame({ lsn, body: frame.body })
      }
    }
  }

  /** Whether the frame follows, by checksum, the one scanned before it. Nothing is known before the first that is scanned. */
  #fits(frame: Frame): boolean {
    const { lsn, crc, previousCrc } = frame.header
    if (lsn === 1 && previousCrc !== 0) return false
    if (this.#tail.length === 0) return true
    const scanned = this.#scanned(lsn)
    if (scanned !== undefined) return scanned.crc === crc
    // The tail reaches back to the last frame known to be flushed; a repeat of older ones is never written.
    return (lsn === 1 && this.#expectedLsn === 1) || this.#scanned(lsn - 1)?.crc === previousCrc
  }

  #scanned(lsn: number): ScannedFrame | undefined {
    const first = this.#tail[0]
    return first === undefined || lsn < first.lsn ? undefined : this.#tail[lsn - first.lsn]
  }

  #continues({ first }: OpenedFile): boolean {
    return first !== undefined && first.header.lsn <= this.#expectedLsn && this.#fits(first)
  }

  /**
   * The journal ends at `position` of file `last`, before the expected frame. A torn tail, unless a frame anywhere behind it
   * says that the expected frame had been flushed.
   */
  async #checkEnd(last: number, position: number): Promise<void> {
    const expectedLsn = this.#expectedLsn
    const provesFlush = (header: { flushedLsn: number }): boolean => header.flushedLsn >= expectedLsn
    for (let at = last; at < this.#files.length; at += 1) {
      const from = at === last ? position : FILE_HEADER_BYTES
      const file = this.#files[at] as OpenedFile
      const witness = await file.reader.search(from, provesFlush)
      if (witness !== undefined) {
        const damage = await this.#damageAt(last, position)
        throw corruption(
          `frame ${expectedLsn} of the journal is damaged or missing here, and frame ${witness.header.lsn} in ${file.path} ` +
            `says that everything up to ${witness.header.flushedLsn} had been flushed`,
          damage.path,
          damage.position,
        )
      }
      this.#bytesCut += await this.#contentBehind(at, from)
    }
  }

  /** Where the expected frame should be: here, or at the start of the next file when this one was left for it. */
  async #damageAt(last: number, position: number): Promise<{ path: string; position: number }> {
    const next = this.#files[last + 1]
    if (next !== undefined && next.first === undefined && (await this.#contentBehind(last, position)) === 0) {
      return { path: next.path, position: FILE_HEADER_BYTES }
    }
    return { path: (this.#files[last] as OpenedFile).path, position }
  }

  async #contentBehind(index: number, position: number): Promise<number> {
    return (await (this.#files[index] as OpenedFile).reader.endOfContent(position)) - position
  }
}

/** Joins frames that lie side by side. */
function spans(frames: readonly ScannedFrame[]): FrameSpan[] {
  const joined: { firstLsn: number; path: string; from: number; to: number }[] = []
  for (const { lsn, path, from, to } of frames) {
    const before = joined.at(-1)
    if (before !== undefined && before.path === path && before.to === from) before.to = to
    else joined.push({ firstLsn: lsn, path, from, to })
  }
  return joined
}
