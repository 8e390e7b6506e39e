/**
 * A process that is none: its own clock, network and history within the process of everybody. It can be killed, paused and
 * cut off.
 *
 * When it is killed its sockets are destroyed, its timers never fire again, and nothing of it is heard any more; what it waits for
 * never comes. While it is paused nothing reaches it; its sockets stay open and what falls due waits.
 */
import type { Clock, Listener, Network, Runtime, Socket, Timer } from '../../base/runtime.ts'
import type { HistorySink, Row, TableName } from '../history/tables.ts'

type State = 'running' | 'paused' | 'killed'

export class LocalProcess {
  readonly runtime: Runtime
  readonly history: HistorySink
  readonly #sockets = new Set<Socket>()
  /** What would have reached it while it was paused. */
  #held: (() => void)[] = []
  #state: State = 'running'

  constructor(world: Runtime, history: HistorySink, random: Runtime['random']) {
    this.runtime = { ...world, random, clock: this.#clock(world.clock), network: this.#network(world.network) }
    this.history = {
      record: <T extends TableName>(table: T, row: Row<T>): void => {
        if (this.#state !== 'killed') history.record(table, row)
      },
      flush: () => {
        if (this.#state !== 'killed') history.flush()
      },
    }
  }

  get state(): State {
    return this.#state
  }

  kill(): void {
    this.#state = 'killed'
    this.#held = []
    for (const socket of Array.from(this.#sockets)) socket.destroy()
    this.#sockets.clear()
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    const held = this.#held
    this.#held = []
    for (const deliver of held) deliver()
  }

  /** Its connections break; it may make new ones. */
  cut(): void {
    for (const socket of Array.from(this.#sockets)) socket.destroy()
  }

  /** Calls now, after the pause, or never. */
  #deliver(call: () => void): void {
    if (this.#state === 'running') call()
    else if (this.#state === 'paused') this.#held.push(call)
  }

  #clock(clock: Clock): Clock {
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback, options): Timer => {
        let isCancelled = false
        const fire = (): void => {
          if (!isCancelled) callback()
        }
        const timer = clock.setTimer(delayMs, () => this.#deliver(fire), options)
        return {
          cancel: () => {
            isCancelled = true
            timer.cancel()
          },
        }
      },
    }
  }

  #network(network: Network): Network {
    return {
      listen: (): Promise<Listener> => Promise.reject(new Error('a process of a run does not listen')),
      // Without room to put things into: what arrives during a pause is kept, and such room is used again.
      connect: ({ host, port, signal }) =>
        new Promise((resolve, reject) => {
          if (this.#state === 'killed') return
          network.connect({ host, port, ...(signal === undefined ? {} : { signal }) }).then(
            (socket) => this.#connected(socket, resolve),
            (error: unknown) => this.#deliver(() => reject(error)),
          )
        }),
    }
  }

  #connected(socket: Socket, resolve: (socket: Socket) => void): void {
    if (this.#state === 'killed') {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    const process = {
      deliver: (call: () => void) => this.#deliver(call),
      isKilled: () => this.#state === 'killed',
    }
    const local = new LocalSocket(socket, process, () => this.#sockets.delete(socket))
    this.#deliver(() => resolve(local))
  }
}

interface SocketOwner {
  deliver(call: () => void): void
  isKilled(): boolean
}

/** A socket whose events reach its owner in order, or wait for it. */
class LocalSocket implements Socket {
  onData: (chunk: Uint8Array) => void = () => {}
  onEnd: () => void = () => {}
  onClose: (error: Error | undefined) => void = () => {}
  onDrain: () => void = () => {}
  readonly #socket: Socket
  readonly #owner: SocketOwner

  constructor(socket: Socket, owner: SocketOwner, onGone: () => void) {
    this.#socket = socket
    this.#owner = owner
    socket.onData = (chunk) => owner.deliver(() => this.onData(chunk))
    socket.onEnd = () => owner.deliver(() => this.onEnd())
    socket.onDrain = () => owner.deliver(() => this.onDrain())
    socket.onClose = (error) => {
      onGone()
      owner.deliver(() => this.onClose(error))
    }
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress
  }

  get remotePort(): number {
    return this.#socket.remotePort
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedBytes
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.#owner.isKilled() ? false : this.#socket.write(chunks)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
