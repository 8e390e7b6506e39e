/**
 * One end of a connection in memory. Owns what is under way to it and what has arrived and was not taken; the network says how
 * long things take and what is held back or lost (sim-network.ts).
 */
import type { Clock, ReceiveRoom, Socket } from '../base/runtime.ts'
import type { Direction, Host } from './sim-network.ts'

/** What the two operating systems hold between sender and receiver before the sender's own queue grows. */
const IN_TRANSIT_BYTES_MAX = 64 * 1024
const HIGH_WATER_BYTES = 64 * 1024

/** A connection as its two ends see it. */
export interface Link {
  readonly toServer: Direction
  readonly toClient: Direction
  readonly network: LinkRules
  /** One end has closed. */
  closed(): void
}

export interface LinkRules {
  isHeld(direction: Direction): boolean
  isLost(direction: Direction): boolean
  latencyMs(direction: Direction): number
  clock(): Clock
  pieces(bytes: Uint8Array): readonly Uint8Array[]
  /** Whether what is under way is lost when an end goes without closing. */
  losesHalf(): boolean
  onWrite(direction: Direction, bytes: Uint8Array): void
  onArrival(direction: Direction, bytes: Uint8Array): void
}

type Arrival =
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'reset' }

export class SimSocket implements Socket {
  readonly host: Host
  readonly remoteAddress: string
  readonly remotePort: number
  onData: (chunk: Uint8Array) => void = () => {}
  onEnd: () => void = () => {}
  onClose: (error: Error | undefined) => void = () => {}
  onDrain: () => void = () => {}
  isClosed = false

  #link!: Link
  #peer!: SimSocket
  #outgoing!: Direction
  #incoming!: Direction
  /** On the way to this end, oldest first. */
  #transit: Arrival[] = []
  /** Here, and not taken, for want of `resume` or because the network holds it back. */
  #inbox: Arrival[] = []
  #isPaused = false
  #hasLost = false
  /** Written here, and not yet taken by the peer. */
  #unackedBytes = 0
  #needsDrain = false
  #hasEnded = false
  #peerHasEnded = false
  #lastArrivalMs = 0

  readonly #into: ReceiveRoom | undefined

  constructor(host: Host, address: string, port: number, into?: ReceiveRoom) {
    this.#into = into
    this.host = host
    this.remoteAddress = address
    this.remotePort = port
  }

  attach(link: Link, peer: SimSocket, outgoing: Direction, incoming: Direction): void {
    this.#link = link
    this.#peer = peer
    this.#outgoing = outgoing
    this.#incoming = incoming
  }

  get bufferedBytes(): number {
    return Math.max(0, this.#unackedBytes - IN_TRANSIT_BYTES_MAX)
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.isClosed || this.#hasEnded) return false
    // A copy, as a network makes one: what the writer does to its memory later must not be seen.
    const bytes = Buffer.concat(chunks)
    this.#link.network.onWrite(this.#outgoing, bytes)
    this.#unackedBytes += bytes.length
    for (const piece of this.#link.network.pieces(bytes)) this.#send({ kind: 'data', bytes: piece })
    this.#needsDrain = this.bufferedBytes >= HIGH_WATER_BYTES
    return !this.#needsDrain
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#soon(() => this.flow())
  }

  end(): void {
    if (this.isClosed || this.#hasEnded) return
    this.#hasEnded = true
    this.#send({ kind: 'end' })
    this.#closeWhenBothEnded()
  }

  destroy(): void {
    if (this.isClosed) return
    this.#leave('gone')
    this.#close(undefined)
  }

  /** The process of this end was killed: the peer is told by the system, nobody is told here. */
  abandon(): void {
    if (this.isClosed) return
    this.#leave('reset')
    this.isClosed = true
    this.#link.closed()
  }

  /** The connection ends here and now with an error, whatever was under way. */
  break(error: Error): void {
    this.#transit = []
    this.#inbox = []
    this.#close(error)
  }

  /** Hands over what has arrived, as long as somebody takes it. */
  flow(): void {
    this.host.deliver(() => {
      const { network } = this.#link
      while (!this.#isPaused && !this.isClosed && this.#inbox.length > 0 && !network.isHeld(this.#incoming)) {
        this.#take(this.#inbox.shift() as Arrival)
      }
    })
  }

  #take(arrival: Arrival): void {
    if (arrival.kind === 'data') {
      this.#peer.#acknowledge(arrival.bytes.length)
      this.#link.network.onArrival(this.#incoming, arrival.bytes)
      this.#receive(arrival.bytes)
    } else if (arrival.kind === 'end') {
      this.#peerHasEnded = true
      this.onEnd()
      this.#closeWhenBothEnded()
    } else if (arrival.kind === 'reset') {
      this.#close(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    } else {
      if (!this.#peerHasEnded && !this.#hasEnded) this.onEnd()
      this.#close(undefined)
    }
  }

  #receive(bytes: Uint8Array): void {
    if (this.#into === undefined) {
      this.onData(bytes)
      return
    }
    for (let from = 0; from < bytes.length && !this.isClosed; ) {
      if (this.#isPaused) {
        const rest = bytes.subarray(from)
        this.#inbox.unshift({ kind: 'data', bytes: rest })
        this.#peer.#acknowledge(-rest.length)
        return
      }
      const room = this.#into.room()
      const part = bytes.subarray(from, from + room.length)
      room.set(part)
      from += part.length
      this.onData(room.subarray(0, part.length))
    }
  }

  /** The next of what is on the way is here. */
  #landed(): void {
    const arrival = this.#transit.shift()
    if (arrival === undefined || this.isClosed) return
    // A hole in the stream: what comes behind it is of no use.
    if (this.#hasLost || this.#link.network.isLost(this.#incoming)) {
      this.#hasLost = true
      return
    }
    this.#inbox.push(arrival)
    this.flow()
  }

  #acknowledge(byteCount: number): void {
    this.#unackedBytes -= byteCount
    if (this.#needsDrain && this.bufferedBytes < HIGH_WATER_BYTES && !this.isClosed) {
      this.#needsDrain = false
      this.#soon(() => {
        if (!this.isClosed) this.onDrain()
      })
    }
  }

  /** Goes without closing: some of what was written may have left already. */
  #leave(how: 'gone' | 'reset'): void {
    this.#hasEnded = true
    if (this.#link.network.losesHalf()) this.#peer.#transit = []
    this.#send({ kind: how })
  }

  #send(arrival: Arrival): void {
    const { network } = this.#link
    const clock = network.clock()
    const now = clock.monotonicMs()
    // Bytes never overtake one another.
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, now + network.latencyMs(this.#outgoing))
    const peer = this.#peer
    peer.#transit.push(arrival)
    clock.setTimer(this.#lastArrivalMs - now, () => peer.#landed())
  }

  #closeWhenBothEnded(): void {
    if (this.#hasEnded && this.#peerHasEnded) this.#close(undefined)
  }

  #close(error: Error | undefined): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#link.closed()
    this.#soon(() => this.onClose(error))
  }

  #soon(action: () => void): void {
    this.#link.network.clock().setTimer(0, () => this.host.deliver(action))
  }
}
