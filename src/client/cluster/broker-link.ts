/**
 * The way to one broker in one lane: a connection that is made when it is needed and made again when it is lost.
 *
 * Owns the first exchange (ApiVersions, down to version 0), pauses between failed attempts, and throttling. Requests that
 * come while it connects wait for that attempt and fail with it.
 *
 * Invariants: requests leave in the order of their `send`, whatever they had to wait for; each settles exactly once;
 * `close` settles all of them at once and leaves no timer behind.
 *
 * Source: KIP-35, KIP-511 (version negotiation), KIP-219 (a throttled client waits by itself).
 */
import type { Runtime, Timer } from '../../base/runtime.ts'
import { apiVersions } from '../../protocol/messages/api-versions.ts'
import type { Api, ResponseOf } from '../../protocol/schema.ts'
import { parseVersionRange } from '../../protocol/version-range.ts'
import type { CoreRequest } from '../core/client-core.ts'
import { brokerError, KafkaError } from '../errors.ts'
import { BrokerSupport } from './api-support.ts'
import {
  type BrokerAddress,
  brokerName,
  ClientConnection,
  type ConnectionSettings,
  RequestFailure,
} from './client-connection.ts'

export interface LinkSettings extends ConnectionSettings {
  readonly softwareVersion: string
  readonly requestTimeoutMs: number
  readonly reconnectBackoffMs: number
  readonly reconnectBackoffMaxMs: number
}

/** A broker may ask for a pause; one that asks for more is not believed. */
const THROTTLE_MAX_MS = 60_000
/** Jitter of pauses: ± this share, so that many clients do not come back at once. */
const JITTER = 0.2

export interface LinkReply<A extends Api> {
  readonly response: ResponseOf<A>
  readonly version: number
}

export type LinkRequest<A extends Api = Api> = Omit<CoreRequest<A>, 'id' | 'destination'>

interface Waiting {
  readonly request: LinkRequest
  readonly resolve: (reply: LinkReply<never>) => void
  readonly reject: (reason: unknown) => void
}

export class BrokerLink {
  readonly address: BrokerAddress
  readonly name: string
  /** Told after each ApiVersions answer. */
  readonly #onSupport: (support: BrokerSupport) => void
  readonly #runtime: Runtime
  readonly #settings: LinkSettings
  /** For a connection or for the end of throttling, in order. */
  #queue: Waiting[] = []
  #unanswered = 0
  #connection: ClientConnection | undefined
  /** Ends the attempt under way. */
  #attempt: AbortController | undefined
  /** Made, and its versions not known yet. */
  #negotiating: ClientConnection | undefined
  #support: BrokerSupport | undefined
  #failures = 0
  #failedAtMs = Number.NEGATIVE_INFINITY
  #notBeforeMs = 0
  #throttledUntilMs = 0
  /** For the pause before an attempt or the end of throttling. */
  #timer: Timer | undefined
  #isRetired = false
  #isClosed = false

  constructor(
    runtime: Runtime,
    address: BrokerAddress,
    settings: LinkSettings,
    onSupport: (support: BrokerSupport) => void,
  ) {
    this.#runtime = runtime
    this.address = address
    this.name = brokerName(address)
    this.#settings = settings
    this.#onSupport = onSupport
  }

  get isConnected(): boolean {
    return this.#connection !== undefined
  }

  /** When the last attempt failed, if there was no success since; monotonic clock. */
  get failedAtMs(): number | undefined {
    return this.#failures > 0 ? this.#failedAtMs : undefined
  }

  get pendingRequests(): number {
    return this.#queue.length + this.#unanswered
  }

  /** Rejects with RequestFailure. */
  send<A extends Api>(request: LinkRequest<A>): Promise<LinkReply<A>> {
    if (this.#isClosed) return Promise.reject(this.#closedFailure())
    return new Promise<LinkReply<A>>((resolve, reject) => {
      this.#queue.push({ request, resolve, reject })
      this.#pump()
    })
  }

  /** Ends the link once nothing is pending; nobody sends on it any more. */
  retire(): void {
    this.#isRetired = true
    this.#closeIfRetired()
  }

  /** Ends the link for good; what is pending fails. */
  close(reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    this.#attempt?.abort()
    this.#negotiating?.close(reason)
    this.#connection?.close(reason)
    this.#rejectQueue(this.#closedFailure())
  }

  /** Sends what waits as soon as that is possible. */
  #pump(): void {
    if (this.#queue.length === 0 || this.#isClosed || this.#timer !== undefined || this.#attempt !== undefined) return
    const nowMs = this.#runtime.clock.monotonicMs()
    if (this.#throttledUntilMs > nowMs) {
      this.#pumpIn(this.#throttledUntilMs - nowMs)
      return
    }
    const connection = this.#connection
    if (connection !== undefined) {
      for (const waiting of this.#queue.splice(0)) this.#dispatch(connection, waiting)
    } else if (this.#notBeforeMs > nowMs) {
      this.#pumpIn(this.#notBeforeMs - nowMs)
    } else {
      void this.#connect()
    }
  }

  #pumpIn(delayMs: number): void {
    this.#timer = this.#runtime.clock.setTimer(
      delayMs,
      () => {
        this.#timer = undefined
        this.#pump()
      },
      { keepsProcessAlive: true },
    )
  }

  #dispatch(connection: ClientConnection, { request, resolve, reject }: Waiting): void {
    const { api, minVersion, maxVersion, body } = request
    const version = this.#support?.version(api, minVersion, maxVersion)
    if (version === undefined) {
      reject(this.#unsupported(request))
      this.#closeIfRetired()
      return
    }
    this.#unanswered += 1
    let answer: Promise<ResponseOf<Api>>
    try {
      answer = connection.send(api, version, body, request)
    } catch (error) {
      // A body that cannot be written is our own mistake; it must not be that of the requests behind it.
      answer = Promise.reject(error)
    }
    answer.then(
      (response) => {
        this.#unanswered -= 1
        this.#heedThrottle(response, api)
        resolve({ response: response as never, version })
        this.#closeIfRetired()
      },
      (failure: unknown) => {
        this.#unanswered -= 1
        reject(failure)
        this.#closeIfRetired()
      },
    )
  }

  #closeIfRetired(): void {
    if (this.#isRetired && this.pendingRequests === 0) this.close('the connection is not needed any more')
  }

  #rejectQueue(reason: unknown): void {
    for (const { reject } of this.#queue.splice(0)) reject(reason)
  }

  #closedFailure(): RequestFailure {
    return new RequestFailure(new KafkaError('CLOSED', `the connection to ${this.name} was closed`), false)
  }

  #unsupported({ api, minVersion, maxVersion }: LinkRequest): RequestFailure {
    const theirs = this.#support?.rangeOf(api.key)
    const offered = theirs === undefined ? 'does not have it' : `has versions ${theirs.min} to ${theirs.max}`
    const ours = parseVersionRange(api.versions)
    const bounds = `${minVersion ?? ours?.min} to ${maxVersion ?? ours?.max}`
    const error = new KafkaError(
      'UNSUPPORTED_BY_BROKER',
      `${api.name} in versions ${bounds} is needed, and the broker ${this.name} ${offered}`,
      { request: { api: api.name, broker: this.name } },
    )
    return new RequestFailure(error, false)
  }

  /** Never rejects: who waits is told. */
  async #connect(): Promise<void> {
    const attempt = new AbortController()
    this.#attempt = attempt
    try {
      const connection = await ClientConnection.open(this.#runtime, this.address, this.#settings, attempt.signal)
      if (attempt.signal.aborted) {
        connection.close('given up while it connected')
        return
      }
      this.#negotiating = connection
      try {
        this.#support = await this.#negotiate(connection)
      } catch (error) {
        connection.close('the versions could not be negotiated')
        throw error
      } finally {
        this.#negotiating = undefined
      }
      // It may have ended together with the answer.
      if (connection.isClosed) {
        throw new KafkaError('DISCONNECTED', `${this.name} closed the connection after the first answer`)
      }
      this.#connection = connection
      connection.onClose = () => {
        if (this.#connection === connection) this.#connection = undefined
      }
      this.#failures = 0
      this.#attempt = undefined
      this.#onSupport(this.#support)
    } catch (error) {
      this.#attempt = undefined
      if (this.#isClosed) return
      this.#failures += 1
      this.#failedAtMs = this.#runtime.clock.monotonicMs()
      this.#notBeforeMs = this.#failedAtMs + this.#backoffMs()
      const failure = error instanceof RequestFailure ? error.error : error
      this.#rejectQueue(failure instanceof KafkaError ? new RequestFailure(failure, false) : failure)
      this.#closeIfRetired()
      return
    }
    this.#pump()
  }

  async #negotiate(connection: ClientConnection): Promise<BrokerSupport> {
    let version = parseVersionRange(apiVersions.versions)?.max ?? 0
    const body = { clientSoftwareName: 'semel', clientSoftwareVersion: this.#settings.softwareVersion }
    const timeoutMs = Math.min(this.#settings.requestTimeoutMs, this.#settings.connectTimeoutMs)
    for (;;) {
      const response = await connection.sendApiVersions(version, body, { timeoutMs })
      const { errorCode, apiKeys } = response
      if (errorCode === 'NONE') return new BrokerSupport(response)
      const request = { api: apiVersions.name, version, broker: this.name }
      if (errorCode !== 'UNSUPPORTED_VERSION') throw brokerError(errorCode, request)
      const theirs = apiKeys.find(({ apiKey }) => apiKey === apiVersions.key)
      const lower = Math.min(theirs?.maxVersion ?? 0, version - 1)
      if (lower < 0) {
        const message = `${this.name} refuses ApiVersions in every version; is it a Kafka broker of 0.10 or later?`
        throw new KafkaError('UNSUPPORTED_BY_BROKER', message, { request })
      }
      version = lower
    }
  }

  #backoffMs(): number {
    const { reconnectBackoffMs, reconnectBackoffMaxMs } = this.#settings
    const baseMs = Math.min(reconnectBackoffMaxMs, reconnectBackoffMs * 2 ** Math.min(this.#failures - 1, 20))
    return baseMs * (1 + JITTER * (this.#runtime.random.nextUint32() / 2 ** 31 - 1))
  }

  #heedThrottle(response: { readonly throttleTimeMs?: unknown } | undefined, api: Api): void {
    const throttleTimeMs = Number(response?.throttleTimeMs ?? 0)
    if (throttleTimeMs <= 0) return
    const heededMs = Math.min(throttleTimeMs, THROTTLE_MAX_MS)
    this.#throttledUntilMs = this.#runtime.clock.monotonicMs() + heededMs
    this.#runtime.logger.debug('throttled by the broker', {
      broker: this.name,
      api: api.name,
      throttleTimeMs,
      heededMs,
    })
  }
}
