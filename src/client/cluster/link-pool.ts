/**
 * The links of one client, by broker and lane, and the choice among them for what any broker can answer.
 *
 * Owns which links there are: one per node, address and lane; bootstrap addresses only until a node is connected, and again
 * when no node can be reached (KIP-899). Links that are not needed any more end once nothing is pending on them, so a
 * cluster that names other nodes in every answer does not leave a connection to each.
 */
import type { Lane } from '../core/client-core.ts'
import type { BrokerSupport } from './api-support.ts'
import { BrokerLink } from './broker-link.ts'
import type { BrokerAddress } from './client-connection.ts'
import type { ClusterOptions } from './cluster-options.ts'
import type { BrokerView } from './metadata-cache.ts'

interface Entry {
  readonly lane: Lane
  readonly address: BrokerAddress
  readonly link: BrokerLink
}

export class LinkPool {
  readonly #options: ClusterOptions
  readonly #onSupport: (nodeId: number | undefined, support: BrokerSupport) => void
  readonly #entries = new Map<string, Entry>()
  readonly #bootstrap: readonly BrokerAddress[]

  constructor(options: ClusterOptions, onSupport: (nodeId: number | undefined, support: BrokerSupport) => void) {
    this.#options = options
    this.#onSupport = onSupport
    // Each client begins elsewhere, and stays there for as long as it answers.
    const first = options.runtime.random.nextUint32() % options.bootstrap.length
    this.#bootstrap = [...options.bootstrap.slice(first), ...options.bootstrap.slice(0, first)].map((address) => ({
      ...address,
      nodeId: undefined,
    }))
  }

  to(address: BrokerAddress, lane: Lane): BrokerLink {
    const { host, port, nodeId } = address
    const key = `${lane} ${nodeId ?? 'bootstrap'} ${host}:${port}`
    const known = this.#entries.get(key)
    if (known !== undefined) return known.link
    if (nodeId !== undefined) this.#closeElsewhere(nodeId, lane)
    const { clientId, softwareVersion, maxResponseBytes, connectTimeoutMs } = this.#options
    const { runtime, requestTimeoutMs, reconnectBackoffMs, reconnectBackoffMaxMs } = this.#options
    const settings = { clientId, softwareVersion, maxResponseBytes, connectTimeoutMs }
    const backoff = { requestTimeoutMs, reconnectBackoffMs, reconnectBackoffMaxMs }
    const link = new BrokerLink(runtime, address, { ...settings, ...backoff }, (support) => {
      if (nodeId !== undefined) this.#retire((entry) => entry.address.nodeId === undefined)
      this.#onSupport(nodeId, support)
    })
    this.#entries.set(key, { lane, address, link })
    return link
  }

  /**
   * Connected before not connected, and not one that has just failed. When all fail, nodes and bootstrap addresses are tried
   * in turn: either may come back first.
   */
  any(brokers: Iterable<BrokerView>, lane: Lane): BrokerLink {
    const links = Array.from(brokers, (broker) => this.to(broker, lane))
    const idlest = links.filter((link) => link.isConnected).toSorted((a, b) => a.pendingRequests - b.pendingRequests)[0]
    if (idlest !== undefined) return idlest
    const untried = links.filter((link) => link.failedAtMs === undefined)
    if (untried.length > 0) return untried[this.#options.runtime.random.nextUint32() % untried.length] as BrokerLink
    const all = [...this.#bootstrap.map((address) => this.to(address, lane)), ...links]
    const failedAtMs = ({ failedAtMs: ms = Number.NEGATIVE_INFINITY }: BrokerLink): number => ms
    return all.reduce((best, link) => (failedAtMs(link) < failedAtMs(best) ? link : best))
  }

  /** These are all nodes there are. */
  retain(brokers: ReadonlyMap<number, BrokerView>): void {
    this.#retire(({ address: { nodeId } }) => nodeId !== undefined && !brokers.has(nodeId))
  }

  close(reason: string): void {
    for (const { link } of this.#entries.values()) link.close(reason)
    this.#entries.clear()
  }

  #retire(isUnneeded: (entry: Entry) => boolean): void {
    for (const [key, entry] of [...this.#entries]) {
      if (!isUnneeded(entry)) continue
      this.#entries.delete(key)
      entry.link.retire()
    }
  }

  /** A node that is reached elsewhere now is not reached there any more. */
  #closeElsewhere(nodeId: number, lane: Lane): void {
    for (const [key, entry] of [...this.#entries]) {
      if (entry.address.nodeId !== nodeId || entry.lane !== lane) continue
      this.#entries.delete(key)
      entry.link.close('the broker has another address now')
    }
  }
}
