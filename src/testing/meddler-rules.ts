/**
 * What a meddler does to which request or response: rules, how they are counted, and what is written down of them. Pure but for
 * the promises by which a test waits until a rule has struck.
 */
import type { Message, RequestFrame } from './wire-frames.ts'

/** One request and, once there is one, its response. */
export interface Exchange extends RequestFrame {
  /** Counts client connections from 0. */
  readonly session: number
  /** What the broker answered, decoded; `undefined` before. */
  readonly response: Message
  /** The broker has been sent the request. */
  readonly isForwarded: boolean
}

/**
 * What can be done to a request. Requests of one connection keep their order: behind one that is held, all wait. One that is
 * held when the client gives its connection up still arrives when it is released, as bytes on their way do.
 */
export type RequestAction =
  /** The broker never sees it, and the client never gets an answer. */
  | { readonly do: 'drop request' }
  /** The broker never sees it, and the connection is reset. */
  | { readonly do: 'cut before' }
  | { readonly do: 'hold request' }
  | { readonly do: 'delay request'; readonly ms: number }
  /** The broker never sees it; the client gets this answer. */
  | { readonly do: 'answer'; readonly response: (exchange: Exchange) => Message }
  | { readonly do: 'change request'; readonly change: (body: Message, exchange: Exchange) => void }
  /** The broker sees it twice, the client the first answer. `new`: the second time on a connection of its own. */
  | { readonly do: 'duplicate'; readonly on: 'same' | 'new' }

/** What can be done to a response: the broker has carried the request out. */
export type ResponseAction =
  /** It never comes, and nothing after it: the client waits. */
  | { readonly do: 'drop response' }
  /** The connection is reset instead. */
  | { readonly do: 'cut after' }
  /** So many bytes of it come, then the connection ends. */
  | { readonly do: 'cut inside'; readonly byteCount: number }
  | { readonly do: 'hold response' }
  | { readonly do: 'delay response'; readonly ms: number }
  | { readonly do: 'change response'; readonly change: (response: Message, exchange: Exchange) => void }
  /** What no codec would write; `frame` begins with the correlation id. */
  | { readonly do: 'change bytes'; readonly change: (frame: Buffer, exchange: Exchange) => Uint8Array }

export type Action = RequestAction | ResponseAction

export interface Rule {
  /** Name of the API, or names. */
  readonly api: string | readonly string[]
  /** Called at the moment of the action: before a response action the response is there. */
  readonly when?: (exchange: Exchange) => boolean
  /** So many matches are let pass first. */
  readonly skip?: number
  /** So many are acted upon; one unless given. */
  readonly times?: number
  readonly action: Action
}

/** One line of what was done. */
export interface Decision {
  readonly seq: number
  readonly atMs: number
  readonly session: number
  readonly api: string
  readonly version: number
  readonly correlationId: number
  readonly action: string
}

const RESPONSE_ACTIONS: ReadonlySet<string> = new Set<ResponseAction['do']>([
  'drop response',
  'cut after',
  'cut inside',
  'hold response',
  'delay response',
  'change response',
  'change bytes',
])

/** A rule at work. */
export class Meddling {
  readonly rule: Rule
  /** What it has struck, in order. */
  readonly exchanges: Exchange[] = []
  readonly #apis: ReadonlySet<string>
  readonly #isForResponses: boolean
  #matches = 0
  #isRemoved = false
  readonly #held: (() => void)[] = []
  #waiting: { readonly count: number; readonly resolve: (exchange: Exchange) => void }[] = []

  constructor(rule: Rule) {
    this.rule = rule
    this.#apis = new Set(typeof rule.api === 'string' ? [rule.api] : rule.api)
    this.#isForResponses = RESPONSE_ACTIONS.has(rule.action.do)
  }

  /** Resolves with the exchange once the rule has struck for the nth time. */
  struck(count = 1): Promise<Exchange> {
    const exchange = this.exchanges[count - 1]
    if (exchange !== undefined) return Promise.resolve(exchange)
    return new Promise((resolve) => void this.#waiting.push({ count, resolve }))
  }

  /** Lets go what is held. What the rule strikes from here on is held again, unless it is removed. */
  release(): void {
    for (const go of this.#held.splice(0)) go()
  }

  /** Strikes no more, and lets go what it holds. */
  remove(): void {
    this.#isRemoved = true
    this.release()
  }

  /** Whether it strikes now; counted if it matches. */
  strikes(exchange: Exchange, isResponse: boolean): boolean {
    const { when, skip = 0, times = 1 } = this.rule
    if (this.#isRemoved || isResponse !== this.#isForResponses || !this.#apis.has(exchange.api.name)) return false
    if (when !== undefined && !when(exchange)) return false
    this.#matches += 1
    if (this.#matches <= skip || this.#matches > skip + times) return false
    this.exchanges.push(exchange)
    for (const { count, resolve } of this.#waiting) if (count === this.exchanges.length) resolve(exchange)
    this.#waiting = this.#waiting.filter(({ count }) => count > this.exchanges.length)
    return true
  }

  /** Calls `go` at `release`. */
  hold(go: () => void): void {
    this.#held.push(go)
  }
}
