/**
 * A network in memory: connections whose bytes arrive in order, after a latency, in pieces of any size.
 *
 * Owns listeners, connections and what is wrong with the network; the clock decides when things happen, the seed how long they
 * take and where the bytes are split. Each process has its own end of it (`of`), so that a process that is paused takes nothing
 * and one that is killed leaves its peers with broken connections. The network itself is the end of whoever has no process.
 *
 * What can be wrong (`disturb`): nothing arrives for a while in one direction or both, and then all of it does; what was sent is
 * lost from some moment on, so that one side waits for ever; everything takes longer. `cut` resets connections.
 */

import type { Clock, Listener, ListenOptions, Network, ReceiveRoom, Socket } from '../base/runtime.ts'
import type { SimRandom } from './sim-random.ts'
import { type Link, SimSocket } from './sim-socket.ts'

const FIRST_FREE_PORT = 40_000
const NO_PROCESS = 'world'
/** Between two attempts to get a connection's first packets through. */
const RETRY_MS = 20

export interface SimNetworkOptions {
  readonly clock: Clock
  readonly random: SimRandom
  /** One way; any fraction between. */
  readonly latencyMs?: { readonly min: number; readonly max: number }
  /** Delivers what was written in one piece as several, cut anywhere. */
  readonly splits?: boolean
  /** Told of what is written, in one piece. */
  readonly onWrite?: (direction: Direction, bytes: Uint8Array) => void
  /** Told of all bytes that arrive. */
  readonly onArrival?: (from: string, to: string, bytes: Uint8Array) => void
}

/** What a network has to know of a process. */
export interface Host {
  readonly name: string
  readonly isDead: boolean
  deliver(action: () => void): void
  onDeath(listener: () => void): void
}

/** One direction of a connection: from the host that sends to the one that receives. `port`: where the server listens. */
export interface Direction {
  readonly from: string
  readonly to: string
  readonly port: number
  /** Counts connections. */
  readonly connection: number
}

/**
 * - `hold`: nothing arrives until the disturbance ends, then everything does, also what somebody who has given up has sent.
 * - `lose`: what arrives meanwhile is lost, and with it all that follows on that connection.
 * - `slow`: `latencyMs` more, one way.
 */
export type Disturbance = { readonly touches: (direction: Direction) => boolean } & (
  | { readonly kind: 'hold' | 'lose' }
  | { readonly kind: 'slow'; readonly latencyMs: number }
)

interface ListenEntry {
  readonly host: Host
  readonly onConnection: (socket: Socket) => void
}

type ConnectOptions = Parameters<Network['connect']>[0]

interface ConnectCall {
  readonly resolve: (socket: Socket) => void
  readonly reject: (error: Error) => void
  readonly signal: AbortSignal | undefined
  readonly into: ReceiveRoom | undefined
}

interface Connection extends Link {
  readonly client: SimSocket
  readonly server: SimSocket
}

export class SimNetwork implements Network {
  readonly #options: SimNetworkOptions
  readonly #listeners = new Map<number, ListenEntry>()
  readonly #connections = new Set<Connection>()
  readonly #disturbances = new Set<Disturbance>()
  readonly #silent = new Set<string>()
  readonly #world: Network
  #nextPort = FIRST_FREE_PORT
  #connectionsMade = 0
  #releaseAll: (() => void) | undefined

  constructor(options: SimNetworkOptions) {
    this.#options = options
    this.#world = this.of({ name: NO_PROCESS, isDead: false, deliver: (action) => action(), onDeath: () => {} })
  }

  get openConnections(): number {
    return this.#connections.size
  }

  listen(options: ListenOptions, onConnection: (socket: Socket) => void): Promise<Listener> {
    return this.#world.listen(options, onConnection)
  }

  connect(options: ConnectOptions): Promise<Socket> {
    return this.#world.connect(options)
  }

  /** The network as a process sees it. */
  of(host: Host): Network {
    host.onDeath(() => this.#onDeath(host))
    return {
      listen: (options, onConnection) => this.#listen(host, options, onConnection),
      connect: (options) => this.#connect(host, options),
    }
  }

  /** Resets all connections, or those `isCut` says; what was under way is lost. */
  cut(isCut: (direction: Direction) => boolean = () => true): number {
    let count = 0
    for (const connection of [...this.#connections]) {
      if (!isCut(connection.toServer)) continue
      connection.client.break(reset())
      connection.server.break(reset())
      count += 1
    }
    return count
  }

  /** @returns ends it */
  disturb(disturbance: Disturbance): () => void {
    this.#disturbances.add(disturbance)
    return () => {
      if (this.#disturbances.delete(disturbance)) this.#flowAll()
    }
  }

  /** From here on nothing arrives anywhere, until `release`. */
  hold(): void {
    this.#releaseAll ??= this.disturb({ kind: 'hold', touches: () => true })
  }

  release(): void {
    this.#releaseAll?.()
    this.#releaseAll = undefined
  }

  /** The host's machine is off the network, without a word to anybody, until `restore`: then old connections are reset. */
  silence(hostName: string): void {
    this.#silent.add(hostName)
  }

  restore(hostName: string): void {
    if (!this.#silent.delete(hostName)) return
    for (const { client, server, toServer } of [...this.#connections]) {
      if (toServer.from !== hostName && toServer.to !== hostName) continue
      client.break(reset())
      server.break(reset())
    }
  }

  /** Directions of all open connections, towards their servers, oldest first. */
  get directions(): readonly Direction[] {
    return [...this.#connections].map(({ toServer }) => toServer)
  }

  async #listen(host: Host, { host: address, port }: ListenOptions, onConnection: (socket: Socket) => void) {
    const actual = port === 0 ? this.#takePort() : port
    if (this.#listeners.has(actual)) throw networkError('EADDRINUSE', `address in use ${address}:${actual}`)
    const entry = { host, onConnection }
    this.#listeners.set(actual, entry)
    return {
      host: address,
      port: actual,
      close: async () => {
        if (this.#listeners.get(actual) === entry) this.#listeners.delete(actual)
      },
    }
  }

  #connect(host: Host, { host: address, port, signal, into }: ConnectOptions): Promise<Socket> {
    return new Promise((resolve, reject) => {
      if (host.isDead) return
      const connection = this.#connectionsMade
      this.#connectionsMade += 1
      let isGivenUp = false
      signal?.addEventListener('abort', () => {
        isGivenUp = true
        reject(networkError('ABORT_ERR', 'The operation was aborted'))
      })
      const attempt = (): void => {
        const listener = this.#listeners.get(port)
        const direction: Direction = { from: host.name, to: listener?.host.name ?? address, port, connection }
        if (isGivenUp || host.isDead || this.#loses(direction)) return
        // The first packet is sent again and again.
        if (this.#holds(direction)) this.#after(direction, attempt)
        else if (listener === undefined) {
          this.#after(direction, () =>
            host.deliver(() => reject(networkError('ECONNREFUSED', `connection refused ${address}:${port}`))),
          )
        } else
          listener.host.deliver(() =>
            this.#accept(host, address, listener, direction, { resolve, reject, signal, into }),
          )
      }
      this.#after({ from: host.name, to: address, port, connection }, attempt)
    })
  }

  #accept(
    host: Host,
    address: string,
    listener: ListenEntry,
    toServer: Direction,
    { resolve, reject, signal, into }: ConnectCall,
  ): void {
    const toClient: Direction = { ...toServer, from: toServer.to, to: toServer.from }
    const client = new SimSocket(host, address, toServer.port, into)
    const server = new SimSocket(listener.host, address, this.#takePort())
    const closed = (): void => {
      if (client.isClosed && server.isClosed) this.#connections.delete(connection)
    }
    const connection: Connection = { client, server, toServer, toClient, closed, network: this.#rules }
    client.attach(connection, server, toServer, toClient)
    server.attach(connection, client, toClient, toServer)
    this.#connections.add(connection)
    listener.onConnection(server)
    const answer = (): void => {
      if (signal?.aborted === true || host.isDead) client.destroy()
      else if (this.#holds(toClient)) this.#after(toClient, answer)
      else if (!this.#loses(toClient)) host.deliver(() => (client.isClosed ? reject(reset()) : resolve(client)))
    }
    this.#after(toClient, answer)
  }

  /** A process that is killed says nothing any more; its kernel tells the peers, unless the machine is gone too. */
  #onDeath(host: Host): void {
    for (const [port, entry] of this.#listeners) if (entry.host === host) this.#listeners.delete(port)
    for (const { client, server } of [...this.#connections]) {
      if (client.host === host) client.abandon()
      if (server.host === host) server.abandon()
    }
  }

  readonly #rules = {
    isHeld: (direction: Direction): boolean => this.#holds(direction),
    isLost: (direction: Direction): boolean => this.#loses(direction),
    latencyMs: (direction: Direction): number => this.#latencyMs(direction),
    clock: (): Clock => this.#options.clock,
    pieces: (bytes: Uint8Array): readonly Uint8Array[] => this.#pieces(bytes),
    losesHalf: (): boolean => this.#options.random.chance(0.5),
    onWrite: (direction: Direction, bytes: Uint8Array): void => this.#options.onWrite?.(direction, bytes),
    onArrival: (direction: Direction, bytes: Uint8Array): void =>
      this.#options.onArrival?.(direction.from, direction.to, bytes),
  }

  #holds(direction: Direction): boolean {
    for (const one of this.#disturbances) if (one.kind === 'hold' && one.touches(direction)) return true
    return false
  }

  #loses(direction: Direction): boolean {
    if (this.#silent.has(direction.from) || this.#silent.has(direction.to)) return true
    for (const one of this.#disturbances) if (one.kind === 'lose' && one.touches(direction)) return true
    return false
  }

  #latencyMs(direction: Direction): number {
    const { latencyMs: range, random } = this.#options
    let latencyMs = range === undefined ? 0 : range.min + (random.nextUint32() / 2 ** 32) * (range.max - range.min)
    for (const one of this.#disturbances) if (one.kind === 'slow' && one.touches(direction)) latencyMs += one.latencyMs
    return latencyMs
  }

  #pieces(bytes: Uint8Array): readonly Uint8Array[] {
    const { splits = false, random } = this.#options
    if (!splits || bytes.length < 2) return bytes.length === 0 ? [] : [bytes]
    const at = 1 + random.below(bytes.length - 1)
    return random.chance(0.5) ? [bytes] : [bytes.subarray(0, at), bytes.subarray(at)]
  }

  #flowAll(): void {
    for (const { client, server } of [...this.#connections]) {
      client.flow()
      server.flow()
    }
  }

  #after(direction: Direction, action: () => void): void {
    const leastMs = this.#holds(direction) ? RETRY_MS : 0
    this.#options.clock.setTimer(Math.max(this.#latencyMs(direction), leastMs), action)
  }

  #takePort(): number {
    while (this.#listeners.has(this.#nextPort)) this.#nextPort += 1
    this.#nextPort += 1
    return this.#nextPort - 1
  }
}

function networkError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

function reset(): Error {
  return networkError('ECONNRESET', 'read ECONNRESET')
}
