/**
 * The journal: every change of the broker's state as one frame, in one order, made durable in groups.
 *
 * Owns appending and group commit (while a write and its flush are under way arrivals accumulate, then all of them leave in
 * one write and one flush; never two at a time), the files, and fail-stop. What a body means is its owner's business; the
 * bytes are `journal-frame.ts`, what a crash leaves is judged by `journal-recovery.ts`. Invariants J1 to J14: SPEC.md.
 */

import { dirname } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Clock, FileSystem, Runtime, Timer } from '../base/runtime.ts'
import { JournalFailed } from './errors.ts'
import { createJournalFile, fileBytes, type JournalFileWriter } from './journal-file-writer.ts'
import { encodeFrameHeader, FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES, type JournalDurability } from './journal-frame.ts'
import { FrameGatherer, type GatheredFrame } from './journal-gather.ts'
import { type JournalFile, type RecoveredJournal, recoverJournal } from './journal-recovery.ts'

const JOURNAL_FILE_SIZE_BYTES = 64 * 1024 * 1024
/** After so long without an append a flush mark records how far the journal is flushed. */
export const FLUSH_MARK_IDLE_MS = 1000

export interface JournalOptions {
  readonly runtime: Pick<Runtime, 'clock' | 'fileSystem' | 'random' | 'logger'>
  /** Made if missing. Files in it that are not the journal's are left alone. */
  readonly directory: string
  /** `fsync`: acknowledged when flushed. `os`: acknowledged when handed to the operating system. */
  readonly durability: JournalDurability
  /** Size at which a file is left for the next; a larger frame gets a file of its own. */
  readonly fileSizeBytes?: number
  /** Frames up to here are in a durable checkpoint: they are not replayed and need not exist. */
  readonly afterLsn: number
  /** Called during `open`, in order, for every frame after `afterLsn`. The body is a view: copy what is kept for long. */
  readonly onFrame: (frame: { lsn: number; body: Uint8Array }) => void
}

export interface JournalRecovery {
  readonly framesReplayed: number
  /** Bytes of a torn tail, written and never acknowledged. */
  readonly bytesCut: number
}

export class Journal {
  /** Called once per flush, in order, synchronously: every frame up to `lsn` is durable. */
  onDurable: (lsn: number) => void = () => {}
  /** Called once, on the first failure of a write or flush; nothing is acknowledged after it. */
  onFailure: (error: Error) => void = () => {}
  readonly recovery: JournalRecovery

  readonly #fileSystem: FileSystem
  readonly #clock: Clock
  readonly #directory: string
  readonly #durability: JournalDurability
  readonly #fileSizeBytes: number
  readonly #frameMark: number
  readonly #gatherer = new FrameGatherer()

  /** All files that hold frames, oldest first; the last is the current one. */
  readonly #files: JournalFile[]
  #current: JournalFileWriter
  #prepared: Promise<JournalFileWriter> | undefined
  #nextSequence: number
  readonly #background = new Set<Promise<void>>()

  #cutting: Promise<void> = Promise.resolve()

  #pending: GatheredFrame[] = []
  #pendingBytes = 0
  #flushLoop: Promise<void> | undefined
  #appendedLsn: number
  #appendedCrc: number
  #durableLsn: number
  /** What frames may claim as flushed: the durable LSN, and less than it when durability is `os`. */
  #flushedLsn: number
  #failure: JournalFailed | undefined
  #closing: Promise<void> | undefined

  #markTimer: Timer | undefined
  #lastAppendMs = 0
  /** LSN of the last frame if it is a flush mark: then there is nothing new to mark. */
  #markLsn: number

  /**
   * Recovers the journal in `directory`, or starts a new one, and is then ready to append.
   * @throws CorruptionError | UnsupportedFormatError, nothing changed on disk; otherwise the system's error
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const { runtime, directory, afterLsn } = options
    const { fileSystem } = runtime
    await fileSystem.makeDirectory(directory)
    const recovered = await recoverJournal({ fileSystem, directory, afterLsn, onFrame: options.onFrame })
    const frameMark = recovered.frameMark ?? drawFrameMark(runtime)
    const [start] = await Promise.all([
      startFile(options, recovered, frameMark),
      // The directory may be new as well, or a start before this one made it and was killed before this flush; both
      // flushes are needed before the first append, neither by the other.
      fileSystem.syncDirectory(dirname(directory)),
    ])
    for (const path of recovered.discardable) await fileSystem.remove(path)
    if (recovered.bytesCut > 0) {
      runtime.logger.warn('journal had a torn tail, never acknowledged; passed over', {
        directory,
        bytesCut: recovered.bytesCut,
        lastLsn: recovered.lastLsn,
      })
    }
    return new Journal(options, recovered, frameMark, start)
  }

  private constructor(options: JournalOptions, recovered: RecoveredJournal, frameMark: number, start: StartFile) {
    this.#fileSystem = options.runtime.fileSystem
    this.#clock = options.runtime.clock
    this.#directory = options.directory
    this.#durability = options.durability
    this.#fileSizeBytes = options.fileSizeBytes ?? JOURNAL_FILE_SIZE_BYTES
    this.#frameMark = frameMark
    this.#current = start.file
    this.#files = [
      ...recovered.files,
      { path: start.file.path, sequence: start.file.sequence, firstLsn: start.firstLsn },
    ]
    this.#nextSequence = recovered.nextSequence + 1
    this.#appendedLsn = start.lastLsn
    this.#appendedCrc = start.lastCrc
    this.#durableLsn = start.lastLsn
    this.#flushedLsn = start.lastLsn
    this.#markLsn = start.lastLsn
    this.recovery = { framesReplayed: recovered.framesReplayed, bytesCut: recovered.bytesCut }
  }

  /** LSN of the last frame appended, durable or not. Flush marks count. */
  get appendedLsn(): number {
    return this.#appendedLsn
  }

  get durableLsn(): number {
    return this.#durableLsn
  }

  /** Bytes appended and not durable. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  /**
   * Appends one frame whose body is all chunks, one after the other; large chunks are not copied and must not change.
   * Never waits: watch `pendingBytes`.
   * @returns its LSN, durable once `onDurable` has reached it
   * @throws JournalFailed after a failure, or once closing
   */
  append(chunks: readonly Uint8Array[]): number {
    if (this.#failure !== undefined)
      throw new JournalFailed('the journal has failed and takes nothing more', this.#failure.cause)
    if (this.#closing !== undefined) throw new JournalFailed('the journal is closed')
    let bodyBytes = 0
    for (const chunk of chunks) bodyBytes += chunk.length
    assert(bodyBytes > 0, 'a frame has a body')
    assert(bodyBytes <= FRAME_BODY_BYTES_MAX, `a frame body of ${bodyBytes} bytes fits ${FRAME_BODY_BYTES_MAX}`)
    this.#lastAppendMs = this.#clock.monotonicMs()
    return this.#enqueue(chunks, bodyBytes)
  }

  /** Deletes the files without which every frame after `lsn` can still be recovered. The checkpoint at `lsn` must be durable. */
  cut(lsn: number): Promise<void> {
    const done = this.#cutting.then(() => this.#cut(lsn))
    // Whoever asked is told of a failure; the next cut does not depend on it.
    this.#cutting = done.catch(() => {})
    return done
  }

  async #cut(lsn: number): Promise<void> {
    // The first frame of the oldest file kept is durable: a journal that begins with a torn frame would be taken for damaged.
    const kept = this.#files.findLastIndex(({ firstLsn }) => firstLsn !== undefined && firstLsn <= lsn + 1)
    if (kept <= 0 || this.#failure !== undefined) return
    const oldest = this.#files[kept] as JournalFile
    const cut = this.#files.splice(0, kept)
    if (this.#durability === 'os') await this.#syncPath(oldest.path)
    for (const { path } of cut) await this.#fileSystem.remove(path)
    await this.#fileSystem.syncDirectory(this.#directory)
  }

  /**
   * Makes every frame up to `lsn`, which is durable, survive a power cut. With `fsync` it does already.
   * @throws the system's error, after which the journal has failed
   */
  async flush(lsn: number): Promise<void> {
    assert(lsn <= this.#durableLsn, `frame ${lsn} is written; the last that is has LSN ${this.#durableLsn}`)
    if (this.#flushedLsn >= lsn) return
    // Taken in one tick: frames up to here are in this file, in flushed ones, or in full ones that are being flushed.
    const written = this.#durableLsn
    await this.#syncPath(this.#current.path)
    await Promise.all(this.#background)
    if (this.#failure !== undefined) throw this.#failure
    this.#flushedLsn = Math.max(this.#flushedLsn, written)
  }

  /** Takes back that it was opened: closes it and removes the file that this made. Nothing may have been appended. */
  async abandon(): Promise<void> {
    assert(this.#appendedLsn === this.#durableLsn && this.#markLsn === this.#appendedLsn, 'nothing was appended')
    const { path } = this.#current
    await this.close()
    await this.#fileSystem.remove(path)
  }

  /** Flushes all that was appended, marks the journal as flushed to its end and closes its files. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#markTimer?.cancel()
    const failedBefore = this.#failure
    await this.#flushLoop
    await Promise.all(this.#background)
    await this.#cutting
    await this.#flushWritten()
    this.#enqueueMark()
    await this.#flushLoop
    await this.#flushWritten()
    const prepared = await this.#prepared?.catch(() => undefined)
    await prepared?.close()
    await Promise.all(this.#background)
    await this.#current.close()
    if (this.#failure !== undefined && failedBefore === undefined) throw this.#failure
  }

  #enqueueMark(): void {
    if (this.#failure !== undefined || this.#markLsn === this.#appendedLsn) return
    this.#markLsn = this.#enqueue([], 0)
  }

  #enqueue(chunks: readonly Uint8Array[], bodyBytes: number): number {
    const lsn = this.#appendedLsn + 1
    const frame = this.#gatherer.gather(
      { frameMark: this.#frameMark, previousCrc: this.#appendedCrc, lsn, flushedLsn: this.#flushedLsn },
      bodyBytes,
      chunks,
    )
    this.#appendedLsn = lsn
    this.#appendedCrc = frame.crc
    this.#pending.push(frame)
    this.#pendingBytes += frame.sizeBytes
    // Begun in a microtask, so that all appends of one tick share the flush.
    this.#flushLoop ??= Promise.resolve().then(() => this.#flushAll())
    return lsn
  }

  async #flushAll(): Promise<void> {
    try {
      while (this.#pending.length > 0 && this.#failure === undefined) await this.#flushOnce()
    } catch (error) {
      this.#fail(error)
    }
    this.#flushLoop = undefined
    this.#armMarkTimer()
  }

  async #flushOnce(): Promise<void> {
    const first = this.#pending[0] as GatheredFrame
    if (!this.#current.hasRoomFor(first.sizeBytes)) await this.#rollOver()
    const current = this.#current
    const frames = this.#takeFitting(current)
    const last = frames.at(-1) as GatheredFrame
    const { chunks, sizeBytes } = this.#gatherer.join(frames)
    await current.append(chunks, sizeBytes)
    if (this.#durability === 'fsync') await current.sync()
    // A failure in the background may have come first, and then this group is not to be believed either.
    if (this.#failure !== undefined) return

    const file = this.#files.at(-1) as JournalFile
    file.firstLsn ??= first.lsn
    this.#pendingBytes -= sizeBytes
    this.#durableLsn = last.lsn
    if (this.#durability === 'fsync') this.#flushedLsn = last.lsn
    current.extendAhead(sizeBytes, this.#durability === 'fsync', (error) => this.#fail(error))
    // By half way the next file has long been made when it is needed.
    if (current.position > this.#fileSizeBytes / 2) this.#prepareNext()
    this.onDurable(last.lsn)
  }

  /** All that is pending, as far as the file has room; at least one frame. */
  #takeFitting(file: JournalFileWriter): GatheredFrame[] {
    let sizeBytes = (this.#pending[0] as GatheredFrame).sizeBytes
    let count = 1
    for (; count < this.#pending.length; count += 1) {
      sizeBytes += (this.#pending[count] as GatheredFrame).sizeBytes
      if (file.position + sizeBytes > this.#fileSizeBytes) break
    }
    if (count === this.#pending.length) {
      const all = this.#pending
      this.#pending = []
      return all
    }
    return this.#pending.splice(0, count)
  }

  async #rollOver(): Promise<void> {
    this.#prepareNext()
    let next: JournalFileWriter
    try {
      next = await (this.#prepared as Promise<JournalFileWriter>)
    } catch {
      // Making a file ahead of need may have failed for want of space that is there by now; nothing depends on it yet, so
      // one more try, with a file of another name, repeats no failed flush.
      this.#prepared = undefined
      this.#prepareNext()
      next = await (this.#prepared as unknown as Promise<JournalFileWriter>)
    }
    this.#prepared = undefined
    const full = this.#current
    this.#current = next
    this.#files.push({ path: next.path, sequence: next.sequence, firstLsn: undefined })
    // With `os` nothing waits for this flush, but a flush mark may only speak of files that had one.
    this.#inBackground(this.#durability === 'os' ? full.sync().then(() => full.close()) : full.close())
  }

  #prepareNext(): void {
    if (this.#prepared !== undefined) return
    const sequence = this.#nextSequence
    this.#nextSequence += 1
    this.#prepared = createJournalFile({
      fileSystem: this.#fileSystem,
      directory: this.#directory,
      header: { frameMark: this.#frameMark, sequence, durability: this.#durability },
      fileSizeBytes: this.#fileSizeBytes,
    })
    // Who needs the file awaits it and sees the failure then.
    this.#prepared.catch(() => {})
  }

  #inBackground(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#background.delete(tracked)
      })
    this.#background.add(tracked)
  }

  /** All that was written, while closing: a failure is kept, and reported at the end. */
  async #flushWritten(): Promise<void> {
    if (this.#failure !== undefined) return
    await this.flush(this.#durableLsn).catch((error: unknown) => this.#fail(error))
  }

  async #syncPath(path: string): Promise<void> {
    const file = await this.#fileSystem.open(path, 'write')
    try {
      await file.sync()
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      await file.close()
    }
  }

  #armMarkTimer(): void {
    if (this.#markTimer !== undefined || this.#markLsn === this.#appendedLsn) return
    if (this.#closing !== undefined || this.#failure !== undefined || this.#durability === 'os') return
    const idleMs = this.#clock.monotonicMs() - this.#lastAppendMs
    // Whole milliseconds: a rest so small that adding it to the time changes nothing would be waited for for ever.
    this.#markTimer = this.#clock.setTimer(Math.max(0, Math.ceil(FLUSH_MARK_IDLE_MS - idleMs)), () => {
      this.#markTimer = undefined
      if (this.#flushLoop !== undefined || this.#closing !== undefined) return
      if (this.#clock.monotonicMs() - this.#lastAppendMs >= FLUSH_MARK_IDLE_MS) this.#enqueueMark()
      else this.#armMarkTimer()
    })
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#failure = new JournalFailed(
      `the journal in ${this.#directory} failed and acknowledges nothing more: ${reason}`,
      cause,
    )
    this.#pending = []
    this.#markTimer?.cancel()
    this.onFailure(this.#failure)
  }
}

interface StartFile {
  readonly file: JournalFileWriter
  readonly firstLsn: number | undefined
  readonly lastLsn: number
  readonly lastCrc: number
}

/**
 * Every start begins a new file. It repeats the frames nobody knows to be flushed (they may have been read from the system's
 * cache, which after a failed flush holds what the disk does not) and says in a flush mark that they are now.
 */
async function startFile(options: JournalOptions, recovered: RecoveredJournal, frameMark: number): Promise<StartFile> {
  const { runtime, directory, durability, afterLsn, fileSizeBytes = JOURNAL_FILE_SIZE_BYTES } = options
  const { fileSystem } = runtime
  const lastLsn = Math.max(recovered.lastLsn, afterLsn)
  const repeats = recovered.lastLsn < afterLsn ? [] : recovered.unconfirmed
  // With `os` nothing flushes the first frame before a checkpoint relies on it, so a new journal begins with a mark too.
  const beginsWithMark = lastLsn > 0 || durability === 'os'
  const mark = Buffer.alloc(FRAME_HEADER_BYTES)
  const markFrame = { frameMark, previousCrc: recovered.lastCrc, lsn: lastLsn + 1, flushedLsn: lastLsn }
  const markCrc = encodeFrameHeader(mark, 0, markFrame, 0, [])
  async function* content(): AsyncGenerator<Uint8Array> {
    for (const span of repeats) yield* fileBytes(fileSystem, span)
    if (beginsWithMark) yield mark
  }
  const header = { frameMark, sequence: recovered.nextSequence, durability }
  const file = await createJournalFile({ fileSystem, directory, header, fileSizeBytes, content: content() })
  if (!beginsWithMark) return { file, firstLsn: undefined, lastLsn: 0, lastCrc: 0 }
  return { file, firstLsn: repeats[0]?.firstLsn ?? lastLsn + 1, lastLsn: lastLsn + 1, lastCrc: markCrc }
}

/** Not zero, so that zeroed space never looks like the start of a frame. */
function drawFrameMark({ random }: Pick<Runtime, 'random'>): number {
  for (;;) {
    const frameMark = random.nextUint32()
    if (frameMark !== 0) return frameMark
  }
}
