/**
 * A network in memory: connections whose bytes arrive in order, after a latency, in pieces of any size.
 *
 * Owns listeners and connections; the clock decides when things happen, the seed how long they take and where the bytes are
 * split. Can cut connections and hold everything back, as a broken or partitioned network does.
 */

import type { Clock, Listener, ListenOptions, Network, Socket } from '../base/runtime.ts'
import type { SimRandom } from './sim-random.ts'

/** What the two operating systems hold between sender and receiver before the sender's own queue grows. */
const IN_TRANSIT_BYTES_MAX = 64 * 1024
const HIGH_WATER_BYTES = 64 * 1024
const FIRST_FREE_PORT = 40_000

export interface SimNetworkOptions {
  readonly clock: Clock
  readonly random: SimRandom
  /** One way. */
  readonly latencyMs?: { readonly min: number; readonly max: number }
  /** Delivers what was written in one piece as several, cut anywhere. */
  readonly splits?: boolean
}

export class SimNetwork implements Network {
  readonly #options: SimNetworkOptions
  readonly #listeners = new Map<number, { host: string; onConnection: (socket: Socket) => void }>()
  readonly #connections = new Set<Connection>()
  #nextPort = FIRST_FREE_PORT
  #isHeld = false

  constructor(options: SimNetworkOptions) {
    this.#options = options
  }

  get openConnections(): number {
    return this.#connections.size
  }

  async listen({ host, port }: ListenOptions, onConnection: (socket: Socket) => void): Promise<Listener> {
    const actual = port === 0 ? this.#takePort() : port
    if (this.#listeners.has(actual)) throw networkError('EADDRINUSE', `address in use ${host}:${actual}`)
    const entry = { host, onConnection }
    this.#listeners.set(actual, entry)
    return {
      host,
      port: actual,
      close: async () => {
        if (this.#listeners.get(actual) === entry) this.#listeners.delete(actual)
      },
    }
  }

  connect({ host, port }: { host: string; port: number }): Promise<Socket> {
    return new Promise((resolve, reject) => {
      this.#after(() => {
        const listener = this.#listeners.get(port)
        if (listener === undefined) {
          reject(networkError('ECONNREFUSED', `connection refused ${host}:${port}`))
          return
        }
        const connection = new Connection(this.#options, host, port, this.#takePort(), () => this.#isHeld)
        this.#connections.add(connection)
        connection.onGone = () => this.#connections.delete(connection)
        listener.onConnection(connection.server)
        resolve(connection.client)
      })
    })
  }

  /** Resets all connections, or those `isCut` says; what was under way is lost. */
  cut(isCut: (connection: { readonly port: number }) => boolean = () => true): void {
    for (const connection of [...this.#connections]) if (isCut(connection)) connection.reset()
  }

  /** From here on nothing arrives anywhere, until `release`. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    for (const connection of [...this.#connections]) connection.flow()
  }

  #takePort(): number {
    while (this.#listeners.has(this.#nextPort)) this.#nextPort += 1
    this.#nextPort += 1
    return this.#nextPort - 1
  }

  #after(action: () => void): void {
    this.#options.clock.setTimer(latencyOf(this.#options), action)
  }
}

class Connection {
  readonly client: SimSocket
  readonly server: SimSocket
  readonly port: number
  onGone: () => void = () => {}

  constructor(options: SimNetworkOptions, host: string, port: number, clientPort: number, isHeld: () => boolean) {
    this.port = port
    this.client = new SimSocket(options, host, port, isHeld, () => this.#closed())
    this.server = new SimSocket(options, host, clientPort, isHeld, () => this.#closed())
    this.client.peer = this.server
    this.server.peer = this.client
  }

  reset(): void {
    const error = networkError('ECONNRESET', 'read ECONNRESET')
    this.client.break(error)
    this.server.break(error)
  }

  flow(): void {
    this.client.flow()
    this.server.flow()
  }

  #closed(): void {
    if (this.client.isClosed && this.server.isClosed) this.onGone()
  }
}

type Arrival =
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'gone' }

class SimSocket implements Socket {
  readonly remoteAddress: string
  readonly remotePort: number
  onData: (chunk: Uint8Array) => void = () => {}
  onEnd: () => void = () => {}
  onClose: (error: Error | undefined) => void = () => {}
  onDrain: () => void = () => {}
  peer: SimSocket | undefined
  isClosed = false

  readonly #options: SimNetworkOptions
  readonly #isHeld: () => boolean
  readonly #onClosed: () => void
  /** What has arrived and was not taken, for want of `resume`. */
  #inbox: Arrival[] = []
  #isPaused = false
  /** Written here, and not yet taken by the peer. */
  #unackedBytes = 0
  #needsDrain = false
  #hasEnded = false
  #peerHasEnded = false
  #lastArrivalMs = 0
  /** Raised when what is under way is to be lost. */
  #generation = 0

  constructor(options: SimNetworkOptions, address: string, port: number, isHeld: () => boolean, onClosed: () => void) {
    this.#options = options
    this.remoteAddress = address
    this.remotePort = port
    this.#isHeld = isHeld
    this.#onClosed = onClosed
  }

  get bufferedBytes(): number {
    return Math.max(0, this.#unackedBytes - IN_TRANSIT_BYTES_MAX)
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.isClosed || this.#hasEnded) return false
    // A copy, as a network makes one: what the writer does to its memory later must not be seen.
    const bytes = Buffer.concat(chunks)
    this.#unackedBytes += bytes.length
    for (const piece of this.#pieces(bytes)) this.#send({ kind: 'data', bytes: piece })
    this.#needsDrain = this.bufferedBytes >= HIGH_WATER_BYTES
    return !this.#needsDrain
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#options.clock.setTimer(0, () => this.flow())
  }

  end(): void {
    if (this.isClosed || this.#hasEnded) return
    this.#hasEnded = true
    this.#send({ kind: 'end' })
    this.#closeWhenBothEnded()
  }

  destroy(): void {
    if (this.isClosed) return
    this.#hasEnded = true
    // Some of what was written may have left already.
    if (this.#options.random.chance(0.5)) this.#generation += 1
    this.#send({ kind: 'gone' })
    this.#close(undefined)
  }

  /** The connection ends here and now with an error, whatever was under way. */
  break(error: Error): void {
    this.#generation += 1
    this.#inbox = []
    this.#close(error)
  }

  /** Hands over what has arrived, as long as somebody takes it. */
  flow(): void {
    while (!this.#isPaused && !this.isClosed && !this.#isHeld()) {
      const arrival = this.#inbox.shift()
      if (arrival === undefined) return
      if (arrival.kind === 'data') {
        this.peer?.acknowledge(arrival.bytes.length)
        this.onData(arrival.bytes)
      } else if (arrival.kind === 'end') {
        this.#peerHasEnded = true
        this.onEnd()
        this.#closeWhenBothEnded()
      } else {
        if (!this.#peerHasEnded && !this.#hasEnded) this.onEnd()
        this.#close(undefined)
      }
    }
  }

  arrive(arrival: Arrival): void {
    if (this.isClosed) return
    this.#inbox.push(arrival)
    this.flow()
  }

  acknowledge(byteCount: number): void {
    this.#unackedBytes -= byteCount
    if (this.#needsDrain && this.bufferedBytes < HIGH_WATER_BYTES && !this.isClosed) {
      this.#needsDrain = false
      this.#options.clock.setTimer(0, () => {
        if (!this.isClosed) this.onDrain()
      })
    }
  }

  #send(arrival: Arrival): void {
    const { clock } = this.#options
    const now = clock.monotonicMs()
    // Bytes never overtake one another.
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, now + latencyOf(this.#options))
    const generation = this.#generation
    clock.setTimer(this.#lastArrivalMs - now, () => {
      if (generation === this.#generation) this.peer?.arrive(arrival)
    })
  }

  #pieces(bytes: Uint8Array): Uint8Array[] {
    const { splits = false, random } = this.#options
    if (!splits || bytes.length < 2) return bytes.length === 0 ? [] : [bytes]
    const at = 1 + random.below(bytes.length - 1)
    return random.chance(0.5) ? [bytes] : [bytes.subarray(0, at), bytes.subarray(at)]
  }

  #closeWhenBothEnded(): void {
    if (this.#hasEnded && this.#peerHasEnded) this.#close(undefined)
  }

  #close(error: Error | undefined): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#options.clock.setTimer(0, () => {
      this.onClose(error)
      this.#onClosed()
    })
  }
}

function latencyOf({ latencyMs, random }: SimNetworkOptions): number {
  if (latencyMs === undefined) return 0
  return latencyMs.min + random.below(latencyMs.max - latencyMs.min + 1)
}

function networkError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
