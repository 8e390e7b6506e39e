/**
 * The contract of the client's pure cores: what they know of the cluster, what they ask of it, what they are told.
 *
 * A core never sends and never waits. Its shell (../core-driver.ts) calls `poll` when something changed or a moment has come,
 * sends the requests it answers with, and hands each reply back with `onReply`, exactly once per request. So a test is a list of calls.
 */
import type { Api, RequestDraftOf, ResponseOf } from '../../protocol/schema.ts'
import type { KafkaError } from '../errors.ts'

/** Who is to answer. Coordinators are looked up, and looked up anew after an error that says so, by the shell. */
export type Destination =
  | { readonly kind: 'any' }
  | { readonly kind: 'controller' }
  | { readonly kind: 'node'; readonly nodeId: number }
  | { readonly kind: 'coordinator'; readonly of: 'group' | 'transaction'; readonly key: string }

/** Requests of different lanes to one broker use different connections: a Fetch that waits must not hold up a heartbeat. */
export type Lane = 'data' | 'fetch' | 'coordinator'

export interface CoreRequest<A extends Api = Api> {
  /** Given by the core, unique among its requests that have no reply yet. */
  readonly id: number
  readonly destination: Destination
  readonly api: A
  /** Holds the fields of all versions; those that the chosen version lacks are left out. */
  readonly body: RequestDraftOf<A>
  /** The highest version that both sides speak is taken, within these bounds where they are given. */
  readonly minVersion?: number
  readonly maxVersion?: number
  /** From the moment of sending. Afterwards the connection is given up, and the reply is REQUEST_TIMEOUT. */
  readonly timeoutMs: number
  /** `coordinator` for coordinators, else `data`. */
  readonly lane?: Lane
  /** acks=0: nothing will come back; the reply is handed to the core as soon as the bytes are with the socket. */
  readonly expectsNoResponse?: boolean
}

export type CoreReply<A extends Api = Api> =
  | {
      readonly ok: true
      /** `undefined` for a request that expects no response. */
      readonly response: ResponseOf<A>
      readonly version: number
      readonly nodeId: number
      /** 'HOST:PORT (node N)', for messages. */
      readonly broker: string
    }
  | {
      readonly ok: false
      /** A failure of the way, never an error code inside a response. */
      readonly error: KafkaError
      /** The broker may have got the request, and carried it out. */
      readonly mayHaveBeenSent: boolean
    }

export interface PollResult {
  readonly requests: readonly CoreRequest[]
  /** When to poll again if nothing happens before; monotonic clock, milliseconds. `undefined`: not by itself. */
  readonly nextPollMs: number | undefined
  /** Topics whose metadata must be known; the shell keeps them fresh from now on. */
  readonly topics?: readonly string[]
  /** What is known is outdated: ask now (back-off is the shell's). */
  readonly refreshMetadata?: boolean
  /** These coordinators have moved: look them up again before the next request. */
  readonly forgetCoordinators?: readonly { readonly of: 'group' | 'transaction'; readonly key: string }[]
}

/** `nowMs` is everywhere the monotonic clock, milliseconds. */
export interface ClientCore {
  poll(nowMs: number, cluster: ClusterView): PollResult
  onReply(requestId: number, reply: CoreReply, nowMs: number): void
}

export interface PartitionView {
  readonly partition: number
  /** `undefined`: no leader at the moment. */
  readonly leaderId: number | undefined
  /** -1 where the broker does not tell. */
  readonly leaderEpoch: number
  readonly replicaIds: readonly number[]
  readonly inSyncReplicaIds: readonly number[]
}

export interface TopicView {
  readonly name: string
  /** ZERO_UUID where the broker does not tell. */
  readonly topicId: string
  readonly isInternal: boolean
  /** By partition number, without gaps. */
  readonly partitions: readonly PartitionView[]
  /** What the last look-up answered instead of partitions, such as UNKNOWN_TOPIC_OR_PARTITION. */
  readonly error: KafkaError | undefined
}

/** What is known of the cluster now. Reads only; the same object is passed at every poll. */
export interface ClusterView {
  /** Grows whenever anything below changes. */
  readonly revision: number
  /** `undefined`: not asked for, or not answered yet. */
  topic(name: string): TopicView | undefined
  topicById(topicId: string): TopicView | undefined
  /** The highest version of the API that both sides speak; `undefined`: nothing is known of this broker, or it lacks the API. */
  apiVersion(nodeId: number, api: Api): number | undefined
  /** The same, as the lowest over all brokers that have been met; `undefined` while none has been. */
  apiVersionEverywhere(api: Api): number | undefined
  /** Finalized level of a cluster feature such as 'transaction.version'; 0 when it is not finalized. */
  featureLevel(name: string): number
  /** Whether ApiVersions was answered by at least one broker, so that features are known. */
  readonly isConnected: boolean
}
