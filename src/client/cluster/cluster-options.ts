/** What a client needs to know to reach a cluster; checked and with every default in place. */
import type { Runtime } from '../../base/runtime.ts'

export interface ClusterOptions {
  /** At least one, 'HOST:PORT' taken apart. */
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
  readonly clientId: string
  readonly softwareVersion: string
  readonly runtime: Runtime
  /** Connecting, and the first exchange on a connection. */
  readonly connectTimeoutMs: number
  /** From sending a request to its answer. */
  readonly requestTimeoutMs: number
  readonly reconnectBackoffMs: number
  readonly reconnectBackoffMaxMs: number
  /** Between two tries of a request. */
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  /** Metadata older than this is asked for anew. */
  readonly metadataMaxAgeMs: number
  readonly maxResponseBytes: number
  /** Whether asking for a topic may create it, where the broker is set up so. */
  readonly autoCreateTopics: boolean
}
