/**
 * TCP on Node. Owns corking (all writes of one tick leave in one writev), half-close and the order of the handlers.
 * Limits, framing and idle time belong to `net/`.
 */

import { connect, createServer, type OnReadOpts, type Socket as NetSocket } from 'node:net'
import type { Listener, Logger, Network, ReceiveRoom, Socket } from '../base/runtime.ts'

/** A peer that vanished without a word is found by the kernel after this long, plus its probes. */
const KEEP_ALIVE_DELAY_MS = 60_000

const SOCKET_OPTIONS = {
  // Half-close stays visible: `onEnd` comes first and what is still queued is sent.
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
} as const

export function nodeNetwork(logger: Logger): Network {
  return {
    listen({ host, port }, onConnection): Promise<Listener> {
      return new Promise((resolve, reject) => {
        const server = createServer(SOCKET_OPTIONS, (socket) => onConnection(new NodeSocket(socket)))
        server.once('error', reject)
        server.listen({ host, port }, () => {
          server.off('error', reject)
          // Accepting can fail later (no descriptors left); the listener goes on, so this is news and not the end.
          server.on('error', (error) => logger.error('accepting a connection failed', { error }))
          const address = server.address()
          if (address === null || typeof address === 'string') {
            reject(new Error(`no address after listening on ${host}:${port}`))
            return
          }
          resolve({
            host: address.address,
            port: address.port,
            async close() {
              // The callback of `close` waits for the open sockets, which are not ours to wait for.
              server.close()
            },
          })
        })
      })
    },
    connect({ host, port, signal, into }): Promise<Socket> {
      return new Promise((resolve, reject) => {
        let connected: NodeSocket | undefined
        const onread = into && onReadInto(into, (chunk) => connected?.onData(chunk))
        const socket = connect({ ...SOCKET_OPTIONS, host, port, ...(signal && { signal }), ...(onread && { onread }) })
        socket.once('error', reject)
        socket.once('connect', () => {
          socket.off('error', reject)
          connected = new NodeSocket(socket)
          resolve(connected)
        })
      })
    },
  }
}

/** Without it Node allocates a buffer for each 64 KiB and hands it to 'data'. */
function onReadInto(into: ReceiveRoom, onData: (chunk: Uint8Array) => void): OnReadOpts {
  return {
    buffer: () => into.room(),
    callback(bytes, buffer) {
      onData(bytes === buffer.length ? buffer : buffer.subarray(0, bytes))
      return true
    },
  }
}

class NodeSocket implements Socket {
  readonly remoteAddress: string
  readonly remotePort: number
  onData: (chunk: Uint8Array) => void = () => {}
  onEnd: () => void = () => {}
  onClose: (error: Error | undefined) => void = () => {}
  onDrain: () => void = () => {}
  readonly #socket: NetSocket
  #isCorked = false
  #error: Error | undefined

  constructor(socket: NetSocket) {
    this.#socket = socket
    // Both are missing when the peer has already gone.
    this.remoteAddress = socket.remoteAddress ?? ''
    this.remotePort = socket.remotePort ?? 0
    socket.on('data', (chunk) => this.onData(chunk))
    socket.on('end', () => this.onEnd())
    socket.on('drain', () => this.onDrain())
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('close', () => this.onClose(this.#error))
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (!socket.writable) return false
    if (!this.#isCorked) {
      this.#isCorked = true
      socket.cork()
      process.nextTick(() => {
        this.#isCorked = false
        socket.uncork()
      })
    }
    let mayGoOn = true
    for (const chunk of chunks) mayGoOn = socket.write(chunk)
    return mayGoOn
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
