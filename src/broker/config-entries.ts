/**
 * What DescribeConfigs and CreateTopics tell about options: the value in force, where it comes from, and what it would
 * be without each of its sources. Source: ConfigHelper, DynamicBrokerConfig (4.3.1); KIP-226, KIP-569.
 */
import { formatOption } from '../base/options.ts'
import type { Option, OptionType } from '../base/options.ts'
import { TOPIC_OPTIONS } from '../core/metadata/topic-config.ts'
import type { ConfigTexts, TopicConfig, TopicOptionKey } from '../core/metadata/topic-config.ts'
import { BROKER_OPTIONS } from './config-options.ts'
import type { BrokerOptionKey } from './config-options.ts'
import { configText } from './config.ts'
import type { BrokerConfig, LoadedConfig } from './config.ts'
import { TOPIC_DEFAULTS } from './topic-config.ts'

export interface ConfigEntry {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: number
  readonly isSensitive: boolean
  readonly synonyms: readonly ConfigSynonym[]
  readonly configType: number
  readonly documentation: string
}

export interface ConfigSynonym {
  readonly name: string
  readonly value: string | null
  readonly source: number
}

/** Everything that can give an option its value. */
export interface ConfigSources {
  readonly config: BrokerConfig
  readonly loaded: LoadedConfig
  /** Set while running for this node. */
  readonly nodeConfigs: ConfigTexts
  /** Set while running for all nodes. */
  readonly clusterConfigs: ConfigTexts
}

const SOURCE = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefault: 3,
  static: 4,
  default: 5,
} as const

const TYPE_NUMBERS: Readonly<Record<OptionType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
}

/** All options of one topic. `config`: the values in force; `texts`: what was set for the topic. */
export function topicConfigEntries(sources: ConfigSources, config: TopicConfig, texts: ConfigTexts): ConfigEntry[] {
  return (Object.keys(TOPIC_OPTIONS) as TopicOptionKey[]).map((key) => {
    const option: Option = TOPIC_OPTIONS[key]
    const own = texts.get(option.name)
    const inherited = brokerSynonyms(
      sources,
      (TOPIC_DEFAULTS[key] ?? []).map((synonym) => synonym.option),
    )
    const synonyms =
      own === undefined ? inherited : [{ name: option.name, value: own, source: SOURCE.topic }, ...inherited]
    return entry(option, own ?? formatOption(option, config[key]) ?? null, synonyms, false)
  })
}

/** All options of this node. */
export function nodeConfigEntries(sources: ConfigSources): ConfigEntry[] {
  return (Object.keys(BROKER_OPTIONS) as BrokerOptionKey[]).map((key) => {
    const option: Option = BROKER_OPTIONS[key]
    return entry(option, configText(sources.config, key), brokerSynonyms(sources, [key]), option.dynamic !== true)
  })
}

/** What was set while running for all nodes. */
export function clusterConfigEntries({ clusterConfigs }: ConfigSources): ConfigEntry[] {
  return (Object.values(BROKER_OPTIONS) as Option[]).flatMap((option) => {
    const value = clusterConfigs.get(option.name)
    if (value === undefined) return []
    return [
      entry(option, value, [{ name: option.name, value, source: SOURCE.dynamicDefault }], option.dynamic !== true),
    ]
  })
}

/** The settings of these broker options, by falling precedence. */
function brokerSynonyms(sources: ConfigSources, keys: readonly BrokerOptionKey[]): ConfigSynonym[] {
  const options: Option[] = keys.map((key) => BROKER_OPTIONS[key])
  const from = (source: number, textOf: (option: Option) => string | undefined): ConfigSynonym[] =>
    options.flatMap((option) => {
      const value = textOf(option)
      return value === undefined ? [] : [{ name: option.name, value, source }]
    })
  return [
    ...from(SOURCE.dynamicBroker, ({ name }) => sources.nodeConfigs.get(name)),
    ...from(SOURCE.dynamicDefault, ({ name }) => sources.clusterConfigs.get(name)),
    ...from(SOURCE.static, ({ name }) => sources.loaded.texts.get(name)),
    ...from(SOURCE.default, (option) => formatOption(option, option.default)),
  ]
}

function entry(
  option: Option,
  value: string | null,
  synonyms: readonly ConfigSynonym[],
  readOnly: boolean,
): ConfigEntry {
  return {
    name: option.name,
    value,
    readOnly,
    configSource: synonyms[0]?.source ?? SOURCE.default,
    // Nothing secret can be configured yet.
    isSensitive: false,
    synonyms,
    configType: TYPE_NUMBERS[option.type],
    documentation: option.doc,
  }
}
