/**
 * A listening server: accepts connections within the limits, sweeps out idle ones, and stops gracefully.
 *
 * Owns which connections there are; each of them owns its own traffic (connection.ts). What frames mean is left to the
 * shell. Publishes CONNECTION_OPENED_CHANNEL and CONNECTION_CLOSED_CHANNEL.
 */
import type { Clock, EventSink, Listener, Logger, Network, Socket, Timer } from '../base/runtime.ts'
import { Connection } from './connection.ts'
import type { Ending } from './connection.ts'
import { ServerBudgets } from './limits.ts'
import type { NetLimits } from './limits.ts'

/** { connectionId, remoteAddress, remotePort } @public */
export const CONNECTION_OPENED_CHANNEL = 'semel:net:connection-opened'
/** { connectionId?, remoteAddress, remotePort, reason }; no id for one that was refused. @public */
export const CONNECTION_CLOSED_CHANNEL = 'semel:net:connection-closed'

export interface ServeOptions {
  readonly network: Network
  readonly clock: Clock
  readonly logger: Logger
  readonly events: EventSink
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** Read at each connection, so that the number of them may be changed while the server runs. */
  readonly limits: () => NetLimits
  /** One request; see `Connection.reply`. */
  readonly onFrame: (connection: Connection, frame: Uint8Array, sequence: number) => void
  /** The connection is gone, with whatever it was owed. */
  readonly onClose: (connection: Connection) => void
}

/** Deadlines are looked at this often, or twice as often as the shortest of them, whichever is sooner. */
const SWEEP_INTERVAL_MAX_MS = 1000

export class Server {
  readonly #options: ServeOptions
  readonly #connections = new Set<Connection>()
  readonly #countByAddress = new Map<string, number>()
  readonly #budgets: ServerBudgets
  #listener: Listener | undefined
  #sweep: Timer | undefined
  #nextConnectionId = 1
  #closing: Promise<void> | undefined
  #onEmpty: (() => void) | undefined

  constructor(options: ServeOptions) {
    this.#options = options
    this.#budgets = new ServerBudgets(options.limits().maxTotalBytes)
  }

  /** Address that is listened on. */
  get host(): string {
    return this.#listener?.host ?? this.#options.host
  }

  get port(): number {
    return this.#listener?.port ?? this.#options.port
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Rejects with Node's error: EADDRINUSE, EACCES, EADDRNOTAVAIL … */
  async listen(): Promise<void> {
    const { network, host, port } = this.#options
    this.#listener = await network.listen({ host, port }, (socket) => this.#accept(socket))
    this.#scheduleSweep()
  }

  /** While overloaded, no connection is read from: what is behind the requests (the journal) cannot keep up. */
  setOverloaded(isOverloaded: boolean): void {
    this.#budgets.inFlight.setShut(isOverloaded)
  }

  /** Stops accepting, lets requests in progress finish for up to `graceMs`, then closes what is left. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    this.#sweep?.cancel()
    await this.#listener?.close()
    const reason = 'the broker is stopping'
    for (const connection of [...this.#connections]) connection.drain(reason)
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        // Sockets that are not read any more keep no process alive, and the stop has to be finished.
        const timer = this.#options.clock.setTimer(graceMs, resolve, { keepsProcessAlive: true })
        this.#onEmpty = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    for (const connection of [...this.#connections]) connection.abandon(reason)
  }

  #accept(socket: Socket): void {
    const { clock, events, onFrame } = this.#options
    const limits = this.#options.limits()
    const { remoteAddress, remotePort } = socket
    const refusal = this.#refusal(remoteAddress, limits)
    if (refusal !== undefined) {
      // A socket without handlers still tells of its end.
      socket.destroy()
      this.#options.logger.debug('refused a connection', { remoteAddress, remotePort, reason: refusal })
      this.#publishClosed({ remoteAddress, remotePort, reason: refusal })
      return
    }
    const id = this.#nextConnectionId
    this.#nextConnectionId += 1
    const connection = new Connection({
      id,
      socket,
      limits,
      budgets: this.#budgets,
      clock,
      handlers: { onFrame, onClose: (closed, ending) => this.#onClosed(closed, ending) },
    })
    this.#connections.add(connection)
    this.#countByAddress.set(remoteAddress, (this.#countByAddress.get(remoteAddress) ?? 0) + 1)
    if (events.hasSubscribers(CONNECTION_OPENED_CHANNEL)) {
      events.publish(CONNECTION_OPENED_CHANNEL, { connectionId: id, remoteAddress, remotePort })
    }
  }

  #refusal(remoteAddress: string, limits: NetLimits): string | undefined {
    if (this.#closing !== undefined) return 'the broker is stopping'
    if (this.#connections.size >= limits.maxConnections) {
      return `there are ${this.#connections.size} connections already (max.connections)`
    }
    const count = this.#countByAddress.get(remoteAddress) ?? 0
    if (count >= limits.maxConnectionsPerAddress) {
      return `there are ${count} connections from ${remoteAddress} already (max.connections.per.ip)`
    }
    return undefined
  }

  #onClosed(connection: Connection, { reason, isMisuse }: Ending): void {
    this.#connections.delete(connection)
    const { id: connectionId, remoteAddress, remotePort } = connection
    const count = (this.#countByAddress.get(remoteAddress) ?? 1) - 1
    if (count === 0) this.#countByAddress.delete(remoteAddress)
    else this.#countByAddress.set(remoteAddress, count)
    if (isMisuse) this.#options.logger.warn('closed a connection', { connectionId, remoteAddress, remotePort, reason })
    this.#publishClosed({ connectionId, remoteAddress, remotePort, reason })
    this.#options.onClose(connection)
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  #publishClosed(event: { connectionId?: number; remoteAddress: string; remotePort: number; reason: string }): void {
    if (this.#options.events.hasSubscribers(CONNECTION_CLOSED_CHANNEL)) {
      this.#options.events.publish(CONNECTION_CLOSED_CHANNEL, event)
    }
  }

  #scheduleSweep(): void {
    if (this.#closing !== undefined) return
    const { idleTimeoutMs, receiveTimeoutMs } = this.#options.limits()
    const shortestMs = Math.min(idleTimeoutMs ?? receiveTimeoutMs, receiveTimeoutMs)
    const intervalMs = Math.max(1, Math.min(SWEEP_INTERVAL_MAX_MS, Math.floor(shortestMs / 2)))
    this.#sweep = this.#options.clock.setTimer(intervalMs, () => {
      const nowMs = this.#options.clock.monotonicMs()
      for (const connection of [...this.#connections]) connection.checkDeadlines(nowMs)
      this.#scheduleSweep()
    })
  }
}

/** Listens and serves until `close`. */
export async function serve(options: ServeOptions): Promise<Server> {
  const server = new Server(options)
  await server.listen()
  return server
}
