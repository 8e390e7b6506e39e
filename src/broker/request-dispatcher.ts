/**
 * From frame to handler and back: decodes a request, runs its handler, encodes the answer.
 *
 * Requests of one connection run concurrently; the connection sends their replies in order. A request that cannot be
 * decoded closes its connection and nobody else's. An exception that is no peer's mistake stops the broker, because
 * what it left half done is not known. Source: KIP-35, KIP-482, KIP-511.
 */
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts'
import type { Runtime } from '../base/runtime.ts'
import type { Connection } from '../net/connection.ts'
import { decodeRequest, encodeResponse, isFlexible } from '../protocol/codec.ts'
import { decodeRequestHeader, encodeResponseHeader, hasFlexibleResponseHeader } from '../protocol/headers.ts'
import type { RequestHeader } from '../protocol/headers.ts'
import { apiVersions } from '../protocol/messages/api-versions.ts'
import { StorageFailure } from '../storage/errors.ts'
import { REQUEST_CHANNEL } from './events.ts'
import { ANONYMOUS, CloseConnection } from './handler.ts'
import type { Handler, RequestContext } from './handler.ts'
import { unsupportedApiVersions } from './handlers/api-versions.ts'
import type { BrokerServices } from './services.ts'

export class RequestDispatcher {
  readonly #broker: BrokerServices
  readonly #runtime: Runtime
  readonly #onFailure: (error: Error) => void
  readonly #handlers = new Map<number, Handler>()
  /** What waits for the end of a connection. */
  readonly #closeListeners = new Map<number, Set<() => void>>()

  /** @param onFailure  called with an error of our own; the broker has to stop */
  constructor(broker: BrokerServices, onFailure: (error: Error) => void) {
    this.#broker = broker
    this.#runtime = broker.runtime
    this.#onFailure = onFailure
    for (const handler of broker.handlers) this.#handlers.set(handler.api.key, handler)
  }

  onFrame(connection: Connection, frame: Uint8Array, sequence: number): void {
    const reader = new ByteReader(frame)
    let header: RequestHeader
    try {
      header = decodeRequestHeader(reader, (apiKey, apiVersion) => {
        const handler = this.#handlers.get(apiKey)
        return handler !== undefined && isFlexible(handler.api, apiVersion)
      })
    } catch (error) {
      this.#refuse(connection, error, 'a request header')
      return
    }
    const handler = this.#handlers.get(header.apiKey)
    if (handler === undefined) {
      connection.close(`API key ${header.apiKey} (version ${header.apiVersion}) is not served`)
      return
    }
    if (header.apiVersion < handler.minVersion || header.apiVersion > handler.maxVersion) {
      this.#refuseVersion(connection, sequence, header, handler)
      return
    }
    let request: unknown
    try {
      // Bytes behind the request are let be, as in Kafka: librdkafka 2.15 sends three after Metadata 13.
      request = decodeRequest(handler.api, header.apiVersion, reader)
    } catch (error) {
      this.#refuse(connection, error, `a ${handler.api.name} request (version ${header.apiVersion})`)
      return
    }
    this.#run(connection, sequence, header, handler, request)
  }

  onClose(connection: Connection): void {
    this.#tellOfEnd(connection)
  }

  #tellOfEnd(connection: Connection): void {
    const listeners = this.#closeListeners.get(connection.id)
    this.#closeListeners.delete(connection.id)
    for (const listener of listeners ?? []) listener()
  }

  #run(connection: Connection, sequence: number, header: RequestHeader, handler: Handler, request: unknown): void {
    const startedMs = this.#runtime.clock.monotonicMs()
    const context: RequestContext = {
      apiVersion: header.apiVersion,
      clientId: header.clientId,
      connectionId: connection.id,
      remoteAddress: connection.remoteAddress,
      principal: ANONYMOUS,
      nowMs: this.#runtime.clock.nowMs(),
      onConnectionClosed: (callback) => this.#onConnectionClosed(connection, callback),
    }
    const finish = (response: Awaited<ReturnType<Handler['handle']>>): void => {
      if (response === null) {
        connection.reply(sequence, null)
      } else {
        const writer = new ByteWriter()
        const isFlexibleVersion = isFlexible(handler.api, header.apiVersion)
        encodeResponseHeader(
          writer,
          header.correlationId,
          hasFlexibleResponseHeader(handler.api.key, isFlexibleVersion),
        )
        encodeResponse(handler.api, header.apiVersion, response, writer)
        connection.reply(sequence, writer.finish())
      }
      this.#publish(connection, header, handler, startedMs, response)
    }
    const fail = (error: unknown): void => {
      if (error instanceof CloseConnection) connection.close(error.message)
      // The broker is stopping already and says why; this peer learns that its outcome is unknown.
      else if (error instanceof StorageFailure) connection.close(error.message)
      else this.#onFailure(asError(error))
    }
    try {
      const response = handler.handle(this.#broker, request as never, context)
      if (response instanceof Promise) void response.then(finish).catch(fail)
      else finish(response)
    } catch (error) {
      fail(error)
    }
  }

  #refuseVersion(connection: Connection, sequence: number, header: RequestHeader, handler: Handler): void {
    if (handler.api.key !== apiVersions.key) {
      const { minVersion, maxVersion, api } = handler
      connection.close(`${api.name} version ${header.apiVersion} is not served; ${minVersion} to ${maxVersion} are`)
      return
    }
    const writer = new ByteWriter()
    encodeResponseHeader(writer, header.correlationId, false)
    encodeResponse(apiVersions, 0, unsupportedApiVersions(this.#broker), writer)
    connection.reply(sequence, writer.finish())
  }

  #refuse(connection: Connection, error: unknown, what: string): void {
    if (!(error instanceof DecodeError)) throw error
    const { remoteAddress, remotePort } = connection
    this.#runtime.logger.warn(`cannot read ${what}; closing the connection`, {
      remoteAddress,
      remotePort,
      reason: error.message,
    })
    connection.close(`cannot read ${what}: ${error.message}`)
  }

  #onConnectionClosed(connection: Connection, callback: () => void): () => void {
    if (connection.isClosed || connection.hasPeerEnded) {
      callback()
      return () => undefined
    }
    let listeners = this.#closeListeners.get(connection.id)
    if (listeners === undefined) {
      this.#closeListeners.set(connection.id, (listeners = new Set()))
      connection.onPeerEnded = () => this.#tellOfEnd(connection)
    }
    const all = listeners
    all.add(callback)
    return () => all.delete(callback)
  }

  #publish(
    connection: Connection,
    { apiKey, apiVersion, clientId }: RequestHeader,
    { api }: Handler,
    startedMs: number,
    response: unknown,
  ): void {
    const { events, clock } = this.#runtime
    if (!events.hasSubscribers(REQUEST_CHANNEL)) return
    const durationMs = clock.monotonicMs() - startedMs
    const errorCode = (response as { errorCode?: string } | null)?.errorCode
    const common = { apiKey, apiName: api.name, apiVersion, clientId, connectionId: connection.id, durationMs }
    events.publish(REQUEST_CHANNEL, errorCode === undefined ? common : { ...common, errorCode })
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
