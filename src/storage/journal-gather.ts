/**
 * Turns frames into the few pieces of memory one write takes.
 *
 * Headers, and bodies small enough that a copy costs less than one more piece, lie side by side in a slab; large chunks stay
 * where they are and are written from there.
 */

import { encodeFrameHeader, FRAME_HEADER_BYTES } from './journal-frame.ts'

const SLAB_BYTES = 256 * 1024
/** Bodies up to this size are copied next to their header. */
const COPIED_BODY_BYTES_MAX = 4096

export interface GatheredFrame {
  readonly lsn: number
  readonly crc: number
  /** Header and body. */
  readonly sizeBytes: number
  readonly slab: Buffer
  /** The part of the slab: the header, and the body when it was copied. */
  readonly from: number
  readonly to: number
  /** The body when it was not copied. */
  readonly chunks: readonly Uint8Array[]
}

export class FrameGatherer {
  #slab: Buffer = Buffer.alloc(0)
  #used = 0

  gather(
    header: { frameMark: number; previousCrc: number; lsn: number; flushedLsn: number },
    bodyBytes: number,
    body: readonly Uint8Array[],
  ): GatheredFrame {
    const isCopied = bodyBytes <= COPIED_BODY_BYTES_MAX
    const slabBytes = FRAME_HEADER_BYTES + (isCopied ? bodyBytes : 0)
    // A new slab when this one is full: the old one lives until what it holds is written.
    if (this.#used + slabBytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#used = 0
    }
    const slab = this.#slab
    const from = this.#used
    this.#used += slabBytes
    let bodyOfCrc = body
    if (isCopied) {
      let at = from + FRAME_HEADER_BYTES
      for (const chunk of body) {
        slab.set(chunk, at)
        at += chunk.length
      }
      bodyOfCrc = bodyBytes === 0 ? [] : [slab.subarray(from + FRAME_HEADER_BYTES, at)]
    }
    const crc = encodeFrameHeader(slab, from, header, bodyBytes, bodyOfCrc)
    const sizeBytes = FRAME_HEADER_BYTES + bodyBytes
    return { lsn: header.lsn, crc, sizeBytes, slab, from, to: this.#used, chunks: isCopied ? [] : body }
  }

  /** All frames as chunks for one write; neighbours in a slab become one. */
  join(frames: readonly GatheredFrame[]): { chunks: Uint8Array[]; sizeBytes: number } {
    const chunks: Uint8Array[] = []
    let sizeBytes = 0
    let run: GatheredFrame | undefined
    let runTo = 0
    for (const frame of frames) {
      sizeBytes += frame.sizeBytes
      if (run !== undefined && (frame.slab !== run.slab || frame.from !== runTo)) {
        chunks.push(run.slab.subarray(run.from, runTo))
        run = undefined
      }
      run ??= frame
      runTo = frame.to
      if (frame.chunks.length > 0) {
        chunks.push(run.slab.subarray(run.from, runTo), ...frame.chunks)
        run = undefined
      }
    }
    if (run !== undefined) chunks.push(run.slab.subarray(run.from, runTo))
    return { chunks, sizeBytes }
  }
}
