/**
 * AddPartitionsToTxn: registers partitions before a producer of transaction version 1 writes to them (v0 to v3), or
 * several transactions at once, adding or verifying (v4 and above, meant for brokers). Source: kafka-eos.md C6, B.1-3.
 */
import { addPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.ts'
import { defineHandler } from '../handler.ts'

export const addPartitionsToTxnHandler = defineHandler(addPartitionsToTxn, {
  minVersion: 0,
  maxVersion: 5,
  deviations: ['version 4 and above, which Kafka keeps for brokers, refuse __transaction_state too'],
  handle(broker, request, { apiVersion }) {
    return broker.transactions.run((coordinator, nowMs) => coordinator.addPartitionsToTxn(request, apiVersion, nowMs))
  },
})
