/**
 * Frames of the Kafka protocol as both ends see them, taken apart and put together with the codec: for peers that listen in,
 * change what passes, or answer from a script. Frames are without their int32 size, bytes for a socket are with it.
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts'
import { apiByKey } from '../protocol/apis.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse, isFlexible } from '../protocol/codec.ts'
import { errorNumber } from '../protocol/error-codes.ts'
import {
  API_VERSIONS_KEY,
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestHeader,
  encodeResponseHeader,
  hasFlexibleResponseHeader,
} from '../protocol/headers.ts'
import type { Api } from '../protocol/schema.ts'

/** A message as decoding gives it, to be read and changed by name. */
// oxlint-disable-next-line typescript/no-explicit-any -- its shape depends on the API, which the reader knows
export type Message = any

export interface RequestFrame {
  readonly api: Api
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly body: Message
}

/** Throws DecodeError, also for an API or version that is not known. */
export function readRequestFrame(frame: Uint8Array): RequestFrame {
  const reader = new ByteReader(frame)
  const header = decodeRequestHeader(reader, (apiKey, version) => {
    const api = apiByKey(apiKey)
    return api !== undefined && isFlexible(api, version)
  })
  const { apiKey, apiVersion: version, correlationId, clientId } = header
  const api = apiByKey(apiKey)
  if (api === undefined) throw new Error(`a request of an API without a schema: ${apiKey}`)
  return { api, version, correlationId, clientId, body: decodeRequest(api, version, reader) }
}

/** Throws DecodeError. */
export function readResponseFrame({ api, version }: RequestFrame, frame: Uint8Array): Message {
  const reader = new ByteReader(frame)
  decodeResponseHeader(reader, hasFlexibleResponseHeader(api.key, isFlexible(api, version)))
  return decodeResponse(api, bodyVersion(api, version, frame, reader.position), reader)
}

/** A broker that does not know the version of an ApiVersions request refuses it in a body of version 0 (KIP-511). */
function bodyVersion(api: Api, version: number, frame: Uint8Array, position: number): number {
  if (api.key !== API_VERSIONS_KEY || frame.length < position + 2) return version
  const code = Buffer.from(frame.buffer, frame.byteOffset).readInt16BE(position)
  return code === errorNumber('UNSUPPORTED_VERSION') ? 0 : version
}

/** Bytes for a socket. */
export function requestBytes(request: RequestFrame): Buffer {
  const { api, version, correlationId, clientId, body } = request
  return framed((writer) => {
    const header = { apiKey: api.key, apiVersion: version, correlationId, clientId }
    encodeRequestHeader(writer, header, isFlexible(api, version))
    encodeRequest(api, version, body, writer)
  })
}

/** Bytes for a socket. @param version  of the body, where it differs from the request's (ApiVersions) */
export function responseBytes(
  request: Pick<RequestFrame, 'api' | 'version' | 'correlationId'>,
  response: Message,
  version = request.version,
): Buffer {
  const { api, correlationId } = request
  return framed((writer) => {
    const isFlexibleHeader = hasFlexibleResponseHeader(api.key, isFlexible(api, version))
    encodeResponseHeader(writer, correlationId, isFlexibleHeader)
    encodeResponse(api, version, response, writer)
  })
}

/** A frame with its size. */
export function withSize(frame: Uint8Array): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(frame.length)
  return Buffer.concat([size, frame])
}

function framed(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter()
  write(writer)
  return withSize(writer.toBytes())
}
