/**
 * The registry: every API this broker answers. ApiVersions, the dispatcher and docs/protocol-support.md derive from it;
 * an API that is not here is not advertised.
 */
import type { Api, Fields } from '../../protocol/schema.ts'
import type { Handler } from '../handler.ts'
import { addOffsetsToTxnHandler } from './add-offsets-to-txn.ts'
import { addPartitionsToTxnHandler } from './add-partitions-to-txn.ts'
import { alterConfigsHandler } from './alter-configs.ts'
import { apiVersionsHandler } from './api-versions.ts'
import { createPartitionsHandler } from './create-partitions.ts'
import { createTopicsHandler } from './create-topics.ts'
import { deleteGroupsHandler } from './delete-groups.ts'
import { deleteRecordsHandler } from './delete-records.ts'
import { deleteTopicsHandler } from './delete-topics.ts'
import { describeClusterHandler } from './describe-cluster.ts'
import { describeConfigsHandler } from './describe-configs.ts'
import { describeGroupsHandler } from './describe-groups.ts'
import { describeLogDirsHandler } from './describe-log-dirs.ts'
import { describeProducersHandler } from './describe-producers.ts'
import { describeTopicPartitionsHandler } from './describe-topic-partitions.ts'
import { describeTransactionsHandler } from './describe-transactions.ts'
import { endTxnHandler } from './end-txn.ts'
import { fetchHandler } from './fetch.ts'
import { findCoordinatorHandler } from './find-coordinator.ts'
import { heartbeatHandler } from './heartbeat.ts'
import { incrementalAlterConfigsHandler } from './incremental-alter-configs.ts'
import { initProducerIdHandler } from './init-producer-id.ts'
import { joinGroupHandler } from './join-group.ts'
import { leaveGroupHandler } from './leave-group.ts'
import { listGroupsHandler } from './list-groups.ts'
import { listOffsetsHandler } from './list-offsets.ts'
import { listTransactionsHandler } from './list-transactions.ts'
import { metadataHandler } from './metadata.ts'
import { offsetCommitHandler } from './offset-commit.ts'
import { offsetDeleteHandler } from './offset-delete.ts'
import { offsetFetchHandler } from './offset-fetch.ts'
import { offsetForLeaderEpochHandler } from './offset-for-leader-epoch.ts'
import { produceHandler } from './produce.ts'
import { syncGroupHandler } from './sync-group.ts'
import { txnOffsetCommitHandler } from './txn-offset-commit.ts'
import { updateFeaturesHandler } from './update-features.ts'
import { writeTxnMarkersHandler } from './write-txn-markers.ts'

/** Forgets which API a handler is of; the dispatcher gives it only what its own schema decoded. */
function erased<Req extends Fields, Res extends Fields>(handler: Handler<Req, Res>): Handler {
  return handler as unknown as Handler & { readonly api: Api }
}

/** By API key, as ApiVersions lists them. */
export const handlers: readonly Handler[] = [
  erased(produceHandler),
  erased(fetchHandler),
  erased(listOffsetsHandler),
  erased(metadataHandler),
  erased(offsetCommitHandler),
  erased(offsetFetchHandler),
  erased(findCoordinatorHandler),
  erased(joinGroupHandler),
  erased(heartbeatHandler),
  erased(leaveGroupHandler),
  erased(syncGroupHandler),
  erased(describeGroupsHandler),
  erased(listGroupsHandler),
  erased(apiVersionsHandler),
  erased(createTopicsHandler),
  erased(deleteTopicsHandler),
  erased(deleteRecordsHandler),
  erased(initProducerIdHandler),
  erased(offsetForLeaderEpochHandler),
  erased(addPartitionsToTxnHandler),
  erased(addOffsetsToTxnHandler),
  erased(endTxnHandler),
  erased(writeTxnMarkersHandler),
  erased(txnOffsetCommitHandler),
  erased(describeConfigsHandler),
  erased(alterConfigsHandler),
  erased(describeLogDirsHandler),
  erased(createPartitionsHandler),
  erased(deleteGroupsHandler),
  erased(incrementalAlterConfigsHandler),
  erased(offsetDeleteHandler),
  erased(updateFeaturesHandler),
  erased(describeClusterHandler),
  erased(describeProducersHandler),
  erased(describeTransactionsHandler),
  erased(listTransactionsHandler),
  erased(describeTopicPartitionsHandler),
]
