/**
 * One client's way to a cluster: connections by broker and lane, versions, metadata, coordinators.
 *
 * `send` is one request and one try; `call` asks again for as long as its caller allows. Owns where a request goes and
 * what is forgotten when that turns out wrong. Error codes inside responses mean nothing to `send`.
 * Leaves to others: what to ask, and what answers mean (cores, admin).
 *
 * Invariants: one Metadata request at a time; a coordinator is looked up once for all who wait for it; after `close`
 * nothing is sent and everything pending is rejected.
 */
import type { Runtime, Timer } from '../../base/runtime.ts'
import { findCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { metadata } from '../../protocol/messages/metadata.ts'
import type { Api, ResponseOf } from '../../protocol/schema.ts'
import type { ClusterView, CoreRequest, Destination, Lane, TopicView } from '../core/client-core.ts'
import { brokerError, isRetriable, KafkaError } from '../errors.ts'
import { BrokerLink, type LinkSettings } from './broker-link.ts'
import { type BrokerAddress, RequestFailure } from './client-connection.ts'
import type { ClusterOptions } from './cluster-options.ts'
import { type BrokerView, MetadataCache } from './metadata-cache.ts'

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

export interface WaitOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

const COORDINATOR_TYPES = { group: 0, transaction: 1 } as const
/** The first version of FindCoordinator that asks for many keys. */
const BATCHED_COORDINATORS_VERSION = 4
const UNKNOWN_NODE = -1
const TOPICS_MAX = 100_000

export class Cluster {
  readonly runtime: Runtime
  readonly options: ClusterOptions
  readonly #cache = new MetadataCache()
  readonly #links = new Map<string, BrokerLink>()
  readonly #coordinators = new Map<string, Promise<number>>()
  readonly #listeners = new Set<() => void>()
  readonly #wantedTopics = new Set<string>()
  #metadataRequest: Promise<void> | undefined
  #metadataTimer: Timer | undefined
  #lastMetadataMs = Number.NEGATIVE_INFINITY
  #metadataFailures = 0
  /** Topics were added, or somebody found something outdated, since the request under way began. */
  #needsMetadata = false
  #lastMetadataError: KafkaError | undefined
  #nextBootstrap = 0
  readonly #closed = Promise.withResolvers<never>()
  #isClosed = false

  constructor(options: ClusterOptions) {
    this.options = options
    this.runtime = options.runtime
    this.#nextBootstrap = this.runtime.random.nextUint32() % options.bootstrap.length
    // Somebody always waits for it or nobody does; neither is an unhandled rejection.
    this.#closed.promise.catch(() => undefined)
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
      const leftMs = deadlineMs - clock.monotonicMs()
      let error: KafkaError
      try {
        const timeoutMs = Math.max(1, Math.min(request.timeoutMs, leftMs))
        const reply = await this.#within(this.send({ ...request, timeoutMs }), leftMs, options.signal, request.api.name)
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

  forgetCoordinator(coordinator: { readonly of: 'group' | 'transaction'; readonly key: string }): void {
    this.#coordinators.delete(`${coordinator.of}:${coordinator.key}`)
  }

  /** Exponential, with jitter. @param attempt  1 after the first try */
  backoffMs(attempt: number): number {
    const { retryBackoffMs, retryBackoffMaxMs } = this.options
    const baseMs = Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(attempt - 1, 20))
    return baseMs * (0.8 + 0.4 * (this.runtime.random.nextUint32() / 2 ** 32))
  }

  /** Rejects with CLOSED when the client is closed meanwhile, with the signal's reason when that is aborted. */
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = this.runtime.clock.setTimer(ms, resolve, { keepsProcessAlive: true })
    const onAbort = (): void => reject(abortReason(signal))
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      if (signal?.aborted === true) onAbort()
      await Promise.race([promise, this.#closed.promise])
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
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
    if (isNew) this.refresh()
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
  async requireTopics(names: readonly string[], options: WaitOptions): Promise<readonly TopicView[]> {
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
      this.refresh()
      await this.#nextChange(leftMs, options.signal)
    }
  }

  /** All topics there are, internal ones too. */
  async listTopics(options: WaitOptions): Promise<readonly TopicView[]> {
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
  async requireBrokers(options: WaitOptions): Promise<void> {
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
      this.refresh()
      await this.#nextChange(leftMs, options.signal)
    }
  }

  /** What is known is outdated. Asks at once, or after a pause when it has just been asked. */
  refresh(): void {
    if (this.#isClosed) return
    this.#needsMetadata = true
    if (this.#metadataRequest === undefined) this.#scheduleMetadata()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#metadataTimer?.cancel()
    for (const link of this.#links.values()) link.close('the client was closed')
    this.#links.clear()
    this.#listeners.clear()
    this.#closed.reject(new KafkaError('CLOSED', 'the client was closed'))
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
        if (this.#cache.brokers.size === 0) await this.#metadataOnce()
        const { controllerId } = this.#cache
        const link = controllerId === undefined ? undefined : this.#nodeLink(controllerId, lane ?? 'data')
        return link ?? this.#anyLink(lane ?? 'data')
      }
      case 'coordinator': {
        const nodeId = await this.#coordinator(destination)
        return this.#nodeLink(nodeId, lane ?? 'coordinator') ?? this.#unknownNode(nodeId)
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
    return broker === undefined ? undefined : this.#link(broker, lane)
  }

  /** Connected before not connected, known brokers before bootstrap addresses, and not one that has just failed. */
  #anyLink(lane: Lane): BrokerLink {
    const links = [...this.#cache.brokers.values()].map((broker) => this.#link(broker, lane))
    const connected = links.filter((link) => link.isConnected)
    const best = connected.toSorted((a, b) => a.pendingRequests - b.pendingRequests)[0]
    if (best !== undefined) return best
    const untried = links.filter((link) => !link.isFailing)
    if (untried.length > 0) return untried[this.runtime.random.nextUint32() % untried.length] as BrokerLink
    // Every known broker fails: the bootstrap addresses may lead elsewhere (KIP-899).
    const { bootstrap } = this.options
    const address = bootstrap[this.#nextBootstrap % bootstrap.length] as { host: string; port: number }
    const link = this.#link({ ...address, nodeId: undefined }, lane)
    if (!link.isConnected) this.#nextBootstrap += 1
    return link
  }

  #link(address: BrokerAddress, lane: Lane): BrokerLink {
    const key = `${lane} ${address.nodeId ?? 'bootstrap'} ${address.host}:${address.port}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    // A node that is reached elsewhere now is not reached there any more.
    if (address.nodeId !== undefined) this.#closeLinks(`${lane} ${address.nodeId} `)
    const { clientId, softwareVersion, maxResponseBytes, connectTimeoutMs } = this.options
    const { requestTimeoutMs, reconnectBackoffMs, reconnectBackoffMaxMs } = this.options
    const settings: LinkSettings = {
      clientId,
      softwareVersion,
      maxResponseBytes,
      connectTimeoutMs,
      requestTimeoutMs,
      reconnectBackoffMs,
      reconnectBackoffMaxMs,
    }
    const link = new BrokerLink(this.runtime, address, settings, (support) => {
      this.#cache.learnSupport(address.nodeId, support)
      this.#notify()
    })
    this.#links.set(key, link)
    return link
  }

  #closeLinks(prefix: string): void {
    for (const [key, link] of [...this.#links]) {
      if (!key.startsWith(prefix)) continue
      this.#links.delete(key)
      link.close('the broker has another address now')
    }
  }

  #coordinator(coordinator: { readonly of: 'group' | 'transaction'; readonly key: string }): Promise<number> {
    const cacheKey = `${coordinator.of}:${coordinator.key}`
    const known = this.#coordinators.get(cacheKey)
    if (known !== undefined) return known
    const lookup = this.#findCoordinator(coordinator)
    this.#coordinators.set(cacheKey, lookup)
    lookup.catch(() => {
      if (this.#coordinators.get(cacheKey) === lookup) this.#coordinators.delete(cacheKey)
    })
    return lookup
  }

  async #findCoordinator({ of, key }: { readonly of: 'group' | 'transaction'; readonly key: string }): Promise<number> {
    const keyType = COORDINATOR_TYPES[of]
    const { response, version, broker } = await this.trySend({
      destination: { kind: 'any' },
      api: findCoordinator,
      // A transactional id in version 0 would be taken for a group.
      minVersion: of === 'transaction' ? 1 : 0,
      body: { key, keyType, coordinatorKeys: [key] },
      timeoutMs: this.options.requestTimeoutMs,
      lane: 'data',
    })
    const found =
      version >= BATCHED_COORDINATORS_VERSION ? response.coordinators.find((one) => one.key === key) : response
    const request = {
      api: findCoordinator.name,
      version,
      broker,
      ...(of === 'group' ? { groupId: key } : { transactionalId: key }),
    }
    if (found === undefined) {
      throw new RequestFailure(
        new KafkaError('INVALID_RESPONSE', `${broker} names no coordinator`, { request, recovery: 'retry' }),
        false,
      )
    }
    const { errorCode, errorMessage, nodeId, host, port } = found
    if (errorCode !== 'NONE') throw new RequestFailure(brokerError(errorCode, request, { detail: errorMessage }), false)
    if (!this.#cache.learnBroker({ nodeId, host, port, rack: null })) {
      const message = `${broker} names a coordinator without a usable address: ${JSON.stringify(host)}:${port}`
      throw new RequestFailure(new KafkaError('INVALID_RESPONSE', message, { request, recovery: 'retry' }), false)
    }
    return nodeId
  }

  /** Waits for one Metadata answer. */
  async #metadataOnce(): Promise<void> {
    this.refresh()
    await this.#nextChange(this.options.requestTimeoutMs, undefined)
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
    this.#needsMetadata = false
    this.#metadataRequest = this.#askMetadata().then((isOk) => {
      this.#metadataRequest = undefined
      this.#lastMetadataMs = this.runtime.clock.monotonicMs()
      if (this.#isClosed) return
      this.#metadataFailures = isOk ? 0 : this.#metadataFailures + 1
      if (!isOk) this.#needsMetadata = true
      this.#notify()
      if (this.#needsMetadata) this.#scheduleMetadata()
      else this.#scheduleNextAge()
    })
  }

  #scheduleNextAge(): void {
    this.#metadataTimer?.cancel()
    this.#metadataTimer = this.runtime.clock.setTimer(this.options.metadataMaxAgeMs, () => this.refresh())
  }

  /** Never rejects. @returns whether there was an answer */
  async #askMetadata(): Promise<boolean> {
    try {
      const { response } = await this.trySend({
        destination: { kind: 'any' },
        api: metadata,
        minVersion: 1,
        body: {
          topics: [...this.#wantedTopics].map((name) => ({ name })),
          allowAutoTopicCreation: this.options.autoCreateTopics,
        },
        timeoutMs: this.options.requestTimeoutMs,
      })
      const problems = this.#cache.learn(response)
      for (const problem of problems) this.runtime.logger.warn('metadata that cannot be right was ignored', { problem })
      this.#lastMetadataError = undefined
      // A topic that is being created has no leaders yet.
      if (response.topics.some(({ errorCode }) => errorCode === 'LEADER_NOT_AVAILABLE')) this.#needsMetadata = true
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
  async #nextChange(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const changed = Promise.withResolvers<void>()
    const stop = this.onChange(() => changed.resolve())
    const timer = this.runtime.clock.setTimer(timeoutMs, changed.resolve, { keepsProcessAlive: true })
    const onAbort = (): void => changed.reject(abortReason(signal))
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      if (signal?.aborted === true) onAbort()
      await Promise.race([changed.promise, this.#closed.promise])
    } finally {
      stop()
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async #within<T>(work: Promise<T>, leftMs: number, signal: AbortSignal | undefined, what: string): Promise<T> {
    const late = Promise.withResolvers<never>()
    const timer = this.runtime.clock.setTimer(
      Math.max(0, leftMs),
      () => late.reject(this.#lastMetadataError ?? new KafkaError('REQUEST_TIMEOUT', `${what}: no answer in time`)),
      { keepsProcessAlive: true },
    )
    const onAbort = (): void => late.reject(abortReason(signal))
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([work, late.promise])
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
      // Its outcome is of no interest any more once the race was lost.
      work.catch(() => undefined)
    }
  }
}

function abortReason(signal: AbortSignal | undefined): KafkaError {
  return new KafkaError('ABORTED', 'the call was aborted by its signal', { cause: signal?.reason })
}
