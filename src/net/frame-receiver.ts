/**
 * Frames of a stream whose bytes are received where they stay: int32 size, then that many bytes, as in frame.ts.
 *
 * Gives the socket the room for what comes next. Small frames arrive in one buffer that is used again, and are copied out
 * of it; a frame that does not fit there gets a buffer of its own of just its size, into which the rest is received
 * without a copy. For the side that asks: a peer that announces a size and never sends it costs that much address space, up to
 * `maxFrameBytes`. FrameAssembler is for peers that are trusted less.
 *
 * Invariants: `room` is never empty; a frame that was handed out is never written to again.
 */
import type { ReceiveRoom } from '../base/runtime.ts'
import { SIZE_BYTES, sizeProblem } from './frame.ts'

const SMALL_BYTES = 65_536

export class FrameReceiver implements ReceiveRoom {
  readonly #maxFrameBytes: number
  readonly #limitName: string
  /** Received and not handed out: `#start` to `#end`. */
  #small = Buffer.allocUnsafeSlow(SMALL_BYTES)
  #start = 0
  #end = 0
  /** The frame that is arriving, where it is a large one. */
  #large: Buffer | undefined
  #largeEnd = 0
  #problem: string | undefined

  /** @param limitName  the setting that `maxFrameBytes` comes from, for messages */
  constructor(maxFrameBytes: number, limitName: string) {
    this.#maxFrameBytes = maxFrameBytes
    this.#limitName = limitName
  }

  /** Why the stream cannot be read on; it never can again. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Where the next bytes belong. */
  room(): Uint8Array {
    return this.#large === undefined ? this.#small.subarray(this.#end) : this.#large.subarray(this.#largeEnd)
  }

  /** What has arrived: the beginning of the last `room`, or bytes from elsewhere, which are copied. */
  push(chunk: Uint8Array): void {
    const at = this.#large ?? this.#small
    const end = this.#large === undefined ? this.#end : this.#largeEnd
    if (chunk.buffer === at.buffer && chunk.byteOffset === at.byteOffset + end) {
      this.#advance(chunk.length)
      return
    }
    let rest = chunk
    if (this.#large !== undefined) {
      const count = Math.min(rest.length, this.#large.length - this.#largeEnd)
      this.#large.set(rest.subarray(0, count), this.#largeEnd)
      this.#advance(count)
      rest = rest.subarray(count)
      if (rest.length === 0) return
    }
    this.#makeSmallRoom(rest.length)
    this.#small.set(rest, this.#end)
    this.#end += rest.length
  }

  /** The next complete frame without its size; `undefined` when more bytes are needed or there is a problem. */
  next(): Uint8Array | undefined {
    if (this.#problem !== undefined) return undefined
    const large = this.#large
    if (large !== undefined) {
      if (this.#largeEnd < large.length) return undefined
      this.#large = undefined
      return large
    }
    const count = this.#end - this.#start
    if (count < SIZE_BYTES) {
      this.#makeSmallRoom(1)
      return undefined
    }
    const size = this.#small.readInt32BE(this.#start)
    if (size <= 0 || size > this.#maxFrameBytes) {
      const bytes = this.#small.subarray(this.#start, this.#start + SIZE_BYTES)
      this.#problem = sizeProblem(size, bytes, this.#maxFrameBytes, this.#limitName)
      return undefined
    }
    const end = this.#start + SIZE_BYTES + size
    if (end <= this.#end) {
      const frame = Buffer.from(this.#small.subarray(this.#start + SIZE_BYTES, end))
      this.#start = end
      this.#makeSmallRoom(1)
      return frame
    }
    if (SIZE_BYTES + size <= SMALL_BYTES) {
      this.#makeSmallRoom(SIZE_BYTES + size - count)
      return undefined
    }
    this.#large = Buffer.allocUnsafeSlow(size)
    this.#largeEnd = this.#small.copy(this.#large, 0, this.#start + SIZE_BYTES, this.#end)
    this.#start = 0
    this.#end = 0
    return undefined
  }

  #advance(count: number): void {
    if (this.#large === undefined) this.#end += count
    else this.#largeEnd += count
  }

  /** Moves what is left to the front, or to a larger buffer when bytes from elsewhere are more than fit. */
  #makeSmallRoom(bytes: number): void {
    if (this.#start === this.#end) {
      this.#start = 0
      this.#end = 0
    }
    if (this.#small.length - this.#end >= bytes) return
    const count = this.#end - this.#start
    const target = count + bytes <= this.#small.length ? this.#small : Buffer.allocUnsafeSlow(count + bytes)
    this.#small.copy(target, 0, this.#start, this.#end)
    this.#small = target
    this.#start = 0
    this.#end = count
  }
}
