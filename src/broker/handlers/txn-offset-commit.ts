/**
 * TxnOffsetCommit: offsets of a group that become committed with a transaction, or not at all.
 *
 * First the transaction coordinator is asked whether the offsets partition belongs to the transaction (v5 and above: it
 * is added), then the group whether the member may commit; the append shares the tick with both.
 * Source: kafka-eos.md B.1, C8; KIP-98, KIP-447, KIP-890.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { refuseTxnOffsetCommit } from '../../core/group/group-offsets.ts'
import { partitionErrorForTxnOffsetCommit } from '../../core/transaction/coordinator-errors.ts'
import { txnOffsetCommit } from '../../protocol/messages/txn-offset-commit.ts'
import type { TxnOffsetCommitRequest } from '../../protocol/messages/txn-offset-commit.ts'
import { CONSUMER_OFFSETS_TOPIC } from '../coordinator-log.ts'
import { publishFence } from '../fence.ts'
import { defineHandler } from '../handler.ts'
import type { BrokerServices } from '../services.ts'

/** From this version on the offsets partition is added to the transaction by the commit itself. */
const FIRST_IMPLICIT_ADD_VERSION = 5

export const txnOffsetCommitHandler = defineHandler(txnOffsetCommit, {
  minVersion: 0,
  maxVersion: 5,
  async handle(broker, request, context) {
    const { clock } = broker.runtime
    const waitDeadlineMs = clock.monotonicMs() + broker.config.addPartitionsToTxnRetryBackoffMaxMs
    for (;;) {
      const errorCode = verify(broker, request, context.apiVersion)
      const waitMs = waitDeadlineMs - clock.monotonicMs()
      const isPreviousEnding =
        errorCode === 'CONCURRENT_TRANSACTIONS' && context.apiVersion >= FIRST_IMPLICIT_ADD_VERSION
      if (isPreviousEnding && waitMs > 0) {
        await broker.transactions.changed(request.transactionalId, waitMs)
        continue
      }
      if (errorCode === 'NONE') {
        return broker.groups.run((coordinator) =>
          coordinator.txnOffsetCommit(request, broker.groups.contextOf(context)),
        )
      }
      return refuseTxnOffsetCommit(request, partitionErrorForTxnOffsetCommit(errorCode, context.apiVersion))
    }
  },
})

/** What the transaction coordinator says of the offsets partition, or what the partition itself says of an old epoch. */
function verify(broker: BrokerServices, request: TxnOffsetCommitRequest, apiVersion: number): ErrorCode {
  const { transactionalId, producerId, producerEpoch, groupId } = request
  const { groups, transactions } = broker
  const epochError = groups.checkTransactional(groupId, producerId, producerEpoch)
  if (epochError !== 'NONE') {
    publishFence(broker, 'TxnOffsetCommit', request, epochError)
    return epochError
  }
  if (groups.hasOpenTransaction(groupId, producerId, producerEpoch)) return 'NONE'
  const mode = apiVersion >= FIRST_IMPLICIT_ADD_VERSION ? 'add' : 'verify'
  if (mode === 'verify' && !broker.config.transactionPartitionVerificationEnable) return 'NONE'
  const partition = groups.partitionIndexOf(groupId)
  const [result = 'NONE'] = transactions.addOrVerifyPartitions({
    transactionalId,
    producerId,
    producerEpoch,
    mode,
    partitions: [{ topic: CONSUMER_OFFSETS_TOPIC, partition }],
  })
  return result
}
