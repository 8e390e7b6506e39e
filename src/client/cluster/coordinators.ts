/**
 * Which node coordinates which group or transactional id. Each is looked up once for all who wait for it, and kept until
 * somebody finds that it has moved.
 *
 * Source: KIP-699 (version 4 asks for many keys, and answers by key).
 */
import { findCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { brokerError, KafkaError } from '../errors.ts'
import type { CoreRequest } from '../core/client-core.ts'
import { RequestFailure } from './client-connection.ts'
import type { Reply } from './cluster.ts'
import type { BrokerView } from './metadata-cache.ts'

export interface CoordinatorKey {
  readonly of: 'group' | 'transaction'
  readonly key: string
}

const COORDINATOR_TYPES = { group: 0, transaction: 1 } as const
const BATCHED_VERSION = 4

type FindCoordinator = typeof findCoordinator

export class Coordinators {
  readonly #nodeIds = new Map<string, Promise<number>>()
  readonly #timeoutMs: number
  readonly #send: (request: Omit<CoreRequest<FindCoordinator>, 'id'>) => Promise<Reply<FindCoordinator>>
  /** @returns whether the address can be one */
  readonly #learnBroker: (broker: BrokerView) => boolean

  constructor(
    timeoutMs: number,
    send: (request: Omit<CoreRequest<FindCoordinator>, 'id'>) => Promise<Reply<FindCoordinator>>,
    learnBroker: (broker: BrokerView) => boolean,
  ) {
    this.#timeoutMs = timeoutMs
    this.#send = send
    this.#learnBroker = learnBroker
  }

  /** Its node id. Rejects with RequestFailure, also when the answer is an error code. */
  find(coordinator: CoordinatorKey): Promise<number> {
    const cacheKey = cacheKeyOf(coordinator)
    const known = this.#nodeIds.get(cacheKey)
    if (known !== undefined) return known
    const lookup = this.#ask(coordinator)
    this.#nodeIds.set(cacheKey, lookup)
    lookup.catch(() => {
      if (this.#nodeIds.get(cacheKey) === lookup) this.#nodeIds.delete(cacheKey)
    })
    return lookup
  }

  forget(coordinator: CoordinatorKey): void {
    this.#nodeIds.delete(cacheKeyOf(coordinator))
  }

  async #ask({ of, key }: CoordinatorKey): Promise<number> {
    const { response, version, broker } = await this.#send({
      destination: { kind: 'any' },
      api: findCoordinator,
      // A transactional id in version 0 would be taken for a group.
      minVersion: of === 'transaction' ? 1 : 0,
      body: { key, keyType: COORDINATOR_TYPES[of], coordinatorKeys: [key] },
      timeoutMs: this.#timeoutMs,
      lane: 'data',
    })
    const found = version >= BATCHED_VERSION ? response.coordinators.find((one) => one.key === key) : response
    const subject = of === 'group' ? { groupId: key } : { transactionalId: key }
    const request = { api: findCoordinator.name, version, broker, ...subject }
    const problem = (message: string): RequestFailure =>
      new RequestFailure(new KafkaError('INVALID_RESPONSE', message, { request, recovery: 'retry' }), false)
    if (found === undefined) throw problem(`${broker} names no coordinator of the ${of} '${key}'`)
    const { errorCode, errorMessage, nodeId, host, port } = found
    if (errorCode !== 'NONE') throw new RequestFailure(brokerError(errorCode, request, { detail: errorMessage }), false)
    if (!this.#learnBroker({ nodeId, host, port, rack: null })) {
      throw problem(`${broker} names a coordinator without a usable address: ${JSON.stringify(host)}:${port}`)
    }
    return nodeId
  }
}

function cacheKeyOf({ of, key }: CoordinatorKey): string {
  return `${of}:${key}`
}
