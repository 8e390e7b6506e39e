/** DescribeConfigs: options of topics and of the broker, with source and synonyms. Source: ConfigHelper (4.3.1), KIP-226. */
import { topicNameProblem } from '../../core/metadata/topic-name.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { describeConfigs } from '../../protocol/messages/describe-configs.ts'
import type { DescribeConfigsRequest } from '../../protocol/messages/describe-configs.ts'
import { clusterConfigEntries, nodeConfigEntries, topicConfigEntries } from '../config-entries.ts'
import type { ConfigEntry } from '../config-entries.ts'
import { BROKER_RESOURCE, TOPIC_RESOURCE } from '../config-resources.ts'
import { configSourcesOf } from '../config-sources.ts'
import { distinct } from '../distinct.ts'
import { defineHandler } from '../handler.ts'
import type { BrokerServices } from '../services.ts'

type Resource = DescribeConfigsRequest['resources'][number]

export const describeConfigsHandler = defineHandler(describeConfigs, {
  minVersion: 1,
  maxVersion: 4,
  deviations: [
    'only topics and the broker have configurations; other resource types are refused (INVALID_REQUEST)',
    'a resource that is named more than once is answered once',
  ],
  async handle(broker, request) {
    // An empty decision: it waits until everything that it shows is durable.
    const found = await broker.catalogue.run(() => ({
      records: [],
      reply: distinct(request.resources, resourceKey).map((resource) => ({
        resource,
        entries: entriesOf(broker, resource),
      })),
    }))
    return {
      results: found.map(({ resource, entries }) => {
        const { resourceType, resourceName, configurationKeys } = resource
        if ('error' in entries) {
          const { error: errorCode, message: errorMessage } = entries
          return { errorCode, errorMessage, resourceType, resourceName, configs: [] }
        }
        const wanted = configurationKeys === null || configurationKeys.length === 0 ? undefined : configurationKeys
        return {
          errorCode: 'NONE' as const,
          errorMessage: null,
          resourceType,
          resourceName,
          configs: entries
            .filter(({ name }) => wanted === undefined || wanted.includes(name))
            .map(({ synonyms, documentation, ...entry }) => ({
              ...entry,
              synonyms: request.includeSynonyms ? synonyms : [],
              documentation: request.includeDocumentation ? documentation : null,
            })),
        }
      }),
    }
  },
})

function resourceKey({ resourceType, resourceName }: Resource): string {
  return `${resourceType} ${resourceName}`
}

function entriesOf(
  broker: BrokerServices,
  { resourceType, resourceName }: Resource,
): ConfigEntry[] | { readonly error: ErrorCode; readonly message: string } {
  const sources = configSourcesOf(broker)
  switch (resourceType) {
    case TOPIC_RESOURCE: {
      const nameProblem = topicNameProblem(resourceName)
      if (nameProblem !== undefined) return { error: 'INVALID_TOPIC_EXCEPTION', message: nameProblem }
      const topic = broker.catalogue.topic(resourceName)
      if (topic === undefined) {
        return { error: 'UNKNOWN_TOPIC_OR_PARTITION', message: `Topic '${resourceName}' does not exist.` }
      }
      return topicConfigEntries(sources, broker.catalogue.catalogue.topicConfig(topic), topic.configs)
    }
    case BROKER_RESOURCE:
      if (resourceName === '') return clusterConfigEntries(sources)
      if (resourceName === String(broker.node.nodeId)) return nodeConfigEntries(sources)
      return {
        error: 'INVALID_REQUEST',
        message: `Unexpected broker id, expected ${broker.node.nodeId} or empty string, but received ${resourceName}`,
      }
    default:
      return { error: 'INVALID_REQUEST', message: `Unsupported resource type: ${resourceType}` }
  }
}
