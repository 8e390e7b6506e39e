/**
 * A man in the middle between clients and a broker, who can lose, hold, change, repeat and answer what passes: what proves
 * what a client does when a network or a broker fails at a chosen moment.
 *
 * Reads both directions with the codec, so rules see which API, version and body it is. Bytes that no rule touches pass as they are,
 * but for the addresses in Metadata, FindCoordinator and DescribeCluster, which become the meddler's own: clients stay behind it.
 * It works on any network, the simulated one (then a run is a function of its seed) or the real one.
 *
 *     const lost = meddler.on({ api: 'EndTxn', action: { do: 'cut after' } })
 *     await producer.transaction(…)
 *     expect(lost.exchanges).toHaveLength(1)
 */
import type { Clock, Listener, Network } from '../base/runtime.ts'
import { type Decision, type Exchange, Meddling, type Rule } from './meddler-rules.ts'
import { MeddlerSession, type SessionHost } from './meddler-session.ts'
import type { Message } from './wire-frames.ts'

interface Address {
  readonly host: string
  readonly port: number
}

export interface MeddlerOptions {
  readonly network: Network
  readonly clock: Clock
  /** The broker. */
  readonly upstream: Address
  /** Where clients connect; a free port of 127.0.0.1 unless given. */
  readonly listen?: Address
  /** Where clients are to find a node; here unless given. */
  readonly addressOf?: (node: Address & { readonly nodeId: number }) => Address
}

export class Meddler {
  /** What was done, in order. */
  readonly decisions: Decision[] = []
  /** Every request that was seen, in order. */
  readonly exchanges: Exchange[] = []
  readonly #options: MeddlerOptions
  readonly #meddlings: Meddling[] = []
  readonly #sessions = new Set<MeddlerSession>()
  #listener: Listener | undefined
  #nextSession = 0

  private constructor(options: MeddlerOptions) {
    this.#options = options
  }

  static async start(options: MeddlerOptions): Promise<Meddler> {
    const meddler = new Meddler(options)
    const address = options.listen ?? { host: '127.0.0.1', port: 0 }
    meddler.#listener = await options.network.listen(address, (socket) => meddler.#accept(socket))
    return meddler
  }

  get host(): string {
    return this.#listener?.host ?? ''
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  get openSessions(): number {
    return this.#sessions.size
  }

  /** From here on. Of several rules the first that matches strikes. */
  on(rule: Rule): Meddling {
    const meddling = new Meddling(rule)
    this.#meddlings.push(meddling)
    return meddling
  }

  /** Rules that have found nothing to strike so far. */
  get unstruck(): Rule[] {
    return this.#meddlings.filter(({ exchanges }) => exchanges.length === 0).map(({ rule }) => rule)
  }

  /** No rule holds any more, and nothing is held. */
  calm(): void {
    for (const meddling of this.#meddlings.splice(0)) meddling.remove()
  }

  /** Bodies of the requests of an API, in order. */
  requestsOf(api: string): Message[] {
    return this.exchanges.filter((exchange) => exchange.api.name === api).map(({ body }) => body)
  }

  /** Resets every connection. */
  cut(): void {
    for (const session of [...this.#sessions]) session.cut()
  }

  /** New connections are refused, and those there are reset. */
  async close(): Promise<void> {
    await this.#listener?.close()
    this.calm()
    this.cut()
  }

  #accept(socket: Parameters<Parameters<Network['listen']>[1]>[0]): void {
    const { network, clock, upstream } = this.#options
    const host: SessionHost = {
      network,
      clock,
      upstream,
      strike: (exchange, isResponse) => this.#strike(exchange, isResponse),
      readdress: (exchange) => this.#readdress(exchange),
      onEnd: (session) => void this.#sessions.delete(session),
    }
    this.#sessions.add(new MeddlerSession(this.#nextSession, socket, host))
    this.#nextSession += 1
  }

  #strike(exchange: Exchange, isResponse: boolean): Meddling | undefined {
    if (!isResponse) this.exchanges.push(exchange)
    const struck = this.#meddlings.find((meddling) => meddling.strikes(exchange, isResponse))
    if (struck === undefined) return undefined
    const { session, api, version, correlationId } = exchange
    this.decisions.push({
      seq: this.decisions.length,
      atMs: this.#options.clock.monotonicMs(),
      session,
      api: api.name,
      version,
      correlationId,
      action: struck.rule.action.do,
    })
    return struck
  }

  #readdress({ api, response }: Exchange): boolean {
    const isList = api.name === 'Metadata' || api.name === 'DescribeCluster'
    const isCoordinator = api.name === 'FindCoordinator'
    const nodes: Message[] = isList ? response.brokers : isCoordinator ? [response, ...response.coordinators] : []
    if (nodes.length === 0) return false
    const addressOf = this.#options.addressOf ?? ((): Address => ({ host: this.host, port: this.port }))
    // A coordinator that is not there has no address.
    for (const node of nodes) if (node.port > 0) Object.assign(node, addressOf(node))
    return true
  }
}
