/** The catalogue record of a topic, and settings as records hold them. */
import type { CatalogueRecord } from './catalogue-records.ts'
import type { Topic } from './catalogue-api.ts'
import type { ConfigTexts } from './topic-config.ts'

export function topicRecord(topic: Topic): CatalogueRecord {
  const { name, topicId, partitionCount, configs } = topic
  return { kind: 'topic', name, value: { topicId, partitionCount, configs: listOf(configs) } }
}

export function listOf(texts: ConfigTexts): { name: string; value: string }[] {
  return [...texts].map(([name, value]) => ({ name, value }))
}
