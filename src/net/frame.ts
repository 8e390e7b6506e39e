/**
 * Bytes of a stream to frames: int32 size, then that many bytes.
 *
 *     00 00 00 07 | 7 bytes … | 00 00 …
 *
 * A frame that lies wholly inside one chunk is a view of it. One that spans chunks is gathered into a buffer that grows
 * with what has arrived, so a size that is announced and never sent costs nothing.
 */

export const SIZE_BYTES = 4
const GATHER_MIN_BYTES = 16_384
/** Room taken for each byte that has arrived: the less, the more copies; at 4 a frame is copied 1.3 times. */
const GROWTH_FACTOR = 4

export class FrameAssembler {
  readonly #maxFrameBytes: number
  /** Not read yet, in order. `#position` is within the first. */
  readonly #chunks: Uint8Array[] = []
  #position = 0
  readonly #size = new Uint8Array(SIZE_BYTES)
  #sizeLength = 0
  /** Size of the frame that is arriving; -1 between frames. */
  #frameBytes = -1
  #gathered: Uint8Array | undefined
  #gatheredLength = 0
  #problem: string | undefined

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** Why the stream cannot be read on; it never can again. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Size of the frame that has begun to arrive, 0 between frames. */
  get arrivingFrameBytes(): number {
    return this.#frameBytes < 0 ? this.#sizeLength : this.#frameBytes
  }

  /** Memory taken for a frame that is not complete. */
  get heldBytes(): number {
    return this.#gathered?.length ?? 0
  }

  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#chunks.push(chunk)
  }

  /** The next complete frame without its size; `undefined` when more bytes are needed or there is a problem. */
  next(): Uint8Array | undefined {
    if (this.#problem !== undefined) return undefined
    if (this.#frameBytes < 0 && !this.#readSize()) return undefined
    const chunk = this.#chunks[0]
    if (chunk === undefined) return undefined
    if (this.#gathered === undefined && chunk.length - this.#position >= this.#frameBytes) {
      const frame = chunk.subarray(this.#position, this.#position + this.#frameBytes)
      this.#advance(this.#frameBytes)
      this.#frameBytes = -1
      return frame
    }
    while (this.#chunks.length > 0) {
      this.#gather()
      if (this.#gatheredLength === this.#frameBytes) {
        const frame = this.#gathered
        this.#gathered = undefined
        this.#gatheredLength = 0
        this.#frameBytes = -1
        return frame
      }
    }
    return undefined
  }

  /** Moves what the first chunk has of the frame into the gathering buffer. */
  #gather(): void {
    const chunk = this.#chunks[0] as Uint8Array
    const count = Math.min(chunk.length - this.#position, this.#frameBytes - this.#gatheredLength)
    const length = this.#gatheredLength + count
    let target = this.#gathered
    if (target === undefined || target.length < length) {
      const wanted = Math.max(GATHER_MIN_BYTES, length * GROWTH_FACTOR)
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#frameBytes, wanted))
      if (target !== undefined) larger.set(target.subarray(0, this.#gatheredLength))
      target = larger
      this.#gathered = target
    }
    target.set(chunk.subarray(this.#position, this.#position + count), this.#gatheredLength)
    this.#gatheredLength = length
    this.#advance(count)
  }

  /** Whether the size is known and legal. */
  #readSize(): boolean {
    while (this.#sizeLength < SIZE_BYTES) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) return false
      this.#size[this.#sizeLength] = chunk[this.#position] as number
      this.#sizeLength += 1
      this.#advance(1)
    }
    const [first, second, third, fourth] = this.#size as unknown as readonly [number, number, number, number]
    const size = (first << 24) | (second << 16) | (third << 8) | fourth
    if (size <= 0 || size > this.#maxFrameBytes) {
      this.#problem = sizeProblem(size, this.#size, this.#maxFrameBytes, 'socket.request.max.bytes')
      return false
    }
    this.#sizeLength = 0
    this.#frameBytes = size
    return true
  }

  #advance(count: number): void {
    this.#position += count
    if (this.#position === this.#chunks[0]?.length) {
      this.#chunks.shift()
      this.#position = 0
    }
  }
}

const HTTP_STARTS: readonly string[] = ['GET ', 'POST', 'PUT ', 'HEAD', 'DELE', 'OPTI', 'PATC', 'CONN', 'PRI ']

/** Says what the peer seems to speak, because a wrong port or protocol is the usual reason. */
export function sizeProblem(size: number, bytes: Uint8Array, maxFrameBytes: number, limitName: string): string {
  const text = String.fromCharCode(...bytes)
  if (HTTP_STARTS.includes(text)) return `the peer speaks HTTP ('${text}'); this port takes the Kafka protocol only`
  if (bytes[0] === 0x16 && bytes[1] === 0x03) {
    return 'the peer begins a TLS handshake; this listener is PLAINTEXT (set security.protocol=PLAINTEXT in the client)'
  }
  if (size <= 0) return `frame size ${size} is not positive`
  return `frame size ${size} is above ${limitName} (${maxFrameBytes})`
}
