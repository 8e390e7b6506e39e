/**
 * What an API handler is: the schema it speaks, the versions it offers, and a function from request to response.
 *
 * One file per API in `handlers/`; ApiVersions, the request dispatcher and docs/protocol-support.md all derive from
 * the registry in `handlers/index.ts`, so nothing is advertised that is not answered.
 */
import type { Api, Decoded, Draft, Fields } from '../protocol/schema.ts'
import type { BrokerServices } from './services.ts'

/** Who is asking. Without authentication everybody is ANONYMOUS; handlers pass it on so that ACLs have their place. */
export interface Principal {
  readonly type: string
  readonly name: string
}

export const ANONYMOUS: Principal = { type: 'User', name: 'ANONYMOUS' }

/** What a handler may know of the request besides its body. */
export interface RequestContext {
  readonly apiVersion: number
  readonly clientId: string | null
  readonly connectionId: number
  readonly remoteAddress: string
  readonly principal: Principal
  /** Broker clock when the request arrived, milliseconds since the epoch. */
  readonly nowMs: number
  /** Calls back once when the connection is gone, or its peer has sent its last byte; answers a function that takes the wish back. */
  onConnectionClosed(callback: () => void): () => void
}

/** Thrown by a handler that owes the peer no answer but a closed connection (acks=0 and an error, say). */
export class CloseConnection extends Error {
  override name = 'CloseConnection'
}

export interface Handler<Req extends Fields = Fields, Res extends Fields = Fields> {
  readonly api: Api<Req, Res>
  /** Oldest and newest version answered. */
  readonly minVersion: number
  readonly maxVersion: number
  /** Oldest version in ApiVersions when it is below `minVersion`: a version offered for show and refused. */
  readonly advertisedMinVersion?: number
  /** Differences from Kafka that a user may notice, for docs/protocol-support.md. */
  readonly deviations?: readonly string[]
  /** `null`: no response is owed (acks=0). The promise resolves when all that the response says is durable. */
  readonly handle: (
    broker: BrokerServices,
    request: Decoded<Req>,
    context: RequestContext,
  ) => Draft<Res> | null | Promise<Draft<Res> | null>
}

export function defineHandler<Req extends Fields, Res extends Fields>(
  api: Api<Req, Res>,
  // Inferred from the schema alone, so that a handler's literals are checked against it.
  definition: Omit<Handler<NoInfer<Req>, NoInfer<Res>>, 'api'>,
): Handler<Req, Res> {
  return { api, ...definition }
}
