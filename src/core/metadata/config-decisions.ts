/**
 * Decisions about the settings of topics and of the broker. Pure, as topic-decisions.ts.
 *
 * Source: ConfigAdminManager, ControllerConfigurationValidator (4.3.1).
 */
import { formatOption } from '../../base/options.ts'
import type {
  CatalogueResult,
  CatalogueView,
  ConfigChange,
  ConfigChangeResult,
  ConfigResource,
} from './catalogue-api.ts'
import type { CatalogueRecord } from './catalogue-records.ts'
import { changeConfigs } from './config-changes.ts'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { topicConfigProblem, topicOption } from './topic-config.ts'
import { topicNameProblem } from './topic-name.ts'
import { listOf, topicRecord } from './topic-record.ts'

type AlterOutcome = { readonly record?: CatalogueRecord } | Refusal

/**
 * Changes settings of topics and of the broker; each resource on its own.
 * Errors: INVALID_REQUEST, INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION
 */
export function decideAlterConfigs(
  view: CatalogueView,
  changes: readonly ConfigChange[],
  context: { readonly validateOnly: boolean },
): CatalogueResult<ConfigChangeResult[]> {
  const timesNamed = new Map<string, number>()
  const keyOf = ({ type, name }: ConfigResource) => `${type} ${name}`
  for (const { resource } of changes) timesNamed.set(keyOf(resource), (timesNamed.get(keyOf(resource)) ?? 0) + 1)
  const records: CatalogueRecord[] = []
  const reply = changes.map((change): ConfigChangeResult => {
    const { resource } = change
    const outcome =
      (timesNamed.get(keyOf(resource)) ?? 0) > 1
        ? refuse('INVALID_REQUEST', 'Each resource must appear at most once.')
        : resource.type === 'topic'
          ? alterTopic(view, change)
          : alterBroker(view, change)
    if ('error' in outcome) return { resource, error: outcome.error, message: outcome.message }
    if (outcome.record !== undefined) records.push(outcome.record)
    return { resource, error: 'NONE', message: null }
  })
  return { records: context.validateOnly ? [] : records, reply }
}

function alterTopic(
  view: CatalogueView,
  { resource: { name }, operations, isReplacement }: ConfigChange,
): AlterOutcome {
  const nameProblem = topicNameProblem(name)
  if (nameProblem !== undefined) return refuse('INVALID_TOPIC_EXCEPTION', nameProblem)
  const topic = view.topic(name)
  if (topic === undefined) return refuse('UNKNOWN_TOPIC_OR_PARTITION', `Topic '${name}' does not exist.`)
  const defaults = view.options.topicDefaults()
  const changed = changeConfigs(
    isReplacement === true ? new Map() : topic.configs,
    operations,
    (config) => topicOption(config)?.option,
    (config) => {
      const found = topicOption(config)
      return found === undefined ? undefined : formatOption(found.option, defaults[found.key])
    },
  )
  if ('error' in changed) return changed
  const problem = topicConfigProblem(changed.texts, defaults)
  if (problem !== undefined) return refuse('INVALID_CONFIG', problem)
  return { record: topicRecord({ ...topic, configs: changed.texts }) }
}

function alterBroker(
  view: CatalogueView,
  { resource: { name }, operations, isReplacement }: ConfigChange,
): AlterOutcome {
  const { nodeId, brokerOption, brokerConfigProblem } = view.options
  if (name !== '' && name !== String(nodeId)) {
    return refuse('INVALID_REQUEST', `Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`)
  }
  const current = isReplacement === true ? new Map<string, string>() : view.brokerConfigs(name)
  const changed = changeConfigs(current, operations, brokerOption, (config) => {
    const option = brokerOption(config)
    return option === undefined ? undefined : formatOption(option, option.default)
  })
  if ('error' in changed) return changed
  const problem = brokerConfigProblem(changed.texts)
  if (problem !== undefined) return problem
  const value = changed.texts.size === 0 ? null : { configs: listOf(changed.texts) }
  return { record: { kind: 'brokerConfig', name, value } }
}
