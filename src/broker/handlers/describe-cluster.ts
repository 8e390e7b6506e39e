/** DescribeCluster: this one node. Source: KIP-700, KIP-919. */
import { describeCluster } from '../../protocol/messages/describe-cluster.ts'
import { OPERATIONS_NOT_REQUESTED } from '../../protocol/messages/metadata.ts'
import { CLUSTER_OPERATIONS } from '../authorized-operations.ts'
import { defineHandler } from '../handler.ts'

const BROKERS = 1
const CONTROLLERS = 2

export const describeClusterHandler = defineHandler(describeCluster, {
  minVersion: 0,
  maxVersion: 2,
  handle(broker, { endpointType, includeClusterAuthorizedOperations }) {
    if (endpointType !== BROKERS) {
      const isKnown = endpointType === CONTROLLERS
      return {
        errorCode: isKnown ? ('MISMATCHED_ENDPOINT_TYPE' as const) : ('UNSUPPORTED_ENDPOINT_TYPE' as const),
        errorMessage: isKnown
          ? 'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER'
          : `Unsupported endpoint type ${endpointType}`,
        clusterId: '',
        brokers: [],
      }
    }
    const { nodeId, host, port, rack, clusterId } = broker.node
    return {
      errorCode: 'NONE' as const,
      clusterId,
      controllerId: nodeId,
      brokers: [{ brokerId: nodeId, host, port, rack }],
      clusterAuthorizedOperations: includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : OPERATIONS_NOT_REQUESTED,
    }
  },
})
