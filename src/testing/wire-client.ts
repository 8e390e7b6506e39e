/**
 * The smallest Kafka client there is, for tests: one connection, any API in any version, raw bytes where a test wants to
 * misbehave. Decodes replies with the same schemas the broker uses, so what proves the format are the foreign clients of
 * the interop suite, not this.
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts'
import type { Network, Socket } from '../base/runtime.ts'
import { decodeResponse, encodeRequest, isFlexible } from '../protocol/codec.ts'
import { decodeResponseHeader, encodeRequestHeader, hasFlexibleResponseHeader } from '../protocol/headers.ts'
import type { Api, RequestDraftOf, ResponseOf } from '../protocol/schema.ts'

/** The broker closed the connection before it answered. */
export class ConnectionClosed extends Error {
  override name = 'ConnectionClosed'
}

export class WireClient implements Disposable {
  readonly #socket: Socket
  readonly #waiting = new Map<number, { resolve(body: ByteReader): void; reject(error: Error): void }>()
  readonly #closed = Promise.withResolvers<void>()
  #received: Uint8Array = new Uint8Array(0)
  #nextCorrelationId = 1
  clientId: string | null = 'wire-client'
  isClosed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.onData = (chunk) => this.#onData(chunk)
    socket.onEnd = () => socket.end()
    socket.onDrain = () => undefined
    socket.onClose = () => this.#onClose()
  }

  static async connect(
    network: Network,
    address: { readonly host: string; readonly port: number },
  ): Promise<WireClient> {
    return new WireClient(await network.connect(address))
  }

  /** Resolves when the connection is closed, by whichever side. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** Sends a request and decodes its answer. Rejects with ConnectionClosed when there is none. */
  async request<A extends Api>(api: A, version: number, draft: RequestDraftOf<A>): Promise<ResponseOf<A>> {
    const reader = await this.#send(api, version, draft)
    decodeResponseHeader(reader, hasFlexibleResponseHeader(api.key, isFlexible(api, version)))
    const response = decodeResponse(api, version, reader)
    if (reader.remaining > 0) throw new Error(`${reader.remaining} bytes are left after a ${api.name} response`)
    return response
  }

  /** Sends a request that is not answered (Produce with acks=0). */
  send<A extends Api>(api: A, version: number, draft: RequestDraftOf<A>): void {
    this.sendRaw(frameOf(this.#encode(api, version, draft, this.#takeCorrelationId())))
  }

  /** The frame of a request, size included, for tests that cut or change it. */
  frame<A extends Api>(api: A, version: number, draft: RequestDraftOf<A>): Uint8Array {
    return frameOf(this.#encode(api, version, draft, this.#takeCorrelationId()))
  }

  sendRaw(bytes: Uint8Array): void {
    if (!this.isClosed) this.#socket.write([bytes])
  }

  /** Stops reading, as a slow peer would. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  close(): void {
    this.#socket.destroy()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #takeCorrelationId(): number {
    const correlationId = this.#nextCorrelationId
    this.#nextCorrelationId += 1
    return correlationId
  }

  #send<A extends Api>(api: A, version: number, draft: RequestDraftOf<A>): Promise<ByteReader> {
    const correlationId = this.#takeCorrelationId()
    const frame = frameOf(this.#encode(api, version, draft, correlationId))
    if (this.isClosed) return Promise.reject(new ConnectionClosed('the connection is closed'))
    return new Promise((resolve, reject) => {
      this.#waiting.set(correlationId, { resolve, reject })
      this.#socket.write([frame])
    })
  }

  #encode<A extends Api>(api: A, version: number, draft: RequestDraftOf<A>, correlationId: number): Uint8Array {
    const writer = new ByteWriter()
    const header = { apiKey: api.key, apiVersion: version, correlationId, clientId: this.clientId }
    encodeRequestHeader(writer, header, isFlexible(api, version))
    encodeRequest(api, version, draft, writer)
    return writer.toBytes()
  }

  #onData(chunk: Uint8Array): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    for (;;) {
      if (this.#received.length < 4) return
      const size = new ByteReader(this.#received).int32()
      if (this.#received.length < 4 + size) return
      const frame = this.#received.subarray(4, 4 + size)
      this.#received = this.#received.subarray(4 + size)
      const correlationId = new ByteReader(frame).int32()
      this.#waiting.get(correlationId)?.resolve(new ByteReader(frame))
      this.#waiting.delete(correlationId)
    }
  }

  #onClose(): void {
    this.isClosed = true
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new ConnectionClosed('the broker closed the connection'))
    }
    this.#waiting.clear()
    this.#closed.resolve()
  }
}

function frameOf(body: Uint8Array): Uint8Array {
  const size = new ByteWriter()
  size.int32(body.length)
  return Buffer.concat([size.toBytes(), body])
}
