/** DescribeTransactions: the coordinator's view of transactional ids (KIP-664). */
import { describeTransactions } from '../../protocol/messages/describe-transactions.ts'
import { describeTransactions as describe } from '../../core/transaction/transaction-listing.ts'
import { distinct } from '../distinct.ts'
import { defineHandler } from '../handler.ts'

export const describeTransactionsHandler = defineHandler(describeTransactions, {
  minVersion: 0,
  maxVersion: 0,
  deviations: ['a transactional id that is named more than once is answered once'],
  handle(broker, request) {
    const transactionalIds = distinct(request.transactionalIds, (transactionalId) => transactionalId)
    return broker.transactions.ask((coordinator) => describe(coordinator, transactionalIds))
  },
})
