/**
 * FindCoordinator: which node looks after a group or a transactional id. There is one node, and it looks after all.
 *
 * The internal topics exist from the first start on, so COORDINATOR_NOT_AVAILABLE is never answered.
 * Source: KafkaApis.getCoordinator; KIP-699 (many keys at once).
 */
import { findCoordinator } from '../../protocol/messages/find-coordinator.ts'
import { defineHandler } from '../handler.ts'

const GROUP_KEY_TYPE = 0
const TRANSACTION_KEY_TYPE = 1
/** From this version on a request may name many keys. */
const BATCH_VERSION_MIN = 4
const NO_NODE = { nodeId: -1, host: '', port: -1 }

export const findCoordinatorHandler = defineHandler(findCoordinator, {
  minVersion: 0,
  maxVersion: 6,
  handle(broker, { keyType, coordinatorKeys }, { apiVersion }) {
    const isKnown = keyType === GROUP_KEY_TYPE || keyType === TRANSACTION_KEY_TYPE
    const { nodeId, host, port } = broker.node
    const found = isKnown
      ? { errorCode: 'NONE' as const, errorMessage: null, nodeId, host, port }
      : { errorCode: 'INVALID_REQUEST' as const, errorMessage: `Unknown key type ${keyType}.`, ...NO_NODE }
    if (apiVersion < BATCH_VERSION_MIN) return found
    return { coordinators: coordinatorKeys.map((coordinatorKey) => ({ key: coordinatorKey, ...found })) }
  },
})
