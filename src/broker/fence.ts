/** Tells whoever listens that an outdated producer was refused. */
import type { ErrorCode } from '../protocol/error-codes.ts'
import { FENCE_CHANNEL } from './events.ts'
import type { BrokerServices } from './services.ts'

const FENCING_ERRORS: ReadonlySet<ErrorCode> = new Set(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH'])

export function publishFence(
  broker: Pick<BrokerServices, 'runtime'>,
  api: string,
  producer: {
    readonly transactionalId?: string | null
    readonly topic?: string | undefined
    readonly partition?: number
    readonly producerId?: number | undefined
    readonly producerEpoch?: number | undefined
  },
  errorCode: ErrorCode,
): void {
  const { events } = broker.runtime
  if (!FENCING_ERRORS.has(errorCode) || !events.hasSubscribers(FENCE_CHANNEL)) return
  const { transactionalId, topic, partition, producerId, producerEpoch } = producer
  events.publish(FENCE_CHANNEL, { api, transactionalId, topic, partition, producerId, producerEpoch, errorCode })
}
