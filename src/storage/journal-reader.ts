/**
 * Reads the frames of one journal file through a window, so that a file of any size costs the memory of one window or of
 * its largest frame. Judges each frame by itself; which frame must come where is recovery's business.
 */

import type { File } from '../base/runtime.ts'
import {
  decodeFrameHeader,
  FILE_HEADER_BYTES,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  frameCrcMatches,
} from './journal-frame.ts'

const WINDOW_BYTES = 4 * 1024 * 1024

export interface Frame {
  readonly header: FrameHeader
  /** A view into the window it was read with; that window lives as long as any view of it. */
  readonly body: Uint8Array
  /** Position behind the frame. */
  readonly end: number
}

export class JournalReader {
  readonly #file: File
  readonly #frameMark: number
  readonly #mark: Buffer
  readonly sizeBytes: number
  #window: Buffer = Buffer.alloc(0)
  #windowAt = 0

  constructor(file: File, sizeBytes: number, frameMark: number) {
    this.#file = file
    this.sizeBytes = sizeBytes
    this.#frameMark = frameMark
    this.#mark = Buffer.alloc(4)
    this.#mark.writeUInt32BE(frameMark)
  }

  /** The frame at `position` if it is whole and its checksum matches. */
  async frameAt(position: number): Promise<Frame | undefined> {
    if (position + FRAME_HEADER_BYTES > this.sizeBytes) return undefined
    if (!this.#holds(position, FRAME_HEADER_BYTES)) await this.#load(position, FRAME_HEADER_BYTES)
    const header = decodeFrameHeader(this.#window, position - this.#windowAt, this.#frameMark)
    if (header === undefined) return undefined
    const frameBytes = FRAME_HEADER_BYTES + header.bodyBytes
    if (position + frameBytes > this.sizeBytes) return undefined
    if (!this.#holds(position, frameBytes)) await this.#load(position, frameBytes)
    const at = position - this.#windowAt
    if (!frameCrcMatches(this.#window, at, header)) return undefined
    return { header, body: this.#window.subarray(at + FRAME_HEADER_BYTES, at + frameBytes), end: position + frameBytes }
  }

  /** The first whole frame from `position` on that `isWanted` (asked before the checksum is computed), wherever it begins. */
  async search(position: number, isWanted: (header: FrameHeader) => boolean): Promise<Frame | undefined> {
    let at = Math.max(position, FILE_HEADER_BYTES)
    while (at + FRAME_HEADER_BYTES <= this.sizeBytes) {
      if (!this.#holds(at, FRAME_HEADER_BYTES)) await this.#load(at, FRAME_HEADER_BYTES)
      const hit = this.#window.indexOf(this.#mark, at - this.#windowAt)
      if (hit === -1) {
        // The mark may lie across the end of the window.
        at = this.#windowAt + this.#window.length - this.#mark.length + 1
        if (this.#windowAt + this.#window.length >= this.sizeBytes) return undefined
        continue
      }
      at = this.#windowAt + hit
      if (at + FRAME_HEADER_BYTES > this.sizeBytes) return undefined
      if (!this.#holds(at, FRAME_HEADER_BYTES)) await this.#load(at, FRAME_HEADER_BYTES)
      const header = decodeFrameHeader(this.#window, at - this.#windowAt, this.#frameMark)
      if (header !== undefined && isWanted(header)) {
        const frame = await this.frameAt(at)
        if (frame !== undefined) return frame
      }
      at += 1
    }
    return undefined
  }

  /** Position behind the last byte that is not zero, at least `position`. */
  async endOfContent(position: number): Promise<number> {
    let end = position
    for (let at = position; at < this.sizeBytes; at += WINDOW_BYTES) {
      await this.#load(at, Math.min(WINDOW_BYTES, this.sizeBytes - at))
      const window = this.#window
      if (window.equals(Buffer.alloc(window.length))) continue
      let last = window.length
      while (window[last - 1] === 0) last -= 1
      end = at + last
    }
    return end
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #holds(position: number, count: number): boolean {
    return position >= this.#windowAt && position + count <= this.#windowAt + this.#window.length
  }

  async #load(position: number, count: number): Promise<void> {
    // A new buffer each time: bodies handed out are views into the old one.
    const window = Buffer.alloc(Math.min(Math.max(count, WINDOW_BYTES), this.sizeBytes - position))
    await this.#file.read(window, position)
    this.#window = window
    this.#windowAt = position
  }
}
