/**
 * Topic-level configuration: the names, types and ranges of Kafka 4.3's TopicConfig, and the broker option that gives
 * each its default. A topic stores only what was set for it, as text; everything else follows the broker's options.
 *
 * Source: org.apache.kafka.common.config.TopicConfig, storage LogConfig, ServerTopicConfigSynonyms (4.3.1).
 */
import {
  booleanOption,
  choiceOption,
  doubleOption,
  intOption,
  listOption,
  longOption,
  nearestName,
  parseOption,
  UNLIMITED,
} from '../../base/options.ts'
import type { Option, ValueOf } from '../../base/options.ts'

const DAY_MS = 86_400_000

/** The declared topic options by property name. `default` is Kafka's; the broker's own options come before it. */
export const TOPIC_OPTIONS = {
  cleanupPolicy: listOption({
    name: 'cleanup.policy',
    default: ['delete'],
    choices: ['delete', 'compact'],
    doc: 'What happens to old records: "delete" removes segments by age or size, "compact" keeps the newest record of each key.',
  }),
  compressionGzipLevel: intOption({
    name: 'compression.gzip.level',
    default: -1,
    min: -1,
    max: 9,
    doc: 'Level to compress with when compression.type is gzip; -1 is the default level of the codec.',
  }),
  compressionLz4Level: intOption({
    name: 'compression.lz4.level',
    default: 9,
    min: 1,
    max: 17,
    doc: 'Level to compress with when compression.type is lz4.',
  }),
  compressionType: choiceOption({
    name: 'compression.type',
    default: 'producer',
    choices: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    doc: 'How record batches are compressed in the log; "producer" keeps them as they were sent.',
  }),
  compressionZstdLevel: intOption({
    name: 'compression.zstd.level',
    default: 3,
    min: -131_072,
    max: 22,
    doc: 'Level to compress with when compression.type is zstd.',
  }),
  deleteRetentionMs: longOption({
    name: 'delete.retention.ms',
    default: DAY_MS,
    min: 0,
    unit: 'ms',
    doc: 'How long a tombstone stays readable in a compacted topic.',
  }),
  fileDeleteDelayMs: longOption({
    name: 'file.delete.delay.ms',
    default: 60_000,
    min: 0,
    unit: 'ms',
    doc: 'How long a file that is no longer needed waits before it is removed.',
  }),
  flushMessages: longOption({
    name: 'flush.messages',
    default: UNLIMITED,
    min: 1,
    doc: 'Accepted for compatibility: the journal makes every acknowledged record durable by itself.',
  }),
  flushMs: longOption({
    name: 'flush.ms',
    default: UNLIMITED,
    min: 0,
    unit: 'ms',
    doc: 'Accepted for compatibility: the journal makes every acknowledged record durable by itself.',
  }),
  indexIntervalBytes: intOption({
    name: 'index.interval.bytes',
    default: 4096,
    min: 0,
    unit: 'bytes',
    doc: 'Bytes of log between two entries of the offset index.',
  }),
  localRetentionBytes: longOption({
    name: 'local.retention.bytes',
    default: -2,
    min: -2,
    unit: 'bytes',
    doc: 'Accepted for compatibility: there is no tiered storage.',
  }),
  localRetentionMs: longOption({
    name: 'local.retention.ms',
    default: -2,
    min: -2,
    unit: 'ms',
    doc: 'Accepted for compatibility: there is no tiered storage.',
  }),
  maxCompactionLagMs: longOption({
    name: 'max.compaction.lag.ms',
    default: UNLIMITED,
    min: 1,
    unit: 'ms',
    doc: 'Longest time a record may stay uncompacted.',
  }),
  maxMessageBytes: intOption({
    name: 'max.message.bytes',
    default: 1_048_588,
    min: 0,
    unit: 'bytes',
    doc: 'Largest record batch the topic takes, compressed size.',
  }),
  messageTimestampAfterMaxMs: longOption({
    name: 'message.timestamp.after.max.ms',
    default: 3_600_000,
    min: 0,
    unit: 'ms',
    doc: 'How far a record timestamp may lie ahead of the broker clock when message.timestamp.type is CreateTime.',
  }),
  messageTimestampBeforeMaxMs: longOption({
    name: 'message.timestamp.before.max.ms',
    default: UNLIMITED,
    min: 0,
    unit: 'ms',
    doc: 'How far a record timestamp may lie behind the broker clock when message.timestamp.type is CreateTime.',
  }),
  messageTimestampType: choiceOption({
    name: 'message.timestamp.type',
    default: 'CreateTime',
    choices: ['CreateTime', 'LogAppendTime'],
    doc: 'Whether record timestamps are those of the producer or of the append.',
  }),
  minCleanableDirtyRatio: doubleOption({
    name: 'min.cleanable.dirty.ratio',
    default: 0.5,
    min: 0,
    max: 1,
    doc: 'Share of the log that must be uncompacted before it is compacted.',
  }),
  minCompactionLagMs: longOption({
    name: 'min.compaction.lag.ms',
    default: 0,
    min: 0,
    unit: 'ms',
    doc: 'Shortest time a record stays uncompacted.',
  }),
  minInsyncReplicas: intOption({
    name: 'min.insync.replicas',
    default: 1,
    min: 1,
    doc: 'Replicas that must have a record before acks=all is answered; this node is the only one.',
  }),
  preallocate: booleanOption({
    name: 'preallocate',
    default: false,
    doc: 'Accepted for compatibility: journal files are always preallocated, segments never.',
  }),
  remoteLogCopyDisable: booleanOption({
    name: 'remote.log.copy.disable',
    default: false,
    doc: 'Accepted for compatibility: there is no tiered storage.',
  }),
  remoteLogDeleteOnDisable: booleanOption({
    name: 'remote.log.delete.on.disable',
    default: false,
    doc: 'Accepted for compatibility: there is no tiered storage.',
  }),
  remoteStorageEnable: booleanOption({
    name: 'remote.storage.enable',
    default: false,
    doc: 'Tiered storage, which this broker does not have: only false is accepted.',
  }),
  retentionBytes: longOption({
    name: 'retention.bytes',
    default: -1,
    unit: 'bytes',
    doc: 'Size of a partition above which its oldest segments are deleted; -1 is unlimited.',
  }),
  retentionMs: longOption({
    name: 'retention.ms',
    default: 7 * DAY_MS,
    min: -1,
    unit: 'ms',
    doc: 'Age above which segments are deleted; -1 is unlimited.',
  }),
  segmentBytes: intOption({
    name: 'segment.bytes',
    default: 1_073_741_824,
    min: 1_048_576,
    unit: 'bytes',
    doc: 'Size of a segment file at which the next one is begun.',
  }),
  segmentIndexBytes: intOption({
    name: 'segment.index.bytes',
    default: 10_485_760,
    min: 4,
    unit: 'bytes',
    doc: 'Largest size of an index file.',
  }),
  segmentJitterMs: longOption({
    name: 'segment.jitter.ms',
    default: 0,
    min: 0,
    unit: 'ms',
    doc: 'Largest random time taken off segment.ms, so that segments do not all roll at once.',
  }),
  segmentMs: longOption({
    name: 'segment.ms',
    default: 7 * DAY_MS,
    min: 1,
    unit: 'ms',
    doc: 'Age of a segment at which the next one is begun even when it is not full.',
  }),
  uncleanLeaderElectionEnable: booleanOption({
    name: 'unclean.leader.election.enable',
    default: false,
    doc: 'Accepted for compatibility: there is one replica and no election.',
  }),
} as const satisfies Record<string, Option>

export type TopicOptionKey = keyof typeof TOPIC_OPTIONS

/** The values in force for one topic. */
export type TopicConfig = { readonly [K in TopicOptionKey]: ValueOf<(typeof TOPIC_OPTIONS)[K]> }

/** What was set for a topic: Kafka name to text. */
export type ConfigTexts = ReadonlyMap<string, string>

/** The option of a Kafka name, with the property it has in `TopicConfig`. */
export function topicOption(name: string): { key: TopicOptionKey; option: Option } | undefined {
  for (const key of Object.keys(TOPIC_OPTIONS) as TopicOptionKey[]) {
    if (TOPIC_OPTIONS[key].name === name) return { key, option: TOPIC_OPTIONS[key] }
  }
  return undefined
}

/** The values in force: what was set for the topic, else the broker's default. `texts` must have been checked. */
export function resolveTopicConfig(texts: ConfigTexts, defaults: TopicConfig): TopicConfig {
  const config: Record<string, unknown> = { ...defaults }
  for (const [name, text] of texts) {
    const found = topicOption(name)
    if (found === undefined) continue // set by a later version of semel; it keeps its text
    const parsed = parseOption(found.option, text)
    if (parsed.ok) config[found.key] = parsed.value
  }
  return config as TopicConfig
}

/**
 * Why these settings cannot be those of a topic, as a sentence for the user; `undefined` when they can.
 * Checks names, values, and the rules that tie options together (LogConfig.validate).
 */
export function topicConfigProblem(texts: ConfigTexts, defaults: TopicConfig): string | undefined {
  for (const [name, text] of texts) {
    const found = topicOption(name)
    if (found === undefined) {
      const nearest = nearestName(
        name,
        Object.values(TOPIC_OPTIONS).map((option) => option.name),
      )
      return `Unknown topic config name: ${name}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`
    }
    const parsed = parseOption(found.option, text)
    if (!parsed.ok) return `Invalid value ${text} for configuration ${name}: ${parsed.reason}`
  }
  const config = resolveTopicConfig(texts, defaults)
  if (config.remoteStorageEnable) {
    return 'Invalid value true for configuration remote.storage.enable: this broker has no tiered storage'
  }
  if (config.minCompactionLagMs > config.maxCompactionLagMs) {
    return `min.compaction.lag.ms (${config.minCompactionLagMs}) must not be above max.compaction.lag.ms (${config.maxCompactionLagMs})`
  }
  return undefined
}
