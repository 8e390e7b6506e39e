/**
 * Runs a pure core on a cluster: polls it when something changed or its moment has come, sends what it asks for, hands
 * back the replies. Decides nothing.
 *
 * Invariants: polls of one core never overlap; each request gets exactly one reply, unless the driver was closed before.
 */
import type { Timer } from '../base/runtime.ts'
import type { Cluster } from './cluster/cluster.ts'
import { RequestFailure } from './cluster/client-connection.ts'
import type { ClientCore, CoreReply, CoreRequest } from './core/client-core.ts'
import { KafkaError } from './errors.ts'

export interface DriverHooks {
  /** After each poll and each reply: the moment to look for what the core has to say. */
  readonly onProgress?: () => void
  /** The core broke a promise of its own: it is not polled any more. */
  readonly onFailure?: (error: unknown) => void
}

export class CoreDriver {
  readonly #core: ClientCore
  readonly #cluster: Cluster
  readonly #hooks: DriverHooks
  readonly #stopListening: () => void
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY
  #isScheduled = false
  #isClosed = false

  constructor(core: ClientCore, cluster: Cluster, hooks: DriverHooks = {}) {
    this.#core = core
    this.#cluster = cluster
    this.#hooks = hooks
    this.#stopListening = cluster.onChange(() => this.wake())
  }

  /** Polls soon: everything that happens in this turn is seen by one poll. */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#poll()
    })
  }

  /** Polls no more and drops replies that still come. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#stopListening()
  }

  #poll(): void {
    if (this.#isClosed) return
    const nowMs = this.#cluster.runtime.clock.monotonicMs()
    try {
      const { requests, nextPollMs, topics, refreshMetadata, forgetCoordinators } = this.#core.poll(
        nowMs,
        this.#cluster.view,
      )
      if (topics !== undefined) this.#cluster.wantTopics(topics)
      if (refreshMetadata === true) this.#cluster.refresh()
      for (const coordinator of forgetCoordinators ?? []) this.#cluster.forgetCoordinator(coordinator)
      for (const request of requests) this.#send(request)
      this.#arm(nextPollMs, nowMs)
      this.#hooks.onProgress?.()
    } catch (error) {
      this.#fail(error)
    }
  }

  #send(request: CoreRequest): void {
    this.#cluster.trySend(request).then(
      (reply) => this.#onReply(request.id, { ok: true, ...reply }),
      (error: unknown) => this.#onReply(request.id, failedReply(error)),
    )
  }

  #onReply(requestId: number, reply: CoreReply): void {
    if (this.#isClosed) return
    try {
      this.#core.onReply(requestId, reply, this.#cluster.runtime.clock.monotonicMs())
      this.#hooks.onProgress?.()
    } catch (error) {
      this.#fail(error)
      return
    }
    this.wake()
  }

  #arm(nextPollMs: number | undefined, nowMs: number): void {
    if (nextPollMs === undefined) {
      this.#timer?.cancel()
      this.#timer = undefined
      this.#timerMs = Number.POSITIVE_INFINITY
      return
    }
    if (this.#timer !== undefined && nextPollMs === this.#timerMs) return
    this.#timer?.cancel()
    this.#timerMs = nextPollMs
    // A moment that has passed is polled in the next turn, never in this one: a core that keeps saying "now" must not starve others.
    this.#timer = this.#cluster.runtime.clock.setTimer(
      Math.max(0, nextPollMs - nowMs),
      () => {
        this.#timer = undefined
        this.#timerMs = Number.POSITIVE_INFINITY
        this.wake()
      },
      { keepsProcessAlive: true },
    )
  }

  #fail(error: unknown): void {
    this.close()
    this.#cluster.runtime.logger.error('a client core failed and was stopped', { error })
    this.#hooks.onFailure?.(error)
  }
}

function failedReply(error: unknown): CoreReply {
  if (error instanceof RequestFailure) return { ok: false, error: error.error, mayHaveBeenSent: error.mayHaveBeenSent }
  if (error instanceof KafkaError) return { ok: false, error, mayHaveBeenSent: false }
  const message = error instanceof Error ? error.message : String(error)
  return { ok: false, error: new KafkaError('INTERNAL', message, { cause: error }), mayHaveBeenSent: true }
}
