/**
 * The broker's configuration: every option it knows under Kafka's name and default (semel's own under `semel.`),
 * and how a `server.properties` file, `-X key=value` and the library's object become one typed `BrokerConfig`.
 *
 * Reading properties text is left to properties.ts, listeners to listeners.ts, the table itself to config-options.ts.
 * Kafka options that have no meaning on one node are accepted and named, so that a real server.properties starts.
 */
import { formatOption, nearestName, parseOption } from '../base/options.ts'
import type { Option, ValueOf } from '../base/options.ts'
import { BROKER_OPTIONS } from './config-options.ts'
import type { BrokerOptionKey } from './config-options.ts'
import { isIgnoredOption, isSecurityOption } from './foreign-options.ts'

/** The values in force, by camel-case property: `message.max.bytes` is `messageMaxBytes`. */
export type BrokerConfig = { readonly [K in BrokerOptionKey]: ValueOf<(typeof BROKER_OPTIONS)[K]> }

/** A mistake in the configuration; the message says which key, what was found and what is expected. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

export interface LoadedConfig {
  readonly config: BrokerConfig
  /** What was set, as text under the option's first name. */
  readonly texts: ReadonlyMap<string, string>
  /** Keys that were given and have no effect on a single node. */
  readonly ignored: readonly string[]
}

const KEY_BY_NAME: ReadonlyMap<string, BrokerOptionKey> = new Map(
  (Object.keys(BROKER_OPTIONS) as BrokerOptionKey[]).flatMap((key) => {
    const option: Option = BROKER_OPTIONS[key]
    return [option.name, ...(option.aliases ?? [])].map((name) => [name, key] as const)
  }),
)

/** The declared option of a Kafka name (or an alias of it). */
export function brokerOption(name: string): { key: BrokerOptionKey; option: Option } | undefined {
  const key = KEY_BY_NAME.get(name)
  return key === undefined ? undefined : { key, option: BROKER_OPTIONS[key] }
}

/**
 * Checks properties and fills in the defaults.
 * @throws ConfigError  unknown key (with the nearest known one), bad value, two spellings of one option that disagree
 */
export function loadConfig(properties: Readonly<Record<string, string>>): LoadedConfig {
  const texts = new Map<string, string>()
  const spelling = new Map<string, string>()
  const ignored: string[] = []
  for (const [name, text] of Object.entries(properties)) {
    const found = brokerOption(name)
    if (found === undefined) {
      if (!isIgnoredOption(name)) throw unknownKey(name)
      ignored.push(name)
      continue
    }
    const { option } = found
    const parsed = parseOption(option, text)
    if (!parsed.ok) throw new ConfigError(`${name}=${text}: ${parsed.reason}`)
    const earlier = texts.get(option.name)
    if (earlier !== undefined && earlier !== text) {
      throw new ConfigError(
        `${spelling.get(option.name)}=${earlier} and ${name}=${text} name the same option; keep one`,
      )
    }
    texts.set(option.name, text)
    spelling.set(option.name, name)
  }
  const config = configOf(texts)
  const problem = contradiction(config)
  if (problem !== undefined) throw new ConfigError(problem)
  return { config, texts, ignored }
}

/** The configuration with dynamic settings over the static ones; later maps win. All texts must have been checked. */
export function withDynamicConfigs(
  loaded: LoadedConfig,
  ...dynamic: readonly ReadonlyMap<string, string>[]
): BrokerConfig {
  const texts = new Map(loaded.texts)
  for (const settings of dynamic) for (const [name, text] of settings) texts.set(name, text)
  return configOf(texts)
}

/**
 * Why these texts cannot be set while the broker runs; `undefined` when they can.
 * Errors: INVALID_REQUEST (unknown, or fixed at the start), INVALID_CONFIG (value)
 */
export function brokerConfigProblem(
  loaded: LoadedConfig,
  texts: ReadonlyMap<string, string>,
): { error: 'INVALID_REQUEST' | 'INVALID_CONFIG'; message: string } | undefined {
  const fixed = [...texts.keys()].filter((name) => brokerOption(name)?.option.dynamic !== true)
  if (fixed.length > 0) {
    return { error: 'INVALID_REQUEST', message: `Cannot update these configs dynamically: ${fixed.join(', ')}` }
  }
  for (const [name, text] of texts) {
    const found = brokerOption(name)
    const parsed = found === undefined ? undefined : parseOption(found.option, text)
    if (parsed?.ok === false) {
      return { error: 'INVALID_CONFIG', message: `Invalid value ${text} for configuration ${name}: ${parsed.reason}` }
    }
  }
  const message = contradiction(withDynamicConfigs(loaded, texts))
  return message === undefined ? undefined : { error: 'INVALID_CONFIG', message }
}

/** The text of an option's value as Kafka prints it; null when it is not set. */
export function configText(config: BrokerConfig, key: BrokerOptionKey): string | null {
  return formatOption(BROKER_OPTIONS[key], config[key]) ?? null
}

function configOf(texts: ReadonlyMap<string, string>): BrokerConfig {
  const config: Record<string, unknown> = {}
  for (const key of Object.keys(BROKER_OPTIONS) as BrokerOptionKey[]) {
    const option: Option = BROKER_OPTIONS[key]
    const text = texts.get(option.name)
    const parsed = text === undefined ? undefined : parseOption(option, text)
    config[key] = parsed?.ok ? parsed.value : option.default
  }
  return config as BrokerConfig
}

function unknownKey(name: string): ConfigError {
  if (isSecurityOption(name)) {
    return new ConfigError(
      `${name}: this broker has no TLS, SASL or ACLs; remove the key, for nothing would be protected by it`,
    )
  }
  const nearest = nearestName(name, KEY_BY_NAME.keys())
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return new ConfigError(`unknown configuration key ${name}${hint}`)
}

/** What is wrong with the options taken together; `undefined` when nothing is. */
function contradiction(config: BrokerConfig): string | undefined {
  const { groupMinSessionTimeoutMs: least, groupMaxSessionTimeoutMs: most } = config
  if (least > most) {
    return `group.min.session.timeout.ms (${least}) is above group.max.session.timeout.ms (${most})`
  }
  const { messageMaxBytes, socketRequestMaxBytes } = config
  if (messageMaxBytes > socketRequestMaxBytes) {
    return `message.max.bytes (${messageMaxBytes}) is above socket.request.max.bytes (${socketRequestMaxBytes}), so such a message could never arrive`
  }
  const { defaultReplicationFactor, minInsyncReplicas } = config
  if (defaultReplicationFactor > 1) {
    return `default.replication.factor is ${defaultReplicationFactor}, but there is one node, so only 1 is possible`
  }
  if (minInsyncReplicas > 1) {
    return `min.insync.replicas is ${minInsyncReplicas}, but there is one node, so acks=all could never succeed`
  }
  if (config.logCleanerMinCompactionLagMs > config.logCleanerMaxCompactionLagMs) {
    return 'log.cleaner.min.compaction.lag.ms is above log.cleaner.max.compaction.lag.ms'
  }
  if (config.logDirs?.includes(',') === true) {
    return `log.dirs is ${config.logDirs}, but there is one journal: name one directory`
  }
  if (config.transactionTwoPhaseCommitEnable) {
    return 'transaction.two.phase.commit.enable is true, but this broker has no two-phase commit'
  }
  return undefined
}
