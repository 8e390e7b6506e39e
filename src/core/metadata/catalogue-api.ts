/** What goes into the decisions of the catalogue and what comes out, and what deciders may read of its state. */
import type { Option } from '../../base/options.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { CatalogueRecord } from './catalogue-records.ts'
import type { ConfigOperation } from './config-changes.ts'
import type { Refusal } from './refusal.ts'
import type { ConfigTexts, TopicConfig } from './topic-config.ts'

export interface CatalogueOptions {
  readonly nodeId: number
  /** Partitions of all topics together. */
  readonly maxPartitions: number
  /** Partitions of a topic that does not say how many: `num.partitions`. */
  readonly defaultPartitionCount: () => number
  /** What topics that set nothing of their own get. */
  readonly topicDefaults: () => TopicConfig
  /** The broker option of a Kafka name, `undefined` when there is none. */
  readonly brokerOption: (name: string) => Option | undefined
  /** Why these texts cannot be dynamic settings of the broker; `undefined` when they can. */
  readonly brokerConfigProblem: (texts: ConfigTexts) => Refusal | undefined
}

export interface Topic {
  readonly name: string
  readonly topicId: string
  readonly partitionCount: number
  readonly isInternal: boolean
  /** What was set for this topic, as text. */
  readonly configs: ConfigTexts
}

export interface CatalogueResult<Reply> {
  readonly records: readonly CatalogueRecord[]
  readonly reply: Reply
}

export interface NewTopic {
  readonly name: string
  /** -1: the default, or as many as there are assignments. */
  readonly partitionCount: number
  /** -1: the default. */
  readonly replicationFactor: number
  readonly assignments: readonly { readonly partitionIndex: number; readonly brokerIds: readonly number[] }[]
  readonly configs: readonly { readonly name: string; readonly value: string | null }[]
}

/** Outcome for one topic; `topic` is set on success (and with validateOnly: as it would be). */
export interface TopicResult {
  readonly name: string
  readonly error: ErrorCode
  readonly message: string | null
  readonly topic?: Topic
}

/** A topic is named or given by id, never both. */
export interface TopicReference {
  readonly name: string | null
  /** `null` when not given. */
  readonly topicId: string | null
}

export interface DeletedTopicResult {
  readonly name: string | null
  readonly topicId: string | null
  readonly error: ErrorCode
  readonly message: string | null
}

export interface PartitionIncrease {
  readonly name: string
  /** The new total. */
  readonly count: number
  readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null
}

/** `name` of a broker resource: the node id, or '' for the default of all nodes. */
export interface ConfigResource {
  readonly type: 'topic' | 'broker'
  readonly name: string
}

export interface ConfigChange {
  readonly resource: ConfigResource
  readonly operations: readonly ConfigOperation[]
  /** AlterConfigs: what is not named goes back to its default. */
  readonly isReplacement?: boolean
}

export interface ConfigChangeResult {
  readonly resource: ConfigResource
  readonly error: ErrorCode
  readonly message: string | null
}

/** The state that decisions read; the catalogue itself, without what changes it. */
export interface CatalogueView {
  readonly options: CatalogueOptions
  readonly partitionCount: number
  topic(name: string): Topic | undefined
  topicById(topicId: string): Topic | undefined
  /** Name of the topic that has this name or differs from it only in '.' and '_'. */
  topicCollidingWith(name: string): string | undefined
  brokerConfigs(name: string): ConfigTexts
}
