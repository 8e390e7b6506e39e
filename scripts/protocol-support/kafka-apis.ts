/** The APIs that Kafka 4.3 offers its clients, as facts to compare with, and why some are not here. */

/**
 * `clients`: used by common clients in their normal work. `tools`: used by administration and diagnosis.
 * `rare`: used by little, or of no meaning on one node.
 */
export type Grade = 'clients' | 'tools' | 'rare'

export interface KafkaApi {
  readonly key: number
  readonly name: string
  /** Released versions in Kafka 4.3. */
  readonly versions: string
  readonly grade: Grade
  /** Why semel does not answer it; only for those it does not. */
  readonly missing?: string
}

const AUTHENTICATION = 'there is no authentication yet'
const AUTHORIZATION = 'there is no authorization yet'
const CONSUMER_GROUPS = 'groups of the new protocol (KIP-848) are not there yet; every client can use the classic one'
const SHARE_GROUPS = 'share groups (KIP-932) are not there'
const STREAMS_GROUPS =
  'the streams group protocol (KIP-1071) is not there; Kafka Streams uses the classic one unless told otherwise'
const ONE_NODE = 'one node: there is nothing to elect, move or reassign'
const TOKENS = 'delegation tokens need authentication'
const QUORUM = 'there is no quorum of controllers'
const TELEMETRY = 'clients send telemetry only where it is offered'

export const KAFKA_APIS: readonly KafkaApi[] = [
  { key: 0, name: 'Produce', versions: '3-13', grade: 'clients' },
  { key: 1, name: 'Fetch', versions: '4-18', grade: 'clients' },
  { key: 2, name: 'ListOffsets', versions: '1-11', grade: 'clients' },
  { key: 3, name: 'Metadata', versions: '0-13', grade: 'clients' },
  { key: 8, name: 'OffsetCommit', versions: '2-10', grade: 'clients' },
  { key: 9, name: 'OffsetFetch', versions: '1-10', grade: 'clients' },
  { key: 10, name: 'FindCoordinator', versions: '0-6', grade: 'clients' },
  { key: 11, name: 'JoinGroup', versions: '0-9', grade: 'clients' },
  { key: 12, name: 'Heartbeat', versions: '0-4', grade: 'clients' },
  { key: 13, name: 'LeaveGroup', versions: '0-5', grade: 'clients' },
  { key: 14, name: 'SyncGroup', versions: '0-5', grade: 'clients' },
  { key: 15, name: 'DescribeGroups', versions: '0-6', grade: 'tools' },
  { key: 16, name: 'ListGroups', versions: '0-5', grade: 'tools' },
  { key: 17, name: 'SaslHandshake', versions: '0-1', grade: 'clients', missing: AUTHENTICATION },
  { key: 18, name: 'ApiVersions', versions: '0-4', grade: 'clients' },
  { key: 19, name: 'CreateTopics', versions: '2-7', grade: 'clients' },
  { key: 20, name: 'DeleteTopics', versions: '1-6', grade: 'tools' },
  { key: 21, name: 'DeleteRecords', versions: '0-2', grade: 'tools' },
  { key: 22, name: 'InitProducerId', versions: '0-5', grade: 'clients' },
  { key: 23, name: 'OffsetForLeaderEpoch', versions: '2-4', grade: 'clients' },
  { key: 24, name: 'AddPartitionsToTxn', versions: '0-5', grade: 'clients' },
  { key: 25, name: 'AddOffsetsToTxn', versions: '0-4', grade: 'clients' },
  { key: 26, name: 'EndTxn', versions: '0-5', grade: 'clients' },
  { key: 27, name: 'WriteTxnMarkers', versions: '1-2', grade: 'tools' },
  { key: 28, name: 'TxnOffsetCommit', versions: '0-5', grade: 'clients' },
  { key: 29, name: 'DescribeAcls', versions: '1-3', grade: 'tools', missing: AUTHORIZATION },
  { key: 30, name: 'CreateAcls', versions: '1-3', grade: 'tools', missing: AUTHORIZATION },
  { key: 31, name: 'DeleteAcls', versions: '1-3', grade: 'tools', missing: AUTHORIZATION },
  { key: 32, name: 'DescribeConfigs', versions: '1-4', grade: 'tools' },
  { key: 33, name: 'AlterConfigs', versions: '0-2', grade: 'tools' },
  { key: 34, name: 'AlterReplicaLogDirs', versions: '1-2', grade: 'rare', missing: ONE_NODE },
  { key: 35, name: 'DescribeLogDirs', versions: '1-5', grade: 'tools' },
  { key: 36, name: 'SaslAuthenticate', versions: '0-2', grade: 'clients', missing: AUTHENTICATION },
  { key: 37, name: 'CreatePartitions', versions: '0-3', grade: 'tools' },
  { key: 38, name: 'CreateDelegationToken', versions: '1-3', grade: 'rare', missing: TOKENS },
  { key: 39, name: 'RenewDelegationToken', versions: '1-2', grade: 'rare', missing: TOKENS },
  { key: 40, name: 'ExpireDelegationToken', versions: '1-2', grade: 'rare', missing: TOKENS },
  { key: 41, name: 'DescribeDelegationToken', versions: '1-3', grade: 'rare', missing: TOKENS },
  { key: 42, name: 'DeleteGroups', versions: '0-2', grade: 'tools' },
  { key: 43, name: 'ElectLeaders', versions: '0-2', grade: 'rare', missing: ONE_NODE },
  { key: 44, name: 'IncrementalAlterConfigs', versions: '0-1', grade: 'tools' },
  { key: 45, name: 'AlterPartitionReassignments', versions: '0-1', grade: 'rare', missing: ONE_NODE },
  { key: 46, name: 'ListPartitionReassignments', versions: '0', grade: 'rare', missing: ONE_NODE },
  { key: 47, name: 'OffsetDelete', versions: '0', grade: 'tools' },
  { key: 48, name: 'DescribeClientQuotas', versions: '0-1', grade: 'tools', missing: 'there are no quotas yet' },
  { key: 49, name: 'AlterClientQuotas', versions: '0-1', grade: 'tools', missing: 'there are no quotas yet' },
  { key: 50, name: 'DescribeUserScramCredentials', versions: '0', grade: 'tools', missing: AUTHENTICATION },
  { key: 51, name: 'AlterUserScramCredentials', versions: '0', grade: 'tools', missing: AUTHENTICATION },
  { key: 55, name: 'DescribeQuorum', versions: '0-2', grade: 'rare', missing: QUORUM },
  { key: 57, name: 'UpdateFeatures', versions: '0-2', grade: 'tools' },
  { key: 60, name: 'DescribeCluster', versions: '0-2', grade: 'tools' },
  { key: 61, name: 'DescribeProducers', versions: '0', grade: 'tools' },
  { key: 64, name: 'UnregisterBroker', versions: '0', grade: 'rare', missing: QUORUM },
  { key: 65, name: 'DescribeTransactions', versions: '0', grade: 'tools' },
  { key: 66, name: 'ListTransactions', versions: '0-2', grade: 'tools' },
  { key: 68, name: 'ConsumerGroupHeartbeat', versions: '0-1', grade: 'clients', missing: CONSUMER_GROUPS },
  { key: 69, name: 'ConsumerGroupDescribe', versions: '0-1', grade: 'tools', missing: CONSUMER_GROUPS },
  { key: 71, name: 'GetTelemetrySubscriptions', versions: '0', grade: 'rare', missing: TELEMETRY },
  { key: 72, name: 'PushTelemetry', versions: '0', grade: 'rare', missing: TELEMETRY },
  {
    key: 74,
    name: 'ListConfigResources',
    versions: '0-1',
    grade: 'rare',
    missing: 'only topics and the broker have settings',
  },
  { key: 75, name: 'DescribeTopicPartitions', versions: '0', grade: 'tools' },
  { key: 76, name: 'ShareGroupHeartbeat', versions: '1', grade: 'rare', missing: SHARE_GROUPS },
  { key: 77, name: 'ShareGroupDescribe', versions: '1', grade: 'rare', missing: SHARE_GROUPS },
  { key: 78, name: 'ShareFetch', versions: '1-2', grade: 'rare', missing: SHARE_GROUPS },
  { key: 79, name: 'ShareAcknowledge', versions: '1-2', grade: 'rare', missing: SHARE_GROUPS },
  { key: 80, name: 'AddRaftVoter', versions: '0-1', grade: 'rare', missing: QUORUM },
  { key: 81, name: 'RemoveRaftVoter', versions: '0', grade: 'rare', missing: QUORUM },
  { key: 88, name: 'StreamsGroupHeartbeat', versions: '0', grade: 'rare', missing: STREAMS_GROUPS },
  { key: 89, name: 'StreamsGroupDescribe', versions: '0', grade: 'rare', missing: STREAMS_GROUPS },
  { key: 90, name: 'DescribeShareGroupOffsets', versions: '0-1', grade: 'rare', missing: SHARE_GROUPS },
  { key: 91, name: 'AlterShareGroupOffsets', versions: '0', grade: 'rare', missing: SHARE_GROUPS },
  { key: 92, name: 'DeleteShareGroupOffsets', versions: '0', grade: 'rare', missing: SHARE_GROUPS },
]
