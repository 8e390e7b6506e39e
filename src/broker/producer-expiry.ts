/** Lets partitions forget producers that have been silent for `producer.id.expiration.ms` (KIP-854). */
import type { Timer } from '../base/runtime.ts'
import type { BrokerServices } from './services.ts'

export class ProducerExpiry {
  readonly #broker: BrokerServices
  #timer: Timer | undefined

  constructor(broker: BrokerServices) {
    this.#broker = broker
  }

  start(): void {
    const { clock } = this.#broker.runtime
    this.#timer = clock.setTimer(this.#broker.config.producerIdExpirationCheckIntervalMs, () => {
      const nowMs = clock.nowMs()
      const { producerIdExpirationMs } = this.#broker.config
      for (const partition of this.#broker.partitions) partition.state.expireProducers(nowMs, producerIdExpirationMs)
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }
}
