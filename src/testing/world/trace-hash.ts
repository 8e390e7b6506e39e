/**
 * A hash over everything that happens in a run, in its order. Two runs of one seed must have the same: else something in the system
 * is not a function of the seed, and a failure could not be replayed.
 */
import { crc32c } from '../../base/crc32c.ts'

const PRIME_A = 0x01000193
const PRIME_B = 0x85ebca6b

export class TraceHash {
  readonly #bits = new DataView(new ArrayBuffer(8))
  readonly #onLine: ((line: string) => void) | undefined
  #a = 0x811c9dc5
  #b = 0x9e3779b9
  #events = 0

  /** @param onLine  told what happens in words, to find where two runs part */
  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine
  }

  get events(): number {
    return this.#events
  }

  /** 16 hexadecimal digits. */
  get digest(): string {
    return hex(this.#a) + hex(this.#b)
  }

  addTime(ms: number): void {
    this.#bits.setFloat64(0, ms)
    this.#mix(this.#bits.getUint32(0))
    this.#mix(this.#bits.getUint32(4))
  }

  addText(text: string): void {
    this.#onLine?.(text)
    this.#events += 1
    for (let at = 0; at < text.length; at += 1) this.#mix(text.charCodeAt(at))
  }

  /** @param what  for whoever compares two traces */
  addBytes(what: string, bytes: Uint8Array): void {
    const sum = crc32c(bytes)
    this.#onLine?.(`${what} ${bytes.length} bytes ${hex(sum)}`)
    this.#events += 1
    this.#mix(bytes.length)
    this.#mix(sum)
  }

  #mix(value: number): void {
    this.#a = Math.imul(this.#a ^ value, PRIME_A)
    this.#b = Math.imul(this.#b ^ ((value << 13) | (value >>> 19)), PRIME_B) + 0x27d4eb2f
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0')
}
