/** DescribeTransactions: the coordinator's view of transactional ids (KIP-664). */
import { describeTransactions } from '../../protocol/messages/describe-transactions.ts'
import { describeTransactions as describe } from '../../core/transaction/transaction-listing.ts'
import { defineHandler } from '../handler.ts'

export const describeTransactionsHandler = defineHandler(describeTransactions, {
  minVersion: 0,
  maxVersion: 0,
  handle(broker, request) {
    return broker.transactions.ask((coordinator) => describe(coordinator, request.transactionalIds))
  },
})
