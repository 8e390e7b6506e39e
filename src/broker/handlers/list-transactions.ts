/** ListTransactions: transactional ids by state, producer, age and pattern (KIP-664, KIP-994, KIP-1152). */
import { listTransactions } from '../../protocol/messages/list-transactions.ts'
import { listTransactions as list } from '../../core/transaction/transaction-listing.ts'
import { defineHandler } from '../handler.ts'
import { compilePattern } from '../pattern.ts'

export const listTransactionsHandler = defineHandler(listTransactions, {
  minVersion: 0,
  maxVersion: 2,
  handle(broker, request) {
    return broker.transactions.ask((coordinator, nowMs) => list(coordinator, request, compilePattern, nowMs))
  },
})
