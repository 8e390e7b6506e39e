/**
 * One connection of a client through a meddler, and that to the broker which belongs to it.
 *
 * Owns the order: requests reach the broker in the order the client sent them, and the client gets answers in that order,
 * whoever they are from. When the client is gone, what it had sent still goes to the broker, as far as no rule keeps it.
 */
import type { Clock, Network, Socket } from '../base/runtime.ts'
import { FrameAssembler } from '../net/frame.ts'
import type { Exchange, Meddling, RequestAction, ResponseAction } from './meddler-rules.ts'
import type { Message, RequestFrame } from './wire-frames.ts'
import { readRequestFrame, readResponseFrame, requestBytes, responseBytes, withSize } from './wire-frames.ts'

const FRAME_BYTES_MAX = 2 ** 31 - 1

/** What a session asks of its meddler. */
export interface SessionHost {
  readonly clock: Clock
  readonly network: Network
  readonly upstream: { readonly host: string; readonly port: number }
  /** The rule that strikes, if one does; it is written down. */
  strike(exchange: Exchange, isResponse: boolean): Meddling | undefined
  /** Puts the addresses that clients are to use into a response. @returns whether it has any */
  readdress(exchange: Exchange): boolean
  onEnd(session: MeddlerSession): void
}

class SessionExchange implements Exchange {
  readonly api: Exchange['api']
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly body: Message
  readonly session: number
  /** As it came. */
  readonly frame: Uint8Array
  isForwarded = false
  responseFrame: Uint8Array | undefined
  /** For the client, when they are due. */
  reply: Uint8Array | undefined
  #response: Message

  constructor(request: RequestFrame, frame: Uint8Array, session: number) {
    this.api = request.api
    this.version = request.version
    this.correlationId = request.correlationId
    this.clientId = request.clientId
    this.body = request.body
    this.frame = frame
    this.session = session
  }

  get response(): Message {
    if (this.#response === undefined && this.responseFrame !== undefined) {
      this.#response = readResponseFrame(this, this.responseFrame)
    }
    return this.#response
  }

  get expectsResponse(): boolean {
    return !(this.api.name === 'Produce' && this.body.acks === 0)
  }
}

export class MeddlerSession {
  readonly id: number
  readonly #host: SessionHost
  readonly #client: Socket
  #upstream: Socket | undefined
  /** Requests that the broker has not been sent. */
  readonly #queue: SessionExchange[] = []
  /** Whose answer the broker owes, in order; `undefined`: that of a duplicate. */
  readonly #awaited: (SessionExchange | undefined)[] = []
  /** Whose answer the client is owed, in order. */
  readonly #owed: SessionExchange[] = []
  /** The first of the queue is held. */
  #isBlocked = false
  #isClientGone = false
  #isEnded = false

  constructor(id: number, client: Socket, host: SessionHost) {
    this.id = id
    this.#client = client
    this.#host = host
    const frames = new FrameAssembler(FRAME_BYTES_MAX)
    client.onData = (chunk) => {
      frames.push(chunk)
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) this.#onRequest(frame)
    }
    client.onEnd = () => this.#clientGone()
    client.onClose = () => this.#clientGone()
    client.onDrain = () => this.#upstream?.resume()
    this.#connect().catch(() => this.cut())
  }

  /** Resets the client's connection; the broker gets what was sent to it, and the end. */
  cut(): void {
    this.#client.destroy()
    this.#queue.length = 0
    this.#isBlocked = false
    this.#clientGone()
  }

  async #connect(): Promise<void> {
    const { network, upstream: address } = this.#host
    const upstream = await network.connect(address)
    const frames = new FrameAssembler(FRAME_BYTES_MAX)
    upstream.onData = (chunk) => {
      frames.push(chunk)
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) this.#onResponse(frame)
    }
    upstream.onEnd = () => this.#brokerGone()
    upstream.onClose = () => this.#brokerGone()
    upstream.onDrain = () => this.#client.resume()
    this.#upstream = upstream
    this.#pump()
  }

  #onRequest(frame: Uint8Array): void {
    // Frames are views of what the socket reads into; these are kept.
    const copy = Uint8Array.from(frame)
    const exchange = new SessionExchange(readRequestFrame(copy), copy, this.id)
    if (exchange.expectsResponse) this.#owed.push(exchange)
    this.#queue.push(exchange)
    this.#pump()
  }

  #pump(): void {
    while (!this.#isBlocked && this.#upstream !== undefined) {
      const exchange = this.#queue.shift()
      if (exchange === undefined) {
        if (this.#isClientGone) this.#end()
        return
      }
      const meddling = this.#host.strike(exchange, false)
      if (meddling === undefined) this.#forward(exchange, withSize(exchange.frame))
      else this.#meddleWithRequest(exchange, meddling, meddling.rule.action as RequestAction)
    }
  }

  #meddleWithRequest(exchange: SessionExchange, meddling: Meddling, action: RequestAction): void {
    const goOn = (): void => {
      this.#isBlocked = false
      this.#forward(exchange, withSize(exchange.frame))
      this.#pump()
    }
    switch (action.do) {
      case 'drop request':
        break
      case 'cut before':
        this.cut()
        break
      case 'hold request':
        this.#isBlocked = true
        meddling.hold(goOn)
        break
      case 'delay request':
        this.#isBlocked = true
        this.#host.clock.setTimer(action.ms, goOn)
        break
      case 'answer':
        exchange.reply = responseBytes(exchange, action.response(exchange))
        this.#flush()
        break
      case 'change request':
        action.change(exchange.body, exchange)
        this.#forward(exchange, requestBytes(exchange))
        break
      case 'duplicate':
        this.#forward(exchange, withSize(exchange.frame))
        if (action.on === 'same') {
          this.#upstream?.write([withSize(exchange.frame)])
          if (exchange.expectsResponse) this.#awaited.push(undefined)
        } else this.#sendAside(exchange)
        break
    }
  }

  #forward(exchange: SessionExchange, bytes: Uint8Array): void {
    exchange.isForwarded = true
    if (exchange.expectsResponse) this.#awaited.push(exchange)
    if (this.#upstream?.write([bytes]) === false) this.#client.pause()
  }

  /** On a connection of its own, whose answer nobody hears. */
  #sendAside(exchange: SessionExchange): void {
    const { network, upstream: address } = this.#host
    network.connect(address).then(
      (socket) => {
        socket.onData = () => socket.end()
        socket.onEnd = () => socket.end()
        socket.write([withSize(exchange.frame)])
      },
      // A broker that is gone gets it neither once nor twice.
      () => undefined,
    )
  }

  #onResponse(frame: Uint8Array): void {
    const exchange = this.#awaited.shift()
    if (exchange === undefined) return
    exchange.responseFrame = Uint8Array.from(frame)
    const isReaddressed = this.#host.readdress(exchange)
    const bytes = isReaddressed ? responseBytes(exchange, exchange.response) : withSize(exchange.responseFrame)
    const meddling = this.#host.strike(exchange, true)
    if (meddling === undefined) this.#reply(exchange, bytes)
    else this.#meddleWithResponse(exchange, bytes, meddling, meddling.rule.action as ResponseAction)
  }

  #meddleWithResponse(exchange: SessionExchange, bytes: Uint8Array, meddling: Meddling, action: ResponseAction): void {
    switch (action.do) {
      case 'drop response':
        break
      case 'cut after':
        this.cut()
        break
      case 'cut inside':
        this.#client.write([bytes.subarray(0, action.byteCount)])
        this.#client.end()
        this.#clientGone()
        break
      case 'hold response':
        meddling.hold(() => this.#reply(exchange, bytes))
        break
      case 'delay response':
        this.#host.clock.setTimer(action.ms, () => this.#reply(exchange, bytes))
        break
      case 'change bytes':
        this.#reply(exchange, withSize(action.change(Buffer.from(bytes.subarray(4)), exchange)))
        break
      case 'change response': {
        const { response } = exchange
        action.change(response, exchange)
        this.#reply(exchange, responseBytes(exchange, response))
        break
      }
    }
  }

  #reply(exchange: SessionExchange, bytes: Uint8Array): void {
    exchange.reply = bytes
    this.#flush()
  }

  #flush(): void {
    for (let first = this.#owed[0]; first?.reply !== undefined; first = this.#owed[0]) {
      this.#owed.shift()
      if (!this.#isClientGone && !this.#client.write([first.reply])) this.#upstream?.pause()
    }
  }

  #clientGone(): void {
    if (this.#isClientGone) return
    this.#isClientGone = true
    this.#client.end()
    this.#pump()
  }

  #brokerGone(): void {
    this.#client.end()
    this.#isClientGone = true
    this.#queue.length = 0
    this.#end()
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#upstream?.end()
    this.#host.onEnd(this)
  }
}
