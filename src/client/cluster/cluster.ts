/**
 * One client's way to a cluster: connections by broker and lane, versions, metadata, coordinators.
 *
 * `send` is one request and one try; `call` asks again for as long as its caller allows. Owns where a request goes, what is
 * forgotten when that turns out wrong, and when metadata is asked for. Error codes inside responses mean nothing to `send`.
 * Leaves to others: what to ask, and what answers mean (cores, admin); which links there are (link-pool.ts), the way to one
 * broker (broker-link.ts), coordinators (coordinators.ts).
 *
 * Invariants: one Metadata request at a time; a coordinator is looked up once for all who wait for it; after `close`
 * nothing is sent and everything pending is rejected.
 */
import type { Runtime, Timer } from '../../base/runtime.ts'
import { metadata } from '../../protocol/messages/metadata.ts'
import type { Api, ResponseOf } from '../../protocol/schema.ts'
import type { ClusterView, CoreRequest, Destination, Lane, TopicView } from '../core/client-core.ts'
import { brokerError, isRetriable, KafkaError } from '../errors.ts'
import type { BrokerLink } from './broker-link.ts'
import { RequestFailure } from './client-connection.ts'
import type { ClusterOptions } from './cluster-options.ts'
import { type CoordinatorKey, Coordinators } from './coordinators.ts'
import { LinkPool } from './link-pool.ts'
import { type BrokerView, MetadataCache } from './metadata-cache.ts'
import { type WaitLimits, Waits } from './waits.ts'

export interface Reply<A extends Api> {
  readonly response: ResponseOf<A>
  readonly version: number
  readonly nodeId: number
  readonly broker: string
}

export interface CallOptions<A extends Api> {
  /** For all tries together. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** An error in the response that is worth asking again for, if its recovery is `retry` or `refresh`; others are thrown. */
  readonly retryOn?: (response: ResponseOf<A>, broker: string) => KafkaError | undefined
}

const UNKNOWN_NODE = -1
const TOPICS_MAX = 100_000

export class Cluster {
  readonly runtime: Runtime
  readonly options: ClusterOptions
  readonly #cache = new MetadataCache()
  readonly #links: LinkPool
  readonly #coordinators: Coordinators
  readonly #waits: Waits
  readonly #listeners = new Set<() => void>()
  readonly #wantedTopics = new Set<string>()
  #metadataRequest: Promise<void> | undefined
  #metadataTimer: Timer | undefined
  #lastMetadataMs = Number.NEGATIVE_INFINITY
  #metadataFailures = 0
  /** What the next Metadata request has to ask for; `new`: topics of which nothing is known. */
  #metadataNeed: 'nothing' | 'new' | 'all' = 'nothing'
  #lastMetadataError: KafkaError | undefined
  #isClosed = false

  constructor(options: ClusterOptions) {
    this.options = options
    this.runtime = options.runtime
    this.#waits = new Waits(options.runtime.clock)
    this.#links = new LinkPool(options, (nodeId, support) => {
      this.#cache.learnSupport(nodeId, support)
      this.#notify()
    })
    this.#coordinators = new Coordinators(
      options.requestTimeoutMs,
      (request) => this.trySend(request),
      (broker) => this.#cache.learnBroker(broker),
    )
  }

  get view(): ClusterView {
    return this.#cache
  }

  get clusterId(): string | undefined {
    return this.#cache.clusterId
  }

  get controllerId(): number | undefined {
    return this.#cache.controllerId
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  brokers(): readonly BrokerView[] {
    return [...this.#cache.brokers.values()]
  }

  /** Called after metadata, versions or features changed. @returns how to stop that */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** One request, one try. Rejects with KafkaError, and `cause` RequestFailure when the way failed. */
  async send<A extends Api>(request: Omit<CoreRequest<A>, 'id'>): Promise<Reply<A>> {
    try {
      return await this.trySend(request)
    } catch (error) {
      throw error instanceof RequestFailure ? error.error : error
    }
  }

  /** As `send`, but rejects with RequestFailure, which says whether the broker may have got the request. */
  async trySend<A extends Api>(request: Omit<CoreRequest<A>, 'id'>): Promise<Reply<A>> {
    this.#checkOpen()
    const link = this.#directLink(request) ?? (await this.#linkFor(request.destination, request.lane))
    this.#checkOpen()
    try {
      const { response, version } = await link.send(request)
      return { response, version, nodeId: link.address.nodeId ?? UNKNOWN_NODE, broker: link.name }
    } catch (error) {
      // Whoever led or coordinated there may do so no longer.
      if (error instanceof RequestFailure && error.error.code !== 'UNSUPPORTED_BY_BROKER' && !this.#isClosed) {
        if (request.destination.kind === 'coordinator') this.forgetCoordinator(request.destination)
        if (request.destination.kind !== 'any') this.refresh()
      }
      throw error
    }
  }

  /** Asks until there is an answer, an error that asking again does not help, or no time left. Rejects with KafkaError. */
  async call<A extends Api>(request: Omit<CoreRequest<A>, 'id'>, options: CallOptions<A>): Promise<Reply<A>> {
    const { clock } = this.runtime
    const deadlineMs = clock.monotonicMs() + options.timeoutMs
    for (let attempt = 1; ; attempt += 1) {
      options.signal?.throwIfAborted()
      const limits = { timeoutMs: deadlineMs - clock.monotonicMs(), signal: options.signal }
      let error: KafkaError
      try {
        const reply = await this.#within(this.send(request), limits, request.api.name)
        const refusal = options.retryOn?.(reply.response, reply.broker)
        if (refusal === undefined) return reply
        error = refusal
        this.heed(error, request.destination)
      } catch (caught) {
        if (!(caught instanceof KafkaError)) throw caught
        error = caught
      }
      const pauseMs = this.backoffMs(attempt)
      if (!isRetriable(error) || clock.monotonicMs() + pauseMs >= deadlineMs) throw error
      await this.sleep(pauseMs, options.signal)
    }
  }

  /** Forgets what an error code says is outdated. */
  heed(error: KafkaError, destination: Destination): void {
    if (error.code === 'NOT_COORDINATOR' || error.code === 'COORDINATOR_NOT_AVAILABLE') {
      if (destination.kind === 'coordinator') this.forgetCoordinator(destination)
    } else if (error.recovery === 'refresh') this.refresh()
  }

  forgetCoordinator(coordinator: CoordinatorKey): void {
    this.#coordinators.forget(coordinator)
  }

  /** Exponential, with jitter. @param attempt  1 after the first try */
  backoffMs(attempt: number): number {
    const { retryBackoffMs, retryBackoffMaxMs } = this.options
    const baseMs = Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(attempt - 1, 20))
    return baseMs * (0.8 + 0.4 * (this.runtime.random.nextUint32() / 2 ** 32))
  }

  /** Rejects with CLOSED when the client is closed meanwhile, with the signal's reason when that is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#waits.wait({ timeoutMs: ms, signal }, (resolve) => resolve())
  }

  /** Keeps these topics' metadata fresh from now on, and asks when one is not known. */
  wantTopics(names: Iterable<string>): void {
    let isNew = false
    for (const name of names) {
      if (this.#wantedTopics.has(name)) continue
      if (this.#wantedTopics.size >= TOPICS_MAX) {
        throw new KafkaError('INVALID_ARGUMENT', `one client may use ${TOPICS_MAX} topics at a time`)
      }
      this.#wantedTopics.add(name)
      isNew = true
    }
    if (isNew) this.#askFor('new')
  }

  unwantTopics(names: Iterable<string>): void {
    for (const name of names) {
      this.#wantedTopics.delete(name)
      this.#cache.forgetTopic(name)
    }
  }

  /**
   * Waits until something is known of each topic: its partitions, or an error that waiting does not mend.
   * Rejects with the error of a topic that stayed without leader or unknown until the deadline.
   */
  async requireTopics(names: readonly string[], options: WaitLimits): Promise<readonly TopicView[]> {
    this.wantTopics(names)
    const deadlineMs = this.runtime.clock.monotonicMs() + options.timeoutMs
    for (;;) {
      this.#checkOpen()
      const views = names.map((name) => this.#cache.topic(name))
      const isSettled = views.every(
        (view) => view !== undefined && (view.error === undefined || !isRetriable(view.error)),
      )
      if (isSettled) return views as TopicView[]
      const leftMs = deadlineMs - this.runtime.clock.monotonicMs()
      if (leftMs <= 0) {
        const cause = views.find((view) => view?.error !== undefined)?.error ?? this.#lastMetadataError
        throw new KafkaError(
          cause?.code ?? 'REQUEST_TIMEOUT',
          `nothing is known of ${names.join(', ')} after ${options.timeoutMs} ms${cause === undefined ? '' : ` (${cause.message})`}`,
          { ...(cause === undefined ? {} : { cause, recovery: cause.recovery }) },
        )
      }
      this.#askForUnlessAsked(views.some((view) => view !== undefined && view.error !== undefined) ? 'all' : 'new')
      await this.#nextChange({ timeoutMs: leftMs, signal: options.signal })
    }
  }

  /** All topics there are, internal ones too. */
  async listTopics(options: WaitLimits): Promise<readonly TopicView[]> {
    const { response } = await this.call(
      {
        destination: { kind: 'any' },
        api: metadata,
        minVersion: 1,
        body: { topics: null, allowAutoTopicCreation: false },
        timeoutMs: this.options.requestTimeoutMs,
      },
      options,
    )
    const all = new MetadataCache()
    all.learn(response)
    return response.topics.flatMap(({ name }) => (name === null ? [] : (all.topic(name) ?? [])))
  }

  /** Waits until it is known which brokers there are. */
  async requireBrokers(options: WaitLimits): Promise<void> {
    const deadlineMs = this.runtime.clock.monotonicMs() + options.timeoutMs
    while (this.#cache.brokers.size === 0) {
      this.#checkOpen()
      const leftMs = deadlineMs - this.runtime.clock.monotonicMs()
      if (leftMs <= 0) {
        throw (
          this.#lastMetadataError ??
          new KafkaError('REQUEST_TIMEOUT', `no broker answered within ${options.timeoutMs} ms`)
        )
      }
      this.#askForUnlessAsked('all')
      await this.#nextChange({ timeoutMs: leftMs, signal: options.signal })
    }
  }

  /** What is known is outdated. Asks at once, or after a pause when it has just been asked. */
  refresh(): void {
    this.#askFor('all')
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#metadataTimer?.cancel()
    this.#links.close('the client was closed')
    this.#listeners.clear()
    this.#waits.close(new KafkaError('CLOSED', 'the client was closed'))
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new KafkaError('CLOSED', 'the client was closed')
  }

  /** The link, where it is known without waiting: requests of one core to one broker then keep their order. */
  #directLink({ destination, lane }: Pick<CoreRequest, 'destination' | 'lane'>): BrokerLink | undefined {
    if (destination.kind !== 'node') return undefined
    return this.#nodeLink(destination.nodeId, lane ?? 'data')
  }

  async #linkFor(destination: Destination, lane: Lane | undefined): Promise<BrokerLink> {
    switch (destination.kind) {
      case 'node':
        return this.#nodeLink(destination.nodeId, lane ?? 'data') ?? this.#unknownNode(destination.nodeId)
      case 'any':
        return this.#anyLink(lane ?? 'data')
      case 'controller': {
        if (this.#cache.brokers.size === 0) await this.requireBrokers({ timeoutMs: this.options.requestTimeoutMs })
        const { controllerId } = this.#cache
        const link = controllerId === undefined ? undefined : this.#nodeLink(controllerId, lane ?? 'data')
        return link ?? this.#anyLink(lane ?? 'data')
      }
      case 'coordinator': {
        const nodeId = await this.#coordinators.find(destination)
        const link = this.#nodeLink(nodeId, lane ?? 'coordinator')
        if (link !== undefined) return link
        // The cluster does not have the node any more, so it coordinates nothing.
        this.forgetCoordinator(destination)
        return this.#unknownNode(nodeId)
      }
    }
  }

  #unknownNode(nodeId: number): never {
    this.refresh()
    const error = new KafkaError(
      'BROKER_NOT_AVAILABLE',
      `no address is known of node ${nodeId}; the metadata is being refreshed`,
    )
    throw new RequestFailure(error, false)
  }

  #nodeLink(nodeId: number, lane: Lane): BrokerLink | undefined {
    const broker = this.#cache.brokers.get(nodeId)
    return broker === undefined ? undefined : this.#links.to(broker, lane)
  }

  #anyLink(lane: Lane): BrokerLink {
    return this.#links.any(this.#cache.brokers.values(), lane)
  }

  #askFor(need: 'new' | 'all'): void {
    if (this.#isClosed) return
    if (this.#metadataNeed !== 'all') this.#metadataNeed = need
    if (this.#metadataRequest === undefined) this.#scheduleMetadata()
  }

  /** For those who wait: the answer to what has been asked will wake them. */
  #askForUnlessAsked(need: 'new' | 'all'): void {
    if (this.#metadataRequest === undefined) this.#askFor(need)
  }

  #scheduleMetadata(): void {
    const nowMs = this.runtime.clock.monotonicMs()
    // Right after an answer asking again brings the same; new topics are worth it at once.
    const pauseMs =
      this.#hasUnknownTopics() && this.#metadataFailures === 0 ? 0 : this.backoffMs(this.#metadataFailures + 1)
    const delayMs = Math.max(0, this.#lastMetadataMs + pauseMs - nowMs)
    this.#metadataTimer?.cancel()
    if (delayMs === 0) this.#startMetadata()
    else
      this.#metadataTimer = this.runtime.clock.setTimer(delayMs, () => this.#startMetadata(), {
        keepsProcessAlive: true,
      })
  }

  #hasUnknownTopics(): boolean {
    for (const name of this.#wantedTopics) if (this.#cache.topic(name) === undefined) return true
    return false
  }

  #startMetadata(): void {
    if (this.#isClosed || this.#metadataRequest !== undefined) return
    const need = this.#metadataNeed
    this.#metadataNeed = 'nothing'
    this.#metadataRequest = this.#askMetadata(need).then((isOk) => {
      this.#metadataRequest = undefined
      this.#lastMetadataMs = this.runtime.clock.monotonicMs()
      if (this.#isClosed) return
      this.#metadataFailures = isOk ? 0 : this.#metadataFailures + 1
      if (!isOk) this.#metadataNeed = 'all'
      else if (this.#metadataNeed === 'new' && !this.#hasUnknownTopics()) this.#metadataNeed = 'nothing'
      this.#notify()
      if (this.#metadataNeed !== 'nothing') this.#scheduleMetadata()
      else this.#scheduleNextAge()
    })
  }

  #scheduleNextAge(): void {
    this.#metadataTimer?.cancel()
    this.#metadataTimer = this.runtime.clock.setTimer(this.options.metadataMaxAgeMs, () => this.refresh())
  }

  /** Never rejects. @returns whether there was an answer */
  async #askMetadata(need: 'nothing' | 'new' | 'all'): Promise<boolean> {
    const names = [...this.#wantedTopics].filter((name) => need !== 'new' || this.#cache.topic(name) === undefined)
    try {
      const { response, broker } = await this.trySend({
        destination: { kind: 'any' },
        api: metadata,
        minVersion: 1,
        body: {
          topics: names.map((name) => ({ name })),
          allowAutoTopicCreation: this.options.autoCreateTopics,
        },
        timeoutMs: this.options.requestTimeoutMs,
      })
      if (response.errorCode !== 'NONE') {
        if (response.errorCode === 'REBOOTSTRAP_REQUIRED') this.#cache.forgetBrokers()
        throw brokerError(response.errorCode, { api: metadata.name, broker })
      }
      const problems = this.#cache.learn(response, new Set(names))
      this.#links.retain(this.#cache.brokers)
      for (const problem of problems) this.runtime.logger.warn('metadata that cannot be right was ignored', { problem })
      this.#lastMetadataError = undefined
      // A topic that is being created has no leaders yet.
      if (response.topics.some(({ errorCode }) => errorCode === 'LEADER_NOT_AVAILABLE')) this.#metadataNeed = 'all'
      return true
    } catch (error) {
      const failure = error instanceof RequestFailure ? error.error : error
      if (!(failure instanceof KafkaError)) {
        this.runtime.logger.error('asking for metadata failed', { error })
        this.#lastMetadataError = new KafkaError('INTERNAL', String(error), { cause: error })
        return false
      }
      if (failure.code !== 'CLOSED') this.runtime.logger.debug('asking for metadata failed', { error: failure.message })
      this.#lastMetadataError = failure
      return false
    }
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  /** Resolves at the next change or when the time is over. */
  #nextChange(limits: WaitLimits): Promise<void> {
    return this.#waits.wait<void>(
      limits,
      (resolve) => resolve(),
      (resolve) => this.onChange(resolve),
    )
  }

  /** The outcome of `work`, which goes on unheard when the time is over before. */
  #within<T>(work: Promise<T>, limits: WaitLimits, what: string): Promise<T> {
    // When nobody waits for it any more, closed or aborted meanwhile, its failure is no news.
    work.catch(() => undefined)
    return this.#waits.wait<T>(
      limits,
      (_resolve, reject) =>
        reject(this.#lastMetadataError ?? new KafkaError('REQUEST_TIMEOUT', `${what}: no answer in time`)),
      (resolve, reject) => void work.then(resolve, reject),
    )
  }
}
