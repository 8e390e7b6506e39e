/**
 * Which transaction protocol a cluster speaks, told by what it has finalized and by the versions of its brokers.
 *
 * Version 2 (KIP-890): partitions are added by writing to them, and every EndTxn raises the epoch. Version 1: partitions are
 * added first; after an error of unknown effect the producer asks for a new epoch itself (KIP-360).
 */
import { endTxn } from '../../../protocol/messages/end-txn.ts'
import { initProducerId } from '../../../protocol/messages/init-producer-id.ts'
import { produce } from '../../../protocol/messages/produce.ts'
import { txnOffsetCommit } from '../../../protocol/messages/txn-offset-commit.ts'
import type { ClusterView } from '../client-core.ts'

/** The last versions of transaction version 1, and the first of version 2. */
export const TV1_PRODUCE_MAX = 11
export const TV1_END_TXN_MAX = 4
export const TV1_TXN_OFFSET_COMMIT_MAX = 4
export const TV2_PRODUCE_MIN = 12
export const TV2_END_TXN_MIN = 5
export const TV2_TXN_OFFSET_COMMIT_MIN = 5
/** From here on InitProducerId takes the id and epoch that the producer has, and gives the next one. */
const EPOCH_BUMP_MIN = 3

export function supportsTransactionV2(cluster: ClusterView): boolean {
  return (
    cluster.featureLevel('transaction.version') >= 2 &&
    (cluster.apiVersionEverywhere(produce) ?? 0) >= TV2_PRODUCE_MIN &&
    (cluster.apiVersionEverywhere(endTxn) ?? 0) >= TV2_END_TXN_MIN &&
    (cluster.apiVersionEverywhere(txnOffsetCommit) ?? 0) >= TV2_TXN_OFFSET_COMMIT_MIN
  )
}

/** Whether a transactional producer can get a new epoch without fencing whoever has come after it. */
export function canBumpEpoch(cluster: ClusterView): boolean {
  return (cluster.apiVersionEverywhere(initProducerId) ?? 0) >= EPOCH_BUMP_MIN
}
