/**
 * Asks the transaction coordinator about the transactional batches of one Produce request (KIP-890).
 *
 * Version 12 and above add the partitions to the transaction, older versions only verify that the client did. The
 * coordinator lives in this process: answer and append happen in one tick, which closes the gap that Kafka needs a
 * verification guard for. Source: kafka-eos.md B.1.
 */
import { partitionErrorForProduce } from '../core/transaction/coordinator-errors.ts'
import type { RequestContext } from './handler.ts'
import { refuse } from './produce-item.ts'
import type { ProduceItem } from './produce-item.ts'
import type { BrokerServices } from './services.ts'

/** From this version on the partition is added to the transaction by the batch itself. */
const FIRST_IMPLICIT_ADD_VERSION = 12

export class ProduceVerification {
  readonly #broker: BrokerServices
  readonly #transactionalId: string | null
  readonly #items: readonly ProduceItem[]
  readonly #context: RequestContext
  #waitDeadlineMs: number | undefined

  constructor(
    broker: BrokerServices,
    transactionalId: string | null,
    items: readonly ProduceItem[],
    context: RequestContext,
  ) {
    this.#broker = broker
    this.#transactionalId = transactionalId
    this.#items = items
    this.#context = context
  }

  /**
   * @returns true when every transactional batch is cleared or refused; false when the previous transaction of the
   *          producer is still being ended: wait for `changed`, then run again
   */
  run(): boolean {
    const transactional = this.#items.filter((item) => item.outcome === undefined && item.batch?.header.isTransactional)
    const first = transactional[0]?.batch?.header
    if (first === undefined) return true
    const transactionalId = this.#transactionalId
    if (transactionalId === null || transactionalId === '') {
      const message = 'a transactional batch needs the transactional.id in its request'
      for (const item of this.#items) refuse(item, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED', message)
      return true
    }
    const { producerId, producerEpoch } = first
    const isMixed = transactional.some(
      ({ batch }) => batch?.header.producerId !== producerId || batch.header.producerEpoch !== producerEpoch,
    )
    if (isMixed) {
      const message = 'the transactional batches of one request must be of one producer id and epoch'
      for (const item of this.#items) refuse(item, 'INVALID_PRODUCER_ID_MAPPING', message)
      return true
    }
    return this.#ask(transactionalId, producerId, producerEpoch, transactional)
  }

  /** Resolves when the transactional id has changed, or the patience of the broker has run out. */
  async changed(): Promise<void> {
    const { clock } = this.#broker.runtime
    this.#waitDeadlineMs ??= clock.monotonicMs() + this.#broker.config.addPartitionsToTxnRetryBackoffMaxMs
    const waitMs = Math.max(0, this.#waitDeadlineMs - clock.monotonicMs())
    await this.#broker.transactions.changed(this.#transactionalId as string, waitMs)
  }

  #ask(
    transactionalId: string,
    producerId: number,
    producerEpoch: number,
    transactional: readonly ProduceItem[],
  ): boolean {
    const { apiVersion } = this.#context
    const mode = apiVersion >= FIRST_IMPLICIT_ADD_VERSION ? 'add' : 'verify'
    // Once the outcome is decided nothing may join the transaction, though its markers are not written yet.
    const isDecided = this.#broker.transactions.isDecided(transactionalId)
    const unknown = transactional.filter((item) => {
      const state = item.partition?.state
      if (state === undefined) return false
      // An outdated epoch is refused before the coordinator is asked: a late batch must not touch its transaction.
      const currentEpoch = state.producerEpoch(producerId)
      if (currentEpoch !== undefined && producerEpoch < currentEpoch) {
        const message = `producer ${producerId} is at epoch ${currentEpoch}; the batch carries ${producerEpoch}`
        refuse(item, 'INVALID_PRODUCER_EPOCH', message)
        return false
      }
      if (!isDecided && state.hasOpenTransaction(producerId, producerEpoch)) return false
      // A later batch must not overtake this one if the coordinator refuses it (KAFKA-14920).
      if (item.batch !== undefined) state.beginVerification(item.batch.header, this.#context.nowMs)
      return true
    })
    if (unknown.length === 0) return true
    if (mode === 'verify' && !this.#broker.config.transactionPartitionVerificationEnable) return true
    const results = this.#broker.transactions.addOrVerifyPartitions({
      transactionalId,
      producerId,
      producerEpoch,
      mode,
      partitions: unknown.map((item) => ({ topic: item.partition?.topic.name ?? '', partition: item.index })),
    })
    const hasWaitedEnough =
      this.#waitDeadlineMs !== undefined && this.#broker.runtime.clock.monotonicMs() >= this.#waitDeadlineMs
    if (mode === 'add' && !hasWaitedEnough && results.includes('CONCURRENT_TRANSACTIONS')) return false
    unknown.forEach((item, index) => {
      const error = results[index] ?? 'NONE'
      if (error === 'NONE') return
      const message = `transaction ${transactionalId}: the coordinator answered ${error}`
      refuse(item, partitionErrorForProduce(error, apiVersion), message)
    })
    return true
  }
}
