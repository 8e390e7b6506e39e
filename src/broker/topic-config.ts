/**
 * Joins the broker's options with those of topics: which broker option gives a topic option its default.
 *
 * The topic options themselves are declared in core/metadata/topic-config.ts.
 */
import { TOPIC_OPTIONS } from '../core/metadata/topic-config.ts'
import type { TopicConfig, TopicOptionKey } from '../core/metadata/topic-config.ts'
import type { BrokerOptionKey } from './config-options.ts'
import type { BrokerConfig } from './config.ts'

export type { TopicConfig } from '../core/metadata/topic-config.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

/**
 * Which broker options give a topic option its default, in falling precedence; the first that is set counts.
 * Source: ServerTopicConfigSynonyms.
 */
export const TOPIC_DEFAULTS: {
  readonly [K in TopicOptionKey]?: readonly { readonly option: BrokerOptionKey; readonly factor?: number }[]
} = {
  cleanupPolicy: [{ option: 'logCleanupPolicy' }],
  compressionGzipLevel: [{ option: 'compressionGzipLevel' }],
  compressionLz4Level: [{ option: 'compressionLz4Level' }],
  compressionType: [{ option: 'compressionType' }],
  compressionZstdLevel: [{ option: 'compressionZstdLevel' }],
  deleteRetentionMs: [{ option: 'logCleanerDeleteRetentionMs' }],
  fileDeleteDelayMs: [{ option: 'logSegmentDeleteDelayMs' }],
  indexIntervalBytes: [{ option: 'logIndexIntervalBytes' }],
  maxCompactionLagMs: [{ option: 'logCleanerMaxCompactionLagMs' }],
  maxMessageBytes: [{ option: 'messageMaxBytes' }],
  messageTimestampAfterMaxMs: [{ option: 'logMessageTimestampAfterMaxMs' }],
  messageTimestampBeforeMaxMs: [{ option: 'logMessageTimestampBeforeMaxMs' }],
  messageTimestampType: [{ option: 'logMessageTimestampType' }],
  minCompactionLagMs: [{ option: 'logCleanerMinCompactionLagMs' }],
  minInsyncReplicas: [{ option: 'minInsyncReplicas' }],
  retentionBytes: [{ option: 'logRetentionBytes' }],
  retentionMs: [
    { option: 'logRetentionMs' },
    { option: 'logRetentionMinutes', factor: MINUTE_MS },
    { option: 'logRetentionHours', factor: HOUR_MS },
  ],
  segmentBytes: [{ option: 'logSegmentBytes' }],
  segmentIndexBytes: [{ option: 'logIndexSizeMaxBytes' }],
  segmentJitterMs: [{ option: 'logRollJitterMs' }, { option: 'logRollJitterHours', factor: HOUR_MS }],
  segmentMs: [{ option: 'logRollMs' }, { option: 'logRollHours', factor: HOUR_MS }],
}

/** What topics that set nothing of their own get. */
export function topicDefaults(config: BrokerConfig): TopicConfig {
  const defaults: Record<string, unknown> = {}
  for (const key of Object.keys(TOPIC_OPTIONS) as TopicOptionKey[]) {
    defaults[key] = TOPIC_OPTIONS[key].default
    const synonym = (TOPIC_DEFAULTS[key] ?? []).find(({ option }) => config[option] !== undefined)
    if (synonym === undefined) continue
    const value = config[synonym.option]
    const isScaled = synonym.factor !== undefined && typeof value === 'number' && value >= 0
    defaults[key] = isScaled ? Math.min(value * (synonym.factor ?? 1), Number.MAX_SAFE_INTEGER) : value
  }
  return defaults as TopicConfig
}
