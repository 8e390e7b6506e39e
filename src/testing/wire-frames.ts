/**
 * Frames of the Kafka protocol as both ends see them, taken apart and put together with the codec: for peers that
 * answer from a script. Frames are without their int32 size, bytes for a socket are with it.
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts'
import { apiByKey } from '../protocol/apis.ts'
import { decodeRequest, encodeResponse, isFlexible } from '../protocol/codec.ts'
import { decodeRequestHeader, encodeResponseHeader, hasFlexibleResponseHeader } from '../protocol/headers.ts'
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
function withSize(frame: Uint8Array): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(frame.length)
  return Buffer.concat([size, frame])
}

function framed(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter()
  write(writer)
  return withSize(writer.toBytes())
}
