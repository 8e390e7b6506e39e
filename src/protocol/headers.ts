/**
 * Headers of requests and responses, everything before the body and after the frame length.
 *
 * Request header v1 (v2 in flexible versions): api key, api version, correlation id, client id, (tagged fields). The
 * client id is a nullable string with an int16 length in both. Response header v0 (v1): correlation id, (tagged fields);
 * ApiVersions answers with v0 in all versions, because a client must be able to read it before it knows the versions.
 *
 * Source: RequestHeader.json, ResponseHeader.json, KIP-482, KIP-511.
 */
import { assert } from '../base/assert.ts'
import type { ByteReader, ByteWriter } from '../base/bytes.ts'
import { DecodeError } from '../base/bytes.ts'

export const API_VERSIONS_KEY = 18

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
}

/** Whether the given version of an API is flexible; false for an api key that is not known. */
export type FlexibleLookup = (apiKey: number, apiVersion: number) => boolean

/**
 * Throws DecodeError when the bytes end early, the client id is not UTF-8 or the tagged fields are malformed. The version
 * is not judged here: it may be one that nobody supports.
 */
export function decodeRequestHeader(reader: ByteReader, isFlexibleVersion: FlexibleLookup): RequestHeader {
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  const correlationId = reader.int32()
  const clientIdBytes = reader.int16()
  if (clientIdBytes < -1) throw new DecodeError(`client id of ${clientIdBytes} bytes`)
  const clientId = clientIdBytes === -1 ? null : reader.string(clientIdBytes)
  if (isFlexibleVersion(apiKey, apiVersion)) skipTags(reader)
  return { apiKey, apiVersion, correlationId, clientId }
}

export function encodeRequestHeader(writer: ByteWriter, header: RequestHeader, flexible: boolean): void {
  writer.int16(header.apiKey)
  writer.int16(header.apiVersion)
  writer.int32(header.correlationId)
  if (header.clientId === null) {
    writer.int16(-1)
  } else {
    const byteLength = Buffer.byteLength(header.clientId)
    assert(byteLength <= 0x7fff, `client id of ${byteLength} bytes`)
    writer.int16(byteLength)
    writer.utf8(header.clientId, byteLength)
  }
  if (flexible) writer.uvarint(0)
}

/** Whether a response of this API and version begins with the header that has tagged fields. */
export function hasFlexibleResponseHeader(apiKey: number, flexible: boolean): boolean {
  return flexible && apiKey !== API_VERSIONS_KEY
}

/** @param flexible  what `hasFlexibleResponseHeader` says */
export function encodeResponseHeader(writer: ByteWriter, correlationId: number, flexible: boolean): void {
  writer.int32(correlationId)
  if (flexible) writer.uvarint(0)
}

/** @param flexible  what `hasFlexibleResponseHeader` says */
export function decodeResponseHeader(reader: ByteReader, flexible: boolean): { readonly correlationId: number } {
  const correlationId = reader.int32()
  if (flexible) skipTags(reader)
  return { correlationId }
}

/** No header has a tagged field yet; those of newer peers are passed over under the same rules as in messages. */
function skipTags(reader: ByteReader): void {
  const count = reader.uvarint()
  let previous = -1
  for (let index = 0; index < count; index++) {
    const tag = reader.uvarint()
    if (tag <= previous) throw new DecodeError(`header tag ${tag} after ${previous}: tags must ascend`)
    previous = tag
    reader.skip(reader.uvarint())
  }
}
