/**
 * EndTxn: commits or aborts. Decided by core/transaction, made durable by transaction-runtime.ts, answered here once
 * the Prepare record is on disk; the markers follow in the same tick. Source: kafka-eos.md C6, B.1-7 to B.1-9.
 */
import { endTxn } from '../../protocol/messages/end-txn.ts'
import { defineHandler } from '../handler.ts'
import { publishFence } from '../fence.ts'

export const endTxnHandler = defineHandler(endTxn, {
  minVersion: 0,
  maxVersion: 5,
  deviations: [
    'version 5, a commit that lost against an abort by the coordinator: PRODUCER_FENCED instead of INVALID_TXN_STATE',
  ],
  async handle(broker, request, { apiVersion }) {
    const reply = await broker.transactions.run((coordinator, nowMs) => coordinator.endTxn(request, apiVersion, nowMs))
    publishFence(broker, 'EndTxn', request, reply.errorCode)
    return reply
  },
})
