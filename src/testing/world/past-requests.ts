/**
 * Requests that were sent in this world and changed something, the last few of them: what a zombie, or a proxy that repeats, would
 * send once more.
 */
import type { Direction } from '../sim-network.ts'

export interface PastRequest {
  readonly port: number
  /** With its length before it. */
  readonly frame: Uint8Array
  readonly apiKey: number
}

const KEPT_MAX = 200
const LENGTH_BYTES = 4
const VERSION_MAX = 100

/** API keys of the requests that write records, offsets or transactions. */
const CONSEQUENTIAL: ReadonlySet<number> = new Set([0, 8, 22, 24, 25, 26, 28])

/** Produce, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, TxnOffsetCommit: what must do no harm when it comes again, at any time. */
const HARMLESS_AGAIN: ReadonlySet<number> = new Set([0, 24, 25, 26, 28])

export class PastRequests {
  readonly #kept: PastRequest[] = []

  /** Oldest first. */
  get kept(): readonly PastRequest[] {
    return this.#kept
  }

  /** @param bytes  written in one piece; anything but one whole request is passed over */
  note(direction: Direction, bytes: Uint8Array): void {
    if (bytes.length < LENGTH_BYTES + 8 || !isConsequential(bytes)) return
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const apiKey = view.getInt16(LENGTH_BYTES)
    if (view.getInt32(0) !== bytes.length - LENGTH_BYTES || !HARMLESS_AGAIN.has(apiKey)) return
    this.#kept.push({ port: direction.port, frame: bytes, apiKey })
    if (this.#kept.length > KEPT_MAX) this.#kept.shift()
  }
}

/** Whether the bytes seem to begin with a request that changes something: a guess, as replies and parts of frames pass here too. */
export function isConsequential(bytes: Uint8Array): boolean {
  if (bytes.length < LENGTH_BYTES + 4) return false
  const apiKey = ((bytes[LENGTH_BYTES] as number) << 8) | (bytes[LENGTH_BYTES + 1] as number)
  const version = ((bytes[LENGTH_BYTES + 2] as number) << 8) | (bytes[LENGTH_BYTES + 3] as number)
  return version > 0 && version < VERSION_MAX && CONSEQUENTIAL.has(apiKey)
}
