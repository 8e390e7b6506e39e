/**
 * One journal file being written: where the next frame goes, and the zeros laid down ahead of it.
 *
 * A flush of bytes inside the file's size need not write the file's metadata, which is most of the cost of a small one. So
 * zeros go ahead of the frames, a step at a time and in the background: a new file is ready after one small step, and none
 * is needed while large writes make the file grow anyway.
 *
 *   ┌────────┬────────┬─────────────┬──────────────────┬ ─ ─ ─ ─ ─ ─
 *   │ header │ frames │    zeros    │  zeros going down  │
 *   └────────┴────────┴─────────────┴──────────────────┴ ─ ─ ─ ─ ─ ─
 *                 position      zeroedBytes
 */

import { join } from 'node:path'
import type { File, FileSystem } from '../base/runtime.ts'
import { encodeFileHeader, FILE_HEADER_BYTES, type FileHeader } from './journal-frame.ts'
import { journalFileName } from './journal-recovery.ts'

/** Zeros laid down at once: little enough to be unnoticed by the flush beside it, enough for a thousand small frames. */
export const ZERO_STEP_BYTES = 1024 * 1024
/** Zeros are laid down when fewer than these are left. */
const ZEROS_AHEAD_BYTES = ZERO_STEP_BYTES / 2
/** Writes above this size gain nothing from zeros ahead of them, and would pay for each byte twice. */
const ZEROS_PAY_BELOW_BYTES = 64 * 1024
const COPY_BYTES = 1024 * 1024

export interface NewFileOptions {
  readonly fileSystem: FileSystem
  readonly directory: string
  readonly header: FileHeader
  readonly fileSizeBytes: number
  /** Written behind the header before the file gets its name. */
  readonly content?: AsyncIterable<Uint8Array>
}

/**
 * Makes a journal file. It has its name only once header, content and the first zeros are flushed, so a file with a journal's
 * name is whole or damaged, never half made.
 */
export async function createJournalFile(options: NewFileOptions): Promise<JournalFileWriter> {
  const { fileSystem, directory, header, fileSizeBytes, content } = options
  const path = join(directory, journalFileName(header.sequence))
  const unfinishedPath = `${path}.new`
  const file = await fileSystem.open(unfinishedPath, 'create')
  try {
    await file.truncate(0)
    await file.write([encodeFileHeader(header)], 0)
    let position = FILE_HEADER_BYTES
    if (content !== undefined) {
      for await (const bytes of content) {
        await file.write([bytes], position)
        position += bytes.length
      }
    }
    const zeroedBytes = Math.max(position, Math.min(fileSizeBytes, position + ZERO_STEP_BYTES))
    if (zeroedBytes > position) await file.write([Buffer.alloc(zeroedBytes - position)], position)
    await file.sync()
    await fileSystem.rename(unfinishedPath, path)
    await fileSystem.syncDirectory(directory)
    return new JournalFileWriter(file, path, header.sequence, position, zeroedBytes, fileSizeBytes)
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The bytes of part of a file, in pieces. */
export async function* fileBytes(
  fileSystem: FileSystem,
  part: { path: string; from: number; to: number },
): AsyncGenerator<Uint8Array> {
  const file = await fileSystem.open(part.path, 'read')
  try {
    for (let at = part.from; at < part.to; at += COPY_BYTES) {
      const piece = new Uint8Array(Math.min(COPY_BYTES, part.to - at))
      await file.read(piece, at)
      yield piece
    }
  } finally {
    await file.close()
  }
}

export class JournalFileWriter {
  readonly path: string
  readonly sequence: number
  readonly #file: File
  readonly #fileSizeBytes: number
  #position: number
  #zeroedBytes: number
  #extending: Promise<void> | undefined

  constructor(
    file: File,
    path: string,
    sequence: number,
    position: number,
    zeroedBytes: number,
    fileSizeBytes: number,
  ) {
    this.#file = file
    this.path = path
    this.sequence = sequence
    this.#position = position
    this.#zeroedBytes = zeroedBytes
    this.#fileSizeBytes = fileSizeBytes
  }

  /** Where the next frame goes. */
  get position(): number {
    return this.#position
  }

  get isEmpty(): boolean {
    return this.#position === FILE_HEADER_BYTES
  }

  /** Whether the file may take so many bytes more. An empty one takes a frame of any size, and grows. */
  hasRoomFor(byteCount: number): boolean {
    return this.isEmpty || this.#position + byteCount <= this.#fileSizeBytes
  }

  async append(chunks: readonly Uint8Array[], byteCount: number): Promise<void> {
    const end = this.#position + byteCount
    // Zeros on their way must not land on the frames.
    if (end > this.#zeroedBytes && this.#extending !== undefined) await this.#extending
    await this.#file.write(chunks, this.#position)
    this.#position = end
    this.#zeroedBytes = Math.max(this.#zeroedBytes, end)
  }

  sync(): Promise<void> {
    return this.#file.sync()
  }

  /**
   * Lays zeros ahead in the background when few are left and writes are small.
   * @param onError  told when it fails; the file is then not to be trusted
   */
  extendAhead(lastWriteBytes: number, flushes: boolean, onError: (error: unknown) => void): void {
    if (this.#extending !== undefined || lastWriteBytes > ZEROS_PAY_BELOW_BYTES) return
    if (this.#zeroedBytes - this.#position >= ZEROS_AHEAD_BYTES || this.#zeroedBytes >= this.#fileSizeBytes) return
    this.#extending = this.#extend(flushes)
      .catch(onError)
      .finally(() => {
        this.#extending = undefined
      })
  }

  async close(): Promise<void> {
    await this.#extending
    await this.#file.close()
  }

  async #extend(flushes: boolean): Promise<void> {
    const from = this.#zeroedBytes
    const to = Math.min(from + ZERO_STEP_BYTES, this.#fileSizeBytes)
    await this.#file.write([Buffer.alloc(to - from)], from)
    this.#zeroedBytes = to
    // Without this the next frame's flush would pay for the new size.
    if (flushes) await this.#file.sync()
  }
}
