import { api, array, bool, errorCode, int32, int8, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'
import { OPERATIONS_NOT_REQUESTED } from './metadata.ts'

/** Id, controller and brokers of the cluster. */
export const describeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: '0-2',
  flexible: '0+',
  kips: [700, 919, 1073],
  request: {
    includeClusterAuthorizedOperations: bool({ default: false }),
    endpointType: int8({ versions: '1+', default: 1, about: '1: brokers; 2: controllers' }),
    includeFencedBrokers: bool({ versions: '2+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: errorCode(),
    errorMessage: string({ nullable: '0+', default: null }),
    endpointType: int8({ versions: '1+', default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: array(
      struct({
        brokerId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: '0+', default: null }),
        isFenced: bool({ versions: '2+', default: false }),
      }),
    ),
    clusterAuthorizedOperations: int32({ default: OPERATIONS_NOT_REQUESTED }),
  },
  errors: {
    MISMATCHED_ENDPOINT_TYPE: 'controllers were asked for at a broker',
    UNSUPPORTED_ENDPOINT_TYPE: 'the endpoint type is unknown',
    CLUSTER_AUTHORIZATION_FAILED: 'not allowed to see the cluster',
  },
})

export type DescribeClusterRequest = RequestOf<typeof describeCluster>
export type DescribeClusterRequestDraft = RequestDraftOf<typeof describeCluster>
export type DescribeClusterResponse = ResponseOf<typeof describeCluster>
export type DescribeClusterResponseDraft = ResponseDraftOf<typeof describeCluster>
