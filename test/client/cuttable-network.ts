/**
 * The network of one process, which can be cut off from the rest: for good, as when the process is killed, or for a while, as
 * when it is paused or partitioned. Its connections are reset, new ones are refused, its listeners are gone.
 */
import type { Listener, ListenOptions, Network, Socket } from '../../src/base/runtime.ts'

export class CuttableNetwork implements Network {
  readonly #network: Network
  readonly #sockets = new Set<Socket>()
  readonly #listeners = new Set<Listener>()
  #isCut = false

  constructor(network: Network) {
    this.#network = network
  }

  get isCut(): boolean {
    return this.#isCut
  }

  async cut(): Promise<void> {
    this.#isCut = true
    for (const listener of this.#listeners) await listener.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#listeners.clear()
    this.#sockets.clear()
  }

  /** From here on it may connect again. What was cut stays cut. */
  heal(): void {
    this.#isCut = false
  }

  async listen(options: ListenOptions, onConnection: (socket: Socket) => void): Promise<Listener> {
    const listener = await this.#network.listen(options, (socket) => {
      this.#sockets.add(socket)
      onConnection(socket)
    })
    this.#listeners.add(listener)
    return listener
  }

  async connect(options: { host: string; port: number }): Promise<Socket> {
    if (this.#isCut) throw Object.assign(new Error('cut off'), { code: 'ENETUNREACH' })
    const socket = await this.#network.connect(options)
    if (this.#isCut) {
      socket.destroy()
      throw Object.assign(new Error('cut off'), { code: 'ENETUNREACH' })
    }
    this.#sockets.add(socket)
    return socket
  }
}
