/**
 * The way to one broker in one lane: a connection that is made when it is needed and made again when it is lost.
 *
 * Owns the first exchange (ApiVersions, down to version 0), pauses between failed attempts, and throttling. Requests that
 * come while it connects wait for that attempt and fail with it.
 *
 * Source: KIP-35, KIP-511 (version negotiation), KIP-219 (a throttled client waits by itself).
 */
import type { Runtime } from '../../base/runtime.ts'
import { apiVersions } from '../../protocol/messages/api-versions.ts'
import type { Api, ResponseOf } from '../../protocol/schema.ts'
import { parseVersionRange } from '../../protocol/version-range.ts'
import type { CoreRequest } from '../core/client-core.ts'
import { KafkaError } from '../errors.ts'
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

export class BrokerLink {
  readonly address: BrokerAddress
  readonly name: string
  /** Told after each ApiVersions answer. */
  readonly #onSupport: (support: BrokerSupport) => void
  readonly #runtime: Runtime
  readonly #settings: LinkSettings
  #connection: ClientConnection | undefined
  #connecting: Promise<ClientConnection> | undefined
  #support: BrokerSupport | undefined
  #failures = 0
  #notBeforeMs = 0
  #throttledUntilMs = 0
  #isClosed = false
  #waiting = 0
  #queued = 0
  /** Made, and its versions not known yet. */
  #negotiating: ClientConnection | undefined

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

  /** The last attempt failed, and there was none since. */
  get isFailing(): boolean {
    return this.#failures > 0
  }

  get pendingRequests(): number {
    return this.#waiting
  }

  /** Rejects with RequestFailure. */
  async send<A extends Api>(request: Omit<CoreRequest<A>, 'id' | 'destination'>): Promise<LinkReply<A>> {
    this.#waiting += 1
    try {
      // Who waits for the connection already goes first: requests keep their order.
      const connection =
        this.#connection !== undefined && this.#queued === 0 ? this.#connection : await this.#whenConnected()
      if (this.#throttledUntilMs > 0) await this.#waitForThrottle()
      const version = this.#versionFor(request)
      const response = await connection.send(request.api, version, request.body, request)
      this.#heedThrottle(response, request.api)
      return { response, version }
    } finally {
      this.#waiting -= 1
    }
  }

  /** Ends the link for good; what is pending fails. */
  close(reason: string): void {
    this.#isClosed = true
    this.#negotiating?.close(reason)
    this.#connection?.close(reason)
  }

  #versionFor(request: Pick<CoreRequest, 'api' | 'minVersion' | 'maxVersion'>): number {
    const { api, minVersion, maxVersion } = request
    const version = this.#support?.version(api, minVersion, maxVersion)
    if (version !== undefined) return version
    const theirs = this.#support?.rangeOf(api.key)
    const offered = theirs === undefined ? 'does not have it' : `has versions ${theirs.min} to ${theirs.max}`
    const bounds = `${minVersion ?? parseVersionRange(api.versions)?.min} to ${maxVersion ?? parseVersionRange(api.versions)?.max}`
    const error = new KafkaError(
      'UNSUPPORTED_BY_BROKER',
      `${api.name} in versions ${bounds} is needed, and the broker ${this.name} ${offered}`,
      { request: { api: api.name, broker: this.name } },
    )
    throw new RequestFailure(error, false)
  }

  async #whenConnected(): Promise<ClientConnection> {
    this.#queued += 1
    try {
      return this.#connection ?? (await this.#connect())
    } finally {
      this.#queued -= 1
    }
  }

  #connect(): Promise<ClientConnection> {
    this.#connecting ??= this.#attempt().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  async #attempt(): Promise<ClientConnection> {
    const pauseMs = this.#notBeforeMs - this.#runtime.clock.monotonicMs()
    if (pauseMs > 0) await this.#sleep(pauseMs)
    try {
      if (this.#isClosed) throw new KafkaError('CLOSED', `the connection to ${this.name} was closed`)
      const connection = await ClientConnection.open(this.#runtime, this.address, this.#settings)
      if (this.#isClosed) {
        connection.close('closed while connecting')
        throw new KafkaError('CLOSED', `the connection to ${this.name} was closed`)
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
      this.#connection = connection
      connection.onClose = () => {
        if (this.#connection === connection) this.#connection = undefined
      }
      this.#failures = 0
      this.#notBeforeMs = 0
      this.#onSupport(this.#support)
      return connection
    } catch (error) {
      this.#failures += 1
      this.#notBeforeMs = this.#runtime.clock.monotonicMs() + this.#backoffMs()
      const failure = error instanceof RequestFailure ? error.error : error
      if (failure instanceof KafkaError) throw new RequestFailure(failure, false)
      throw error
    }
  }

  async #negotiate(connection: ClientConnection): Promise<BrokerSupport> {
    let version = parseVersionRange(apiVersions.versions)?.max ?? 0
    const body = { clientSoftwareName: 'semel', clientSoftwareVersion: this.#settings.softwareVersion }
    const timeoutMs = Math.min(this.#settings.requestTimeoutMs, this.#settings.connectTimeoutMs)
    for (;;) {
      const response = await connection.sendApiVersions(version, body, { timeoutMs })
      if (response.errorCode === 'NONE') return new BrokerSupport(response)
      const theirs = response.apiKeys.find(({ apiKey }) => apiKey === apiVersions.key)
      const lower = response.errorCode === 'UNSUPPORTED_VERSION' ? Math.min(theirs?.maxVersion ?? 0, version - 1) : -1
      if (lower < 0) {
        throw new KafkaError('UNSUPPORTED_BY_BROKER', `${this.name} answers ApiVersions with ${response.errorCode}`, {
          request: { api: apiVersions.name, version, broker: this.name },
        })
      }
      version = lower
    }
  }

  #backoffMs(): number {
    const { reconnectBackoffMs, reconnectBackoffMaxMs } = this.#settings
    const baseMs = Math.min(reconnectBackoffMaxMs, reconnectBackoffMs * 2 ** Math.min(this.#failures - 1, 20))
    return baseMs * (1 + JITTER * (this.#runtime.random.nextUint32() / 2 ** 31 - 1))
  }

  #heedThrottle(response: { readonly throttleTimeMs?: number } | undefined, api: Api): void {
    const throttleTimeMs = response?.throttleTimeMs ?? 0
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

  async #waitForThrottle(): Promise<void> {
    const pauseMs = this.#throttledUntilMs - this.#runtime.clock.monotonicMs()
    if (pauseMs > 0) await this.#sleep(pauseMs)
    else this.#throttledUntilMs = 0
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#runtime.clock.setTimer(ms, resolve, { keepsProcessAlive: true }))
  }
}
