/**
 * Rules that a new topic and new partitions must keep, beyond what the catalogue alone can know. Pure functions.
 *
 * Source: ReplicationControlManager.createTopic, validateManualPartitionAssignment, StripedReplicaPlacer (4.3.1).
 */
import type { NewTopic } from './catalogue-api.ts'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { topicConfigProblem } from './topic-config.ts'
import type { TopicConfig } from './topic-config.ts'

/** What is wrong with the settings of a new topic; its name and its place among the others are checked elsewhere. */
export function newTopicProblem(
  wanted: NewTopic,
  context: { readonly partitionCount: number; readonly nodeId: number; readonly topicDefaults: TopicConfig },
): Refusal | undefined {
  const { configs, assignments, replicationFactor } = wanted
  const nullConfigs = configs.filter(({ value }) => value === null)
  if (nullConfigs.length > 0) {
    const names = nullConfigs.map((config) => config.name).join(',')
    return refuse('INVALID_CONFIG', `Null value not supported for topic configs: ${names}`)
  }
  const texts = new Map(configs.map((config) => [config.name, config.value ?? '']))
  if (texts.size !== configs.length) return refuse('INVALID_REQUEST', 'Error due to duplicate config keys')
  const configProblem = topicConfigProblem(texts, context.topicDefaults)
  if (configProblem !== undefined) return refuse('INVALID_CONFIG', configProblem)
  if (assignments.length > 0) return assignmentProblem(wanted, context.nodeId)
  if (replicationFactor === 0 || replicationFactor < -1) {
    return refuse(
      'INVALID_REPLICATION_FACTOR',
      'Replication factor must be larger than 0, or -1 to use the default value.',
    )
  }
  if (context.partitionCount <= 0) {
    return refuse('INVALID_PARTITIONS', 'Number of partitions was set to an invalid non-positive value.')
  }
  if (replicationFactor > 1) {
    return refuse(
      'INVALID_REPLICATION_FACTOR',
      `Unable to replicate the partition ${replicationFactor} time(s): The target replication factor of ` +
        `${replicationFactor} cannot be reached because only 1 broker(s) are registered.`,
    )
  }
  return undefined
}

function assignmentProblem(
  { assignments, partitionCount, replicationFactor }: NewTopic,
  nodeId: number,
): Refusal | undefined {
  if (replicationFactor !== -1) {
    return refuse(
      'INVALID_REQUEST',
      'A manual partition assignment was specified, but replication factor was not set to -1.',
    )
  }
  if (partitionCount !== -1) {
    return refuse(
      'INVALID_REQUEST',
      'A manual partition assignment was specified, but numPartitions was not set to -1.',
    )
  }
  const seen = new Set<number>()
  for (const { partitionIndex, brokerIds } of assignments) {
    if (seen.has(partitionIndex)) {
      return refuse(
        'INVALID_REPLICA_ASSIGNMENT',
        `Found multiple manual partition assignments for partition ${partitionIndex}`,
      )
    }
    seen.add(partitionIndex)
    const problem = replicasProblem(brokerIds, nodeId)
    if (problem !== undefined) return problem
  }
  for (let index = 0; index < assignments.length; index++) {
    if (!seen.has(index)) {
      return refuse('INVALID_REPLICA_ASSIGNMENT', 'partitions should be a consecutive 0-based integer sequence')
    }
  }
  return undefined
}

/** The only legal assignment is this node, once. */
export function replicasProblem(brokerIds: readonly number[], nodeId: number): Refusal | undefined {
  if (brokerIds.length === 0) {
    return refuse('INVALID_REPLICA_ASSIGNMENT', 'The manual partition assignment includes an empty replica list.')
  }
  const stranger = brokerIds.find((brokerId) => brokerId !== nodeId)
  if (stranger !== undefined) {
    return refuse(
      'INVALID_REPLICA_ASSIGNMENT',
      `The manual partition assignment includes broker ${stranger}, but no such broker is registered.`,
    )
  }
  if (brokerIds.length > 1) {
    return refuse(
      'INVALID_REPLICA_ASSIGNMENT',
      `The manual partition assignment includes the broker ${nodeId} more than once.`,
    )
  }
  return undefined
}
