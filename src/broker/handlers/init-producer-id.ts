/**
 * InitProducerId: a producer id and epoch. For a transactional id it fences earlier instances and aborts what they left
 * open. Source: kafka-eos.md C6; KIP-98, KIP-360, KIP-588.
 */
import { initProducerId } from '../../protocol/messages/init-producer-id.ts'
import { defineHandler } from '../handler.ts'
import { publishFence } from '../fence.ts'

export const initProducerIdHandler = defineHandler(initProducerId, {
  minVersion: 0,
  // Version 6 (two-phase commit with an outside coordinator, KIP-939) is released by nobody.
  maxVersion: 5,
  async handle(broker, request, { apiVersion }) {
    const reply = await broker.transactions.run((coordinator, nowMs) =>
      coordinator.initProducerId(request, apiVersion, nowMs),
    )
    publishFence(broker, 'InitProducerId', request, reply.errorCode)
    return reply
  },
})
