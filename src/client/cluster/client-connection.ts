/**
 * One connection of the client to one broker: requests out, replies matched to them, in order.
 *
 * Owns correlation ids, deadlines of requests, and what the first bytes tell of a peer that does not speak Kafka. A request
 * that is not answered in time ends the connection, as its answer could be taken for that of a later one otherwise.
 * Leaves to others: which broker, which version, trying again (broker-link.ts, cluster.ts).
 *
 * Invariants: every request settles exactly once; after `close` nothing is written or called back; a reply whose
 * correlation id is not that of the oldest request ends the connection.
 */
import { ByteReader, ByteWriter, DecodeError, readInt16 } from '../../base/bytes.ts'
import type { Runtime, Socket, Timer } from '../../base/runtime.ts'
import { FrameReceiver } from '../../net/frame-receiver.ts'
import { decodeResponse, encodeRequest, isFlexible } from '../../protocol/codec.ts'
import { errorNumber } from '../../protocol/error-codes.ts'
import { apiVersions } from '../../protocol/messages/api-versions.ts'
import { decodeResponseHeader, encodeRequestHeader, hasFlexibleResponseHeader } from '../../protocol/headers.ts'
import type { Api, RequestDraftOf, ResponseOf } from '../../protocol/schema.ts'
import { KafkaError, type RequestInfo } from '../errors.ts'
import { describeConnectError, NOT_KAFKA } from './connect-error.ts'

export interface ConnectionSettings {
  readonly clientId: string
  /** Frames above it are refused: no broker answer is that large. */
  readonly maxResponseBytes: number
  readonly connectTimeoutMs: number
}

export interface BrokerAddress {
  readonly host: string
  readonly port: number
  /** `undefined` for a bootstrap address. */
  readonly nodeId: number | undefined
}

/** 'HOST:PORT (node N)' */
export function brokerName({ host, port, nodeId }: BrokerAddress): string {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return nodeId === undefined ? address : `${address} (node ${nodeId})`
}

/** The failure of a request, and whether the broker may have got it. */
export class RequestFailure extends Error {
  override name = 'RequestFailure'
  readonly error: KafkaError
  readonly mayHaveBeenSent: boolean

  constructor(error: KafkaError, mayHaveBeenSent: boolean) {
    super(error.message)
    this.error = error
    this.mayHaveBeenSent = mayHaveBeenSent
  }
}

type FailureCode = 'DISCONNECTED' | 'REQUEST_TIMEOUT' | 'INVALID_RESPONSE' | 'CONNECTION_FAILED'

interface PendingRequest {
  readonly correlationId: number
  readonly api: Api
  readonly version: number
  readonly deadlineMs: number
  resolve(response: unknown): void
  reject(failure: RequestFailure): void
}

/** Correlation ids are int32; they begin anew long before. */
const CORRELATION_ID_MAX = 0x3fffffff
const FIRST_BYTES = 5
/** How long a peer may take to read what was sent before the end. */
const LINGER_MS = 2_000

export class ClientConnection {
  readonly broker: string
  /** Called once, after every pending request was rejected. */
  onClose: () => void = () => undefined
  readonly #runtime: Runtime
  readonly #socket: Socket
  readonly #settings: ConnectionSettings
  readonly #frames: FrameReceiver
  readonly #pending: PendingRequest[] = []
  #nextCorrelationId = 1
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY
  #firstBytes = Buffer.alloc(0)
  #hasReceived = false
  #apiVersionsMayDiffer = false
  /** The last request expects no answer, so nothing will tell that it has arrived. */
  #hasUnanswerable = false
  #lastUnanswerable = 0
  #isClosed = false

  private constructor(
    runtime: Runtime,
    socket: Socket,
    frames: FrameReceiver,
    broker: string,
    settings: ConnectionSettings,
  ) {
    this.#runtime = runtime
    this.#socket = socket
    this.broker = broker
    this.#settings = settings
    this.#frames = frames
    socket.onData = (chunk) => this.#onData(chunk)
    socket.onEnd = () => this.#fail('DISCONNECTED', this.#endReason('the broker closed the connection'))
    socket.onDrain = () => undefined
    socket.onClose = (error) => {
      this.#fail('DISCONNECTED', this.#endReason(error?.message ?? 'the connection was closed'), error)
    }
  }

  /**
   * Rejects with a KafkaError CONNECTION_FAILED whose message says what to do.
   * @param signal  gives the attempt up; then it is CLOSED
   */
  static async open(
    runtime: Runtime,
    address: BrokerAddress,
    settings: ConnectionSettings,
    signal: AbortSignal,
  ): Promise<ClientConnection> {
    const broker = brokerName(address)
    const { connectTimeoutMs } = settings
    const abandon = new AbortController()
    const frames = new FrameReceiver(settings.maxResponseBytes, 'maxResponseBytes')
    const { host, port } = address
    const attempt = runtime.network.connect({ host, port, signal: abandon.signal, into: frames })
    const { promise: given, reject } = Promise.withResolvers<never>()
    const timer = runtime.clock.setTimer(
      connectTimeoutMs,
      () => reject(Object.assign(new Error(`no connection within ${connectTimeoutMs} ms`), { code: 'ETIMEDOUT' })),
      { keepsProcessAlive: true },
    )
    const onAbort = (): void => reject(new KafkaError('CLOSED', `connecting to ${broker} was given up`))
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const socket = await Promise.race([attempt, given])
      return new ClientConnection(runtime, socket, frames, broker, settings)
    } catch (error) {
      // A connection that comes about too late is not wanted any more; one that fails too has been reported already.
      abandon.abort()
      attempt.then(
        (socket) => socket.destroy(),
        () => undefined,
      )
      throw error instanceof KafkaError ? error : describeConnectError(error, address)
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
    }
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get pendingRequests(): number {
    return this.#pending.length
  }

  /** Rejects with RequestFailure. With `expectsNoResponse` it resolves to `undefined` once the bytes are with the socket. */
  send<A extends Api>(
    api: A,
    version: number,
    body: RequestDraftOf<A>,
    options: { readonly timeoutMs: number; readonly expectsNoResponse?: boolean },
  ): Promise<ResponseOf<A>> {
    if (this.#isClosed) {
      return Promise.reject(this.#failure('DISCONNECTED', 'the connection is closed', api, version, false))
    }
    const correlationId = this.#nextCorrelationId
    this.#nextCorrelationId = correlationId === CORRELATION_ID_MAX ? 1 : correlationId + 1
    const writer = new ByteWriter()
    writer.int32(0)
    const header = { apiKey: api.key, apiVersion: version, correlationId, clientId: this.#settings.clientId }
    encodeRequestHeader(writer, header, isFlexible(api, version))
    encodeRequest(api, version, body, writer)
    const sizeBytes = writer.length - 4
    const chunks = writer.finish()
    const first = chunks[0] as Uint8Array
    first[0] = sizeBytes >>> 24
    first[1] = sizeBytes >>> 16
    first[2] = sizeBytes >>> 8
    first[3] = sizeBytes
    if (options.expectsNoResponse === true) {
      this.#hasUnanswerable = true
      this.#lastUnanswerable = correlationId
    }
    if (options.expectsNoResponse === true) {
      this.#socket.write(chunks)
      return Promise.resolve(undefined as never)
    }
    return new Promise<ResponseOf<A>>((resolve, reject) => {
      const deadlineMs = this.#runtime.clock.monotonicMs() + options.timeoutMs
      this.#pending.push({
        correlationId,
        api,
        version,
        deadlineMs,
        resolve: resolve,
        reject,
      })
      this.#socket.write(chunks)
      if (deadlineMs < this.#timerMs) this.#arm(deadlineMs)
    })
  }

  /**
   * The first request of a connection. A broker that does not know its version answers with a body of version 0, which
   * must be read as such.
   */
  async sendApiVersions(
    version: number,
    body: RequestDraftOf<typeof apiVersions>,
    options: { readonly timeoutMs: number },
  ): Promise<ResponseOf<typeof apiVersions>> {
    this.#apiVersionsMayDiffer = true
    try {
      return await this.send(apiVersions, version, body, options)
    } finally {
      this.#apiVersionsMayDiffer = false
    }
  }

  /**
   * Ends the connection; what is pending is rejected. What expects no answer (acks 0) may not have been read by the peer yet: then
   * the end comes after it, where a reset would take it along.
   */
  close(reason: string): void {
    if (this.#isClosed) return
    if (!this.#hasUnanswerable) {
      this.#fail('DISCONNECTED', reason)
      return
    }
    this.#isClosed = true
    this.#timer?.cancel()
    const timer = this.#runtime.clock.setTimer(LINGER_MS, () => this.#socket.destroy())
    this.#socket.onData = () => undefined
    this.#socket.onEnd = () => this.#socket.destroy()
    this.#socket.onClose = () => timer.cancel()
    this.#socket.end()
    this.#rejectPending('DISCONNECTED', reason)
    this.onClose()
  }

  #arm(deadlineMs: number): void {
    this.#timer?.cancel()
    this.#timerMs = deadlineMs
    const delayMs = Math.max(0, deadlineMs - this.#runtime.clock.monotonicMs())
    this.#timer = this.#runtime.clock.setTimer(delayMs, () => this.#onTimer(), { keepsProcessAlive: true })
  }

  #onTimer(): void {
    this.#timerMs = Number.POSITIVE_INFINITY
    const nowMs = this.#runtime.clock.monotonicMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const request of this.#pending) {
      if (request.deadlineMs <= nowMs) {
        const hint = this.#hasReceived ? '' : `; it has not answered anything yet: ${NOT_KAFKA}`
        this.#fail('REQUEST_TIMEOUT', `no answer to ${request.api.name} in time, so the connection was given up${hint}`)
        return
      }
      nextMs = Math.min(nextMs, request.deadlineMs)
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#arm(nextMs)
  }

  #onData(chunk: Uint8Array): void {
    if (this.#isClosed) return
    if (!this.#hasReceived && this.#firstBytes.length < FIRST_BYTES) {
      this.#firstBytes = Buffer.concat([this.#firstBytes, chunk.subarray(0, FIRST_BYTES)])
    }
    this.#frames.push(chunk)
    for (;;) {
      const frame = this.#frames.next()
      if (frame === undefined) break
      this.#hasReceived = true
      this.#onFrame(frame)
      if (this.#isClosed) return
    }
    if (this.#frames.problem !== undefined) {
      const other = this.#hasReceived ? undefined : otherProtocol(this.#firstBytes)
      if (other !== undefined) this.#fail('CONNECTION_FAILED', other)
      else this.#fail('INVALID_RESPONSE', `the answer is no Kafka response: ${this.#frames.problem}`)
    }
  }

  #onFrame(frame: Uint8Array): void {
    const request = this.#pending[0]
    if (request === undefined) {
      this.#fail('INVALID_RESPONSE', `a response of ${frame.length} bytes that nobody asked for`)
      return
    }
    const { api, version, correlationId } = request
    let response: unknown
    try {
      const reader = new ByteReader(frame)
      const header = decodeResponseHeader(reader, hasFlexibleResponseHeader(api.key, isFlexible(api, version)))
      if (header.correlationId !== correlationId) {
        this.#fail(
          'INVALID_RESPONSE',
          `the answer to request ${header.correlationId} came where that to ${correlationId} (${api.name}) was due`,
        )
        return
      }
      response = decodeResponse(api, this.#answerVersion(version, frame, reader.position), reader)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#fail('INVALID_RESPONSE', `the answer to ${api.name} version ${version} cannot be read`, error)
      return
    }
    this.#pending.shift()
    // Requests are carried out in order: what came before this one has been.
    if (this.#pending.length === 0 && this.#lastUnanswerable < correlationId) this.#hasUnanswerable = false
    if (this.#pending.length === 0) {
      this.#timer?.cancel()
      this.#timer = undefined
      this.#timerMs = Number.POSITIVE_INFINITY
    }
    request.resolve(response)
  }

  #answerVersion(version: number, frame: Uint8Array, position: number): number {
    const isRefusal = frame.length >= position + 2 && readInt16(frame, position) === errorNumber('UNSUPPORTED_VERSION')
    return this.#apiVersionsMayDiffer && isRefusal ? 0 : version
  }

  /** An end without a single byte of answer is how a port of another kind looks like. */
  #endReason(reason: string): string {
    if (this.#hasReceived || this.#isClosed || this.#pending.length === 0) return reason
    const other = otherProtocol(this.#firstBytes)
    if (other !== undefined) return other
    return `${reason} before it answered anything: ${NOT_KAFKA}`
  }

  #fail(code: FailureCode, message: string, cause?: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.#socket.destroy()
    this.#rejectPending(code, message, cause)
    this.onClose()
  }

  #rejectPending(code: FailureCode, message: string, cause?: unknown): void {
    for (const request of this.#pending.splice(0)) {
      request.reject(this.#failure(code, message, request.api, request.version, true, cause))
    }
  }

  #failure(
    code: FailureCode,
    message: string,
    api: Api,
    version: number,
    mayHaveBeenSent: boolean,
    cause?: unknown,
  ): RequestFailure {
    const request: RequestInfo = { api: api.name, version, broker: this.broker }
    const error = new KafkaError(code, `${api.name} at ${this.broker}: ${message}`, {
      request,
      ...(cause === undefined ? {} : { cause }),
      // Another connection may bring a better answer, but a peer that breaks the protocol is not worth hurrying for.
      ...(code === 'INVALID_RESPONSE' ? { recovery: 'retry' as const } : {}),
    })
    return new RequestFailure(error, mayHaveBeenSent)
  }
}

function otherProtocol(firstBytes: Buffer): string | undefined {
  const text = firstBytes.toString('latin1', 0, 4)
  if (text === 'HTTP') return 'the port speaks HTTP, not the Kafka protocol; check the port in `brokers`'
  if ((firstBytes[0] === 0x15 || firstBytes[0] === 0x16) && firstBytes[1] === 0x03) {
    return 'the port speaks TLS, and this client PLAINTEXT; use the port of a PLAINTEXT listener'
  }
  return undefined
}
