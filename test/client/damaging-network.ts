/** A network that damages some of what arrives, as a broken or hostile broker would: to see what a client makes of it. */
import type { Listener, ListenOptions, Network, Socket } from '../../src/base/runtime.ts'
import type { SimRandom } from '../../src/testing/sim-random.ts'

export class DamagingNetwork implements Network {
  readonly #network: Network
  readonly #random: SimRandom
  /** One of so many pieces that arrive is damaged; 0: none. */
  oneOf = 0
  damaged = 0

  constructor(network: Network, random: SimRandom) {
    this.#network = network
    this.#random = random
  }

  listen(options: ListenOptions, onConnection: (socket: Socket) => void): Promise<Listener> {
    return this.#network.listen(options, onConnection)
  }

  async connect({ host, port }: { host: string; port: number }): Promise<Socket> {
    const socket = await this.#network.connect({ host, port })
    let hand: (chunk: Uint8Array) => void = () => {}
    socket.onData = (chunk) => hand(this.#damage(chunk))
    Object.defineProperty(socket, 'onData', {
      set: (handler: (chunk: Uint8Array) => void) => {
        hand = handler
      },
      get: () => (chunk: Uint8Array) => hand(this.#damage(chunk)),
    })
    return socket
  }

  #damage(chunk: Uint8Array): Uint8Array {
    if (this.oneOf === 0 || chunk.length === 0 || this.#below(this.oneOf) > 0) return chunk
    this.damaged += 1
    const at = this.#below(chunk.length)
    const bytes = Uint8Array.from(chunk)
    const end = Math.min(bytes.length, at + 1 + this.#below(8))
    switch (this.#below(5)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#below(8))
        return bytes
      case 1:
        return bytes.fill(0xff, at, end)
      case 2:
        return bytes.fill(0, at, end)
      case 3:
        for (let index = at; index < end; index += 1) bytes[index] = this.#below(256)
        return bytes
      default:
        // Bytes go missing: every frame that follows begins in the wrong place.
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)])
    }
  }

  #below(limit: number): number {
    return this.#random.nextUint32() % limit
  }
}
