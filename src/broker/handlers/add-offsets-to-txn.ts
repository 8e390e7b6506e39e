/** AddOffsetsToTxn: registers the offsets partition of a group with a transaction (version 1). Source: kafka-eos.md C6. */
import { addOffsetsToTxn } from '../../protocol/messages/add-offsets-to-txn.ts'
import { CONSUMER_OFFSETS_TOPIC } from '../coordinator-log.ts'
import { defineHandler } from '../handler.ts'
import { publishFence } from '../fence.ts'

export const addOffsetsToTxnHandler = defineHandler(addOffsetsToTxn, {
  minVersion: 0,
  maxVersion: 4,
  async handle(broker, request, { apiVersion }) {
    const offsets = { topic: CONSUMER_OFFSETS_TOPIC, partition: broker.groups.partitionIndexOf(request.groupId) }
    const reply = await broker.transactions.run((coordinator, nowMs) =>
      coordinator.addOffsetsToTxn(request, offsets, apiVersion, nowMs),
    )
    publishFence(broker, 'AddOffsetsToTxn', request, reply.errorCode)
    return reply
  },
})
