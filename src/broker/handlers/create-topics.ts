/** CreateTopics: decided by the catalogue, answered with the configuration in force. Source: KIP-4, KIP-464, KIP-525. */
import { createTopics } from '../../protocol/messages/create-topics.ts'
import type { CreateTopicsResponseDraft } from '../../protocol/messages/create-topics.ts'
import type { TopicResult } from '../../core/metadata/catalogue.ts'
import { topicConfigEntries } from '../config-entries.ts'
import { configSourcesOf } from '../config-sources.ts'
import { defineHandler } from '../handler.ts'
import type { BrokerServices } from '../services.ts'

export const createTopicsHandler = defineHandler(createTopics, {
  minVersion: 2,
  maxVersion: 7,
  deviations: [
    'a topic whose name differs only in . and _ from another topic of the same request is refused too',
    'semel.max.partitions limits the partitions of all topics together (POLICY_VIOLATION)',
  ],
  async handle(broker, request) {
    const results = await broker.catalogue.createTopics(
      request.topics.map(({ name, numPartitions, replicationFactor, assignments, configs }) => ({
        name,
        partitionCount: numPartitions,
        replicationFactor,
        assignments,
        configs,
      })),
      { origin: 'client', validateOnly: request.validateOnly },
    )
    return { topics: results.map((result) => draftOf(broker, result)) }
  },
})

function draftOf(broker: BrokerServices, result: TopicResult): CreateTopicsResponseDraft['topics'][number] {
  const { name, error: errorCode, message: errorMessage, topic } = result
  if (topic === undefined) return { name, errorCode, errorMessage }
  const config = broker.catalogue.catalogue.topicConfig(topic)
  const entries = topicConfigEntries(configSourcesOf(broker), config, topic.configs)
  return {
    name,
    topicId: topic.topicId,
    errorCode,
    errorMessage,
    numPartitions: topic.partitionCount,
    replicationFactor: 1,
    configs: entries.map(({ name: option, value, readOnly, configSource, isSensitive }) => ({
      name: option,
      value,
      readOnly,
      configSource,
      isSensitive,
    })),
  }
}
