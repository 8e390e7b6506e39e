/** A TCP forwarder that can cut what goes through it, in the middle of answers too: a network as it is on a bad day. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { HOST } from '../runner/brokers.ts'

export class FlakyLink {
  readonly #server: Server
  readonly #pairs = new Set<Socket>()
  cuts = 0

  private constructor(server: Server) {
    this.#server = server
  }

  /** Everything for `to` may be sent to `port` instead. */
  static async open(to: string): Promise<FlakyLink> {
    const port = Number(to.slice(to.lastIndexOf(':') + 1))
    const server = createServer()
    const link = new FlakyLink(server)
    server.on('connection', (client) => {
      const upstream = connect(port, HOST)
      for (const [from, into] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        link.#pairs.add(from)
        from.on('data', (chunk) => into.write(chunk))
        from.on('error', () => into.destroy())
        from.on('close', () => {
          link.#pairs.delete(from)
          into.destroy()
        })
      }
    })
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve))
    return link
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the link is closed')
    return address.port
  }

  cut(): void {
    this.cuts += 1
    for (const socket of this.#pairs) socket.resetAndDestroy()
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#pairs) socket.destroy()
  }
}
